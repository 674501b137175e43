// Tests of the rows of src/guide/server_api.md: each is named after its row, and tests/checklist.rs reads the names.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Peer, connect } from '../socketio.mjs';
import { run, soon } from '../support.mjs';

const PROGRAM = join(process.env.FANFARE_EXAMPLES, 'checklist');
const CLIENTS = { 4.8: 'sio48', 2.1: 'sio210' };

/** Where the browser clients were installed, which the server serves. */
export const BROWSER_CLIENTS = join(process.env.FANFARE_ROOT, '.deps/client');

/** What a test is given: a server of its own, and clients of one generation on one transport. */
class Stage {
    constructor(t, server, generation, transport) {
        Object.assign(this, { t, server, transport, isOld: generation === '2.1', version: CLIENTS[generation] });
    }

    url(path, scheme = 'http') {
        return `${scheme}://${this.server.addr}${path}`;
    }

    /** A client that has connected to a namespace. */
    open(namespace = '/', options = {}) {
        return Guest.open(this.t, this.server, this.version, options.transport ?? this.transport, {
            namespace,
            ...options,
        });
    }

    /** So many of them. */
    all(count, namespace, options) {
        return Promise.all(Array.from({ length: count }, () => this.open(namespace, options)));
    }

    /** The socket of another namespace over the same connection. */
    async beside(guest, namespace) {
        const socket = guest.socket.io.socket(namespace);
        this.t.after(() => socket.disconnect());
        await soon(new Promise((resolve) => socket.once('connect', resolve)), `${guest.name} joins ${namespace}`);
        return socket;
    }

    /** A client that is refused by a namespace, or by the server: with what. */
    async refused(namespace = '/', options = {}) {
        const socket = connect(this.server, this.version, this.transport, { namespace, ...options });
        this.t.after(() => socket.disconnect());
        const refused = new Promise((resolve, reject) => {
            socket.on('connect', () => reject(new Error('it is let in')));
            for (const event of ['connect_error', 'error']) socket.on(event, resolve);
        });
        const error = await soon(refused, `${namespace} refuses`);
        return { socket, error };
    }

    /** What handlers noted about a socket, until there is as much of it as expected. */
    async journal(id, count) {
        for (let tries = 0; ; tries++) {
            const all = await (await fetch(this.url('/journal'))).json();
            const entries = all.filter((entry) => entry.id === id);
            if (entries.length >= count) {
                return entries.map(({ id: _, ...entry }) => entry);
            }
            assert.ok(tries < 1_000, `there is more in the journal than ${JSON.stringify(entries)}`);
            await sleep(10);
        }
    }

    async stats() {
        return (await fetch(this.url('/stats'))).json();
    }
}

export class Guest extends Peer {
    static async open(...args) {
        const guest = await Peer.open(...args);
        return Object.setPrototypeOf(guest, Guest.prototype);
    }

    get id() {
        return this.socket.id;
    }

    /** All arguments of the acknowledgement of an event. */
    acknowledged(event, ...args) {
        const answer = new Promise((resolve) => this.socket.emit(event, ...args, (...all) => resolve(all)));
        return soon(answer, `${this.name}: ${event} is acknowledged`);
    }

    /** Has the server do something; what came of it. */
    async call(event, ...args) {
        const [answer, ...more] = await this.acknowledged(event, ...args);
        assert.deepEqual(more, []);
        if ('error' in answer) throw new Error(answer.error);
        return answer.ok;
    }

    many(whom, what) {
        return this.call('many', whom, what);
    }

    one(how, event, ...args) {
        return this.call('one', how, event, args);
    }

    join(...rooms) {
        return this.call('join', rooms);
    }

    /** The reason, and what else the client is told, when it is disconnected. */
    ends() {
        return soon(this.closed, `${this.name} ends`);
    }
}

/** None of them has anything to read: the answer to a question comes next. */
export async function quiet(...guests) {
    await Promise.all(
        guests.map(async (guest) => {
            await guest.call('is_in', 'nowhere');
            assert.deepEqual(guest.events, [], `${guest.name} is quiet`);
        }),
    );
}

function register(generations, title, body, { transports = ['websocket', 'polling'], flags = [] } = {}) {
    const kinds = generations.flatMap((generation) => transports.map((transport) => [generation, transport]));
    test(title, { concurrency: true }, (t) =>
        Promise.all(
            kinds.map(([generation, transport]) =>
                t.test(`${title} [${generation}] over ${transport}`, async (t) => {
                    const server = await run(t, PROGRAM, ['--listen', '127.0.0.1:0', ...flags]);
                    await body(new Stage(t, server, generation, transport));
                }),
            ),
        ),
    );
}

/** A test with clients of 4.8 and of 2.1. */
export const both = (title, body, options) => register(['4.8', '2.1'], title, body, options);

/** One of what clients of 2.1 do not have. */
export const latest = (title, body, options) => register(['4.8'], title, body, options);

/** One of what clients of 4.8 do not have any more. */
export const earlier = (title, body, options) => register(['2.1'], title, body, options);
