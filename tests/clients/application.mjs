// Application 1 over Socket.IO, scenario by scenario. Each is run for every client over every transport.
//
// A scenario gets `open()`, which connects one more client of the kind that is tested.

import assert from 'node:assert/strict';
import { quiet, unique, until } from './socketio.mjs';

async function several(open, count) {
    return Promise.all(Array.from({ length: count }, () => open()));
}

const RESERVED = ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'];

/** An acknowledgement that says no. */
function refused(answer, code, label) {
    assert.deepEqual(Object.keys(answer), ['ok', 'error'], label);
    assert.equal(answer.ok, false);
    const { message, ...rest } = answer.error;
    assert.deepEqual(rest, { code }, label);
    assert.ok(typeof message === 'string' && message.length > 0 && message.length < 500, label);
}

/** What is wrong: an event, its payload, the code of the error. */
function faults() {
    const long = 'x'.repeat(257);
    const info = { roomName: 'r', eventName: 'e', text: 1 };
    const names = [[''], [long], [7], [null], [true], [{}], ['é'.repeat(128) + 'x']].map(([name]) => name);
    const faults = [];
    for (const event of ['register', 'unRegister']) {
        for (const payload of [{}, null, 'u', 7, ['u'], { users: 'u' }, { group: ['g', 7] }, { group: [['g']] }]) {
            faults.push([event, payload, 'bad_request']);
        }
        for (const name of names) {
            faults.push([event, { user: name }, 'bad_request'], [event, { group: name }, 'bad_request']);
            faults.push(
                [event, { group: ['g', name] }, 'bad_request'],
                [event, { user: 'u', group: name }, 'bad_request'],
            );
        }
        faults.push([event, { user: ['u'] }, 'bad_request']);
    }
    for (const payload of [{}, null, 'r', 7, [info]]) faults.push(['broadcastInfo', payload, 'bad_request']);
    for (const key of Object.keys(info)) {
        const { [key]: _, ...rest } = info;
        faults.push(['broadcastInfo', rest, 'bad_request']);
    }
    for (const name of names) {
        faults.push(['broadcastInfo', { ...info, roomName: name }, 'bad_request']);
        faults.push(['broadcastInfo', { ...info, eventName: name }, 'bad_request']);
    }
    for (const name of RESERVED) faults.push(['broadcastInfo', { ...info, eventName: name }, 'reserved_event']);
    return faults;
}

/** JSON of every shape. */
const TEXTS = [
    null,
    true,
    false,
    0,
    -1,
    1.5,
    1e300,
    5e-324,
    9007199254740991,
    '',
    ' ',
    'plain',
    '"quoted" \\ \n \t \u0000',
    'é',
    'κόσμε',
    '漢字',
    '😀',
    '\u2028\u2029',
    '\u007f\u0080\u00ff',
    'Ã©',
    '\ud83d',
    '\u001e',
    '1:2',
    '</script>',
    [],
    {},
    [[], {}, [[[]]]],
    [null, 0, ''],
    { a: { b: { c: [1, { d: 'é😀' }] } } },
    { '': '', 'é 😀': 1, 10: 1, 9: 2 },
    JSON.parse('{"__proto__":{"x":1},"constructor":1,"toString":2,"hasOwnProperty":3}'),
    { _placeholder: true, num: 0 },
    [{ _placeholder: true, num: 'length' }],
    { roomName: 'r', eventName: 'e', text: 't' },
    JSON.parse('['.repeat(60) + ']'.repeat(60)),
    Array.from({ length: 1_000 }, (_, number) => number),
];

const bytes = (length) => Buffer.from(Array.from({ length }, (_, at) => at & 0xff));

/** Bytes, and objects with bytes in them. */
const BINARIES = [
    bytes(0),
    bytes(1),
    bytes(256),
    bytes(3_000),
    [bytes(3), 'between', bytes(2)],
    { deep: [{ deeper: { bytes: bytes(5) } }] },
    { text: 'é😀\u2028', bytes: bytes(16), more: [1, null, bytes(1)], none: null },
    Array.from({ length: 10 }, (_, at) => bytes(at)),
];

export const SCENARIOS = {
    async 'a user gets what is sent to it'(open) {
        const [user, sender, other] = await several(open, 3);
        const name = unique('user');
        await user.register({ user: name });
        assert.equal(await sender.broadcast(name, 'hello', { a: [1] }), 1);
        await user.expect('hello', { a: [1] });
        // Itself it does not reach: the sender is left out.
        assert.equal(await user.broadcast(name, 'hello', 1), 0);
        // Registering again changes nothing.
        await user.register({ user: name });
        assert.equal(await sender.broadcast(name, 'again', 2), 1);
        await user.expect('again', 2);
        await user.unregister({ user: name });
        assert.equal(await sender.broadcast(name, 'hello', 1), 0);
        await quiet(user, sender, other);
    },

    async 'a user name goes to whoever registers it last'(open) {
        const [first, second, sender] = await several(open, 3);
        const [name, group] = [unique('user'), unique('group')];
        await first.register({ user: name, group });
        for (let round = 0; round < 6; round++) {
            const [taker, loser] = round % 2 ? [first, second] : [second, first];
            await taker.register({ user: name });
            assert.equal(await sender.broadcast(name, 'to', round), 1);
            await taker.expect('to', round);
            // Whoever lost it cannot undo what it has no more.
            await loser.unregister({ user: name });
            assert.equal(await loser.broadcast(name, 'from', round), 1);
            await taker.expect('from', round);
            await quiet(first, second, sender);
        }
        // It stays in its groups.
        assert.equal(await sender.broadcast(group, 'group', 0), 1);
        await first.expect('group', 0);
        await quiet(first, second, sender);
    },

    async 'a connection is one user at a time'(open) {
        const [user, sender] = await several(open, 2);
        const [before, after, group] = ['user', 'user', 'group'].map(unique);
        await user.register({ user: before, group });
        await user.register({ user: after });
        assert.equal(await sender.broadcast(before, 'before', 0), 0);
        assert.equal(await sender.broadcast(after, 'after', 1), 1);
        await user.expect('after', 1);
        assert.equal(await sender.broadcast(group, 'group', 2), 1);
        await user.expect('group', 2);
        // The name that was given up is free.
        await sender.register({ user: before });
        assert.equal(await user.broadcast(before, 'before', 3), 1);
        await sender.expect('before', 3);
        await quiet(user, sender);
    },

    async 'a group is everybody in it but the sender'(open) {
        const [a, b, c, other] = await several(open, 4);
        const [g, h, user] = ['group', 'group', 'user'].map(unique);
        await Promise.all([a.register({ group: g }), b.register({ group: [g, h] }), c.register({ user, group: [h] })]);
        assert.equal(await a.broadcast(g, 'g', 'x'), 1);
        await b.expect('g', 'x');
        assert.equal(await other.broadcast(g, 'g', 'y'), 2);
        await Promise.all([a, b].map((peer) => peer.expect('g', 'y')));
        assert.equal(await a.broadcast(h, 'h', 'z'), 2);
        await Promise.all([b, c].map((peer) => peer.expect('h', 'z')));
        assert.equal(await a.broadcast(user, 'u', 0), 1);
        await c.expect('u', 0);
        await quiet(a, b, c, other);

        // Twice is once.
        await b.register({ group: [g, g, h] });
        assert.equal(await other.broadcast(g, 'g', 1), 2);
        await Promise.all([a, b].map((peer) => peer.expect('g', 1)));
        await b.unregister({ group: g });
        assert.equal(await other.broadcast(g, 'g', 2), 1);
        await a.expect('g', 2);
        assert.equal(await other.broadcast(h, 'h', 3), 2);
        await Promise.all([b, c].map((peer) => peer.expect('h', 3)));
        // Both at once; what one is not in, one leaves without an error.
        await c.unregister({ user, group: [h, g, unique('group')] });
        assert.equal(await other.broadcast(user, 'u', 4), 0);
        assert.equal(await other.broadcast(h, 'h', 5), 1);
        await b.expect('h', 5);
        assert.equal(await other.broadcast(unique('group'), 'none', 6), 0);
        await quiet(a, b, c, other);
    },

    async 'nobody asks: no acknowledgement, and the effect is the same'(open) {
        const [a, b] = await several(open, 2);
        const group = unique('group');
        a.tell('register', { group });
        b.tell('register', { group });
        await quiet(a, b);
        a.tell('broadcastInfo', { roomName: group, eventName: 'e', text: 1 });
        await b.expect('e', 1);
        a.tell('unRegister', { group });
        await quiet(a, b);
        assert.equal(await b.broadcast(group, 'e', 2), 0);
        // Events that mean nothing here are passed over.
        a.tell('unheard', { of: 1 });
        a.tell('Register', { group });
        await quiet(a, b);
    },

    async 'what cannot be taken is said, and nothing happens'(open) {
        const [peer, witness] = await several(open, 2);
        await witness.register({ user: unique('r'), group: ['r', 'g', 'e'] });
        for (const [event, payload, code] of faults()) {
            const label = `${event} ${JSON.stringify(payload)}`.slice(0, 120);
            refused(await peer.ask(event, payload), code, label);
            peer.tell(event, payload);
            const [name, error, ...none] = await peer.next();
            assert.equal(name, 'exception', label);
            assert.deepEqual(none, []);
            assert.deepEqual(Object.keys(error).sort(), ['code', 'event', 'message'], label);
            assert.deepEqual([error.event, error.code], [event, code], label);
            assert.ok(error.message.length > 0, label);
        }
        await quiet(peer, witness);
    },

    async 'all of a registration or none of it'(open) {
        const [peer, witness] = await several(open, 2);
        const [user, g, h] = ['user', 'group', 'group'].map(unique);
        refused(await peer.ask('register', { user, group: [g, ''] }), 'bad_request', 'a bad group');
        refused(await peer.ask('register', { user: '', group: [g] }), 'bad_request', 'a bad user');
        for (const name of [user, g]) assert.equal(await witness.broadcast(name, 'e', 0), 0);
        await peer.register({ user, group: [g, h] });
        refused(await peer.ask('unRegister', { user, group: [g, h, 7] }), 'bad_request', 'a bad group');
        for (const name of [user, g, h]) {
            assert.equal(await witness.broadcast(name, 'e', name), 1);
            await peer.expect('e', name);
        }
        await quiet(peer, witness);
    },

    async 'names are any text of 256 bytes'(open) {
        const [peer, sender] = await several(open, 2);
        const tail = unique('');
        const fill = (text, length) => tail + text.repeat((length - tail.length) / Buffer.byteLength(text));
        const names = ['é', '😀', 'a b', 'a,b', '"quoted\\"', '\n', '/admin', '#', '*', '__proto__', '\u2028', '0'];
        const long = [
            fill('x', 256),
            tail + 'y'.repeat((256 - tail.length) % 2) + 'é'.repeat((256 - tail.length) >> 1),
        ];
        for (const name of [...names.map((name) => name + tail), ...long]) {
            assert.ok(Buffer.byteLength(name) <= 256);
            await peer.register({ user: name });
            assert.equal(await sender.broadcast(name, name, name), 1, name);
            await peer.expect(name, name);
            await peer.unregister({ user: name });
            await peer.register({ group: [name] });
            assert.equal(await sender.broadcast(name, 'group', 0), 1, name);
            await peer.expect('group', 0);
            await peer.unregister({ group: name });
            assert.equal(await sender.broadcast(name, 'group', 0), 0, name);
        }
        await quiet(peer, sender);
    },

    async 'JSON of every shape arrives as it was sent'(open) {
        const [peer, sender] = await several(open, 2);
        const group = unique('group');
        await peer.register({ group });
        for (const text of TEXTS) {
            assert.equal(await sender.broadcast(group, 'text', text), 1);
            const [name, ...args] = await peer.next();
            assert.equal(name, 'text');
            assert.equal(JSON.stringify(args), JSON.stringify([text]));
        }
        await quiet(peer, sender);
    },

    async 'bytes arrive as they were sent'(open) {
        const [peer, sender] = await several(open, 2);
        const group = unique('group');
        await peer.register({ group });
        for (const binary of BINARIES) {
            assert.equal(await sender.broadcast(group, 'binary', binary), 1);
            await peer.expect('binary', binary);
            // Text and bytes in turn, without waiting.
            for (const text of ['before', binary, 'after', binary]) {
                sender.tell('broadcastInfo', { roomName: group, eventName: 'mixed', text });
            }
            for (const text of ['before', binary, 'after', binary]) await peer.expect('mixed', text);
        }
        await quiet(peer, sender);
    },

    async '400 kB at once'(open) {
        const [peer, sender] = await several(open, 2);
        const group = unique('group');
        await peer.register({ group });
        const list = Array.from({ length: 4_000 }, (_, number) => ({ number, text: 'x'.repeat(70) }));
        for (const text of [
            'x'.repeat(400_000),
            list,
            bytes(400_000),
            { a: bytes(200_000), b: ['é', bytes(200_000)] },
        ]) {
            assert.equal(await sender.broadcast(group, 'large', text), 1);
            const [name, ...args] = await peer.next();
            assert.equal(name, 'large');
            assert.deepEqual(args, [text]);
        }
        await quiet(peer, sender);
    },

    async '500 messages in order'(open) {
        const [peer, sender] = await several(open, 2);
        const group = unique('group');
        await peer.register({ group });
        const answers = [];
        for (let number = 0; number < 500; number++) {
            // Every tenth is large, every seventh has bytes, and some are asked to be acknowledged.
            const text = {
                number,
                fill: 'y'.repeat(number % 10 ? 10 : 5_000),
                ...(number % 7 === 0 && { bytes: bytes(9) }),
            };
            if (number % 5) sender.tell('broadcastInfo', { roomName: group, eventName: 'n', text });
            else answers.push(sender.broadcast(group, 'n', text));
        }
        for (let number = 0; number < 500; number++) assert.equal((await peer.next())[1].number, number);
        assert.deepEqual(new Set(await Promise.all(answers)), new Set([1]));
        await quiet(peer, sender);
    },

    async 'whoever disconnects is in nothing any more'(open) {
        const [witness, closing, breaking] = await several(open, 3);
        const [user, group] = ['user', 'group'].map(unique);
        await closing.register({ user, group });
        await breaking.register({ group });
        assert.equal(await witness.broadcast(group, 'e', 0), 2);
        closing.close();
        await until(witness, user, 0);
        await until(witness, group, 1, breaking);
        breaking.socket.io.engine.close();
        await until(witness, group, 0);
        // A page that is loaded again: a new connection under the old names.
        const again = await open();
        await again.register({ user, group: [group] });
        assert.equal(await witness.broadcast(user, 'user', 1), 1);
        await again.expect('user', 1);
        assert.equal(await witness.broadcast(group, 'group', 2), 1);
        await again.expect('group', 2);
        // The other way round: the new one registers before the old one is gone.
        const next = await open();
        await next.register({ user, group });
        again.close();
        await until(witness, group, 1, next);
        assert.equal(await witness.broadcast(user, 'user', 3), 1);
        await next.expect('user', 3);
        await quiet(witness, next);
    },
};
