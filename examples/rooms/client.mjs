// node rooms/client.mjs [url]
import { io } from 'socket.io-client';

const url = process.argv[2] ?? 'http://127.0.0.1:3000';

const open = (name) => {
    const socket = io(url, { forceNew: true });
    socket.on('said', (text) => console.log(`${name} hears: ${text}`));
    socket.on('announced', (text) => console.log(`${name} is told: ${text}`));
    return socket;
};
const [ann, bob, cid, dan] = ['ann', 'bob', 'cid', 'dan'].map(open);
const next = (event, ...sockets) =>
    Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once(event, resolve))));

console.log('ann is in', await ann.emitWithAck('join', 'red'));
console.log('bob is in', await bob.emitWithAck('join', 'blue'));
await cid.emitWithAck('join', 'red');
console.log('cid is in', await cid.emitWithAck('join', 'blue'));

// cid is in both rooms and hears it once.
let heard = next('said', ann, bob, cid);
dan.emit('say', ['red', 'blue'], 'hello, red and blue');
await heard;

console.log('cid is in', await cid.emitWithAck('leave', 'red'));
heard = next('said', bob, cid);
dan.emit('say', ['blue'], 'hello, blue');
await heard;

await ann.emitWithAck('join', 'blue');
heard = next('announced', bob, cid);
bob.emit('announce', 'blue', 'red', 'nobody in red knows');
await heard;

[ann, bob, cid, dan].forEach((socket) => socket.disconnect());
