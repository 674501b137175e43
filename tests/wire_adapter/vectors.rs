//! Bytes as packages published them: their channel and their body, written down from a Redis client that kept them.

/// A message as it was published.
pub(crate) struct Vector {
    pub(crate) channel: &'static str,
    pub(crate) bytes: &'static [u8],
}

const fn vector(channel: &'static str, bytes: &'static [u8]) -> Vector {
    Vector { channel, bytes }
}

// -- `@socket.io/redis-adapter` 8.3.0 (`createAdapter`, notepack.io 3.0.1), in servers of socket.io 4.8.4.

pub(crate) const CLASSIC_ALL: Vector = vector(
    "socket.io#/#",
    b"\x93\xa6smcg_i\x83\xa4type\x02\xa4data\x95\xa2ev\x01\xa2\xc3\xa9\xc0\x92\xc3\x81\xa1a\xcb?\xf8\
        \x00\x00\x00\x00\x00\x00\xa3nsp\xa1/\x83\xa5rooms\x90\xa6except\x90\xa5flags\x80",
);
pub(crate) const CLASSIC_ROOM: Vector = vector(
    "socket.io#/#r1#",
    b"\x93\xa6smcg_i\x83\xa4type\x02\xa4data\x92\xa2ev\x01\xa3nsp\xa1/\x83\xa5rooms\x91\xa2r1\xa6excep\
        t\x90\xa5flags\x80",
);
pub(crate) const CLASSIC_ROOM_OF_20: Vector = vector(
    "socket.io#/#12345678901234567890#",
    b"\x93\xa6smcg_i\x83\xa4type\x02\xa4data\x91\xa2ev\xa3nsp\xa1/\x83\xa5rooms\x91\xb4123456789012345\
        67890\xa6except\x90\xa5flags\x80",
);
pub(crate) const CLASSIC_ROOMS_EXCEPT_VOLATILE: Vector = vector(
    "socket.io#/#",
    b"\x93\xa6smcg_i\x83\xa4type\x02\xa4data\x92\xa2ev\x81\xa1x\xa1y\xa3nsp\xa1/\x83\xa5rooms\x92\xa2r\
        1\xa2r2\xa6except\x91\xa2r3\xa5flags\x82\xa8volatile\xc3\xa8compress\xc2",
);
pub(crate) const CLASSIC_NUMERIC_ROOM: Vector = vector(
    "socket.io#/#5#",
    b"\x93\xa6smcg_i\x83\xa4type\x02\xa4data\x91\xa2ev\xa3nsp\xa1/\x83\xa5rooms\x91\x05\xa6except\x90\
        \xa5flags\x80",
);
pub(crate) const CLASSIC_BINARY: Vector = vector(
    "socket.io#/#r1#",
    b"\x93\xa6smcg_i\x83\xa4type\x02\xa4data\x93\xa2ev\x81\xa1b\xc4\x03\x01\x02\x03\xc4\x02\x04\x05\
        \xa3nsp\xa1/\x83\xa5rooms\x91\xa2r1\xa6except\x90\xa5flags\x80",
);
pub(crate) const CLASSIC_DATES: Vector = vector(
    "socket.io#/#",
    b"\x93\xa6smcg_i\x83\xa4type\x02\xa4data\x95\xa2ev\xd7\xff\x1dSS\x00eS\xf1\x00\xc0\x81\xa1d\xd6\
        \xffeS\xf1\x00\xc7\x0c\xff;\x8b\x87\xc0\xff\xff\xff\xff\xff\xff\xff\xff\xa3nsp\xa1/\x83\xa5rooms\
        \x90\xa6except\x90\xa5flags\x80",
);
pub(crate) const CLASSIC_NUMBERS: Vector = vector(
    "socket.io#/#",
    b"\x93\xa6smcg_i\x83\xa4type\x02\xa4data\x99\xa2ev\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\xcf\x00\x00\
        \x00\x00\x00\x00\x00\x00\xff\xd1\xff8\xce\x00\x01\x11p\xcf\x00\x00\x01\x00\x00\x00\x00\x00\xd3\
        \xff\xff\xff\x00\x00\x00\x00\x00\xcb?\xf4\x00\x00\x00\x00\x00\x00\xa3nsp\xa1/\x83\xa5rooms\x90\
        \xa6except\x90\xa5flags\x80",
);
pub(crate) const CLASSIC_NSP: Vector = vector(
    "socket.io#/admin#a#b#",
    b"\x93\xa65CRlpE\x83\xa4type\x02\xa4data\x91\xa2ev\xa3nsp\xa6/admin\x83\xa5rooms\x91\xa3a#b\xa6exc\
        ept\x90\xa5flags\x80",
);
pub(crate) const CLASSIC_BROADCAST_FROM_SOCKET: Vector = vector(
    "socket.io#/#r1#",
    b"\x93\xa6smcg_i\x83\xa4type\x02\xa4data\x91\xa2ev\xa3nsp\xa1/\x83\xa5rooms\x91\xa2r1\xa6except\
        \x91\xb4R6gSDYl-LT-UPZPcAAAA\xa5flags\x80",
);
pub(crate) const CLASSIC_JOIN: Vector = vector(
    "socket.io-request#/#",
    b"{\"uid\":\"smcg_i\",\"type\":2,\"opts\":{\"rooms\":[\"r1\"],\"except\":[]},\"rooms\":[\"a\",\"b\
        \"]}",
);
pub(crate) const CLASSIC_LEAVE: Vector = vector(
    "socket.io-request#/#",
    b"{\"uid\":\"smcg_i\",\"type\":3,\"opts\":{\"rooms\":[\"r1\"],\"except\":[\"z\"]},\"rooms\":[\"a\"\
        ]}",
);
pub(crate) const CLASSIC_DISCONNECT: Vector = vector(
    "socket.io-request#/#",
    b"{\"uid\":\"smcg_i\",\"type\":4,\"opts\":{\"rooms\":[\"nobody\"],\"except\":[]},\"close\":true}",
);
pub(crate) const CLASSIC_SSE: Vector =
    vector("socket.io-request#/#", b"{\"uid\":\"smcg_i\",\"type\":6,\"data\":[\"hello\",1,{\"a\":2}]}");
pub(crate) const CLASSIC_SSE_BINARY: Vector = vector(
    "socket.io-request#/#",
    b"{\"uid\":\"smcg_i\",\"type\":6,\"data\":[\"hello\",{\"type\":\"Buffer\",\"data\":[1]}]}",
);
pub(crate) const CLASSIC_SSE_ACK: Vector = vector(
    "socket.io-request#/#",
    b"{\"uid\":\"smcg_i\",\"requestId\":\"IWBdDv\",\"type\":6,\"data\":[\"hello\",1]}",
);
pub(crate) const CLASSIC_FETCH: Vector = vector(
    "socket.io-request#/#",
    b"{\"uid\":\"smcg_i\",\"requestId\":\"cf_ddL\",\"type\":5,\"opts\":{\"rooms\":[\"r1\"],\"except\":\
        []}}",
);
pub(crate) const CLASSIC_ALL_ROOMS: Vector =
    vector("socket.io-request#/#", b"{\"uid\":\"smcg_i\",\"requestId\":\"tap98d\",\"type\":1}");
pub(crate) const CLASSIC_BROADCAST_ACK: Vector = vector(
    "socket.io-request#/#",
    b"\x85\xa3uid\xa6smcg_i\xa9requestId\xa6bkRSdv\xa4type\x07\xa6packet\x83\xa4type\x02\xa4data\x92\
        \xa1q\x01\xa3nsp\xa1/\xa4opts\x83\xa5rooms\x91\xa2r1\xa6except\x90\xa5flags\x81\xa7timeout\xcd\
        \x03\xe8",
);
pub(crate) const CLASSIC_ANSWER_SOCKETS: Vector =
    vector("socket.io-response#/#", b"{\"requestId\":\"req001\",\"sockets\":[\"R6gSDYl-LT-UPZPcAAAA\"]}");
pub(crate) const CLASSIC_ANSWER_ALL_ROOMS: Vector = vector(
    "socket.io-response#/#",
    b"{\"requestId\":\"req002\",\"rooms\":[\"R6gSDYl-LT-UPZPcAAAA\",\"r1\"]}",
);
pub(crate) const CLASSIC_ANSWER_FETCH: Vector = vector(
    "socket.io-response#/#",
    b"{\"requestId\":\"req003\",\"sockets\":[{\"id\":\"R6gSDYl-LT-UPZPcAAAA\",\"handshake\":{\"headers\
        \":{\"sec-websocket-version\":\"13\",\"sec-websocket-key\":\"oMyYm7wvIDy8VCYmk5fhhA==\",\"connec\
        tion\":\"Upgrade\",\"upgrade\":\"websocket\",\"sec-websocket-extensions\":\"permessage-deflate; \
        client_max_window_bits\",\"host\":\"127.0.0.1:24001\"},\"time\":\"Sat Nov 21 2026 14:10:14 GMT+0\
        000 (Coordinated Universal Time)\",\"address\":\"127.0.0.1\",\"xdomain\":false,\"secure\":false,\
        \"issued\":1795270214643,\"url\":\"/socket.io/?EIO=4&transport=websocket\",\"query\":{\"EIO\":\"\
        4\",\"transport\":\"websocket\"},\"auth\":{\"token\":\"\xc3\xa9\"}},\"rooms\":[\"R6gSDYl-LT-UPZP\
        cAAAA\",\"r1\"],\"data\":{\"user\":\"u1\"}}]}",
);
pub(crate) const CLASSIC_ANSWER_FETCH_NONE: Vector =
    vector("socket.io-response#/#", b"{\"requestId\":\"req004\",\"sockets\":[]}");
pub(crate) const CLASSIC_ANSWER_SSE: Vector =
    vector("socket.io-response#/#", b"{\"type\":6,\"requestId\":\"req005\",\"data\":{\"got\":4}}");
pub(crate) const CLASSIC_ANSWER_SSE_NONE: Vector =
    vector("socket.io-response#/#", b"{\"type\":6,\"requestId\":\"req005\"}");
pub(crate) const CLASSIC_ANSWER_BROADCAST: Vector =
    vector("socket.io-response#/#", b"{\"type\":8,\"requestId\":\"req006\",\"clientCount\":1}");
pub(crate) const CLASSIC_ACKNOWLEDGED: Vector =
    vector("socket.io-response#/#", b"\x83\xa4type\x09\xa9requestId\xa6req006\xa6packet\xa2ok");
pub(crate) const CLASSIC_ACKNOWLEDGED_BINARY: Vector =
    vector("socket.io-response#/#", b"\x83\xa4type\x09\xa9requestId\xa6req007\xa6packet\xc4\x01\x09");
pub(crate) const CLASSIC_ACKNOWLEDGED_NOTHING: Vector =
    vector("socket.io-response#/#", b"\x82\xa4type\x09\xa9requestId\xa6req008");
pub(crate) const CLASSIC_ANSWER_OLD_JOIN: Vector =
    vector("socket.io-response#/#", b"{\"requestId\":\"req009\"}");

// -- `@socket.io/redis-adapter` 8.3.0 (`createShardedAdapter`), socket.io-adapter 2.5.8, socket.io 4.8.4.

pub(crate) const SHARDED_ALL: Vector = vector(
    "socket.io#/#",
    b"{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"ev\",1,\"\xc3\xa9\",null,[true,{\"a\":1\
        .5}]]},\"opts\":{\"rooms\":[],\"except\":[],\"flags\":{}}},\"uid\":\"ef88354b67b163b2\",\"nsp\":\
        \"/\"}",
);
pub(crate) const SHARDED_ROOM: Vector = vector(
    "socket.io#/#r1#",
    b"{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"ev\",1]},\"opts\":{\"rooms\":[\"r1\"],\
        \"except\":[],\"flags\":{}}},\"uid\":\"ef88354b67b163b2\",\"nsp\":\"/\"}",
);
pub(crate) const SHARDED_ROOM_OF_20: Vector = vector(
    "socket.io#/#",
    b"{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"ev\"]},\"opts\":{\"rooms\":[\"123456789\
        01234567890\"],\"except\":[],\"flags\":{}}},\"uid\":\"ef88354b67b163b2\",\"nsp\":\"/\"}",
);
pub(crate) const SHARDED_ROOMS_EXCEPT_VOLATILE: Vector = vector(
    "socket.io#/#",
    b"{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"ev\",{\"x\":\"y\"}]},\"opts\":{\"rooms\
        \":[\"r1\",\"r2\"],\"except\":[\"r3\"],\"flags\":{\"volatile\":true,\"compress\":false}}},\"uid\
        \":\"ef88354b67b163b2\",\"nsp\":\"/\"}",
);
pub(crate) const SHARDED_NUMERIC_ROOM: Vector = vector(
    "socket.io#/#5#",
    b"{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"ev\"]},\"opts\":{\"rooms\":[5],\"except\
        \":[],\"flags\":{}}},\"uid\":\"ef88354b67b163b2\",\"nsp\":\"/\"}",
);
pub(crate) const SHARDED_BINARY: Vector = vector(
    "socket.io#/#r1#",
    b"\x84\xa4type\x03\xa4data\x82\xa6packet\x82\xa4type\x02\xa4data\x93\xa2ev\x81\xa1b\xc4\x03\x01\
        \x02\x03\xc4\x02\x04\x05\xa4opts\x83\xa5rooms\x91\xa2r1\xa6except\x90\xa5flags\x80\xa3uid\xb0ef8\
        8354b67b163b2\xa3nsp\xa1/",
);
pub(crate) const SHARDED_DATES: Vector = vector(
    "socket.io#/#",
    b"{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"ev\",\"2023-11-14T22:13:20.123Z\",null,\
        {\"d\":\"2023-11-14T22:13:20.000Z\"},\"1969-12-31T23:59:59.999Z\"]},\"opts\":{\"rooms\":[],\"exc\
        ept\":[],\"flags\":{}}},\"uid\":\"ef88354b67b163b2\",\"nsp\":\"/\"}",
);
pub(crate) const SHARDED_NUMBERS: Vector = vector(
    "socket.io#/#",
    b"{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"ev\",null,1e+300,-1,-200,70000,10995116\
        27776,-1099511627776,1.25]},\"opts\":{\"rooms\":[],\"except\":[],\"flags\":{}}},\"uid\":\"ef8835\
        4b67b163b2\",\"nsp\":\"/\"}",
);
pub(crate) const SHARDED_NSP: Vector = vector(
    "socket.io#/admin#a#b#",
    b"{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"ev\"]},\"opts\":{\"rooms\":[\"a#b\"],\"\
        except\":[],\"flags\":{}}},\"uid\":\"b7e4e7b7365a626c\",\"nsp\":\"/admin\"}",
);
pub(crate) const SHARDED_BROADCAST_FROM_SOCKET: Vector = vector(
    "socket.io#/#r1#",
    b"{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"ev\"]},\"opts\":{\"rooms\":[\"r1\"],\"e\
        xcept\":[\"XWYMrrvfzm8xFcHdAAAB\"],\"flags\":{}}},\"uid\":\"ef88354b67b163b2\",\"nsp\":\"/\"}",
);
pub(crate) const SHARDED_JOIN: Vector = vector(
    "socket.io#/#",
    b"{\"type\":4,\"data\":{\"opts\":{\"rooms\":[\"r1\"],\"except\":[],\"flags\":{}},\"rooms\":[\"a\",\
        \"b\"]},\"uid\":\"ef88354b67b163b2\",\"nsp\":\"/\"}",
);
pub(crate) const SHARDED_LEAVE: Vector = vector(
    "socket.io#/#",
    b"{\"type\":5,\"data\":{\"opts\":{\"rooms\":[\"r1\"],\"except\":[\"z\"],\"flags\":{}},\"rooms\":[\
        \"a\"]},\"uid\":\"ef88354b67b163b2\",\"nsp\":\"/\"}",
);
pub(crate) const SHARDED_DISCONNECT: Vector = vector(
    "socket.io#/#",
    b"{\"type\":6,\"data\":{\"opts\":{\"rooms\":[\"nobody\"],\"except\":[],\"flags\":{}},\"close\":tru\
        e},\"uid\":\"ef88354b67b163b2\",\"nsp\":\"/\"}",
);
pub(crate) const SHARDED_SSE: Vector = vector(
    "socket.io#/#",
    b"{\"type\":9,\"data\":{\"packet\":[\"hello\",1,{\"a\":2}]},\"uid\":\"ef88354b67b163b2\",\"nsp\":\
        \"/\"}",
);
pub(crate) const SHARDED_SSE_BINARY: Vector = vector(
    "socket.io#/#",
    b"\x84\xa4type\x09\xa4data\x81\xa6packet\x92\xa5hello\xc4\x01\x01\xa3uid\xb0ef88354b67b163b2\xa3ns\
        p\xa1/",
);
pub(crate) const SHARDED_SSE_ACK: Vector = vector(
    "socket.io#/#",
    b"{\"type\":9,\"data\":{\"requestId\":\"03e97b7b4166221a\",\"packet\":[\"hello\",1]},\"uid\":\"ef8\
        8354b67b163b2\",\"nsp\":\"/\"}",
);
pub(crate) const SHARDED_FETCH: Vector = vector(
    "socket.io#/#",
    b"{\"type\":7,\"data\":{\"opts\":{\"rooms\":[\"r1\"],\"except\":[],\"flags\":{}},\"requestId\":\"b\
        d8946ffce9c96c4\"},\"uid\":\"ef88354b67b163b2\",\"nsp\":\"/\"}",
);
pub(crate) const SHARDED_BROADCAST_ACK: Vector = vector(
    "socket.io#/#",
    b"{\"type\":3,\"data\":{\"packet\":{\"type\":2,\"data\":[\"q\",1]},\"requestId\":\"558d83d86541dcd\
        9\",\"opts\":{\"rooms\":[\"r1\"],\"except\":[],\"flags\":{\"timeout\":1000}}},\"uid\":\"ef88354b\
        67b163b2\",\"nsp\":\"/\"}",
);
pub(crate) const SHARDED_ANSWER_FETCH: Vector = vector(
    "socket.io#/#0123456789abcdef#",
    b"{\"type\":8,\"data\":{\"requestId\":\"00112233aabbccdd\",\"sockets\":[{\"id\":\"XWYMrrvfzm8xFcHd\
        AAAB\",\"handshake\":{\"headers\":{\"sec-websocket-version\":\"13\",\"sec-websocket-key\":\"uFKJ\
        1J3txAEyjADP5LP5qA==\",\"connection\":\"Upgrade\",\"upgrade\":\"websocket\",\"sec-websocket-exte\
        nsions\":\"permessage-deflate; client_max_window_bits\",\"host\":\"127.0.0.1:24002\"},\"time\":\
        \"Sat Nov 21 2026 14:10:15 GMT+0000 (Coordinated Universal Time)\",\"address\":\"127.0.0.1\",\"x\
        domain\":false,\"secure\":false,\"issued\":1795270215409,\"url\":\"/socket.io/?EIO=4&transport=w\
        ebsocket\",\"query\":{\"EIO\":\"4\",\"transport\":\"websocket\"},\"auth\":{\"token\":\"\xc3\xa9\
        \"}},\"rooms\":[\"XWYMrrvfzm8xFcHdAAAB\",\"r1\",\"b\"],\"data\":{\"user\":\"u1\"}}]},\"uid\":\"e\
        f88354b67b163b2\",\"nsp\":\"/\"}",
);
pub(crate) const SHARDED_ANSWER_FETCH_BIN: Vector = vector(
    "socket.io#/#0123456789abcdef#",
    b"\x84\xa4type\x08\xa4data\x82\xa9requestId\xb000112233aabbccdd\xa7sockets\x91\x84\xa2id\xb4XWYMrr\
        vfzm8xFcHdAAAB\xa9handshake\x89\xa7headers\x86\xb5sec-websocket-version\xa213\xb1sec-websocket-k\
        ey\xb8uFKJ1J3txAEyjADP5LP5qA==\xaaconnection\xa7Upgrade\xa7upgrade\xa9websocket\xb8sec-websocket\
        -extensions\xd9*permessage-deflate; client_max_window_bits\xa4host\xaf127.0.0.1:24002\xa4time\
        \xd9>Sat Nov 21 2026 14:10:15 GMT+0000 (Coordinated Universal Time)\xa7address\xa9127.0.0.1\xa7x\
        domain\xc2\xa6secure\xc2\xa6issued\xcf\x00\x00\x01\xa1\xfeq\x86\xf1\xa3url\xd9%/socket.io/?EIO=4\
        &transport=websocket\xa5query\x82\xa3EIO\xa14\xa9transport\xa9websocket\xa4auth\x81\xa5token\xa2\
        \xc3\xa9\xa5rooms\x93\xb4XWYMrrvfzm8xFcHdAAAB\xa2r1\xa1b\xa4data\x81\xa3bin\xc4\x02\x01\x02\xa3u\
        id\xb0ef88354b67b163b2\xa3nsp\xa1/",
);
pub(crate) const SHARDED_ANSWER_SSE: Vector = vector(
    "socket.io#/#0123456789abcdef#",
    b"{\"type\":10,\"data\":{\"requestId\":\"00112233aabbccd1\",\"packet\":{\"got\":4}},\"uid\":\"ef88\
        354b67b163b2\",\"nsp\":\"/\"}",
);
pub(crate) const SHARDED_ANSWER_SSE_BIN: Vector = vector(
    "socket.io#/#0123456789abcdef#",
    b"\x84\xa4type\x0a\xa4data\x82\xa9requestId\xb000112233aabbccd1\xa6packet\xc4\x02\x07\x08\xa3uid\
        \xb0ef88354b67b163b2\xa3nsp\xa1/",
);
pub(crate) const SHARDED_ANSWER_SSE_NONE: Vector = vector(
    "socket.io#/#0123456789abcdef#",
    b"{\"type\":10,\"data\":{\"requestId\":\"00112233aabbccd1\"},\"uid\":\"ef88354b67b163b2\",\"nsp\":\
        \"/\"}",
);
pub(crate) const SHARDED_ANSWER_BROADCAST: Vector = vector(
    "socket.io#/#0123456789abcdef#",
    b"{\"type\":11,\"data\":{\"requestId\":\"00112233aabbccd2\",\"clientCount\":1},\"uid\":\"ef88354b6\
        7b163b2\",\"nsp\":\"/\"}",
);
pub(crate) const SHARDED_ACKNOWLEDGED: Vector = vector(
    "socket.io#/#0123456789abcdef#",
    b"{\"type\":12,\"data\":{\"requestId\":\"00112233aabbccd2\",\"packet\":\"ok\"},\"uid\":\"ef88354b6\
        7b163b2\",\"nsp\":\"/\"}",
);
pub(crate) const SHARDED_ACKNOWLEDGED_BINARY: Vector = vector(
    "socket.io#/#0123456789abcdef#",
    b"\x84\xa4type\x0c\xa4data\x82\xa9requestId\xb000112233aabbccd2\xa6packet\xc4\x01\x09\xa3uid\xb0ef\
        88354b67b163b2\xa3nsp\xa1/",
);

// -- `@socket.io/redis-emitter` 5.1.0.

pub(crate) const EMITTER_5_ALL: Vector = vector(
    "socket.io#/#",
    b"\x93\xa7emitter\x83\xa4type\x02\xa4data\x92\xa2ev\x01\xa3nsp\xa1/\x83\xa5rooms\x90\xa5flags\x80\
        \xa6except\x90",
);
pub(crate) const EMITTER_5_ROOM: Vector = vector(
    "socket.io#/#r1#",
    b"\x93\xa7emitter\x83\xa4type\x02\xa4data\x92\xa2ev\xc4\x01\x01\xa3nsp\xa1/\x83\xa5rooms\x91\xa2r1\
        \xa5flags\x81\xa8volatile\xc3\xa6except\x91\xa2r2",
);
pub(crate) const EMITTER_5_NSP: Vector = vector(
    "socket.io#/admin#",
    b"\x93\xa7emitter\x83\xa4type\x02\xa4data\x92\xa2ev\x81\xa1d\xd6\xff\x00\x00\x00\x00\xa3nsp\xa6/ad\
        min\x83\xa5rooms\x92\xa1a\xa1b\xa5flags\x80\xa6except\x90",
);
pub(crate) const EMITTER_5_JOIN: Vector = vector(
    "socket.io-request#/#",
    b"{\"type\":2,\"opts\":{\"rooms\":[\"r1\"],\"except\":[]},\"rooms\":[\"a\"]}",
);
pub(crate) const EMITTER_5_LEAVE: Vector = vector(
    "socket.io-request#/#",
    b"{\"type\":3,\"opts\":{\"rooms\":[\"r1\"],\"except\":[]},\"rooms\":[\"a\"]}",
);
pub(crate) const EMITTER_5_DISCONNECT: Vector =
    vector("socket.io-request#/#", b"{\"type\":4,\"opts\":{\"rooms\":[],\"except\":[]},\"close\":true}");
pub(crate) const EMITTER_5_SSE: Vector =
    vector("socket.io-request#/#", b"{\"uid\":\"emitter\",\"type\":6,\"data\":[\"hello\",\"w\"]}");

// -- `socket.io-emitter` 3.2.0 (notepack.io 2.1.3).

pub(crate) const EMITTER_3_ALL: Vector = vector(
    "socket.io#/#",
    b"\x93\xa7emitter\x83\xa4type\x02\xa4data\x94\xa2ev\x01\xd4\x00\x00\xd7\x00\x00\x00\x01\x8b\xcf\
        \xe5h{\xa3nsp\xa1/\x82\xa5rooms\x90\xa5flags\x80",
);
pub(crate) const EMITTER_3_ROOM: Vector = vector(
    "socket.io#/#r1#",
    b"\x93\xa7emitter\x83\xa4type\x02\xa4data\x94\xa2ev\xc4\x01\x01\xc7\x02\x00\x02\x03\xd9P\xc3\xa9\
        \xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\
        \xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\
        \xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\
        \xc3\xa9\xc3\xa9\xc3\xa9\xa3nsp\xa1/\x82\xa5rooms\x91\xa2r1\xa5flags\x81\xa8volatile\xc3",
);

// -- `socket.io-redis` 5.4.0 (notepack.io 2.1), in a server of socket.io 2.5.1.

pub(crate) const REVISION_5_ALL: Vector = vector(
    "socket.io#/#",
    b"\x93\xa6eaUhmP\x83\xa4type\x02\xa4data\x92\xa2ev\x01\xa3nsp\xa1/\x82\xa5rooms\x90\xa5flags\x80",
);
pub(crate) const REVISION_5_ROOM_BINARY: Vector = vector(
    "socket.io#/#r1#",
    b"\x93\xa6eaUhmP\x83\xa4type\x05\xa4data\x94\xa2ev\xc4\x02\x01\x02\xd4\x00\x00\xd7\x00\x00\x00\x01\
        \x8b\xcf\xe5h{\xa3nsp\xa1/\x82\xa5rooms\x91\xa2r1\xa5flags\x80",
);
pub(crate) const REVISION_5_VOLATILE: Vector = vector(
    "socket.io#/#",
    b"\x93\xa6eaUhmP\x83\xa4type\x02\xa4data\x91\xa2ev\xa3nsp\xa1/\x82\xa5rooms\x92\xa2r1\xa2r2\xa5fla\
        gs\x82\xa8volatile\xc3\xa8compress\xc2",
);
pub(crate) const REVISION_5_ARRAY_BUFFER: Vector = vector(
    "socket.io#/#",
    b"\x93\xa6eaUhmP\x83\xa4type\x05\xa4data\x92\xa2ev\xc7\x03\x00\x01\x02\x03\xa3nsp\xa1/\x82\xa5room\
        s\x90\xa5flags\x80",
);
pub(crate) const REVISION_5_ROOMS_OF: Vector =
    vector("socket.io-request#/#", b"{\"requestid\":\"pLZijv\",\"type\":1,\"sid\":\"sidsidsid\"}");
pub(crate) const REVISION_5_JOIN: Vector = vector(
    "socket.io-request#/#",
    b"{\"requestid\":\"7sWXjZ\",\"type\":3,\"sid\":\"sidsidsid\",\"room\":\"r9\"}",
);
pub(crate) const REVISION_5_LEAVE: Vector = vector(
    "socket.io-request#/#",
    b"{\"requestid\":\"omdYhk\",\"type\":4,\"sid\":\"sidsidsid\",\"room\":\"r9\"}",
);
pub(crate) const REVISION_5_DISCONNECT: Vector = vector(
    "socket.io-request#/#",
    b"{\"requestid\":\"AIwM3T\",\"type\":6,\"sid\":\"sidsidsid\",\"close\":true}",
);
pub(crate) const REVISION_5_CLIENTS: Vector =
    vector("socket.io-request#/#", b"{\"requestid\":\"svXMlO\",\"type\":0,\"rooms\":[\"r1\"]}");
pub(crate) const REVISION_5_ALL_ROOMS: Vector =
    vector("socket.io-request#/#", b"{\"requestid\":\"mz0FCU\",\"type\":2}");
pub(crate) const REVISION_5_CUSTOM: Vector =
    vector("socket.io-request#/#", b"{\"requestid\":\"ppfph8\",\"type\":5,\"data\":{\"a\":1}}");
pub(crate) const REVISION_5_ANSWER_ALL_ROOMS: Vector =
    vector("socket.io-response#/#", b"{\"requestid\":\"old002\",\"rooms\":[]}");
pub(crate) const REVISION_5_ANSWER_CUSTOM: Vector =
    vector("socket.io-response#/#", b"{\"requestid\":\"old003\",\"data\":null}");
pub(crate) const REVISION_5_ANSWER_CLIENTS: Vector =
    vector("socket.io-response#/#", b"{\"requestid\":\"old001\",\"clients\":[]}");

// -- `socket.io-emitter` 0.1.5.1 for Python, with msgpack 1.1.0. A broadcast to two rooms is published twice.

pub(crate) const PYTHON_ALL: Vector = vector(
    "socket.io#/#",
    b"\x93\xa7emitter\x83\xa4data\x93\xa2ev\x01\xa2\xc3\xa9\xa4type\x02\xa3nsp\xa1/\x82\xa5flags\xa0\
        \xa5rooms\xa0",
);
pub(crate) const PYTHON_ROOM: Vector = vector(
    "socket.io#/#r1#",
    b"\x93\xa7emitter\x83\xa4data\x91\xa2ev\xa4type\x02\xa3nsp\xa1/\x82\xa5flags\xa0\xa5rooms\x91\xa2r\
        1",
);
pub(crate) const PYTHON_ROOMS: Vector = vector(
    "socket.io#/#r1#",
    b"\x93\xa7emitter\x83\xa4data\x92\xa2ev\x81\xa1a\xc0\xa4type\x02\xa3nsp\xa1/\x82\xa5flags\xa0\xa5r\
        ooms\x92\xa2r1\xa2r2",
);
pub(crate) const PYTHON_ROOMS_2: Vector = vector(
    "socket.io#/#r2#",
    b"\x93\xa7emitter\x83\xa4data\x92\xa2ev\x81\xa1a\xc0\xa4type\x02\xa3nsp\xa1/\x82\xa5flags\xa0\xa5r\
        ooms\x92\xa2r1\xa2r2",
);
pub(crate) const PYTHON_NSP: Vector = vector(
    "socket.io#/admin#",
    b"\x93\xa7emitter\x83\xa4data\x92\xa2ev\xc4\x02\x01\x02\xa4type\x02\xa3nsp\xa6/admin\x82\xa5flags\
        \xa0\xa5rooms\xa0",
);

pub(crate) const CLASSIC: [Vector; 58] = [
    CLASSIC_ALL,
    CLASSIC_ROOM,
    CLASSIC_ROOM_OF_20,
    CLASSIC_ROOMS_EXCEPT_VOLATILE,
    CLASSIC_NUMERIC_ROOM,
    CLASSIC_BINARY,
    CLASSIC_DATES,
    CLASSIC_NUMBERS,
    CLASSIC_NSP,
    CLASSIC_BROADCAST_FROM_SOCKET,
    CLASSIC_JOIN,
    CLASSIC_LEAVE,
    CLASSIC_DISCONNECT,
    CLASSIC_SSE,
    CLASSIC_SSE_BINARY,
    CLASSIC_SSE_ACK,
    CLASSIC_FETCH,
    CLASSIC_ALL_ROOMS,
    CLASSIC_BROADCAST_ACK,
    CLASSIC_ANSWER_SOCKETS,
    CLASSIC_ANSWER_ALL_ROOMS,
    CLASSIC_ANSWER_FETCH,
    CLASSIC_ANSWER_FETCH_NONE,
    CLASSIC_ANSWER_SSE,
    CLASSIC_ANSWER_SSE_NONE,
    CLASSIC_ANSWER_BROADCAST,
    CLASSIC_ACKNOWLEDGED,
    CLASSIC_ACKNOWLEDGED_BINARY,
    CLASSIC_ACKNOWLEDGED_NOTHING,
    CLASSIC_ANSWER_OLD_JOIN,
    EMITTER_5_ALL,
    EMITTER_5_ROOM,
    EMITTER_5_NSP,
    EMITTER_5_JOIN,
    EMITTER_5_LEAVE,
    EMITTER_5_DISCONNECT,
    EMITTER_5_SSE,
    EMITTER_3_ALL,
    EMITTER_3_ROOM,
    REVISION_5_ALL,
    REVISION_5_ROOM_BINARY,
    REVISION_5_VOLATILE,
    REVISION_5_ARRAY_BUFFER,
    REVISION_5_ROOMS_OF,
    REVISION_5_JOIN,
    REVISION_5_LEAVE,
    REVISION_5_DISCONNECT,
    REVISION_5_CLIENTS,
    REVISION_5_ALL_ROOMS,
    REVISION_5_CUSTOM,
    REVISION_5_ANSWER_ALL_ROOMS,
    REVISION_5_ANSWER_CUSTOM,
    REVISION_5_ANSWER_CLIENTS,
    PYTHON_ALL,
    PYTHON_ROOM,
    PYTHON_ROOMS,
    PYTHON_ROOMS_2,
    PYTHON_NSP,
];

pub(crate) const SHARDED: [Vector; 26] = [
    SHARDED_ALL,
    SHARDED_ROOM,
    SHARDED_ROOM_OF_20,
    SHARDED_ROOMS_EXCEPT_VOLATILE,
    SHARDED_NUMERIC_ROOM,
    SHARDED_BINARY,
    SHARDED_DATES,
    SHARDED_NUMBERS,
    SHARDED_NSP,
    SHARDED_BROADCAST_FROM_SOCKET,
    SHARDED_JOIN,
    SHARDED_LEAVE,
    SHARDED_DISCONNECT,
    SHARDED_SSE,
    SHARDED_SSE_BINARY,
    SHARDED_SSE_ACK,
    SHARDED_FETCH,
    SHARDED_BROADCAST_ACK,
    SHARDED_ANSWER_FETCH,
    SHARDED_ANSWER_FETCH_BIN,
    SHARDED_ANSWER_SSE,
    SHARDED_ANSWER_SSE_BIN,
    SHARDED_ANSWER_SSE_NONE,
    SHARDED_ANSWER_BROADCAST,
    SHARDED_ACKNOWLEDGED,
    SHARDED_ACKNOWLEDGED_BINARY,
];
