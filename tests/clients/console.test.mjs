// The console in a real browser: its numbers, its try-it panels with both protocols, its key, and names that would like to
// be markup. Pictures of it are kept in target/screenshots, to be looked at.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Browser } from './browser.mjs';
import { Client, start } from './support.mjs';

const pictures = join(process.env.CARGO_TARGET_DIR ?? join(process.env.FANFARE_ROOT, 'target'), 'screenshots');

/** Would show itself wherever it became markup. */
const HOSTILE = `<img src=x onerror="alert('markup')"><script>alert('script')</script>`;

/** The same, as it stands in JSON. */
const AS_JSON = JSON.stringify(HOSTILE).slice(1, -1);

/** A client that takes nothing off its connection any more. */
async function stopsReading(server, domain, name) {
    const client = await Client.open(server, domain, name);
    client.ws._socket.pause();
    return client;
}

/** Publishes until so many connections are slow. */
async function flood(server, bizCode, wanted) {
    const api = `http://${server.addr}/api/v1`;
    const body = JSON.stringify({ bizCode, mode: 300, content: 'x'.repeat(400_000) });
    for (let times = 0; times < 200; times += 1) {
        const answer = await fetch(`${api}/publish`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
        assert.equal(answer.status, 200);
        if ((await (await fetch(`${api}/slow`)).json()).items.length >= wanted) return;
    }
    assert.fail('nobody is slow');
}

/** No element of the page came from a name. */
async function isClean(page) {
    assert.equal(await page.value(`document.querySelectorAll('main img, main script').length`), 0);
    assert.deepEqual(page.faults, []);
}

test('the console shows what happens, in both colours and on a phone', async (t) => {
    const server = await start(t, '[limits]\noutbox_bytes = 100_000_000\nidle_s = 0\n', 3);
    const browser = await Browser.start(t);
    const page = await browser.page(`http://${server.addr}/`);
    await page.has('#state', 'ready');
    await page.has('#slow-empty', 'Everybody keeps up');
    await page.until(`document.querySelector('#connections-value').innerText === '0'`);

    const clients = [];
    for (let n = 0; n < 24; n += 1) clients.push(await Client.open(server, 'shop', `c${n}`, `g${n % 3}`));
    await page.until(`document.querySelector('#connections-value').innerText === '24'`);
    await page.has('#connections-detail', '24 WebSocket, 0 polling');
    const perReactor = `[...document.querySelectorAll('#reactors tr td:nth-child(2)')].map((cell) => Number(cell.innerText))`;
    const numbers = await page.value(perReactor);
    assert.equal(numbers.length, 3);
    assert.equal(numbers.reduce((all, n) => all + n, 0), 24);

    // Rates move while there is traffic, and the turn times are told.
    let isOver = false;
    t.after(() => (isOver = true));
    const traffic = (async () => {
        while (!isOver) {
            const sender = clients[Math.floor(Math.random() * clients.length)];
            sender.send({ mode: 300, content: { price: Math.random() } });
            await new Promise((resolve) => setTimeout(resolve, 5 + 20 * Math.random()));
        }
    })();
    await page.until(`parseFloat(document.querySelector('#deliveries-value').innerText) > 0`);
    await page.until(`parseFloat(document.querySelector('#messages-value').innerText) > 0`);
    await page.has('#turns', 'within');
    await page.has('#memory', 'MiB');
    await page.has('#cluster-note', 'alone');
    await clients.pop().close();
    await page.has('#reasons', 'client');

    // Slow readers, one of which has a name that would like to be markup.
    const slow = [await stopsReading(server, 'slow', HOSTILE), await stopsReading(server, 'slow', 'mobile-17')];
    await flood(server, 'slow', 2);
    await page.has('#slow', `${HOSTILE} in slow`);
    await page.has('#slow', 'mobile-17 in slow');
    await page.has('#slow', '127.0.0.1:');
    await page.has('#slow', '±');
    assert.match(await page.text('#queued-value'), /[KM]iB$/);

    // Long enough for the charts to have a shape.
    await new Promise((resolve) => setTimeout(resolve, Number(process.env.FANFARE_CONSOLE_MS ?? 4_000)));
    for (const dark of [false, true]) {
        await page.colours(dark);
        await page.send('Emulation.setDeviceMetricsOverride', { width: 1280, height: 900, deviceScaleFactor: 1, mobile: false });
        await page.picture(join(pictures, `console${dark ? '-dark' : ''}.png`));
        await page.send('Emulation.setDeviceMetricsOverride', { width: 390, height: 844, deviceScaleFactor: 1, mobile: true });
        assert.equal(await page.value('document.documentElement.scrollWidth'), 390, 'a phone has nothing to scroll sideways');
        await page.picture(join(pictures, `console-phone${dark ? '-dark' : ''}.png`));
    }
    isOver = true;
    await traffic;
    await isClean(page);
    slow.forEach((client) => client.ws.terminate());
    await page.has('#slow-empty', 'Everybody keeps up');

    // It says when the server is gone, and keeps the numbers.
    server.child.kill('SIGKILL');
    await page.has('#state', 'unreachable');
    await page.has('#banner', 'does not answer');
});

test('both protocols are tried side by side', async (t) => {
    const server = await start(t);
    const browser = await Browser.start(t);
    const page = await browser.page(`http://${server.addr}/`, { height: 1100 });
    await page.has('#state', 'ready');
    // By the keyboard.
    await page.value(`document.querySelector('#tab-live').focus()`);
    await page.press('ArrowRight');
    await page.until(`!document.querySelector('#try').hidden && document.activeElement.id === 'tab-try'`);

    // /ws: to a client, with a receipt.
    for (const letter of ['a', 'b']) {
        await page.click(`#${letter}-connect`);
        await page.has(`#${letter}-state`, 'connected');
        await page.until(`!document.querySelector('#${letter}-send').disabled`);
    }
    await page.click('#a-send');
    await page.has('#b-flow li.in', '"text": "hello"');
    await page.has('#b-flow li.in', '"from": "alice"');
    await page.has('#a-flow li.in', '"delivered": 1');
    // Whoever is told that something is wrong sees it.
    await page.choose('#a-mode', '2');
    await page.type('#a-to-group', 'g1,,g2');
    await page.click('#a-send');
    await page.has('#a-flow li.error', '"code": 400');
    // Join, then to the group, with hostile names and content.
    await page.type('#a-to-group', HOSTILE);
    await page.click('#a-send');
    await page.has('#a-flow li.out', AS_JSON);
    await page.choose('#b-mode', '200');
    await page.type('#b-to-group', HOSTILE);
    await page.type('#b-content', HOSTILE);
    await page.click('#b-send');
    await page.has('#a-flow li.in', AS_JSON);
    await page.choose('#b-mode', '300');
    await page.type('#b-content', '[1,2]');
    await page.click('#b-send');
    await page.until(`document.querySelector('#a-flow li.in pre').innerText.includes('"mode": 300')`);
    await page.choose('#b-mode', '1');
    await page.click('#b-send');
    await page.has('#b-flow li.in', '"time":');
    await page.choose('#a-mode', '3');
    await page.click('#a-send');
    await page.until(`document.querySelector('#a-flow li.in pre').innerText.includes('"mode": 3')`);
    await page.picture(join(pictures, 'console-try.png'));
    await page.colours(true);
    await page.send('Emulation.setDeviceMetricsOverride', { width: 390, height: 844, deviceScaleFactor: 1, mobile: true });
    assert.equal(await page.value('document.documentElement.scrollWidth'), 390, 'a phone has nothing to scroll sideways');
    await page.picture(join(pictures, 'console-try-phone-dark.png'));
    await page.send('Emulation.setDeviceMetricsOverride', { width: 1280, height: 1100, deviceScaleFactor: 1, mobile: false });

    // Socket.IO: registering happens by itself; then to a user.
    for (const letter of ['a', 'b']) {
        await page.click(`#${letter}-connect`);
        await page.has(`#${letter}-state`, 'not connected');
        await page.click(`#${letter}-clear`);
        assert.equal(await page.value(`document.querySelectorAll('#${letter}-flow li').length`), 0);
        await page.click(`#${letter}-sio`);
        await page.click(`#${letter}-connect`);
        await page.has(`#${letter}-flow li.in`, 'register acknowledged');
    }
    await page.type('#a-text', HOSTILE);
    await page.type('#a-event-name', HOSTILE);
    await page.click('#a-send');
    await page.has('#b-flow li.in strong', HOSTILE);
    await page.has('#b-flow li.in pre', HOSTILE);
    await page.has('#a-flow li.in', '"delivered": 1');
    await page.type('#a-event-name', 'disconnect');
    await page.click('#a-send');
    await page.has('#a-flow li.error', 'reserved_event');
    await page.choose('#b-event', 'register');
    await page.type('#b-register-groups', 'g7');
    await page.click('#b-send');
    await page.until(`document.querySelectorAll('#b-flow li.in').length === 3`);
    await page.type('#a-event-name', 'news');
    await page.type('#a-room', 'g7');
    await page.type('#a-text', '{"n": 7}');
    await page.click('#a-send');
    await page.has('#b-flow li.in strong', 'news');
    await page.has('#b-flow li.in pre', '"n": 7');
    await page.picture(join(pictures, 'console-try-dark.png'));
    await isClean(page);

    // A connection that ends by itself is told.
    server.child.kill('SIGKILL');
    await page.has('#a-flow li.close', 'closed with');
    await page.has('#a-state', 'not connected');
});

test('the key is asked for, and goes with every question', async (t) => {
    const server = await start(t, '[api]\nkey = "k-1"\n');
    const browser = await Browser.start(t);
    const page = await browser.page(`http://${server.addr}/`);
    await page.until(`document.querySelector('#key-dialog').open`);
    await page.has('#state', 'locked');
    await page.picture(join(pictures, 'console-key.png'));
    await page.type('#key', 'k-2');
    await page.press('Enter');
    await page.has('#key-error', 'not the key');
    await page.type('#key', 'clé');
    await page.press('Enter');
    await page.has('#key-error', 'visible ASCII');
    await page.type('#key', 'k-1');
    await page.press('Enter');
    await page.has('#state', 'ready');
    await page.until(`!document.querySelector('#key-dialog').open`);
    // It is this tab's alone.
    assert.equal(await page.value('sessionStorage.length'), 1);
    assert.equal(await page.value('localStorage.length'), 0);
    const other = await browser.page(`http://${server.addr}/`);
    await other.until(`document.querySelector('#key-dialog').open`);
    // What it asked without the key was refused, and nothing else went wrong.
    assert.ok(page.faults.every((fault) => fault.includes('401')), page.faults.join('\n'));
});

test('from the address of operators, clients are tried where clients go', async (t) => {
    const server = await start(t, '[admin]\nlisten = ["127.0.0.1:0"]\n');
    let admin;
    // The log is another stream than the ready line.
    while (!(admin = /listening on (\S+) for operators/.exec(server.log())?.[1])) {
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const browser = await Browser.start(t);
    const page = await browser.page(`http://${admin}/#try`);
    await page.until(`document.querySelector('#base').value === 'ws://${server.addr}'`);
    for (const letter of ['a', 'b']) {
        await page.click(`#${letter}-connect`);
        await page.has(`#${letter}-state`, 'connected');
    }
    await page.until(`!document.querySelector('#a-send').disabled`);
    await page.click('#a-send');
    await page.has('#b-flow li.in', '"from": "alice"');
    await isClean(page);
});
