// node whisper/client.mjs [url]
import { io } from 'socket.io-client';

const url = process.argv[2] ?? 'http://127.0.0.1:3000';

const [ann, bob, cid] = ['ann', 'bob', 'cid'].map((name) => {
    const socket = io(url, { forceNew: true });
    socket.on('whispered', (from, text) => console.log(`${name} hears a whisper: ${text}`));
    return socket;
});
const next = (event, ...sockets) =>
    Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once(event, (...args) => resolve(args)))));

await next('connect', ann, bob, cid);

const known = next('somebody is here', bob, cid);
ann.emit('here i am');
const [[annsId]] = await known;

// To ann and nobody else; she knows from whom and answers.
const whispered = next('whispered', ann);
bob.emit('whisper', annsId, 'psst');
const [[bobsId]] = await whispered;

const answered = next('whispered', bob);
ann.emit('whisper', bobsId, 'i hear you');
await answered;

[ann, bob, cid].forEach((socket) => socket.disconnect());
