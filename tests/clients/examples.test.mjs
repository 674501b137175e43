// The examples, each started and driven: by the script or the page that comes with it, and by clients of 2.x where it
// makes sense to them.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Page } from './page.mjs';
import { Polling } from './raw.mjs';
import { Peer } from './socketio.mjs';
import { installed, run, soon } from './support.mjs';

const root = process.env.FANFARE_ROOT;
const OLD = ['sio210', 'sio250'];

/** Starts an example on a free port. */
const start = (t, name, ...args) => run(t, join(process.env.FANFARE_EXAMPLES, name), ['127.0.0.1:0', ...args]);

/** Starts one that serves a page. */
const startPage = (t, name) => start(t, name, '--client-dir', join(root, '.deps/client'));

/**
 * Runs the script of an example to its end, beside the package that it imports, and returns the lines that it wrote;
 * `told` gets each as it comes.
 */
async function script(t, name, server, told = () => {}) {
    const folder = await mkdtemp(join(tmpdir(), 'fanfare-example-'));
    t.after(() => rm(folder, { recursive: true }));
    await copyFile(join(root, 'examples', name, 'client.mjs'), join(folder, 'client.mjs'));
    await mkdir(join(folder, 'node_modules'));
    const client = dirname(installed.resolve('sio48/package.json'));
    await symlink(client, join(folder, 'node_modules/socket.io-client'));

    const args = [join(folder, 'client.mjs'), `http://${server.addr}`];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    const closed = once(child, 'close');
    const lines = [];
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (data) => {
        const [...whole] = (rest + data).split('\n');
        rest = whole.pop();
        for (const line of whole) {
            lines.push(line);
            told(line);
        }
    });
    const [status] = await soon(closed, `the script of ${name} ends`).catch((error) => {
        throw new Error(`${error.message}, after: ${lines.join(' | ')}`);
    });
    assert.equal(status, 0, lines.join(' | '));
    return lines;
}

/** The same steps with each client of 2.x. */
const withOld = (name, body) =>
    OLD.forEach((version) => test(`${name}, ${version}`, async (t) => body(t, await start(t, name), version)));

/** So many clients of a version. */
const several = (t, server, version, count, options) =>
    Promise.all(Array.from({ length: count }, () => Peer.open(t, server, version, 'websocket', options)));

/** None of them was told anything that was not looked at. What was sent before this has arrived. */
async function silent(probe, ...peers) {
    for (const peer of peers) {
        await probe(peer);
        assert.deepEqual(peer.events, [], `${peer.name} is silent`);
    }
}

/** An acknowledgement, whatever it says. */
const asked = (peer, ...event) =>
    soon(new Promise((resolve) => peer.socket.emit(...event, (...args) => resolve(args))), `${event[0]} is answered`);

test('hello', async (t) => {
    assert.deepEqual(await script(t, 'hello', await start(t, 'hello')), [
        'the server says hello world',
        'the server welcomes ann, who has our id',
    ]);
});

withOld('hello', async (t, server, version) => {
    const peer = await Peer.open(t, server, version, 'upgrade');
    await peer.expect('hello', 'world');
    peer.tell('my name is', 7);
    peer.tell('my name is', 'bob');
    await peer.expect('welcome', 'bob', peer.socket.id);
});

test('acks', async (t) => {
    assert.deepEqual(await script(t, 'acks', await start(t, 'acks')), [
        '2 + 3 = 5',
        'the server says nothing: operation has timed out',
        'we told the server our name: hello, ann',
        'that takes longer than the server waits',
        'the server gave up',
    ]);
});

withOld('acks', async (t, server, version) => {
    const peer = await Peer.open(t, server, version, 'polling');
    assert.deepEqual(await asked(peer, 'add', 0.5, -2), [-1.5]);
    peer.socket.on('your name?', (answer) => answer('bob'));
    peer.socket.on('the meaning of it all?', (answer) => answer(42));
    peer.socket.emit('ask me');
    peer.socket.emit('ask me too much');
    const events = [await peer.next(), await peer.next(), await peer.next(), await peer.next()];
    const ofName = (name) => events.filter(([event]) => event === name);
    assert.deepEqual(ofName('greeting'), [['greeting', 'hello, bob']]);
    assert.deepEqual(ofName('surprise'), [['surprise', 42]]);
});

test('broadcast', async (t) => {
    const lines = await script(t, 'broadcast', await start(t, 'broadcast'));
    assert.deepEqual(lines.sort(), [
        'ann cannot but hear: dinner is ready',
        'bob cannot but hear: dinner is ready',
        'bob hears: hello, you two',
        'cid cannot but hear: dinner is ready',
        'cid hears: hello, you two',
    ]);
});

withOld('broadcast', async (t, server, version) => {
    const peers = await several(t, server, version, 3);
    const modern = await Peer.open(t, server, 'sio48', 'websocket');
    assert.deepEqual(await asked(peers[0], 'say', 'hi', Buffer.of(1)), []);
    for (const peer of [...peers.slice(1), modern]) await peer.expect('said', 'hi', Buffer.of(1));
    modern.socket.emit('shout', 1);
    for (const peer of [...peers, modern]) await peer.expect('shouted', 1);
});

test('rooms', async (t) => {
    const lines = await script(t, 'rooms', await start(t, 'rooms'));
    const byName = (name) => lines.filter((line) => line.startsWith(name));
    assert.equal(lines.length, 11, lines.join(' | '));
    assert.deepEqual(byName('ann'), ["ann is in [ 'red' ]", 'ann hears: hello, red and blue']);
    assert.deepEqual(byName('bob'), [
        "bob is in [ 'blue' ]",
        'bob hears: hello, red and blue',
        'bob hears: hello, blue',
        'bob is told: nobody in red knows',
    ]);
    assert.deepEqual(byName('cid'), [
        "cid is in [ 'red', 'blue' ]",
        'cid hears: hello, red and blue',
        "cid is in [ 'blue' ]",
        'cid hears: hello, blue',
        'cid is told: nobody in red knows',
    ]);
});

withOld('rooms', async (t, server, version) => {
    const [ann, bob, cid] = await several(t, server, version, 3);
    assert.deepEqual(await ann.ask('join', 'r'), ['r']);
    assert.deepEqual(await bob.ask('join', 'r'), ['r']);
    assert.deepEqual(await bob.ask('join', 's'), ['r', 's']);
    ann.socket.emit('say', ['r', 's'], 1);
    ann.socket.emit('say', ['r', 's'], 'a text');
    await bob.expect('said', 'a text');
    cid.socket.emit('announce', 'r', 's', 'without bob');
    await ann.expect('announced', 'without bob');
    assert.deepEqual(await ann.ask('leave', 'r'), []);
    await silent((peer) => peer.ask('leave', 'none'), ann, bob, cid);
});

test('namespaces', async (t) => {
    assert.deepEqual(await script(t, 'namespaces', await start(t, 'namespaces')), [
        'welcome to the chat and to the news',
        'over one connection',
        'in /chat: hello',
        'in /chat: somebody reads: it rains',
        '/nowhere: Invalid namespace',
    ]);
});

withOld('namespaces', async (t, server, version) => {
    const chat = await Peer.open(t, server, version, 'websocket', { namespace: '/chat' });
    await chat.expect('welcome', 'to the chat');
    const news = await Peer.open(t, server, version, 'websocket', { namespace: '/news' });
    await news.expect('welcome', 'to the news');
    news.tell('read', 'it rains');
    await chat.expect('said', 'somebody reads: it rains');
});

test('volatile', async (t) => {
    const lines = await script(t, 'volatile', await start(t, 'volatile'));
    assert.equal(lines.length, 2);
    for (const [place, transport] of ['websocket', 'polling'].entries()) {
        const [name, numbers] = lines[place].split(': ');
        assert.equal(name, transport);
        const ticks = numbers.split(' ').map(Number);
        assert.equal(ticks.length, 5);
        assert.ok(ticks.every((tick, at) => Number.isInteger(tick) && (at === 0 || tick > ticks[at - 1])), numbers);
    }
});

test('volatile: what is said while a client does not listen is not kept for it', async (t) => {
    const server = await start(t, 'volatile');
    const polls = await Polling.open(server, 4, { path: '/socket.io/' });
    await polls.send('40');
    const takes = await Peer.open(t, server, 'sio48', 'websocket');
    const first = (await takes.next())[1];
    for (let left = 3; left > 0; left--) await takes.next();
    // The answer to CONNECT waited for it, and nothing else.
    const { text } = await polls.get();
    assert.match(text, /^40\{"sid":"[\w-]{20}"\}$/);
    const next = JSON.parse((await polls.get()).text.slice(2));
    assert.equal(next[0], 'tick');
    assert.ok(next[1] > first + 3, `${next[1]}, and ${first} was missed`);
});

test('whisper', async (t) => {
    assert.deepEqual(await script(t, 'whisper', await start(t, 'whisper')), [
        'ann hears a whisper: psst',
        'bob hears a whisper: i hear you',
    ]);
});

withOld('whisper', async (t, server, version) => {
    const [ann, bob, cid] = await several(t, server, version, 3);
    ann.socket.emit('here i am');
    for (const peer of [bob, cid]) await peer.expect('somebody is here', ann.socket.id);
    bob.socket.emit('whisper', ann.socket.id, 'psst');
    await ann.expect('whispered', bob.socket.id, 'psst');
    cid.socket.emit('whisper', bob.socket.id, 'and you?');
    await bob.expect('whispered', cid.socket.id, 'and you?');
    ann.socket.emit('whisper', cid.socket.id, 'that was all');
    await cid.expect('whispered', ann.socket.id, 'that was all');
});

test('cookie_auth', async (t) => {
    assert.deepEqual(await script(t, 'cookie_auth', await start(t, 'cookie_auth')), [
        'somebody with a session is let in as bob',
        'somebody with a wrong one is kept out: who are you? ({"login":"/login"})',
        'somebody without a cookie is kept out: who are you? ({"login":"/login"})',
    ]);
});

withOld('cookie_auth', async (t, server, version) => {
    const open = (cookie, transport) => Peer.open(t, server, version, transport, { extraHeaders: { cookie } });
    for (const transport of ['websocket', 'polling']) {
        assert.equal(await (await open('session=7c9e6679f3a1', transport)).ask('who am i'), 'ann');
        await assert.rejects(open('session=', transport), { login: '/login' });
    }
});

test('message', async (t) => {
    assert.deepEqual(await script(t, 'message', await start(t, 'message')), [
        '5 characters hello',
        '6 characters größer',
        '3 bytes <Buffer 01 02 03>',
    ]);
});

withOld('message', async (t, server, version) => {
    const peer = await Peer.open(t, server, version, 'polling');
    peer.socket.send('hi');
    await peer.expect('message', '2 characters', 'hi');
    peer.socket.send(Buffer.of(0, 255));
    await peer.expect('message', '2 bytes', Buffer.of(0, 255));
});

test('bridge', async (t) => {
    const server = await start(t, 'bridge');
    const lines = await script(t, 'bridge', server, (line) => {
        if (line.startsWith('type ')) server.child.stdin.write('hello, all\nbye\n');
    });
    assert.deepEqual(lines, [
        'a thread of the server answers: HELLO',
        'type lines into the terminal of the server; "bye" ends this',
        "the server's terminal says: hello, all",
        "the server's terminal says: bye",
    ]);
    assert.ok(server.said().endsWith('\na client says: hello\n'), server.said());
});

test('chat_room', async (t) => {
    const server = await startPage(t, 'chat_room');
    const [ann, bob] = [await Page.open(t, server), await Page.open(t, server)];
    const enter = (page, name) => {
        page.fill('name', name);
        page.submit('enter');
        assert.deepEqual([page.element('enter').hidden, page.element('speak').hidden], [true, false]);
    };
    enter(ann, 'ann');
    await ann.shows('messages', 'welcome, ann: you are alone here');
    enter(bob, 'bob <b>');
    await bob.shows('messages', 'welcome, bob <b>: 2 people are here');
    await ann.shows('messages', 'bob <b> has joined, 2 people are here');

    bob.fill('text', 'h');
    await ann.shows('typing', 'bob <b> …');
    bob.fill('text', 'hi & <i>');
    bob.submit('speak');
    await ann.shows('messages', 'bob <b>: hi & <i>');
    assert.equal(ann.element('typing').textContent, '');
    assert.equal(bob.element('text').value, '');
    assert.equal(bob.lines('messages').at(-1), 'bob <b>: hi & <i>');

    // A third client sends what no page does, and is not there for the others.
    const stranger = await Peer.open(t, server, 'sio250', 'polling');
    stranger.tell('say', 'nobody hears this');
    stranger.tell('join', { not: 'a name' });
    assert.equal(await stranger.ask('join', 'cid'), 3);
    await ann.shows('messages', 'cid has joined, 3 people are here');
    assert.equal(await stranger.ask('join', 'dan'), 3);
    stranger.close();
    await ann.shows('messages', 'dan has left, 2 people are here');

    bob.close();
    await ann.shows('messages', 'bob <b> has left, you are alone here');
    assert.ok(!ann.lines('messages').some((line) => line.includes('nobody hears this')));
});

test('chat', async (t) => {
    const server = await startPage(t, 'chat');
    const [ann, bob, cid] = [await Page.open(t, server), await Page.open(t, server), await Page.open(t, server)];
    const login = (page, name, password) => {
        page.fill('name', name);
        page.fill('password', password);
        page.submit('login');
    };
    login(ann, 'ann', 'guess');
    await ann.shows('messages', 'wrong password');
    assert.ok(ann.element('inside').hidden);
    login(ann, 'ann', 'sesame');
    await ann.shows('messages', 'you are in lobby');
    assert.ok(!ann.element('inside').hidden && ann.element('login').hidden);
    login(bob, 'bob', 'sesame');
    await ann.shows('messages', 'bob is in lobby');
    login(cid, 'cid', 'sesame');
    await ann.shows('messages', 'cid is in lobby');
    await bob.shows('messages', 'you are in lobby');

    // Rooms of their own.
    const join = async (page, room) => {
        page.fill('room', room);
        page.submit('rooms');
        await page.shows('messages', `you are in ${room}`);
    };
    await join(ann, 'rust');
    await join(bob, 'rust');
    await ann.shows('messages', 'bob is in rust');

    bob.fill('text', 'f');
    await ann.shows('typing', 'bob is typing in rust');
    const say = (page, to, text) => {
        page.fill('to', to);
        page.fill('text', text);
        page.submit('speak');
    };
    say(bob, 'rust', 'fn main');
    for (const page of [ann, bob]) await page.shows('messages', 'rust · bob: fn main');
    assert.equal(ann.element('typing').textContent, '');
    say(cid, 'rust', 'me too');
    await cid.shows('messages', 'say: join the room first');

    // Private, and acknowledged.
    say(ann, '@cid', 'psst');
    await cid.shows('messages', '@ann: psst');
    await ann.shows('messages', 'to @cid: psst');
    say(ann, '@dan', 'are you there?');
    await ann.shows('messages', '@dan is not here');

    // The newest connection of a user gets what is private.
    const auth = { name: 'cid', password: 'sesame' };
    const again = await Peer.open(t, server, 'sio48', 'websocket', { auth });
    again.socket.on('private', (who, text, taken) => taken());
    say(ann, '@cid', 'where are you?');
    await again.expect('private', 'ann', 'where are you?');
    await ann.shows('messages', 'to @cid: where are you?');
    again.tell('typing', 'rust');
    await again.expect('problem', 'typing', 'join the room first');
    // Who leaves instead of taking it has not got it.
    again.socket.off('private').on('private', () => again.close());
    say(ann, '@cid', 'stay here');
    await ann.shows('messages', '@cid is not here');

    say(ann, 'lobby', 'bye');
    await cid.shows('messages', 'lobby · ann: bye');
    const heard = cid.lines('messages').join('\n');
    assert.ok(!heard.includes('fn main') && !heard.includes('where are you?'), heard);
    bob.close();
    for (const room of ['lobby', 'rust']) await ann.shows('messages', `bob has left ${room}`);
});

test('chat keeps out who gives no name', async (t) => {
    const server = await startPage(t, 'chat');
    for (const auth of [undefined, {}, { name: 'ann' }, { name: 7, password: 'sesame' }, { name: '', password: 'sesame' }]) {
        const opened = Peer.open(t, server, 'sio48', 'websocket', { auth });
        await assert.rejects(opened, { message: 'a name and a password, please' });
    }
});
