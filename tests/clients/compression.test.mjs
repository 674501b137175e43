// permessage-deflate, as npm's ws speaks it.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Client, quiet, soon, start } from './support.mjs';

const ON = '[ws]\ncompression = true\n[compression]\nthreshold_bytes = 100\n';

const open = (server, name, perMessageDeflate = true) =>
    Client.open(server, 'd', name, 'g', {}, { perMessageDeflate });

/** Text that compresses about as well as JSON does. */
const words = (length) => {
    let text = '';
    for (let n = 1; text.length < length; n = (n * 48271) % 2147483647) text += `word ${n % 1000} — `;
    return text.slice(0, length);
};

/** What is received meanwhile, in bytes on the wire. */
async function received(client, during) {
    const before = client.ws._socket.bytesRead;
    await during();
    return client.ws._socket.bytesRead - before;
}

test('every offer of ws is agreed on, and answers are compressed', async (t) => {
    const server = await start(t, ON);
    for (const offer of [
        {},
        { clientMaxWindowBits: 10 },
        { serverNoContextTakeover: true, clientNoContextTakeover: true },
        { serverMaxWindowBits: 12, clientMaxWindowBits: 9 },
        { serverMaxWindowBits: 15 },
    ]) {
        const client = await open(server, 'a', { ...offer, threshold: 0 });
        assert.equal(client.ws.extensions, 'permessage-deflate');
        const echoed = (msgId) =>
            received(client, async () => {
                const { time, ...rest } = await client.ask({ mode: 1, msgId });
                assert.deepEqual(rest, { msgId, mode: 1, code: 0 });
            });
        assert.ok((await echoed('x'.repeat(30))) > 30, 'it is shorter than the threshold');
        for (const msgId of [words(600), 'x'.repeat(900), words(600)]) {
            assert.ok((await echoed(msgId)) < 500, `${JSON.stringify(offer)}: it is compressed`);
        }
        // Longer than a window of 12 bits is.
        const isPlain = (await echoed('x'.repeat(5_000))) > 5_000;
        assert.equal(isPlain, offer.serverMaxWindowBits === 12);
        await client.close();
    }
});

test('large and fragmented messages pass between all kinds of clients', async (t) => {
    const server = await start(t, ON);
    const [a, b, c] = await Promise.all([
        open(server, 'a', { threshold: 0 }),
        open(server, 'b', { serverMaxWindowBits: 9 }),
        open(server, 'c', false),
    ]);
    assert.equal(c.ws.extensions, '');
    for (const content of ['', 'x', words(1_000), words(400_000), 'z'.repeat(900_000)]) {
        for (const from of [a, c]) {
            assert.equal(await from.deliver({ mode: 300, content }), 2);
            for (const to of [a, b, c].filter((client) => client !== from)) {
                assert.ok((await to.message()).content === content);
            }
        }
    }
    // Each fragment of a compressed message ends with a flush.
    const text = JSON.stringify({ mode: 100, targetClientId: 'b', content: words(3_000) });
    for (let at = 0; at < text.length; at += 7) {
        a.ws.send(text.slice(at, at + 7), { fin: at + 7 >= text.length });
        if (at % 70 === 0) a.ws.ping();
    }
    assert.equal((await b.message()).content, words(3_000));
    // 500 in order, compressed and not.
    for (let n = 0; n < 500; n++) {
        a.ws.send(JSON.stringify({ msgId: n, mode: 200, group: 'g', content: words(n * 7) }), { compress: n % 3 > 0 });
    }
    for (const to of [b, c]) {
        for (let n = 0; n < 500; n++) {
            const { msgId, content } = await to.message();
            assert.equal(msgId, n);
            assert.ok(content === words(n * 7));
        }
    }
    await quiet(a, b, c);
});

test('a message that is too long once inflated ends with 1009', async (t) => {
    const server = await start(t, ON);
    const b = await open(server, 'b');
    const message = (length) => {
        const frame = (content) => `{"mode":100,"targetClientId":"b","content":"${content}"}`;
        return frame('x'.repeat(length - frame('').length));
    };
    for (const length of [1_000_001, 100_000_000]) {
        const a = await open(server, 'a', { threshold: 0 });
        a.send(message(1_000_000));
        assert.ok((await b.message()).content.length > 999_000);
        a.send(message(length));
        assert.equal((await soon(a.closed, 'it is closed')).code, 1009);
    }
    await quiet(b);
});
