// One end of a TCP connection under test: does what it is told, and notes what it gets and how the connection ends.
import { type Socket, connect } from 'node:net';

export type PeerRecord = {
  /** What arrived: text, or for much of it length and checksum. */
  received: string;
  /** In the order in which it was noticed; '' while the connection stands. */
  end: '' | 'fin' | 'rst' | 'fin rst' | 'refused';
};

const LONGEST_TEXT = 400;

/** Numbers accepted connections of all servers in their order. */
let accepted = 0;

export class TcpPeer {
  readonly order = accepted++;
  /** The server that accepted it; '' for a client. */
  readonly server: string;
  receivedBytes = 0;
  readonly #socket: Socket;
  readonly #waiters = new Set<() => void>();
  #text = '';
  #sum = 0;
  #end: PeerRecord['end'] = '';
  #isConnected: boolean;

  constructor(socket: Socket, server = '', isConnected = true) {
    this.#socket = socket;
    this.server = server;
    this.#isConnected = isConnected;
    socket.on('connect', () => {
      this.#isConnected = true;
      this.#wake();
    });
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('end', () => this.#ended('fin'));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#ended(error.code === 'ECONNREFUSED' ? 'refused' : 'rst');
    });
  }

  static connect(port: number): TcpPeer {
    return new TcpPeer(connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true }), '', false);
  }

  get hasFin(): boolean {
    return this.#end.startsWith('fin');
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Nothing more will arrive. */
  get isOver(): boolean {
    return this.#end !== '';
  }

  get hasReset(): boolean {
    return this.#end.endsWith('rst');
  }

  send(bytes: string | Buffer): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  fin(): void {
    this.#socket.end();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Closes both directions; what arrives from now on is answered with RST. */
  close(): void {
    this.#socket.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Resolves to whether the condition was met in time. */
  until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const finish = (isMet: boolean): void => {
        clearTimeout(timer);
        this.#waiters.delete(check);
        resolve(isMet);
      };
      const check = (): void => {
        if (condition()) finish(true);
      };
      const timer = setTimeout(() => finish(condition()), timeoutMs);
      this.#waiters.add(check);
    });
  }

  record(): PeerRecord {
    const isShort = this.receivedBytes <= LONGEST_TEXT;
    return { received: isShort ? this.#text : `<${this.receivedBytes} bytes, sum ${this.#sum}>`, end: this.#end };
  }

  #take(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    if (this.#text.length < LONGEST_TEXT) this.#text += chunk.toString('latin1', 0, LONGEST_TEXT);
    for (const byte of chunk) this.#sum = (Math.imul(this.#sum, 31) + byte) | 0;
    this.#wake();
  }

  #ended(how: 'fin' | 'rst' | 'refused'): void {
    if (how === 'rst' && this.#end === 'fin') this.#end = 'fin rst';
    else if (this.#end === '') this.#end = how;
    this.#wake();
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }
}
