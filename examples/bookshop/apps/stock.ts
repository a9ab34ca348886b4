// How many copies are left, over TCP: `LEFT ISBN` and `TAKE ISBN` get `OK COUNT`, `NONE` or `ERROR WORDS`.
import { createServer, type Socket } from 'node:net';
import { endWith } from './serve.ts';

const SHELF = 20;
const DELIVERY_MS = 5000;
const MAX_LINE_CHARACTERS = 200;
const left = new Map([['9780141439754', SHELF]]);
const open = new Set<Socket>();

const server = createServer({ allowHalfOpen: true }, (socket) => {
  open.add(socket);
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) socket.write(`${answer(line.trim())}\n`);
    if (rest.length > MAX_LINE_CHARACTERS) socket.destroy();
  });
  socket.on('end', () => socket.end());
  socket.on('error', () => socket.destroy());
  socket.on('close', () => open.delete(socket));
});

function answer(line: string): string {
  const [verb, isbn = ''] = line.split(' ');
  const count = left.get(isbn);
  if (verb !== 'LEFT' && verb !== 'TAKE') return 'ERROR say LEFT ISBN or TAKE ISBN';
  if (count === undefined) return `ERROR no book ${isbn}`;
  if (verb === 'LEFT') return `OK ${count}`;
  if (count === 0) return 'NONE';
  left.set(isbn, count - 1);
  return `OK ${count - 1}`;
}

setInterval(() => {
  for (const [isbn, count] of left) left.set(isbn, Math.min(SHELF, count + 1));
}, DELIVERY_MS).unref();

const port = Number(process.env.PORT ?? 7000);
server.listen(port, process.env.HOST ?? '127.0.0.1', () => console.log(`stock listens on port ${port}`));
endWith(() => {
  server.close(() => process.exit(0));
  for (const socket of open) socket.end();
});
