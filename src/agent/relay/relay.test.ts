// The relay between a proxy and a control plane of the test, over sockets: bytes, own types, ends, and waiting.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { AdsServer } from '../../../test/support/ads-server.ts';
import { liveEngine } from '../../../test/support/live-engine.ts';
import { Random } from '../../base/clock.ts';
import { GrpcChannel } from '../../grpc/client/channel.ts';
import type { ClientCall } from '../../grpc/client/client-call.ts';
import { GrpcServer } from '../../grpc/server.ts';
import { decodeBinary } from '../../proto/binary-decode.ts';
import { encodeBinary } from '../../proto/binary-encode.ts';
import { registry } from '../../proto/registry.ts';
import { typeUrlOf } from '../../proto/type-url.ts';
import { MetricRegistry } from '../../telemetry/prometheus.ts';
import { AGGREGATED_SERVICE, CLUSTER_TYPE, LISTENER_TYPE } from '../../xds/client/services.ts';
import { agentMetrics } from '../metrics.ts';
import { NAME_TABLE_TYPE } from './own-types.ts';
import { requestTypeUrl, responseTypeUrl } from './peek.ts';
import { AdsRelay } from './relay.ts';

const { clock, engine, resolver } = liveEngine();
const closers: (() => void)[] = [() => resolver.close()];
after(() => {
  for (const close of closers) close();
});

function setUp(target?: string) {
  const control = new AdsServer();
  const logs: string[] = [];
  const upstream = new GrpcChannel({ engine, resolver }, { target: target ?? `127.0.0.1:${control.port}`, tls: null });
  const metrics = agentMetrics(new MetricRegistry());
  const relay = new AdsRelay({
    ...{ channel: upstream, metrics, clusterId: 'east', token: () => 'secret' },
    whenAble: (start) => {
      const timer = setTimeout(() => engine.run(start), 20);
      return () => clearTimeout(timer);
    },
    log: (level, text) => void logs.push(`${level} ${text}`),
  });
  const server = new GrpcServer({ engine, random: new Random(1) });
  server.add(...relay.methods());
  const listener = server.listen({ family: 'ipv4', address: '127.0.0.1', port: 0 });
  assert.ok(!('errno' in listener));
  const proxy = new GrpcChannel({ engine, resolver }, { target: `127.0.0.1:${listener.address.port}`, tls: null });
  closers.push(() => {
    control.stop();
    upstream.close();
    server.stop();
    proxy.close();
  });
  return { control, logs, relay, proxy, metrics };
}

/** A proxy's stream, as far as tests need one. */
function open(proxy: GrpcChannel, isDelta: boolean) {
  const heard: Record<string, unknown>[] = [];
  const ends: string[] = [];
  const type = `envoy.service.discovery.v3.${isDelta ? 'Delta' : ''}Discovery`;
  let call = null as unknown as ClientCall;
  engine.run(() => {
    call = proxy.call(isDelta ? AGGREGATED_SERVICE.delta : AGGREGATED_SERVICE.stream, {
      onMessage: (buf, start, end) =>
        heard.push(decodeBinary(registry.message(`${type}Response`), buf.subarray(start, end)) as never),
      onClose: ({ code, message }) => ends.push(`${code} ${message}`),
    });
  });
  const send = (message: Record<string, unknown>): void =>
    engine.run(() => call.sendBytes(encodeBinary(registry.message(`${type}Request`), message as never)));
  return { heard, ends, send, call };
}

const until = async (test: () => boolean, what = ''): Promise<void> => {
  for (let i = 0; i < 300 && !test(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(test(), what);
};
const NODE = { id: 'sidecar~1', cluster: 'c' };

for (const isDelta of [true, false]) {
  test(`streams pass both ways, and own types stay (${isDelta ? 'delta' : 'state of the world'})`, async () => {
    const { control, relay, proxy, logs } = setUp();
    const tables: unknown[] = [];
    relay.follow({
      type: NAME_TABLE_TYPE,
      take: (bytes, done) => {
        tables.push(decodeBinary(registry.message(NAME_TABLE_TYPE), bytes));
        clock.defer(() => done(tables.length > 1 ? 'not this one' : null));
      },
    });
    control.set(CLUSTER_TYPE, { a: { name: 'a' } });
    control.set(LISTENER_TYPE, { l: { name: 'l' } });
    control.set(NAME_TABLE_TYPE, { '': { table: { host: { ips: ['1.2.3.4'] } } } });
    const { heard, send, ends } = open(proxy, isDelta);
    send({ node: NODE, type_url: typeUrlOf(CLUSTER_TYPE) });
    await until(() => heard.length === 1);
    assert.equal(control.of(NAME_TABLE_TYPE).length, 0);
    send({ type_url: typeUrlOf(LISTENER_TYPE) });
    await until(() => heard.length === 2 && tables.length === 1);
    assert.equal(JSON.stringify(tables), '[{"table":{"host":{"ips":["1.2.3.4"]}}}]');
    await until(() => control.isAcked(NAME_TABLE_TYPE));
    control.set(NAME_TABLE_TYPE, { '': { table: { other: { ips: ['1.2.3.5'] } } } });
    await until(() => control.nacks.length === 1);
    assert.equal(control.nacks[0]?.error, 'not this one');
    engine.run(() => relay.reportHealth({ isHealthy: false, message: 'ill' }));
    await until(() => control.requests.some(({ error }) => error === 'ill'));
    assert.ok(heard.every((response) => !String(response['type_url']).includes('nds')));
    control.closeStreams(14, 'bye');
    await until(() => ends.length === 1);
    assert.deepEqual(ends, ['14 bye']);
    assert.match(logs.join(), /the stream to the control plane ended: 14 bye/);
    // The next one tells at once how the application is.
    const before = control.of(NAME_TABLE_TYPE).length;
    const again = open(proxy, isDelta);
    again.send({ node: NODE, type_url: typeUrlOf(LISTENER_TYPE) });
    await until(() => control.requests.filter(({ error }) => error === 'ill').length === 2);
    // And what was taken on of the own types.
    await until(() => control.of(NAME_TABLE_TYPE).length > before);
    const { initialVersions } = control.of(NAME_TABLE_TYPE)[before] ?? assert.fail();
    assert.deepEqual(Object.keys(initialVersions), isDelta ? [''] : []);
    engine.run(() => again.call.cancel());
    await until(() => relay.activeStreams === 0 && control.streams.size === 0);
  });
}

test('a control plane that is not there ends the stream, and the proxy may come again', async () => {
  const { proxy, logs, metrics } = setUp('127.0.0.1:1');
  for (let i = 1; i <= 2; i++) {
    const { ends, send } = open(proxy, true);
    send({ node: NODE, type_url: typeUrlOf(CLUSTER_TYPE) });
    await until(() => ends.length === 1);
    assert.match(ends[0] ?? '', /^14 127\.0\.0\.1:1: /);
    assert.equal(metrics.serverTerminations.cell().value, i);
  }
  assert.equal(logs.length, 2);
});

test('a new stream of the proxy ends the one before', async () => {
  const { proxy, control, relay } = setUp();
  const one = open(proxy, true);
  one.send({ node: NODE, type_url: typeUrlOf(CLUSTER_TYPE) });
  await until(() => control.streams.size === 1);
  const two = open(proxy, true);
  two.send({ node: NODE, type_url: typeUrlOf(CLUSTER_TYPE) });
  await until(() => one.ends.length === 1 && relay.activeStreams === 1);
  assert.match(one.ends[0] ?? '', /another stream/);
  assert.equal(two.ends.length, 0);
});

test('megabytes wait for a proxy that does not read', async () => {
  const { proxy, control } = setUp();
  const name = 'x'.repeat(200_000);
  const many = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`${name}${i}`, { name: `${name}${i}` }]));
  control.set(CLUSTER_TYPE, many);
  const { heard, send, call } = open(proxy, true);
  engine.run(() => call.pauseReading());
  send({ node: NODE, type_url: typeUrlOf(CLUSTER_TYPE) });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(heard.length, 0);
  engine.run(() => call.resumeReading());
  await until(() => heard.length === 1);
  assert.equal((heard[0] as { readonly resources: readonly unknown[] }).resources.length, 60);
});

test('types are read where they stand, and broken messages have none', () => {
  const bytes = Buffer.from(
    encodeBinary(registry.message('envoy.service.discovery.v3.DiscoveryResponse'), {
      version_info: 'v',
      resources: [{ type_url: 'inner', value: Buffer.alloc(3) }],
      type_url: 'outer',
    } as never),
  );
  assert.equal(responseTypeUrl(bytes, 0, bytes.length), 'outer');
  for (let length = 0; length < bytes.length; length++) {
    assert.ok(['', 'outer'].includes(responseTypeUrl(bytes, 0, length)));
  }
  assert.equal(requestTypeUrl(Buffer.from([0x22, 0x7f, 0x61]), 0, 3, false), '');
  assert.equal(requestTypeUrl(Buffer.alloc(20, 0xff), 0, 20, true), '');
  // Whatever strangers send is looked through in one pass.
  const random = new Random(5);
  for (let i = 0; i < 5000; i++) {
    const noise = Buffer.from(Array.from({ length: random.below(40) }, () => random.below(256)));
    assert.equal(typeof responseTypeUrl(noise, 0, noise.length), 'string');
    assert.equal(typeof requestTypeUrl(noise, 0, noise.length, i % 2 === 0), 'string');
  }
});
