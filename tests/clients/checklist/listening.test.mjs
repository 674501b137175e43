// What a program hears besides the events of its clients, as the checklist has it.

import assert from 'node:assert/strict';
import { both, quiet } from './rows.mjs';

both(
    'onAnyOutgoing, prependAnyOutgoing, offAnyOutgoing, listenersAnyOutgoing: told of everything that is sent',
    async (stage) => {
        const [a, b, c] = await stage.all(3, '/outgoing');
        const heard = async (guest, name, ...args) => {
            for (const by of ['first of all', 'any', 'any, too']) await guest.expect('heard', by, name, args);
            await guest.expect(name, ...args);
        };
        await a.one({}, 'one', 1, { two: [2] });
        await heard(a, 'one', 1, { two: [2] });
        // For each who gets it, and for nobody else.
        assert.equal(await a.many({ to: [b.id] }, { report: ['some', ['x']] }), 1);
        await heard(b, 'some', 'x');
        assert.equal(await a.many({ from: 'handle' }, { report: ['all', []] }), 3);
        await Promise.all([a, b, c].map((guest) => heard(guest, 'all')));
        await quiet(a, b, c);
    },
);

both('create-room, delete-room, join-room, leave-room: rooms begin, change and end', async (stage) => {
    const [a, b] = await stage.all(2, '/rooms');
    const of = async (room, count) =>
        (await stage.journal(room, count)).map(({ what, socket }) => [what, ...(socket ? [socket] : [])]);
    // The room that is its id, too.
    assert.deepEqual(await of(a.id, 2), [['create-room'], ['join-room', a.id]]);
    const ids = [a.id, b.id];
    await a.join('r');
    await b.join('r');
    await a.join('r');
    assert.equal(await b.call('leave', ['r']), true);
    const expected = [['create-room'], ['join-room', ids[0]], ['join-room', ids[1]], ['leave-room', ids[1]]];
    assert.deepEqual(await of('r', 4), expected);
    assert.equal(await b.many({ from: 'context', to: [ids[0]] }, { join: ['s'] }), 1);
    assert.deepEqual(await of('s', 2), [['create-room'], ['join-room', ids[0]]]);
    a.close();
    const ended = [['leave-room', ids[0]], ['delete-room']];
    assert.deepEqual(await of('r', 6), [...expected, ...ended]);
    assert.deepEqual((await of('s', 4)).slice(2), ended);
    assert.deepEqual((await of(ids[0], 6)).slice(2), [['disconnecting'], ...ended, ['disconnect']]);
});

both('use: a middleware may decide later, on another thread', async (stage) => {
    const say = (text) => (stage.isOld ? { query: { say: text } } : { auth: { say: text } });
    const guest = await stage.open('/later', say('let me in'));
    await guest.expect('found', 'by a thread');
    const { error } = await stage.refused('/later', say('please'));
    if (stage.isOld) assert.deepEqual(error, { said: 'please' });
    else assert.deepEqual([error.message, error.data], ['not for that', { said: 'please' }]);
    // One that is dropped refuses.
    const dropped = await stage.refused('/later');
    assert.equal(stage.isOld ? dropped.error : dropped.error.message, 'internal error');
});

both('engine.use: asked about every request', async (stage) => {
    const headers = { transportOptions: { [stage.transport]: { extraHeaders: { 'X-Pass': 'open' } } } };
    await quiet(await stage.open('/', { path: '/asked', ...headers }));
    const { error } = await stage.refused('/', { path: '/asked' });
    assert.ok(error);
    const address = stage.url(`/asked/?EIO=${stage.isOld ? 3 : 4}&transport=polling`);
    const refusal = await fetch(address);
    assert.deepEqual([refusal.status, await refusal.text()], [401, 'no pass']);
    // The requests of a session that was let in are asked about, too.
    const open = await (await fetch(address, { headers: { 'X-Pass': 'open' } })).text();
    const { sid } = JSON.parse(/\{.*?\}/.exec(open)[0]);
    assert.equal((await fetch(`${address}&sid=${sid}`)).status, 401);
});

both('connection_error: told of each request that is refused, and why', async (stage) => {
    const { error } = await stage.refused('/', { path: '/guarded' });
    assert.ok(error);
    const eio = stage.isOld ? 3 : 4;
    await (await fetch(stage.url(`/guarded/?EIO=${eio}&transport=nonsense`))).text();
    const bad = stage.url(`/guarded/?EIO=${eio}&transport=polling&sid=nonsense`);
    assert.equal((await (await fetch(bad)).json()).code, 1);
    const told = (await stage.journal('connection_error', 3)).map(({ code, message }) => [code, message]);
    assert.deepEqual(told.slice(-2), [
        [0, 'Transport unknown'],
        [1, 'Session ID unknown'],
    ]);
    // A client that polls may have asked more than once.
    told.slice(0, -2).forEach((entry) => assert.deepEqual(entry, [4, 'this origin may not']));
});

both('connection (engine): a session is there before it has joined a namespace', async (stage) => {
    const before = (await stage.stats()).sockets;
    await (await fetch(stage.url(`/socket.io/?EIO=${stage.isOld ? 3 : 4}&transport=polling`))).text();
    assert.equal((await stage.stats()).sockets, before + 1);
    await quiet(await stage.open());
    assert.equal((await stage.stats()).sockets, before + 2);
});

both('client, conn: the session, its transport and its revision', async (stage) => {
    const [a, b] = [await stage.open('/'), await stage.open('/a')];
    for (const guest of [a, b]) {
        const facts = await guest.call('connection');
        assert.equal(facts.session, guest.socket.io.engine.id);
        assert.deepEqual([facts.transport, facts.revision], [stage.transport, stage.isOld ? 3 : 4]);
    }
    const { session: one } = await a.call('connection');
    const { session: other } = await b.call('connection');
    assert.notEqual(one, other);
});

both(
    'conn events: a session goes from polling to a WebSocket',
    async (stage) => {
        const guest = await stage.open('/upgrades', { transport: 'upgrade' });
        await guest.expect('upgraded', 'websocket');
        const other = await stage.open('/upgrades', { transport: stage.transport });
        await quiet(guest, other);
        // What comes and goes, and the end, are told by handlers of events, of what is sent, and of disconnects.
        const { id } = guest;
        guest.close();
        await stage.journal(id, 2);
    },
);

both('handshake, request: kept for handlers of events, if that is wanted', async (stage) => {
    const options = { transportOptions: { [stage.transport]: { extraHeaders: { 'X-Agent': 'a test' } } } };
    const kept = await stage.open('/', { path: '/kept', ...options });
    const facts = await kept.call('connection');
    assert.equal(facts.agent, 'a test');
    assert.match(facts.peer, /^127\.0\.0\.1:\d+$/);
    assert.ok(facts.url.startsWith('/kept/?'), facts.url);
    // Not where it is not.
    const other = await stage.open('/', { path: '/elsewhere', ...options });
    assert.equal((await other.call('connection')).agent, null);
});

both('serverSideEmit, serverSideEmitWithAck: without other servers nobody answers, at once', async (stage) => {
    const guest = await stage.open('/servers');
    for (const byThread of [false, true]) {
        assert.deepEqual(await guest.call('server_side_emit', 'told', byThread), []);
        for (const name of ['connect', 'connection', 'new_namespace']) {
            await assert.rejects(guest.call('server_side_emit', name, byThread), /keeps|reserved/);
        }
    }
    // Nobody was told here.
    assert.deepEqual(await guest.call('as_another_server', { n: 1 }), '"thanks",{"n":1}');
    assert.deepEqual(await stage.journal('told', 1), [{ value: { n: 1 } }]);
    await quiet(guest);
});
