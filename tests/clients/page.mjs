// A page as a browser has it, as far as the pages of examples/ need one: its elements, and its scripts, among them the
// browser client that the server serves, which are run as they came.

import assert from 'node:assert/strict';
import { createContext, runInContext } from 'node:vm';
import { WebSocket, soon } from './support.mjs';

/** An element; whoever waits for something looks again when it changes. */
class Element {
    #text = '';

    constructor(changed, { id, value = '', hidden = false } = {}) {
        Object.assign(this, { changed, id, value, hidden, children: [] });
    }

    get textContent() {
        return this.#text;
    }

    set textContent(text) {
        this.#text = text;
        this.changed();
    }

    append(child) {
        this.children.push(child);
        this.changed();
    }

    scrollIntoView() {}
}

/** What the server has at a path; it has to be of this type. */
async function get(server, path, type) {
    const answer = await soon(fetch(`http://${server.addr}${path}`), path);
    assert.equal(answer.status, 200, path);
    assert.match(answer.headers.get('content-type'), type, path);
    return answer.text();
}

export class Page {
    /** Opens the page at `/` and runs its scripts. It is closed when the test context ends. */
    static async open(t, server) {
        const page = new Page();
        const html = await get(server, '/', /^text\/html\b/);
        for (const [, attributes] of html.matchAll(/<\w+((?:\s[^<>]*)?\sid="[^<>]*)>/g)) {
            const [, id] = /\sid="([^"]*)"/.exec(attributes);
            const value = /\svalue="([^"]*)"/.exec(attributes)?.[1];
            page.elements[id] = new Element(page.changed, { id, value, hidden: /\shidden\b/.test(attributes) });
        }
        t.after(() => page.close());
        const context = createContext(page.globals(server));
        const scripts = [...html.matchAll(/<script(?: src="([^"]*)")?>(.*?)<\/script>/gs)];
        assert.ok(scripts.length > 0, 'it has scripts');
        for (const [, path, text] of scripts) {
            runInContext(path ? await get(server, path, /javascript/) : text, context, { filename: path ?? 'page.html' });
            if (path) page.watch(context);
        }
        return page;
    }

    elements = {};
    sockets = [];
    waiting = [];

    changed = () => {
        const waiting = this.waiting;
        this.waiting = [];
        for (const look of waiting) look();
    };

    globals(server) {
        const [hostname, port] = server.addr.split(':');
        const document = {
            getElementById: (id) => this.elements[id] ?? null,
            createElement: () => new Element(this.changed),
        };
        const globals = { document, location: { protocol: 'http:', host: server.addr, hostname, port } };
        Object.assign(globals, { WebSocket, URL, TextEncoder, TextDecoder, console });
        Object.assign(globals, { setTimeout, clearTimeout, setInterval, clearInterval });
        return Object.assign(globals, { self: globals, window: globals });
    }

    /** Keeps the sockets that the page opens: over WebSocket, because there is no XMLHttpRequest here. */
    watch(context) {
        const { io } = context;
        context.io = (options) => {
            const socket = io({ ...options, transports: ['websocket'] });
            this.sockets.push(socket);
            return socket;
        };
    }

    close() {
        this.sockets.forEach((socket) => socket.disconnect());
    }

    element(id) {
        assert.ok(this.elements[id], `the page has no ${id}`);
        return this.elements[id];
    }

    /** Types into a field. */
    fill(id, text) {
        this.element(id).value = text;
        this.element(id).oninput?.();
    }

    /** Sends a form off. */
    submit(id) {
        let isPrevented = false;
        this.element(id).onsubmit({ preventDefault: () => (isPrevented = true) });
        assert.ok(isPrevented, 'the browser would leave the page');
    }

    /** The lines of a list. */
    lines(id) {
        return this.element(id).children.map((child) => child.textContent);
    }

    /** Waits until an element shows this, or a list has this line. */
    async shows(id, text) {
        const isThere = () => this.element(id).textContent === text || this.lines(id).includes(text);
        const shown = async () => {
            while (!isThere()) await new Promise((resolve) => this.waiting.push(resolve));
        };
        const seen = () => `${id} shows ${text}, but ${[this.element(id).textContent, ...this.lines(id)].join(' | ')}`;
        await soon(shown(), text).catch((error) => assert.fail(`${error.message}: ${seen()}`));
    }
}
