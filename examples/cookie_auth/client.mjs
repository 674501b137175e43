// node cookie_auth/client.mjs [url]
import { io } from 'socket.io-client';

const url = process.argv[2] ?? 'http://127.0.0.1:3000';

// A browser sends the cookies that it has by itself.
const knock = (who, cookie) =>
    new Promise((resolve) => {
        const socket = io(url, { forceNew: true, extraHeaders: cookie ? { cookie } : {} });
        socket.on('connect', async () => {
            console.log(`${who} is let in as ${await socket.emitWithAck('who am i')}`);
            resolve(socket.disconnect());
        });
        socket.on('connect_error', (error) => {
            console.log(`${who} is kept out: ${error.message} (${JSON.stringify(error.data)})`);
            resolve(socket.disconnect());
        });
    });

await knock('somebody with a session', 'theme=dark; session=b81d4fae7dec');
await knock('somebody with a wrong one', 'session=12345');
await knock('somebody without a cookie');
