// Engine.IO by hand, revisions 3 and 4: a polling session request by request, a WebSocket frame by frame.

import assert from 'node:assert/strict';
import { WebSocket, soon } from './support.mjs';

/** The body of a POST, or of a poll's answer, that has these packets. Lengths of revision 3 are JavaScript's. */
export function payload(revision, ...packets) {
    return revision === 3 ? packets.map((packet) => `${packet.length}:${packet}`).join('') : packets.join('\x1e');
}

/** A handshake without what a session has. */
function url(server, revision, transport, { path = '/engine.io/', scheme = 'http', ...more } = {}) {
    const query = new URLSearchParams({ EIO: revision, transport, ...more });
    return `${scheme}://${server.addr}${path}?${query}`;
}

/** What a request is answered: status, headers, body as text and as bytes. */
export async function ask(address, options = {}) {
    const response = await soon(fetch(address, options), address);
    const bytes = Buffer.from(await soon(response.arrayBuffer(), address));
    return { status: response.status, headers: response.headers, bytes, text: bytes.toString() };
}

/** The parameters that the open packet tells. */
export function opened(revision, packet) {
    assert.equal(packet[0], '0');
    const told = JSON.parse(packet.slice(1));
    assert.deepEqual(Object.keys(told).sort(), ['maxPayload', 'pingInterval', 'pingTimeout', 'sid', 'upgrades']);
    assert.match(told.sid, /^[\w-]{20}$/);
    return told;
}

/** A session over HTTP long-polling. */
export class Polling {
    static async open(server, revision, more = {}) {
        const self = new Polling();
        Object.assign(self, { server, revision, more });
        const { status, text } = await ask(url(server, revision, 'polling', more));
        assert.equal(status, 200, text);
        const [, length, packet] = revision === 3 ? /^(\d+):([^]*)$/.exec(text) : [, text.length, text];
        assert.equal(Number(length), packet.length);
        self.told = opened(revision, packet);
        self.sid = self.told.sid;
        return self;
    }

    address(more = {}) {
        return url(this.server, this.revision, 'polling', { ...this.more, sid: this.sid, ...more });
    }

    get(options = {}) {
        return ask(this.address(), options);
    }

    post(body, headers = { 'content-type': 'text/plain;charset=UTF-8' }) {
        return ask(this.address(), { method: 'POST', body, headers });
    }

    /** Posts packets, which have to be taken. */
    async send(...packets) {
        const { status, text } = await this.post(payload(this.revision, ...packets));
        assert.deepEqual([status, text], [200, 'ok']);
    }

    /** The next poll brings exactly these packets. */
    async expect(...packets) {
        const { status, text } = await this.get();
        assert.deepEqual([status, text], [200, payload(this.revision, ...packets)]);
    }

    /** The session is not there any more. */
    async gone() {
        const { status, text } = await this.get();
        assert.deepEqual([status, JSON.parse(text)], [400, { code: 1, message: 'Session ID unknown' }]);
    }

    /** A WebSocket that wants to take this session over. */
    probe(t) {
        return Socket.connect(t, this.server, this.revision, { ...this.more, sid: this.sid });
    }
}

/** A WebSocket, over which a session runs or is to run. While `beats`, heartbeats are kept, and not told. */
export class Socket {
    /** A session of its own. */
    static async open(t, server, revision, more = {}) {
        const self = Socket.connect(t, server, revision, more);
        self.told = opened(revision, await self.next());
        self.beats = true;
        return self;
    }

    /** One that nothing came over yet. */
    static connect(t, server, revision, more = {}) {
        const self = new Socket();
        Object.assign(self, { revision, beats: false, messages: [], waiting: [] });
        self.ws = new WebSocket(url(server, revision, 'websocket', { scheme: 'ws', ...more }));
        self.opened = new Promise((resolve) => self.ws.on('open', resolve));
        self.closed = new Promise((resolve) => self.ws.on('close', resolve));
        self.refused = new Promise((resolve) =>
            self.ws.on('unexpected-response', (_, { statusCode }) => resolve(statusCode)),
        );
        self.ws.on('error', () => {});
        self.ws.on('message', (data, isBinary) => {
            const message = isBinary ? data : data.toString();
            if (self.beats && revision === 4 && message === '2') return self.ws.send('3');
            if (self.beats && revision === 3 && message === '3') return;
            const waiting = self.waiting.shift();
            if (waiting) waiting(message);
            else self.messages.push(message);
        });
        const beat = setInterval(
            () => self.beats && revision === 3 && self.ws.readyState === 1 && self.ws.send('2'),
            100,
        );
        t.after(() => {
            clearInterval(beat);
            self.ws.terminate();
        });
        return self;
    }

    send(...messages) {
        for (const message of messages) this.ws.send(message);
    }

    next() {
        if (this.messages.length > 0) return Promise.resolve(this.messages.shift());
        const next = new Promise((resolve) => this.waiting.push(resolve));
        const gone = this.closed.then((code) => Promise.reject(new Error(`closed with ${code}`)));
        return soon(Promise.race([next, gone]), 'a message');
    }

    async expect(...messages) {
        for (const message of messages) assert.deepEqual(await this.next(), message);
    }

    /** It is closed; with what. */
    async end() {
        return soon(this.closed, 'it is closed');
    }
}
