// One question to one DNS server: a UDP socket of its own, or a TCP connection, and the messages that come back.
import type { Address, ByteStream } from '../../base/byte-stream.ts';
import type { Engine, UdpSocket } from '../engine.ts';

export type TransportHandler = {
  /** False: it is no answer to what was asked; over TCP no other comes. The bytes are borrowed. */
  onMessage(bytes: Buffer, byTcp: boolean): boolean;
  /** No answer will come; the transport is not closed by itself. */
  onFailure(reason: 'unreachable' | 'malformed'): void;
};

/** RFC 1035 §4.2.2: two bytes of length before each message. */
const MAX_TCP_BYTES = 2 + 65_535;
const DEAF = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };

export class DnsTransport {
  readonly #engine: Pick<Engine, 'bindUdp' | 'connect'>;
  readonly #handler: TransportHandler;
  #udp: UdpSocket | null = null;
  #dial: { cancel(): void } | null = null;
  #tcp: ByteStream | null = null;
  #received: Buffer = Buffer.alloc(0);

  constructor(engine: Pick<Engine, 'bindUdp' | 'connect'>, handler: TransportHandler) {
    this.#engine = engine;
    this.#handler = handler;
  }

  /** From a port that the system draws; only this server is heard there. May fail within the call. */
  sendByUdp(server: Address, bytes: Buffer): void {
    const any: Address =
      server.family === 'ipv6'
        ? { family: 'ipv6', address: '::', port: 0 }
        : { family: 'ipv4', address: '0.0.0.0', port: 0 };
    const socket = this.#engine.bindUdp(
      any,
      { connectTo: server },
      {
        onDatagram: (chunk, start, end) => {
          this.#handler.onMessage(chunk.subarray(start, end), false);
        },
        onError: () => this.#handler.onFailure('unreachable'),
      },
    );
    if ('errno' in socket) {
      this.#handler.onFailure('unreachable');
      return;
    }
    this.#udp = socket;
    // What could not be sent is as lost as what got lost on its way: the asker's timer tries again.
    socket.send(bytes, 0, bytes.length, null);
  }

  sendByTcp(server: Address, bytes: Buffer): void {
    const message = Buffer.alloc(2 + bytes.length);
    message.writeUInt16BE(bytes.length);
    bytes.copy(message, 2);
    this.#received = Buffer.alloc(0);
    this.#dial = this.#engine.connect(server, {}, (stream) => {
      this.#dial = null;
      if (stream === null) {
        this.#handler.onFailure('unreachable');
        return;
      }
      this.#tcp = stream;
      stream.handler = {
        onData: (chunk, start, end) => this.#onTcpData(chunk, start, end),
        onEnd: () => this.#handler.onFailure('unreachable'),
        onDrain: () => {},
        onClose: () => this.#handler.onFailure('unreachable'),
      };
      stream.write(message);
    });
  }

  #onTcpData(chunk: Buffer, start: number, end: number): void {
    if (this.#received.length + end - start > MAX_TCP_BYTES) {
      this.#handler.onFailure('malformed');
      return;
    }
    // A copy, as the chunk is borrowed; an answer is a few chunks at most.
    this.#received = Buffer.concat([this.#received, chunk.subarray(start, end)]);
    const received = this.#received;
    if (received.length < 2) return;
    const length = received.readUInt16BE(0);
    if (received.length < 2 + length) return;
    if (!this.#handler.onMessage(received.subarray(2, 2 + length), true)) this.#handler.onFailure('malformed');
  }

  close(): void {
    this.#udp?.close();
    this.#udp = null;
    this.#dial?.cancel();
    this.#dial = null;
    const tcp = this.#tcp;
    this.#tcp = null;
    if (tcp === null) return;
    tcp.handler = DEAF;
    tcp.destroy();
  }
}
