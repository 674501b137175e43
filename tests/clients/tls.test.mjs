// TLS, and balancers that say for whom they connect: real clients of both protocols, in both versions of TLS.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { Client, installed, query, run, soon } from './support.mjs';

const VERSIONS = ['TLSv1.2', 'TLSv1.3'];

/** A server with a certificate for localhost that signs itself; what its clients need is in `ca`. */
async function start(t, config = '') {
    const folder = await mkdtemp(join(tmpdir(), 'fanfare-tls-'));
    t.after(() => rm(folder, { recursive: true }));
    const [cert, key, file] = ['cert.pem', 'key.pem', 'fanfare.toml'].map((name) => join(folder, name));
    const made = ['-newkey', 'rsa:2048', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    execFileSync('openssl', ['req', '-x509', '-nodes', '-days', '2', ...made, '-keyout', key, '-out', cert], {
        stdio: 'ignore',
    });
    await writeFile(file, `reactors = 3\n${config}\n[tls]\nlisten = "127.0.0.1:0"\ncert = "${cert}"\nkey = "${key}"\n`);
    const server = await run(t, process.env.FANFARE_PROGRAM, ['-c', file]);
    return { ...server, ca: await readFile(cert) };
}

/** What a client is to speak, and whom to trust. */
const secure = (server, version) => ({ ca: server.ca, minVersion: version, maxVersion: version });

for (const version of VERSIONS) {
    test(`${version}: ws`, async (t) => {
        const server = await start(t);
        const open = (name) =>
            Client.at(`wss://${server.addr}/ws?${query('d1', name, 'g1')}`, name, secure(server, version));
        const [a, b] = [await open('a'), await open('b')];
        assert.equal(a.ws._socket.getProtocol(), version);
        const content = 'x'.repeat(900_000);
        assert.equal(await a.deliver({ msgId: 1, mode: 200, group: 'g1', content }), 1);
        await b.expect({ msgId: 1, mode: 200, from: 'a', group: 'g1', content });
        // Everybody's end is told in time.
        await a.close();
        const ended = soon(b.closed, 'the server ends');
        server.child.kill('SIGTERM');
        assert.deepEqual(await ended, { code: 1012, reason: 'service restart' });
    });

    for (const [name, module] of [
        ['2.5', 'sio250'],
        ['4.8', 'sio48'],
    ]) {
        for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
            test(`${version}: socket.io-client ${name}, ${transports}`, async (t) => {
                const server = await start(t);
                const io = installed(module).io ?? installed(module);
                const options = { transports, forceNew: true, reconnection: false, ...secure(server, version) };
                const sockets = ['u1', 'u2'].map(() => io(`https://${server.addr}`, options));
                t.after(() => sockets.forEach((socket) => socket.disconnect()));
                const ask = (socket, event, payload) =>
                    soon(new Promise((resolve) => socket.emit(event, payload, resolve)), `${event} is answered`);
                for (const [at, socket] of sockets.entries()) {
                    assert.deepEqual(await ask(socket, 'register', { user: `u${at}` }), { ok: true });
                }
                if (transports.length > 1) {
                    const upgraded = async () => {
                        while (sockets.some((socket) => socket.io.engine.transport.name !== 'websocket')) {
                            await new Promise((resolve) => setTimeout(resolve, 20));
                        }
                    };
                    await soon(upgraded(), 'both are upgraded');
                }
                for (const text of ['short', 'y'.repeat(300_000), Buffer.alloc(70_000, 7)]) {
                    const got = new Promise((resolve) => sockets[1].once('hello', resolve));
                    const message = { roomName: 'u1', eventName: 'hello', text };
                    assert.deepEqual(await ask(sockets[0], 'broadcastInfo', message), { ok: true, delivered: 1 });
                    const arrived = await soon(got, 'it arrives');
                    assert.ok(typeof text === 'string' ? arrived === text : Buffer.from(arrived).equals(text));
                }
            });
        }
    }

    test(`${version}: a session is resumed, and http/1.1 is what is spoken`, async (t) => {
        const server = await start(t);
        const [host, port] = server.addr.split(':');
        const visit = (session) => {
            const socket = connect({ host, port, ALPNProtocols: ['h2', 'http/1.1'], session, ...secure(server, version) });
            const done = new Promise((resolve, reject) => {
                let ticket = null;
                socket.on('session', (given) => (ticket = given));
                socket.on('error', reject);
                socket.on('secureConnect', () => socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
                const facts = () => ({ ticket, reused: socket.isSessionReused(), alpn: socket.alpnProtocol });
                // The server's end: a clean one, or this is an error.
                socket.on('end', () => resolve(facts()));
                socket.resume();
            });
            return soon(done, 'a visit');
        };
        const first = await visit();
        assert.deepEqual([first.reused, first.alpn], [false, 'http/1.1']);
        assert.equal((await visit(first.ticket)).reused, true);
    });
}

test('a page is served over https', async (t) => {
    const server = await start(t);
    const status = new Promise((resolve, reject) => {
        get(`https://${server.addr}/socket.io/socket.io.js`, { ca: server.ca }, async (response) => {
            let bytes = 0;
            for await (const data of response) bytes += data.length;
            resolve([response.statusCode, bytes === Number(response.headers['content-length'])]);
        }).on('error', reject);
    });
    assert.deepEqual(await soon(status, 'the client for browsers'), [200, true]);
});
