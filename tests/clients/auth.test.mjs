// Real clients with tokens that another implementation has made: who comes in, for how long, and what he is told.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { Client, WebSocket, query, refusal, soon, start } from './support.mjs';
import { Peer, VERSIONS, connect, isOld } from './socketio.mjs';

const SECRET = '0123456789abcdef0123456789abcdef';
const WITH_SECRET = `[auth.jwt]\nsecret = "${SECRET}"\nleeway_s = 0\n`;

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;

function token(alg, kid, key, claims) {
    const message = `${encode({ typ: 'JWT', alg, kid })}.${encode({ exp: inSeconds(3_600), ...claims })}`;
    const signatures = {
        HS256: () => createHmac('sha256', key).update(message).digest(),
        RS256: () => sign('sha256', message, key),
        ES256: () => sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' }),
        EdDSA: () => sign(null, message, key),
    };
    return `${message}.${signatures[alg]().toString('base64url')}`;
}

const hs256 = (claims) => token('HS256', undefined, SECRET, claims);

/** A new pair of keys for an algorithm. */
function pairOf(alg) {
    const kinds = { RS256: ['rsa', { modulusLength: 2048 }], ES256: ['ec', { namedCurve: 'P-256' }], EdDSA: ['ed25519'] };
    return generateKeyPairSync(...kinds[alg]);
}

const PAIRS = Object.fromEntries(['RS256', 'ES256', 'EdDSA'].map((alg) => [alg, pairOf(alg)]));

/** A server that answers every request with what `answer` makes of its body. */
async function serve(t, answer) {
    const server = createServer(async (request, response) => {
        let body = '';
        for await (const data of request) body += data;
        const [status, object] = answer(body === '' ? undefined : JSON.parse(body));
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(object));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
        server.close();
        server.closeAllConnections();
    });
    return `http://127.0.0.1:${server.address().port}/`;
}

/** Why a client of Socket.IO is not let in. */
async function refused(server, version, options) {
    const socket = connect(server, version, 'websocket', options);
    const error = await soon(
        new Promise((resolve, reject) => {
            socket.once(isOld(version) ? 'error' : 'connect_error', resolve);
            socket.once('connect', () => reject(new Error('it is let in')));
        }),
        'a refusal',
    );
    socket.disconnect();
    return error;
}

test('tokens of every algorithm, with keys at a URL', async (t) => {
    const keys = Object.entries(PAIRS).map(([kid, pair]) => ({ ...pair.publicKey.export({ format: 'jwk' }), kid, use: 'sig' }));
    let asked = 0;
    const url = await serve(t, () => [200, (asked++, { keys })]);
    const server = await start(t, `[auth.jwt]\njwks_url = "${url}"\n`);
    // Its keys come a moment after it has started.
    const open = async (given, name) => {
        for (;;) {
            try {
                return await Client.open(server, 'd1', name, '', { token: given });
            } catch (error) {
                if (error.status !== 503) throw error;
            }
        }
    };
    for (const [alg, pair] of Object.entries(PAIRS)) {
        const client = await open(token(alg, alg, pair.privateKey, { sub: `client ${alg}` }), `client ${alg}`);
        await client.close();
        const forged = token(alg, alg, pairOf(alg).privateKey, {});
        assert.equal((await refusal(Client.open(server, 'd1', 'c1', '', { token: forged }))).status, 401, alg);
        const pem = pair.publicKey.export({ format: 'pem', type: 'spki' });
        const confused = token('HS256', alg, pem, {});
        assert.equal((await refusal(Client.open(server, 'd1', 'c1', '', { token: confused }))).status, 401, alg);
    }
    assert.equal(asked, 1, 'the keys are asked for once');
});

test('a token in the header of a client that is no browser', async (t) => {
    const server = await start(t, WITH_SECRET);
    const headers = { authorization: `Bearer ${hs256({ sub: 'c1' })}` };
    const client = await Client.open(server, 'd1', 'c1', '', {}, { headers });
    assert.equal((await client.ask({ msgId: 1, mode: 1 })).code, 0);
    const peer = await Peer.open(t, server, 'sio48', 'polling', { extraHeaders: headers });
    await peer.register({ user: 'c1' });
});

for (const version of VERSIONS) {
    test(`${version}: who has a token comes in, as whom it says`, async (t) => {
        const server = await start(t, WITH_SECRET);
        const given = hs256({ sub: 'ann', groups: ['own'], rooms: ['news-*'] });
        const options = isOld(version) ? { query: { token: given } } : { auth: { token: given } };
        for (const transport of ['websocket', 'polling']) {
            const peer = await Peer.open(t, server, version, transport, options);
            await peer.register({ user: 'ann', group: ['own', 'news-1'] });
            for (const payload of [{ user: 'bob' }, { group: 'secret' }, { group: ['news-1', 'secret'] }]) {
                assert.equal((await peer.ask('register', payload)).error.code, 'not_allowed');
            }
            peer.close();
        }
        const error = await refused(server, version, {});
        // Before 3.0 it is the data that is told, where there is some.
        const { message, data } = isOld(version) ? { message: 'token is missing', data: error } : error;
        assert.deepEqual([message, data.code], ['token is missing', 'unauthorized']);
    });
}

test('socket.io-client 4: a token that ends, and one that is refreshed', async (t) => {
    const server = await start(t, WITH_SECRET);
    const short = (sub) => ({ auth: { token: hs256({ sub, exp: inSeconds(2) }) }, reconnection: true });
    const [ends, goesOn] = await Promise.all(
        ['ann', 'bob'].map((sub) => Peer.open(t, server, 'sio48', 'websocket', short(sub))),
    );
    assert.deepEqual(await goesOn.ask('refresh', { token: hs256({ sub: 'bob' }) }), { ok: true });
    assert.equal((await goesOn.ask('refresh', { token: hs256({ sub: 'ann' }) })).error.code, 'not_allowed');
    await ends.expect('exception', { code: 'token_expired', message: 'token has expired' });
    assert.equal(await soon(ends.closed, 'it is disconnected'), 'io server disconnect');
    await goesOn.register({ user: 'bob' });
    // What an application does: it gets a newer token, and connects again.
    ends.socket.auth = { token: hs256({ sub: 'ann' }) };
    const back = once(ends.socket, 'connect');
    ends.socket.connect();
    await soon(back, 'it comes back');
    await ends.register({ user: 'ann' });
});

test('/ws: a token that ends, and one that is refreshed', async (t) => {
    const server = await start(t, WITH_SECRET);
    const short = (sub) => Client.open(server, 'd1', sub, '', { token: hs256({ sub, exp: inSeconds(2) }) });
    const [ends, goesOn] = await Promise.all(['ann', 'bob'].map(short));
    const refresh = { msgId: 'r', mode: 4, token: hs256({ sub: 'bob' }) };
    assert.deepEqual(await goesOn.ask(refresh), { msgId: 'r', mode: 4, code: 0 });
    assert.deepEqual(await soon(ends.closed, 'it is closed'), { code: 4401, reason: 'token expired' });
    assert.equal((await goesOn.ask({ mode: 1 })).code, 0);
});

test('the webhook decides on clients of both protocols', async (t) => {
    const url = await serve(t, ({ token: given, clientId }) => {
        if (given === 'broken') return [500, {}];
        return given === 'good' ? [200, { user: clientId ?? 'ann', groups: ['own'] }] : [403, {}];
    });
    const server = await start(t, `[auth.webhook]\nurl = "${url}"\ncache_s = 60\n`);
    const client = await Client.open(server, 'd1', 'c1', '', { token: 'good' });
    const peer = await Peer.open(t, server, 'sio48', 'upgrade', { auth: { token: 'good' } });
    await peer.register({ user: 'ann' });
    assert.equal((await peer.ask('register', { user: 'bob' })).error.code, 'not_allowed');
    const old = await Peer.open(t, server, 'sio250', 'polling', { query: { token: 'good' } });
    assert.equal(await old.broadcast('own', 'news', 1), 1);
    await peer.expect('news', 1);
    for (const [given, status, code] of [['bad', 403, 'forbidden'], ['broken', 503, 'unavailable']]) {
        const { status: found, headers } = await refusal(Client.open(server, 'd1', 'c2', '', { token: given }));
        assert.equal(found, status);
        assert.equal('retry-after' in headers, status === 503);
        const { data } = await refused(server, 'sio48', { auth: { token: given } });
        assert.equal(data.code, code);
    }
    assert.equal((await client.ask({ mode: 1 })).code, 0);
});

test('a browser of elsewhere is kept out whatever its token', async (t) => {
    const server = await start(t, `[auth]\norigins = ["https://app.example"]\n${WITH_SECRET}`);
    const url = `ws://${server.addr}/ws?${query('d1', 'c1', '', { token: hs256({}) })}`;
    for (const [origin, opens] of [['https://app.example', true], ['https://evil.example', false], [`http://${server.addr}`, true]]) {
        const ws = new WebSocket(url, { origin });
        ws.on('error', () => {});
        const opened = new Promise((resolve) => {
            ws.on('open', () => resolve(true));
            ws.on('unexpected-response', (_, response) => resolve(response.statusCode !== 403));
        });
        assert.equal(await soon(opened, origin), opens, origin);
        ws.terminate();
    }
});
