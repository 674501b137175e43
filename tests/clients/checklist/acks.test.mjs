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
