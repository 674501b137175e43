// Sending to many sockets and moving many, as the checklist has it.

import assert from 'node:assert/strict';
import { both, earlier, latest, quiet } from './rows.mjs';

const FROM = ['socket', 'context', 'handle'];

/** Four clients: `a` in the rooms 1 and 2, `b` in 2, `c` in 3, `d` in none. */
async function four(stage) {
    const guests = await stage.all(4);
    const [a, b, c] = guests;
    await Promise.all([a.join('1', '2'), b.join('2'), c.join('3')]);
    return guests;
}

both('emit: to oneself, to everybody, from a handler and from a thread', async (stage) => {
    const [a, b] = await stage.all(2);
    assert.equal(await a.one({}, 'e', 1, 'two', { three: [3] }, null), null);
    await a.expect('e', 1, 'two', { three: [3] }, null);
    for (const from of ['context', 'handle']) {
        await a.many({ from }, { emit: ['e', [from]] });
        await Promise.all([a, b].map((guest) => guest.expect('e', from)));
    }
    await a.many({ from: 'socket' }, { emit: ['e', []] });
    await b.expect('e');
    await quiet(a, b);
});

both('emit: bytes anywhere in the arguments go and come back', async (stage) => {
    const guest = await stage.open();
    const bytes = Buffer.from([0, 1, 255]);
    const args = ['x', bytes, { deep: [bytes, Buffer.alloc(0)] }];
    const answer = guest.acknowledged('echo', ...args);
    await guest.expect('echoed', ...args);
    const [text, first, { deep }] = await answer;
    assert.deepEqual([text, Buffer.from(first)], ['x', bytes]);
    assert.deepEqual(deep.map((part) => Buffer.from(part)), [bytes, Buffer.alloc(0)]);
});

both('send, write: it is the event message', async (stage) => {
    const [a, b] = await stage.all(2);
    a.socket.emit('send', 'hello', 1);
    await a.expect('message', 'hello', 1);
    await a.many({ from: 'context' }, { send: ['all', 2] });
    await Promise.all([a, b].map((guest) => guest.expect('message', 'all', 2)));
    // What a client sends by `send` arrives as that event, too.
    assert.equal((await a.many({}, { report: ['message', [3]] })), 1);
    await b.expect('message', 3);
});

both('to, in: the rooms that are named and nobody else, each socket once', async (stage) => {
    const [a, b, c, d] = await four(stage);
    for (const from of FROM.slice(1)) {
        assert.equal(await d.many({ from, to: ['1', '2'] }, { report: ['e', [from]] }), 2);
        await Promise.all([a, b].map((guest) => guest.expect('e', from)));
        assert.equal(await d.many({ from, to: ['nobody is there'] }, { report: ['e', [from]] }), 0);
    }
    // From a socket it is without that socket.
    assert.equal(await a.many({ to: ['1', '2', '3'] }, { report: ['f', []] }), 2);
    await Promise.all([b, c].map((guest) => guest.expect('f')));
    await quiet(a, b, c, d);
});

both('to, in: the id of a socket is a room of one', async (stage) => {
    const [a, b, c] = await stage.all(3);
    for (const from of FROM) {
        assert.equal(await a.many({ from, to: [b.id] }, { report: ['private', [from]] }), 1);
        await b.expect('private', from);
    }
    assert.equal(await a.many({ from: 'context', to: [a.id, c.id] }, { report: ['private', []] }), 2);
    await Promise.all([a, c].map((guest) => guest.expect('private')));
    await quiet(a, b, c);
});

both('except: without the members of a room', async (stage) => {
    const [a, b, c, d] = await four(stage);
    assert.equal(await d.many({ from: 'context', except: ['2'] }, { report: ['e', [1]] }), 2);
    await Promise.all([c, d].map((guest) => guest.expect('e', 1)));
    assert.equal(await d.many({ except: ['3', a.id] }, { report: ['e', [2]] }), 1);
    await b.expect('e', 2);
    assert.equal(await d.many({ from: 'handle', to: ['2', '3'], except: ['1'] }, { report: ['e', [3]] }), 2);
    await Promise.all([b, c].map((guest) => guest.expect('e', 3)));
    await quiet(a, b, c, d);
});

both('adapter delivery rule: no room is everybody, several are their union, less what is excepted', async (stage) => {
    const [a, b, c, d] = await four(stage);
    const guests = { a, b, c, d };
    const cases = [
        [{ from: 'context' }, 'abcd'],
        [{ from: 'socket' }, 'abc'],
        [{ from: 'context', to: ['1'] }, 'a'],
        [{ from: 'context', to: ['1', '2', '3'] }, 'abc'],
        [{ from: 'context', to: ['2', '2', a.id] }, 'ab'],
        [{ from: 'context', to: ['2'], except: ['2'] }, ''],
        [{ from: 'context', to: [a.id, b.id, '3'], except: ['1'] }, 'bc'],
        [{ from: 'context', except: ['1', '2', '3'] }, 'd'],
        [{ from: 'socket', except: ['1', '2', '3'] }, ''],
        [{ from: 'socket', to: ['1', '3'], except: ['2'] }, 'c'],
        [{ from: 'socket', to: [d.id, '3'] }, 'c'],
    ];
    for (const [number, [whom, names]] of cases.entries()) {
        assert.equal(await d.many(whom, { report: ['e', [number]] }), names.length, JSON.stringify(whom));
        await Promise.all([...names].map((name) => guests[name].expect('e', number)));
    }
    await quiet(a, b, c, d);
});

both('volatile: it is an event like others for whoever takes it', async (stage) => {
    const [a, b] = await stage.all(2);
    // Between two polls a client takes nothing.
    for (let tries = 0; (await a.many({ volatile: true }, { report: ['e', ['many']] })) === 0; tries++) {
        assert.ok(tries < 1_000, 'b takes it some time');
    }
    await b.expect('e', 'many');
    for (let tries = 0; a.events.length === 0; tries++) {
        assert.ok(tries < 1_000, 'a takes it some time');
        await a.one({ volatile: true }, 'e', 'one');
    }
    await a.expect('e', 'one');
});

both(
    'volatile: what a client cannot take at once is dropped, and it stays',
    async (stage) => {
        const [a, b] = await stage.all(2);
        // It does not read, and at some time the kernel keeps no more for it.
        const { _socket: reading } = a.socket.io.engine.transport.ws;
        reading.pause();
        const text = 'x'.repeat(50_000);
        let count = 0;
        while ((await b.many({ to: [a.id], volatile: true }, { report: ['flood', [count, text]] })) === 1) count++;
        assert.ok(count > 0, 'the first one is taken');
        reading.resume();
        assert.equal(await b.many({ to: [a.id] }, { report: ['end', []] }), 1);
        for (let number = 0; number < count; number++) await a.expect('flood', number, text);
        await a.expect('end');
        assert.equal(await b.many({ to: [a.id], volatile: true }, { report: ['again', []] }), 1);
        await a.expect('again');
    },
    { transports: ['websocket'] },
);

both('local: everybody on this server is on one of its reactors', async (stage) => {
    const guests = await stage.all(6);
    assert.equal(await guests[0].many({ from: 'context', local: true }, { report: ['e', []] }), 6);
    await Promise.all(guests.map((guest) => guest.expect('e')));
});

both('broadcast: everybody but the sender, in its namespace', async (stage) => {
    const [[a, b, c], elsewhere] = await Promise.all([stage.all(3, '/b'), stage.open('/a')]);
    assert.equal(await a.many({ from: 'socket' }, { report: ['e', [1]] }), 2);
    await Promise.all([b, c].map((guest) => guest.expect('e', 1)));
    await quiet(a, b, c, elsewhere);
});

both('compress: with and without it the same arrives', async (stage) => {
    const options = { path: '/compressed', perMessageDeflate: { threshold: 0 } };
    const [a, b] = await stage.all(2, '/', options);
    const text = 'compress me, '.repeat(100);
    for (const compress of [true, false]) {
        await a.one({ uncompressed: !compress }, 'e', text);
        await a.expect('e', text);
        assert.equal(await a.many({ compress }, { report: ['e', [text]] }), 1);
        await b.expect('e', text);
    }
});

earlier('json: it changes nothing, arguments are JSON', async (stage) => {
    const guest = await stage.open();
    for (const value of [null, true, 1.5, 'é', [], {}, { a: [{ b: null }] }]) {
        await guest.one({}, 'e', value);
        await guest.expect('e', value);
    }
});

earlier('binary: arguments are searched for bytes by their types', async (stage) => {
    const guest = await stage.open();
    for (const value of [{ text: 'no bytes' }, { bytes: Buffer.from('bytes') }]) {
        guest.socket.binary(Buffer.isBuffer(value.bytes)).emit('echo', value);
        await guest.expect('echoed', value);
    }
});

both('reserved names: events that Socket.IO keeps for itself are refused', async (stage) => {
    const [a, b] = await stage.all(2);
    for (const name of ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener']) {
        await assert.rejects(a.one({}, name), /keeps for itself/);
        for (const from of FROM) {
            await assert.rejects(a.many({ from }, { emit: [name, []] }), /keeps for itself/, from);
        }
    }
    // Those of other libraries are not.
    for (const name of ['error', 'connection', 'message', 'ping']) {
        assert.equal(await a.many({}, { report: [name, []] }), 1);
        await b.expect(name);
    }
    await quiet(a, b);
});

both('socketsJoin: many join rooms at once', async (stage) => {
    const [a, b, c, d] = await four(stage);
    assert.equal(await d.many({ from: 'handle', to: ['2'], except: ['1'] }, { join: ['new', 'newer'] }), 1);
    assert.equal(await d.many({ from: 'context', to: [c.id] }, { join: ['new'] }), 1);
    assert.deepEqual(await b.call('rooms'), ['2', 'new', 'newer']);
    assert.equal(await a.many({ from: 'context', to: ['new'] }, { report: ['e', []] }), 2);
    await Promise.all([b, c].map((guest) => guest.expect('e')));
    // From a socket: everybody but itself.
    assert.equal(await a.many({ from: 'socket' }, { join: ['others'] }), 3);
    assert.deepEqual((await a.call('of_whom', 'others')).sort(), [b, c, d].map(({ id }) => id).sort());
    // What follows is for the new members, wherever they live, too.
    for (let round = 0; round < 20; round++) {
        a.socket.emit('many', { from: 'context' }, { join: [`at once ${round}`] });
        a.socket.emit('many', { from: 'context', to: [`at once ${round}`] }, { emit: ['e', [round]] });
        await Promise.all([a, b, c, d].map((guest) => guest.expect('e', round)));
    }
    await quiet(a, b, c, d);
});

both('socketsLeave: many leave rooms at once', async (stage) => {
    const [a, b, c, d] = await four(stage);
    assert.equal(await d.many({ from: 'context', to: ['2'] }, { leave: ['1', '2'] }), 2);
    assert.deepEqual(await Promise.all([a, b, c].map((guest) => guest.call('rooms'))), [[], [], ['3']]);
    assert.equal(await d.many({ from: 'handle' }, { leave: ['3'] }), 4);
    assert.deepEqual(await c.call('rooms'), []);
    await quiet(a, b, c, d);
});

both('disconnectSockets: many leave the namespace, or everything', async (stage) => {
    const [a, b, c, d] = await four(stage);
    assert.equal(await d.many({ from: 'context', to: ['2'] }, { disconnect: false }), 2);
    assert.deepEqual(await Promise.all([a.ends(), b.ends()]), Array(2).fill('io server disconnect'));
    assert.equal(await d.many({ from: 'handle', to: ['3'] }, { disconnect: true }), 1);
    assert.equal(await c.ends(), 'io server disconnect');
    assert.deepEqual(await d.call('of_whom'), [d.id]);
    await quiet(d);
});

latest('to, in: a namespace is a world of its own for rooms', async (stage) => {
    const [root, other] = await Promise.all([stage.open('/'), stage.open('/a')]);
    await Promise.all([root.join('r'), other.join('r')]);
    assert.equal(await root.many({ from: 'context', to: ['r'] }, { report: ['e', [1]] }), 1);
    await root.expect('e', 1);
    assert.equal(await root.many({ from: 'context', namespace: '/a', to: ['r'] }, { report: ['e', [2]] }), 1);
    await other.expect('e', 2);
    await quiet(root, other);
});
