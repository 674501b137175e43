// node hello/client.mjs [url]
import { io } from 'socket.io-client';

const socket = io(process.argv[2] ?? 'http://127.0.0.1:3000');

socket.on('hello', (what) => {
    console.log(`the server says hello ${what}`);
    socket.emit('my name is', 'ann');
});

socket.on('welcome', (name, id) => {
    console.log(`the server welcomes ${name}, who has ${id === socket.id ? 'our' : 'another'} id`);
    socket.disconnect();
});
