// Three servers, one Redis, and a load balancer in front, by deploy/nginx.conf and deploy/haproxy.cfg: for clients they
// are one, whichever transport they use and wherever their requests go.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, installed, quiet, soon, start } from './support.mjs';

const io = installed('sio48').io;
const old = installed('sio250');

const deployed = (name) => readFile(join(process.env.FANFARE_ROOT, 'deploy', name), 'utf8');
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A port that nobody listens on. */
async function freePort() {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    server.close();
    await once(server, 'close');
    return port;
}

/** Starts a program of the system that listens on a port, and ends it when the test does. */
async function listening(t, program, args, port, folder) {
    const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (log += data));
    const exit = new Promise((resolve) => child.on('exit', resolve).on('error', resolve));
    t.after(async () => {
        child.kill('SIGTERM');
        await exit;
    });
    let gone = false;
    exit.then(() => (gone = true));
    const ready = async () => {
        for (;;) {
            assert.ok(!gone, `${program} ended: ${log} (tools/setup.sh test installs it)`);
            const socket = connect(port, '127.0.0.1');
            const result = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error')]).catch(
                () => false,
            );
            socket.destroy();
            if (result === true) return;
            await pause(20);
        }
    };
    await soon(ready(), `${program} listens`);
}

/** How each is started: the program, its arguments, and the file that it needs around the one of deploy/. */
const BALANCERS = {
    'nginx.conf': (folder, config) => ({
        program: 'nginx',
        args: ['-p', folder, '-e', 'stderr', '-c', 'balancer.conf'],
        text: `daemon off; pid nginx.pid; worker_processes 1; events { worker_connections 1024; }
            http { access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u;
            scgi_temp_path s; ${config} }`,
    }),
    'haproxy.cfg': (folder, config) => ({
        program: 'haproxy',
        args: ['-db', '-f', 'balancer.conf'],
        text: config.replace('maxconn 100000', 'maxconn 1000'),
    }),
};

/** The servers, and the balancer as what clients connect to. */
async function cluster(t, name, config = '', edit = (file) => file) {
    const folder = await mkdtemp(join(tmpdir(), 'fanfare-balancer-'));
    t.after(() => rm(folder, { recursive: true }));
    const redis = await freePort();
    const args = ['--port', String(redis), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    await listening(t, 'redis-server', args, redis, folder);
    const nodes = [];
    for (const node of [1, 2, 3]) {
        const text = `redis = "redis://127.0.0.1:${redis}"\n[cluster]\nnode = ${node}\n${config}`;
        nodes.push(await start(t, text, 2));
    }
    const port = await freePort();
    let file = await deployed(name);
    for (const [at, node] of nodes.entries()) file = file.replaceAll(`127.0.0.1:300${at + 1}`, node.addr);
    file = file.replaceAll('127.0.0.1:3000', `127.0.0.1:${port}`);
    assert.doesNotMatch(file, /127\.0\.0\.1:300\d/);
    file = edit(file);
    const { program, args: given, text } = BALANCERS[name](folder, file);
    await mkdir(join(folder, 'logs'));
    await writeFile(join(folder, 'balancer.conf'), text);
    await listening(t, program, given, port, folder);
    return { addr: `127.0.0.1:${port}`, nodes };
}

const metric = async (node, name) => {
    const page = await (await fetch(`http://${node.addr}/metrics`)).text();
    return page
        .split('\n')
        .filter((line) => line.startsWith(name))
        .reduce((sum, line) => sum + Number(line.split(' ').pop()), 0);
};

/** Publishes until so many clients are meant: what one server subscribes to reaches the others a moment later. */
async function settled(node, message, matched) {
    const ask = async () => {
        for (;;) {
            const headers = { 'content-type': 'application/json' };
            const body = JSON.stringify(message);
            const answer = await fetch(`http://${node.addr}/api/v1/publish`, { method: 'POST', headers, body });
            if ((await answer.json()).matched === matched) return;
            await pause(20);
        }
    };
    await soon(ask(), `${JSON.stringify(message)} is for ${matched}`);
}

for (const name of Object.keys(BALANCERS)) {
    test(`${name}: the four scenarios of /ws`, async (t) => {
        const { addr, nodes } = await cluster(t, name);
        const clients = [];
        for (const [domain, client, groups] of [
            ['d1', 'c1', 'g1'],
            ['d1', 'c2', 'g1,g2'],
            ['d1', 'c3', 'g2'],
            ['d2', 'c5', 'g1'],
        ]) {
            clients.push(await Client.open({ addr }, domain, client, groups));
        }
        const [c1, c2, c3, c5] = clients;
        const connections = await Promise.all(nodes.map((node) => metric(node, 'fanfare_sockets')));
        assert.ok(connections.filter((count) => count > 0).length > 1, `they are spread: ${connections}`);
        for (const node of nodes) {
            for (const targetClientId of ['c1', 'c2', 'c3']) {
                await settled(node, { bizCode: 'd1', mode: 100, targetClientId, content: 'probe' }, 1);
            }
            await settled(node, { bizCode: 'd1', mode: 200, group: 'g1', content: 'probe' }, 2);
            await settled(node, { bizCode: 'd1', mode: 200, group: 'g2', content: 'probe' }, 2);
            await settled(node, { bizCode: 'd1', mode: 300, content: 'probe' }, 3);
        }
        // Heartbeats, which the probes come before.
        for (const client of clients) {
            client.send({ mode: 1, msgId: 'beat' });
            let message;
            do message = await client.message();
            while (message.content === 'probe');
            assert.deepEqual({ ...message, time: 0 }, { msgId: 'beat', mode: 1, code: 0, time: 0 });
        }
        // Unicast.
        const content = { text: 'é', n: [1, null] };
        assert.equal(await c1.deliver({ msgId: 1, mode: 100, targetClientId: 'c3', content }), 1);
        await c3.expect({ msgId: 1, mode: 100, from: 'c1', content });
        // Multicast.
        assert.equal(await c3.deliver({ msgId: 2, mode: 200, group: 'g1,g2', content }), 2);
        for (const client of [c1, c2]) await client.expect({ msgId: 2, mode: 200, from: 'c3', group: 'g1,g2', content });
        // Broadcast.
        assert.equal(await c2.deliver({ msgId: 3, mode: 300, content }), 2);
        for (const client of [c1, c3]) await client.expect({ msgId: 3, mode: 300, from: 'c2', content });
        await quiet(...clients);
        // One of a name.
        const again = await Client.open({ addr }, 'd1', 'c1', '');
        assert.deepEqual(await soon(c1.closed, 'it is replaced'), { code: 4001, reason: 'replaced' });
        for (const client of [again, c2, c3, c5]) await client.close();
    });

    test(`${name}: Socket.IO by polling, by WebSocket and by upgrade`, async (t) => {
        // Heartbeats come soon, so that the test sees some.
        const config = '[socketio]\nping_interval_ms = 300\nping_timeout_ms = 10000\n';
        const { addr, nodes } = await cluster(t, name, config);
        const sockets = [];
        t.after(() => sockets.forEach((socket) => socket.disconnect()));
        const kinds = [['polling'], ['websocket'], ['polling', 'websocket']];
        // More than there are servers of every kind, so that a request that goes anywhere would be noticed.
        for (const [at, transports] of Array.from({ length: 4 }, () => kinds).flat().entries()) {
            const connect = at % 4 === 3 ? old : io;
            const socket = connect(`http://${addr}`, { transports, forceNew: true, reconnection: false });
            sockets.push(socket);
            socket.got = [];
            socket.on('hello', (text) => socket.got.push(text));
            socket.beats = 0;
            socket.on('pong', () => (socket.beats += 1));
            socket.io.on?.('ping', () => (socket.beats += 1));
            socket.ended = new Promise((_, reject) => {
                for (const event of ['disconnect', 'connect_error', 'error']) {
                    socket.on(event, (reason) => reject(new Error(`${at} ${transports}: ${event}: ${reason}`)));
                }
            });
            socket.ended.catch(() => {});
            const registered = new Promise((resolve) => socket.emit('register', { user: `u${at}`, group: 'all' }, resolve));
            assert.deepEqual(await soon(Promise.race([registered, socket.ended]), `${at} registers`), { ok: true });
        }
        const count = sockets.length;
        for (const node of nodes) await settled(node, { to: 'all', event: 'probe' }, count);
        const everybody = (what) => Promise.race([soon(Promise.all(sockets.map(what)), 'everybody'), ...sockets.map((s) => s.ended)]);
        await everybody(async (socket, at) => {
            const wanted = kinds[at % 3].at(-1);
            while (socket.io.engine.transport.name !== wanted) await pause(20);
            while (socket.beats < 3) await pause(20);
        });
        // To a group, binary too, and to one user.
        const send = (socket, message) => new Promise((resolve) => socket.emit('broadcastInfo', message, resolve));
        const message = { roomName: 'all', eventName: 'hello', text: Buffer.from([1, 2, 255]) };
        assert.deepEqual(await soon(send(sockets[0], message), 'a group'), { ok: true, delivered: count - 1 });
        for (const at of [1, 4, 8, 11]) {
            const message = { roomName: `u${at}`, eventName: 'hello', text: `for ${at}` };
            assert.deepEqual(await soon(send(sockets[2], message), 'a user'), { ok: true, delivered: 1 });
        }
        await everybody(async (socket, at) => {
            const expected = [...(at === 0 ? [] : ['bytes']), ...([1, 4, 8, 11].includes(at) ? [`for ${at}`] : [])];
            while (socket.got.length < expected.length) await pause(20);
            const shown = socket.got.map((text) => (typeof text === 'string' ? text : 'bytes'));
            assert.deepEqual(shown, expected, `${at}`);
            for (const bytes of socket.got.filter((text) => typeof text !== 'string')) {
                assert.deepEqual([...new Uint8Array(bytes)], [1, 2, 255]);
            }
        });
    });
}

for (const [name, what, config, edit] of [
    ['nginx.conf', 'X-Forwarded-For', 'trusted = ["127.0.0.1"]'],
    ['haproxy.cfg', 'X-Forwarded-For', 'trusted = ["127.0.0.1"]'],
    [
        'haproxy.cfg',
        'the PROXY protocol',
        'protocol_from = ["127.0.0.1"]',
        (file) => file.replaceAll(/^ *server node\d .*$/gm, '$& send-proxy-v2'),
    ],
]) {
    test(`${name}: who a client is, by ${what}`, async (t) => {
        const { addr, nodes } = await cluster(t, name, `[proxy]\n${config}\n`, edit);
        // It says that it is somebody else; but the balancer sees where it comes from.
        const options = { localAddress: '127.0.0.5', headers: { 'X-Forwarded-For': '192.0.2.66' } };
        const refused = Client.at(`ws://${addr}/ws?bizCode=d`, 'nobody', options);
        assert.equal((await refused.catch((answer) => answer)).status, 400);
        const client = await Client.at(`ws://${addr}/ws?bizCode=d&clientId=c`, 'c', options);
        await client.ask({ msgId: 1, mode: 1 });
        // Which is what the log says from now on: here, when a message breaks the rules.
        client.ws._socket.write(Buffer.from([0x8f, 0x80, 0, 0, 0, 0]));
        assert.equal((await soon(client.closed, 'it is closed')).code, 1002);
        const logs = () => nodes.map((node) => node.log()).join('');
        const address = what === 'X-Forwarded-For' ? '127\\.0\\.0\\.5' : '127\\.0\\.0\\.5:\\d+';
        for (const line of [`${address}: refused with 400`, `${address}: "d" "@c": closed with 1002`]) {
            const found = async () => {
                while (!new RegExp(` ${line}`).test(logs())) await pause(20);
            };
            await soon(found(), `${line} in ${logs()}`);
        }
        assert.doesNotMatch(logs(), /192\.0\.2\.66/);
    });
}

test('ids begin with the number of their server', async (t) => {
    for (const [node, expected] of [
        [1, 'AB'],
        [2, 'AC'],
        [25, 'AZ'],
        [26, 'Aa'],
    ]) {
        const server = await start(t, `[cluster]\nnode = ${node}\n`, 1);
        const answer = await fetch(`http://${server.addr}/socket.io/?EIO=4&transport=polling`);
        assert.match(await answer.text(), new RegExp(`^0\\{"sid":"${expected}`));
    }
});
