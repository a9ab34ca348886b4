// What only raw handles promise: system calls per turn, borrowed memory, no leaks, a silent start, inherited sockets.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import * as net from 'node:net';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import type { Address, ByteStream, ByteStreamHandler } from '../base/byte-stream.ts';
import { Clock } from '../base/clock.ts';
import { createEngine, type Engine, fileDescriptor, isListenError, type Listener } from './engine.ts';
import { checkHandles, type Handle } from './handles.ts';

const LOOPBACK: Address = { family: 'ipv4', address: '127.0.0.1', port: 0 };
const quiet: ByteStreamHandler = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };
const engineUrl = new URL('./engine.ts', import.meta.url).href;
const clockUrl = new URL('../base/clock.ts', import.meta.url).href;

function newEngine(): Engine {
  const onBug = (error: unknown): void => {
    throw error;
  };
  return createEngine({ clock: new Clock(), onBug, engine: 'handles', readBufferBytes: 64 * 1024 });
}

function listen(engine: Engine, onStream: (stream: ByteStream) => void): Listener {
  const listener = engine.listen(LOOPBACK, {}, onStream);
  assert.ok(!isListenError(listener));
  return listener;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Counts the write calls that libuv gets for one stream. */
function spyWrites(stream: ByteStream): () => number {
  const { handle } = stream as unknown as { handle: Handle };
  let calls = 0;
  for (const name of ['writeLatin1String', 'writeBuffer', 'writev'] as const) {
    const original = handle[name] as (...args: unknown[]) => number;
    Object.defineProperty(handle, name, {
      value: (...args: unknown[]) => {
        calls++;
        return original.apply(handle, args);
      },
    });
  }
  return () => calls;
}

test('the self-test accepts this runtime', () => {
  assert.equal(checkHandles(), null);
});

test('many small writes of one turn leave in one call', async () => {
  const engine = newEngine();
  const got: string[] = [];
  let calls: (() => number) | undefined;
  const listener = listen(engine, (stream) => {
    calls = spyWrites(stream);
    stream.handler = {
      ...quiet,
      onData(chunk, start, end) {
        stream.writeLatin1('HTTP/1.1 200 OK\r\n');
        stream.writeLatin1('content-length: 4\r\n\r\n');
        stream.writeBorrowed(chunk, start, end);
      },
      onEnd: () => stream.end(),
    };
  });
  const client = net.connect(listener.address.port, '127.0.0.1', () => client.write('body'));
  client.on('data', (chunk) => {
    got.push(chunk.toString());
    client.end();
  });
  await new Promise((resolve) => client.on('close', resolve));
  assert.deepEqual(got, ['HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody']);
  assert.equal(calls?.(), 1);
  listener.close();
});

test('borrowed bytes survive a full socket although the read buffer is used again', async () => {
  const engine = newEngine();
  // The sink is not read until the end, so writes become partial, then wait.
  const sinks: net.Socket[] = [];
  const server = net.createServer({ pauseOnConnect: true }, (socket) => sinks.push(socket)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as net.AddressInfo;
  const to = await new Promise<ByteStream>((resolve) => {
    engine.connect({ ...LOOPBACK, port }, {}, (stream) => resolve(stream as ByteStream));
  });
  const total = 24 * 1024 * 1024;
  const listener = listen(engine, (stream) => {
    stream.handler = { ...quiet, onData: (chunk, start, end) => to.writeBorrowed(chunk, start, end) };
  });
  const source = net.connect(listener.address.port, '127.0.0.1');
  const pattern = Buffer.alloc(total);
  for (let i = 0; i < total; i += 4) pattern.writeUInt32LE((i * 2_654_435_761) >>> 0, i);
  source.end(pattern);
  await new Promise((resolve) => source.once('finish', resolve));
  for (let i = 0; i < 100 && to.bufferedBytes + to.bytesWritten < total; i++) await sleep(20);
  assert.ok(to.bufferedBytes > 1024 * 1024, 'the sink did not fill');
  to.end();
  const [sink] = sinks as [net.Socket];
  const parts: Buffer[] = [];
  sink.on('data', (chunk) => parts.push(chunk)).resume();
  await new Promise((resolve) => sink.once('end', resolve));
  assert.ok(Buffer.concat(parts).equals(pattern));
  assert.equal(to.bytesWritten, total);
  sink.destroy();
  to.destroy();
  source.destroy();
  listener.close();
  server.close();
  await sleep(20);
  assert.equal(engine.openStreams, 1);
});

test('descriptors go back: accepted, dialled, refused, cancelled, held', async () => {
  const engine = newEngine();
  await sleep(20);
  const before = readdirSync('/proc/self/fd').length;
  const accepted: ByteStream[] = [];
  const listener = listen(engine, (stream) => {
    accepted.push(stream);
    assert.ok(fileDescriptor(stream) > 0);
  });
  for (let i = 0; i < 50; i++) {
    engine.connect(listener.address, {}, (stream) => stream?.destroy(i % 2 === 0));
    engine.connect({ ...LOOPBACK, port: 1 }, {}, (stream) => assert.equal(stream, null));
    engine.connect(listener.address, {}, () => assert.fail('cancelled')).cancel();
  }
  await sleep(50);
  listener.pause();
  engine.connect(listener.address, {}, (stream) => stream?.close());
  await sleep(20);
  listener.close();
  for (const stream of accepted) stream.destroy();
  await sleep(30);
  assert.equal(engine.openStreams, 0);
  assert.equal(readdirSync('/proc/self/fd').length, before);
  assert.equal(accepted.length >= 50, true);
  assert.equal(fileDescriptor(accepted[0] as ByteStream), -1);
});

test('too many held connections are reset and counted', async () => {
  const engine = newEngine();
  const listener = engine.listen(LOOPBACK, { maxHeld: 2 }, (stream) => stream.destroy());
  assert.ok(!isListenError(listener));
  listener.pause();
  const failures: string[] = [];
  for (let i = 0; i < 5; i++) {
    engine.connect(listener.address, {}, (stream) => {
      if (stream !== null) stream.handler = { ...quiet, onClose: (failure) => failures.push(failure?.code ?? 'null') };
    });
  }
  await sleep(30);
  assert.equal(listener.heldOverflows, 3);
  assert.deepEqual(failures, ['upstream_reset', 'upstream_reset', 'upstream_reset']);
  listener.close();
  await sleep(20);
  assert.equal(failures.length, 5);
});

test('nothing is printed, also with --pending-deprecation', () => {
  const code = `const { createEngine } = await import(${JSON.stringify(engineUrl)});
    const { Clock } = await import(${JSON.stringify(clockUrl)});
    process.stdout.write(createEngine({ clock: new Clock(), onBug() {} }).kind);`;
  const args = ['--pending-deprecation', '--input-type=module', '-e', code];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(stderr, '');
  assert.equal(stdout, 'handles');
});

test('works in a worker thread', async () => {
  const code = `import { parentPort } from 'node:worker_threads';
    const { createEngine } = await import(${JSON.stringify(engineUrl)});
    const { Clock } = await import(${JSON.stringify(clockUrl)});
    const engine = createEngine({ clock: new Clock(), onBug() {} });
    const listener = engine.listen({ family: 'ipv4', address: '127.0.0.1', port: 0 }, {}, (stream) => {
      stream.writeLatin1('from ' + engine.kind);
      stream.close();
      listener.close();
    });
    parentPort.postMessage(listener.address.port);`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  const port = await new Promise<number>((resolve) => worker.once('message', resolve));
  const client = net.connect(port, '127.0.0.1');
  const text = await new Promise<string>((resolve) => client.once('data', (chunk) => resolve(String(chunk))));
  assert.equal(text, 'from handles');
  client.destroy();
  await worker.terminate();
});

test('a successor listens on an inherited descriptor', async () => {
  const engine = newEngine();
  const listener = listen(engine, () => assert.fail('the old process should not accept'));
  listener.pause();
  const code = `const { createEngine } = await import(${JSON.stringify(engineUrl)});
    const { Clock } = await import(${JSON.stringify(clockUrl)});
    const engine = createEngine({ clock: new Clock(), onBug() {} });
    const address = { family: 'ipv4', address: '127.0.0.1', port: 0 };
    const listener = engine.listen(address, { fd: 3 }, (stream) => {
      stream.writeLatin1('successor');
      stream.close();
    });
    console.log(listener.address.port);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit', listener.fd],
  });
  const line = await new Promise<string>((resolve) => child.stdout?.once('data', (chunk) => resolve(String(chunk))));
  assert.equal(Number(line), listener.address.port);
  listener.close();
  const client = net.connect(listener.address.port, '127.0.0.1');
  const text = await new Promise<string>((resolve) => client.once('data', (chunk) => resolve(String(chunk))));
  assert.equal(text, 'successor');
  client.destroy();
  child.kill();
  await new Promise((resolve) => child.once('exit', resolve));
});
