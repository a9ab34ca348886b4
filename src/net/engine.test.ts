// The engines' common behaviour: one table of cases that runs over raw handles, node streams and memory.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import type * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import * as tls from 'node:tls';
import type { Address, ByteStream, ByteStreamHandler } from '../base/byte-stream.ts';
import { Clock, Random } from '../base/clock.ts';
import type { Failure } from '../base/failure.ts';
import {
  type ConnectOptions,
  createEngine,
  detachSocket,
  type Engine,
  isListenError,
  type Listener,
  type ListenOptions,
} from './engine.ts';
import { createMemoryEngine } from './memory-engine.ts';

const LOOPBACK: Address = { family: 'ipv4', address: '127.0.0.1', port: 0 };
const bugs: string[] = [];
const onBug = (error: unknown, where: string): void => {
  bugs.push(`${where}: ${(error as Error).message}`);
};

/** A handler that records, and lets a test wait for what it needs. */
class Probe implements ByteStreamHandler {
  readonly stream: ByteStream;
  text = '';
  ended = false;
  drains = 0;
  closed: Failure | null | undefined;
  closeCalls = 0;
  onBytes: ((chunk: Buffer, start: number, end: number) => void) | null = null;
  onFin: (() => void) | null = null;
  #wake: (() => void) | null = null;

  constructor(stream: ByteStream) {
    this.stream = stream;
    stream.handler = this;
  }
  onData(chunk: Buffer, start: number, end: number): void {
    assert.equal(this.closed, undefined);
    if (this.onBytes !== null) this.onBytes(chunk, start, end);
    else this.text += chunk.latin1Slice(start, end);
    this.#wake?.();
  }
  onEnd(): void {
    this.ended = true;
    this.onFin?.();
    this.#wake?.();
  }
  onDrain(): void {
    this.drains++;
    this.#wake?.();
  }
  onClose(failure: Failure | null): void {
    this.closeCalls++;
    this.closed = failure;
    this.#wake?.();
  }
  async until(done: () => boolean, what: string): Promise<void> {
    for (const limit = performance.now() + 5000; !done(); ) {
      assert.ok(performance.now() < limit, `timed out: ${what}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
  untilClosed(): Promise<void> {
    return this.until(() => this.closed !== undefined, 'close');
  }
}

function listen(
  engine: Engine,
  onStream: (s: ByteStream) => void,
  address = LOOPBACK,
  options: ListenOptions = {},
): Listener {
  const listener = engine.listen(address, options, onStream);
  assert.ok(!isListenError(listener), isListenError(listener) ? listener.detail : '');
  return listener;
}

function dial(engine: Engine, address: Address, options: ConnectOptions = {}): Promise<Probe> {
  return new Promise((resolve, reject) => {
    engine.connect(address, options, (stream, failure) => {
      if (stream !== null) resolve(new Probe(stream));
      else reject(failure);
    });
  });
}

/** A connected pair: [client, server, listener]. */
async function pair(
  engine: Engine,
  address = LOOPBACK,
  options: ListenOptions = {},
): Promise<[Probe, Probe, Listener]> {
  let server: Probe | undefined;
  const listener = listen(engine, (stream) => (server = new Probe(stream)), address, options);
  const client = await dial(engine, listener.address);
  await client.until(() => server !== undefined, 'accept');
  return [client, server as Probe, listener];
}

const real = new Clock();
const engines: [string, () => Engine][] = [
  ['handles', () => createEngine({ clock: real, onBug, engine: 'handles' })],
  ['streams', () => createEngine({ clock: real, onBug, engine: 'streams' })],
  ['memory', () => createMemoryEngine({ clock: real, onBug })],
];

for (const [name, create] of engines) {
  const isReal = name !== 'memory';

  const check = (title: string, fn: (engine: Engine) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      bugs.length = 0;
      const engine = create();
      await fn(engine);
      for (let i = 0; i < 100 && engine.openStreams > 0; i++) await new Promise((resolve) => setTimeout(resolve, 10));
      assert.equal(engine.openStreams, 0, 'streams left open');
      assert.deepEqual(bugs, []);
    });
  };

  check('echoes, ends both ways and closes with null', async (engine) => {
    const [client, server, listener] = await pair(engine);
    server.onBytes = (chunk, start, end) => server.stream.writeBorrowed(chunk, start, end);
    server.onFin = () => server.stream.end();
    engine.run(() => {
      client.stream.writeLatin1('héllo ');
      client.stream.write(Buffer.from('owned '));
      client.stream.writeLatin1('tail');
      client.stream.end();
    });
    await client.untilClosed();
    await server.untilClosed();
    assert.equal(client.text, 'héllo owned tail');
    assert.equal(client.closed, null);
    assert.equal(server.closed, null);
    assert.ok(client.ended && server.ended);
    assert.equal(client.stream.bytesWritten, 16);
    assert.equal(client.stream.bytesRead, 16);
    assert.equal(client.stream.bufferedBytes, 0);
    listener.close();
  });

  check('writes outside an entry leave by themselves', async (engine) => {
    const [client, server, listener] = await pair(engine);
    client.stream.writeLatin1('a');
    client.stream.writeLatin1('b');
    await server.until(() => server.text === 'ab', 'ab');
    client.stream.close();
    await client.untilClosed();
    await server.until(() => server.ended, 'fin');
    server.stream.close();
    await server.untilClosed();
    listener.close();
  });

  check('holds bytes back while paused; pauses are counted', async (engine) => {
    const [client, server, listener] = await pair(engine);
    server.stream.pause();
    server.stream.pause();
    client.stream.writeLatin1('x'.repeat(1000));
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(server.text.length, 0);
    server.stream.resume();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(server.text.length, 0);
    server.stream.resume();
    server.stream.resume();
    await server.until(() => server.text.length === 1000, 'bytes');
    client.stream.destroy();
    server.stream.destroy();
    await client.untilClosed();
    assert.equal(client.closed?.code, 'local_close');
    await server.untilClosed();
    listener.close();
  });

  check('bytes that were given back come first, once reading is not paused', async (engine) => {
    const [client, server, listener] = await pair(engine);
    client.stream.writeLatin1('one');
    await server.until(() => server.text === 'one', 'first bytes');
    const second = new Probe(server.stream);
    server.stream.pause();
    server.stream.unread(Buffer.from(server.text));
    client.stream.writeLatin1(' two');
    client.stream.end();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(second.text, '');
    server.stream.resume();
    await second.until(() => second.ended, 'end');
    assert.equal(second.text, 'one two');
    second.stream.end();
    await client.untilClosed();
    listener.close();
  });

  check('reset reaches the other side', async (engine) => {
    const [client, server, listener] = await pair(engine);
    client.stream.destroy(true);
    await server.untilClosed();
    assert.equal(server.closed?.code, 'downstream_reset');
    assert.equal(server.closed?.detail, 'read: Connection reset by peer (ECONNRESET)');
    const [other, served, second] = await pair(engine);
    served.stream.destroy(true);
    await other.untilClosed();
    assert.equal(other.closed?.code, 'upstream_reset');
    await client.untilClosed();
    await served.untilClosed();
    assert.equal(client.closeCalls, 1);
    listener.close();
    second.close();
  });

  check('close() delivers what is queued; a slow reader fills watermarks and drains them', async (engine) => {
    const [client, server, listener] = await pair(engine);
    server.stream.pause();
    client.stream.setWatermarks(1024 * 1024);
    const block = Buffer.alloc(256 * 1024, 'q');
    let sent = 0;
    while (!client.stream.isAboveHighWatermark) {
      client.stream.write(block);
      sent += block.length;
      await new Promise((resolve) => setImmediate(resolve));
      assert.ok(sent < 256 * 1024 * 1024);
    }
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(client.stream.bufferedBytes > 1024 * 1024);
    let got = 0;
    server.onBytes = (_chunk, start, end) => (got += end - start);
    server.stream.resume();
    await client.until(() => client.drains === 1, 'drain');
    assert.equal(client.stream.isAboveHighWatermark, false);
    client.stream.write(block);
    sent += block.length;
    client.stream.close();
    await server.until(() => server.ended, 'fin');
    assert.equal(got, sent);
    await client.untilClosed();
    assert.equal(client.closed, null);
    assert.equal(client.stream.bytesWritten, sent);
    server.stream.end();
    await server.untilClosed();
    listener.close();
  });

  check('connect refused, cancelled, and taken ports', async (engine) => {
    const listener = listen(engine, () => assert.fail('nobody should come'));
    const again = engine.listen(listener.address, {}, () => {});
    assert.ok(isListenError(again));
    assert.equal(again.errno, 'EADDRINUSE');
    assert.match(again.detail, /^cannot bind '127.0.0.1:\d+': Address already in use$/);
    listener.close();
    await new Promise((resolve) => setTimeout(resolve, 10));
    const refused = await dial(engine, listener.address).then(
      () => null,
      (failure: Failure) => failure,
    );
    assert.equal(refused?.code, 'connect_failed');
    assert.equal(refused?.detail, 'delayed connect error: Connection refused');
    engine.connect(listener.address, {}, () => assert.fail('was cancelled')).cancel();
    await new Promise((resolve) => setTimeout(resolve, 10));
  });

  test(`${name}: a bug in a handler ends that connection only`, async () => {
    bugs.length = 0;
    const engine = create();
    const [client, server, listener] = await pair(engine);
    server.onBytes = () => {
      throw new Error('boom');
    };
    const other = new Promise<Probe>((resolve) => {
      engine.connect(listener.address, {}, (stream) => resolve(new Probe(stream as ByteStream)));
    });
    client.stream.writeLatin1('x');
    await client.untilClosed();
    await server.untilClosed();
    assert.equal(server.closed?.code, 'bug');
    assert.equal(client.closed?.code, 'upstream_reset');
    const survivor = await other;
    assert.equal(survivor.closed, undefined);
    assert.equal(bugs.length, 1);
    assert.match(bugs[0] ?? '', /boom/);
    engine.run(() => {
      throw new Error('late');
    });
    assert.deepEqual(bugs[1], 'run: late');
    survivor.stream.destroy();
    await survivor.untilClosed();
    listener.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
  });

  check('accepting pauses and resumes', async (engine) => {
    let count = 0;
    const listener = listen(engine, (stream) => {
      count++;
      const probe = new Probe(stream);
      probe.onFin = () => stream.end();
    });
    listener.pause();
    const client = await dial(engine, listener.address);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(count, 0);
    listener.resume();
    await client.until(() => count === 1, 'accept');
    client.stream.end();
    await client.untilClosed();
    listener.close();
  });

  check('relays 200 connections of random sizes with half-close, slow readers and equal hashes', async (engine) => {
    await relayRun(engine, name === 'streams' ? 100 : 200);
  });

  if (isReal) {
    addressCases(check);
    unixCases(check);
    endCases(check);
  }
}

/** What only sockets have. */
function addressCases(check: (title: string, fn: (engine: Engine) => Promise<void>) => void): void {
  check('IPv6, its IPv4 compatibility, and addresses of both ends', async (engine) => {
    const any: Address = { family: 'ipv6', address: '::', port: 0 };
    let server: Probe | undefined;
    const listener = listen(engine, (stream) => (server = new Probe(stream)), any, { ipv4Compat: true });
    for (const [family, address] of [
      ['ipv6', '::1'],
      ['ipv4', '127.0.0.1'],
    ] as const) {
      server = undefined;
      const client = await dial(engine, { family, address, port: listener.address.port });
      await client.until(() => server !== undefined, 'accept');
      const found = server as unknown as Probe;
      assert.deepEqual(found.stream.remoteAddress, client.stream.localAddress);
      assert.deepEqual(found.stream.localAddress, client.stream.remoteAddress);
      assert.equal(found.stream.remoteAddress.family, family);
      client.stream.close();
      await found.until(() => found.ended, 'fin');
      found.stream.close();
      await found.untilClosed();
    }
    listener.close();
  });
}

function unixCases(check: (title: string, fn: (engine: Engine) => Promise<void>) => void): void {
  check('unix sockets: path, mode, stale path, abstract name', async (engine) => {
    const dir = mkdtempSync(join(tmpdir(), 'heddle-net-'));
    try {
      const path = join(dir, 's');
      for (const address of [path, path, `@heddle-test-${process.pid}-${Math.random()}`]) {
        const [client, server, listener] = await pair(engine, { family: 'unix', address, port: 0 }, { mode: 0o640 });
        if (!address.startsWith('@')) assert.equal(statSync(path).mode & 0o777, 0o640);
        client.stream.writeLatin1('over unix');
        await server.until(() => server.text === 'over unix', 'text');
        assert.equal(server.stream.localAddress.address, address);
        assert.equal(client.stream.remoteAddress.family, 'unix');
        server.stream.end();
        await client.until(() => client.ended, 'fin');
        client.stream.end();
        await client.untilClosed();
        await server.untilClosed();
        listener.close();
      }
      assert.equal(existsSync(path), false);
      const failed = await dial(engine, { family: 'unix', address: path, port: 0 }).catch(
        (failure: Failure) => failure,
      );
      assert.equal(
        (failed as Failure).detail,
        `immediate connect error: No such file or directory|remote address:${path}`,
      );
      const long = engine.listen({ family: 'unix', address: `/${'x'.repeat(108)}`, port: 0 }, {}, () => {});
      assert.ok(isListenError(long) && long.errno === 'ENAMETOOLONG');
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  check('SO_REUSEPORT: the first bind must find the port free, siblings join', async (engine) => {
    const first = listen(engine, () => {}, LOOPBACK, { reusePort: true });
    const taken = engine.listen(first.address, { reusePort: true }, () => {});
    assert.ok(isListenError(taken) && taken.errno === 'EADDRINUSE');
    const joined = engine.listen(first.address, { reusePort: true, joinExisting: true }, () => {});
    assert.ok(!isListenError(joined));
    assert.equal(joined.address.port, first.address.port);
    first.close();
    joined.close();
  });

  check('a dial may have a source address, and an immediate error comes after the call', async (engine) => {
    let server: Probe | undefined;
    const listener = listen(engine, (stream) => (server = new Probe(stream)));
    const localAddress: Address = { family: 'ipv4', address: '127.0.0.9', port: 0 };
    const client = await dial(engine, listener.address, { localAddress, keepAliveS: 30 });
    await client.until(() => server !== undefined, 'accept');
    assert.equal((server as unknown as Probe).stream.remoteAddress.address, '127.0.0.9');
    client.stream.destroy();
    await (server as unknown as Probe).until(() => (server as unknown as Probe).ended, 'fin');
    (server as unknown as Probe).stream.close();
    listener.close();
    let early = true;
    const failed = new Promise<Failure | null>((resolve) => {
      engine.connect({ family: 'ipv4', address: '255.255.255.255', port: 9 }, {}, (_stream, failure) => {
        assert.equal(early, false);
        resolve(failure);
      });
    });
    early = false;
    assert.match((await failed)?.detail ?? '', /^immediate connect error: [^|]+\|remote address:255.255.255.255:9$/);
  });
}

/** How connections end or leave. */
function endCases(check: (title: string, fn: (engine: Engine) => Promise<void>) => void): void {
  check('a detached stream becomes the base of a TLS socket, with its peeked bytes', async (engine) => {
    const psk = Buffer.alloc(32, 7);
    const tlsOptions = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const;
    const server = tls.createServer({ ...tlsOptions, pskCallback: () => psk }, (socket) => {
      socket.once('data', () => socket.end('x'.repeat(200_000)));
    });
    let peeked = 0;
    const listener = listen(engine, (stream) => {
      const probe = new Probe(stream);
      probe.onBytes = (chunk, start, end) => {
        peeked = end - start;
        const socket = detachSocket(stream, Buffer.from(chunk.subarray(start, end)));
        server.emit('connection', socket as net.Socket);
      };
    });
    const client = tls.connect({
      ...tlsOptions,
      port: listener.address.port,
      host: '127.0.0.1',
      checkServerIdentity: () => undefined,
      pskCallback: () => ({ psk, identity: 'test' }),
    });
    let got = 0;
    client.on('data', (chunk: Buffer) => (got += chunk.length));
    client.write('ping');
    await new Promise((resolve, reject) => client.once('close', resolve).once('error', reject));
    assert.ok(peeked > 0);
    assert.equal(got, 200_000);
    listener.close();
  });

  check('an early answer is read before the write failure is told', async (engine) => {
    const [client, server, listener] = await pair(engine);
    server.stream.writeLatin1('413');
    // Unread bytes make the kernel answer with RST after the text.
    server.stream.pause();
    client.stream.writeLatin1('x'.repeat(100));
    await client.until(() => client.text === '413', '413');
    server.stream.close();
    await server.untilClosed();
    for (let i = 0; i < 10 && client.closed === undefined; i++) {
      client.stream.writeLatin1('y'.repeat(100));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await client.untilClosed();
    assert.equal(client.closed?.code, 'upstream_reset');
    listener.close();
  });
}

/** Clients send random bodies through a relay to an echo server and compare hashes. */
async function relayRun(engine: Engine, connections: number): Promise<void> {
  const random = new Random(42);
  const source = Buffer.alloc(3 * 1024 * 1024);
  for (let i = 0; i < source.length; i += 4) source.writeUInt32LE(random.uint32(), i);
  const echo = listen(engine, (stream) => {
    const probe = new Probe(stream);
    probe.onBytes = (chunk, start, end) => stream.writeBorrowed(chunk, start, end);
    probe.onFin = () => stream.end();
  });
  const relay = listen(engine, (down) => {
    down.pause();
    const from = new Probe(down);
    engine.connect(echo.address, {}, (up, failure) => {
      assert.equal(failure, null);
      splice(from, new Probe(up as ByteStream));
      down.resume();
    });
  });
  const runs: Promise<void>[] = [];
  for (let i = 0; i < connections; i++) {
    const size = i % 10 === 0 ? random.below(source.length) : random.below(60_000) + 1;
    runs.push(clientRun(engine, relay.address, source, size, random, i % 7 === 0));
  }
  await Promise.all(runs);
  relay.close();
  echo.close();
}

function splice(a: Probe, b: Probe): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    to.stream.setWatermarks(64 * 1024);
    let isHeld = false;
    from.onBytes = (chunk, start, end) => {
      // Two pieces, so that text, borrowed bytes and text mix in one queue.
      const middle = Math.min(end, start + 5);
      to.stream.writeBorrowed(chunk, start, middle);
      to.stream.writeBorrowed(chunk, middle, end);
      if (to.stream.isAboveHighWatermark && !isHeld) {
        isHeld = true;
        from.stream.pause();
      }
    };
    to.onDrain = () => {
      if (!isHeld) return;
      isHeld = false;
      from.stream.resume();
    };
    from.onFin = () => to.stream.end();
  }
}

async function clientRun(
  engine: Engine,
  to: Address,
  source: Buffer,
  size: number,
  random: Random,
  slow: boolean,
): Promise<void> {
  const client = await dial(engine, to);
  const hash = createHash('sha256');
  let got = 0;
  client.onBytes = (chunk, start, end) => {
    hash.update(chunk.subarray(start, end));
    got += end - start;
    if (slow && random.below(4) === 0) {
      client.stream.pause();
      setTimeout(() => client.stream.resume(), random.below(10));
    }
  };
  let at = 0;
  const step = (): void => {
    while (at < size && !client.stream.isAboveHighWatermark) {
      const next = Math.min(size, at + 1 + random.below(100_000));
      if (random.below(2) === 0) client.stream.write(source.subarray(at, next));
      else client.stream.writeLatin1(source.latin1Slice(at, next));
      at = next;
    }
    if (at === size) client.stream.end();
  };
  client.onDrain = step;
  engine.run(step);
  await client.until(() => client.closed !== undefined, `${got} of ${size} bytes`);
  assert.equal(client.closed, null);
  assert.equal(got, size);
  assert.equal(hash.digest('hex'), createHash('sha256').update(source.subarray(0, size)).digest('hex'));
}
