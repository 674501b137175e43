// A server that is drained: every client is told in its time, and comes back by itself to the next one, which has the
// address while the first is still emptying.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Peer } from './socketio.mjs';
import { Client, soon, start } from './support.mjs';

/** Sessions of 2.1 and 4.8, over WebSocket and over polling; the rest are clients of /ws. */
const KINDS = [
    ['sio48', 'websocket', 600],
    ['sio210', 'websocket', 600],
    ['sio48', 'polling', 150],
    ['sio210', 'polling', 150],
];
const PLAIN = 500;
const AT_A_TIME = 50;

/** So many at a time, in order. */
async function each(count, act) {
    const results = [];
    for (let from = 0; from < count; from += AT_A_TIME) {
        const some = Array.from({ length: Math.min(AT_A_TIME, count - from) }, (_, at) => act(from + at));
        results.push(...(await Promise.all(some)));
    }
    return results;
}

test('two thousand clients of every kind return to the next server', async (t) => {
    const first = await start(t, '[drain]\nseconds = 3\n');
    const peers = [];
    for (const [version, transport, count] of KINDS) {
        peers.push(...(await each(count, () => Peer.open(t, first, version, transport, { reconnection: true }))));
    }
    const plain = await each(PLAIN, (n) => Client.open(first, 'd', `c${n}`, 'g'));
    const back = peers.map((peer) => new Promise((resolve) => peer.socket.once('connect', resolve)));

    const began = Date.now();
    first.child.kill('SIGTERM');
    for (let tries = 0; !first.log().includes('no longer listening'); tries++) {
        assert.ok(tries < 1_000, first.log());
        await sleep(10);
    }
    const second = await start(t, '', 3, first.addr);

    for (const client of plain) {
        const { code, reason } = await soon(client.closed, `${client.name} is closed`);
        assert.deepEqual([code, reason], [1012, 'service restart']);
    }
    for (const { name, closed } of peers) {
        const reason = await soon(closed, `${name} is disconnected`);
        // From a packet that says "disconnect" clients do not come back. One that polls on a connection of its own each
        // time finds nobody there if it has to between two polls.
        const expected = name.includes('polling') ? ['transport close', 'transport error'] : ['transport close'];
        assert.ok(expected.includes(reason), `${name}: ${reason}`);
    }
    assert.deepEqual(await soon(first.exit, 'the first one ends'), [0, null]);
    assert.ok(Date.now() - began >= 2_900, 'they are closed over the time');
    for (const [at, peer] of peers.entries()) await soon(back[at], `${peer.name} is back`);
    peers.forEach((peer) => (peer.closed = new Promise(() => {})));
    await Promise.all(peers.map((peer) => peer.register({ group: 'all' })));
    assert.equal(await peers[0].broadcast('all', 'again', 1), peers.length - 1);
    assert.ok(!second.log().includes('ERROR'), second.log());
});
