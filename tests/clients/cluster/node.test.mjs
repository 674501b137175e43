// Servers in JavaScript and fanfare's in one cluster, by both wires: what one does reaches the clients of all.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Peer, unique } from '../socketio.mjs';
import { installed, soon } from '../support.mjs';
import { Cluster, WIRES, all, mark, until } from './cluster.mjs';

/** For acknowledgements, in milliseconds: so long the adapters in JavaScript keep each question, answered or not. */
const PATIENCE = 8_000;
const BYTES = Buffer.from([0, 1, 127, 128, 255]);
const ids = (sockets) => sockets.map(({ id }) => id).sort();

/** The ways to say an event to some sockets of `/`: a server in JavaScript, a program with the library, the HTTP API. */
function ways(cluster, guest) {
    const by = (to, except = []) => cluster.io.to(to).except(except);
    return {
        node: async (to, except, event, args) => by(to, except).emit(event, ...args),
        library: (to, except, event, args) => guest.many({ from: 'context', to, except }, { emit: [event, args] }),
        program: (to, except, event, args) => cluster.api('publish', { namespace: '/', to, except, event, args }),
    };
}

const TESTS = {
    'rooms, except, everybody, one socket': async (t, cluster) => {
        const guests = await cluster.all(t, 'node', 'node', 'library', 'library', 'program', 'program');
        const [n, n2, l, l2, p, p2] = guests;
        const [one, two] = [await cluster.room('one', n, l, p), await cluster.room('two', n, n2, l2, p2)];
        for (const [way, say] of Object.entries(ways(cluster, l))) {
            await say([one], [], 'one', [way, 1, { deep: [null, 'ü'] }]);
            await all([n, l, p], 'one', way, 1, { deep: [null, 'ü'] });
            await say([one, two], [], 'both', [way]);
            await all(guests, 'both', way);
            await say([two], [one], 'except', [way]);
            await all([n2, l2, p2], 'except', way);
            await say([], [one, l2.id], 'all', [way]);
            await all([n2, p2], 'all', way);
            for (const guest of guests) {
                await say([guest.id], [], 'yours', [way]);
                await guest.expect('yours', way);
            }
            await mark((event) => say([], [], event, []), ...guests);
        }
    },

    'bytes, large and deep': async (t, cluster) => {
        const [n, l, p] = await cluster.all(t);
        const large = Buffer.alloc(200_000, 7);
        const room = await cluster.room('bytes', n, l, p);
        cluster.io.to(room).emit('bytes', BYTES, { deep: [BYTES, 'text'] }, large);
        await all([n, l, p], 'bytes', BYTES, { deep: [BYTES, 'text'] }, large);
        const [sender] = await cluster.all(t, 'program');
        assert.ok((await sender.broadcast(room, 'bytes', { deep: [BYTES, large] })) >= 2);
        await all([n, l, p], 'bytes', { deep: [BYTES, large] });
    },

    'values that JSON has and has not': async (t, cluster) => {
        const guests = await cluster.all(t);
        const date = new Date(1_700_000_000_123);
        const values = [date, undefined, NaN, -0, 2 ** 53 - 1, -(2 ** 53 - 1), 1e-300, -1.5, '', '\u0000\u2028', []];
        const odd = { date, gone: undefined, deep: [{}, [[]], undefined], '': 1, 'ü"\\': true };
        const expected = JSON.parse(JSON.stringify([...values, odd]));
        cluster.io.emit('values', ...values, odd);
        await all(guests, 'values', ...expected);
        cluster.io.emit('values', ...values, odd, BYTES);
        await all(guests, 'values', ...expected, BYTES);
        const json = JSON.parse(JSON.stringify(expected));
        await cluster.api('publish', { namespace: '/', event: 'values', args: json });
        await all(guests, 'values', ...json);
        await mark((event) => cluster.io.emit(event), ...guests);
    },

    'clients of other generations, transports and parsers': async (t, cluster) => {
        const parser = installed('socket.io-msgpack-parser');
        const open = (where, version, transport, options) => Peer.open(t, cluster[where], version, transport, options);
        const guests = await Promise.all([
            open('library', 'sio174', 'polling'),
            open('library', 'sio210', 'websocket'),
            open('program', 'sio250', 'upgrade'),
            open('program', 'sio48', 'polling'),
        ]);
        cluster.io.emit('e', { bytes: BYTES }, 'ü');
        await all(guests, 'e', { bytes: BYTES }, 'ü');
        await mark((event) => cluster.io.emit(event), ...guests);

        const packed = await open('library', 'sio48', 'websocket', { namespace: '/packed', parser });
        const plain = await open('node', 'sio48', 'websocket', { namespace: '/packed' });
        cluster.io.of('/packed').emit('e', { bytes: BYTES }, 'ü');
        await all([packed, plain], 'e', { bytes: BYTES }, 'ü');
        packed.socket.emit('many', { from: 'context' }, { emit: ['back', [1, { two: null }]] });
        await all([packed, plain], 'back', 1, { two: null });
    },

    'local and volatile': async (t, cluster) => {
        const guests = await cluster.all(t);
        const [n, l, p] = guests;
        cluster.io.local.emit('local', 'node');
        await n.expect('local', 'node');
        await l.many({ from: 'context', local: true }, { emit: ['local', ['library']] });
        await l.expect('local', 'library');
        await cluster.api('publish', { namespace: '/', event: 'local', args: ['program'], local: true });
        await p.expect('local', 'program');
        cluster.io.volatile.emit('volatile', 'node');
        await all(guests, 'volatile', 'node');
        await l.many({ from: 'context', volatile: true }, { emit: ['volatile', ['library']] });
        await all(guests, 'volatile', 'library');
        await mark((event) => cluster.io.emit(event), ...guests);
        await mark((event) => l.many({ from: 'context' }, { emit: [event, []] }), ...guests);
    },

    'a socket tells the others': async (t, cluster) => {
        const guests = await cluster.all(t);
        const [n, l, p] = guests;
        n.socket.emit('to_others', 'e', 1);
        await all([l, p], 'e', 1);
        await l.many({ from: 'socket' }, { emit: ['e', [2]] });
        await all([n, p], 'e', 2);
        await mark((event) => cluster.io.emit(event), ...guests);
        await mark((event) => l.many({ from: 'context' }, { emit: [event, []] }), ...guests);
    },

    'fetchSockets, ids': async (t, cluster) => {
        const query = { room: 'q 1', odd: 'a&b=ü' };
        const n = await cluster.open(t, 'node', '/', { query });
        const l = await cluster.open(t, 'library', '/', { query });
        const p = await cluster.open(t, 'program', '/', { query });
        const room = await cluster.room('fetch', n, l, p);
        await l.call('set_data', { name: 'library' });
        (await cluster.io.local.in(n.id).fetchSockets())[0].data.name = 'node';

        const seen = await cluster.io.in(room).fetchSockets();
        assert.deepEqual(ids(seen), ids([n, l, p]));
        for (const { id, rooms, handshake, data } of seen) {
            assert.deepEqual([...rooms].sort(), [id, room].sort());
            assert.deepEqual([handshake.query.room, handshake.query.odd], ['q 1', 'a&b=ü']);
            const name = id === n.id ? 'node' : id === l.id ? 'library' : undefined;
            assert.equal(data.name, name);
        }
        const without = await cluster.io.in(room).except(l.id).fetchSockets();
        assert.deepEqual(ids(without), ids([n, p]));

        for (const from of ['context', 'handle']) {
            const found = await l.many({ from, to: [room] }, { fetch: null });
            assert.deepEqual(ids(found), ids([n, l, p]));
            for (const { id, rooms, query, data } of found) {
                assert.deepEqual([rooms, query], [[room], 'q 1']);
                const name = id === n.id ? 'node' : id === l.id ? 'library' : undefined;
                assert.equal(data?.name, name);
            }
            const listed = await l.many({ from, to: [room] }, { ids: null });
            assert.deepEqual(listed.sort(), ids([n, l, p]));
            assert.deepEqual(await l.many({ from, to: [unique('nobody')] }, { ids: null }), []);
        }
    },

    'what was fetched is told, asked, moved': async (t, cluster) => {
        const [n, l, p] = await cluster.all(t);
        for (const [from, to] of [['node', l], ['node', p], ['library', n], ['library', p]]) {
            to.socket.once('q', (what, answer) => answer(`${what}!`));
            if (from === 'node') {
                const [remote] = await cluster.io.in(to.id).fetchSockets();
                remote.emit('told', 1);
                assert.deepEqual(await remote.timeout(PATIENCE).emitWithAck('q', 'why'), 'why!');
            } else {
                const whom = { from: 'context', to: [to.id] };
                await l.many(whom, { each: { emit: ['told', 1] } });
                const { answers, missing } = await l.many(whom, { each: { ask: ['q', 'why'] } });
                assert.deepEqual([answers.map(([, values]) => values), missing], [[['why!']], 0]);
            }
            await to.expect('told', 1);
            await to.expect('q', 'why');
        }
    },

    'joining and leaving from afar': async (t, cluster) => {
        const guests = await cluster.all(t);
        const [n, l, p] = guests;
        const moves = {
            node: (what, from, to) => cluster.io.in(from)[what === 'join' ? 'socketsJoin' : 'socketsLeave'](to),
            library: (what, from, to) => l.many({ from: 'context', to: [from] }, { [what]: [to] }),
            program: (what, from, to) =>
                cluster.api(`sockets/${what}`, { namespace: '/', in: [from], except: [], rooms: [to] }),
        };
        const here = await cluster.room('here', ...guests);
        const say = ways(cluster, l);
        for (const [way, move] of Object.entries(moves)) {
            const there = unique('there');
            await move('join', here, there);
            await until('all have joined', async () => (await cluster.io.in(there).fetchSockets()).length === 3);
            await cluster.heard(there, 3);
            await say[way]([there], [], 'e', [way]);
            await all(guests, 'e', way);
            await move('leave', here, there);
            await until('all have left', async () => (await cluster.io.in(there).fetchSockets()).length === 0);
            await cluster.heard(there, 0);
            await say[way]([there], [], 'nobody', [way]);
            await mark((event) => say[way]([here], [], event, []), n, l, p);
        }
    },

    'who joins from afar gets what is sent right after it': async (t, cluster) => {
        // On the sharded wire nobody waits for subscriptions, neither do the servers in JavaScript.
        if (cluster.isSharded) return;
        const guests = await cluster.all(t, 'library', 'library', 'program', 'program');
        for (let round = 0; round < 30; round++) {
            for (const guest of guests) {
                const room = unique('at-once');
                cluster.io.in(guest.id).socketsJoin(room);
                cluster.io.to(room).emit('e', round);
                await guest.expect('e', round);
            }
        }
    },

    'disconnecting from afar': async (t, cluster) => {
        const disconnects = {
            node: (room, close) => cluster.io.in(room).disconnectSockets(close),
            library: (room, close, guest) => guest.many({ from: 'context', to: [room] }, { disconnect: close }),
            program: (room, close) =>
                cluster.api('sockets/disconnect', { namespace: '/', in: [room], except: [], close }),
        };
        const [stays] = await cluster.all(t, 'library');
        for (const [way, disconnect] of Object.entries(disconnects)) {
            for (const close of [false, true]) {
                const guests = await cluster.all(t);
                const room = await cluster.room('leaves', ...guests);
                await disconnect(room, close, stays);
                for (const guest of guests) {
                    const reason = await soon(guest.closed, `${way} disconnects ${guest.name}`);
                    assert.equal(reason, 'io server disconnect');
                }
            }
        }
        await mark((event) => cluster.io.emit(event), stays);
    },

    'broadcasts with acknowledgements': async (t, cluster) => {
        const guests = await cluster.all(t, 'node', 'library', 'library', 'program');
        const room = await cluster.room('acks', ...guests);
        for (const guest of guests) guest.socket.on('sum', (a, b, answer) => answer(guest.where, a + b));
        const first = guests.map(({ where }) => where).sort();

        const answers = await cluster.io.in(room).timeout(PATIENCE).emitWithAck('sum', 1, 2);
        assert.deepEqual(answers.sort(), first);
        await all(guests, 'sum', 1, 2);

        const [, l] = guests;
        for (const what of ['ask', 'await']) {
            const whom = { from: 'handle', to: [room], timeout_ms: PATIENCE };
            const told = await l.many(whom, { [what]: ['sum', [3, 4]] });
            const values = told.answers.map(([, [where]]) => where).sort();
            assert.deepEqual([values, told.missing], [first, 0]);
            await all(guests, 'sum', 3, 4);
        }
        const nobody = { from: 'context', to: [unique('nobody')], timeout_ms: PATIENCE };
        assert.deepEqual(await l.many(nobody, { ask: ['sum', [1, 1]] }), { answers: [], missing: 0 });
        const none = await cluster.io.in(unique('nobody')).timeout(PATIENCE).emitWithAck('sum', 1, 1);
        assert.deepEqual(none, []);
    },

    'acknowledgements that do not come': async (t, cluster) => {
        const guests = await cluster.all(t, 'node', 'library', 'program');
        const room = await cluster.room('silent', ...guests);
        for (const guest of guests) {
            guest.socket.on('q', (whose, answer) => guest.where === whose || answer(guest.where));
        }
        for (const silent of ['node', 'program']) {
            const others = guests.map(({ where }) => where).filter((where) => where !== silent);
            const refused = assert.rejects(cluster.io.in(room).timeout(2_000).emitWithAck('q', silent), (error) => {
                assert.deepEqual(error.responses.sort(), others.toSorted());
                return true;
            });
            const whom = { from: 'context', to: [room], timeout_ms: 2_000 };
            const told = await guests[1].many(whom, { ask: ['q', [silent]] });
            const values = told.answers.map(([, [where]]) => where).sort();
            assert.deepEqual([values, told.missing], [others.toSorted(), 1]);
            await refused;
            for (let times = 0; times < 2; times++) await all(guests, 'q', silent);
        }
    },

    'acknowledgements with bytes': async (t, cluster) => {
        const guests = await cluster.all(t, 'node', 'library', 'program');
        const room = await cluster.room('byte-acks', ...guests);
        for (const guest of guests) guest.socket.once('q', (bytes, answer) => answer({ bytes }));
        const answers = await cluster.io.in(room).timeout(PATIENCE).emitWithAck('q', BYTES);
        assert.deepEqual(answers, [{ bytes: BYTES }, { bytes: BYTES }, { bytes: BYTES }]);
        await all(guests, 'q', BYTES);
    },

    'events for servers': async (t, cluster) => {
        const guest = await cluster.open(t, 'library', '/servers');
        const node = cluster.io.of('/servers');
        const heard = [];
        node.on('asked', (...args) => {
            heard.push(args.slice(0, 2));
            const answer = args.at(-1);
            if (typeof answer === 'function') answer({ of: 'node', deep: [null, 'ü'] });
        });
        for (const byThread of [false, true]) {
            const answers = await guest.call('server_side_emit', 'asked', byThread);
            assert.deepEqual(answers.map((answer) => JSON.parse(answer)), [{ of: 'node', deep: [null, 'ü'] }]);
        }
        await until('the server in JavaScript hears it', () => heard.length === 4);
        assert.deepEqual(heard, [[1], [1, 2], [1], [1, 2]]);

        const value = unique('value');
        node.serverSideEmit('told', value);
        await until('the library hears it', async () => {
            const all = await cluster.journal('told', 1);
            return all.some((entry) => entry.value === value);
        });
        assert.deepEqual(await node.serverSideEmitWithAck('told', value), ['thanks']);
    },

    'one user is one connection, also of another program': async (t, cluster) => {
        const [n, p, p2] = await cluster.all(t, 'node', 'program', 'program');
        const user = unique('user');
        await n.call('join', [user]);
        await cluster.heard(user, 1);
        await p.register({ user });
        await until('the other one has left', async () => {
            return ids(await cluster.io.in(user).fetchSockets()).join() === p.id;
        });
        await p2.register({ user });
        await until('the first one has left', async () => {
            return ids(await cluster.io.in(user).fetchSockets()).join() === p2.id;
        });
        await cluster.heard(user, 1);
        cluster.io.to(user).emit('e');
        await p2.expect('e');
        await mark((event) => cluster.io.emit(event), n, p, p2);
    },

    'what older versions of the adapter ask': async (t, cluster) => {
        if (cluster.isSharded) return;
        const [n, l, p] = await cluster.all(t);
        const room = await cluster.room('old', n, l, p);
        const rooms = await cluster.io.of('/').adapter.allRooms();
        for (const name of [room, n.id, l.id, p.id]) assert.ok(rooms.has(name), name);

        const answers = [];
        const sub = await cluster.redis.connect();
        await sub.subscribe('socket.io-response#/#', (text) => answers.push(JSON.parse(text)));
        const ask = async (request, count) => {
            const requestId = unique('request');
            const text = JSON.stringify({ uid: 'abcdef', requestId, ...request });
            await cluster.redis.client.publish('socket.io-request#/#', text);
            const found = () => answers.filter((answer) => answer.requestId === requestId);
            await until(`${count} answer ${text}`, () => found().length === count);
            return found().map(({ requestId: _, ...rest }) => rest);
        };
        const sockets = await ask({ type: 0, rooms: [room] }, 3);
        assert.deepEqual(sockets.flatMap(({ sockets }) => sockets).sort(), ids([n, l, p]));
        assert.deepEqual(await ask({ type: 0, rooms: [unique('nobody')] }, 3), Array(3).fill({ sockets: [] }));
        for (const guest of [n, l, p]) {
            const there = unique('there');
            assert.deepEqual(await ask({ type: 2, sid: guest.id, room: there }, 1), [{}]);
            cluster.io.to(there).emit('e', 1);
            await guest.expect('e', 1);
            assert.deepEqual(await ask({ type: 3, sid: guest.id, room: there }, 1), [{}]);
            cluster.io.to(there).emit('nobody');
            await mark((event) => cluster.io.emit(event), n, l, p);
        }
        for (const guest of [n, l, p]) {
            assert.deepEqual(await ask({ type: 4, sid: guest.id, close: true }, 1), [{}]);
            assert.equal(await soon(guest.closed, 'the end'), 'io server disconnect');
        }
    },

    'reports do not wait for servers that send none': async (t, cluster) => {
        const guests = await cluster.all(t, 'node', 'library', 'program');
        const room = await cluster.room('report', guests[0], guests[2]);
        const body = { namespace: '/', to: [room], event: 'e', args: [] };
        // It takes some seconds until the server in JavaScript is known for what it is.
        await until('the program knows', async () => {
            const report = await cluster.api('publish', body);
            await all([guests[0], guests[2]], 'e');
            const { matched, written, queued, nodes } = report;
            assert.deepEqual([matched, written + queued], [1, 1]);
            return nodes.asked === 2 && nodes.answered === 2;
        });
    },
};

for (const wire of WIRES) {
    test(`servers in JavaScript and fanfare are one cluster [${wire}]`, async (t) => {
        const cluster = await Cluster.start(t, wire);
        for (const [title, body] of Object.entries(TESTS)) {
            await t.test(`${title} [${wire}]`, (t) => body(t, cluster));
        }
    });
}
