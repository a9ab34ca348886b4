// In-memory streams: pieces, order, and that two ends that answer each other for ever do not stop the world.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { ByteStreamHandler } from '../base/byte-stream.ts';
import { Clock, Random } from '../base/clock.ts';
import { createMemoryEngine } from './memory-engine.ts';

const quiet: ByteStreamHandler = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };
const onBug = (error: unknown): void => {
  throw error;
};

test('bytes arrive in the pieces that were asked for, within the turn, under a manual clock', () => {
  const random = new Random(7);
  const clock = new Clock({ manual: true });
  const engine = createMemoryEngine({ clock, onBug, nextPieceBytes: () => 1 + random.below(3) });
  const [client, server] = engine.pair();
  const events: string[] = [];
  server.handler = {
    ...quiet,
    onData: (chunk, start, end) => events.push(chunk.latin1Slice(start, end)),
    onEnd: () => events.push('end'),
  };
  engine.run(() => {
    client.writeLatin1('0123456789');
    client.end();
  });
  assert.equal(events.pop(), 'end');
  assert.equal(events.join(''), '0123456789');
  assert.ok(events.length > 3 && events.every((piece) => piece.length <= 3));
});

test('a write to a stream whose peer is gone fails it', () => {
  const engine = createMemoryEngine({ clock: new Clock({ manual: true }), onBug });
  const [client, server] = engine.pair();
  let closed = '';
  client.handler = { ...quiet, onClose: (failure) => (closed = failure?.code ?? 'null') };
  engine.run(() => server.close());
  engine.run(() => client.writeLatin1('x'));
  assert.equal(closed, 'upstream_reset');
  assert.equal(engine.openStreams, 0);
});

test('two ends that echo each other leave room for the event loop', async () => {
  const engine = createMemoryEngine({ clock: new Clock({ manual: true }), onBug });
  const [client, server] = engine.pair();
  let rounds = 0;
  for (const stream of [client, server]) {
    stream.handler = {
      ...quiet,
      onData(chunk, start, end) {
        rounds++;
        stream.writeBorrowed(chunk, start, end);
      },
    };
  }
  engine.run(() => client.writeLatin1('ping'));
  const first = rounds;
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  assert.ok(first > 10 && rounds > first);
  client.destroy();
});

test('events never nest and none follows onClose', () => {
  const engine = createMemoryEngine({ clock: new Clock({ manual: true }), onBug });
  const [client, server] = engine.pair();
  let depth = 0;
  const log: string[] = [];
  const enter = (name: string, fn: () => void): void => {
    assert.equal(depth++, 0);
    log.push(name);
    fn();
    depth--;
  };
  server.handler = {
    onData: () => enter('data', () => server.destroy()),
    onEnd: () => enter('end', () => {}),
    onDrain: () => enter('drain', () => {}),
    onClose: () => enter('close', () => server.writeLatin1('too late')),
  };
  engine.run(() => {
    client.writeLatin1('a');
    client.flush();
    client.writeLatin1('b');
    client.end();
  });
  assert.deepEqual(log, ['data', 'close']);
});

test('memory that is not buffered any more belongs to the writer again', () => {
  for (const options of [{}, { capacityBytes: 1024 }, { nextPieceBytes: () => 3 }]) {
    const engine = createMemoryEngine({ clock: new Clock({ manual: true }), onBug });
    const [client, server] = engine.pair(options);
    const lent = Buffer.from('first');
    let text = '';
    server.handler = {
      ...quiet,
      onData(chunk, start, end) {
        // As a connection does that writes its frames into the same memory again and again.
        if (client.bufferedBytes === 0) lent.fill('x');
        text += chunk.latin1Slice(start, end);
      },
    };
    engine.run(() => client.write(lent));
    engine.run(() => server.pause());
    lent.write('later');
    engine.run(() => client.write(lent));
    if (client.bufferedBytes === 0) lent.fill('y');
    engine.run(() => server.resume());
    assert.equal(text, 'firstlater', JSON.stringify(options));
  }
});

test('what is written while bytes are handed over comes behind them', () => {
  const engine = createMemoryEngine({ clock: new Clock({ manual: true }), onBug });
  const [client, server] = engine.pair();
  let text = '';
  server.handler = {
    ...quiet,
    onData(chunk, start, end) {
      if (text === '') {
        client.writeBorrowed(Buffer.alloc(10_000, 'd'), 0, 10_000);
        // Whoever reads may let others go on, which TLS does record by record.
        engine.flush();
      }
      text += chunk.latin1Slice(start, end);
    },
  };
  engine.run(() => {
    client.write(Buffer.from('a'));
    client.writeLatin1('b');
    client.write(Buffer.from('c'));
  });
  assert.equal(text, `abc${'d'.repeat(10_000)}`);
  assert.equal(client.bufferedBytes, 0);
});
