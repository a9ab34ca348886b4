// Internal listeners: dials find them by name, wait for them, and are told when nobody wants them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Address, ByteStream, ByteStreamHandler } from '../base/byte-stream.ts';
import { Clock } from '../base/clock.ts';
import type { Failure } from '../base/failure.ts';
import { internalAddress } from './address.ts';
import { createEngine, type Engine, isListenError, type ListenOptions, type Listener } from './engine.ts';
import { createMemoryEngine } from './memory-engine.ts';
import { takeLeft } from './memory-pair.ts';

const quiet: ByteStreamHandler = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };
const onBug = (error: unknown): void => {
  throw error;
};
const engines = (): [string, Engine][] => [
  ['handles', createEngine({ clock: new Clock({ manual: true }), onBug, engine: 'handles' })],
  ['streams', createEngine({ clock: new Clock({ manual: true }), onBug, engine: 'streams' })],
  ['memory', createMemoryEngine({ clock: new Clock({ manual: true }), onBug })],
];

function listen(engine: Engine, name: string, accept: (s: ByteStream) => void, options: ListenOptions = {}): Listener {
  const listener = engine.listen(internalAddress(name), options, accept);
  assert.ok(!isListenError(listener));
  return listener;
}

type Dialled = { stream: ByteStream | null; failure: Failure | null; isAnswered: boolean };

function dial(engine: Engine, address: Address, left?: unknown): Dialled & { cancel(): void } {
  const dialled = { stream: null, failure: null, isAnswered: false } as Dialled;
  let pending: { cancel(): void } | null = null;
  engine.run(() => {
    pending = engine.connect(address, left === undefined ? {} : { left }, (stream, failure) => {
      Object.assign(dialled, { stream, failure, isAnswered: true });
      if (stream !== null) stream.handler = quiet;
    });
    assert.equal(dialled.isAnswered, false, 'answered inside the call');
  });
  return Object.assign(dialled, { cancel: () => engine.run(() => pending?.cancel()) });
}

test('both ends know each other by name, on every engine', () => {
  for (const [kind, engine] of engines()) {
    let accepted: ByteStream | null = null;
    const heard: string[] = [];
    listen(engine, 'in', (stream) => {
      accepted = stream;
      stream.handler = { ...quiet, onData: (chunk, start, end) => heard.push(chunk.latin1Slice(start, end)) };
    });
    const { stream } = dial(engine, internalAddress('in', '10.0.0.1:80'), { note: 1 });
    const server = accepted as ByteStream | null;
    assert.ok(stream !== null && server !== null, kind);
    assert.deepEqual(
      [stream.localAddress.address, stream.remoteAddress.address, server.localAddress.address],
      ['envoy://internal_client_address/', 'envoy://in/10.0.0.1:80', 'envoy://in/10.0.0.1:80'],
    );
    assert.deepEqual(
      [server.remoteAddress.listenerName, server.localAddress.endpointId],
      ['internal_client_address', '10.0.0.1:80'],
    );
    assert.deepEqual(takeLeft(server), { note: 1 });
    engine.run(() => stream.writeLatin1('hello'));
    assert.deepEqual([heard, engine.openStreams], [['hello'], 2]);
    engine.run(() => stream.destroy());
    assert.equal(server.isClosed, true);
    assert.equal(engine.openStreams, 0);
  }
});

test('nobody is there', () => {
  for (const [kind, engine] of engines()) {
    const { failure } = dial(engine, internalAddress('nobody', 'x'));
    assert.equal(failure?.detail, 'immediate connect error: Invalid argument|remote address:envoy://nobody/x', kind);
    assert.deepEqual([failure.code, engine.openStreams], ['connect_failed', 0]);
  }
});

test('who is turned away could not connect; who was given something to read could', () => {
  const [, engine] = engines()[2] as [string, Engine];
  listen(engine, 'closed', (stream) => stream.destroy());
  assert.match(dial(engine, internalAddress('closed')).failure?.detail ?? '', /^immediate connect error/);
  listen(engine, 'later', (stream) => {
    stream.handler = quiet;
    // Answered in the next round: a listener whose own dial fails does so.
    dial(engine, internalAddress('nobody'));
    stream.end();
    stream.close();
  });
  assert.match(
    dial(engine, internalAddress('later')).failure?.detail ?? '',
    /^delayed connect error: Invalid argument$/,
  );
  listen(engine, 'words', (stream) => {
    stream.handler = quiet;
    stream.writeLatin1('go away');
    stream.close();
  });
  assert.ok(dial(engine, internalAddress('words')).stream !== null);
});

test('what comes first waits for the owner', () => {
  const [, engine] = engines()[0] as [string, Engine];
  listen(engine, 'greets', (stream) => {
    stream.handler = quiet;
    stream.writeLatin1('220 hello');
  });
  const heard: string[] = [];
  engine.run(() => {
    engine.connect(internalAddress('greets'), {}, (stream) => {
      (stream as ByteStream).handler = { ...quiet, onData: (c, start, end) => heard.push(c.latin1Slice(start, end)) };
    });
  });
  assert.deepEqual(heard, ['220 hello']);
});

test('a paused listener holds connections, and so many only', () => {
  const [, engine] = engines()[2] as [string, Engine];
  let accepted = 0;
  const listener = listen(engine, 'slow', () => accepted++, { maxHeld: 2 });
  listener.pause();
  const dials = [1, 2, 3].map(() => dial(engine, internalAddress('slow')));
  assert.deepEqual([accepted, listener.heldOverflows, dials[2]?.failure?.code], [0, 1, 'connect_failed']);
  listener.resume();
  assert.equal(accepted, 2);
});

test('a listener that closes turns away those that it held, and whoever comes later', () => {
  const [, engine] = engines()[2] as [string, Engine];
  const listener = listen(engine, 'gone', () => assert.fail('accepted'));
  listener.pause();
  const held = dial(engine, internalAddress('gone'));
  engine.run(() => listener.close());
  assert.equal(held.stream?.isClosed, true);
  assert.equal(dial(engine, internalAddress('gone')).failure?.code, 'connect_failed');
  assert.equal(engine.openStreams, 0);
});

test('a name is taken once, and free again when its listener closes', () => {
  const [, engine] = engines()[2] as [string, Engine];
  const listener = listen(engine, 'one', () => undefined);
  const second = engine.listen(internalAddress('one'), {}, () => undefined);
  assert.ok(isListenError(second) && second.errno === 'EADDRINUSE');
  listener.close();
  listen(engine, 'one', () => undefined);
});

test('a dial that is given up calls nobody and leaves nothing', () => {
  const [, engine] = engines()[2] as [string, Engine];
  listen(engine, 'in', (stream) => (stream.handler = quiet));
  engine.run(() => {
    engine.connect(internalAddress('in'), {}, () => assert.fail('called')).cancel();
  });
  assert.equal(engine.openStreams, 0);
  const dialled = dial(engine, internalAddress('in'));
  dialled.cancel();
  assert.equal(dialled.stream?.isClosed, false);
});

test('a bug of the listener ends that connection', () => {
  const bugs: string[] = [];
  const engine = createMemoryEngine({
    clock: new Clock({ manual: true }),
    onBug: (error) => bugs.push(String(error)),
  });
  listen(engine, 'bug', () => {
    throw new Error('in accept');
  });
  const { failure } = dial(engine, internalAddress('bug'));
  assert.deepEqual([bugs, failure?.code, engine.openStreams], [['Error: in accept'], 'connect_failed', 0]);
});
