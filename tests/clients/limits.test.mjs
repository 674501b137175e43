// Large messages, many fragments, slow readers, silence.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, quiet, soon, start } from './support.mjs';

/** A message to b that is so many bytes long. */
function message(length) {
    const frame = (content) => `{"msgId":1,"mode":100,"targetClientId":"b","content":"${content}"}`;
    return frame('x'.repeat(length - frame('').length));
}

const received = (text) => `{"msgId":1,"mode":100,"from":"a","content":${text.slice(text.indexOf('"content":') + 10)}`;

test('a message of 1,000,000 bytes passes, one more ends with 1009', async (t) => {
    const server = await start(t);
    const b = await Client.open(server, 'd', 'b');
    const over = [
        (ws) => ws.send(message(1_000_001)),
        (ws) => {
            ws.send(message(1_000_000), { fin: false });
            ws.send('}', { fin: true });
        },
        (ws) => ws.send(message(5_000_000)),
    ];
    for (const send of over) {
        const a = await Client.open(server, 'd', 'a');
        const text = message(1_000_000);
        a.send(text);
        assert.ok((await b.text()) === received(text));
        send(a.ws);
        assert.equal((await soon(a.closed, 'it is closed')).code, 1009);
        await quiet(b);
    }
    const small = await start(t, '[limits]\nmessage_bytes = 100\n');
    const [c, d] = await Promise.all([Client.open(small, 'd', 'a'), Client.open(small, 'd', 'b')]);
    c.send(message(100));
    await d.message();
    c.send(message(101));
    assert.equal((await soon(c.closed, 'it is closed')).code, 1009);
    await quiet(d);
});

test('a message may come in 65,536 fragments', async (t) => {
    const server = await start(t);
    const [a, b] = await Promise.all([Client.open(server, 'd', 'a'), Client.open(server, 'd', 'b')]);
    const text = message(65_536);
    for (let at = 0; at < text.length; at++) a.ws.send(text[at], { fin: at === text.length - 1 });
    assert.ok((await b.text()) === received(text));
    // And pings between them.
    const pongs = [];
    a.ws.on('pong', (data) => pongs.push(data.toString()));
    const short = message(200);
    for (let at = 0; at < short.length; at++) {
        a.ws.send(short[at], { fin: at === short.length - 1 });
        a.ws.ping(String(at));
    }
    assert.ok((await b.text()) === received(short));
    await quiet(a, b);
    assert.deepEqual(pongs, Array.from({ length: short.length }, (_, at) => String(at)));
});

test('a binary frame ends with 1003', async (t) => {
    const server = await start(t);
    const b = await Client.open(server, 'd', 'b');
    for (const data of [Buffer.from('{"mode":1}'), Buffer.alloc(0), Buffer.alloc(900_000)]) {
        const a = await Client.open(server, 'd', 'a');
        a.ws.send(data);
        assert.equal((await soon(a.closed, 'it is closed')).code, 1003);
        assert.deepEqual(a.texts, []);
    }
    await quiet(b);
});

test('whoever does not read is closed with 1008, and good readers lose nothing', async (t) => {
    const server = await start(t, '[limits]\noutbox_bytes = 200_000\nidle_s = 0\n');
    const open = (name) => Client.open(server, 'd', name, 'g');
    const [sender, ...good] = await Promise.all(['sender', 'good1', 'good2', 'good3'].map(open));
    const slow = await Promise.all(['slow1', 'slow2', 'slow3'].map(open));
    slow.forEach(({ ws }) => ws.pause());
    const content = 'x'.repeat(50_000);
    let sent = 0;
    for (let delivered = 6; delivered > 3; sent++) {
        assert.ok(sent < 10_000, 'nobody is ever slow');
        delivered = await sender.deliver({ msgId: sent, mode: sent % 2 ? 200 : 300, group: 'g', content });
        for (const reader of good) {
            const { msgId, content: received } = await reader.message();
            assert.equal(msgId, sent);
            assert.ok(received === content);
        }
    }
    // What was on its way to them is whole and in order; then they are told.
    for (const { ws, closed, texts } of slow) {
        ws.resume();
        assert.deepEqual(await soon(closed, 'it is closed'), { code: 1008, reason: 'slow consumer' });
        texts.forEach((text, number) => assert.equal(JSON.parse(text).msgId, number));
        assert.ok(texts.length > 0 && texts.length < sent);
    }
    assert.equal(await sender.deliver({ mode: 300, content: 'after' }), 3);
    for (const reader of good) await reader.expect({ msgId: null, mode: 300, from: 'sender', content: 'after' });
    await quiet(sender, ...good);
});

test('whoever says nothing is closed when idle_s have passed; any frame counts', async (t) => {
    const server = await start(t, '[limits]\nidle_s = 1\n');
    const [idle, pinging, beating] = await Promise.all(
        ['idle', 'pinging', 'beating'].map((name) => Client.open(server, 'd', name)),
    );
    let closed = false;
    idle.closed.then(() => (closed = true));
    for (let round = 0; round < 12 || !closed; round++) {
        assert.ok(round < 300, 'it is never closed');
        pinging.ws.ping();
        beating.send({ mode: 1 });
        await beating.message();
        await sleep(100);
    }
    assert.equal((await idle.closed).code, 1001);
    await quiet(pinging, beating);
});

test('compression is offered and not taken', async (t) => {
    const server = await start(t);
    const a = await Client.open(server, 'd', 'a', 'g', {}, { perMessageDeflate: true });
    assert.equal(a.ws.extensions, '');
    await quiet(a);
    await a.close();
});
