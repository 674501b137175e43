// node acks/client.mjs [url]
import { io } from 'socket.io-client';

const socket = io(process.argv[2] ?? 'http://127.0.0.1:3000');

socket.on('your name?', (answer) => answer('ann'));
socket.on('the meaning of it all?', () => console.log('that takes longer than the server waits'));

const next = (event) => new Promise((resolve) => socket.once(event, resolve));

console.log('2 + 3 =', await socket.emitWithAck('add', 2, 3));

await socket
    .timeout(300)
    .emitWithAck('say nothing')
    .catch((error) => console.log('the server says nothing:', error.message));

socket.emit('ask me');
console.log('we told the server our name:', await next('greeting'));

socket.emit('ask me too much');
await next('never mind');
console.log('the server gave up');

socket.disconnect();
