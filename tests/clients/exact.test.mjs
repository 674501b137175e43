// What comes back and what arrives is what was sent, byte for byte; what cannot be taken is said.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Client, quiet, start } from './support.mjs';

test('msgId comes back as it was sent', async (t) => {
    const server = await start(t);
    const [a, b] = await Promise.all([Client.open(server, 'd', 'a', 'g'), Client.open(server, 'd', 'b', 'g')]);
    const ids = [
        '0', '-0', '1', '1.0', '1.50', '1e2', '1E+2', '1e-7', '-1.5e300', '1e400',
        '12345678901234567890123456789', '9007199254740993', '0.1000000000000000055511151231257827',
        '""', '"x"', '" "', '"1"', '"\\u0041"', '"\\u00e9"', '"é"', '"\\ud83d\\ude00"', '"😀"', '"\\ud800"',
        '"\\u0000"', '"\\/"', '"\\"\\\\\\b\\f\\n\\r\\t"', '"\u2028"', '"\u007f"', `"${'x'.repeat(100_000)}"`, 'null',
    ];
    for (const id of ids) {
        a.send(`{"msgId":${id},"mode":1}`);
        const beat = await a.text();
        assert.ok(beat.startsWith(`{"msgId":${id},"mode":1,"code":0,"time":`), `${id}: ${beat}`);
        a.send(`{"msgId":${id},"mode":2,"group":"g"}`);
        assert.equal(await a.text(), `{"msgId":${id},"mode":2,"code":0}`);
        a.send(`{"msgId":${id},"mode":3,"group":"h"}`);
        assert.equal(await a.text(), `{"msgId":${id},"mode":3,"code":0}`);
        a.send(`{"msgId":${id},"mode":100,"targetClientId":"b","content":0,"receipt":true}`);
        assert.equal(await b.text(), `{"msgId":${id},"mode":100,"from":"a","content":0}`);
        assert.equal(await a.text(), `{"msgId":${id},"mode":100,"code":0,"delivered":1}`);
        a.send(`{"msgId":${id},"mode":4}`);
        const fault = await a.text();
        assert.ok(fault.startsWith(`{"msgId":${id},"mode":4,"code":400,"message":"`), `${id}: ${fault}`);
    }
    await quiet(a, b);
});

test('content arrives byte for byte', async (t) => {
    const server = await start(t);
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => Client.open(server, 'd', name, 'g')));
    const contents = [
        'null', 'true', 'false', '0', '-0', '1.0', '1E400', '123456789012345678901234567890.5', '""', '[]', '{}',
        '"plain"', '"\\u0041\\u00e9\\ud83d\\ude00\\/"', '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\u2028\u2029"',
        '"κόσμε 😀"', '{"b":1,"a":2,"10":3,"9":4}', '{"a":1,"a":2}', '{"":{"":""}}', '{"__proto__":1,"constructor":2}',
        '{ "spaced" :\t[ 1 ,\n2 ] }', '[\r\n]', '"</script>"', '"\u007f\u0080"', '{"content":{"content":0},"mode":300}',
        '[1,2,3,[4,[5,[6]]],{"x":[{}]}]',
        '['.repeat(10_000) + ']'.repeat(10_000),
        '{"a":'.repeat(10_000) + 'null' + '}'.repeat(10_000),
        '['.repeat(400_000) + ']'.repeat(400_000),
        `"${'y'.repeat(900_000)}"`,
    ];
    for (const content of contents) {
        const label = content.slice(0, 40);
        a.send(`{"msgId":1,"mode":100,"targetClientId":"b","content":${content}}`);
        assert.ok((await b.text()) === `{"msgId":1,"mode":100,"from":"a","content":${content}}`, label);
        a.send(`{"msgId":2,"mode":200,"group":"g","content":${content}}`);
        a.send(`{"msgId":3,"mode":300,"content":${content}}`);
        for (const member of [b, c]) {
            const multicast = `{"msgId":2,"mode":200,"from":"a","group":"g","content":${content}}`;
            assert.ok((await member.text()) === multicast, label);
            assert.ok((await member.text()) === `{"msgId":3,"mode":300,"from":"a","content":${content}}`, label);
        }
    }
    // Blanks around the value are not part of it; the order of the fields does not matter, nor do other fields.
    a.send(' {\n"content" :  [ 1 ]  , "x":{"mode":7}, "receipt":false, "targetClientId":"b","\\u006dode":100}\t');
    assert.equal(await b.text(), '{"msgId":null,"mode":100,"from":"a","content":[ 1 ]}');
    await quiet(a, b, c);
});

test('names are any text', async (t) => {
    const server = await start(t);
    const names = ['é', '😀', 'a b', 'a+b', 'a&b=c', '"quoted\\"', '\u0000', '\n', '@a', '#g', '*', 'x'.repeat(256)];
    const watcher = await Client.open(server, '"d"', 'w', '"g"');
    for (const name of names) {
        const client = await Client.open(server, '"d"', name, '"g"');
        client.send({ mode: 200, group: '"g"', content: 1 });
        await watcher.expect({ msgId: null, mode: 200, from: name, group: '"g"', content: 1 });
        assert.equal(await watcher.deliver({ mode: 100, targetClientId: name, content: 1 }), 1);
        await client.message();
        await client.close();
    }
    await quiet(watcher);
});

test('what cannot be taken is answered with 400, and the connection stays', async (t) => {
    const server = await start(t);
    const [a, b] = await Promise.all([Client.open(server, 'd', 'a', 'g'), Client.open(server, 'd', 'b', 'g')]);
    const long = 'x'.repeat(257);
    // What is sent; the msgId and the mode that come back.
    const cases = [
        ['', null, null], [' ', null, null], ['x', null, null], ['{', null, null], ['{"mode":1', null, null],
        ['[]', null, null], ['[1,1]', null, null], ['1', null, null], ['"mode"', null, null], ['null', null, null],
        ['{"mode":1}{}', null, null], ['{"mode":1,}', null, null], ["{'mode':1}", null, null],
        ['{"mode":1} x', null, null], ['\ufeff{"mode":1}', null, null], ['{"mode":01}', null, null],
        ['{"msgId":1,"mode":1,"mode":1}', null, null],
        ['['.repeat(100_000), null, null], ['{"content":'.repeat(80_000), null, null],
        ['{}', null, null], ['{"msgId":7}', 7, null],
        ['{"msgId":7,"mode":null}', 7, null], ['{"msgId":7,"mode":"1"}', 7, null],
        ['{"msgId":7,"mode":true}', 7, null], ['{"msgId":7,"mode":[1]}', 7, null],
        ['{"msgId":7,"mode":0}', 7, 0], ['{"msgId":7,"mode":4}', 7, 4], ['{"msgId":7,"mode":-1}', 7, -1],
        ['{"msgId":7,"mode":1.5}', 7, 1.5], ['{"msgId":7,"mode":101}', 7, 101],
        ['{"msgId":7,"mode":4294967297}', 7, 4294967297],
        ['{"msgId":7,"mode":18446744073709551617}', 7, 18446744073709551617],
        ['{"msgId":{},"mode":1}', null, 1], ['{"msgId":[],"mode":1}', null, 1], ['{"msgId":true,"mode":1}', null, 1],
        ['{"msgId":7,"mode":2}', 7, 2], ['{"msgId":7,"mode":3}', 7, 3], ['{"msgId":7,"mode":2,"group":1}', 7, 2],
        ['{"msgId":7,"mode":2,"group":["g"]}', 7, 2], ['{"msgId":7,"mode":2,"group":null}', 7, 2],
        ['{"msgId":7,"mode":2,"group":""}', 7, 2], ['{"msgId":7,"mode":3,"group":""}', 7, 3],
        ['{"msgId":7,"mode":2,"group":"h,"}', 7, 2], ['{"msgId":7,"mode":2,"group":",h"}', 7, 2],
        [`{"msgId":7,"mode":2,"group":"h,${long}"}`, 7, 2],
        [`{"msgId":7,"mode":2,"group":"h${',h'.repeat(64)}"}`, 7, 2],
        ['{"msgId":7,"mode":2,"group":"\\ud800"}', 7, 2],
        ['{"msgId":7,"mode":100,"content":1}', 7, 100], ['{"msgId":7,"mode":100,"targetClientId":"b"}', 7, 100],
        ['{"msgId":7,"mode":100,"targetClientId":1,"content":1}', 7, 100],
        ['{"msgId":7,"mode":100,"targetClientId":null,"content":1}', 7, 100],
        ['{"msgId":7,"mode":100,"targetClientId":"","content":1}', 7, 100],
        [`{"msgId":7,"mode":100,"targetClientId":"${long}","content":1}`, 7, 100],
        ['{"msgId":7,"mode":200,"content":1}', 7, 200], ['{"msgId":7,"mode":200,"group":"g"}', 7, 200],
        ['{"msgId":7,"mode":200,"group":"","content":1}', 7, 200],
        ['{"msgId":7,"mode":200,"group":"g,,g","content":1}', 7, 200],
        ['{"msgId":7,"mode":200,"group":7,"content":1}', 7, 200],
        ['{"msgId":7,"mode":300}', 7, 300],
        ['{"msgId":7,"mode":300,"content":1,"receipt":1}', 7, 300],
        ['{"msgId":7,"mode":300,"content":1,"receipt":"true"}', 7, 300],
        ['{"msgId":7,"mode":300,"content":1,"receipt":null}', 7, 300],
        ['{"msgId":[7],"mode":300,"content":1}', null, 300],
    ];
    for (const [text, msgId, mode] of cases) {
        a.send(text);
        const { message, ...rest } = await a.message();
        assert.deepEqual(rest, { msgId, mode, code: 400 }, text.slice(0, 100));
        assert.ok(message.length > 0 && message.length < 500);
    }
    // None of them reached anybody or joined anything.
    assert.equal(await b.deliver({ mode: 200, group: 'h', content: 1 }), 0);
    await quiet(a, b);
});

test('a list of groups has 64, a connection is in 1,024 rooms at most', async (t) => {
    const server = await start(t);
    const a = await Client.open(server, 'd', 'a');
    const list = (from, count) => Array.from({ length: count }, (_, n) => `g${from + n}`).join(',');
    let rooms = 1;
    for (; rooms + 64 <= 1_024; rooms += 64) {
        assert.deepEqual(await a.ask({ mode: 2, group: list(rooms, 64) }), { msgId: null, mode: 2, code: 0 });
    }
    // All of a list or none of it.
    const { message, ...rest } = await a.ask({ msgId: 1, mode: 2, group: list(rooms, 64) });
    assert.deepEqual(rest, { msgId: 1, mode: 2, code: 413 });
    assert.match(message, /groups/);
    const b = await Client.open(server, 'd', 'b');
    assert.equal(await b.deliver({ mode: 200, group: `g${rooms}`, content: 1 }), 0);
    assert.equal((await a.ask({ mode: 2, group: list(rooms, 1_024 - rooms) })).code, 0);
    assert.equal((await a.ask({ mode: 2, group: 'one-more' })).code, 413);
    assert.equal((await a.ask({ mode: 2, group: 'g1' })).code, 0, 'it is in that one');
    assert.equal((await a.ask({ mode: 3, group: 'g1' })).code, 0);
    assert.equal((await a.ask({ mode: 2, group: 'one-more' })).code, 0);
    assert.equal(await b.deliver({ mode: 200, group: list(1, 64), content: 1 }), 1, 'in many of them, but once');
    await a.message();
    await quiet(a, b);
});
