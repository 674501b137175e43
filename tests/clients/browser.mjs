// A real browser, headless, told what to do by the DevTools protocol: as much of it as the console's test needs.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import assert from 'node:assert/strict';
import { WebSocket, soon } from './support.mjs';

/** How long something on a page may take, in milliseconds, and how often is looked. */
const PATIENCE = 30_000;
const LOOK = 50;

/** Chromium, started; it is ended when the test context ends. */
export class Browser {
    static async start(t) {
        const profile = await mkdtemp(join(tmpdir(), 'fanfare-browser-'));
        const program = process.env.FANFARE_CHROMIUM ?? 'chromium';
        // Its sandbox needs a user who is not root; it opens pages of this test only.
        const child = spawn(
            program,
            [
                '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
                '--disable-background-networking', '--disable-extensions', '--hide-scrollbars',
                '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank',
            ],
            { stdio: ['ignore', 'ignore', 'pipe'] },
        );
        const exit = once(child, 'exit');
        t.after(async () => {
            child.kill('SIGKILL');
            await exit;
            // Its helpers may still be writing there.
            await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
        });
        let said = '';
        const address = new Promise((resolve, reject) => {
            child.on('error', reject);
            child.stderr.on('data', (data) => {
                said += data;
                const found = /DevTools listening on (ws:\S+)/.exec(said);
                if (found) resolve(found[1]);
            });
        });
        const self = new Browser();
        self.connection = await Connection.open(await soon(address, 'the browser'));
        t.after(() => self.connection.close());
        return self;
    }

    /** A page with a memory of its own, at an address. */
    async page(url, { width = 1280, height = 900, dark = false, phone = false } = {}) {
        const { browserContextId } = await this.connection.send('Target.createBrowserContext');
        const { targetId } = await this.connection.send('Target.createTarget', { url: 'about:blank', browserContextId });
        const { sessionId } = await this.connection.send('Target.attachToTarget', { targetId, flatten: true });
        const page = new Page(this.connection, sessionId);
        this.connection.pages.set(sessionId, page);
        for (const domain of ['Page', 'Runtime', 'Log']) await page.send(`${domain}.enable`);
        await page.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: phone });
        await page.colours(dark);
        await page.send('Page.navigate', { url });
        return page;
    }
}

/** The browser's side of the protocol: commands with numbers, their answers, and events. */
class Connection {
    static async open(url) {
        const self = new Connection();
        self.waiting = new Map();
        self.pages = new Map();
        self.last = 0;
        self.socket = new WebSocket(url, { maxPayload: 1 << 28 });
        self.socket.on('message', (data) => self.#received(JSON.parse(data)));
        await soon(once(self.socket, 'open'), 'the DevTools');
        return self;
    }

    send(method, params = {}, sessionId = undefined) {
        const id = ++this.last;
        const answer = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
        this.socket.send(JSON.stringify({ id, method, params, sessionId }));
        return soon(answer, method);
    }

    close() {
        this.socket.terminate();
    }

    #received({ id, result, error, method, params, sessionId }) {
        if (id === undefined) return this.pages.get(sessionId)?.happened(method, params);
        const { resolve, reject } = this.waiting.get(id);
        this.waiting.delete(id);
        if (error) reject(new Error(error.message));
        else resolve(result);
    }
}

class Page {
    /** What the page did wrong: exceptions, errors of its console, what its policy forbade. */
    faults = [];

    constructor(connection, sessionId) {
        this.send = (method, params) => connection.send(method, params, sessionId);
    }

    happened(method, params) {
        if (method === 'Runtime.exceptionThrown') {
            this.faults.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
        } else if (method === 'Log.entryAdded' && params.entry.level === 'error') {
            this.faults.push(`${params.entry.text} ${params.entry.url ?? ''}`);
        } else if (method === 'Page.javascriptDialogOpening') {
            this.faults.push(`a dialog: ${params.message}`);
            this.send('Page.handleJavaScriptDialog', { accept: true });
        }
    }

    /** The value of an expression on the page. */
    async value(expression) {
        const { result, exceptionDetails } = await this.send('Runtime.evaluate', {
            expression, returnByValue: true, awaitPromise: true,
        });
        assert.equal(exceptionDetails, undefined, `${expression}: ${exceptionDetails?.exception?.description}`);
        return result.value;
    }

    /** Waits until an expression is true; what it names may still have to come. */
    async until(expression) {
        const start = Date.now();
        while (!(await this.value(`(() => { try { return Boolean(${expression}) } catch { return false } })()`))) {
            if (Date.now() - start > PATIENCE) {
                const text = await this.value('document.body.innerText');
                if (process.env.FANFARE_PICTURE) await this.picture(process.env.FANFARE_PICTURE);
                assert.fail(`never: ${expression}\n${this.faults.join('\n')}\n${text}`);
            }
            await new Promise((resolve) => setTimeout(resolve, LOOK));
        }
    }

    text(selector) {
        return this.value(`document.querySelector(${JSON.stringify(selector)}).innerText`);
    }

    /** Waits until an element has a text in it. */
    has(selector, text) {
        return this.until(
            `document.querySelector(${JSON.stringify(selector)})?.innerText.includes(${JSON.stringify(text)})`,
        );
    }

    /** Clicks where the element is, as a person would. */
    async click(selector) {
        const { x, y } = await this.value(`(() => {
            const found = document.querySelector(${JSON.stringify(selector)});
            found.scrollIntoView({ block: 'center' });
            const box = found.getBoundingClientRect();
            return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
        })()`);
        const at = { x, y, button: 'left', clickCount: 1 };
        await this.send('Input.dispatchMouseEvent', { type: 'mousePressed', ...at });
        await this.send('Input.dispatchMouseEvent', { type: 'mouseReleased', ...at });
    }

    /** Presses a key that writes nothing. */
    async press(key, code = key) {
        const numbers = { Enter: 13, Tab: 9, ArrowRight: 39, ArrowLeft: 37, Escape: 27 };
        const params = { key, code, windowsVirtualKeyCode: numbers[key] };
        const text = key === 'Enter' ? { text: '\r' } : {};
        await this.send('Input.dispatchKeyEvent', { type: 'keyDown', ...params, ...text });
        await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...params });
    }

    /** Types a text into a field, in the place of what is there. */
    async type(selector, text) {
        await this.value(`(() => {
            const field = document.querySelector(${JSON.stringify(selector)});
            field.focus();
            field.select();
        })()`);
        if (text === '') await this.send('Input.dispatchKeyEvent', { type: 'keyDown', key: 'Delete', windowsVirtualKeyCode: 46 });
        else await this.send('Input.insertText', { text });
    }

    /** Chooses an option of a select. */
    choose(selector, value) {
        return this.value(`(() => {
            const field = document.querySelector(${JSON.stringify(selector)});
            field.value = ${JSON.stringify(value)};
            field.dispatchEvent(new Event('change', { bubbles: true }));
        })()`);
    }

    colours(dark) {
        const features = [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }];
        return this.send('Emulation.setEmulatedMedia', { features });
    }

    /** Keeps a picture of the whole page. */
    async picture(file) {
        const { cssContentSize } = await this.send('Page.getLayoutMetrics');
        const { data } = await this.send('Page.captureScreenshot', {
            format: 'png', captureBeyondViewport: true, clip: { ...cssContentSize, scale: 1 },
        });
        await mkdir(dirname(file), { recursive: true });
        await writeFile(file, Buffer.from(data, 'base64'));
    }
}
