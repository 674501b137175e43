// Clients whose packets are MessagePack: socket.io-msgpack-parser with clients of two generations.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Peer, TRANSPORTS, connect, quiet } from './socketio.mjs';
import { installed, soon, start } from './support.mjs';

const parser = installed('socket.io-msgpack-parser');

const CONFIG = '[socketio]\nparser = "msgpack"\n';
const KINDS = ['sio313', 'sio48'].flatMap((version) => TRANSPORTS.map((transport) => [version, transport]));

/** Values that both sides have to agree on, bytes at every depth among them. */
const TEXTS = [
    null, true, 0, -1, -33, 127, 128, 65_536, 1.5, 2 ** 40, '', 'é 漢字 😀', 'x'.repeat(70_000), [], {}, [1, [2, [3]]],
    { a: { b: ['c', null] } }, Buffer.from([0, 1, 255]), { deep: [Buffer.alloc(300, 7), 'text', Buffer.alloc(0)] },
];

test('application 1 in MessagePack', { concurrency: true }, async (t) => {
    const server = await start(t, CONFIG);
    const scenario = (version, transport) => async (t) => {
        const [peer, sender] = await Promise.all(
            ['peer', 'sender'].map(() => Peer.open(t, server, version, transport, { parser })),
        );
        const user = `${version} ${transport}`;
        await peer.register({ user, group: [`${user} group`] });
        for (const text of TEXTS) {
            assert.equal(await sender.broadcast(user, 'text', text), 1);
            await peer.expect('text', text);
        }
        const { ok, error } = await sender.ask('register', { user: '' });
        assert.deepEqual([ok, error.code], [false, 'bad_request']);
        const published = await fetch(`http://${server.addr}/api/v1/publish`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ to: [user], event: 'news', args: ['é', { n: [1, null] }] }),
        });
        assert.equal((await published.json()).matched, 1);
        await peer.expect('news', 'é', { n: [1, null] });
        await quiet(peer, sender);
    };
    await Promise.all(KINDS.map(([version, transport]) => t.test(`${version} ${transport}`, scenario(version, transport))));
});

test('one namespace speaks it, and the others do not', async (t) => {
    const server = await start(t, '[socketio]\nnamespaces = ["/packed"]\nmsgpack_namespaces = ["/packed"]\n');
    const packed = await Peer.open(t, server, 'sio48', 'websocket', { namespace: '/packed', parser });
    const plain = await Peer.open(t, server, 'sio48', 'websocket');
    const published = await fetch(`http://${server.addr}/api/v1/publish`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify([{ namespace: '/packed', event: 'a', args: [1] }, { event: 'b', args: [2] }]),
    });
    assert.deepEqual((await published.json()).map(({ matched }) => matched), [1, 1]);
    await packed.expect('a', 1);
    await plain.expect('b', 2);
    // A client with the wrong parser is not let in, and is told by the end of its connection.
    const wrong = connect(server, 'sio48', 'websocket', { namespace: '/packed' });
    t.after(() => wrong.disconnect());
    const ended = new Promise((resolve, reject) => {
        wrong.on('connect', () => reject(new Error('it is let in')));
        wrong.io.engine.on('close', resolve);
    });
    await soon(ended, 'the connection of a client with the wrong parser ends');
});
