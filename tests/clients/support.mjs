// A server as a child process, and a client that reads message by message.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import assert from 'node:assert/strict';

/** What tools/setup.sh installed. */
export const installed = createRequire(join(process.env.FANFARE_ROOT, '.deps/node/'));
export const WebSocket = installed('ws');

/** How long anything may take before it counts as never, in milliseconds. */
const PATIENCE = 30_000;

/** Rejects if a promise takes too long, and says what was waited for. */
export function soon(promise, what) {
    let timer;
    const never = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`never: ${what}`)), PATIENCE);
    });
    return Promise.race([promise, never]).finally(() => clearTimeout(timer));
}

/** Starts a server with this configuration, on a free port or at an address, and stops it when the test context ends. */
export async function start(t, config = '', reactors = 3, listen = '127.0.0.1:0') {
    const folder = await mkdtemp(join(tmpdir(), 'fanfare-clients-'));
    const file = join(folder, 'fanfare.toml');
    await writeFile(file, config);
    const args = ['-c', file, '--listen', listen, '--reactors', String(reactors)];
    const server = await run(t, process.env.FANFARE_PROGRAM, args);
    t.after(() => rm(folder, { recursive: true }));
    return server;
}

/** Starts one of the examples that conformance suites drive, which lie beside the program, on a free port. */
export async function startExample(t, name) {
    const folder = join(dirname(process.env.FANFARE_PROGRAM), 'examples');
    return run(t, join(folder, name), ['--listen', '127.0.0.1:0']);
}

/** Starts a server that says where it is, and stops it when the test context ends. */
export async function run(t, program, args) {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let [said, log] = ['', ''];
    child.stderr.on('data', (data) => (log += data));
    const exit = once(child, 'exit');
    const line = new Promise((resolve) => {
        child.stdout.on('data', (data) => {
            said += data;
            if (said.includes('\n')) resolve();
        });
    });
    await soon(Promise.race([line, exit]), 'the ready line');
    const addr = /https?:\/\/(\S+)/.exec(said)?.[1];
    assert.ok(addr, `no ready line: ${said}${log}`);
    t.after(async () => {
        child.kill('SIGKILL');
        await exit;
    });
    return { addr, child, exit, said: () => said, log: () => log };
}

/** The query of a client: 'd1', 'c1' and the groups. */
export function query(bizCode, clientId, group, more = {}) {
    return new URLSearchParams({ bizCode, clientId, ...(group && { group }), ...more }).toString();
}

export class Client {
    /** Connects; rejects with `{status, headers, body}` if it is refused. */
    static async open(server, domain, client, group, more, options) {
        const url = `ws://${server.addr}/ws?${query(domain, client, group, more)}`;
        return Client.at(url, client, options);
    }

    static async at(url, name, options) {
        const self = new Client();
        self.name = name;
        self.texts = [];
        self.waiting = [];
        self.ws = new WebSocket(url, { maxPayload: 1 << 26, ...options });
        self.ws.on('message', (data, isBinary) => {
            assert.ok(!isBinary, 'the gateway sends text');
            const text = data.toString();
            const waiting = self.waiting.shift();
            if (waiting) waiting(text);
            else self.texts.push(text);
        });
        self.ws.on('error', () => {});
        self.closed = new Promise((resolve) => {
            self.ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
        });
        const opened = new Promise((resolve, reject) => {
            self.ws.on('open', resolve);
            self.ws.on('unexpected-response', async (request, response) => {
                let body = '';
                for await (const data of response) body += data;
                reject({ status: response.statusCode, headers: response.headers, body: JSON.parse(body) });
            });
        });
        await soon(opened, `${name} opens`);
        return self;
    }

    /** Sends an object as JSON, or text as it is. */
    send(message) {
        this.ws.send(typeof message === 'string' ? message : JSON.stringify(message));
    }

    /** The next message, as text. */
    text() {
        if (this.texts.length > 0) return Promise.resolve(this.texts.shift());
        const next = new Promise((resolve) => this.waiting.push(resolve));
        const gone = this.closed.then(({ code }) => Promise.reject(new Error(`${this.name}: closed, ${code}`)));
        return soon(Promise.race([next, gone]), `${this.name} gets a message`);
    }

    /** The next message, as an object. */
    async message() {
        return JSON.parse(await this.text());
    }

    async expect(message) {
        assert.deepEqual(await this.message(), message, `${this.name} gets`);
    }

    /** Sends, and gets this next. */
    async ask(message) {
        this.send(message);
        return this.message();
    }

    /**
     * Sends a message of mode 100 to 300 and waits for its receipt, after which whoever was to get it has been sent
     * it; returns how many that are.
     */
    async deliver(message) {
        const answer = await this.ask({ ...message, receipt: true });
        const { msgId = null, mode } = message;
        assert.deepEqual(answer, { msgId, mode, code: 0, delivered: answer.delivered });
        return answer.delivered;
    }

    async close() {
        this.ws.close(1000);
        assert.equal((await soon(this.closed, `${this.name} closes`)).code, 1000);
    }
}

let beats = 0;

/** None of them has anything to read: what a heartbeat is answered with comes next. */
export async function quiet(...clients) {
    await Promise.all(
        clients.map(async (client) => {
            const msgId = `quiet ${++beats}`;
            const { time, ...rest } = await client.ask({ mode: 1, msgId });
            assert.deepEqual(rest, { msgId, mode: 1, code: 0 }, `${client.name} is quiet`);
            assert.ok(Number.isInteger(time));
        }),
    );
}

/** How a connection is refused. */
export async function refusal(promise) {
    const refused = await promise.then(
        () => assert.fail('it is not refused'),
        (reason) => reason,
    );
    if (refused instanceof Error) throw refused;
    assert.deepEqual(Object.keys(refused.body), ['code', 'message']);
    assert.match(refused.headers['content-type'], /^application\/json/);
    return refused;
}
