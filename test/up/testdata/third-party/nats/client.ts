// Speaks NATS's protocol: one connection that stays and hears what it publishes, and each round a new one that greets.
import { connect, type Socket } from 'node:net';

const host = process.env.NATS_HOST ?? 'nats';
const port = Number(process.env.NATS_PORT ?? 4222);
const pause = Number(process.env.PAUSE ?? 1) * 1000;
const WAIT_MS = 5000;

/** The bytes so far, and whoever waits for more. */
class Peer {
  readonly socket: Socket;
  text = '';
  #wake: (() => void) | null = null;

  constructor() {
    this.socket = connect({ host, port });
    this.socket.setEncoding('latin1');
    this.socket.on('data', (chunk: string) => {
      this.text += chunk;
      this.#wake?.();
    });
    this.socket.on('error', (error) => {
      this.text += `(${error.message})`;
      this.#wake?.();
    });
  }

  /** Takes everything up to the end of `piece`. */
  async take(piece: string): Promise<void> {
    for (const end = Date.now() + WAIT_MS; !this.text.includes(piece); ) {
      if (Date.now() > end || this.socket.destroyed) {
        throw new Error(`no ${JSON.stringify(piece.slice(0, 40))} but ${JSON.stringify(this.text.slice(0, 80))}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 100);
      });
    }
    this.text = this.text.slice(this.text.indexOf(piece) + piece.length);
  }
}

async function greet(): Promise<Peer> {
  const peer = new Peer();
  await peer.take('INFO {');
  peer.socket.write('CONNECT {"verbose":false,"pedantic":false,"name":"client"}\r\nPING\r\n');
  await peer.take('PONG\r\n');
  return peer;
}

let subscriber: Peer | null = null;
for (let n = 1; ; n++) {
  await new Promise((resolve) => setTimeout(resolve, pause));
  try {
    if (subscriber === null) {
      subscriber = await greet();
      subscriber.socket.write('SUB rounds 1\r\nPING\r\n');
      await subscriber.take('PONG\r\n');
    }
    const publisher = await greet();
    const payload = String(n % 10).repeat(200_000);
    publisher.socket.write(`PUB rounds ${payload.length}\r\n${payload}\r\n`);
    await subscriber.take(`MSG rounds 1 ${payload.length}\r\n${payload}\r\n`);
    publisher.socket.end();
    console.log(`ok ${n}`);
  } catch (error) {
    subscriber?.socket.destroy();
    subscriber = null;
    console.log(`failed ${n}: ${(error as Error).message}`);
  }
}
