// What is meant in heddle.yaml where nothing is said, and every mistake with its place.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { instanceNames, type Manifest } from './manifest.ts';
import { readManifest } from './read-manifest.ts';

function read(text: string, file = '/meshes/shop/heddle.yaml'): Manifest {
  const manifest = readManifest(text, file);
  assert.ok(!('errors' in manifest), JSON.stringify(manifest));
  return manifest;
}

function errors(text: string): readonly string[] {
  const manifest = readManifest(text, 'heddle.yaml');
  return 'errors' in manifest ? manifest.errors : [];
}

test('a workload with nothing but a command', () => {
  const { name, namespace, workloads, directory } = read('workloads:\n  web: { command: node web.js }\n');
  assert.deepEqual([name, namespace, directory], ['shop', 'default', '/meshes/shop']);
  assert.deepEqual(workloads, [
    {
      ...{ name: 'web', service: 'web', namespace: 'default', account: 'web', version: '', replicas: 1, optional: '' },
      ...{ labels: {}, ports: [], command: ['node', 'web.js'], directory: '/meshes/shop', environment: {} },
      ...{ user: null, health: { kind: 'none' } },
    },
  ]);
});

test('everything that can be said', () => {
  const manifest = read(`name: all
namespace: shop
try: [one, two]
workloads:
  reviews-v2:
    service: reviews
    version: v2
    serviceAccount: readers
    namespace: other
    replicas: 3
    labels: { team: a, tier: 2 }
    optional: traffic
    directory: apps/reviews
    user: www-data
    command: [node, server.js, 80]
    environment: { A: 1, B: yes, C: }
    ports:
      - port: 80
      - { port: 9000, protocol: GRPC, name: api, listens: 9001 }
    health: { http: /ready, port: 9000 }
gateways:
  in: { ports: [{ port: 443, protocol: https, host: 8443 }], labels: { istio: in } }
  out: { role: egress, serviceAccount: o, ports: [{ port: 443 }] }
external:
  rates: { host: rates.example, port: 443, protocol: tls, command: "echo $PORT && sleep 9" }
`);
  const [workload] = manifest.workloads;
  assert.deepEqual(workload?.ports, [
    { port: 80, protocol: 'http', name: 'http-80', listens: null },
    { port: 9000, protocol: 'grpc', name: 'api', listens: 9001 },
  ]);
  assert.deepEqual(workload?.health, { kind: 'http', path: '/ready', port: 9000 });
  assert.deepEqual(workload?.environment, { A: '1', B: 'true', C: '' });
  assert.deepEqual(workload?.labels, { team: 'a', tier: '2' });
  assert.deepEqual(workload?.command, ['node', 'server.js', '80']);
  assert.equal(workload?.directory, '/meshes/shop/apps/reviews');
  assert.equal(workload?.user, 'www-data');
  assert.deepEqual(instanceNames({ name: 'reviews-v2', replicas: 3 }), [
    'reviews-v2-1',
    'reviews-v2-2',
    'reviews-v2-3',
  ]);
  const [ingress, egress] = manifest.gateways;
  assert.deepEqual(ingress?.ports, [{ port: 443, protocol: 'https', name: 'https-443', host: 8443 }]);
  assert.deepEqual(
    [ingress?.role, egress?.role, egress?.account, egress?.ports[0]?.host],
    ['ingress', 'egress', 'o', null],
  );
  // Whatever means something to a shell is a shell's.
  assert.deepEqual(manifest.externals[0]?.command, ['/bin/sh', '-c', 'echo $PORT && sleep 9']);
  assert.deepEqual(manifest.externals[0]?.health, { kind: 'tcp', port: 443 });
  assert.deepEqual(manifest.hints, ['one', 'two']);
});

test('health: of the first port, by a command, or none', () => {
  const of = (more: string): unknown => read(`workloads:\n  a: { command: x, ${more} }\n`).workloads[0]?.health;
  assert.deepEqual(of('ports: [{ port: 80 }]'), { kind: 'tcp', port: 80 });
  assert.deepEqual(of('ports: [{ port: 80 }], health: { http: / }'), { kind: 'http', path: '/', port: 80 });
  assert.deepEqual(of('health: { command: pg_isready -q }'), { kind: 'command', command: ['pg_isready', '-q'] });
  assert.deepEqual(of('health: { tcp: true, port: 7 }'), { kind: 'tcp', port: 7 });
  assert.deepEqual(errors('workloads:\n  a: { command: x, health: { tcp: true } }\n'), [
    'heddle.yaml:2:20: health needs a port: the workload has none',
  ]);
});

test("a mesh without a name has its directory's, as far as that is one", () => {
  const text = 'workloads: { a: { command: x } }';
  for (const [directory, name] of [
    ['/a/My Shop!', 'my-shop'],
    ['/a/---', 'mesh'],
    ['/', 'mesh'],
    [`/${'long-'.repeat(20)}`, 'long-long-long-long-long-long-long-long'],
  ] as const) {
    assert.equal(read(text, `${directory}/heddle.yaml`).name, name);
  }
});

test('mistakes are told in the order of their places', () => {
  const text = `name: Not_One
workloads:
  a: { command: [], ports: [{ port: 70000 }] }
  b: { command: x, environment: { A: [1] }, replica: 2 }
gateways:
  g: {}
external:
  e: { command: x }
`;
  assert.deepEqual(
    errors(text).map((error) => error.replace(/(there is no replica here).*/, '$1')),
    [
      'heddle.yaml:1:1: "Not_One" is no name',
      'heddle.yaml:3:8: a needs command: a text for the shell, or a list of words',
      'heddle.yaml:3:31: port is a number from 1 to 65535, not 70000',
      'heddle.yaml:4:35: A is a text, not a list',
      'heddle.yaml:4:45: there is no replica here',
      'heddle.yaml:6:3: the gateway g has no ports: add ports: [{ port: 80 }]',
      'heddle.yaml:8:3: e needs port',
      'heddle.yaml:8:3: e needs host',
    ],
  );
});
