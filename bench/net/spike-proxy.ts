// The proxy of the socket spike: one minimal HTTP/1.1 keep-alive relay over several socket engines, bench only.
import { writeSync } from 'node:fs';
import * as net from 'node:net';
import type { ByteStream } from '../../src/base/byte-stream.ts';
import { Clock } from '../../src/base/clock.ts';
import { createEngine } from '../../src/net/engine.ts';

/** What the relay needs from an engine. */
type Sock = {
  onData: (chunk: Buffer, start: number, end: number) => void;
  onClose: () => void;
  writeText(text: string): void;
  /** Borrowed: the engine copies what the kernel does not take. */
  writeBytes(head: string, chunk: Buffer, start: number, end: number): void;
  destroy(): void;
};
type Engine = {
  listen(port: number, onSock: (sock: Sock) => void): void;
  connect(port: number, onSock: (sock: Sock) => void): void;
};

const [, , engineName = 'handles', listenPort = '0', upstreamPort = '0', bufferKib = '64'] = process.argv;
const readBytes = Number(bufferKib) * 1024;
/** Borrowed bytes up to this size are joined to the head as text. */
const inlineBytes = Number(process.argv[6] ?? 16) * 1024;

// ---------------------------------------------------------------- (a), (b): node:net

class NetSock implements Sock {
  onData: Sock['onData'] = () => {};
  onClose = () => {};
  readonly socket: net.Socket;
  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.onClose());
  }
  writeText(text: string): void {
    this.socket.write(text, 'latin1');
  }
  writeBytes(head: string, chunk: Buffer, start: number, end: number): void {
    this.socket.cork();
    if (head !== '') this.socket.write(head, 'latin1');
    this.socket.write(chunk.subarray(start, end));
    this.socket.uncork();
  }
  destroy(): void {
    this.socket.destroy();
  }
}

const streams: Engine = {
  listen(port, onSock) {
    net
      .createServer({ allowHalfOpen: true }, (socket) => {
        const sock = new NetSock(socket);
        socket.on('data', (chunk: Buffer) => sock.onData(chunk, 0, chunk.length));
        socket.on('end', () => socket.destroy());
        onSock(sock);
      })
      .listen(port, '127.0.0.1');
  },
  connect(port, onSock) {
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const sock = new NetSock(socket);
    socket.on('data', (chunk: Buffer) => sock.onData(chunk, 0, chunk.length));
    socket.on('end', () => socket.destroy());
    socket.on('connect', () => onSock(sock));
  },
};

/** One buffer for all sockets, so borrowed bytes are copied whenever they are not sent as text. */
const shared = Buffer.allocUnsafeSlow(readBytes);

class OnreadSock extends NetSock {
  override writeBytes(head: string, chunk: Buffer, start: number, end: number): void {
    if (end - start <= inlineBytes) {
      this.socket.write(head + chunk.latin1Slice(start, end), 'latin1');
      return;
    }
    this.socket.cork();
    if (head !== '') this.socket.write(head, 'latin1');
    this.socket.write(Buffer.from(chunk.subarray(start, end)));
    this.socket.uncork();
  }
}

const onread: Engine = {
  listen(port, onSock) {
    const server = net.createServer();
    server.listen({ port, host: '0.0.0.0' }, () => {
      const inner = (server as unknown as { _handle: { onconnection: unknown } })._handle;
      inner.onconnection = (_error: number, handle: unknown) => {
        const socket = new net.Socket(onreadOptions({ handle, allowHalfOpen: true }, () => sock));
        const sock = new OnreadSock(socket);
        socket.on('end', () => socket.destroy());
        onSock(sock);
        socket.resume();
      };
    });
  },
  connect(port, onSock) {
    const socket = net.connect(
      onreadOptions({ port, host: '127.0.0.1', allowHalfOpen: true }, () => sock) as unknown as net.NetConnectOpts,
    );
    const sock = new OnreadSock(socket);
    socket.on('end', () => socket.destroy());
    socket.on('connect', () => onSock(sock));
  },
};

function onreadOptions(base: object, sock: () => Sock): net.SocketConstructorOpts {
  return {
    ...base,
    onread: {
      buffer: shared,
      callback(count: number) {
        sock().onData(shared, 0, count);
        return true;
      },
    },
  } as net.SocketConstructorOpts;
}

// ---------------------------------------------------------------- (c), (d): raw handles

type Handle = {
  fd: number;
  sock: RawSock;
  onread: () => void;
  onconnection: (error: number, handle: Handle) => void;
  bind(address: string, port: number, flags: number): number;
  listen(backlog: number): number;
  connect(req: object, address: string, port: number): number;
  setNoDelay(on: boolean): void;
  useUserBuffer(buffer: Buffer): void;
  readStart(): number;
  writeLatin1String(req: object, text: string): number;
  writeBuffer(req: object, chunk: Uint8Array): number;
  writev(req: object, chunks: unknown[], allBuffers: boolean): number;
  close(): void;
};
type Constructor<T> = new (kind?: number) => T;
const binding = (process as unknown as { binding(name: string): Record<string, unknown> }).binding;
const tcpWrap = binding('tcp_wrap') as {
  TCP: Constructor<Handle>;
  TCPConnectWrap: Constructor<{ oncomplete: unknown }>;
};
const streamWrap = binding('stream_wrap') as Record<string, number> & {
  WriteWrap: Constructor<{ handle: Handle | null; oncomplete: unknown; keep: unknown }>;
  streamBaseState: Int32Array;
};
const state = streamWrap.streamBaseState;
const kRead = streamWrap['kReadBytesOrError'] as number;
const kAsync = streamWrap['kLastWriteWasAsync'] as number;
const freshRequests = engineName === 'handles-req';
const viaFs = engineName === 'handles-fs';
const scratch = Buffer.allocUnsafeSlow(1 << 20);

function newRequest() {
  const req = new streamWrap.WriteWrap();
  req.oncomplete = () => {};
  req.keep = null;
  return req;
}
let request = newRequest();

class RawSock implements Sock {
  onData: Sock['onData'] = () => {};
  onClose = () => {};
  isClosed = false;
  readonly handle: Handle;
  readonly fd: number;
  constructor(handle: Handle) {
    this.handle = handle;
    this.fd = handle.fd;
    handle.sock = this;
    handle.onread = onRawRead;
    handle.setNoDelay(true);
    handle.useUserBuffer(shared);
    handle.readStart();
  }
  writeText(text: string): void {
    if (freshRequests) request = newRequest();
    if (engineName === 'handles-fstext') {
      if (!this.isClosed) writeSync(this.fd, text, null, 'latin1');
      return;
    }
    if (!this.isClosed) this.handle.writeLatin1String(request, text);
    if (state[kAsync] !== 0) request = newRequest();
  }
  writeBytes(head: string, chunk: Buffer, start: number, end: number): void {
    if (end - start <= inlineBytes) {
      this.writeText(head + chunk.latin1Slice(start, end));
      return;
    }
    if (viaFs) {
      // The scratch buffer is never retained: only the rest that the kernel refused is copied.
      scratch.latin1Write(head, 0, head.length);
      chunk.copy(scratch, head.length, start, end);
      const total = head.length + end - start;
      let sent = 0;
      try {
        sent = writeSync(this.fd, scratch, 0, total);
      } catch {}
      if (sent < total) this.#later(Buffer.from(scratch.subarray(sent, total)));
      return;
    }
    if (engineName === 'handles-fs2') {
      if (head !== '') this.writeText(head);
      let sent = 0;
      try {
        sent = state[kAsync] !== 0 ? 0 : writeSync(this.fd, chunk, start, end - start);
      } catch {}
      if (sent < end - start) this.#later(Buffer.from(chunk.subarray(start + sent, end)));
      return;
    }
    const owned = Buffer.allocUnsafeSlow(head.length + end - start);
    owned.latin1Write(head, 0, head.length);
    chunk.copy(owned, head.length, start, end);
    this.#later(owned);
  }
  #later(owned: Buffer): void {
    this.handle.writeBuffer(request, owned);
    if (state[kAsync] !== 0) {
      request.keep = owned;
      request = newRequest();
    }
  }
  destroy(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.handle.close();
    this.onClose();
  }
}

function onRawRead(this: Handle): void {
  const count = state[kRead] as number;
  try {
    if (count > 0) this.sock.onData(shared, 0, count);
    else if (count < 0) this.sock.destroy();
  } catch (error) {
    console.error(error);
    this.sock.destroy();
  }
}

const handles: Engine = {
  listen(port, onSock) {
    const server = new tcpWrap.TCP(1);
    server.bind('127.0.0.1', port, 0);
    server.onconnection = (_error, handle) => onSock(new RawSock(handle));
    server.listen(511);
  },
  connect(port, onSock) {
    const handle = new tcpWrap.TCP(0);
    const req = new tcpWrap.TCPConnectWrap();
    req.oncomplete = () => onSock(new RawSock(handle));
    handle.connect(req, '127.0.0.1', port);
  },
};

// ---------------------------------------------------------------- (e): the engine as built

class EngineSock implements Sock {
  onData: Sock['onData'] = () => {};
  onClose = () => {};
  readonly stream: ByteStream;
  constructor(stream: ByteStream) {
    this.stream = stream;
    stream.handler = {
      onData: (chunk, start, end) => this.onData(chunk, start, end),
      onEnd: () => stream.destroy(),
      onDrain: () => {},
      onClose: () => this.onClose(),
    };
  }
  writeText(text: string): void {
    this.stream.writeLatin1(text);
  }
  writeBytes(head: string, chunk: Buffer, start: number, end: number): void {
    if (head !== '') this.stream.writeLatin1(head);
    this.stream.writeBorrowed(chunk, start, end);
  }
  destroy(): void {
    this.stream.destroy();
  }
}

function built(kind: 'handles' | 'streams'): Engine {
  const inner = createEngine({
    clock: new Clock(),
    onBug: (error) => console.error(error),
    engine: kind,
    readBufferBytes: readBytes,
  });
  return {
    listen(port, onSock) {
      inner.listen({ family: 'ipv4', address: '127.0.0.1', port }, {}, (stream) => onSock(new EngineSock(stream)));
    },
    connect(port, onSock) {
      inner.connect({ family: 'ipv4', address: '127.0.0.1', port }, {}, (stream) => {
        if (stream !== null) onSock(new EngineSock(stream));
      });
    },
  };
}

// ---------------------------------------------------------------- the relay

const idle: Upstream[] = [];

/** Splits one direction into head and counted body; keep-alive, content-length only: enough for a figure. */
abstract class Side {
  pending = '';
  bodyLeft = 0;
  readonly sock: Sock;
  constructor(sock: Sock) {
    this.sock = sock;
    sock.onData = (chunk, start, end) => this.take(chunk, start, end);
  }
  abstract head(text: string): string;
  abstract forward(head: string, chunk: Buffer, start: number, end: number): void;
  abstract done(): void;
  take(chunk: Buffer, start: number, end: number): void {
    let head = '';
    if (this.bodyLeft === 0) {
      const text = this.pending + chunk.latin1Slice(start, Math.min(end, start + 8192));
      const stop = text.indexOf('\r\n\r\n');
      if (stop < 0) {
        this.pending = text;
        return;
      }
      const at = start + stop + 4 - this.pending.length;
      this.pending = '';
      const lines = text.slice(0, stop).split('\r\n');
      for (let i = 1; i < lines.length; i++) {
        const line = lines[i] as string;
        const colon = line.indexOf(':');
        const name = line.slice(0, colon).toLowerCase();
        if (name === 'content-length') this.bodyLeft = Number(line.slice(colon + 1));
        head += `${name}:${line.slice(colon + 1)}\r\n`;
      }
      head = `${lines[0]}\r\n${this.head(head)}\r\n`;
      start = at;
    }
    const take = Math.min(this.bodyLeft, end - start);
    this.bodyLeft -= take;
    this.forward(head, chunk, start, start + take);
    if (this.bodyLeft === 0) this.done();
  }
}

class Upstream extends Side {
  down: Downstream | null = null;
  head(text: string): string {
    return `${text}x-envoy-upstream-service-time: 0\r\n`;
  }
  forward(head: string, chunk: Buffer, start: number, end: number): void {
    const down = this.down as Downstream;
    if (end > start) down.sock.writeBytes(head, chunk, start, end);
    else down.sock.writeText(head);
  }
  done(): void {
    this.down = null;
    idle.push(this);
  }
}

class Downstream extends Side {
  up: Upstream | null = null;
  queued: (() => void) | null = null;
  head(text: string): string {
    return `${text}x-forwarded-proto: http\r\nx-request-id: 0123456789abcdef\r\n`;
  }
  forward(head: string, chunk: Buffer, start: number, end: number): void {
    if (head !== '') this.up = idle.pop() ?? null;
    const up = this.up;
    if (up !== null) {
      up.down = this;
      if (end > start) up.sock.writeBytes(head, chunk, start, end);
      else up.sock.writeText(head);
      return;
    }
    const copy = Buffer.from(chunk.subarray(start, end));
    engine.connect(Number(upstreamPort), (sock) => {
      this.up = new Upstream(sock);
      this.up.down = this;
      if (copy.length > 0) this.up.sock.writeBytes(head, copy, 0, copy.length);
      else this.up.sock.writeText(head);
    });
  }
  done(): void {}
}

const engines: Record<string, Engine> = {
  streams,
  onread,
  'built-handles': built('handles'),
  'built-streams': built('streams'),
};
const engine = engines[engineName] ?? handles;
engine.listen(Number(listenPort), (sock) => new Downstream(sock));
