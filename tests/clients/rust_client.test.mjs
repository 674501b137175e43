// Application 1 with a client that is not JavaScript: rust_socketio, in a program of its own, which run.sh builds.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Peer, TRANSPORTS, quiet, until } from './socketio.mjs';
import { soon, start } from './support.mjs';

for (const transport of TRANSPORTS) {
    test(`rust_socketio, ${transport}`, async (t) => {
        const server = await start(t);
        const watcher = await Peer.open(t, server, 'sio48', 'websocket');
        const args = [server.addr, transport];
        const child = spawn(process.env.FANFARE_RUST_CLIENT, args, { stdio: ['ignore', 'ignore', 'pipe'] });
        t.after(() => child.kill('SIGKILL'));
        let said = '';
        child.stderr.on('data', (data) => (said += data));
        const [status] = await soon(once(child, 'close'), 'it ends');
        assert.equal(status, 0, said);
        // With its connections everything ends that they were in.
        for (const room of ['u', 'v', 'g', 'h', 'texts']) await until(watcher, room, 0);
        await quiet(watcher);
    });
}
