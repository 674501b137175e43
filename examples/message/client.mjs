// node message/client.mjs [url]
import { io } from 'socket.io-client';

const socket = io(process.argv[2] ?? 'http://127.0.0.1:3000');
const message = () => new Promise((resolve) => socket.once('message', (...args) => resolve(args)));

for (const what of ['hello', 'größer', Uint8Array.of(1, 2, 3)]) {
    socket.send(what);
    console.log(...(await message()));
}

socket.disconnect();
