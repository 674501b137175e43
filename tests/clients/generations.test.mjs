// What clients of different generations do together, and how connections begin, live and end.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Peer, TRANSPORTS, VERSIONS, isOld, quiet, unique, until } from './socketio.mjs';
import { WebSocket, soon, start } from './support.mjs';

const KINDS = VERSIONS.flatMap((version) => TRANSPORTS.map((transport) => [version, transport]));

/** One client of every kind. */
const everyKind = (t, server, options) => Promise.all(KINDS.map((kind) => Peer.open(t, server, ...kind, options)));

/** A test for every version, side by side. */
function forEachVersion(name, body) {
    test(name, { concurrency: true }, async (t) => {
        const server = await start(t);
        await Promise.all(VERSIONS.map((version) => t.test(version, (t) => body(t, server, version))));
    });
}

test('every client in one group gets each message once, whoever sends it', async (t) => {
    const server = await start(t);
    const peers = await everyKind(t, server);
    await Promise.all(peers.map((peer) => peer.register({ user: peer.name, group: ['all', unique('own')] })));
    for (const [number, sender] of peers.entries()) {
        for (const text of [{ number }, { number, bytes: Buffer.from([number, 0, 255]) }]) {
            assert.equal(await sender.broadcast('all', 'n', text), peers.length - 1);
            await Promise.all(peers.filter((peer) => peer !== sender).map((peer) => peer.expect('n', text)));
        }
        // To one of them, under its name.
        const user = peers[(number + 1) % peers.length];
        assert.equal(await sender.broadcast(user.name, 'you', number), 1);
        await user.expect('you', number);
    }
    await quiet(...peers);
    // All at once: each receiver sees each sender's messages in order, each once.
    peers.forEach((sender, from) => {
        for (let number = 0; number < 20; number++) {
            sender.tell('broadcastInfo', { roomName: 'all', eventName: 'm', text: [from, number] });
        }
    });
    await Promise.all(
        peers.map(async (peer, self) => {
            const counts = peers.map(() => 0);
            for (let left = 20 * (peers.length - 1); left > 0; left--) {
                const [name, [from, number]] = await peer.next();
                assert.equal(name, 'm');
                assert.equal(number, counts[from]++);
            }
            assert.equal(counts[self], 0);
        }),
    );
    await quiet(...peers);
});

test('the user name goes from kind to kind', async (t) => {
    const server = await start(t);
    const peers = await everyKind(t, server);
    const watcher = await Peer.open(t, server, 'sio48', 'websocket');
    for (const [number, peer] of [...peers, ...peers].entries()) {
        await peer.register({ user: 'u' });
        assert.equal(await watcher.broadcast('u', 'n', number), 1);
        await peer.expect('n', number);
    }
    await quiet(watcher, ...peers);
});

test('text that is not ASCII comes and goes between 1.x over polling and everybody else', async (t) => {
    // The clients of 1.x encode and decode the text of polling as UTF-8 twice, those of 2.x once; both say EIO=3.
    const server = await start(t);
    const peers = await everyKind(t, server);
    await Promise.all(peers.map((peer) => peer.register({ group: 'gruppe é' })));
    for (const sender of peers) {
        for (const text of ['é', 'κόσμε', '漢字 😀', { schlüssel: ['wért', Buffer.from('é')] }]) {
            assert.equal(await sender.broadcast('gruppe é', 'ereignis ü', text), peers.length - 1, sender.name);
            await Promise.all(peers.filter((peer) => peer !== sender).map((peer) => peer.expect('ereignis ü', text)));
        }
    }
    await quiet(...peers);
});

forEachVersion(
    'messages before and during the upgrade are neither lost nor out of order',
    async (t, server, version) => {
        const watcher = await Peer.open(t, server, 'sio48', 'websocket');
        const [there, back] = [unique('there'), unique('back')];
        await watcher.register({ group: there });
        for (let round = 0; round < 5; round++) {
            const peer = await Peer.open(t, server, version, 'upgrade', { early: true });
            peer.tell('register', { group: back });
            const answers = [];
            for (let number = 0; number < 100; number++) {
                answers.push(peer.broadcast(there, 'there', number));
                watcher.tell('broadcastInfo', { roomName: back, eventName: 'back', text: number });
                await sleep(0);
            }
            for (let number = 0; number < 100; number++) await watcher.expect('there', number);
            assert.deepEqual(new Set(await Promise.all(answers)), new Set([1]));
            await peer.upgraded();
            // It may have joined after the first of them; from then on it got all.
            await watcher.broadcast(back, 'back', 'end');
            const numbers = [];
            for (let event = await peer.next(); event[1] !== 'end'; event = await peer.next()) numbers.push(event[1]);
            numbers.forEach((number, at) => assert.equal(number, 100 - numbers.length + at));
            peer.close();
            await until(watcher, back, 0);
        }
        await quiet(watcher);
    },
);

test('there is no namespace but /', { concurrency: true }, async (t) => {
    const server = await start(t);
    const refused = async (t, version, transport) => {
        const root = await Peer.open(t, server, version, transport);
        const socket = root.socket.io.socket('/nope');
        t.after(() => socket.disconnect());
        const error = await soon(
            new Promise((resolve, reject) => {
                socket.once('connect', () => reject(new Error('it is let in')));
                socket.once(isOld(version) ? 'error' : 'connect_error', resolve);
                socket.connect();
            }),
            'it is refused',
        );
        assert.equal(isOld(version) && typeof error === 'string' ? error : error.message, 'Invalid namespace');
        // That was all: the connection is as it was.
        await quiet(root);
    };
    await Promise.all(KINDS.map((kind) => t.test(kind.join(' '), (t) => refused(t, ...kind))));
});

test('a server that stops says so, and clients come back to the next one by themselves', async (t) => {
    const first = await start(t, '[drain]\nseconds = 1\n');
    const options = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200 };
    const peers = await everyKind(t, first, options);
    const back = peers.map(({ name, socket }) =>
        soon(new Promise((resolve) => socket.on('connect', resolve)), `${name} is back`),
    );
    first.child.kill('SIGTERM');
    for (const { name, closed } of peers) {
        const reason = await soon(closed, `${name} is disconnected`);
        // Clients do not come back from "io server disconnect".
        assert.ok(['transport close', 'transport error'].includes(reason), `${name}: ${reason}`);
    }
    assert.deepEqual(await soon(first.exit, 'it ends'), [0, null]);
    await start(t, '', 3, first.addr);
    await Promise.all(back);
    peers.forEach((peer) => (peer.closed = new Promise(() => {})));
    await Promise.all(peers.map((peer) => peer.register({ group: 'all' })));
    assert.equal(await peers[0].broadcast('all', 'again', 1), peers.length - 1);
    await Promise.all(peers.slice(1).map((peer) => peer.expect('again', 1)));
    await quiet(...peers);
});

const HEARTBEAT = '[socketio]\nping_interval_ms = 300\nping_timeout_ms = 400\n';

test('connections stay open over many heartbeats without traffic', async (t) => {
    const server = await start(t, HEARTBEAT);
    const peers = await everyKind(t, server);
    await Promise.all(peers.map((peer) => peer.register({ group: 'all' })));
    await sleep(2_500);
    assert.equal(await peers[0].broadcast('all', 'still', 1), peers.length - 1);
    await Promise.all(peers.slice(1).map((peer) => peer.expect('still', 1)));
    await quiet(...peers);
});

test('whoever does not answer is closed', async (t) => {
    const server = await start(t, HEARTBEAT);
    const watcher = await Peer.open(t, server, 'sio48', 'websocket');
    const register = '42["register",{"group":"silent"}]';
    const url = (revision, transport, sid) =>
        `${transport === 'polling' ? 'http' : 'ws'}://${server.addr}/socket.io/?EIO=${revision}&transport=${transport}${
            sid ? `&sid=${sid}` : ''
        }`;
    // Over WebSocket: each says what has to be said to register, and nothing more.
    const sockets = [3, 4].map((revision) => {
        const ws = new WebSocket(url(revision, 'websocket'));
        t.after(() => ws.terminate());
        ws.on('open', () => {
            if (revision === 4) ws.send('40');
            ws.send(register);
        });
        return new Promise((resolve, reject) => ws.on('close', resolve).on('error', reject));
    });
    // Over polling: a poll is held and nobody answers the pings that come.
    const post = async (revision, sid, packets) => {
        const body =
            revision === 3 ? packets.map((packet) => `${packet.length}:${packet}`).join('') : packets.join('\x1e');
        const response = await fetch(url(revision, 'polling', sid), { method: 'POST', body });
        assert.equal(await response.text(), 'ok');
    };
    const polls = [3, 4].map(async (revision) => {
        const open = await (await fetch(url(revision, 'polling'))).text();
        const { sid } = JSON.parse(/\{.*?\}/.exec(open)[0]);
        await post(revision, sid, revision === 4 ? ['40', register] : [register]);
        let response;
        do {
            response = await fetch(url(revision, 'polling', sid));
            await response.text();
        } while (response.status === 200);
        assert.equal(response.status, 400);
    });
    await soon(Promise.all([...sockets, ...polls]), 'all of them are closed');
    assert.equal(await watcher.broadcast('silent', 'e', 0), 0);
    await quiet(watcher);
});
