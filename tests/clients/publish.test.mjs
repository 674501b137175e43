// The HTTP API's forms for Socket.IO, with clients of every kind at the other end.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Peer, TRANSPORTS, VERSIONS, isOld, quiet, until } from './socketio.mjs';
import { soon, start } from './support.mjs';

const KINDS = VERSIONS.flatMap((version) => TRANSPORTS.map((transport) => [version, transport]));

/** One client of every kind, in these rooms: all of them, those of its version, itself. */
async function everybody(t, server) {
    return Promise.all(
        KINDS.map(async ([version, transport]) => {
            const peer = await Peer.open(t, server, version, transport);
            await peer.register({ user: `${version} ${transport}`, group: ['all', version, transport] });
            return Object.assign(peer, { version, kind: transport });
        }),
    );
}

async function call(server, path, body) {
    const options = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const headers = { 'content-type': 'application/json' };
    const response = await soon(fetch(`http://${server.addr}/api/v1/${path}`, { headers, ...options }), path);
    return { status: response.status, body: await response.json() };
}

async function good(server, path, body) {
    const answer = await call(server, path, body);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body;
}

/** Publishes; to how many. */
async function publish(server, message) {
    const { matched, written, queued, dropped, nodes, ...none } = await good(server, 'publish', message);
    assert.deepEqual(none, {});
    assert.equal(written + queued, matched);
    assert.ok(Object.values(dropped).every((count) => count === 0));
    assert.deepEqual(nodes, { asked: 1, answered: 1 });
    return matched;
}

/** These get the event and the others nothing. */
async function only(peers, chosen, ...event) {
    const ids = new Set(peers.filter(chosen));
    await Promise.all([...ids].map((peer) => peer.expect(...event)));
    await quiet(...peers);
    return ids.size;
}

test('publish reaches rooms, leaves out rooms, reaches a namespace', async (t) => {
    const server = await start(t);
    const peers = await everybody(t, server);
    const nobody = await Peer.open(t, server, 'sio48', 'websocket');
    const text = { a: [1, 'x', null] };
    const to = (rooms, more = {}) => publish(server, { to: rooms, event: 'e', args: [text, 2], ...more });

    assert.equal(await to(['all']), await only(peers, () => true, 'e', text, 2));
    assert.equal(await to(['sio210']), await only(peers, (peer) => peer.version === 'sio210', 'e', text, 2));
    assert.equal(
        await to(['sio48 polling']),
        await only(peers, (peer) => peer.version === 'sio48' && peer.kind === 'polling', 'e', text, 2),
    );
    // Each once, in however many of the rooms it is.
    const union = (peer) => peer.version === 'sio174' || peer.kind === 'polling';
    assert.equal(await to(['sio174', 'polling', 'none']), await only(peers, union, 'e', text, 2));
    const rest = (peer) => peer.version !== 'sio174' && peer.kind !== 'upgrade';
    assert.equal(await to(['all'], { except: ['sio174', 'upgrade'] }), await only(peers, rest, 'e', text, 2));
    assert.equal(await to(['none']), await only(peers, () => false));
    // A socket's id is a room.
    assert.equal(await to([peers[4].socket.id]), await only(peers, (peer) => peer === peers[4], 'e', text, 2));
    await quiet(nobody);

    // The whole namespace, with and without its name, with any number of arguments.
    const everyone = [...peers, nobody];
    assert.equal(await publish(server, { event: 'e', args: [] }), await only(everyone, () => true, 'e'));
    const all = { namespace: '/', event: 'e', args: [null, [], 'x'], volatile: false, compress: true, local: false };
    assert.equal(await publish(server, all), await only(everyone, () => true, 'e', null, [], 'x'));
    assert.equal(
        await publish(server, { event: 'e', args: [1], except: ['all'] }),
        await only(everyone, (peer) => peer === nobody, 'e', 1),
    );

    // The form of application 1: there is no sender to leave out.
    const info = { roomName: 'all', eventName: 'info', text };
    assert.equal(await publish(server, info), await only(everyone, (peer) => peer !== nobody, 'info', text));

    // A list is answered with a list, and arrives in its order.
    const reports = await good(
        server,
        'publish',
        Array.from({ length: 50 }, (_, n) => ({ to: ['all'], event: 'n', args: [n] })),
    );
    assert.deepEqual(
        reports.map(({ matched }) => matched),
        Array(50).fill(peers.length),
    );
    for (let n = 0; n < 50; n++) await Promise.all(peers.map((peer) => peer.expect('n', n)));
    await quiet(...everyone);
});

test('any JSON is published, in any language', async (t) => {
    const server = await start(t);
    const peers = await everybody(t, server);
    for (const args of [
        ['é', 'κόσμε 😀', '\u2028'],
        [{ schlüssel: ['wért'] }, -1.5e-7, [[[]]]],
        ['x'.repeat(400_000)],
    ]) {
        assert.equal(await publish(server, { to: ['all'], event: 'ereignis ü', args }), peers.length);
        await Promise.all(peers.map((peer) => peer.expect('ereignis ü', ...args)));
    }
    await quiet(...peers);
});

test('what cannot be published is refused, and reaches nobody', async (t) => {
    const server = await start(t);
    const peer = await Peer.open(t, server, 'sio48', 'websocket');
    await peer.register({ group: 'g' });
    const bad = [
        {},
        { to: ['g'] },
        { to: 'g' },
        { to: ['g'], event: '' },
        { to: ['g'], event: 7, args: [] },
        { roomName: 'g', text: 1 },
        ...['connect', 'disconnect', 'connect_error', 'disconnecting', 'newListener', 'removeListener'].flatMap(
            (event) => [
                { to: ['g'], event, args: [] },
                { roomName: 'g', eventName: event, text: 1 },
            ],
        ),
    ];
    for (const message of bad) {
        for (const body of [message, [{ to: ['g'], event: 'e', args: [] }, message]]) {
            const answer = await call(server, 'publish', body);
            assert.ok(answer.status >= 400 && answer.status < 500, JSON.stringify(body));
            assert.deepEqual(Object.keys(answer.body), ['code', 'message']);
        }
    }
    await quiet(peer);
});

/** What the lists tell of a client. */
const told = ({ socket, version, kind }) => ({
    id: socket.id,
    transport: kind === 'polling' ? 'polling' : 'websocket',
    revision: isOld(version) ? 3 : 4,
});

test('rooms and sockets are listed', async (t) => {
    const server = await start(t);
    const peers = await everybody(t, server);
    const { items, cursor } = await good(server, 'rooms?namespace=/&limit=1000');
    assert.equal(cursor, null);
    const counts = Object.fromEntries(items.map(({ room, sockets }) => [room, sockets]));
    const rooms = { all: KINDS.length };
    for (const version of VERSIONS) rooms[version] = TRANSPORTS.length;
    for (const transport of TRANSPORTS) rooms[transport] = VERSIONS.length;
    for (const [version, transport] of KINDS) rooms[`${version} ${transport}`] = 1;
    assert.deepEqual(counts, rooms);

    // Page by page, each told once.
    const seen = [];
    for (let next = ''; next !== null; ) {
        const page = await good(server, `rooms?limit=4${next && `&cursor=${encodeURIComponent(next)}`}`);
        assert.ok(page.items.length <= 4);
        seen.push(...page.items.map(({ room }) => room));
        next = page.cursor;
    }
    assert.deepEqual(seen.sort(), Object.keys(rooms).sort());

    /** These sockets are in a room, by id. */
    const holds = async (room, chosen) => {
        const { items, cursor, total } = await good(server, `rooms/${encodeURIComponent(room)}?namespace=/`);
        const expected = peers.filter(chosen).map((peer) => told(peer));
        const byId = (a, b) => (a.id < b.id ? -1 : 1);
        assert.deepEqual(items.map(({ reactor, ...socket }) => socket).sort(byId), expected.sort(byId));
        assert.deepEqual([cursor, total], [null, expected.length]);
    };
    await holds('sio174', ({ version }) => version === 'sio174');
    await holds('polling', ({ kind }) => kind === 'polling');
    await holds('sio48 upgrade', ({ version, kind }) => version === 'sio48' && kind === 'upgrade');
    assert.equal((await call(server, 'rooms/none')).status, 404);

    for (const peer of peers) {
        const { version, kind, socket } = peer;
        const { namespace, rooms, ...details } = await good(server, `sockets/${encodeURIComponent(socket.id)}`);
        const { id, transport, revision } = details;
        assert.deepEqual({ id, transport, revision }, told(peer));
        assert.equal(namespace, '/');
        assert.deepEqual([...rooms].sort(), ['all', version, kind, `${version} ${kind}`].sort());
    }
    assert.equal((await call(server, `sockets/${'x'.repeat(20)}`)).status, 404);
});

test('sockets are made to join and leave', async (t) => {
    const server = await start(t);
    const peers = await everybody(t, server);
    const change = (what, body) => good(server, `sockets/${what}`, { namespace: '/', ...body });
    await change('join', { in: ['polling', 'sio48'], except: ['sio174'], rooms: ['x', 'y'] });
    const joined = ({ version, kind }) => (kind === 'polling' || version === 'sio48') && version !== 'sio174';
    for (const room of ['x', 'y']) {
        assert.equal(await publish(server, { to: [room], event: room, args: [1] }), await only(peers, joined, room, 1));
    }
    await change('leave', { in: ['sio48'], except: [], rooms: ['x'] });
    const left = (peer) => joined(peer) && peer.version !== 'sio48';
    assert.equal(await publish(server, { to: ['x'], event: 'x', args: [2] }), await only(peers, left, 'x', 2));
    assert.equal(await publish(server, { to: ['y'], event: 'y', args: [2] }), await only(peers, joined, 'y', 2));
});

test('sockets are disconnected, and are told who did it', async (t) => {
    const server = await start(t);
    const peers = await everybody(t, server);
    const gone = ({ version, kind }) => ['sio210', 'sio48'].includes(version) || kind === 'polling';
    await good(server, 'sockets/disconnect', { namespace: '/', in: ['sio210'], except: ['sio313'] });
    await good(server, 'sockets/disconnect', { namespace: '/', in: ['sio48', 'polling'], except: ['sio313'], close: true });
    for (const peer of peers.filter((peer) => gone(peer) && peer.version !== 'sio313')) {
        assert.equal(await soon(peer.closed, `${peer.name} is disconnected`), 'io server disconnect');
    }
    const left = peers.filter((peer) => !gone(peer) || peer.version === 'sio313');
    await until(left[0], 'all', left.length - 1, ...left);
    await quiet(...left);
});
