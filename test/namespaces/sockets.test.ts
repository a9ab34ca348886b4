// The socket room under real redirection: SO_ORIGINAL_DST, TPROXY, and dials that keep the client's address.
import assert from 'node:assert/strict';
import type * as net from 'node:net';
import { after, afterEach, test } from 'node:test';
import type { Address, ByteStream } from '../../src/base/byte-stream.ts';
import { Clock } from '../../src/base/clock.ts';
import {
  type ConnectOptions,
  createEngine,
  type Engine,
  fileDescriptor,
  isListenError,
  type ListenOptions,
} from '../../src/net/engine.ts';
import { getIntOption, SO_MARK, SOL_SOCKET } from '../../src/net/native.ts';
import { originalDestinationOf } from '../../src/net/original-destination.ts';
import { dialTransparent, listenerTransparent, mark } from '../../src/net/socket-options.ts';
import { hasSysAdmin, Lab } from './lab.ts';
import { INBOUND_PORT, LOCAL_MARK, loadRules, OUTBOUND_MARK, OUTBOUND_PORT, TRANSPARENT_PORT } from './rules.ts';

const lab = Lab.make();

if (typeof lab === 'string') {
  test('namespaces are refused for want of CAP_SYS_ADMIN, so redirection cannot be tried', () => {
    assert.equal(lab, 'unshare: error 1');
    assert.equal(hasSysAdmin(), false);
  });
} else {
  loadRules(lab);
  after(() => lab.close());
  afterEach(() => {
    for (const close of toClose.reverse()) close();
    toClose = [];
  });
  for (const kind of ['handles', 'streams'] as const) {
    const engine = createEngine({ clock: new Clock(), onBug: (error) => assert.fail(String(error)), engine: kind });
    for (const family of ['ipv4', 'ipv6'] as const) {
      test(`${kind}, ${family}: connections are redirected on their way out`, () => redirectedOut(lab, engine, family));
      test(`${kind}, ${family}: connections are redirected on their way in`, () => redirectedIn(lab, engine, family));
      test(`${kind}, ${family}: TPROXY keeps both addresses, and so does the dial to the application`, () =>
        transparent(lab, engine, family));
    }
    test(`${kind}: a dual-stack listener knows the destinations of both families`, () => dualStack(lab, engine));
  }
}

type Family = 'ipv4' | 'ipv6';

const at = (family: Family, host: 'home' | 'far' | 'any', port: number): Address => {
  const hosts = {
    ipv4: { home: '10.99.0.1', far: '10.99.0.2', any: '0.0.0.0' },
    ipv6: { home: 'fd99::1', far: 'fd99::2', any: '::' },
  };
  return { family, address: hosts[family][host], port };
};

/** Closed after each test, also after one that failed. */
let toClose: (() => void)[] = [];
function closeLater<T extends { close(): unknown } | { destroy(): unknown }>(one: T): T {
  toClose.push(() => ('destroy' in one ? one.destroy() : one.close()));
  return one;
}

/** The next streams of a listener. */
function listen(engine: Engine, address: Address, options: ListenOptions = {}): () => Promise<ByteStream> {
  const accepted: ByteStream[] = [];
  let wake = (): void => {};
  const listener = engine.listen(address, options, (stream) => {
    accepted.push(closeLater(stream));
    wake();
  });
  if (isListenError(listener)) assert.fail(listener.detail);
  closeLater(listener);
  return async (): Promise<ByteStream> => {
    while (accepted.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return accepted.shift() as ByteStream;
  };
}

function dial(engine: Engine, to: Address, options: ConnectOptions): Promise<ByteStream> {
  return new Promise((resolve, reject) => {
    engine.connect(to, options, (stream, failure) => {
      if (stream === null) reject(new Error(failure?.detail));
      else resolve(closeLater(stream));
    });
  });
}

function textOf(stream: ByteStream): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    stream.handler = {
      onData(chunk, start, end) {
        text += chunk.latin1Slice(start, end);
      },
      onEnd: () => resolve(text),
      onDrain() {},
      onClose: () => resolve(text),
    };
  });
}

/** A server that tells its client who it is. */
function tell(socket: net.Socket): void {
  socket.end(`${socket.remoteAddress}`);
}

async function redirectedOut(lab: Lab, engine: Engine, family: Family): Promise<void> {
  const destination = at(family, 'far', 7003);
  closeLater(await lab.far.listen(destination, tell));
  const accepted = listen(engine, at(family, 'any', OUTBOUND_PORT));
  closeLater(lab.home.connect(destination));
  const stream = await accepted();
  assert.deepEqual(originalDestinationOf(stream), destination);
  assert.equal(stream.localAddress.port, OUTBOUND_PORT);
  // Marked, the proxy's own connection is let through.
  const upstream = await dial(engine, destination, { socketOptions: [mark(OUTBOUND_MARK)] });
  assert.equal(getIntOption(fileDescriptor(upstream), SOL_SOCKET, SO_MARK), OUTBOUND_MARK);
  assert.equal(await textOf(upstream), at(family, 'home', 0).address);
  // Who comes to the listener itself has the listener as destination: a proxy would dial itself.
  closeLater(lab.home.connect(at(family, 'home', OUTBOUND_PORT)));
  const second = await accepted();
  assert.deepEqual(originalDestinationOf(second) ?? second.localAddress, at(family, 'home', OUTBOUND_PORT));
}

async function redirectedIn(lab: Lab, engine: Engine, family: Family): Promise<void> {
  const accepted = listen(engine, at(family, 'any', INBOUND_PORT));
  closeLater(lab.far.connect(at(family, 'home', 8001)));
  const stream = await accepted();
  assert.deepEqual(originalDestinationOf(stream), at(family, 'home', 8001));
  assert.equal(stream.remoteAddress.address, at(family, 'far', 0).address);
}

async function transparent(lab: Lab, engine: Engine, family: Family): Promise<void> {
  const destination = at(family, 'home', 9002);
  const socketOptions = listenerTransparent(family, true);
  const accepted = listen(engine, at(family, 'any', TRANSPARENT_PORT), { socketOptions });
  closeLater(await lab.home.listen(destination, tell));
  closeLater(lab.far.connect(destination));
  const stream = await accepted();
  assert.deepEqual(stream.localAddress, destination);
  assert.deepEqual(originalDestinationOf(stream), destination);
  const { remoteAddress } = stream;
  assert.equal(remoteAddress.address, at(family, 'far', 0).address);
  const upstream = await dial(engine, destination, {
    localAddress: { ...remoteAddress, port: 0 },
    socketOptions: [...dialTransparent(family), mark(LOCAL_MARK)],
  });
  assert.equal(await textOf(upstream), remoteAddress.address);
}

async function dualStack(lab: Lab, engine: Engine): Promise<void> {
  const accepted = listen(engine, at('ipv6', 'any', INBOUND_PORT), { ipv4Compat: true });
  for (const family of ['ipv4', 'ipv6'] as const) {
    closeLater(lab.far.connect(at(family, 'home', 8005)));
    const stream = await accepted();
    assert.deepEqual(originalDestinationOf(stream), at(family, 'home', 8005));
  }
  const socketOptions = listenerTransparent('ipv6', true);
  const next = listen(engine, at('ipv6', 'any', TRANSPARENT_PORT), { ipv4Compat: true, socketOptions });
  for (const family of ['ipv4', 'ipv6'] as const) {
    closeLater(lab.far.connect(at(family, 'home', 9005)));
    const stream = await next();
    assert.deepEqual(originalDestinationOf(stream), at(family, 'home', 9005));
  }
}
