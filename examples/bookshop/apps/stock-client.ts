// Asks stock one line over TCP.
import { connect } from 'node:net';

const TIMEOUT_MS = 2000;

/** The number in the answer; 0 for `NONE`. */
export function askStock(verb: 'LEFT' | 'TAKE', isbn: string): Promise<number> {
  const host = process.env.STOCK_HOST ?? 'stock';
  const port = Number(process.env.STOCK_PORT ?? 7000);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let answer = '';
    socket.setEncoding('utf8');
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`stock did not answer within ${TIMEOUT_MS} ms`)));
    socket.on('connect', () => socket.write(`${verb} ${isbn}\n`));
    socket.on('data', (chunk: string) => {
      answer += chunk;
      if (answer.includes('\n')) socket.end();
    });
    socket.on('error', reject);
    socket.on('close', () => {
      const [, count] = /^(?:OK (\d+)|NONE)\n/.exec(answer) ?? [];
      if (answer.startsWith('NONE\n')) resolve(0);
      else if (count !== undefined) resolve(Number(count));
      else reject(new Error(answer === '' ? 'stock closed the connection' : `stock says ${answer.trim()}`));
    });
  });
}
