// node namespaces/client.mjs [url]
import { io } from 'socket.io-client';

const url = process.argv[2] ?? 'http://127.0.0.1:3000';

const chat = io(`${url}/chat`);
const news = io(`${url}/news`);
const next = (socket, event) => new Promise((resolve) => socket.once(event, resolve));

const welcomes = await Promise.all([next(chat, 'welcome'), next(news, 'welcome')]);
console.log(`welcome ${welcomes.join(' and ')}`);
console.log(chat.io.engine === news.io.engine ? 'over one connection' : 'over two connections');

news.on('said', () => console.log('that should be in /chat only'));

let said = next(chat, 'said');
chat.emit('say', 'hello');
console.log('in /chat:', await said);

said = next(chat, 'said');
news.emit('read', 'it rains');
console.log('in /chat:', await said);

// A namespace that the server does not have.
const nowhere = io(`${url}/nowhere`);
console.log('/nowhere:', (await next(nowhere, 'connect_error')).message);

// The connection ends with the last of its namespaces.
[chat, news, nowhere].forEach((socket) => socket.disconnect());
