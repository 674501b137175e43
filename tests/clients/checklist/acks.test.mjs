// Acknowledgements in both directions, as the checklist has them.

import assert from 'node:assert/strict';
import { both, quiet } from './rows.mjs';

both('emit with ack: the client answers the server, with all of its arguments', async (stage) => {
    const guest = await stage.open();
    guest.socket.on('question', (what, answer) => answer(what, { and: [1, null] }, 'more'));
    const answer = await guest.one({ ack: true }, 'question', 'why');
    assert.deepEqual(answer, { args: ['why', { and: [1, null] }, 'more'], attachments: 0 });
    // Each answer finds the one who asked, in whatever order they come.
    const answers = [];
    guest.socket.on('slow', (number, answer) => answers.push(() => answer(number)));
    const asked = [0, 1, 2].map((number) => guest.one({ ack: true }, 'slow', number));
    while (answers.length < 3) await new Promise((resolve) => setImmediate(resolve));
    answers.reverse().forEach((answer) => answer());
    assert.deepEqual(
        (await Promise.all(asked)).map(({ args }) => args),
        [[0], [1], [2]],
    );
});

both('emit with ack: the server answers the client, once, at once or later from another thread', async (stage) => {
    const guest = await stage.open();
    assert.deepEqual(await guest.acknowledged('echo', 1, 'two'), [1, 'two']);
    assert.deepEqual(await guest.acknowledged('later'), ['by a thread']);
    // Whoever wants no acknowledgement gets none.
    guest.socket.emit('twice');
    const answers = [];
    guest.socket.emit('twice', (number) => answers.push(number));
    await guest.expect('echoed', 1, 'two');
    await quiet(guest);
    assert.deepEqual(answers, [1]);
});

both('emit with ack: that who has left does not answer is said, once', async (stage) => {
    const guest = await stage.open();
    const { id } = guest;
    guest.socket.on('question', () => guest.socket.emit('disconnect_me', false));
    guest.socket.emit('one', { ack: true }, 'question', []);
    assert.equal(await guest.ends(), 'io server disconnect');
    const what = (await stage.journal(id, 3)).map((entry) => entry.what).sort();
    assert.deepEqual(what, ['disconnect', 'disconnecting', 'no answer']);
});

both('timeout: an acknowledgement that does not come in time is an error, one in time is not', async (stage) => {
    const guest = await stage.open();
    const late = [];
    guest.socket.on('question', (answer) => late.push(answer));
    assert.equal(await guest.one({ ack: true, timeout_ms: 30 }, 'question'), 'timeout');
    // It comes too late for anybody to hear it, and that is no fault of the client.
    late.forEach((answer) => answer('late'));
    guest.socket.on('quick', (answer) => answer('in time'));
    const { args } = await guest.one({ ack: true, timeout_ms: 60_000 }, 'quick');
    assert.deepEqual(args, ['in time']);
    assert.ok(guest.socket.connected);
});

/** They answer a question, each with its own name and what it was asked; the others are silent. */
function answering(event, ...guests) {
    guests.forEach((guest, number) => guest.socket.on(event, (what, answer) => answer(number, what)));
}

const sorted = (answers) => answers.map(([id, args]) => [id, ...args]).sort(([a], [b]) => (a < b ? -1 : 1));

both('timeout: those of many who do not answer in time are counted', async (stage) => {
    const guests = await stage.all(3);
    const [a, b, c] = guests;
    answering('q', b);
    const { answers, missing, error } = await a.many({ timeout_ms: 2_000 }, { ask: ['q', ['x']] });
    assert.deepEqual([sorted(answers), missing], [[[b.id, 0, 'x']], 1]);
    assert.match(error, /1 of 2/);
    await Promise.all([b, c].map((guest) => guest.expect('q', 'x')));
    await quiet(...guests);
});

both('broadcast with ack: all are asked once, and all answers come together', async (stage) => {
    const guests = await stage.all(4);
    const [a, b, c, d] = guests;
    await Promise.all([b.join('1', '2'), c.join('2'), d.join('3')]);
    answering('q', ...guests);
    for (const from of ['socket', 'context', 'handle']) {
        const whom = { from, to: ['1', '2'], timeout_ms: 60_000 };
        const { answers, missing } = await a.many(whom, { ask: ['q', [from]] });
        const expected = sorted([
            [b.id, [1, from]],
            [c.id, [2, from]],
        ]);
        assert.deepEqual([sorted(answers), missing], [expected, 0]);
        await Promise.all([b, c].map((guest) => guest.expect('q', from)));
    }
    // Nobody to be asked has answered at once.
    assert.deepEqual(await a.many({ to: ['nobody'] }, { ask: ['q', []] }), { answers: [], missing: 0 });
    await quiet(...guests);
});

both('broadcast with ack: whoever leaves is not waited for', async (stage) => {
    const [a, b, c] = await stage.all(3);
    answering('q', b);
    c.socket.on('q', () => c.socket.disconnect());
    const { answers, missing } = await a.many({ timeout_ms: 600_000 }, { ask: ['q', [1]] });
    assert.deepEqual([sorted(answers), missing], [[[b.id, 0, 1]], 1]);
});

both('emitWithAck: a thread waits for the answers', async (stage) => {
    const guests = await stage.all(3);
    answering('q', ...guests);
    const { answers, missing } = await guests[0].many({ from: 'handle', timeout_ms: 60_000 }, { await: ['q', ['y']] });
    const expected = sorted(guests.map(({ id }, number) => [id, [number, 'y']]));
    assert.deepEqual([sorted(answers), missing], [expected, 0]);
    // One alone, too, and some of them do not.
    const one = await guests[0].many({ from: 'handle', to: [guests[1].id] }, { await: ['q', ['z']] });
    assert.deepEqual(one.answers, [[guests[1].id, [1, 'z']]]);
    const none = await guests[0].many({ from: 'handle', timeout_ms: 50 }, { await: ['unheard', []] });
    assert.deepEqual([none.answers, none.missing], [[], 3]);
});
