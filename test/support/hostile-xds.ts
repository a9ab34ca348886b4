// An xDS server that misbehaves on the wire: HTTP/2 written by hand around the test's own server, which answers as long
// as no attack is on.
import { createServer, type Server, type Socket } from 'node:net';
import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { registry } from '../../src/proto/registry.ts';
import { frameMessage } from '../../src/wire/grpc/framing.ts';
import { AdsServer } from './ads-server.ts';
import type { AdsCall, AdsStream } from './ads-stream.ts';
import { type Http2ErrorName, PREFACE } from './http2-frames.ts';
import type { Http2Field } from './http2-hpack.ts';
import { Http2Peer, type Http2PeerOptions, type Http2StreamRecord } from './http2-peer.ts';

export type Attack = {
  readonly peer?: Http2PeerOptions;
  /** A connection has been made; true: nothing is read of it and nothing else said. */
  onConnection?(connection: HostileConnection): boolean;
  /** A call has begun, instead of serving it. */
  onCall?(call: HostileCall): void;
};

const ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService/';
const OK_HEAD: readonly Http2Field[] = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
];

export class HostileXds {
  readonly ads = new AdsServer();
  /** Null: it serves. */
  attack: Attack | null = null;
  readonly connections = new Set<HostileConnection>();
  /** So far. */
  connectionCount = 0;
  callCount = 0;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((socket) => {
      this.connectionCount++;
      const connection = new HostileConnection(this, socket);
      this.connections.add(connection);
      socket.on('close', () => this.connections.delete(connection));
    });
  }

  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as { port: number }).port;
  }

  get calls(): readonly HostileCall[] {
    return [...this.connections].flatMap(({ calls }) => [...calls.values()]);
  }

  /** From now on it is this; those who are connected have to come again. */
  become(attack: Attack | null): void {
    this.attack = attack;
    this.dropAll();
  }

  dropAll(): void {
    // Not reset: sockets that are reset twice keep the test's process from ending.
    for (const { socket } of this.connections) socket.destroy();
  }

  async stop(): Promise<void> {
    this.dropAll();
    this.ads.stop();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export class HostileConnection {
  readonly server: HostileXds;
  readonly socket: Socket;
  readonly calls = new Map<number, HostileCall>();
  readonly peer: Http2Peer;
  #preface: Buffer | null = Buffer.alloc(0);

  constructor(server: HostileXds, socket: Socket) {
    this.server = server;
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('close', () => {
      for (const call of this.calls.values()) call.cancelled();
    });
    this.peer = new Http2Peer(socket, server.attack?.peer ?? {}, (stream, event) => {
      if (stream !== null && event === 'head') this.#begin(stream);
      else for (const call of [...this.calls.values()]) call.update();
    });
    if (server.attack?.onConnection?.(this) === true) return;
    socket.on('data', (bytes) => this.#receive(bytes));
    this.peer.begin();
  }

  raw(bytes: Buffer | string): void {
    this.peer.raw(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  #receive(bytes: Buffer): void {
    if (this.#preface === null) {
      this.peer.receive(bytes);
      return;
    }
    this.#preface = Buffer.concat([this.#preface, bytes]);
    if (this.#preface.length < PREFACE.length) return;
    const rest = this.#preface.subarray(PREFACE.length);
    this.#preface = null;
    this.peer.receive(rest);
  }

  #begin(stream: Http2StreamRecord): void {
    const { server } = this;
    const call = new HostileCall(this, stream);
    this.calls.set(stream.id, call);
    server.callCount++;
    if (server.attack?.onCall !== undefined) server.attack.onCall(call);
    else call.serve();
  }
}

export class HostileCall implements AdsCall {
  readonly connection: HostileConnection;
  readonly id: number;
  readonly isDelta: boolean;
  /** What the client sent, decoded. */
  readonly requests: Readonly<Record<string, unknown>>[] = [];
  onRequest: (request: Readonly<Record<string, unknown>>) => void = () => undefined;
  readonly #record: Http2StreamRecord;
  readonly #path: string;
  #read = 0;
  #stream: AdsStream | null = null;
  #hasHead = false;
  #isOver = false;

  constructor(connection: HostileConnection, record: Http2StreamRecord) {
    this.connection = connection;
    this.#record = record;
    this.id = record.id;
    this.#path = record.head?.find(([name]) => name === ':path')?.[1] ?? '';
    this.isDelta = this.#path === `${ADS}DeltaAggregatedResources`;
  }

  /** As a server does. */
  serve(): void {
    const stream = this.connection.server.ads.connect(this, this.#path, this.isDelta, null);
    this.#stream = stream;
    for (const request of this.requests) stream.onMessage(request);
  }

  update(): void {
    const { body } = this.#record;
    const form = this.isDelta ? 'DeltaDiscoveryRequest' : 'DiscoveryRequest';
    while (body.length - this.#read >= 5) {
      const length = Buffer.from(body.slice(this.#read + 1, this.#read + 5), 'latin1').readUInt32BE();
      const end = this.#read + 5 + length;
      if (body.length < end) break;
      const bytes = Buffer.from(body.slice(this.#read + 5, end), 'latin1');
      this.#read = end;
      const request = decodeBinary(registry.message(`envoy.service.discovery.v3.${form}`), bytes);
      this.requests.push(request as never);
      this.onRequest(request as never);
      this.#stream?.onMessage(request);
    }
    if (this.#record.reset !== '') this.cancelled();
    else if (this.#record.isEnded) this.#stream?.onEnd();
  }

  cancelled(): void {
    this.connection.calls.delete(this.id);
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stream?.onCancelled();
  }

  // ─── What it says ───────────────────────────────────────────────────────────────────────────────────────────────

  head(more: readonly Http2Field[] = []): void {
    if (this.#hasHead) return;
    this.#hasHead = true;
    this.connection.peer.sendHead(this.id, [...OK_HEAD, ...more], false);
  }

  /** A response, in the form of the call. */
  send(message: unknown): void {
    const form = this.isDelta ? 'DeltaDiscoveryResponse' : 'DiscoveryResponse';
    this.sendBytes(encodeBinary(registry.message(`envoy.service.discovery.v3.${form}`), message as never));
  }

  sendBytes(message: Uint8Array, flags = 0): void {
    this.data(frameMessage(message, flags));
  }

  /** Bytes of the body, whatever they are. */
  data(bytes: Buffer, isLast = false): void {
    this.head();
    this.connection.peer.sendData(this.id, bytes, isLast);
  }

  end(status: { readonly code: number; readonly message: string } = { code: 0, message: '' }): void {
    this.trailers([
      ['grpc-status', String(status.code)],
      ['grpc-message', status.message],
    ]);
  }

  /** Without a head before them they are the whole answer. */
  trailers(fields: readonly Http2Field[]): void {
    this.#isOver = true;
    this.connection.peer.sendHead(this.id, this.#hasHead ? fields : [...OK_HEAD, ...fields], true);
  }

  reset(error: Http2ErrorName): void {
    this.connection.peer.reset(this.id, error);
  }
}
