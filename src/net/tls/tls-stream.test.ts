// TLS as a stream: bytes arrive whole in both directions and every way to end is told once, over sockets and streams.
import assert from 'node:assert/strict';
import { createHash, type Hash } from 'node:crypto';
import * as net from 'node:net';
import { test } from 'node:test';
import * as tls from 'node:tls';
import { makeCa, makeCertificate } from '../../../test/support/certificates.ts';
import {
  handshake,
  listenLocally,
  type SideOptions,
  testContext,
  testEngine,
  testHandshake,
} from '../../../test/support/tls-handshake.ts';
import type { ByteStream, ByteStreamHandler } from '../../base/byte-stream.ts';
import { Clock, Random } from '../../base/clock.ts';
import type { Failure } from '../../base/failure.ts';
import type { Engine } from '../engine.ts';
import { createMemoryEngine } from '../memory-engine.ts';
import { startTls } from './start-tls.ts';

const ca = makeCa();
const server: SideOptions = { certificate: makeCertificate({ issuer: ca }), requests: false };
const client: SideOptions = {};
const serverContext = testContext(true, server);
const clientContext = testContext(false, client);

type Ends = [ByteStream, ByteStream];

/** Both ends of a pair, dialled and accepted. */
type Pairs = { make(): Promise<Ends>; close(): void; readonly engine: Engine };

function socketPairs(kind: 'handles' | 'streams'): Pairs {
  const engine = testEngine(kind);
  const waiting: ((stream: ByteStream) => void)[] = [];
  const listener = listenLocally(engine, (stream) => waiting.shift()?.(held(stream)));
  return {
    engine,
    close: () => listener.close(),
    make: async () => {
      const accepted = Promise.withResolvers<ByteStream>();
      const dialled = Promise.withResolvers<ByteStream>();
      waiting.push(accepted.resolve);
      engine.connect(listener.address, {}, (stream, why) => {
        if (stream === null) dialled.reject(new Error(why?.detail));
        else dialled.resolve(held(stream));
      });
      return [await dialled.promise, await accepted.promise];
    },
  };
}

/** Nothing is read before TLS takes over. */
function held(stream: ByteStream): ByteStream {
  stream.pause();
  return stream;
}

function memoryPairs(): Pairs {
  const random = new Random(7);
  const engine = createMemoryEngine({
    clock: new Clock(),
    onBug: (error) => {
      throw error;
    },
    nextPieceBytes: () => 1 + random.below(5000),
  });
  return { engine, close: () => undefined, make: async () => engine.pair() };
}

/** TLS inside TLS. */
function tunnelled(pairs: Pairs): Pairs {
  return {
    engine: pairs.engine,
    close: () => pairs.close(),
    make: async () => secured(await pairs.make(), pairs.engine),
  };
}

async function secured([dialled, accepted]: Ends, engine: Engine): Promise<Ends> {
  const side = (stream: ByteStream, isServer: boolean): Promise<ByteStream> =>
    new Promise((resolve, reject) => {
      const wanted = testHandshake(isServer, isServer ? serverContext : clientContext, isServer ? server : client);
      startTls(stream, wanted, null, (made, why) => {
        if (made === null) return reject(new Error(why?.detail));
        made.pause();
        resolve(made);
      });
    });
  const sides: Promise<ByteStream>[] = [];
  // In one turn: what nobody has taken over drops what it hears.
  engine.run(() => sides.push(side(dialled, false), side(accepted, true)));
  return Promise.all(sides) as Promise<Ends>;
}

type Received = { readonly bytes: number; readonly digest: string; readonly failure: Failure | null };

/** Sends `bytes` of noise under back-pressure, then the end; tells what came from the other side once all is over. */
function exchange(stream: ByteStream, bytes: number, random: Random, engine: Engine): Promise<Received> {
  return new Promise((resolve) => {
    const hash: Hash = createHash('sha256');
    let received = 0;
    let left = bytes;
    const pump = (): void => {
      while (left > 0 && !stream.isAboveHighWatermark) {
        const size = Math.min(left, 1 + random.below(random.below(8) === 0 ? 300_000 : 3000));
        const chunk = Buffer.alloc(size, left & 0xff);
        const kind = random.below(3);
        if (kind === 0) stream.writeLatin1(chunk.latin1Slice());
        else if (kind === 1) stream.write(chunk);
        else stream.writeBorrowed(chunk, 0, size);
        left -= size;
        if (kind === 2) chunk.fill(0xaa, 0, 0);
      }
      if (left === 0) {
        left = -1;
        stream.end();
      }
    };
    const handler: ByteStreamHandler = {
      onData(chunk, start, end) {
        hash.update(chunk.subarray(start, end));
        received += end - start;
        if (random.below(20) !== 0) return;
        stream.pause();
        setImmediate(() => engine.run(() => stream.resume()));
      },
      onEnd: () => undefined,
      onDrain: pump,
      onClose: (failure) => resolve({ bytes: received, digest: hash.digest('hex'), failure }),
    };
    engine.run(() => {
      stream.handler = handler;
      stream.resume();
      pump();
    });
  });
}

/** What `exchange` sends for the same numbers: chunks do not show in the bytes, so the digest is that of their sum. */
async function checkPairs(pairs: Pairs, count: number, mostBytes: number): Promise<void> {
  const random = new Random(count);
  for (let done = 0; done < count; ) {
    const batch = Array.from({ length: Math.min(10, count - done) }, async () => {
      const ends = await secured(await pairs.make(), pairs.engine);
      const sizes = [0, 1].map(() => random.below(random.below(4) === 0 ? mostBytes : 20_000));
      const results = await Promise.all(
        ends.map((stream, i) => exchange(stream, sizes[i] as number, random, pairs.engine)),
      );
      for (const [i, result] of results.entries()) {
        assert.equal(result.failure, null);
        assert.equal(result.bytes, sizes[1 - i]);
        assert.equal(ends[i]?.bytesRead, sizes[1 - i]);
        assert.equal(ends[i]?.bytesWritten, sizes[i]);
        assert.equal(ends[i]?.tls?.version, 'TLSv1.3');
      }
    });
    await Promise.all(batch);
    done += batch.length;
  }
  pairs.close();
}

test('200 connections of random sizes on handles', () => checkPairs(socketPairs('handles'), 200, 2_000_000));
test('50 connections on node streams', () => checkPairs(socketPairs('streams'), 50, 1_000_000));
test('50 connections in memory', () => checkPairs(memoryPairs(), 50, 1_000_000));
test('TLS inside TLS on sockets', () => checkPairs(tunnelled(socketPairs('handles')), 20, 500_000));
test('TLS inside TLS in memory', () => checkPairs(tunnelled(memoryPairs()), 20, 500_000));

test('what one side sends is what the other gets', async () => {
  const pairs = socketPairs('handles');
  const [a, b] = await secured(await pairs.make(), pairs.engine);
  const sent = Buffer.from(Array.from({ length: 700_000 }, (_, i) => (i * 7919) & 0xff));
  const digest = createHash('sha256').update(sent).digest('hex');
  const got = exchange(b, 0, new Random(1), pairs.engine);
  pairs.engine.run(() => {
    a.handler = { onData: () => undefined, onEnd: () => undefined, onDrain: () => undefined, onClose: () => undefined };
    a.writeLatin1(sent.latin1Slice(0, 100_000));
    a.write(sent.subarray(100_000, 500_000));
    a.writeBorrowed(sent, 500_000, 700_000);
    a.end();
    a.resume();
  });
  assert.deepEqual(await got, { bytes: 700_000, digest, failure: null });
  pairs.close();
});

test('what is relayed inside a turn arrives as it was', async () => {
  const pairs = memoryPairs();
  const { engine } = pairs;
  const [a, b] = await secured(await pairs.make(), engine);
  const tunnel = tunnelled(pairs);
  const [c, e] = await secured(await tunnel.make(), engine);
  const sent = Buffer.from(Array.from({ length: 500_000 }, (_, i) => (i * 7919) & 0xff));
  const got = exchange(e, 0, new Random(1), engine);
  const nothing = {
    onData: () => undefined,
    onEnd: () => undefined,
    onDrain: () => undefined,
    onClose: () => undefined,
  };
  engine.run(() => {
    b.handler = { ...nothing, onData: (chunk, start, end) => c.writeBorrowed(chunk, start, end), onEnd: () => c.end() };
    c.handler = nothing;
    a.handler = nothing;
    for (const stream of [a, b, c]) stream.resume();
    a.write(sent);
    a.end();
  });
  const digest = createHash('sha256').update(sent).digest('hex');
  assert.deepEqual(await got, { bytes: 500_000, digest, failure: null });
});

test('a paused stream delivers nothing, and its bytes before its end', async () => {
  const pairs = socketPairs('handles');
  const [a, b] = await secured(await pairs.make(), pairs.engine);
  const events: string[] = [];
  const ended = new Promise<void>((resolve) => {
    pairs.engine.run(() => {
      b.handler = {
        onData: (_chunk, start, end) => {
          events.push(`${end - start}`);
          b.pause();
          setTimeout(() => pairs.engine.run(() => b.resume()), 5);
        },
        onEnd: () => {
          events.push('end');
          b.close();
        },
        onDrain: () => undefined,
        onClose: () => resolve(),
      };
      b.resume();
    });
  });
  pairs.engine.run(() => {
    a.resume();
    // Several records in one read of the socket.
    for (let i = 0; i < 3; i++) a.write(Buffer.alloc(16_384, i));
    a.end();
  });
  await ended;
  assert.equal(events.at(-1), 'end');
  assert.equal(
    events.slice(0, -1).reduce((sum, text) => sum + Number(text), 0),
    3 * 16_384,
  );
  pairs.close();
});

test('a handshake that is given up calls nobody', async () => {
  const pairs = socketPairs('handles');
  const [dialled, accepted] = await pairs.make();
  let calls = 0;
  const pending = startTls(accepted, testHandshake(true, serverContext, server), null, () => calls++);
  const failed = new Promise<string>((resolve) => {
    pairs.engine.run(() => {
      startTls(dialled, testHandshake(false, clientContext, client), null, (_stream, why) =>
        resolve(why?.detail ?? ''),
      );
      pending.cancel();
    });
  });
  await failed;
  assert.equal(calls, 0);
  assert.equal(pairs.engine.openStreams, 0);
  pairs.close();
});

test('a bug in the judge ends the handshake, and is told of', async () => {
  const bugs: unknown[] = [];
  const engine = createMemoryEngine({ clock: new Clock(), onBug: (error) => bugs.push(error) });
  const [dialled, accepted] = engine.pair();
  const verify = (): string | null => {
    throw new Error('a bug');
  };
  const wanted = testHandshake(true, serverContext, { ...server, handshake: { verify } });
  const results = await new Promise<(Failure | null)[]>((resolve) => {
    const told: (Failure | null)[] = [];
    const tell = (_stream: ByteStream | null, why: Failure | null): void => {
      if (told.push(why) === 1) resolve(told);
    };
    engine.run(() => {
      startTls(accepted, wanted, null, tell);
      startTls(dialled, testHandshake(false, clientContext, client), null, () => undefined);
    });
  });
  assert.equal(results[0]?.code, 'bug');
  assert.match(String(bugs[0]), /a bug/);
});

test('bytes before the handshake are part of it', async () => {
  const engine = testEngine();
  const listener = listenLocally(engine, (stream) => {
    stream.handler = {
      onData(chunk, start, end) {
        stream.pause();
        const unread = Buffer.from(chunk.subarray(start, end));
        startTls(stream, testHandshake(true, serverContext, server), unread, (made) => made?.writeLatin1('hello'));
      },
      onEnd: () => undefined,
      onDrain: () => undefined,
      onClose: () => undefined,
    };
  });
  const { port } = listener.address;
  const text = await new Promise<string>((resolve, reject) => {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    socket.once('error', reject);
    socket.once('data', (chunk) => {
      resolve(chunk.toString());
      socket.destroy();
    });
  });
  assert.equal(text, 'hello');
  listener.close();
});

// ─── Words ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const record = (type: number, ...body: number[]): Buffer =>
  Buffer.from([type, 3, 3, body.length >> 8, body.length & 255, ...body]);

/** Why our side's handshake failed when the other did this. */
async function reasonOf(isServer: boolean, act: (socket: net.Socket) => void): Promise<string> {
  const engine = testEngine();
  const failed = Promise.withResolvers<string>();
  const tell = (_stream: ByteStream | null, why: Failure | null): void => failed.resolve(why?.detail ?? 'no failure');
  if (isServer) {
    const listener = listenLocally(engine, (stream) => {
      listener.close();
      startTls(stream, testHandshake(true, serverContext, server), null, tell);
    });
    const socket = net.connect(listener.address.port, '127.0.0.1', () => act(socket));
    socket.on('error', () => undefined);
    return failed.promise;
  }
  const other = net.createServer((socket) => {
    other.close();
    socket.on('error', () => undefined);
    socket.once('data', () => act(socket));
  });
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as net.AddressInfo;
  engine.connect({ family: 'ipv4', address: '127.0.0.1', port }, {}, (stream) => {
    if (stream !== null) startTls(stream, testHandshake(false, clientContext, client), null, tell);
  });
  return failed.promise;
}

function shortened(reason: string): string {
  return reason.replaceAll(':SSL routines:OPENSSL_internal:', ' ').replace(/^TLS_error:\||:TLS_error_end$/g, '');
}

// Recorded from %DOWNSTREAM_TRANSPORT_FAILURE_REASON%.
const AS_SERVER: readonly (readonly [string, Buffer | string, string])[] = [
  ['HTTP', 'GET / HTTP/1.1\r\nhost: x\r\n\r\n', '268435612 HTTP_REQUEST'],
  ['CONNECT', 'CONNECT x:1 HTTP/1.1\r\n\r\n', '268435611 HTTPS_PROXY_REQUEST'],
  ['noise', Buffer.alloc(50, 0xff), '268435703 WRONG_VERSION_NUMBER'],
  ['nothing', Buffer.alloc(0), ''],
  // Envoy names the alert here, which OpenSSL does not tell of before a ClientHello.
  ['an alert', record(21, 2, 40), '268435681 UNEXPECTED_RECORD'],
  ['data', record(23, 120), '268435681 UNEXPECTED_RECORD'],
  ['a broken hello', record(22, 1, 0, 0, 2, 3, 3), '268435587 CLIENTHELLO_PARSE_FAILED'],
  ['another message', record(22, 20, 0, 0, 1, 0), '268435679 UNEXPECTED_MESSAGE'],
  ['a huge message', record(22, 1, 0xff, 0xff, 0xff, 3, 3), '268435606 EXCESSIVE_MESSAGE_SIZE'],
  ['a huge record', Buffer.from([22, 3, 1, 0xff, 0xff]), '268435602 ENCRYPTED_LENGTH_TOO_LONG'],
];

test('what breaks a handshake of a server, in Envoy’s words', async () => {
  const found: Record<string, string> = {};
  const expected: Record<string, string> = {};
  for (const [name, bytes, reason] of AS_SERVER) {
    expected[name] = reason;
    found[name] = shortened(await reasonOf(true, (socket) => socket.end(bytes)));
  }
  expected['a reset'] = '33554536:system library:OPENSSL_internal:Connection reset by peer';
  found['a reset'] = shortened(await reasonOf(true, (socket) => socket.resetAndDestroy()));
  assert.deepEqual(found, expected);
});

// Recorded from %UPSTREAM_TRANSPORT_FAILURE_REASON%.
const AS_CLIENT: readonly (readonly [string, Buffer | string, string])[] = [
  ['HTTP', 'HTTP/1.1 400 Bad Request\r\n\r\n', '268435703 WRONG_VERSION_NUMBER'],
  ['nothing', '', ''],
  [
    'handshake_failure',
    record(21, 2, 40),
    '268436496 SSLV3_ALERT_HANDSHAKE_FAILURE|268435610 HANDSHAKE_FAILURE_ON_CLIENT_HELLO',
  ],
  ['bad_certificate', record(21, 2, 42), '268436498 SSLV3_ALERT_BAD_CERTIFICATE'],
  ['certificate_expired', record(21, 2, 45), '268436501 SSLV3_ALERT_CERTIFICATE_EXPIRED'],
  ['unknown_ca', record(21, 2, 48), '268436504 TLSV1_ALERT_UNKNOWN_CA'],
  ['protocol_version', record(21, 2, 70), '268436526 TLSV1_ALERT_PROTOCOL_VERSION'],
  ['internal_error', record(21, 2, 80), '268436536 TLSV1_ALERT_INTERNAL_ERROR'],
  ['unrecognized_name', record(21, 2, 112), '268436568 TLSV1_ALERT_UNRECOGNIZED_NAME'],
  ['certificate_required', record(21, 2, 116), '268436572 TLSV1_ALERT_CERTIFICATE_REQUIRED'],
  ['no_application_protocol', record(21, 2, 120), '268436576 TLSV1_ALERT_NO_APPLICATION_PROTOCOL'],
  ['another version', Buffer.from([22, 9, 9, 0, 2, 1, 0]), '268435703 WRONG_VERSION_NUMBER'],
  ['another message', record(22, 11, 0, 0, 0), '268435679 UNEXPECTED_MESSAGE'],
  ['a broken hello', record(22, 2, 0, 0, 1, 0), '268435593 DECODE_ERROR'],
  ['data', record(23, 1, 0), '268435681 UNEXPECTED_RECORD'],
  ['a huge record', Buffer.from([22, 3, 3, 0xff, 0xff, 1, 0]), '268435602 ENCRYPTED_LENGTH_TOO_LONG'],
];

test('what breaks a handshake of a client, in Envoy’s words', async () => {
  const found: Record<string, string> = {};
  const expected: Record<string, string> = {};
  for (const [name, bytes, reason] of AS_CLIENT) {
    expected[name] = reason;
    found[name] = shortened(await reasonOf(false, (socket) => socket.end(bytes)));
  }
  assert.deepEqual(found, expected);
});

test('who brings no certificate, or cannot agree, is told so', async () => {
  const required = { ...server, requests: true, requires: true };
  const cases: readonly (readonly [SideOptions, SideOptions, string])[] = [
    [required, client, '268435648 PEER_DID_NOT_RETURN_A_CERTIFICATE:peer did not provide required client certificate'],
    [
      server,
      { context: { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' } },
      '268435640 NO_SHARED_CIPHER',
    ],
    [
      { ...server, context: { minVersion: 'TLSv1.3' } },
      { context: { maxVersion: 'TLSv1.2' } },
      '268435696 UNSUPPORTED_PROTOCOL',
    ],
    [
      { ...server, context: { maxVersion: 'TLSv1.2' } },
      { context: { minVersion: 'TLSv1.3' } },
      '268435696 UNSUPPORTED_PROTOCOL',
    ],
    [server, { context: { minVersion: 'TLSv1.3', curves: 'P-521' } }, '268435722 NO_SHARED_GROUP'],
    [
      server,
      { context: { minVersion: 'TLSv1.3', signatureAlgorithms: 'rsa_pss_rsae_sha256' } },
      '268435709 NO_COMMON_SIGNATURE_ALGORITHMS',
    ],
  ];
  for (const [serverSide, clientSide, expected] of cases) {
    const result = await handshake(serverSide, clientSide);
    assert.equal(shortened(result.server.failure ?? ''), expected);
    result.close();
  }
});
