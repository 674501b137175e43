// Who is not let in, and how that is said.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { get } from 'node:http';
import { Client, query, quiet, refusal, soon, start } from './support.mjs';

const at = (server, search) => Client.at(`ws://${server.addr}/ws?${search}`, search);

test('400: parameters', async (t) => {
    const server = await start(t);
    const long = 'x'.repeat(257);
    const searches = [
        '', 'clientId=c1', 'bizCode=d1', 'bizCode=&clientId=c1', 'bizCode=d1&clientId=', 'bizcode=d1&clientId=c1',
        'bizCode=d1&bizCode=d1&clientId=c1', 'bizCode=d1&clientId=c1&clientId=c2', `bizCode=${long}&clientId=c1`,
        `bizCode=d1&clientId=${long}`, 'bizCode=d1&clientId=c1&group=g1&group=g2', 'bizCode=d1&clientId=c1&group=g1,',
        'bizCode=d1&clientId=c1&group=,', `bizCode=d1&clientId=c1&group=${long}`,
        `bizCode=d1&clientId=c1&group=g${',g'.repeat(64)}`, 'bizCode=d1&clientId=%ff', 'bizCode=%c3&clientId=c1',
        'bizCode=d1&clientId=c1&token=a&token=b',
    ];
    for (const search of searches) {
        const { status, body } = await refusal(at(server, search));
        assert.equal(status, 400, search);
        assert.equal(body.code, 'bad_request', search);
    }
    // No groups, and parameters that mean nothing here.
    for (const search of ['bizCode=d1&clientId=c1&group=', 'bizCode=d1&clientId=c2&x=y&EIO=4', 'clientId=c3&bizCode=d1']) {
        await quiet(await at(server, search));
    }
});

test('401: token', async (t) => {
    const server = await start(t, '[auth]\ntoken = "hush-456"\n');
    for (const more of [{}, { token: '' }, { token: 'hush-45' }, { token: 'hush-4567' }, { token: 'hush-457' }, { Token: 'hush-456' }]) {
        const { status, body } = await refusal(at(server, query('d1', 'c1', 'g1', more)));
        assert.equal(status, 401, JSON.stringify(more));
        assert.equal(body.code, 'unauthorized');
        assert.ok(!JSON.stringify(body).includes('hush'), 'the answer does not tell the token');
    }
    await quiet(await at(server, query('d1', 'c1', 'g1', { token: 'hush-456' })));
    // Not a bare number: the times and ports of the log have those.
    assert.ok(!server.log().includes('hush'), 'the log does not tell what was tried');
});

test('403: origin', async (t) => {
    const server = await start(t, '[auth]\norigins = ["https://app.example", "http://localhost:8080"]\n');
    const from = (origin) => Client.open(server, 'd1', 'c1', 'g1', {}, { origin });
    const bad = [
        'https://evil.example', 'https://app.example.evil.example', 'http://app.example', 'https://app.example:444',
        'null', 'http://localhost', 'https://xapp.example', 'https://app.example/',
    ];
    for (const origin of bad) {
        const { status, body } = await refusal(from(origin));
        assert.equal(status, 403, origin);
        assert.equal(body.code, 'forbidden');
    }
    for (const origin of ['https://app.example', 'http://localhost:8080', undefined]) {
        await quiet(await from(origin));
    }
});

test('426: not an upgrade', async (t) => {
    const server = await start(t);
    const response = await new Promise((resolve, reject) => {
        get(`http://${server.addr}/ws?${query('d1', 'c1')}`, resolve).on('error', reject);
    });
    assert.equal(response.statusCode, 426);
    assert.equal(response.headers.upgrade, 'websocket');
    let body = '';
    for await (const data of response) body += data;
    assert.deepEqual(Object.keys(JSON.parse(body)), ['code', 'message']);
    // fetch() is what people try first.
    assert.equal((await fetch(`http://${server.addr}/ws`)).status, 426);
});

test('503: full', async (t) => {
    const server = await start(t, '[limits]\nconnections = 3\n');
    const members = await Promise.all(['c1', 'c2', 'c3'].map((name) => Client.open(server, 'd1', name)));
    for (const name of ['c4', 'c5', 'c1']) {
        const { status, headers, body } = await refusal(Client.open(server, 'd1', name));
        assert.equal(status, 503);
        assert.equal(body.code, 'full');
        const pause = Number(headers['retry-after']);
        assert.ok(Number.isInteger(pause) && pause > 0 && pause <= 60, headers['retry-after']);
    }
    await quiet(...members);
    await members[0].close();
    const newcomer = await Client.open(server, 'd1', 'c4');
    assert.equal(await newcomer.deliver({ mode: 300, content: 1 }), 2);
    assert.equal((await refusal(Client.open(server, 'd1', 'c5'))).status, 503);
});

test('1001: the server stops', async (t) => {
    const server = await start(t);
    const members = await Promise.all(['c1', 'c2', 'c3', 'c4'].map((name) => Client.open(server, 'd1', name)));
    server.child.kill('SIGINT');
    for (const { closed } of members) assert.equal((await soon(closed, 'it is closed')).code, 1001);
    assert.deepEqual(await soon(server.exit, 'it ends'), [0, null]);
});
