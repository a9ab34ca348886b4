// The native adapter and what the engines do with it: options, prepared sockets, sources, descriptors taken over.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { Address, ByteStream } from '../base/byte-stream.ts';
import { Clock, Random } from '../base/clock.ts';
import type { Failure } from '../base/failure.ts';
import {
  type ConnectOptions,
  createEngine,
  type Engine,
  fileDescriptor,
  isListenError,
  type Listener,
  type ListenOptions,
  type SocketOption,
} from './engine.ts';
import * as native from './native.ts';
import { isBindFailure } from './prepared-socket.ts';
import { originalDestinationOf } from './original-destination.ts';
import { fastOpen, freebind, keepAlive } from './socket-options.ts';

const LOOPBACK: Address = { family: 'ipv4', address: '127.0.0.1', port: 0 };
/** Needs no privilege, unlike SO_MARK; that and IP_TRANSPARENT are tested in network namespaces. */
const IP_TOS: SocketOption = { level: native.SOL_IP, name: 1, value: 0x10, state: 'prebind', label: 'IP_TOS' };
const UNKNOWN: SocketOption = { level: 1, name: 9999, value: 1, state: 'prebind', label: 'NONSENSE' };

test('the self-test accepts this system', () => {
  assert.equal(native.nativeProblem(), null);
});

test('addresses survive their way through struct sockaddr', () => {
  const random = new Random(7);
  const word = (): string => (random.uint32() & 0xffff).toString(16);
  for (let i = 0; i < 500; i++) {
    const port = random.uint32() & 0xffff;
    const ipv4 = `${random.uint32() & 255}.${random.uint32() & 255}.${random.uint32() & 255}.${random.uint32() & 255}`;
    // Full groups only: what is shortened is formatIp's matter.
    const ipv6 = Array.from({ length: 8 }, () => word().replace(/^0$/, '1')).join(':');
    for (const address of [ipv4, ipv6]) {
      const given: Address = { family: address === ipv4 ? 'ipv4' : 'ipv6', address, port };
      const bytes = native.encodeSocketAddress(given) as Buffer;
      assert.deepEqual(native.decodeSocketAddress(bytes, bytes.length), given);
    }
  }
  for (const path of ['/run/a.sock', '@abstract', `/${'x'.repeat(106)}`]) {
    const given: Address = { family: 'unix', address: path, port: 0 };
    const bytes = native.encodeSocketAddress(given) as Buffer;
    assert.deepEqual(native.decodeSocketAddress(bytes, bytes.length), given);
  }
  const mapped = native.encodeSocketAddress({ family: 'ipv6', address: '::ffff:10.1.2.3', port: 80 }) as Buffer;
  assert.deepEqual(native.decodeSocketAddress(mapped, 28), { family: 'ipv4', address: '10.1.2.3', port: 80 });
  assert.equal(native.encodeSocketAddress({ family: 'ipv4', address: 'localhost', port: 0 }), null);
  assert.equal(native.encodeSocketAddress({ family: 'unix', address: 'x'.repeat(108), port: 0 }), null);
  assert.equal(native.decodeSocketAddress(Buffer.alloc(28), 28), null);
  assert.equal(native.decodeSocketAddress(Buffer.alloc(1), 1), null);
});

test('calls on a descriptor that is none answer with the name of the error', () => {
  assert.equal(native.setSocketOption(-1, IP_TOS), 'EBADF');
  assert.equal(native.getSocketOption(-1, 1, 9), 'EBADF');
  assert.equal(native.getIntOption(-1, 1, 9), 'EBADF');
  assert.equal(native.bindSocket(-1, LOOPBACK), 'EBADF');
  assert.equal(native.duplicateDescriptor(-1), 'EBADF');
  assert.equal(native.closeDescriptor(-1), 'EBADF');
  assert.equal(native.socketAddress(-1), null);
  assert.equal(native.peerAddress(-1), null);
  assert.equal(native.originalDestination(-1, 'ipv4'), null);
});

test('a socket can be made, bound, named, copied and closed', () => {
  const fd = native.makeSocket('ipv6', 'datagram') as number;
  assert.ok(fd >= 0);
  assert.equal(native.bindSocket(fd, { family: 'ipv6', address: '::1', port: 0 }), null);
  const copy = native.duplicateDescriptor(fd) as number;
  assert.equal(native.closeDescriptor(fd), null);
  const bound = native.socketAddress(copy) as Address;
  assert.equal(bound.address, '::1');
  assert.ok(bound.port > 0);
  assert.equal(native.closeDescriptor(copy), null);
});

test('without the package the reason is told, and nothing else breaks', () => {
  const program = `
    import { registerHooks } from 'node:module';
    import Module from 'node:module';
    const load = Module._load;
    Module._load = (name, ...rest) => { if (name === 'koffi') throw new Error('gone'); return load(name, ...rest); };
    const native = await import('./native.ts');
    const { createEngine } = await import('./engine.ts');
    const { Clock } = await import('../base/clock.ts');
    const engine = createEngine({ clock: new Clock(), onBug() {} });
    const at = { family: 'ipv4', address: '127.0.0.1', port: 0 };
    const option = { level: 0, name: 15, value: 1, state: 'prebind', label: 'IP_FREEBIND' };
    const source = { family: 'ipv4', address: '127.0.0.5', port: 0 };
    const listener = engine.listen(at, {}, (stream) => {
      console.log(JSON.stringify([native.nativeProblem(), native.setSocketOption(1, option),
        engine.listen(at, { socketOptions: [option] }, () => {}).detail.replace(/.*: the/, 'the'),
        stream.remoteAddress.address]));
      engine.connect(at, { socketOptions: [option] }, (_, failure) => {
        console.log(failure.detail);
        process.exit(0);
      });
    });
    const said = (_, failure) => failure && console.log(failure);
    engine.connect(listener.address, { localAddress: source, keepAliveS: 5 }, said);
  `;
  const run = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '-e', program],
    {
      cwd: import.meta.dirname,
      encoding: 'utf8',
    },
  );
  const reason = 'the koffi package cannot be loaded: gone';
  assert.equal(
    run.stdout,
    `${JSON.stringify([reason, 'ENOSYS', reason, '127.0.0.5'])}\ncannot set IP_FREEBIND: ${reason}\n`,
    run.stderr,
  );
});

const engines = (['handles', 'streams'] as const).map((engine): [string, Engine] => [
  engine,
  createEngine({ clock: new Clock(), onBug: (error) => assert.fail(String(error)), engine }),
]);

function listen(
  engine: Engine,
  options: ListenOptions,
  address = LOOPBACK,
  onStream = (_: ByteStream): void => {},
): Listener {
  const listener = engine.listen(address, options, onStream);
  if (isListenError(listener)) assert.fail(listener.detail);
  return listener;
}

function dial(engine: Engine, address: Address, options: ConnectOptions): Promise<ByteStream | Failure> {
  return new Promise((resolve) => engine.connect(address, options, (stream, failure) => resolve((stream ?? failure)!)));
}

async function pair(engine: Engine, options: ConnectOptions): Promise<[ByteStream, ByteStream, Listener]> {
  let accepted: (stream: ByteStream) => void = () => {};
  const waited = new Promise<ByteStream>((resolve) => (accepted = resolve));
  const listener = listen(engine, {}, LOOPBACK, (stream) => accepted(stream));
  const client = await dial(engine, listener.address, options);
  if ('code' in client) assert.fail(client.detail);
  return [client, await waited, listener];
}

for (const [name, engine] of engines) {
  test(`${name}: a listener's options are set before bind, after it, and once it listens`, () => {
    const options = [...freebind('ipv4', true), { ...IP_TOS, state: 'bound' as const }, fastOpen(7)];
    // Nobody has this address: without IP_FREEBIND it cannot be bound.
    const address: Address = { family: 'ipv4', address: '203.0.113.7', port: 0 };
    const refused = engine.listen(address, {}, () => {});
    assert.ok(isListenError(refused) && refused.errno === 'EADDRNOTAVAIL');
    for (const reusePort of [false, true]) {
      const listener = listen(engine, { socketOptions: options, reusePort }, address);
      assert.equal(listener.address.address, '203.0.113.7');
      assert.ok(listener.address.port > 0);
      assert.equal(native.getIntOption(listener.fd, native.SOL_IP, native.IP_FREEBIND), 1);
      assert.equal(native.getIntOption(listener.fd, native.SOL_IP, 1), 0x10);
      assert.equal(native.getIntOption(listener.fd, native.SOL_TCP, native.TCP_FASTOPEN), 7);
      const second = engine.listen(listener.address, { socketOptions: options, reusePort: true }, () => {});
      assert.ok(isListenError(second) && second.errno === 'EADDRINUSE');
      assert.match(second.detail, /^cannot bind '203.0.113.7:\d+': Address already in use$/);
      listener.close();
    }
  });

  test(`${name}: prepared listeners of every family accept`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'heddle-native-'));
    const addresses: Address[] = [
      LOOPBACK,
      { family: 'ipv6', address: '::1', port: 0 },
      { family: 'unix', address: join(folder, 's'), port: 0 },
      { family: 'unix', address: `@heddle-native-${process.pid}-${name}`, port: 0 },
    ];
    for (const address of addresses) {
      let accepted = 0;
      const socketOptions = keepAlive().slice(0, 1);
      const listener = listen(engine, { socketOptions, mode: 0o600 }, address, () => accepted++);
      const client = await dial(engine, listener.address, {});
      assert.ok('handler' in client, 'detail' in client ? client.detail : '');
      for (let i = 0; i < 100 && accepted === 0; i++) await new Promise((resolve) => setTimeout(resolve, 5));
      assert.equal(accepted, 1);
      client.destroy();
      listener.close();
    }
    rmSync(folder, { recursive: true });
  });

  test(`${name}: a refused option fails the listener and says which`, () => {
    for (const state of ['prebind', 'bound', 'listening'] as const) {
      const failed = engine.listen(LOOPBACK, { socketOptions: [{ ...UNKNOWN, state }] }, () => {});
      assert.deepEqual(failed, {
        errno: 'ENOPROTOOPT',
        detail: "cannot set NONSENSE on '127.0.0.1:0': Protocol not available",
      });
    }
  });

  test(`${name}: a path in a folder that is not there is told as such`, () => {
    const path = join(tmpdir(), 'heddle-no-such-folder', 'socket');
    const failed = engine.listen({ family: 'unix', address: path, port: 0 }, {}, () => {});
    assert.deepEqual(failed, { errno: 'ENOENT', detail: `cannot bind '${path}': No such file or directory` });
  });

  test(`${name}: a path that exists and is no socket is refused and left alone`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'heddle-native-'));
    const path = join(folder, 'precious');
    writeFileSync(path, 'content');
    const text = `cannot bind '${path}': Address already in use (the path exists and is no socket)`;
    for (const socketOptions of [[], keepAlive()]) {
      const failed = engine.listen({ family: 'unix', address: path, port: 0 }, { socketOptions }, () => {});
      assert.deepEqual(failed, { errno: 'EADDRINUSE', detail: text });
    }
    assert.equal(readFileSync(path, 'utf8'), 'content');
    rmSync(folder, { recursive: true });
  });

  test(`${name}: a dialled socket has its options, source and keep-alive`, async () => {
    const [client, server, listener] = await pair(engine, {
      localAddress: { family: 'ipv4', address: '127.0.0.9', port: 0 },
      keepAliveS: 33,
      keepAliveIntervalS: 11,
      keepAliveProbes: 4,
      socketOptions: [IP_TOS, { ...IP_TOS, name: 8, value: Buffer.from([1, 0, 0, 0]), label: 'IP_PKTINFO' }],
    });
    const fd = fileDescriptor(client);
    assert.equal(server.remoteAddress.address, '127.0.0.9');
    assert.equal(client.localAddress.port, server.remoteAddress.port);
    assert.equal(native.getIntOption(fd, native.SOL_IP, 1), 0x10);
    assert.equal(native.getIntOption(fd, native.SOL_IP, 8), 1);
    assert.equal(native.getIntOption(fd, native.SOL_IP, native.IP_BIND_ADDRESS_NO_PORT), 1);
    const kept = [native.TCP_KEEPIDLE, native.TCP_KEEPINTVL, native.TCP_KEEPCNT];
    assert.deepEqual(
      kept.map((option) => native.getIntOption(fd, native.SOL_TCP, option)),
      [33, 11, 4],
    );
    assert.equal(native.getIntOption(fd, native.SOL_SOCKET, native.SO_KEEPALIVE), 1);
    assert.equal(originalDestinationOf(server)?.address ?? '127.0.0.1', '127.0.0.1');
    assert.equal(native.socketAddress(fd)?.address, '127.0.0.9');
    assert.deepEqual(native.peerAddress(fd), listener.address);
    client.destroy();
    listener.close();
  });

  test(`${name}: keep-alive without details leaves the system's interval and count`, async () => {
    const [client, , listener] = await pair(engine, { keepAliveS: 44 });
    const fd = fileDescriptor(client);
    assert.equal(native.getIntOption(fd, native.SOL_TCP, native.TCP_KEEPIDLE), 44);
    const interval = Number(readFileSync('/proc/sys/net/ipv4/tcp_keepalive_intvl', 'utf8'));
    assert.equal(native.getIntOption(fd, native.SOL_TCP, native.TCP_KEEPINTVL), interval);
    client.destroy();
    listener.close();
  });

  test(`${name}: a dial whose source or option is refused fails after the call, and leaks nothing`, async () => {
    const before = engine.openStreams;
    const nowhere: Address = { family: 'ipv4', address: '203.0.113.9', port: 0 };
    const source = await dial(engine, { ...LOOPBACK, port: 1 }, { localAddress: nowhere });
    assert.ok('code' in source);
    assert.equal(source.detail, 'failed to bind to 203.0.113.9:0: Cannot assign requested address');
    assert.deepEqual([source.code, source.side, isBindFailure(source)], ['connect_failed', 'local', true]);
    const option = await dial(engine, { ...LOOPBACK, port: 1 }, { socketOptions: [UNKNOWN] });
    assert.ok('code' in option);
    assert.deepEqual([option.side, option.detail], ['local', 'cannot set NONSENSE: Protocol not available']);
    const given = native.makeSocket('ipv4') as number;
    assert.ok('code' in (await dial(engine, { ...LOOPBACK, port: 1 }, { fd: given, socketOptions: [UNKNOWN] })));
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(native.getIntOption(given, 1, 9), 'EBADF');
    assert.equal(engine.openStreams, before);
  });

  test(`${name}: an accepted descriptor is taken over from elsewhere`, async () => {
    const [client, server, listener] = await pair(engine, {});
    const copy = native.duplicateDescriptor(fileDescriptor(server)) as number;
    server.destroy();
    const adopted = engine.adopt(copy, 'ipv4') as ByteStream;
    assert.deepEqual(adopted.localAddress, listener.address);
    assert.deepEqual(adopted.remoteAddress, client.localAddress);
    const heard = new Promise<string>((resolve) => {
      client.handler = {
        onData: (b, start, end) => resolve(b.latin1Slice(start, end)),
        onEnd() {},
        onDrain() {},
        onClose() {},
      };
    });
    adopted.writeLatin1('still here');
    assert.equal(await heard, 'still here');
    client.destroy();
    adopted.destroy();
    listener.close();
    assert.equal(engine.adopt(-1, 'ipv4'), null);
  });
}
