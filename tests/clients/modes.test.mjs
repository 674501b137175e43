// Who gets what, and that nobody else gets anything.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Client, quiet, soon, start } from './support.mjs';

/**
 * Domain d1: c1 in g1, c2 in g1 and g2, c3 in g2, c6 in none. Domain d2: c4 in g1, c5 in g2, and another c1 in both.
 */
async function everybody(server) {
    const open = (domain, name, group) => Client.open(server, domain, name, group);
    const [c1, c2, c3, c6, c4, c5, other] = await Promise.all([
        open('d1', 'c1', 'g1'),
        open('d1', 'c2', 'g1,g2'),
        open('d1', 'c3', 'g2'),
        open('d1', 'c6'),
        open('d2', 'c4', 'g1'),
        open('d2', 'c5', 'g2'),
        open('d2', 'c1', 'g1,g2'),
    ]);
    return { c1, c2, c3, c4, c5, c6, other, all: [c1, c2, c3, c4, c5, c6, other] };
}

test('mode 1: heartbeat', async (t) => {
    const server = await start(t);
    const { c1, all } = await everybody(server);
    const { time, ...rest } = await c1.ask({ msgId: 'h', mode: 1 });
    assert.deepEqual(rest, { msgId: 'h', mode: 1, code: 0 });
    assert.ok(Math.abs(time - Date.now()) < 60_000);
    const { time: _, ...without } = await c1.ask({ mode: 1 });
    assert.deepEqual(without, { msgId: null, mode: 1, code: 0 });
    await quiet(...all);
});

test('mode 100: to one client of the same domain', async (t) => {
    const server = await start(t);
    const { c1, c2, c6, other, all } = await everybody(server);
    assert.equal(await c1.deliver({ msgId: 1, mode: 100, targetClientId: 'c2', content: { a: [1] } }), 1);
    await c2.expect({ msgId: 1, mode: 100, from: 'c1', content: { a: [1] } });
    await quiet(...all);

    // Each way, without a receipt: nothing but the message.
    c2.send({ msgId: 2, mode: 100, targetClientId: 'c1', content: 'back' });
    await c1.expect({ msgId: 2, mode: 100, from: 'c2', content: 'back' });
    await quiet(...all);

    // The other c1 is not meant, and means its own.
    assert.equal(await c6.deliver({ mode: 100, targetClientId: 'c1', content: 1 }), 1);
    await c1.expect({ msgId: null, mode: 100, from: 'c6', content: 1 });
    assert.equal(await other.deliver({ mode: 100, targetClientId: 'c4', content: 2 }), 1);
    await all.find(({ name }) => name === 'c4').expect({ msgId: null, mode: 100, from: 'c1', content: 2 });
    await quiet(...all);

    // Nobody: absent, of another domain, a group, a room's inner name.
    for (const targetClientId of ['c9', 'c4', 'c5', 'g1', '@c2', '#g1', 'C2', 'c2 ', '*']) {
        assert.equal(await c1.deliver({ msgId: 3, mode: 100, targetClientId, content: 1 }), 0, targetClientId);
    }
    c1.send({ msgId: 4, mode: 100, targetClientId: 'c9', content: 1 });
    await quiet(...all);

    // Itself: only groups and domains leave out the sender.
    c1.send({ msgId: 5, mode: 100, targetClientId: 'c1', content: 'me', receipt: true });
    await c1.expect({ msgId: 5, mode: 100, from: 'c1', content: 'me' });
    await c1.expect({ msgId: 5, mode: 100, code: 0, delivered: 1 });
    c1.send({ msgId: 6, mode: 100, targetClientId: 'c1', content: 'me' });
    await c1.expect({ msgId: 6, mode: 100, from: 'c1', content: 'me' });
    await quiet(...all);
});

test('mode 200: to groups, each member once, but not the sender', async (t) => {
    const server = await start(t);
    const { c1, c2, c3, c6, other, all } = await everybody(server);
    assert.equal(await c1.deliver({ msgId: 1, mode: 200, group: 'g1', content: 'x' }), 1);
    await c2.expect({ msgId: 1, mode: 200, from: 'c1', group: 'g1', content: 'x' });
    await quiet(...all);

    assert.equal(await c6.deliver({ msgId: 2, mode: 200, group: 'g1,g2', content: 'x' }), 3);
    for (const member of [c1, c2, c3]) {
        await member.expect({ msgId: 2, mode: 200, from: 'c6', group: 'g1,g2', content: 'x' });
    }
    await quiet(...all);

    // The list comes as it was sent, also when it is written in another way.
    c1.send('{"msgId":3,"mode":200,"group":"g2,g\\u0031,g2","content":0,"receipt":true}');
    assert.equal((await c1.message()).delivered, 2);
    for (const member of [c2, c3]) {
        assert.equal(
            await member.text(),
            '{"msgId":3,"mode":200,"from":"c1","group":"g2,g\\u0031,g2","content":0}',
        );
    }
    await quiet(...all);

    assert.equal(await c1.deliver({ mode: 200, group: 'g9', content: 'x' }), 0);
    assert.equal(await c1.deliver({ mode: 200, group: 'c2', content: 'x' }), 0);
    assert.equal(await other.deliver({ msgId: 4, mode: 200, group: 'g1,g2', content: 'x' }), 2);
    for (const name of ['c4', 'c5']) {
        const member = all.find((client) => client.name === name);
        await member.expect({ msgId: 4, mode: 200, from: 'c1', group: 'g1,g2', content: 'x' });
    }
    await quiet(...all);
});

test('mode 300: to the domain, but not the sender and no other domain', async (t) => {
    const server = await start(t);
    const { c1, c2, c3, c4, c5, c6, other, all } = await everybody(server);
    assert.equal(await c2.deliver({ msgId: 'all', mode: 300, content: [null] }), 3);
    for (const member of [c1, c3, c6]) {
        await member.expect({ msgId: 'all', mode: 300, from: 'c2', content: [null] });
    }
    await quiet(...all);
    c4.send({ msgId: 'all', mode: 300, content: 'd2' });
    for (const member of [c5, other]) {
        await member.expect({ msgId: 'all', mode: 300, from: 'c4', content: 'd2' });
    }
    await quiet(...all);
    // Other fields do not matter, and a group is told in mode 200 only.
    assert.equal(await c1.deliver({ mode: 300, group: 'g1', targetClientId: 'c2', from: 'x', content: 1 }), 3);
    for (const member of [c2, c3, c6]) {
        await member.expect({ msgId: null, mode: 300, from: 'c1', content: 1 });
    }
    await quiet(...all);
});

test('modes 2 and 3: join and leave', async (t) => {
    const server = await start(t);
    const { c1, c2, c3, c6, all } = await everybody(server);
    const to = async (group) => c2.deliver({ mode: 200, group, content: group });
    assert.deepEqual(await c6.ask({ msgId: 1, mode: 2, group: 'g1,g3' }), { msgId: 1, mode: 2, code: 0 });
    assert.equal(await to('g1'), 2);
    assert.equal(await to('g3'), 1);
    await c1.message();
    await c6.expect({ msgId: null, mode: 200, from: 'c2', group: 'g1', content: 'g1' });
    await c6.expect({ msgId: null, mode: 200, from: 'c2', group: 'g3', content: 'g3' });
    // Twice is once.
    assert.deepEqual(await c6.ask({ msgId: 'x', mode: 2, group: 'g1,g1' }), { msgId: 'x', mode: 2, code: 0 });
    assert.equal(await to('g1'), 2);
    await Promise.all([c1.message(), c6.message()]);
    // Leaving what one is not in is no error.
    assert.deepEqual(await c6.ask({ mode: 3, group: 'g1,g9' }), { msgId: null, mode: 3, code: 0 });
    assert.equal(await to('g1'), 1);
    await c1.message();
    assert.equal(await to('g3'), 1);
    await c6.message();
    assert.deepEqual(await c6.ask({ msgId: 2, mode: 3, group: 'g3' }), { msgId: 2, mode: 3, code: 0 });
    assert.equal(await to('g3'), 0);
    // What came with the connection can be left too.
    assert.equal((await c3.ask({ mode: 3, group: 'g2' })).code, 0);
    assert.equal(await to('g2'), 0);
    await quiet(...all);
    // Whoever left still is in the domain, and can be reached.
    assert.equal(await c3.deliver({ mode: 100, targetClientId: 'c6', content: 1 }), 1);
    await c6.message();
    await quiet(...all);
});

test('whoever disconnects is in nothing any more', async (t) => {
    const server = await start(t);
    const { c1, c2, c3, c6 } = await everybody(server);
    await c2.close();
    c3.ws.terminate();
    await soon(c3.closed, 'c3 is gone');
    for (let tries = 0; (await c1.deliver({ mode: 300, content: 1 })) !== 1; tries++) {
        assert.ok(tries < 1_000, 'somebody who is gone is counted');
        await c6.message();
    }
    await c6.message();
    assert.equal(await c1.deliver({ mode: 200, group: 'g1,g2', content: 1 }), 0);
    assert.equal(await c1.deliver({ mode: 100, targetClientId: 'c2', content: 1 }), 0);
    await quiet(c1, c6);
});

test('a newer connection replaces the older one, on whatever reactor', async (t) => {
    const server = await start(t);
    const watcher = await Client.open(server, 'd1', 'watcher');
    const other = await Client.open(server, 'd2', 'c1', 'g1');
    let current = await Client.open(server, 'd1', 'c1', 'g1');
    for (let round = 0; round < 50; round++) {
        const next = await Client.open(server, 'd1', 'c1', 'g1');
        assert.deepEqual(await soon(current.closed, 'it is replaced'), { code: 4001, reason: 'replaced' });
        assert.deepEqual(current.texts, []);
        assert.equal(await watcher.deliver({ msgId: round, mode: 200, group: 'g1', content: 1 }), 1);
        assert.equal((await next.message()).msgId, round);
        assert.equal(await watcher.deliver({ mode: 100, targetClientId: 'c1', content: 1 }), 1);
        await next.message();
        current = next;
    }
    await quiet(current, watcher, other);
});

test('of many that come at once under one name, one stays', async (t) => {
    const server = await start(t);
    const watcher = await Client.open(server, 'd1', 'watcher');
    for (let round = 0; round < 10; round++) {
        const clients = await Promise.all(Array.from({ length: 20 }, () => Client.open(server, 'd1', 'c1')));
        const ends = await soon(
            new Promise((resolve) => {
                const ends = [];
                clients.forEach(async (client) => {
                    ends.push(await client.closed);
                    if (ends.length === clients.length - 1) resolve(ends);
                });
            }),
            'all but one are replaced',
        );
        ends.forEach((end) => assert.deepEqual(end, { code: 4001, reason: 'replaced' }));
        const left = clients.filter(({ ws }) => ws.readyState === ws.OPEN);
        assert.equal(left.length, 1);
        assert.equal(await watcher.deliver({ mode: 300, content: 1 }), 1);
        await left[0].message();
        await quiet(left[0], watcher);
        await left[0].close();
    }
});
