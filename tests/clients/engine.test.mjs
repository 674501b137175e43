// Engine.IO as its revisions 3 and 4 say it, byte by byte, against the example that echoes every message.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Polling, Socket, ask, payload } from './raw.mjs';
import { soon, startExample } from './support.mjs';

/** A test of both revisions, side by side; each has to end long before a heartbeat is due. */
function forBoth(name, body) {
    test(name, async (t) => {
        const server = await startExample(t, 'engine_echo');
        for (const revision of [3, 4]) await t.test(`revision ${revision}`, (t) => body(t, server, revision));
    });
}

const BYTES = Buffer.from([1, 2, 3, 4]);

/** Bytes as a packet of text, and as a frame. */
const base64 = (revision) => (revision === 3 ? 'b4AQIDBA==' : 'bAQIDBA==');
const frame = (revision, bytes = BYTES) => (revision === 3 ? Buffer.concat([Buffer.from([4]), bytes]) : bytes);

async function refusal(address, options, expected) {
    const { status, headers, text } = await ask(address, options);
    assert.equal(status, 400, address);
    assert.match(headers.get('content-type'), /^application\/json/);
    assert.deepEqual(JSON.parse(text), expected, address);
}

forBoth('handshake', async (t, server, revision) => {
    const polling = await Polling.open(server, revision);
    const { sid, ...told } = polling.told;
    assert.deepEqual(told, { upgrades: ['websocket'], pingInterval: 300, pingTimeout: 200, maxPayload: 1_000_000 });
    const socket = await Socket.open(t, server, revision);
    const { sid: other, ...same } = socket.told;
    assert.deepEqual(same, { ...told, upgrades: [] });
    const sids = await Promise.all(Array.from({ length: 100 }, async () => (await Polling.open(server, revision)).sid));
    assert.equal(new Set([...sids, sid, other]).size, 102);
    // More parameters, and their order, are nobody's business.
    const { status } = await ask(
        `http://${server.addr}/engine.io/?t=a&x=%F0%9F%98%80&transport=polling&EIO=${revision}&sid2=1`,
    );
    assert.equal(status, 200);
});

test('handshakes that are refused', async (t) => {
    const server = await startExample(t, 'engine_echo');
    const base = `http://${server.addr}/engine.io/`;
    const version = { code: 5, message: 'Unsupported protocol version' };
    for (const query of ['', 'EIO=&', 'EIO=abc&', 'EIO=5&', 'EIO=44&', 'EIO=4%00&', 'EIO=__proto__&']) {
        await refusal(`${base}?${query}transport=polling`, {}, version);
    }
    const transport = { code: 0, message: 'Transport unknown' };
    for (const name of ['abc', '', 'Polling', 'webtransport', '__proto__', 'constructor', 'toString']) {
        await refusal(`${base}?EIO=4&transport=${name}`, {}, transport);
    }
    await refusal(`${base}?EIO=4`, {}, transport);
    await refusal(base, {}, transport);
    for (const method of ['POST', 'PUT', 'DELETE']) {
        const bad = { code: 2, message: 'Bad handshake method' };
        for (const revision of [3, 4]) await refusal(`${base}?EIO=${revision}&transport=polling`, { method }, bad);
    }
    const unknown = { code: 1, message: 'Session ID unknown' };
    for (const sid of ['abc', 'x'.repeat(20), 'x'.repeat(3_000), '__proto__', '%00', '%ff']) {
        await refusal(`${base}?EIO=4&transport=polling&sid=${sid}`, {}, unknown);
        await refusal(`${base}?EIO=4&transport=polling&sid=${sid}`, { method: 'POST', body: '4x' }, unknown);
    }
    await refusal(`${base}?EIO=4&transport=websocket`, {}, { code: 3, message: 'Bad request' });
    for (const query of [{ EIO: 'abc' }, { EIO: '' }, { transport: 'abc' }, { transport: '' }, { sid: 'abc' }]) {
        const socket = Socket.connect(t, server, 4, query);
        assert.equal(
            await soon(Promise.race([socket.refused, socket.opened.then(() => socket.end())]), 'an answer'),
            400,
            JSON.stringify(query),
        );
    }
});

forBoth('polling: text', async (t, server, revision) => {
    const session = await Polling.open(server, revision);
    for (const packets of [
        ['4hello'],
        ['4a', '4b', '4c'],
        ['4'],
        ['4é', '4κόσμε 😀', '4\u2028'],
        [`4${'x'.repeat(100_000)}`],
    ]) {
        await session.send(...packets);
        await session.expect(...packets);
    }
    // Polled before there is anything; and more than one POST before the poll.
    const poll = session.expect('4late');
    await session.send('4late');
    await poll;
    for (let number = 0; number < 20; number++) await session.send(`4${number}`);
    await session.expect(...Array.from({ length: 20 }, (_, number) => `4${number}`));
});

forBoth('polling: bytes as base64', async (t, server, revision) => {
    const session = await Polling.open(server, revision, { b64: '1' });
    const packets = ['4hello', base64(revision), '4é'];
    await session.send(...packets);
    await session.expect(...packets);
});

test('polling: bytes as they are, revision 3', async (t) => {
    const server = await startExample(t, 'engine_echo');
    const session = await Polling.open(server, 3);
    // 0 is text, 1 is bytes; the length in digits, 255, the packet. Text is UTF-8, and its bytes are counted.
    const text = (string) => {
        const bytes = Buffer.from(string);
        return Buffer.concat([Buffer.from([0, ...String(bytes.length)].map(Number)), Buffer.from([255]), bytes]);
    };
    const hello = text('4hello');
    const binary = Buffer.from([1, 5, 255, 4, 1, 2, 3, 4]);
    assert.deepEqual(
        Buffer.concat([hello, binary]),
        Buffer.from([0, 6, 255, 52, 104, 101, 108, 108, 111, 1, 5, 255, 4, 1, 2, 3, 4]),
    );
    for (const body of [Buffer.concat([hello, binary]), Buffer.concat([binary, text('4é😀'), binary])]) {
        const taken = await session.post(body, { 'content-type': 'application/octet-stream' });
        assert.deepEqual([taken.status, taken.text], [200, 'ok']);
        const { status, headers, bytes } = await session.get();
        assert.equal(status, 200);
        assert.equal(headers.get('content-type'), 'application/octet-stream');
        assert.deepEqual(bytes, body);
    }
    // Sent as base64, and told as bytes all the same.
    await session.send('4hello', 'b4AQIDBA==');
    assert.deepEqual((await session.get()).bytes, Buffer.concat([hello, binary]));
    // Without bytes it is text again.
    await session.send('4hello');
    await session.expect('4hello');
});

test('polling: JSONP, revision 3', async (t) => {
    const server = await startExample(t, 'engine_echo');
    const script = async (session, index, ...packets) => {
        const { status, text } = await session.get();
        assert.equal(status, 200);
        const [, number, string] = /^___eio\[(\d+)\]\((".*")\);$/.exec(text);
        assert.equal(number, index);
        assert.equal(JSON.parse(string), payload(3, ...packets));
        assert.ok(!/[\u2028\u2029]/.test(text), 'it is JavaScript of any age');
    };
    const response = await ask(`http://${server.addr}/engine.io/?EIO=3&transport=polling&j=7&b64=1`);
    const [, string] = /^___eio\[7\]\((".*")\);$/.exec(response.text);
    const { sid } = JSON.parse(/\{.*\}/.exec(JSON.parse(string))[0]);
    const session = Object.assign(new Polling(), { server, revision: 3, sid, more: { j: '7', b64: '1' } });
    const packets = ['4a\nb\\n"c"', '4é\u2028', 'b4AQIDBA=='];
    // What clients do: a line feed becomes the two letters \n, and the two letters \n become \\n.
    const escaped = payload(3, ...packets)
        .replace(/\\n/g, '\\\\n')
        .replace(/\n/g, '\\n');
    const taken = await session.post(new URLSearchParams({ d: escaped }).toString(), {
        'content-type': 'application/x-www-form-urlencoded',
    });
    assert.deepEqual([taken.status, taken.text], [200, 'ok']);
    await script(session, '7', ...packets);
    // Only digits of the index are ever told.
    const evil = await ask(`http://${server.addr}/engine.io/?EIO=3&transport=polling&j=1);alert(2&b64=1`);
    assert.ok(evil.text.startsWith('___eio[12]("'), evil.text);
});

forBoth('polling: a body that is no payload closes the session', async (t, server, revision) => {
    const bad =
        revision === 3
            ? ['abc', '', '4:4a', '1:4a', '2:xa', '99999999999999999999:4a', '-1:4a', ':4a', '1']
            : ['abc', 'x', '4a\x1e9b'];
    for (const body of bad) {
        const session = await Polling.open(server, revision);
        const { status } = await session.post(body);
        assert.ok([200, 400].includes(status), body);
        await session.gone();
    }
    const session = await Polling.open(server, revision);
    if (revision === 4) {
        const { status } = await session.post(BYTES, { 'content-type': 'application/octet-stream' });
        assert.equal(status, 400);
        await session.gone();
    }
});

forBoth('polling: too large a body', async (t, server, revision) => {
    const session = await Polling.open(server, revision);
    const { status } = await session.post('4'.repeat(1_000_001));
    assert.equal(status, 413);
    // It was not read as packets.
    await session.send('4still here');
    await session.expect('4still here');
});

forBoth('polling: a second poll closes the session', async (t, server, revision) => {
    const session = await Polling.open(server, revision);
    const first = session.get();
    await sleep(20);
    const second = await session.get();
    assert.equal(second.status, 400);
    const { status, text } = await first;
    assert.deepEqual([status, text], [200, payload(revision, '1')]);
    await session.gone();
});

forBoth('polling: a poll that is given up closes the session', async (t, server, revision) => {
    const session = await Polling.open(server, revision);
    const controller = new AbortController();
    const given = assert.rejects(fetch(session.address(), { signal: controller.signal }));
    await sleep(20);
    controller.abort();
    await given;
    await sleep(20);
    await session.gone();
});

forBoth('polling: heartbeat', async (t, server, revision) => {
    const session = await Polling.open(server, revision);
    for (let round = 0; round < 3; round++) {
        if (revision === 3) await session.send('2');
        await session.expect(revision === 3 ? '3' : '2');
        if (revision === 4) await session.send('3');
    }
    const silent = await Polling.open(server, revision);
    await sleep(700);
    await silent.gone();
});

forBoth('polling: close', async (t, server, revision) => {
    const session = await Polling.open(server, revision);
    const poll = session.expect('6');
    await sleep(20);
    await session.send('1');
    await poll;
    await session.gone();
    const unpolled = await Polling.open(server, revision);
    await unpolled.send('1');
    await unpolled.gone();
});

forBoth('WebSocket: messages', async (t, server, revision) => {
    const socket = await Socket.open(t, server, revision);
    for (const message of [
        '4hello',
        '4',
        '4é 😀 \u2028',
        `4${'x'.repeat(300_000)}`,
        frame(revision),
        frame(revision, Buffer.alloc(300_000, 7)),
    ]) {
        socket.send(message);
        await socket.expect(message);
    }
    // Bytes as base64, from somebody who could have sent them as they are.
    socket.send(base64(revision));
    await socket.expect(frame(revision));
    // And to somebody who cannot take them otherwise.
    const without = await Socket.open(t, server, revision, { b64: '1' });
    without.send(base64(revision), '4text');
    await without.expect(base64(revision), '4text');
    for (let number = 0; number < 1_000; number++) socket.send(`4${number}`);
    for (let number = 0; number < 1_000; number++) await socket.expect(`4${number}`);
});

forBoth('WebSocket: what is no packet closes it', async (t, server, revision) => {
    for (const message of ['abc', '9', 'x4hello']) {
        const socket = await Socket.open(t, server, revision);
        socket.send(message);
        await socket.end();
    }
    const socket = await Socket.open(t, server, revision);
    socket.send(`4${'x'.repeat(1_000_000)}`);
    assert.equal(await socket.end(), 1009);
});

forBoth('WebSocket: heartbeat', async (t, server, revision) => {
    const socket = await Socket.open(t, server, revision);
    socket.beats = false;
    for (let round = 0; round < 3; round++) {
        if (revision === 3) socket.send('2');
        await socket.expect(revision === 3 ? '3' : '2');
        if (revision === 4) socket.send('3');
    }
    const silent = await Socket.open(t, server, revision);
    silent.beats = false;
    await silent.end();
});

forBoth('WebSocket: close', async (t, server, revision) => {
    const socket = await Socket.open(t, server, revision);
    socket.beats = false;
    socket.send('1');
    await socket.end();
});

forBoth('upgrade', async (t, server, revision) => {
    const session = await Polling.open(server, revision);
    const socket = session.probe(t);
    await soon(socket.opened, 'it opens');
    socket.send('2probe');
    await socket.expect('3probe');
    // A poll that is held, and one that comes now, is let go.
    await session.expect('6');
    socket.send('5', '4hello');
    await socket.expect('4hello');
    socket.beats = true;

    const { status, text } = await session.get();
    assert.deepEqual([status, JSON.parse(text)], [400, { code: 3, message: 'Bad request' }]);
    const second = session.probe(t);
    await Promise.race([second.refused, second.end()]);
    socket.send('4still');
    await socket.expect('4still');
});

forBoth('upgrade: what is on its way is not lost', async (t, server, revision) => {
    const session = await Polling.open(server, revision);
    const held = session.get();
    const socket = session.probe(t);
    await soon(socket.opened, 'it opens');
    // Messages go by polling until the upgrade is complete.
    socket.send('2probe');
    await socket.expect('3probe');
    const { text } = await held;
    assert.equal(text, payload(revision, '6'));
    await session.send('4one', '4two');
    socket.send('5', '4three');
    await socket.expect('4one', '4two', '4three');
});

forBoth('upgrade: one that fails leaves polling as it was', async (t, server, revision) => {
    const session = await Polling.open(server, revision);
    for (const messages of [['4hello'], ['2other'], ['abc']]) {
        const socket = session.probe(t);
        await soon(socket.opened, 'it opens');
        socket.send(...messages);
        await socket.end();
        await session.send('4still');
        await session.expect('4still');
    }
    const gone = session.probe(t);
    await soon(gone.opened, 'it opens');
    gone.send('2probe');
    await gone.expect('3probe');
    gone.ws.terminate();
    await session.send('4still');
    const { text } = await session.get();
    assert.ok([payload(revision, '4still'), payload(revision, '6')].includes(text), text);
});
