// Sockets from afar, and what they keep for others to see, as the checklist has it.

import assert from 'node:assert/strict';
import { both, quiet } from './rows.mjs';

const byId = (a, b) => (a.id < b.id ? -1 : 1);

both('fetchSockets: what sockets are, wherever they live', async (stage) => {
    const guests = await stage.all(3, '/a', { query: { room: 'q 1' } });
    const [a, b, c] = guests;
    await Promise.all([a.join('1', '2'), b.join('2'), c.call('set_data', { name: 'c' })]);
    const facts = (guest, rooms, data) => ({ id: guest.id, namespace: '/a', rooms, query: 'q 1', data });
    const all = [facts(a, ['1', '2'], null), facts(b, ['2'], null), facts(c, [], { name: 'c' })];
    for (const from of ['context', 'handle']) {
        assert.deepEqual((await a.many({ from }, { fetch: null })).sort(byId), all.toSorted(byId));
        const some = await a.many({ from, to: ['2'], except: ['1'] }, { fetch: null });
        assert.deepEqual(some, [all[1]]);
    }
    assert.deepEqual(await a.many({ from: 'socket' }, { fetch: null }).then((found) => found.length), 2);
    await quiet(...guests);
});

both('RemoteSocket: it is told, asked, moved and disconnected', async (stage) => {
    const [a, b, c] = await stage.all(3);
    const whom = { from: 'context', to: [b.id] };
    assert.equal(await a.many(whom, { each: { emit: ['e', { n: 1 }] } }), 1);
    await b.expect('e', { n: 1 });
    b.socket.on('q', (what, answer) => answer(what, 'yes'));
    const { answers } = await a.many(whom, { each: { ask: ['q', 'why'] } });
    assert.deepEqual(answers, [[b.id, ['why', 'yes']]]);
    await b.expect('q', 'why');
    await a.many(whom, { each: { join: 'new' } });
    assert.deepEqual((await a.call('of_whom', 'new')), [b.id]);
    await a.many(whom, { each: { leave: 'new' } });
    assert.deepEqual((await a.call('of_whom', 'new')), []);
    await a.many(whom, { each: { disconnect: false } });
    assert.equal(await b.ends(), 'io server disconnect');
    await quiet(a, c);
});

both('allSockets, clients: the ids of those in a room, or of all', async (stage) => {
    const guests = await stage.all(3);
    await Promise.all(guests.slice(1).map((guest) => guest.join('r')));
    const ids = guests.map(({ id }) => id);
    assert.deepEqual((await guests[0].many({ from: 'context' }, { ids: null })).sort(), ids.toSorted());
    const some = await guests[0].many({ from: 'handle', to: ['r'] }, { ids: null });
    assert.deepEqual(some.sort(), ids.slice(1).sort());
    assert.deepEqual(await guests[0].many({ from: 'context', to: ['nobody'] }, { ids: null }), []);
});

both('data: what a socket keeps for others to see, until it leaves', async (stage) => {
    const [a, b] = await stage.all(2);
    assert.equal(await a.call('data'), null);
    for (const value of [{ name: 'ann', deep: [1, null] }, 'text', 7]) {
        assert.equal(await a.call('set_data', value), null);
        assert.deepEqual(await a.call('data'), value);
        const [seen] = await b.many({ to: [a.id] }, { fetch: null });
        assert.deepEqual(seen.data, value);
    }
    assert.equal(await b.call('data'), null);
});
