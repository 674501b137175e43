// The Engine.IO server below, as the checklist has it.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { both, quiet } from './rows.mjs';
import { soon } from '../support.mjs';

both('engine.clientsCount: sessions of all reactors, and how many of them poll', async (stage) => {
    const guests = await stage.all(3);
    assert.equal((await stage.stats()).sockets, 3);
    guests[0].close();
    await guests[0].ends();
    for (let tries = 0; (await stage.stats()).sockets !== 2; tries++) {
        assert.ok(tries < 1_000, 'it is noticed');
        await sleep(10);
    }
});

both('generateId: ids that nobody can guess, and that are not given twice', async (stage) => {
    const guests = await stage.all(10);
    const ids = guests.map(({ socket }) => socket.io.engine.id);
    assert.equal(new Set(ids).size, 10);
    ids.forEach((id) => assert.match(id, /^[\w-]{20}$/));
    const of = (id) => fetch(stage.url(`/socket.io/?EIO=${stage.isOld ? 3 : 4}&transport=polling&sid=${id}`));
    const answer = await of(`${ids[0].slice(0, -1)}${ids[0].endsWith('A') ? 'B' : 'A'}`);
    assert.deepEqual([answer.status, (await answer.json()).code], [400, 1]);
});

both('handleRequest, handleUpgrade: requests at its path are its own, the others are not', async (stage) => {
    await quiet(await stage.open());
    const own = await fetch(stage.url('/socket.io/'));
    assert.deepEqual([own.status, (await own.json()).code], [400, 0]);
    assert.equal((await fetch(stage.url('/socket.iox'))).status, 404);
});

both('engine.close: sessions end when the server stops', async (stage) => {
    const guest = await stage.open();
    guest.socket.emit('stop');
    assert.ok(['transport close', 'transport error'].includes(await guest.ends()));
    assert.deepEqual(await soon(stage.server.exit, 'it ends'), [0, null]);
});

both('headers, initial_headers: the program adds fields to answers', async (stage) => {
    await quiet(await stage.open('/', { path: '/headers' }));
    const [prefix, eio] = stage.isOld ? [/^\d+:0/, 3] : [/^0/, 4];
    const address = stage.url(`/headers/?EIO=${eio}&transport=polling`);
    const first = await fetch(address);
    const open = (await first.text()).replace(prefix, '');
    const { sid } = JSON.parse(/\{.*?\}/.exec(open)[0]);
    const fields = ({ headers }) => [headers.get('x-initial'), headers.get('x-every')];
    assert.deepEqual(fields(first), ['once', 'always']);
    const post = await fetch(`${address}&sid=${sid}`, { method: 'POST', body: stage.isOld ? '1:2' : '40' });
    assert.deepEqual([await post.text(), ...fields(post)], ['ok', null, 'always']);
});

both(
    'flush, drain: what waits for a slow reader is counted, and who lets too much wait is closed',
    async (stage) => {
        const [slow, other] = await stage.all(2);
        const { id } = slow;
        const { _socket: reading } = slow.socket.io.engine.transport.ws;
        assert.deepEqual(await other.many({ to: [id] }, { tally: ['e', [0]] }), [1, 0, 0]);
        reading.pause();
        const outcomes = { written: 0, waiting: 0, dropped: 0 };
        while (outcomes.dropped === 0) {
            const tally = await other.many({ to: [id] }, { tally: ['e', ['x'.repeat(100_000)]] });
            // The last one finds nobody.
            if (tally.every((count) => count === 0)) break;
            ['written', 'waiting', 'dropped'].forEach((outcome, number) => (outcomes[outcome] += tally[number]));
        }
        assert.ok(outcomes.written > 0 && outcomes.waiting > 0, JSON.stringify(outcomes));
        const [{ reason }] = await stage.journal(id, 2);
        assert.equal(reason, 'forced close');
        reading.resume();
        await slow.ends();
        await quiet(other);
    },
    { transports: ['websocket'] },
);

both('adapter methods: what they did is done by emitting, joining and asking', async (stage) => {
    const [a, b, c] = await stage.all(3);
    // addAll, addSockets, del, delSockets.
    await a.join('1', '2');
    assert.equal(await a.many({ from: 'context', to: ['1', b.id] }, { join: ['3'] }), 2);
    assert.equal(await a.call('leave', ['2']), true);
    // sockets, socketRooms, clients, clientRooms, allRooms.
    const ids = (...guests) => guests.map(({ id }) => id).sort();
    assert.deepEqual((await c.call('of_whom', '3')).sort(), ids(a, b));
    assert.deepEqual((await c.call('of_whom')).sort(), ids(a, b, c));
    assert.deepEqual(await a.call('rooms'), ['1', '3']);
    assert.deepEqual(await c.call('rooms_of_all'), { 1: 1, 3: 2 });
    // broadcast, disconnectSockets.
    assert.equal(await c.many({ from: 'handle', to: ['3'] }, { report: ['e', []] }), 2);
    assert.equal(await c.many({ from: 'handle', to: ['1'] }, { disconnect: true }), 1);
    await b.expect('e');
    assert.equal(await a.ends(), 'io server disconnect');
    assert.deepEqual(await c.call('rooms_of_all'), { 3: 1 });
    await quiet(b, c);
});
