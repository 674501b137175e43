// One Redis and the servers that are one by it: in JavaScript inside the test's process, and fanfare's beside it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Guest } from '../checklist/rows.mjs';
import { Peer, unique } from '../socketio.mjs';
import { installed, run, start } from '../support.mjs';

const { createClient } = installed('redis');
const { createAdapter, createShardedAdapter } = installed('@socket.io/redis-adapter');
const { Server } = installed('sios48');

export const WIRES = ['classic', 'sharded'];
const KEY = 'k3y';

/** Until it is so. */
export async function until(what, check) {
    for (let tries = 0; !(await check()); tries++) {
        assert.ok(tries < 3_000, `never: ${what}`);
        await sleep(10);
    }
}

/** A redis-server of the test's own, at a socket in a folder of its own. */
export async function startRedis(t) {
    const folder = await mkdtemp(join(tmpdir(), 'fanfare-cluster-'));
    const path = join(folder, 'redis.sock');
    const args = ['--port', '0', '--unixsocket', path, '--dir', folder, '--save', '', '--appendonly', 'no'];
    const child = spawn('redis-server', args, { stdio: 'ignore' });
    const exit = once(child, 'exit');
    const redis = new Redis(path);
    t.after(async () => {
        // Who was told last goes first: an adapter that cannot say that it goes fails.
        for (const end of redis.users.reverse()) await end();
        child.kill('SIGKILL');
        await exit;
        await rm(folder, { recursive: true });
    });
    const accepts = () =>
        new Promise((resolve) => {
            const socket = connect(path, () => resolve(true) || socket.destroy());
            socket.on('error', () => resolve(false));
        });
    await until('Redis accepts', accepts);
    redis.client = await redis.connect();
    return redis;
}

class Redis {
    /** How those end who use it. */
    users = [];

    constructor(path) {
        Object.assign(this, { path, url: `redis+unix://${path}` });
    }

    async connect() {
        const client = createClient({ socket: { path: this.path, reconnectStrategy: false } });
        await client.connect();
        this.users.push(() => client.close());
        return client;
    }

    /** Until so many servers are subscribed to a channel. */
    async heard(channel, servers, kind = 'NUMSUB') {
        const count = async () => Number((await this.client.sendCommand(['PUBSUB', kind, channel]))[1]);
        await until(`${servers} hear ${channel}`, async () => (await count()) === servers);
    }
}

/** Where a server in JavaScript listens, until the test context ends. */
export async function listen(redis, io) {
    const http = createServer();
    io.attach(http);
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    redis.users.push(() => io.close());
    return `127.0.0.1:${http.address().port}`;
}

/** Three servers: `node` is in JavaScript, `library` the server of the checklist, `program` is fanfare itself. */
export class Cluster {
    static async start(t, wire) {
        const cluster = await Cluster.startFanfare(t, wire);
        await cluster.startNode();
        await cluster.servers('/', 3);
        for (const namespace of ['/servers', '/packed']) await cluster.servers(namespace, 2);
        return cluster;
    }

    /** Without the one in JavaScript. */
    static async startFanfare(t, wire) {
        const cluster = new Cluster(t, await startRedis(t), wire === 'sharded');
        // One by one: what fails leaves nothing behind that is still about to start.
        await cluster.startLibrary();
        await cluster.startProgram();
        await cluster.servers('/', 2);
        return cluster;
    }

    constructor(t, redis, isSharded) {
        Object.assign(this, { t, redis, isSharded });
    }

    async startNode() {
        const [pub, sub] = await Promise.all([this.redis.connect(), this.redis.connect()]);
        const create = this.isSharded ? createShardedAdapter : createAdapter;
        this.io = new Server({ adapter: create(pub, sub) });
        this.io.on('connection', (socket) => {
            socket.on('join', (rooms, ack) => ack({ ok: socket.join(rooms) ?? null }));
            socket.on('to_others', (event, ...args) => socket.broadcast.emit(event, ...args));
        });
        for (const namespace of ['/servers', '/packed']) this.io.of(namespace);
        this.node = { addr: await listen(this.redis, this.io) };
    }

    async startLibrary() {
        const flags = ['--listen', '127.0.0.1:0', '--redis', this.redis.url];
        if (this.isSharded) flags.push('--sharded');
        this.library = await run(this.t, join(process.env.FANFARE_EXAMPLES, 'checklist'), flags);
    }

    async startProgram() {
        const config = `redis = "${this.redis.url}"\n[cluster]\nsharded = ${this.isSharded}\n[api]\nkey = "${KEY}"\n`;
        this.program = await start(this.t, config);
    }

    /** Until a namespace has so many servers. */
    servers(namespace, count) {
        return this.isSharded
            ? this.redis.heard(`socket.io#${namespace}#`, count, 'SHARDNUMSUB')
            : this.redis.heard(`socket.io-request#${namespace}#`, count);
    }

    /** Until so many servers have a member of a room and are told of it. */
    async heard(room, servers) {
        if (this.isSharded) await this.redis.heard(`socket.io#/#${room}#`, servers, 'SHARDNUMSUB');
    }

    /** A client of one of the servers. */
    async open(t, where, namespace = '/', options = {}) {
        const guest = await Guest.open(t, this[where], 'sio48', 'websocket', { namespace, ...options });
        return Object.assign(guest, { where });
    }

    /** One client of each of these servers, or of all. */
    all(t, ...wheres) {
        const all = wheres.length > 0 ? wheres : ['node', 'library', 'program'];
        return Promise.all(all.map((where) => this.open(t, where)));
    }

    /** They join a room, which gets a name of its own, and hear what is for it. */
    async room(what, ...guests) {
        const room = unique(what);
        await Promise.all(guests.map((guest) => enter(guest, room)));
        await this.heard(room, new Set(guests.map(({ where }) => where)).size);
        return room;
    }

    /** What the program's HTTP API answers. */
    async api(path, body) {
        const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
        const url = `http://${this.program.addr}/api/v1/${path}`;
        const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
        const value = await answer.json();
        assert.equal(answer.status, 200, JSON.stringify(value));
        return value;
    }

    /** What the handlers of the library's server noted about something, once there is so much of it. */
    async journal(id, count) {
        let found = [];
        await until(`${count} in the journal about ${id}`, async () => {
            const all = await (await fetch(`http://${this.library.addr}/journal`)).json();
            found = all.filter((entry) => entry.id === id).map(({ id: _, ...entry }) => entry);
            return found.length >= count;
        });
        return found;
    }
}

async function enter(guest, room) {
    if (guest.where === 'program') await guest.register({ group: room });
    else await guest.call('join', [room]);
}

/** What each of them gets next. */
export const all = (guests, ...event) => Promise.all(guests.map((guest) => guest.expect(...event)));

/**
 * They have got all that was said before: what the same sender says to everybody comes next. Nothing else does.
 */
export async function mark(say, ...guests) {
    const event = unique('mark');
    await say(event);
    await all(guests, event);
}
