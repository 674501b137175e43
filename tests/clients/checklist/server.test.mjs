// The server and its namespaces, as the checklist has them.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { WebSocket, installed, soon } from '../support.mjs';
import { BROWSER_CLIENTS, Guest, both, earlier, latest, quiet } from './rows.mjs';

both(
    'new Server, listen, attach: on every address that it is told',
    async (stage) => {
        const addrs = Array.from(stage.server.said().matchAll(/http:\/\/(\S+)/g), ([, addr]) => addr);
        assert.equal(new Set(addrs).size, 2);
        const guests = await Promise.all(
            addrs.map((addr) => Guest.open(stage.t, { addr }, stage.version, stage.transport)),
        );
        assert.equal(await guests[0].many({}, { report: ['e', []] }), 1);
        await guests[1].expect('e');
    },
    { flags: ['--listen', '127.0.0.1:0'] },
);

both('attachApp, bind: routes and plain WebSockets are on the same address', async (stage) => {
    const guest = await stage.open();
    assert.equal(await (await fetch(stage.url('/hello'))).text(), 'hello');
    const ws = new WebSocket(stage.url('/plain', 'ws'));
    stage.t.after(() => ws.terminate());
    const said = new Promise((resolve, reject) => ws.on('message', resolve).on('error', reject));
    ws.on('open', () => ws.send('plain'));
    assert.equal((await soon(said, 'it says it back')).toString(), 'plain');
    // A route tells the sockets of a namespace.
    await guest.join('r');
    const posted = await fetch(stage.url('/emit/r'), { method: 'POST', body: '{"by":"a route"}' });
    assert.equal(posted.status, 204);
    await guest.expect('posted', { by: 'a route' });
});

both('path: where clients find it, and nowhere else', async (stage) => {
    const guest = await stage.open('/', { path: '/elsewhere' });
    await quiet(guest);
    const { error } = await stage.refused('/', { path: '/nowhere' });
    assert.ok(error);
});

both(
    'serveClient: the browser client is served beside it',
    async (stage) => {
        const [path, version] = stage.isOld ? ['2/socket.io.js', 'sio250'] : ['socket.io.min.js', 'sio48'];
        const answer = await fetch(stage.url(`/socket.io/${path}`));
        assert.match(answer.headers.get('content-type'), /javascript/);
        const file = join(dirname(installed.resolve(`${version}/package.json`)), 'dist', path.replace('2/', ''));
        assert.equal(await answer.text(), await readFile(file, 'utf8'));
        await quiet(await stage.open());
    },
    { flags: ['--client', BROWSER_CLIENTS] },
);

both('adapter: there is one, which knows the sockets of all reactors', async (stage) => {
    const guests = await stage.all(2);
    const reactors = new Set();
    // The kernel says which reactor gets a connection.
    for (let tries = 0; reactors.size < 2; tries++) {
        assert.ok(tries < 100, 'there is a second reactor');
        guests.push(await stage.open());
        reactors.add((await guests.at(-1).call('facts')).reactor);
    }
    await Promise.all(guests.map((guest) => guest.join('all')));
    assert.equal(await guests[0].many({ to: ['all'] }, { report: ['e', []] }), guests.length - 1);
    await Promise.all(guests.slice(1).map((guest) => guest.expect('e')));
    await quiet(guests[0]);
});

latest('connectTimeout: who joins no namespace in time is closed', async (stage) => {
    const { socket, error } = await stage.refused('/nowhere', { path: '/hurry' });
    assert.equal(error.message, 'Invalid namespace');
    const { engine } = socket.io;
    if (engine.readyState === 'open') {
        await soon(new Promise((resolve) => engine.once('close', resolve)), 'it is closed');
    }
});

both('origins, checkRequest: the program decides who may connect', async (stage) => {
    const headers = (Origin) => ({ transportOptions: { [stage.transport]: { extraHeaders: { Origin } } } });
    const guest = await stage.open('/', { path: '/guarded', ...headers('http://page.example') });
    await quiet(guest);
    const { error } = await stage.refused('/', { path: '/guarded', ...headers('http://evil.example') });
    assert.ok(error);
    const address = stage.url(`/guarded/?EIO=${stage.isOld ? 3 : 4}&transport=polling`);
    const refusal = await fetch(address, { headers: { Origin: 'http://evil.example' } });
    assert.deepEqual([refusal.status, await refusal.json()], [403, { code: 4, message: 'this origin may not' }]);
});

earlier('set: what was set by name is a method of its own', async (stage) => {
    // `resource`, `transports`, `heartbeat interval` and `heartbeat timeout`.
    for (const path of ['/elsewhere', `/only-${stage.transport}`, '/heartbeat']) {
        await quiet(await stage.open('/', { path }));
    }
});

both('httpServer, engine, eio: requests, sessions and sockets are of one server', async (stage) => {
    const before = await stage.stats();
    const guests = await stage.all(3);
    const { sockets, polling } = await stage.stats();
    assert.deepEqual([before.sockets, sockets, polling], [0, 3, stage.transport === 'polling' ? 3 : 0]);
    await quiet(...guests);
});

both('sockets, nsps: the main namespace, and those that somebody is in', async (stage) => {
    const [root, other] = [await stage.open(), await stage.open('/a')];
    assert.equal(await root.many({ from: 'handle', namespace: '/' }, { emit: ['e', []] }), null);
    await root.expect('e');
    // Clients before 3.0 are in the main one whatever they ask for.
    const scopes = await other.call('scopes');
    assert.deepEqual(scopes, { '/': stage.isOld ? 2 : 1, '/a': 1 });
});

both('of: a namespace is a world of its own, and its name gets a slash', async (stage) => {
    const [a, b] = [await stage.open('/a'), await stage.open('/b')];
    await Promise.all([a.join('r'), b.join('r')]);
    for (const [namespace, guest] of [['/a', a], ['a', a], ['/b', b], ['b', b]]) {
        assert.equal(await a.many({ from: 'context', namespace, to: ['r'] }, { report: ['e', [namespace]] }), 1);
        await guest.expect('e', namespace);
    }
    const { error } = await stage.refused('/c');
    assert.equal(stage.isOld && typeof error === 'string' ? error : error.message, 'Invalid namespace');
    await quiet(a, b);
});

both('close: every socket is told, and the program goes on when all is closed', async (stage) => {
    const [a, b] = [await stage.open(), await stage.open('/a')];
    const ids = [a.id, b.id];
    a.socket.emit('stop');
    for (const guest of [a, b]) assert.ok(['transport close', 'transport error'].includes(await guest.ends()));
    assert.deepEqual(await soon(stage.server.exit, 'it ends'), [0, null]);
    if (!stage.server.child.stderr.closed) await once(stage.server.child.stderr, 'close');
    for (const id of ids) assert.ok(stage.server.log().includes(`${id} disconnect server shutting down`));
});

both('name, sockets, connected, rooms: what a namespace has, asked of every reactor', async (stage) => {
    const guests = await stage.all(3, '/a');
    await Promise.all(guests.slice(1).map((guest) => guest.join('r')));
    assert.deepEqual((await guests[0].call('of_whom')).sort(), guests.map(({ id }) => id).sort());
    assert.deepEqual(await guests[0].call('rooms_of_all'), { r: 2 });
});

both('of: a pattern stands for many namespaces, each a world of its own', async (stage) => {
    const [a, b, other] = [
        ...(await stage.all(2, '/dynamic-1')),
        await stage.open('/dynamic-2'),
    ];
    await Promise.all([a, b, other].map((guest) => guest.join('r')));
    assert.equal((await a.call('facts')).namespace, '/dynamic-1');
    assert.equal(await a.many({ to: ['r'] }, { report: ['e', [1]] }), 1);
    await b.expect('e', 1);
    assert.equal(await a.many({ from: 'handle', namespace: '/dynamic-2' }, { report: ['e', [2]] }), 1);
    await other.expect('e', 2);
    const { error } = await stage.refused('/dynamic-x');
    assert.equal(stage.isOld && typeof error === 'string' ? error : error.message, 'Invalid namespace');
    await quiet(a, b, other);
});

both('of: a function decides by the name and by what the client says', async (stage) => {
    const named = (name) => (stage.isOld ? { query: { name } } : { auth: { name } });
    const ann = await stage.open('/of-ann', named('ann'));
    assert.equal((await ann.call('facts')).namespace, '/of-ann');
    const { error } = await stage.refused('/of-ann', named('bob'));
    assert.equal(stage.isOld && typeof error === 'string' ? error : error.message, 'Invalid namespace');
});

both('new_namespace: told when the first socket of a dynamic namespace connects', async (stage) => {
    const born = async () => (await stage.journal('/dynamic-7', 1)).map(({ what }) => what);
    const first = await stage.open('/dynamic-7');
    assert.deepEqual(await born(), ['new_namespace']);
    const second = await stage.open('/dynamic-7');
    assert.deepEqual(await born(), ['new_namespace']);
    await quiet(first, second);
});
