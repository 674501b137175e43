// Socket.IO's revisions 4 and 5, packet by packet: who may say what when, and how that is answered.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { Polling, Socket, payload } from './raw.mjs';
import { soon, start, startExample } from './support.mjs';

const path = '/socket.io/';

/**
 * A connection to the example: `/` emits `auth` with what CONNECT brought, answers `message` with `message-back` and
 * `message-with-ack` with an acknowledgement, `/custom` emits `auth`; nobody is let wait for CONNECT longer than a second.
 */
async function open(t, server, ...packets) {
    const socket = await Socket.open(t, server, 4, { path });
    socket.send(...packets);
    return socket;
}

/** The socket's id, which the answer to CONNECT tells, and nothing else. */
async function connected(socket, namespace, auth) {
    const prefix = namespace === '/' ? '40' : `40${namespace},`;
    const answer = await socket.next();
    assert.ok(answer.startsWith(prefix), answer);
    const { sid, ...none } = JSON.parse(answer.slice(prefix.length));
    assert.deepEqual(none, {});
    assert.match(sid, /^[\w-]{20}$/);
    await socket.expect(`42${namespace === '/' ? '' : `${namespace},`}["auth",${auth}]`);
    return sid;
}

async function root(t, server) {
    const socket = await open(t, server, '40');
    await connected(socket, '/', '{}');
    return socket;
}

test('CONNECT', async (t) => {
    const server = await startExample(t, 'socketio_suite');
    const sids = new Set();
    for (const [packet, namespace, auth] of [
        ['40', '/', '{}'],
        ['40{"token":"123"}', '/', '{"token":"123"}'],
        ['40/,{"a":1}', '/', '{"a":1}'],
        ['40/custom,', '/custom', '{}'],
        ['40/custom', '/custom', '{}'],
        ['40/custom,{"token":"abc"}', '/custom', '{"token":"abc"}'],
    ]) {
        const socket = await open(t, server, packet);
        sids.add(await connected(socket, namespace, auth)).add(socket.told.sid);
    }
    assert.equal(sids.size, 12, 'no id is told twice, nor that of the transport');

    // Both namespaces over one connection, each under an id of its own.
    const both = await open(t, server, '40/custom,', '40');
    assert.notEqual(await connected(both, '/custom', '{}'), await connected(both, '/', '{}'));

    const refused = await open(t, server, '40/random', '40/random2,{"a":1}', '40');
    await refused.expect('44/random,{"message":"Invalid namespace"}', '44/random2,{"message":"Invalid namespace"}');
    await connected(refused, '/', '{}');
});

test('whoever does not CONNECT is closed', async (t) => {
    const server = await startExample(t, 'socketio_suite');
    const silent = await open(t, server);
    const refused = await open(t, server, '40/random');
    await refused.expect('44/random,{"message":"Invalid namespace"}');
    await silent.end();
    await refused.end();
});

test('DISCONNECT leaves the namespace, the connection stays', async (t) => {
    const server = await startExample(t, 'socketio_suite');
    const socket = await root(t, server);
    socket.beats = false;
    socket.send('41');
    // The next thing that comes is a heartbeat.
    await socket.expect('2');
    socket.send('3');
    socket.beats = true;
    socket.send('40');
    await connected(socket, '/', '{}');

    for (const [join, leave] of [
        ['40/custom', '41/custom'],
        ['40/custom,', '41/custom,'],
    ]) {
        socket.send(join);
        await connected(socket, '/custom', '{}');
        socket.send(leave, '42["message","to the main namespace"]');
        await socket.expect('42["message-back","to the main namespace"]');
    }
});

test('EVENT and ACK', async (t) => {
    const server = await startExample(t, 'socketio_suite');
    const socket = await root(t, server);
    const pairs = [
        ['42["message",1,"2",{"3":[true]}]', '42["message-back",1,"2",{"3":[true]}]'],
        ['42["message"]', '42["message-back"]'],
        ['42["message","é😀\u2028",null,[[[]]]]', '42["message-back","é😀\u2028",null,[[[]]]]'],
        ['42["message",{"_placeholder":true,"num":0}]', '42["message-back",{"_placeholder":true,"num":0}]'],
        ['42456["message-with-ack",1,"2",{"3":[false]}]', '43456[1,"2",{"3":[false]}]'],
        ['420["message-with-ack"]', '430[]'],
        ['42/,7["message-with-ack",1]', '437[1]'],
        ['429007199254740991["message-with-ack",1]', '439007199254740991[1]'],
    ];
    for (const [said, answer] of pairs) {
        socket.send(said);
        await socket.expect(answer);
    }
    // Without anybody who hears them: events that are not known, acknowledgements that nobody asked for.
    socket.send(
        '42["unheard",1]',
        '42[7,"a number is a name"]',
        '4399["nobody asked"]',
        '43100[]',
        '42["message","last"]',
    );
    await socket.expect('42["message-back","last"]');
});

test('BINARY_EVENT and BINARY_ACK', async (t) => {
    const server = await startExample(t, 'socketio_suite');
    const socket = await root(t, server);
    const [one, two] = [Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])];
    const hole = (num) => `{"_placeholder":true,"num":${num}}`;
    socket.send(`452-["message",${hole(0)},${hole(1)}]`, one, two);
    await socket.expect(`452-["message-back",${hole(0)},${hole(1)}]`, one, two);
    socket.send(`452-789["message-with-ack",${hole(0)},${hole(1)}]`, one, two);
    await socket.expect(`462-789[${hole(0)},${hole(1)}]`, one, two);
    // Inside, between other things, and no bytes at all.
    socket.send(`451-["message",{"a":[1,${hole(0)},"x"]}]`, Buffer.alloc(0));
    await socket.expect(`451-["message-back",{"a":[1,${hole(0)},"x"]}]`, Buffer.alloc(0));
    const ten = Array.from({ length: 10 }, (_, at) => Buffer.alloc(at, at));
    socket.send(`4510-["message",[${ten.map((_, at) => hole(at)).join()}]]`, ...ten);
    await socket.expect(`4510-["message-back",[${ten.map((_, at) => hole(at)).join()}]]`, ...ten);
    // A heartbeat between a packet and its attachments is no part of it.
    socket.send(`452-["message",${hole(0)},${hole(1)}]`, one, '3', two);
    await socket.expect(`452-["message-back",${hole(0)},${hole(1)}]`, one, two);
});

test('BINARY_EVENT over polling', async (t) => {
    const server = await startExample(t, 'socketio_suite');
    const session = await Polling.open(server, 4, { path });
    await session.send('40');
    let text = '';
    while (!text.includes('"auth"')) text += (await session.get()).text;
    await session.send('451-["message",{"_placeholder":true,"num":0}]', 'bAQIDBA==', '42["message",1]');
    let packets = [];
    while (packets.length < 3)
        packets.push(...(await session.get()).text.split('\x1e').filter((packet) => packet !== '2'));
    assert.deepEqual(packets, [
        '451-["message-back",{"_placeholder":true,"num":0}]',
        'bAQIDBA==',
        '42["message-back",1]',
    ]);
    // An attachment in a request of its own.
    await session.send('451-["message",{"_placeholder":true,"num":0}]');
    await session.send('bAQIDBA==');
    packets = [];
    while (packets.length < 2)
        packets.push(...(await session.get()).text.split('\x1e').filter((packet) => packet !== '2'));
    assert.deepEqual(packets, ['451-["message-back",{"_placeholder":true,"num":0}]', 'bAQIDBA==']);
});

test('what is no packet, or not allowed now, closes the connection', async (t) => {
    const server = await startExample(t, 'socketio_suite');
    const hole = '{"_placeholder":true,"num":0}';
    const reserved = ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'];
    const bytes = Buffer.from([1]);
    const bad = [
        ['4abc'],
        ['4'],
        ['47'],
        ['49["message"]'],
        ['42{}'],
        ['42[]'],
        ['42"message"'],
        ['42[null]'],
        ['42[{}]'],
        ['42[["message"]]'],
        ['42["message"'],
        ['42["message"]]'],
        ["42['message']"],
        ['42["message",]'],
        ['42["message",01]'],
        ['42["message"]x'],
        ['42abc["message-with-ack",1]'],
        ['42-1["message-with-ack",1]'],
        ['421.5["message-with-ack",1]'],
        ...reserved.map((name) => [`42["${name}"]`]),
        ['43{}'],
        ['431{}'],
        ['44{"message":"x"}'],
        ['44"x"'],
        // A second CONNECT; namespaces that were not joined, or were left.
        ['40'],
        ['40{}'],
        ['42/custom,["message"]'],
        ['42/other,["message"]'],
        ['40/custom,[1]'],
        ['40/custom,{}x'],
        ['40/custom,"x"'],
        ['41{}'],
        ['41/custom,1'],
        // Attachments: how many there are is told, is right, and is at most 10.
        ['45["message",{}]'],
        ['45-["message",{}]'],
        ['450-["message",{}]'],
        ['45-1-["message",{}]'],
        ['451["message",{}]'],
        ['451.5-["message",{}]'],
        ['45x-["message",{}]'],
        [`4511-["message",${hole}]`, bytes],
        [`4599999999999-["message",${hole}]`],
        [`451-["message",${hole}]`, '42["message"]'],
        [`451-["message",${hole}]`, '41'],
        [bytes],
        ['42["message"]', bytes],
        [`451-["message",{"_placeholder":true,"num":1}]`, bytes],
        [`451-["message",{"_placeholder":true,"num":-1}]`, bytes],
        [`451-["message",{"_placeholder":true,"num":"length"}]`, bytes],
        [`451-["message",{"_placeholder":true,"num":1e9}]`, bytes],
        [`451-["connect",${hole}]`, bytes],
    ];
    await Promise.all(
        bad.map(async (messages) => {
            const socket = await root(t, server);
            socket.send(...messages);
            await soon(socket.closed, `${messages} closes it`);
            // An event that came before may be answered, and nothing else.
            const before = messages[0] === '42["message"]' ? ['42["message-back"]'] : [];
            assert.ok(
                socket.messages.length === 0 || isDeepStrictEqual(socket.messages, before),
                `${messages}: ${socket.messages}`,
            );
        }),
    );
    const left = await root(t, server);
    left.send('41', '40/custom');
    await connected(left, '/custom', '{}');
    left.send('42["message"]');
    await soon(left.closed, 'an event for a namespace that was left closes it');
    // Before CONNECT.
    for (const message of [
        '42["message",1]',
        '41',
        '431[]',
        '42/custom,["message"]',
        '40[1]',
        '40"x"',
        '40{',
        '4abc',
        bytes,
    ]) {
        const socket = await open(t, server, message);
        await soon(socket.closed, `${message} closes it`);
        assert.deepEqual(socket.messages, [], String(message));
    }
});

const info = (text) => `["broadcastInfo",{"roomName":"g","eventName":"e","text":${text}}]`;

/** What application 1 is asked with, and what it answers. */
async function join(socket) {
    socket.send('4217["register",{"group":"g"}]');
    await socket.expect('4317[{"ok":true}]');
}

test('a client of 2.x is in / unasked, under the id of its session', async (t) => {
    const server = await start(t);
    const socket = await Socket.open(t, server, 3, { path });
    await socket.expect('40');
    await join(socket);
    // Another namespace is asked for, and there is none.
    socket.send('40/nope,');
    const refusal = await socket.next();
    assert.ok(['44/nope,"Invalid namespace"', '44/nope,{"message":"Invalid namespace"}'].includes(refusal), refusal);
    // An event for a namespace that one is not in is passed over.
    socket.send(`4218${info(1)}`);
    await socket.expect('4318[{"ok":true,"delivered":0}]');

    const polling = await Polling.open(server, 3, { path });
    const { text } = await polling.get();
    assert.equal(text, payload(3, '40'));
    await polling.send('421["register",{"group":"g"}]');
    await polling.expect('431[{"ok":true}]');
    socket.send(`4219${info('"é 😀"')}`);
    await socket.expect('4319[{"ok":true,"delivered":1}]');
    const [, length, packet] = /^(\d+):([^]*)$/.exec((await polling.get()).text);
    assert.equal(Number(length), packet.length);
    assert.deepEqual(JSON.parse(packet.slice(2)), ['e', 'é 😀']);
});

test('attachments travel between the revisions', async (t) => {
    const server = await start(t);
    const [old, young] = await Promise.all([3, 4].map((revision) => Socket.open(t, server, revision, { path })));
    await old.expect('40');
    young.send('40');
    assert.match(await young.next(), /^40\{"sid":"[\w-]{20}"\}$/);
    await Promise.all([join(old), join(young)]);
    const bytes = Buffer.from([0, 1, 255]);
    const hole = '{"_placeholder":true,"num":0}';
    // Revision 3 of Engine.IO has the packet's type before the bytes.
    young.send(`451-${info(hole)}`, bytes);
    await old.expect(`451-["e",${hole}]`, Buffer.concat([Buffer.from([4]), bytes]));
    old.send(`451-${info(`{"a":${hole}}`)}`, Buffer.concat([Buffer.from([4]), bytes]));
    await young.expect(`451-["e",{"a":${hole}}]`, bytes);
    // Only what is used of the packet is passed on.
    young.send(
        `452-["broadcastInfo",{"other":${hole},"roomName":"g","eventName":"e","text":{"_placeholder":true,"num":1}}]`,
        Buffer.from('other'),
        bytes,
    );
    await old.expect(`451-["e",${hole}]`, Buffer.concat([Buffer.from([4]), bytes]));
});
