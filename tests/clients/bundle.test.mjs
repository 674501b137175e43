// The browser client that the server has for pages is npm's, file by file.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { WebSocket, installed, soon, start } from './support.mjs';

const dist = (version) => join(dirname(installed.resolve(`${version}/package.json`)), 'dist');

const SCRIPT = /^(application|text)\/javascript\b/;
const MAP = /^application\/json\b/;

/** Where each file is served, what it is, and what it has to be called. */
const FILES = [
    ...['socket.io.js', 'socket.io.min.js', 'socket.io.esm.min.js', 'socket.io.msgpack.min.js'].flatMap((name) => [
        [name, 'sio48', name, SCRIPT],
        [`${name}.map`, 'sio48', `${name}.map`, MAP],
    ]),
    ['2/socket.io.js', 'sio250', 'socket.io.js', SCRIPT],
];

/** Asks; bytes as they come, which `fetch` would decompress. */
function ask(server, path, headers = {}, method = 'GET') {
    const [host, port] = server.addr.split(':');
    const answer = new Promise((resolve, reject) => {
        request({ host, port, path: `/socket.io/${path}`, headers, method, agent: false }, async (response) => {
            const chunks = [];
            for await (const chunk of response) chunks.push(chunk);
            resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) });
        })
            .on('error', reject)
            .end();
    });
    return soon(answer, path);
}

for (const [path, version, name, type] of FILES) {
    test(path, async (t) => {
        const server = await start(t);
        const file = await readFile(join(dist(version), name));
        const { status, headers, body } = await ask(server, path);
        assert.equal(status, 200);
        assert.match(headers['content-type'], type);
        assert.ok(body.equals(file), 'it is the file of the package');
        const { etag } = headers;
        assert.match(etag, /^(W\/)?"[^"]+"$/);
        assert.ok(headers['cache-control'].includes('max-age=0') || headers['cache-control'].includes('no-cache'));

        for (const condition of [etag, `W/${etag.replace('W/', '')}`]) {
            const same = await ask(server, path, { 'if-none-match': condition });
            assert.equal(same.status, 304, condition);
            assert.equal(same.body.length, 0);
        }
        assert.equal((await ask(server, path, { 'if-none-match': '"other"' })).status, 200);

        // Shorter on the way, the same at the end.
        for (const [coding, decode] of [
            ['gzip', gunzipSync],
            ['br', brotliDecompressSync],
        ]) {
            const { status, headers, body } = await ask(server, path, { 'accept-encoding': coding });
            assert.equal(status, 200);
            const decoded = headers['content-encoding'] === coding ? decode(body) : body;
            assert.ok(['identity', coding, undefined].includes(headers['content-encoding']));
            assert.ok(decoded.equals(file), coding);
        }
    });
}

test('other files are not there', async (t) => {
    const server = await start(t);
    for (const path of ['socket.io.mjs', '3/socket.io.js', '%2e%2e/package.json', '2/package.json']) {
        assert.ok((await ask(server, path)).status >= 400, path);
    }
});

test('they are not served if that is not wanted', async (t) => {
    const server = await start(t, '[socketio]\nserve_client = false\n');
    for (const [path] of FILES) assert.ok((await ask(server, path)).status >= 400, path);
});

test('the served clients run', async (t) => {
    const server = await start(t);
    for (const path of ['socket.io.js', 'socket.io.min.js', 'socket.io.msgpack.min.js', '2/socket.io.js']) {
        // What a page has, as far as they need it.
        const page = {
            WebSocket,
            setTimeout,
            clearTimeout,
            setInterval,
            clearInterval,
            URL,
            TextEncoder,
            TextDecoder,
            console,
        };
        page.self = page.window = page;
        page.location = {
            protocol: 'http:',
            hostname: '127.0.0.1',
            host: server.addr,
            port: server.addr.split(':')[1],
        };
        runInNewContext((await ask(server, path)).body.toString(), page);
        assert.equal(typeof page.io, 'function', path);
        // The one for msgpack speaks to namespaces that are configured for it, of which there is none here.
        if (path.includes('msgpack')) continue;
        const socket = page.io(`http://${server.addr}`, { transports: ['websocket'], reconnection: false });
        const answer = new Promise((resolve) => socket.emit('register', { group: 'g' }, resolve));
        assert.equal((await soon(answer, path)).ok, true);
        socket.disconnect();
    }
});
