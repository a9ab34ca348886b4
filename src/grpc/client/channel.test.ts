// Tests the gRPC client against our own server, over sockets and TLS: calls, failures, connections that end.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { makeCa, makeCertificate } from '../../../test/support/certificates.ts';
import { liveEngine } from '../../../test/support/live-engine.ts';
import { testContext } from '../../../test/support/tls-handshake.ts';
import { Random } from '../../base/clock.ts';
import { headerKey } from '../../wire/header-names.ts';
import type { GrpcServerOptions } from '../options.ts';
import { rawMethod } from '../raw-method.ts';
import { GrpcServer } from '../server.ts';
import type { ServerCall } from '../service.ts';
import { grpcStatus, type GrpcStatus } from '../status.ts';
import { GrpcChannel, type UnaryResult } from './channel.ts';
import type { ClientCallHandler } from './client-call.ts';
import type { ChannelOptions } from './options.ts';

const { engine, resolver } = liveEngine();
const closers: (() => void)[] = [() => resolver.close()];
after(() => {
  for (const close of closers) close();
});

let lastCall: ServerCall<unknown> | null = null;
const echo = rawMethod('/test/Echo', (call) => {
  lastCall = call;
  return {
    onMessage: (bytes) => {
      if (bytes.toString() === 'fail') call.end(grpcStatus(7, 'no: é'));
      else call.sendBytes(bytes);
    },
    onEnd: () => call.end(),
  };
});

function serve(options: Partial<GrpcServerOptions> = {}, port = 0): { server: GrpcServer; port: number } {
  const server = new GrpcServer({ engine, random: new Random(1) }, options);
  closers.push(() => server.stop());
  server.add(echo);
  const listener = server.listen({ family: 'ipv4', address: '127.0.0.1', port });
  assert.ok(!('errno' in listener));
  return { server, port: listener.address.port };
}

function open(options: ChannelOptions): GrpcChannel {
  const channel = new GrpcChannel({ engine, resolver }, options);
  closers.push(() => channel.close());
  return channel;
}

const unary = (channel: GrpcChannel, text: string, timeoutMs = 5000): Promise<UnaryResult> =>
  new Promise((resolve) =>
    engine.run(() => void channel.unary('/test/Echo', Buffer.from(text), { timeoutMs }, resolve)),
  );

/** A stream as a script: what it heard. */
function stream(channel: GrpcChannel) {
  const heard: string[] = [];
  let waiting: { count: number; resolve: () => void } | null = null;
  const hear = (text: string): void => {
    heard.push(text);
    if (waiting !== null && heard.length >= waiting.count) waiting.resolve();
  };
  const handler: ClientCallHandler = {
    onMessage: (buf, start, end) => hear(buf.toString('latin1', start, end)),
    onClose: ({ code, message }: GrpcStatus) => hear(`${code} ${message}`),
  };
  const call = channel.call('/test/Echo', handler, {
    addMetadata: (head) => head.set(headerKey('x-token'), 'secret'),
  });
  const until = (count: number): Promise<void> =>
    new Promise((resolve) => {
      waiting = { count, resolve };
      if (heard.length >= count) resolve();
    });
  return { call, heard, until };
}

test('calls share one connection, and statuses come through', async () => {
  const { port } = serve();
  const channel = open({ target: `localhost:${port}`, tls: null });
  const answers = await Promise.all(['a', 'b', 'fail'].map((text) => unary(channel, text)));
  assert.deepEqual(answers, [
    { bytes: Buffer.from('a') },
    { bytes: Buffer.from('b') },
    { status: { code: 7, message: 'no: é' } },
  ]);
  assert.equal(channel.connects, 1);
  const { call, heard, until } = stream(channel);
  engine.run(() => call.sendBytes(Buffer.from('one')));
  await until(1);
  assert.equal(lastCall?.headers.get(headerKey('x-token')), 'secret');
  engine.run(() => call.end());
  await until(2);
  assert.deepEqual(heard, ['one', '0 ']);
  assert.equal(channel.connects, 1);
});

test('what the server said before it ended is heard although reading was paused', async () => {
  const { port } = serve();
  const channel = open({ target: `127.0.0.1:${port}`, tls: null });
  const { call, heard, until } = stream(channel);
  engine.run(() => {
    call.pauseReading();
    call.sendBytes(Buffer.alloc(300_000, 'x'));
    call.end();
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(heard.length, 0);
  engine.run(() => call.resumeReading());
  await until(2);
  assert.equal(heard[0]?.length, 300_000);
  assert.equal(heard[1], '0 ');
});

test('a server that cannot be reached, resolved or believed fails the call with the reason', async () => {
  const ca = makeCa('root');
  const server = makeCertificate({ issuer: ca, sans: [{ dns: 'istiod.test' }], key: 'p256' });
  const tls = { requestsCertificate: false, requiresCertificate: false, verify: () => null };
  const { port } = serve({ tls: { ...tls, context: () => testContext(true, { certificate: server }) } });
  const rows: readonly (readonly [ChannelOptions, RegExp])[] = [
    [{ target: '127.0.0.1:1', tls: null }, /127\.0\.0\.1:1: .*[Cc]onnection refused/],
    [{ target: 'unix:/nowhere/socket', tls: null }, /unix:\/nowhere\/socket: /],
    [{ target: 'nobody.invalid:1', tls: null, connectTimeoutMs: 500 }, /nobody\.invalid/],
    [{ target: `127.0.0.1:${port}`, tls: null }, /./],
    [
      {
        target: `127.0.0.1:${port}`,
        tls: { context: () => 'there is no root yet', serverName: '', verify: () => null },
      },
      /there is no root yet/,
    ],
    [
      {
        target: `127.0.0.1:${port}`,
        tls: {
          context: () => testContext(false, { context: { trustedCa: Buffer.from(ca.pem) } }),
          serverName: '',
          verify: () => 'not believed',
        },
      },
      /not believed/,
    ],
  ];
  for (const [options, expected] of rows) {
    const answer = await unary(open(options), 'a', 2000);
    assert.ok('status' in answer, options.target);
    assert.match(answer.status.message, expected);
  }
  const verify = ({ chainError }: { chainError: string }): string | null => (chainError === '' ? null : chainError);
  const good = {
    context: () => testContext(false, { context: { trustedCa: Buffer.from(ca.pem) } }),
    serverName: 'istiod.test',
    verify,
  };
  assert.deepEqual(await unary(open({ target: `localhost:${port}`, tls: good }), 'a'), { bytes: Buffer.from('a') });
});

test('a connection that ends fails its calls, and the next call makes another', async () => {
  const { server, port } = serve();
  const channel = open({ target: `127.0.0.1:${port}`, tls: null });
  const one = stream(channel);
  engine.run(() => one.call.sendBytes(Buffer.from('one')));
  await one.until(1);
  engine.run(() => server.stop());
  await one.until(2);
  assert.match(one.heard[1] ?? '', /^14 /);
  assert.ok('status' in (await unary(channel, 'nobody')));
  serve({}, port);
  assert.deepEqual(await unary(channel, 'again'), { bytes: Buffer.from('again') });
  const two = stream(channel);
  engine.run(() => two.call.sendBytes(Buffer.from('two')));
  await two.until(1);
  engine.run(() => channel.renew());
  await unary(channel, 'new');
  engine.run(() => two.call.sendBytes(Buffer.from('still')));
  await two.until(2);
  assert.deepEqual(two.heard, ['two', 'still']);
  assert.equal(channel.connects, 3);
});

test('deadlines and idle connections end', async () => {
  const { server, port } = serve();
  server.add(rawMethod('/test/Echo', () => ({ onMessage: () => {}, onEnd: () => {} })));
  const channel = open({ target: `127.0.0.1:${port}`, tls: null, idleMs: 20 });
  const answer = await unary(channel, 'a', 50);
  assert.deepEqual(answer, { status: { code: 4, message: 'the deadline passed' } });
  for (let i = 0; i < 100 && server.activeConnections > 0; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(server.activeConnections, 0);
});
