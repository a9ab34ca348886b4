// Settings of an agent as pilot-agent reads them: variables, pod files, ProxyConfig in layers, and every mistake.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AgentFlags, PATHS, readSettings } from './environment.ts';
import { readDownwardApi } from './downward-api.ts';
import type { AgentSettings } from './settings.ts';

type Files = Readonly<Record<string, string>>;

function read(variables: Record<string, string>, files: Files = {}, flags: AgentFlags = {}) {
  return readSettings(flags, {
    ...{ variables, addresses: ['10.0.0.1', '10.0.0.2'] },
    readText: (path) => files[path] ?? null,
  });
}

function settings(variables: Record<string, string> = {}, files: Files = {}, flags: AgentFlags = {}): AgentSettings {
  const made = read(variables, files, flags);
  assert.ok(!('error' in made), JSON.stringify(made));
  return made;
}

test('without anything the defaults are Istio’s', () => {
  const made = settings();
  assert.equal(made.role, 'sidecar');
  assert.equal(made.dnsDomain, 'default.svc.cluster.local');
  assert.equal(made.clusterId, 'Kubernetes');
  assert.equal(made.discovery.address, 'istiod.istio-system.svc:15012');
  assert.equal(made.discovery.san, 'istiod.istio-system.svc');
  assert.deepEqual(made.authority, made.discovery);
  assert.deepEqual(made.ports, { admin: 15_000, proxyPrometheus: 15_090, proxyStatus: 15_021, status: 15_020 });
  assert.deepEqual(made.drain, { terminationMs: 5000, exitsOnZeroConnections: false, minimumMs: 5000 });
  assert.equal(made.certificate.ttlS, 86_400);
  assert.deepEqual([made.certificate.renewFrom, made.certificate.renewTo], [0.5, 0.8]);
  assert.deepEqual(made.addresses, ['10.0.0.1', '10.0.0.2']);
  // Nobody asks for a name that was guessed.
  assert.equal(made.identity, '');
});

test('without redirect the workload has one address, and the proxy what it was told', () => {
  const explicit = { bind: '', httpProxy: { address: '127.0.0.1', port: 40_001 }, inbound: {}, outbound: {} };
  const made = settings({
    INSTANCE_IP: '127.64.3.2',
    ISTIO_METAJSON_EXPLICIT: JSON.stringify({ httpProxy: explicit.httpProxy }),
    HEDDLE_ADMIN_SOCKET: '/run/mesh/cart.admin',
  });
  assert.deepEqual(made.explicit, explicit);
  // The others are those of all workloads on the machine.
  assert.deepEqual(made.addresses, ['127.64.3.2']);
  assert.deepEqual(made.metadata['EXPLICIT'], { httpProxy: explicit.httpProxy });
  assert.equal(made.adminSocket, '/run/mesh/cart.admin');
  assert.deepEqual([settings().explicit, settings().adminSocket], [null, '']);
  const wrong = read({ ISTIO_METAJSON_EXPLICIT: '{"inbound": 1}', HEDDLE_ADMIN_SOCKET: 'cart.admin' });
  assert.ok('error' in wrong);
  assert.deepEqual(wrong.error.split('\n'), [
    'ISTIO_METAJSON_EXPLICIT: EXPLICIT.inbound is no object',
    'INSTANCE_IP: explicit mode needs the address that is the workload’s own',
    'HEDDLE_ADMIN_SOCKET: cart.admin is no absolute path',
  ]);
});

test('variables of a pod are understood', () => {
  const made = settings(
    {
      POD_NAME: 'cart-1',
      POD_NAMESPACE: 'shop',
      SERVICE_ACCOUNT: 'cart',
      INSTANCE_IP: '10.0.0.2',
      TRUST_DOMAIN: 'td',
      CA_ADDR: 'ca.example:443',
      ISTIOD_SAN: 'istiod.test',
      SECRET_TTL: '1h30m',
      SECRET_GRACE_PERIOD_RATIO: '0.2',
      WORKLOAD_RSA_KEY_SIZE: '3072',
      EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true',
      MINIMUM_DRAIN_DURATION: '500ms',
      ISTIO_META_CLUSTER_ID: 'east',
      ISTIO_META_OWNER: 'owner',
      ISTIO_METAJSON_LABELS: '{"app": "cart", "version": "said"}',
      ISTIO_METAJSON_MORE: '{"DNS_CAPTURE": true}',
      PROXY_CONFIG: 'terminationDrainDuration: 9s\nproxyMetadata: {ISTIO_META_OWNER: older, ISTIO_META_MESH_ID: m}',
    },
    { [PATHS.labels]: 'version="v1"\npod-template-hash="x"\n', [PATHS.annotations]: 'a="two\\nlines"\n' },
  );
  assert.equal(made.identity, 'spiffe://td/ns/shop/sa/cart');
  assert.deepEqual(made.addresses, ['10.0.0.2', '10.0.0.1']);
  assert.deepEqual(made.labels, { app: 'cart', version: 'v1' });
  assert.deepEqual(made.annotations, { a: 'two\nlines' });
  assert.equal(made.metadata['OWNER'], 'owner');
  assert.equal(made.metadata['MESH_ID'], 'm');
  assert.equal(made.metadata['DNS_CAPTURE'], true);
  assert.equal(made.clusterId, 'east');
  assert.equal(made.authority.address, 'ca.example:443');
  assert.equal(made.authority.san, 'istiod.test');
  assert.equal(made.certificate.ttlS, 5400);
  assert.equal(made.certificate.key, 'rsa3072');
  assert.ok(Math.abs(made.certificate.renewFrom - 0.79) < 1e-9 && Math.abs(made.certificate.renewTo - 0.81) < 1e-9);
  assert.deepEqual(made.drain, { terminationMs: 9000, exitsOnZeroConnections: true, minimumMs: 500 });
});

test('layers of ProxyConfig replace each other, flags last', () => {
  const files = {
    [PATHS.mesh]: 'defaultConfig: {statusPort: 1, concurrency: 1, drainDuration: 7s}\nenableTracing: true',
    [PATHS.annotations]: 'proxy.istio.io/config="concurrency: 3"\nsidecar.istio.io/discoveryAddress="d:1"\n',
  };
  const made = settings({ PROXY_CONFIG: 'concurrency: 2\nproxy_admin_port: 2' }, files);
  assert.equal(made.ports.status, 1);
  assert.equal(made.ports.admin, 2);
  assert.equal(made.concurrency, 3);
  assert.equal(made.proxyConfig.drainDurationS, 7);
  assert.equal(made.discovery.address, 'd:1');
  assert.equal(made.proxyConfig.json['proxyAdminPort'], 2);
  assert.deepEqual(made.proxyConfig.withoutEffect, []);
  const quiet = settings({ PROXY_CONFIG: 'statsdUdpAddress: a:1\nproxyHeaders: {}\nfileFlushInterval: 2s' });
  assert.deepEqual(quiet.proxyConfig.withoutEffect, ['statsdUdpAddress']);
  assert.equal(quiet.proxyConfig.fileFlushIntervalMs, 2000);
  const flagged = settings({}, files, { discovery: 'localhost:9', concurrency: 4 });
  assert.equal(flagged.discovery.address, 'localhost:9');
  // On a developer's machine istiod shows its usual certificate.
  assert.equal(flagged.discovery.san, 'istiod.istio-system.svc');
  assert.equal(flagged.concurrency, 4);
});

test('a join token takes the place of the pod’s token', () => {
  const files = { [PATHS.token]: 'secret' };
  assert.equal(settings({}, files).tokenPath, PATHS.token);
  assert.equal(settings().tokenPath, '');
  assert.equal(settings({}, files, { joinToken: 'j' }).tokenPath, '');
  assert.equal(settings({}, files, { joinToken: 'j', token: 't' }).tokenPath, 't');
});

test('every mistake is said', () => {
  const rows: readonly (readonly [Record<string, string>, Files, RegExp])[] = [
    [{ INSTANCE_IP: 'x' }, {}, /INSTANCE_IP: x is no IP address/],
    [{ SECRET_TTL: '1 day' }, {}, /SECRET_TTL: 1 day is no duration/],
    [{ SECRET_GRACE_PERIOD_RATIO: '2' }, {}, /SECRET_GRACE_PERIOD_RATIO: 2 is no number from 0 to 1/],
    [{ WORKLOAD_RSA_KEY_SIZE: '512' }, {}, /WORKLOAD_RSA_KEY_SIZE: 512/],
    [{ ECC_CURVE: 'P521' }, {}, /ECC_CURVE: P521/],
    [{ ENVOY_STATUS_PORT: '70000' }, {}, /ENVOY_STATUS_PORT: 70000/],
    [{ ISTIO_METAJSON_X: '[]' }, {}, /ISTIO_METAJSON_X: it is no JSON object/],
    [{ PROXY_CONFIG: 'nonsense: 1' }, {}, /PROXY_CONFIG: .*nonsense/],
    [{ PROXY_CONFIG: '{' }, {}, /PROXY_CONFIG: broken YAML/],
    [{ PROXY_CONFIG: '[]' }, {}, /PROXY_CONFIG: it is no mapping/],
    [{}, { [PATHS.labels]: 'a=b' }, /labels: line 1: the value is not quoted/],
  ];
  for (const [variables, files, expected] of rows) {
    const made = read(variables, files);
    assert.ok('error' in made, String(expected));
    assert.match(made.error, expected);
  }
});

test('the downward API’s escapes are Go’s', () => {
  assert.deepEqual(readDownwardApi('a="\\u00e9\\x41\\a\\"="\nb=""\n\nnothing'), {
    values: { a: 'éA\u0007"=', b: '' },
  });
});
