// node volatile/client.mjs [url]
import { io } from 'socket.io-client';

const url = process.argv[2] ?? 'http://127.0.0.1:3000';

// One over WebSocket takes every tick; one that polls misses those between two of its requests, at times.
const ticks = async (transport) => {
    const socket = io(url, { forceNew: true, transports: [transport] });
    const numbers = [];
    await new Promise((resolve) => {
        socket.on('tick', (number) => {
            numbers.push(number);
            if (numbers.length === 5) resolve();
        });
    });
    socket.disconnect();
    return `${transport}: ${numbers.join(' ')}`;
};

(await Promise.all([ticks('websocket'), ticks('polling')])).forEach((line) => console.log(line));
