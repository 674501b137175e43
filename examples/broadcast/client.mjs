// node broadcast/client.mjs [url]
import { io } from 'socket.io-client';

const url = process.argv[2] ?? 'http://127.0.0.1:3000';

const names = ['ann', 'bob', 'cid'];
const sockets = names.map((name) => {
    const socket = io(url, { forceNew: true });
    socket.on('said', (text) => console.log(`${name} hears: ${text}`));
    socket.on('shouted', (text) => console.log(`${name} cannot but hear: ${text}`));
    return socket;
});
const next = (event, sockets) =>
    Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once(event, resolve))));

await next('connect', sockets);
const [ann, ...others] = sockets;

const heard = next('said', others);
// The acknowledgement comes after whatever the server sent before it: had ann heard herself, she would know by now.
await ann.emitWithAck('say', 'hello, you two');
await heard;

const all = next('shouted', sockets);
ann.emit('shout', 'dinner is ready');
await all;

sockets.forEach((socket) => socket.disconnect());
