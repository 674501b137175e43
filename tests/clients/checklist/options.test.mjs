// The options of the reference, each on a server of its own: see mounts.rs.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { both, latest, quiet } from './rows.mjs';
import { WebSocket, installed, soon } from '../support.mjs';

const eio = (stage) => (stage.isOld ? 3 : 4);

/** The answer to a handshake over polling, and what it says. */
async function handshake(stage, path, headers = {}) {
    const answer = await fetch(stage.url(`${path}?EIO=${eio(stage)}&transport=polling`), { headers });
    const text = await answer.text();
    return { answer, open: answer.ok ? JSON.parse(/\{.*?\}/.exec(text)[0]) : undefined, text };
}

const page = (stage, Origin) => ({ transportOptions: { [stage.transport]: { extraHeaders: { Origin } } } });

both('option parser: JSON with attachments, unless it is said otherwise', async (stage) => {
    const guest = await stage.open();
    const value = { text: 'é', deep: [null, { bytes: Buffer.from([0, 1]) }] };
    guest.tell('echo', value);
    await guest.expect('echoed', value);
});

latest('option parser: packets as MessagePack, if both sides have it', async (stage) => {
    const parser = installed('socket.io-msgpack-parser');
    const guest = await stage.open('/packed', { parser });
    const bytes = Buffer.from([1, 2, 3]);
    guest.tell('echo', { bytes, deep: [null, 'é'] });
    await guest.expect('echoed', { bytes, deep: [null, 'é'] });
    guest.socket.on('question', (what, answer) => answer(what));
    assert.deepEqual(await guest.one({ ack: true }, 'question', 1.5), { args: [1.5], attachments: 0 });
});

latest('option parser: each namespace has its own', async (stage) => {
    const parser = installed('socket.io-msgpack-parser');
    const [[a, b], other] = await Promise.all([stage.all(2, '/packed', { parser }), stage.open('/')]);
    assert.equal(await a.many({}, { report: ['e', [{ a: [1] }]] }), 1);
    await b.expect('e', { a: [1] });
    assert.equal(await a.many({ from: 'context', namespace: '/' }, { report: ['e', [2]] }), 1);
    await other.expect('e', 2);
});

both('option connectionStateRecovery: there is none, who comes back is new', async (stage) => {
    const guest = await stage.open('/', { reconnection: true, reconnectionDelay: 10 });
    const { id, socket } = guest;
    const back = soon(new Promise((resolve) => socket.once('connect', resolve)), 'it is back');
    socket.io.engine.close();
    await back;
    assert.notEqual(socket.id, id);
});

both('option pingInterval, pingTimeout: what clients are told, and kept to', async (stage) => {
    const { open } = await handshake(stage, '/heartbeat/');
    assert.deepEqual([open.pingInterval, open.pingTimeout], [200, 2_000]);
    const guest = await stage.open('/', { path: '/heartbeat' });
    await sleep(1_000);
    await quiet(guest);
    assert.ok(guest.socket.connected);
});

both('option upgradeTimeout: a WebSocket that does not finish its upgrade is closed', async (stage) => {
    const { open } = await handshake(stage, '/impatient/');
    const ws = new WebSocket(stage.url(`/impatient/?EIO=${eio(stage)}&transport=websocket&sid=${open.sid}`, 'ws'));
    const said = [];
    ws.on('message', (data) => said.push(data.toString()));
    ws.on('open', () => ws.send('2probe'));
    await soon(new Promise((resolve) => ws.on('close', resolve)), 'it is closed');
    assert.deepEqual(said, ['3probe']);
    // The session is as it was: it polls.
    const { url } = ws;
    const poll = url.replace('ws:', 'http:').replace('transport=websocket', 'transport=polling');
    assert.equal((await fetch(poll, { method: 'POST', body: stage.isOld ? '1:2' : '40' })).status, 200);
});

both('option maxHttpBufferSize: who sends more is closed', async (stage) => {
    const guest = await stage.open('/', { path: '/small' });
    assert.deepEqual(await guest.acknowledged('echo', 'x'.repeat(800)), ['x'.repeat(800)]);
    guest.socket.emit('echo', 'x'.repeat(1_200));
    assert.ok(['transport close', 'transport error'].includes(await guest.ends()));
});

both('option allowRequest: the program decides on each handshake', async (stage) => {
    await quiet(await stage.open('/', { path: '/guarded', ...page(stage, 'http://page.example') }));
    const { error } = await stage.refused('/', { path: '/guarded' });
    assert.ok(error);
});

both('option transports: those that are named, and no other', async (stage) => {
    const [own, other] = ['/only-polling', '/only-websocket'].toSorted((path) =>
        path.endsWith(stage.transport) ? -1 : 1,
    );
    await quiet(await stage.open('/', { path: own }));
    const { error } = await stage.refused('/', { path: other });
    assert.ok(error);
});

both('option allowUpgrades: polling stays polling', async (stage) => {
    const { open } = await handshake(stage, '/no-upgrades/');
    assert.deepEqual(open.upgrades, []);
    assert.deepEqual((await handshake(stage, '/elsewhere/')).open.upgrades, ['websocket']);
    const transports = ['polling', 'websocket'];
    const guest = await stage.open('/', { path: '/no-upgrades', transport: 'polling', transports });
    await quiet(guest);
    assert.equal(guest.transport(), 'polling');
    const upgraded = await stage.open('/', { path: '/elsewhere', transport: 'upgrade' });
    await quiet(upgraded);
});

both(
    'option perMessageDeflate: messages over the threshold are compressed for who offers that',
    async (stage) => {
        const guest = await stage.open('/', { path: '/compressed', perMessageDeflate: { threshold: 0 } });
        const { ws } = guest.socket.io.engine.transport;
        // A text in later versions of ws, an object before.
        const extensions = typeof ws.extensions === 'string' ? ws.extensions : Object.keys(ws.extensions).join();
        assert.match(extensions, /permessage-deflate/);
        const before = ws._socket.bytesRead;
        const text = 'the same again and again, '.repeat(2_000);
        await guest.one({}, 'e', text);
        await guest.expect('e', text);
        assert.ok(ws._socket.bytesRead - before < text.length / 10, 'it is shorter on the wire');
    },
    { transports: ['websocket'] },
);

both('option cookie: the id of the session, with the answer to the handshake', async (stage) => {
    const { answer, open } = await handshake(stage, '/cookie/');
    assert.equal(answer.headers.get('set-cookie'), `io=${open.sid}; Path=/; HttpOnly; SameSite=Lax`);
    assert.equal((await handshake(stage, '/elsewhere/')).answer.headers.get('set-cookie'), null);
    await quiet(await stage.open('/', { path: '/cookie' }));
});

both('option cors, handlePreflightRequest: pages of the origins that are named may poll', async (stage) => {
    const names = ['access-control-allow-origin', 'access-control-allow-credentials'];
    const told = async (origin) => {
        const { answer } = await handshake(stage, '/cors/', { Origin: origin });
        return names.map((name) => answer.headers.get(name));
    };
    assert.deepEqual(await told('http://page.example'), ['http://page.example', 'true']);
    assert.deepEqual(await told('http://evil.example'), [null, null]);
    const preflight = await fetch(stage.url(`/cors/?EIO=${eio(stage)}&transport=polling`), {
        method: 'OPTIONS',
        headers: { Origin: 'http://page.example', 'Access-Control-Request-Headers': 'x-a' },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get('access-control-allow-headers'), 'x-a');
    await quiet(await stage.open('/', { path: '/cors' }));
});

both('option allowEIO3: clients before 3.0 are served, unless it is turned off', async (stage) => {
    await quiet(await stage.open('/'));
    if (!stage.isOld) {
        await quiet(await stage.open('/', { path: '/new-clients' }));
        return;
    }
    const { error } = await stage.refused('/', { path: '/new-clients' });
    assert.ok(error);
    const { text } = await handshake(stage, '/new-clients/');
    assert.equal(JSON.parse(text).code, 5);
});

latest('option addTrailingSlash: the path is served with its last slash and without', async (stage) => {
    await quiet(await stage.open('/', { addTrailingSlash: false }));
    await quiet(await stage.open('/', { addTrailingSlash: true }));
});

both('option destroyUpgrade, destroyUpgradeTimeout: what nobody serves is answered at once', async (stage) => {
    const ws = new WebSocket(stage.url('/nowhere', 'ws'));
    const status = new Promise((resolve, reject) => {
        ws.on('unexpected-response', (_, { statusCode }) => resolve(statusCode)).on('open', reject);
    });
    assert.equal(await soon(status, 'it is answered'), 404);
    await quiet(await stage.open());
});

both('option httpCompression: answers to polls are sent as they are', async (stage) => {
    const { answer } = await handshake(stage, '/socket.io/', { 'Accept-Encoding': 'gzip, deflate, br' });
    assert.equal(answer.headers.get('content-encoding'), null);
    const guest = await stage.open();
    const text = 'much of the same, '.repeat(1_000);
    assert.deepEqual(await guest.acknowledged('echo', text), [text]);
});

both('option wsEngine: messages of every length come and go', async (stage) => {
    const guest = await stage.open();
    // It comes back twice; more than its outbox holds would end a client that is not just polling.
    for (const length of [0, 125, 126, 65_535, 65_536, 400_000]) {
        const [text] = await guest.acknowledged('echo', 'x'.repeat(length));
        assert.equal(text.length, length);
    }
});

both('option initialPacket: what a middleware sends comes before anything else', async (stage) => {
    const options = stage.isOld ? { query: { name: 'ann' } } : { auth: { name: 'ann' } };
    const guest = await stage.open('/named', options);
    await guest.expect('ran', 'first middleware');
});

both('option cleanupEmptyChildNamespaces: one that is empty is gone, and may begin anew', async (stage) => {
    const first = await stage.open('/dynamic-7');
    await first.join('r');
    const { id } = first;
    first.close();
    await stage.journal(id, 2);
    const watcher = await stage.open('/a');
    assert.equal((await watcher.call('scopes'))['/dynamic-7'], undefined);
    const second = await stage.open('/dynamic-7');
    assert.deepEqual(await second.call('rooms_of_all'), {});
    assert.deepEqual(
        (await stage.journal('/dynamic-7', 2)).map(({ what }) => what),
        ['new_namespace', 'new_namespace'],
    );
});
