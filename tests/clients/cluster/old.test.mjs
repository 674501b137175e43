// A server of Socket.IO 2 with the adapter of its time, socket.io-redis 5, in one cluster with fanfare's.
//
// It knows nothing of what came later: what asks it to move or to fetch sockets, or to acknowledge, passes it by. Bytes that
// others send reach its clients as the JSON of a Buffer, which is so between its adapter and the later ones, too.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { promisify } from 'node:util';
import { Peer, unique } from '../socketio.mjs';
import { installed, soon } from '../support.mjs';
import { Cluster, all, listen, mark } from './cluster.mjs';

const OldServer = installed('sios25');
const createOldAdapter = installed('socket.io-redis');
const BYTES = Buffer.from([0, 1, 127, 128, 255]);

/** A server of Socket.IO 2; its clients are let into the rooms that their query names. */
async function startOld(cluster) {
    const io = new OldServer();
    io.adapter(createOldAdapter({ path: cluster.redis.path }));
    io.on('connection', (socket) => {
        socket.join(socket.handshake.query.rooms.split(','));
        socket.on('to_others', (event, ...args) => socket.broadcast.emit(event, ...args));
    });
    const { adapter } = io.of('/');
    cluster.redis.users.push(() => Promise.all([adapter.pubClient, adapter.subClient].map((it) => it.end(false))));
    const addr = await listen(cluster.redis, io);
    await cluster.servers('/', 3);
    const call = (name) => promisify(adapter[name].bind(adapter));
    return { io, addr, adapter, call };
}

const TESTS = {
    'it reaches the clients of the others': async (t, cluster, old) => {
        const guests = [...(await cluster.all(t, 'library', 'program'))];
        const room = await cluster.room('room', ...guests);
        const o = await openOld(t, old, room);
        old.io.emit('all', 1, { deep: [null, 'ü'] });
        await all([o, ...guests], 'all', 1, { deep: [null, 'ü'] });
        old.io.to(room).emit('room', BYTES, { deep: [BYTES] });
        await all([o, ...guests], 'room', BYTES, { deep: [BYTES] });
        for (const guest of guests) {
            old.io.to(guest.id).emit('yours', guest.id);
            await guest.expect('yours', guest.id);
        }
        o.socket.emit('to_others', 'e', 1);
        await all(guests, 'e', 1);
        old.io.local.emit('local');
        await o.expect('local');
        await mark((event) => old.io.emit(event), o, ...guests);
    },

    'its clients are reached': async (t, cluster, old) => {
        const [l, p] = await cluster.all(t, 'library', 'program');
        const room = await cluster.room('room', l, p);
        const o = await openOld(t, old, room);
        const say = {
            library: (to, except, event) => l.many({ from: 'context', to, except }, { emit: [event, [1]] }),
            program: (to, except, event) =>
                cluster.api('publish', { namespace: '/', to, except, event, args: [1] }),
        };
        for (const [way, emit] of Object.entries(say)) {
            await emit([], [], `${way} all`);
            await all([o, l, p], `${way} all`, 1);
            await emit([room], [], `${way} room`);
            await all([o, l, p], `${way} room`, 1);
            await emit([room], [o.socket.id], `${way} except`);
            await all([l, p], `${way} except`, 1);
            await emit([o.socket.id], [], `${way} yours`);
            await o.expect(`${way} yours`, 1);
        }
        assert.ok((await p.broadcast(room, 'bytes', BYTES)) >= 1);
        await l.expect('bytes', BYTES);
        await o.expect('bytes', { type: 'Buffer', data: [...BYTES] });
    },

    'what it asks is answered': async (t, cluster, old) => {
        const guests = await cluster.all(t, 'library', 'program');
        const room = await cluster.room('asked', ...guests);
        const o = await openOld(t, old, room);
        const ids = [o.socket.id, ...guests.map(({ id }) => id)].sort();
        assert.deepEqual((await old.call('clients')([room])).sort(), ids);
        assert.deepEqual(await old.call('clients')([unique('nobody')]), []);
        const rooms = await old.call('allRooms')();
        for (const name of [room, ...ids]) assert.ok(rooms.includes(name), name);
        assert.deepEqual(await old.call('customRequest')({ any: 'thing' }), [null, null, null]);
        for (const guest of guests) {
            assert.deepEqual((await old.call('clientRooms')(guest.id)).sort(), [guest.id, room].sort());
            const there = unique('there');
            await old.call('remoteJoin')(guest.id, there);
            old.io.to(there).emit('e', 1);
            await guest.expect('e', 1);
            await old.call('remoteLeave')(guest.id, there);
            assert.deepEqual((await old.call('clientRooms')(guest.id)).sort(), [guest.id, room].sort());
            await old.call('remoteDisconnect')(guest.id, true);
            assert.equal(await soon(guest.closed, 'the end'), 'io server disconnect');
        }
    },

    'what it does not know does it no harm': async (t, cluster, old) => {
        const [l] = await cluster.all(t, 'library');
        const room = await cluster.room('new', l);
        const o = await openOld(t, old, room);
        await l.many({ from: 'context', to: [room] }, { join: [unique('there')] });
        await l.many({ from: 'context', to: [room] }, { leave: [unique('there')] });
        await l.many({ from: 'context', to: [unique('nobody')] }, { disconnect: true });
        await mark((event) => old.io.emit(event), o, l);
    },
};

async function openOld(t, old, ...rooms) {
    return Peer.open(t, old, 'sio250', 'websocket', { query: { rooms: rooms.join(',') } });
}

test('a server of Socket.IO 2 with socket.io-redis 5', async (t) => {
    const cluster = await Cluster.startFanfare(t, 'classic');
    const old = await startOld(cluster);
    for (const [title, body] of Object.entries(TESTS)) {
        await t.test(title, (t) => body(t, cluster, old));
    }
});
