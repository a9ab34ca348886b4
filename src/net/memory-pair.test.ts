// Two linked streams: what is handed over, what is kept and counted, how they end, and that neither calls the other.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { ByteStreamHandler } from '../base/byte-stream.ts';
import { Clock, Random } from '../base/clock.ts';
import { leaveForPeer, type MemoryPairOptions, type MemoryStream, memoryPair, takeLeft } from './memory-pair.ts';
import { Turn } from './turn.ts';

const quiet: ByteStreamHandler = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };

function setUp(options: MemoryPairOptions = {}) {
  const bugs: string[] = [];
  const turn = new Turn(new Clock({ manual: true }), (error) => bugs.push(String(error)));
  const [client, server] = memoryPair(turn, options);
  client.handler = quiet;
  server.handler = quiet;
  turn.run(() => undefined);
  return { turn, client, server, bugs };
}

/** Notes what a stream hears. */
function listen(stream: MemoryStream): string[] {
  const heard: string[] = [];
  stream.handler = {
    onData: (chunk, start, end) => heard.push(chunk.latin1Slice(start, end)),
    onEnd: () => heard.push('FIN'),
    onDrain: () => heard.push('drain'),
    onClose: (failure) => heard.push(failure === null ? 'closed' : failure.code),
  };
  return heard;
}

test('borrowed bytes are handed over uncopied when both ends are ready', () => {
  const { turn, client, server } = setUp();
  const chunk = Buffer.alloc(100_000, 'x');
  let seen: Buffer | null = null;
  server.handler = { ...quiet, onData: (given) => (seen = given) };
  turn.run(() => client.writeBorrowed(chunk, 0, chunk.length));
  assert.equal((seen as Buffer | null)?.buffer, chunk.buffer);
  assert.deepEqual([client.bufferedBytes, client.bytesWritten, server.bytesRead], [0, 100_000, 100_000]);
});

test('they are copied when the other end does not read', () => {
  const { turn, client, server } = setUp();
  const heard = listen(server);
  const chunk = Buffer.alloc(10_000, 'x');
  turn.run(() => {
    server.pause();
    client.writeBorrowed(chunk, 0, chunk.length);
  });
  chunk.fill('y');
  assert.deepEqual([heard, client.bufferedBytes], [[], 10_000]);
  turn.run(() => server.resume());
  assert.deepEqual([heard, client.bufferedBytes], [['x'.repeat(10_000)], 0]);
});

test('a writer hears of a slow reader, and of its progress', () => {
  const { turn, client, server } = setUp();
  const heard = listen(client);
  client.setWatermarks(1000);
  turn.run(() => {
    server.pause();
    client.writeLatin1('x'.repeat(1001));
  });
  assert.ok(client.isAboveHighWatermark);
  turn.run(() => server.resume());
  assert.deepEqual([heard, client.isAboveHighWatermark], [['drain'], false]);
});

test('what is within the capacity counts as written', () => {
  const { turn, client, server } = setUp({ capacityBytes: 1000 });
  turn.run(() => {
    server.pause();
    client.writeLatin1('x'.repeat(1500));
  });
  assert.deepEqual([client.bufferedBytes, client.bytesWritten], [500, 1000]);
  const heard = listen(server);
  turn.run(() => {
    client.close();
    server.resume();
  });
  assert.deepEqual(heard, ['x'.repeat(1500), 'FIN']);
  assert.ok(client.isClosed);
});

test('each direction ends by itself', () => {
  const { turn, client, server } = setUp();
  const [atClient, atServer] = [listen(client), listen(server)];
  turn.run(() => {
    client.writeLatin1('last words');
    client.end();
  });
  turn.run(() => server.writeLatin1('answer'));
  assert.deepEqual([atClient, atServer], [['answer'], ['last words', 'FIN']]);
  turn.run(() => server.end());
  assert.deepEqual(
    [atClient, atServer],
    [
      ['answer', 'FIN', 'closed'],
      ['last words', 'FIN', 'closed'],
    ],
  );
});

test('as in the kernel: a reset comes before what was not read, and a close with unread bytes is one', () => {
  for (const reset of [true, false]) {
    const { turn, client, server } = setUp();
    const heard = listen(server);
    turn.run(() => {
      server.pause();
      client.pause();
      server.writeLatin1('unread');
      client.writeLatin1('lost');
    });
    turn.run(() => client.destroy(reset));
    assert.deepEqual(heard, ['downstream_reset']);
  }
});

test('internal connections: a close is a reset after the bytes, unless somebody has ended before', () => {
  const abrupt = setUp({ closeResets: true, capacityBytes: 1000 });
  const heard = listen(abrupt.server);
  abrupt.turn.run(() => {
    abrupt.client.writeLatin1('read first');
    abrupt.client.close();
  });
  assert.deepEqual(heard, ['read first', 'downstream_reset']);

  const orderly = setUp({ closeResets: true });
  const atServer = listen(orderly.server);
  orderly.turn.run(() => orderly.server.end());
  orderly.turn.run(() => orderly.client.close());
  assert.deepEqual(atServer, ['FIN', 'closed']);

  const broken = setUp({ closeResets: true });
  const atBroken = listen(broken.server);
  broken.turn.run(() => broken.server.end());
  broken.turn.run(() => broken.client.destroy(true));
  assert.deepEqual(atBroken, ['downstream_reset']);
});

test('writing to an end that is gone fails, and what it said before still comes', () => {
  const { turn, client, server } = setUp({ closeResets: true });
  const heard = listen(client);
  turn.run(() => {
    server.writeLatin1('bye');
    server.end();
  });
  turn.run(() => {
    client.end();
    server.destroy();
  });
  assert.deepEqual(heard, ['bye', 'FIN', 'closed']);
});

test('ends that answer each other do not call each other, however deep', () => {
  const { turn, client, server } = setUp();
  let depth = 0;
  let deepest = 0;
  let left = 1000;
  for (const stream of [client, server]) {
    stream.handler = {
      ...quiet,
      onData(chunk, start, end) {
        deepest = Math.max(deepest, ++depth);
        if (left-- > 0) {
          stream.writeBorrowed(chunk, start, end);
          stream.flush();
          turn.flush();
        }
        depth--;
      },
    };
  }
  turn.run(() => client.write(Buffer.alloc(8192)));
  for (let i = 0; i < 100 && left > 0; i++) turn.run(() => client.flush());
  assert.ok(deepest <= 2, `${deepest} calls inside each other`);
});

test('a bug of the reader ends both, and not the writer’s other streams', () => {
  const { turn, client, server, bugs } = setUp();
  const heard = listen(client);
  server.handler = {
    ...quiet,
    onData() {
      throw new Error('a bug');
    },
  };
  turn.run(() => client.writeLatin1('x'));
  assert.deepEqual([bugs, heard, server.isClosed], [['Error: a bug'], ['upstream_reset'], true]);
});

test('what the dialling end leaves is taken once', () => {
  const { client, server } = setUp();
  assert.equal(leaveForPeer(client, 'note'), true);
  assert.deepEqual([takeLeft(server), takeLeft(server), takeLeft(client)], ['note', undefined, undefined]);
});

test('ends that are open are counted', () => {
  const count = { openStreams: 0 };
  const { turn, client, server } = setUp({ count });
  assert.equal(count.openStreams, 2);
  turn.run(() => client.destroy());
  assert.equal(count.openStreams, 1);
  turn.run(() => server.close());
  assert.equal(count.openStreams, 0);
});

test('random writers, readers that pause, small capacities: everything arrives in order, once', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed);
    const { turn, client, server } = setUp({ capacityBytes: random.below(3000), closeResets: seed % 2 === 0 });
    const sent: string[] = [];
    const got: string[] = [];
    let isEnded = false;
    server.handler = {
      ...quiet,
      onData(chunk, start, end) {
        got.push(chunk.latin1Slice(start, end));
        if (random.below(4) === 0) server.pause();
      },
      onEnd: () => (isEnded = true),
    };
    for (let i = 0; i < 80; i++) {
      turn.run(() => {
        const text = String.fromCharCode(97 + (i % 26)).repeat(1 + random.below(9000));
        const bytes = Buffer.from(text, 'latin1');
        if (random.below(3) === 0) client.writeLatin1(text);
        else if (random.below(2) === 0) client.write(bytes);
        else client.writeBorrowed(bytes, 0, bytes.length);
        sent.push(text);
        if (random.below(5) === 0) client.flush();
        if (random.below(3) === 0) server.forgetPauses();
      });
    }
    turn.run(() => {
      client.end();
      server.forgetPauses();
    });
    for (let i = 0; i < 200 && !isEnded; i++) turn.run(() => server.forgetPauses());
    assert.equal(got.join(''), sent.join(''), `seed ${seed}`);
    assert.ok(isEnded, `seed ${seed}`);
    assert.equal(client.bufferedBytes, 0);
  }
});
