// Datagram clients and backends of a test, and a script that moves them one step at a time.
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a datagram holds: a text, or so many bytes. */
export type Payload = string | { readonly bytes: number };

export type DatagramStep =
  /** Sends from a client, 'c' or 'c@127.0.0.7'; `to` is a listener's name, `main` when absent. */
  | { readonly client: string; readonly send: Payload; readonly to?: string; readonly times?: number }
  /** Waits until the client has received so many datagrams in all. */
  | { readonly client: string; readonly expect: number }
  /** Waits until the backend has received so many datagrams in all. */
  | { readonly backend: string; readonly expect: number }
  /** Sends from a backend to the n-th peer that wrote to it. */
  | { readonly backend: string; readonly send: Payload; readonly peer: number }
  /** Stops answering and listening, or begins again. */
  | { readonly backend: string; readonly is: 'down' | 'up' | 'silent' | 'echo' }
  | { readonly wait: number };

export type SeenDatagrams = {
  readonly clients: Readonly<Record<string, readonly string[]>>;
  /** Datagrams in order, each with the number of its peer. */
  readonly backends: Readonly<Record<string, readonly string[]>>;
  readonly timedOut: readonly string[];
};

const HOST = '127.0.0.1';
const LONGEST_TEXT = 40;
/** More than any proxy of the tests needs, and less than a test's patience. */
const PATIENCE_MS = 1500;

function bytesOf(payload: Payload): Buffer {
  return typeof payload === 'string' ? Buffer.from(payload, 'latin1') : Buffer.alloc(payload.bytes, 'x');
}

function textOf(chunk: Buffer): string {
  if (chunk.length <= LONGEST_TEXT) return chunk.toString('latin1');
  return `${chunk.toString('latin1', 0, 8)}… <${chunk.length} bytes>`;
}

function bind(port: number, host = HOST): Promise<Socket> {
  const socket = createSocket('udp4');
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, host, () => {
      socket.off('error', reject);
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

/** Answers each datagram with its own name and the datagram, unless a script says otherwise. */
export class UdpBackend {
  readonly name: string;
  readonly #port: number;
  #socket: Socket | null = null;
  #isSilent = false;
  #peers: { readonly port: number; readonly address: string }[] = [];
  received: string[] = [];

  constructor(name: string, port: number) {
    this.name = name;
    this.#port = port;
  }

  async open(): Promise<void> {
    if (this.#socket !== null) return;
    const socket = await bind(this.#port);
    this.#socket = socket;
    socket.on('message', (chunk, { port, address }) => {
      let peer = this.#peers.findIndex((known) => known.port === port && known.address === address);
      if (peer < 0) peer = this.#peers.push({ port, address }) - 1;
      this.received.push(`${peer}${address === HOST ? '' : `@${address}`} ${textOf(chunk)}`);
      if (!this.#isSilent) socket.send(Buffer.concat([Buffer.from(`${this.name}:`), chunk]), port, address);
    });
  }

  async beginCase(): Promise<void> {
    this.received = [];
    this.#peers = [];
    this.#isSilent = false;
    await this.open();
  }

  async set(state: 'down' | 'up' | 'silent' | 'echo'): Promise<void> {
    if (state === 'down') await this.close();
    else if (state === 'up') await this.open();
    else this.#isSilent = state === 'silent';
  }

  send(payload: Payload, peer: number): void {
    const to = this.#peers[peer];
    if (to !== undefined) this.#socket?.send(bytesOf(payload), to.port, to.address);
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null) await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
}

/** Runs the steps in order; clients keep their sockets, and so their sessions, until the end. */
export async function runDatagrams(
  steps: readonly DatagramStep[],
  backends: readonly UdpBackend[],
  portOf: (listener: string) => number,
): Promise<SeenDatagrams> {
  const clients = new Map<string, { readonly socket: Socket; readonly received: string[] }>();
  const timedOut: string[] = [];
  const backendOf = (name: string): UdpBackend => {
    const found = backends.find((backend) => backend.name === name);
    if (found === undefined) throw new Error(`the group has no datagram backend ${name}`);
    return found;
  };
  const clientOf = async (name: string) => {
    let client = clients.get(name);
    if (client === undefined) {
      const received: string[] = [];
      client = { socket: await bind(0, name.split('@')[1]), received };
      client.socket.on('message', (chunk) => received.push(textOf(chunk)));
      clients.set(name, client);
    }
    return client;
  };
  const until = async (what: string, reached: () => boolean): Promise<void> => {
    const endMs = performance.now() + PATIENCE_MS;
    while (!reached()) {
      if (performance.now() > endMs) {
        timedOut.push(what);
        return;
      }
      await sleep(2);
    }
  };
  for (const step of steps) {
    if ('wait' in step) await sleep(step.wait);
    else if ('is' in step) await backendOf(step.backend).set(step.is);
    else if ('backend' in step) {
      const backend = backendOf(step.backend);
      if ('send' in step) backend.send(step.send, step.peer);
      else await until(`backend ${step.backend} ${step.expect}`, () => backend.received.length >= step.expect);
    } else {
      const client = await clientOf(step.client);
      if ('expect' in step) {
        await until(`client ${step.client} ${step.expect}`, () => client.received.length >= step.expect);
        continue;
      }
      const bytes = bytesOf(step.send);
      for (let i = 0; i < (step.times ?? 1); i++) client.socket.send(bytes, portOf(step.to ?? 'main'), HOST);
    }
  }
  const seen = {
    clients: Object.fromEntries([...clients].map(([name, { received }]) => [name, received])),
    backends: Object.fromEntries(backends.map(({ name, received }) => [name, received])),
    timedOut,
  };
  for (const { socket } of clients.values()) socket.close();
  return seen;
}
