// Socket.IO clients of every generation, from npm, behind one face: what arrives is read event by event.

import assert from 'node:assert/strict';
import { installed, soon } from './support.mjs';

/** The clients that are tested: package aliases of package.json. */
export const VERSIONS = ['sio174', 'sio210', 'sio250', 'sio313', 'sio48'];

/** How a client may come; `upgrade` begins with polling and goes on over WebSocket. */
export const TRANSPORTS = ['websocket', 'polling', 'upgrade'];

/** Clients up to 2.x speak Engine.IO 3 and Socket.IO 4, the later ones Engine.IO 4 and Socket.IO 5. */
export const isOld = (version) => ['sio174', 'sio210', 'sio250'].includes(version);

let names = 0;

/** A name that no other test uses. */
export const unique = (what) => `${what}-${process.pid}-${++names}`;

/** Whatever a client uses for bytes, as a Buffer, at every depth. */
function normal(value) {
    if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return Buffer.from(value);
    if (Array.isArray(value)) return value.map(normal);
    if (value === null || typeof value !== 'object') return value;
    // Not by assignment: a key may be __proto__.
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, normal(inner)]));
}

/** A client's socket in a namespace, not yet connected. */
export function connect(server, version, transport, { namespace = '/', reconnection = false, ...more } = {}) {
    const transports = transport === 'upgrade' ? ['polling', 'websocket'] : [transport];
    return installed(version)(`http://${server.addr}${namespace}`, {
        transports,
        forceNew: true,
        reconnection,
        ...more,
    });
}

export class Peer {
    /** Connects; one that upgrades has done so, unless `early`. It is disconnected when the test context ends. */
    static async open(t, server, version, transport, { early = false, ...options } = {}) {
        const socket = connect(server, version, transport, options);
        const self = new Peer(socket, unique(`${version} ${transport}`));
        t.after(() => socket.disconnect());
        const connected = new Promise((resolve, reject) => {
            socket.once('connect', resolve);
            for (const event of ['connect_error', 'error']) socket.once(event, reject);
        });
        await soon(connected, `${self.name} connects`);
        if (transport === 'upgrade' && !early) await self.upgraded();
        else if (transport !== 'upgrade') assert.equal(self.transport(), transport);
        return self;
    }

    constructor(socket, name) {
        this.socket = socket;
        this.name = name;
        this.events = [];
        this.waiting = [];
        // There is no catch-all before 3.0; each client has this method, through which every event goes.
        const { onevent } = socket;
        socket.onevent = (packet) => {
            const event = normal(packet.data);
            const waiting = this.waiting.shift();
            if (waiting) waiting(event);
            else this.events.push(event);
            onevent.call(socket, packet);
        };
        this.closed = new Promise((resolve) => socket.once('disconnect', (reason) => resolve(reason)));
    }

    transport() {
        return this.socket.io.engine.transport.name;
    }

    async upgraded() {
        const { engine } = this.socket.io;
        if (this.transport() !== 'websocket') {
            await soon(new Promise((resolve) => engine.once('upgrade', resolve)), `${this.name} upgrades`);
        }
        assert.equal(this.transport(), 'websocket');
    }

    /** Emits with an acknowledgement; what it says. */
    ask(event, payload) {
        const answer = new Promise((resolve) => this.socket.emit(event, payload, (...args) => resolve(args)));
        return soon(answer, `${this.name}: ${event} is acknowledged`).then((args) => {
            assert.equal(args.length, 1, 'an acknowledgement has one argument');
            return args[0];
        });
    }

    /** Emits without an acknowledgement. */
    tell(event, payload) {
        this.socket.emit(event, payload);
    }

    /** `register`s, which has to do. */
    async register(payload) {
        assert.deepEqual(await this.ask('register', payload), { ok: true }, `${this.name} registers`);
    }

    async unregister(payload) {
        assert.deepEqual(await this.ask('unRegister', payload), { ok: true }, `${this.name} unregisters`);
    }

    /** `broadcastInfo`; to how many it went. They have been sent it when this returns. */
    async broadcast(roomName, eventName, text) {
        const answer = await this.ask('broadcastInfo', { roomName, eventName, text });
        assert.deepEqual(answer, { ok: true, delivered: answer.delivered }, `${this.name} broadcasts`);
        return answer.delivered;
    }

    /** The next event: its name and its arguments. */
    next() {
        if (this.events.length > 0) return Promise.resolve(this.events.shift());
        const next = new Promise((resolve) => this.waiting.push(resolve));
        const gone = this.closed.then((reason) => Promise.reject(new Error(`${this.name}: closed, ${reason}`)));
        return soon(Promise.race([next, gone]), `${this.name} gets an event`);
    }

    async expect(...event) {
        assert.deepEqual(await this.next(), event, `${this.name} gets`);
    }

    /** Leaves, as a page does that is closed. */
    close() {
        this.socket.disconnect();
    }
}

/** None of them has anything to read: the answer to a question comes next. */
export async function quiet(...peers) {
    const nobody = unique('nobody');
    await Promise.all(
        peers.map(async (peer) => {
            assert.equal(await peer.broadcast(nobody, 'quiet', null), 0);
            assert.deepEqual(peer.events, [], `${peer.name} is quiet`);
        }),
    );
}

/**
 * Until somebody's broadcast to a room goes to so many: whoever leaves is noticed some time later. What the others in the
 * room get of this is taken from them.
 */
export async function until(peer, room, count, ...others) {
    for (let tries = 0; (await peer.broadcast(room, 'until', null)) !== count; tries++) {
        assert.ok(tries < 2_000, `${room} never has ${count}`);
    }
    await Promise.all(
        others.map(async (other) => {
            await other.broadcast(unique('nobody'), 'quiet', null);
            other.events = other.events.filter(([name]) => name !== 'until');
        }),
    );
}
