// Application 1 for every client over every transport.

import { test } from 'node:test';
import { SCENARIOS } from './application.mjs';
import { Peer, TRANSPORTS, VERSIONS } from './socketio.mjs';
import { start } from './support.mjs';

for (const version of VERSIONS) {
    test(version, { concurrency: true }, async (t) => {
        const server = await start(t);
        const each = (transport, [name, scenario]) =>
            t.test(`${transport}: ${name}`, (t) => scenario(() => Peer.open(t, server, version, transport)));
        await Promise.all(
            TRANSPORTS.flatMap((transport) => Object.entries(SCENARIOS).map((entry) => each(transport, entry))),
        );
    });
}
