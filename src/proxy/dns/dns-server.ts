// The DNS server of a workload: sockets over UDP and TCP in front of the desk that answers.
import type { Address, ByteStream } from '../../base/byte-stream.ts';
import type { Clock } from '../../base/clock.ts';
import type { Engine, Listener, UdpSocket } from '../../net/engine.ts';
import type { DnsDesk } from './desk.ts';
import type { DnsStats } from './dns-stats.ts';
import { TcpSession } from './tcp-session.ts';

export type ServerParts = {
  readonly engine: Pick<Engine, 'bindUdp' | 'listen'>;
  readonly clock: Clock;
  readonly stats: DnsStats;
};

/** Clients over TCP at once; further ones are sent away. */
export const MAX_SESSIONS = 512;
/** Queries that wait for a busy thread. */
const RECEIVE_BUFFER_BYTES = 1024 * 1024;
/** Ports that the system chose for TCP may be taken for UDP. */
const MAX_PORT_TRIES = 8;

export class DnsServer {
  readonly #desk: DnsDesk;
  readonly #parts: ServerParts;
  readonly #sockets: UdpSocket[] = [];
  readonly #listeners: Listener[] = [];
  readonly #sessions = new Set<TcpSession>();

  constructor(desk: DnsDesk, parts: ServerParts) {
    this.#desk = desk;
    this.#parts = parts;
  }

  /** Where it listens, over UDP and TCP alike. */
  get addresses(): readonly Address[] {
    return this.#listeners.map(({ address }) => address);
  }

  /** Listens there too. Returns why it cannot, or null; `errno` of the system. */
  listen(address: Address): { readonly errno: string; readonly detail: string } | null {
    for (let tries = 1; ; tries++) {
      const listener = this.#parts.engine.listen(address, {}, (stream) => this.#onStream(stream));
      if ('errno' in listener) return listener;
      const socket = this.#bindUdp(listener.address);
      if (socket === null) {
        this.#listeners.push(listener);
        return null;
      }
      listener.close();
      if (address.port !== 0 || tries >= MAX_PORT_TRIES) return socket;
    }
  }

  #bindUdp(address: Address): { readonly errno: string; readonly detail: string } | null {
    const desk = this.#desk;
    const { reply } = desk;
    const options = { receiveBufferBytes: RECEIVE_BUFFER_BYTES };
    const socket = this.#parts.engine.bindUdp(address, options, {
      onDatagram: (chunk, start, end, from) => {
        const verdict = desk.take(chunk, start, end, false);
        if (verdict === 'reply') (socket as UdpSocket).send(reply.bytes, 0, reply.length, from);
        else if (verdict === 'wait') {
          desk.forward((bytes, length) => void (socket as UdpSocket).send(bytes, 0, length, from));
        }
      },
      // A client that is gone; the others are not concerned.
      onError: () => {},
    });
    if ('errno' in socket) return socket;
    this.#sockets.push(socket);
    return null;
  }

  #onStream(stream: ByteStream): void {
    const { own } = this.#parts.stats;
    if (this.#sessions.size >= MAX_SESSIONS) {
      own.inc(own.i.tcp_overflow);
      stream.destroy();
      return;
    }
    own.inc(own.i.tcp_connections);
    const session = new TcpSession(stream, this.#desk, this.#parts.clock, (closed) => {
      this.#sessions.delete(closed);
      own.set(own.i.tcp_active, this.#sessions.size);
    });
    this.#sessions.add(session);
    own.set(own.i.tcp_active, this.#sessions.size);
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
    for (const listener of this.#listeners) listener.close();
    for (const session of this.#sessions) session.close();
    this.#sockets.length = 0;
    this.#listeners.length = 0;
  }
}
