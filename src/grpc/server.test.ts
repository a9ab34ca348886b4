// Tests the gRPC server with node's own HTTP/2 client over sockets, plain and TLS, and with a clock of its own.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { after, test } from 'node:test';
import net from 'node:net';
import { makeCa, makeCertificate } from '../../test/support/certificates.ts';
import { testContext } from '../../test/support/tls-handshake.ts';
import { Clock, Random } from '../base/clock.ts';
import { createEngine } from '../net/engine.ts';
import { createMemoryEngine } from '../net/memory-engine.ts';
import { packAny } from '../proto/any.ts';
import { decodeBinary } from '../proto/binary-decode.ts';
import { encodeBinary } from '../proto/binary-encode.ts';
import { registry } from '../proto/registry.ts';
import { frameMessage } from '../wire/grpc/framing.ts';
import { Headers } from '../wire/headers.ts';
import { headerKey } from '../wire/header-names.ts';
import { CLIENT_START, describe, SETTINGS_ACK } from '../wire/http2/testing/raw.ts';
import type { GrpcServerOptions } from './options.ts';
import { GrpcServer } from './server.ts';
import { type AnyServerMethod, type ServerCall, unaryMethod } from './service.ts';
import { grpcStatus } from './status.ts';

const REQUEST = registry.message('grpc.health.v1.HealthCheckRequest');
const RESPONSE = registry.message('grpc.health.v1.HealthCheckResponse');

/** What the methods saw. */
const seen: string[] = [];
let lastCall: ServerCall<unknown> | null = null;

const check = unaryMethod('/health/Check', REQUEST, RESPONSE, ({ service = '' }, call, reply) => {
  lastCall = call;
  seen.push(service);
  if (service === 'wait') return (reason) => seen.push(`cancelled: ${reason}`);
  if (service === 'late') setTimeout(() => reply({ status: 'SERVING' }), 5);
  else if (service !== 'missing') reply({ status: 'SERVING' });
  else {
    const detail = packAny(registry.message('google.rpc.Status'), { code: 5, message: 'more' });
    reply(null, grpcStatus(5, 'no such service: \u00e9%', [detail]));
  }
  return undefined;
});

const echo: AnyServerMethod = {
  path: '/health/Echo',
  request: REQUEST,
  response: REQUEST,
  start(call) {
    lastCall = call;
    const metadata = new Headers();
    metadata.add(headerKey('x-kind'), 'echo');
    call.setMetadata(metadata);
    return {
      onMessage: (message) => call.send(message),
      onEnd: () => call.end(),
      onCancelled: (reason) => seen.push(`cancelled: ${reason}`),
    };
  },
};

const clock = new Clock();
const engine = createEngine({
  clock,
  onBug: (error) => {
    throw error;
  },
});
clock.wrap = (run) => engine.run(run);
const servers: GrpcServer[] = [];
const sessions: http2.ClientHttp2Session[] = [];
after(() => {
  for (const session of sessions) session.destroy();
  for (const server of servers) server.stop();
});

function serve(options: Partial<GrpcServerOptions> = {}): { server: GrpcServer; port: number } {
  const server = new GrpcServer({ engine, random: new Random(1) }, options);
  servers.push(server);
  server.add(check, echo);
  const listener = server.listen({ family: 'ipv4', address: '127.0.0.1', port: 0 });
  assert.ok('address' in listener);
  return { server, port: listener.address.port };
}

function connect(port: number, options: http2.SecureClientSessionOptions = {}, scheme = 'http') {
  const session = http2.connect(`${scheme}://127.0.0.1:${port}`, options);
  session.on('error', () => {});
  sessions.push(session);
  return session;
}

type Answer = {
  readonly head: http2.IncomingHttpHeaders;
  readonly trailers: http2.IncomingHttpHeaders;
  readonly body: Buffer;
  readonly code: number;
};

function ask(
  session: http2.ClientHttp2Session,
  path: string,
  bodies: readonly Buffer[],
  more: object = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const head = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', ...more };
    const stream = session.request(head);
    let answer: http2.IncomingHttpHeaders = {};
    let trailers: http2.IncomingHttpHeaders = {};
    const chunks: Buffer[] = [];
    stream.on('response', (headers) => {
      answer = headers;
    });
    stream.on('trailers', (headers) => {
      trailers = headers;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('close', () =>
      resolve({ head: answer, trailers, body: Buffer.concat(chunks), code: stream.rstCode ?? 0 }),
    );
    for (const body of bodies) stream.write(body);
    stream.end();
  });
}

const message = (service: string): Buffer => frameMessage(encodeBinary(REQUEST, { service }));

test('unary calls: an answer now, one later, and a status with details', async () => {
  const { port } = serve();
  const session = connect(port);
  for (const service of ['now', 'late']) {
    const { head, trailers, body } = await ask(session, '/health/Check', [message(service)]);
    assert.equal(head['content-type'], 'application/grpc');
    assert.equal(trailers['grpc-status'], '0');
    assert.deepEqual(decodeBinary(RESPONSE, body.subarray(5)), { status: 'SERVING' });
  }
  const { head } = await ask(session, '/health/Check', [message('missing')]);
  assert.equal(head['grpc-status'], '5');
  assert.equal(head['grpc-message'], 'no such service: %C3%A9%25');
  const details = Buffer.from(head['grpc-status-details-bin'] as string, 'base64');
  const status = decodeBinary(registry.message('google.rpc.Status'), details);
  assert.equal(status?.details?.[0]?.type_url, 'type.googleapis.com/google.rpc.Status');
});

test('a stream of messages both ways, with metadata', async () => {
  const { port } = serve();
  const bodies = Array.from({ length: 100 }, (_, i) => message(`m${i}`.repeat(i * 10)));
  const { head, trailers, body } = await ask(connect(port), '/health/Echo', bodies);
  assert.equal(head['x-kind'], 'echo');
  assert.equal(trailers['grpc-status'], '0');
  assert.deepEqual(body, Buffer.concat(bodies));
});

test('what is no gRPC, and what no method takes', async () => {
  const { port } = serve({ maxMessageBytes: 1000 });
  const session = connect(port);
  const call = (bodies: Buffer[], more: object = {}, path = '/health/Check') => ask(session, path, bodies, more);
  assert.equal((await call([], { ':method': 'GET' })).head[':status'], 405);
  assert.equal((await call([], { 'content-type': 'text/plain' })).head[':status'], 415);
  assert.equal((await call([], {}, '/health/None')).head['grpc-status'], '12');
  assert.equal((await call([message('a')], { 'grpc-encoding': 'gzip' })).head['grpc-accept-encoding'], 'identity');
  assert.equal((await call([])).head['grpc-status'], '12');
  assert.equal((await call([message('a'), message('b')])).head['grpc-status'], '12');
  assert.equal((await call([message('a').subarray(0, 6)])).head['grpc-status'], '13');
  assert.equal((await call([frameMessage(Buffer.from([0x0a, 5]))])).head['grpc-status'], '13');
  assert.equal((await call([frameMessage(Buffer.from('x'), 1)])).head['grpc-status'], '12');
  assert.equal((await call([message('x'.repeat(2000))])).head['grpc-status'], '8');
  assert.equal((await call([message('a')], { 'grpc-timeout': '1X' })).head['grpc-status'], '13');
  assert.equal((await call([message('a')])).trailers['grpc-status'], '0');
});

test('a deadline, and a client that gives up', async () => {
  const { port } = serve();
  const session = connect(port);
  const { head } = await ask(session, '/health/Check', [message('wait')], { 'grpc-timeout': '20m' });
  assert.equal(head['grpc-status'], '4');
  assert.ok(lastCall !== null && lastCall.isOver && lastCall.remainingMs === 0);
  seen.length = 0;
  const stream = session.request({ ':method': 'POST', ':path': '/health/Check', 'content-type': 'application/grpc' });
  stream.on('error', () => {});
  stream.end(message('wait'));
  await until(() => seen.length > 0);
  stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  await until(() => seen.length > 1);
  const gone = connect(port);
  gone
    .request({ ':method': 'POST', ':path': '/health/Check', 'content-type': 'application/grpc' })
    .end(message('wait'));
  await until(() => seen.length > 2);
  gone.destroy();
  await until(() => seen.length > 3);
  assert.deepEqual(seen, ['wait', 'cancelled: cancelled', 'wait', 'cancelled: closed']);
});

test('a client that sends on after the answer is told to stop', async () => {
  const { port } = serve({ maxMessageBytes: 1000 });
  const session = connect(port);
  const stream = session.request({ ':method': 'POST', ':path': '/health/Echo', 'content-type': 'application/grpc' });
  stream.on('error', () => {});
  stream.write(message('x'.repeat(2000)));
  const head = await new Promise<http2.IncomingHttpHeaders>((resolve) => stream.once('response', resolve));
  assert.equal(head['grpc-status'], '8');
  await new Promise((resolve) => stream.once('close', resolve));
  assert.equal(stream.rstCode, 0);
});

test('a reader that is slow, on either side, holds up its own call alone', async () => {
  const { port } = serve();
  const session = connect(port);
  const big = message('b'.repeat(100_000));
  const head = { ':method': 'POST', ':path': '/health/Echo', 'content-type': 'application/grpc' };
  const slow = session.request(head);
  slow.on('response', () => slow.pause());
  slow.write(big);
  await until(() => lastCall !== null && !lastCall.isOver);
  const call = lastCall as unknown as ServerCall<unknown>;
  call.pauseReading();
  let taken = 0;
  for (let i = 0; i < 40; i++) slow.write(big, () => taken++);
  await new Promise((resolve) => setTimeout(resolve, 50));
  // The window is 256 KiB; node holds some more itself.
  assert.ok(taken < 40, `${taken} were taken`);
  const other = await ask(session, '/health/Check', [message('now')]);
  assert.equal(other.trailers['grpc-status'], '0');
  let bytes = 0;
  slow.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  slow.resume();
  call.resumeReading();
  slow.end();
  await new Promise((resolve) => slow.once('close', resolve));
  assert.equal(bytes, 41 * big.length);
});

test('drain: calls end, new ones are not taken, the connection closes', async () => {
  const { server, port } = serve();
  const session = connect(port);
  const head = { ':method': 'POST', ':path': '/health/Echo', 'content-type': 'application/grpc' };
  const stream = session.request(head);
  stream.write(message('a'));
  await new Promise((resolve) => stream.once('data', resolve));
  let isDrained = false;
  const goaway = new Promise((resolve) => session.once('goaway', resolve));
  server.drain(10_000, () => {
    isDrained = true;
  });
  await goaway;
  stream.write(message('b'));
  await new Promise((resolve) => stream.once('data', resolve));
  assert.equal(isDrained, false);
  stream.end();
  await until(() => isDrained);
  assert.equal(server.activeConnections, 0);
});

test('TLS: clients are judged, and who says nothing is not waited for', async () => {
  const ca = makeCa();
  const side = { certificate: makeCertificate({ issuer: ca }), context: { trustedCa: Buffer.from(ca.pem) } };
  const context = testContext(true, side);
  const { server, port } = serve({
    handshakeTimeoutMs: 100,
    tls: {
      context: () => context,
      requestsCertificate: true,
      requiresCertificate: true,
      verify: (facts) => (facts.peerCertificate?.uriSans[0] === 'spiffe://good' ? null : 'not good'),
    },
  });
  const as = (uri: string) => {
    const client = makeCertificate({ issuer: ca, sans: [{ uri }] });
    const options = { cert: client.chainPem, key: client.keyPem, ca: ca.pem, checkServerIdentity: () => undefined };
    return connect(port, options, 'https');
  };
  const { trailers } = await ask(as('spiffe://good'), '/health/Check', [message('now')]);
  assert.equal(trailers['grpc-status'], '0');
  assert.equal(lastCall?.tls?.peerCertificate?.uriSans[0], 'spiffe://good');
  assert.equal(lastCall?.tls?.alpn, 'h2');
  const bad = as('spiffe://bad');
  await new Promise((resolve) => bad.once('close', resolve));
  assert.equal(server.failedHandshakes, 1);
  const silent = net.connect(port, '127.0.0.1');
  await new Promise((resolve) => silent.once('close', resolve));
  assert.equal(server.failedHandshakes, 2);
  assert.equal(server.activeConnections, 1);
});

// ─── With time that stands still ──────────────────────────────────────────────────────────────────────────────────

/** A client that does nothing by itself. */
function still(options: Partial<GrpcServerOptions>) {
  const time = new Clock({ manual: true });
  const memory = createMemoryEngine({
    clock: time,
    onBug: (error) => {
      throw error;
    },
  });
  time.wrap = (run) => memory.run(run);
  const server = new GrpcServer({ engine: memory, random: new Random(1) }, options);
  server.add(check, echo);
  const events: string[] = [];
  const open = () => {
    const [client, accepted] = memory.pair();
    client.handler = {
      onData: (chunk, start, end) => events.push(...describe(Buffer.from(chunk.subarray(start, end)))),
      onEnd: () => events.push('end'),
      onDrain() {},
      onClose: () => events.push('closed'),
    };
    memory.run(() => server.accept(accepted));
    memory.run(() => client.write(CLIENT_START));
    return client;
  };
  return { time, memory, server, events, open };
}

test('a client that is silent is asked, and given up when it does not answer', () => {
  const { time, memory, server, events, open } = still({ keepaliveMs: 1000, keepaliveTimeoutMs: 200 });
  const client = open();
  events.length = 0;
  time.advance(900);
  assert.deepEqual(events, []);
  time.advance(200);
  assert.equal(events.length, 1);
  assert.match(events[0] ?? '', /^ping/i);
  // Any byte will do.
  memory.run(() => client.write(SETTINGS_ACK));
  time.advance(900);
  assert.equal(events.length, 1);
  time.advance(2000);
  assert.equal(events.pop(), 'end');
  assert.equal(server.activeConnections, 0);
});

test('old connections are asked to end, and ended after their grace', () => {
  const { time, server, events, open } = still({ maxConnectionAgeMs: 10_000, maxConnectionAgeGraceMs: 5000 });
  open();
  time.advance(8900);
  assert.ok(!events.some((event) => /goaway/i.test(event)));
  time.advance(2200);
  assert.ok(events.some((event) => /goaway/i.test(event)));
  // Nothing goes on there, so the notice is all it gets.
  time.advance(1100);
  assert.equal(server.activeConnections, 0);
});

test('too many connections', () => {
  const { memory, server, open } = still({ maxConnections: 2 });
  open();
  open();
  open();
  assert.equal(server.refusedConnections, 1);
  assert.equal(server.activeConnections, 2);
  memory.run(() => server.stop());
  assert.equal(server.activeConnections, 0);
});

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 5000;
  while (!condition()) {
    assert.ok(Date.now() < end, 'it did not happen within 5 s');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

test('a message of shared pieces arrives as one message, whatever their sizes', async () => {
  const small = Buffer.from('small');
  const large = Buffer.alloc(600_000, 7);
  const copies = [Buffer.from(small), Buffer.from(large)];
  const method: AnyServerMethod = {
    path: '/health/Pieces',
    request: REQUEST,
    response: REQUEST,
    start(call) {
      call.sendBuffers([small, large, small]);
      call.sendBuffers([]);
      call.sendBuffers([small]);
      call.end();
      return { onMessage() {}, onEnd() {} };
    },
  };
  const { server, port } = serve();
  server.add(method);
  const session = connect(port);
  const stream = session.request({ ':method': 'POST', ':path': '/health/Pieces', 'content-type': 'application/grpc' });
  stream.end();
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  const expected = [Buffer.concat([small, large, small]), Buffer.alloc(0), small].map((one) => frameMessage(one));
  assert.equal(Buffer.compare(Buffer.concat(chunks), Buffer.concat(expected)), 0);
  assert.deepEqual([small, large], copies);
});
