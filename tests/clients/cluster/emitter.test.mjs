// npm's emitter, which is no server, reaches the clients of fanfare's servers.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { unique } from '../socketio.mjs';
import { installed, soon } from '../support.mjs';
import { Cluster, all, mark, until } from './cluster.mjs';

const { Emitter } = installed('@socket.io/redis-emitter');
const BYTES = Buffer.from([0, 1, 127, 128, 255]);

const TESTS = {
    'rooms, except, everybody, one socket': async (t, cluster, emitter) => {
        const guests = await cluster.all(t, 'library', 'library', 'program', 'program');
        const [l, l2, p, p2] = guests;
        const [one, two] = [await cluster.room('one', l, p), await cluster.room('two', l2, p, p2)];
        emitter.emit('all', 1, { deep: [null, 'ü'] });
        await all(guests, 'all', 1, { deep: [null, 'ü'] });
        emitter.to(one).emit('one');
        await all([l, p], 'one');
        emitter.to([one, two]).emit('both');
        await all(guests, 'both');
        emitter.to(two).except(one).emit('except');
        await all([l2, p2], 'except');
        emitter.except([two, l.id]).emit('nobody');
        for (const guest of guests) {
            emitter.to(guest.id).emit('yours', guest.id);
            await guest.expect('yours', guest.id);
        }
        emitter.volatile.compress(true).emit('flags');
        await all(guests, 'flags');
        await mark((event) => emitter.emit(event), ...guests);
    },

    'bytes, large and deep': async (t, cluster, emitter) => {
        const guests = await cluster.all(t, 'library', 'program');
        const large = Buffer.alloc(200_000, 7);
        emitter.emit('bytes', BYTES, { deep: [BYTES] }, large);
        await all(guests, 'bytes', BYTES, { deep: [BYTES] }, large);
    },

    'another namespace': async (t, cluster, emitter) => {
        const [l, a] = await Promise.all([cluster.open(t, 'library'), cluster.open(t, 'library', '/a')]);
        emitter.of('/a').emit('a', 1);
        await a.expect('a', 1);
        emitter.of('/a').to(l.id).emit('nobody');
        await mark((event) => emitter.of('/a').emit(event), a);
        await mark((event) => emitter.emit(event), l);
    },

    'joining, leaving, disconnecting': async (t, cluster, emitter) => {
        const guests = await cluster.all(t, 'library', 'library', 'program', 'program');
        const [, l2, , p2] = guests;
        const [here, there] = [await cluster.room('here', ...guests), unique('there')];
        emitter.in(here).socketsJoin(there);
        emitter.to(there).emit('all');
        await all(guests, 'all');
        emitter.in(l2.id).socketsLeave([there, 'another']);
        emitter.in(p2.id).except(here).socketsLeave(there);
        emitter.to(there).except(l2.id).emit('but one');
        const [left, ...stay] = [l2, ...guests.filter((guest) => guest !== l2)];
        await all(stay, 'but one');
        await mark((event) => emitter.emit(event), ...guests);
        emitter.in(there).disconnectSockets();
        for (const guest of stay) assert.equal(await soon(guest.closed, 'the end'), 'io server disconnect');
        await mark((event) => emitter.emit(event), left);
        emitter.disconnectSockets(true);
        assert.equal(await soon(left.closed, 'the end'), 'io server disconnect');
    },

    'events for servers': async (t, cluster, emitter) => {
        const value = unique('value');
        emitter.of('/servers').serverSideEmit('told', value);
        await until('the library hears it', async () => {
            return (await cluster.journal('told', 1)).some((entry) => entry.value === value);
        });
    },
};

test('the emitter for Node.js', async (t) => {
    const cluster = await Cluster.startFanfare(t, 'classic');
    const emitter = new Emitter(await cluster.redis.connect());
    for (const [title, body] of Object.entries(TESTS)) {
        await t.test(title, (t) => body(t, cluster, emitter));
    }
});
