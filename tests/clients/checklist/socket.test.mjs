// What a socket is, what it keeps, and its rooms, as the checklist has it.

import assert from 'node:assert/strict';
import { both, quiet } from './rows.mjs';

both('id: the server and the client know it by the same', async (stage) => {
    const guests = (await Promise.all([stage.all(2), stage.all(2, '/a')])).flat();
    const ids = await Promise.all(guests.map(async (guest) => (await guest.call('facts')).id));
    assert.deepEqual(ids, guests.map(({ id }) => id));
    assert.equal(new Set(ids).size, 4);
    ids.slice(0, 2).forEach((id) => assert.match(id, /^[\w-]{20}$/));
});

both('nsp: the name of its namespace', async (stage) => {
    for (const name of ['/', '/a', '/b']) {
        assert.equal((await (await stage.open(name)).call('facts')).namespace, name);
    }
});

both('connected, disconnected: as long as it has not left', async (stage) => {
    const guest = await stage.open();
    assert.equal((await guest.call('facts')).connected, true);
    // What was under way when it was disconnected comes to nobody.
    const { socket } = guest;
    let answered = false;
    socket.emit('disconnect_me', false);
    socket.emit('facts', () => (answered = true));
    assert.equal(await guest.ends(), 'io server disconnect');
    assert.equal(answered, false);
});

both('handshake, request: how it began', async (stage) => {
    const options = {
        query: { room: 'é & co' },
        transportOptions: {
            [stage.transport]: { extraHeaders: { 'X-Agent': 'a test', Cookie: 'other=1; session=s%201' } },
        },
        ...(stage.isOld ? {} : { auth: { token: 'secret', deep: [1] } }),
    };
    const before = Date.now();
    const [name, told] = await (await stage.open('/handshake', options)).next();
    assert.equal(name, 'told');
    assert.ok(told.url.startsWith('/socket.io/?') && told.url.includes(`transport=${stage.transport}`), told.url);
    assert.deepEqual([told.agent, told.cookie, told.query], ['a test', 's%201', 'é & co']);
    assert.deepEqual(told.auth, stage.isOld ? {} : { token: 'secret', deep: [1] });
    assert.match(told.peer, /^127\.0\.0\.1:\d+$/);
    assert.ok(Math.abs(told.unix_ms - before) < 60_000, 'it is a time of today');
});

both('rooms: those that it is in, without the one that is its id', async (stage) => {
    const guest = await stage.open();
    assert.deepEqual(await guest.call('rooms'), []);
    await guest.join('2', '1');
    assert.deepEqual(await guest.call('rooms'), ['2', '1']);
    // Its id is one all the same: who sends there reaches it.
    assert.equal(await guest.many({ from: 'context', to: [guest.id] }, { report: ['e', []] }), 1);
    await guest.expect('e');
});

both('join: one room or several, seen by everybody when the call returns', async (stage) => {
    const [a, b] = await stage.all(2);
    assert.equal(await a.join('1'), true);
    assert.equal(await a.join('1'), false);
    assert.equal(await a.join('1', '2', 'é'), true);
    assert.deepEqual(await a.call('rooms'), ['1', '2', 'é']);
    assert.equal(await b.many({ to: ['é'] }, { report: ['e', []] }), 1);
    await a.expect('e');
    // All or none.
    await assert.rejects(a.join('3', ''), /name/);
    assert.deepEqual(await a.call('rooms'), ['1', '2', 'é']);
    await quiet(a, b);
});

both('leave: one room or several', async (stage) => {
    const [a, b] = await stage.all(2);
    await a.join('1', '2', '3');
    assert.equal(await a.call('leave', ['1', 'never joined']), true);
    assert.equal(await a.call('leave', ['1']), false);
    assert.deepEqual(await a.call('rooms'), ['2', '3']);
    assert.equal(await b.many({ to: ['1'] }, { report: ['e', []] }), 0);
    await quiet(a, b);
});

both('leaveAll: every room, but it is still reached by its id', async (stage) => {
    const [a, b] = await stage.all(2);
    await a.join('1', '2');
    await a.call('leave_all');
    assert.deepEqual(await a.call('rooms'), []);
    assert.equal(await b.many({ to: ['1', '2'] }, { report: ['e', [1]] }), 0);
    assert.equal(await b.many({ to: [a.id] }, { report: ['e', [2]] }), 1);
    await a.expect('e', 2);
    await quiet(a, b);
});

both('disconnect: from the namespace, or from everything', async (stage) => {
    const a = await stage.open('/a');
    const b = await stage.beside(a, '/b');
    a.socket.emit('disconnect_me', false);
    assert.equal(await a.ends(), 'io server disconnect');
    assert.equal(b.connected, true);
    const ends = new Promise((resolve) => b.once('disconnect', resolve));
    b.emit('disconnect_me', true);
    assert.equal(await ends, 'io server disconnect');
});

both('set, get: what a socket keeps is its own, and gone with it', async (stage) => {
    const [a, b] = await stage.all(2);
    assert.equal(await a.call('keep', 'one'), null);
    assert.equal(await a.call('keep', 'two'), 'one');
    assert.equal(await a.call('kept'), 'two');
    assert.equal(await b.call('kept'), null);
});
