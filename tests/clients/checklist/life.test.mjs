// How sockets begin and end, and what comes between a client and its handlers, as the checklist has it.

import assert from 'node:assert/strict';
import { both, latest, quiet } from './rows.mjs';
import { soon } from '../support.mjs';

/** Who a client says that it is: clients before 3.0 have no `auth`. */
const named = (stage, name) => (stage.isOld ? { query: { name } } : { auth: { name } });

both('use: middlewares run in their order before the handlers, and give values on', async (stage) => {
    const guest = await stage.open('/named', named(stage, 'ann'));
    for (const ran of [['first middleware'], ['second middleware'], ['first handler'], ['second handler', 'ann']]) {
        await guest.expect('ran', ...ran);
    }
    assert.equal(await guest.call('name'), 'ann');
});

both('use: what one refuses with is told to the client, and the others do not run', async (stage) => {
    const { error, socket } = await stage.refused('/named');
    const data = { code: 'no_name', retry: false };
    if (stage.isOld) assert.deepEqual(error, data);
    else assert.deepEqual([error.message, error.data], ['who are you?', data]);
    assert.equal(socket.connected, false);
    const second = await stage.refused('/named', named(stage, 'nobody'));
    if (stage.isOld) assert.equal(second.error, 'not you');
    else assert.deepEqual([second.error.message, second.error.data], ['not you', undefined]);
});

both('use: one that panics refuses, and nobody else notices', async (stage) => {
    const other = await stage.open('/named', named(stage, 'ann'));
    const { error } = await stage.refused('/named', named(stage, 'panic'));
    assert.equal(stage.isOld ? error : error.message, 'internal error');
    assert.equal(await other.call('name'), 'ann');
    assert.equal((await stage.stats()).panics, 1);
});

both('connect, connection: handlers run for each socket, in their order', async (stage) => {
    const first = await stage.open('/named', named(stage, 'first'));
    for (let count = 0; count < 4; count++) await first.next();
    const second = await stage.open('/named', named(stage, 'second'));
    await first.expect('joined', second.id);
    const ran = [await second.next(), await second.next(), await second.next(), await second.next()];
    assert.deepEqual(ran.slice(2), [
        ['ran', 'first handler'],
        ['ran', 'second handler', 'second'],
    ]);
});

both('disconnect, disconnecting: the client leaves the namespace', async (stage) => {
    const guest = await stage.open('/a');
    await guest.join('1', '2');
    const { id } = guest;
    const { engine } = guest.socket.io;
    // Clients that have left every namespace close the connection, too: this one stays for another.
    await stage.beside(guest, '/b');
    guest.socket.disconnect();
    assert.equal(await guest.ends(), 'io client disconnect');
    const reason = 'client namespace disconnect';
    assert.deepEqual(await stage.journal(id, 2), [
        { namespace: '/a', what: 'disconnecting', reason, rooms: ['1', '2'] },
        { namespace: '/a', what: 'disconnect', reason, rooms: [] },
    ]);
    assert.equal(engine.readyState, 'open');
});

both('disconnect, disconnecting: the client closes the connection, or it breaks', async (stage) => {
    const [a, b] = await stage.all(2, '/b');
    const ids = [a.id, b.id];
    a.socket.io.engine.close();
    const { transport } = b.socket.io.engine;
    if (stage.transport === 'websocket') transport.ws.terminate();
    else transport.onClose();
    for (const [number, guest] of [a, b].entries()) {
        assert.ok(['forced close', 'transport close', 'transport error'].includes(await guest.ends()));
        if (number === 0 || stage.transport === 'websocket') {
            const [before, after] = await stage.journal(ids[number], 2);
            assert.equal(before.what, 'disconnecting');
            assert.equal(after.what, 'disconnect');
            assert.ok(['transport close', 'transport error'].includes(after.reason), after.reason);
        }
    }
});

both('disconnect, disconnecting: the server ends it, and says why in the words of Socket.IO', async (stage) => {
    const [a, b] = await stage.all(2, '/a');
    const ids = [a.id, b.id];
    a.socket.emit('disconnect_me', false);
    b.socket.emit('disconnect_me', true);
    for (const [number, guest] of [a, b].entries()) {
        assert.equal(await guest.ends(), 'io server disconnect');
        const reasons = (await stage.journal(ids[number], 2)).map(({ reason }) => reason);
        assert.deepEqual(reasons, Array(2).fill('server namespace disconnect'));
    }
});

both('disconnect, disconnecting: a heartbeat that is not answered', async (stage) => {
    const guest = await stage.open('/', { path: '/heartbeat' });
    const { id } = guest;
    // It says nothing any more, and does not mind that it hears nothing.
    const { engine } = guest.socket.io;
    const methods = ['sendPacket', '_sendPacket', 'ping', 'onHeartbeat', '_resetPingTimeout'];
    for (const method of methods) engine[method] = () => {};
    for (const timer of ['pingIntervalTimer', 'pingTimeoutTimer', '_pingTimeoutTimer']) clearTimeout(engine[timer]);
    const reasons = (await stage.journal(id, 2)).map(({ what, reason }) => [what, reason]);
    assert.deepEqual(reasons, [
        ['disconnecting', 'ping timeout'],
        ['disconnect', 'ping timeout'],
    ]);
    await guest.ends();
});

both(
    'disconnect, disconnecting: a client that breaks the protocol',
    async (stage) => {
        const guest = await stage.open();
        const { id } = guest;
        guest.socket.io.engine.transport.ws.send('4nonsense');
        await guest.ends();
        assert.equal((await stage.journal(id, 2))[1].reason, 'parse error');
    },
    { transports: ['websocket'] },
);

both('error: what a handler or a middleware of packets returns is told to those who asked for it', async (stage) => {
    const guest = await stage.open();
    const { id } = guest;
    guest.socket.emit('fail', 'no number');
    const [entry] = await stage.journal(id, 1);
    assert.deepEqual([entry.what, entry.event], ['error', 'fail']);
    assert.match(entry.error, /string|invalid type/);
    await quiet(guest);
    const events = await stage.open('/events');
    events.socket.emit('forbidden');
    for (const by of ['first of all', 'any', 'any, too']) await events.expect('seen', by, 'forbidden');
    await events.expect('exception', 'forbidden', 'this is forbidden');
});

both('error: a handler that panics ends its socket and nobody else', async (stage) => {
    const [a, b] = await stage.all(2);
    a.socket.emit('panic');
    assert.equal(await a.ends(), 'io server disconnect');
    await quiet(b);
    assert.equal((await stage.stats()).panics, 1);
});

both('socket.use: a middleware of packets lets them pass or not', async (stage) => {
    const guest = await stage.open('/events');
    const answer = guest.acknowledged('allowed', 1);
    for (const by of ['first of all', 'any', 'any, too', 'middleware', 'handler', 'second handler']) {
        await guest.expect('seen', by, 'allowed');
    }
    assert.deepEqual(await answer, ['allowed']);
    guest.socket.emit('forbidden', 1);
    for (const by of ['first of all', 'any', 'any, too']) await guest.expect('seen', by, 'forbidden');
    await guest.expect('exception', 'forbidden', 'this is forbidden');
    assert.equal(guest.socket.connected, true);
});

both('onAny, prependAny, offAny, listenersAny: handlers of every event, in their order', async (stage) => {
    const guest = await stage.open('/events');
    guest.socket.emit('of no handler', 'x');
    for (const by of ['first of all', 'any', 'any, too', 'middleware']) {
        await guest.expect('seen', by, 'of no handler');
    }
});

both('on, once, off, eventNames: several handlers of a name run in their order, others do not', async (stage) => {
    const guest = await stage.open('/events');
    guest.socket.emit('strict', 7);
    for (const by of ['first of all', 'any', 'any, too', 'middleware']) await guest.expect('seen', by, 'strict');
    guest.socket.emit('strict', 'seven');
    for (const by of ['first of all', 'any', 'any, too', 'middleware']) await guest.expect('seen', by, 'strict');
    const [name, event, error] = await guest.next();
    assert.deepEqual([name, event], ['exception', 'strict']);
    assert.match(error, /seven/);
});

latest('recovered: a client that comes back is another socket, and knows that', async (stage) => {
    const guest = await stage.open('/', { reconnection: true, reconnectionDelay: 10 });
    await guest.join('r');
    const { id, socket } = guest;
    const back = soon(new Promise((resolve) => socket.once('connect', resolve)), 'it is back');
    socket.io.engine.close();
    await back;
    assert.notEqual(socket.id, id);
    assert.ok(!socket.recovered);
    assert.deepEqual(await guest.call('rooms'), []);
});
