// node bridge/client.mjs [url]
import { io } from 'socket.io-client';

const socket = io(process.argv[2] ?? 'http://127.0.0.1:3000');

socket.on('line', (line) => {
    console.log(`the server's terminal says: ${line}`);
    if (line === 'bye') socket.disconnect();
});

console.log('a thread of the server answers:', await socket.emitWithAck('say', 'hello'));
console.log('type lines into the terminal of the server; "bye" ends this');
