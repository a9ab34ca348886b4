// The objects that heddle.yaml stands for, as the control plane reads them.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Clock } from '../../base/clock.ts';
import { ConfigSource } from '../../control/source/config-source.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { readManifest } from '../manifest/read-manifest.ts';
import { type Placement, placeMesh } from '../place/placement.ts';
import { readBeside, type ReadBeside } from './beside.ts';
import { GeneratedObjects } from './generated.ts';

const TEXT = `namespace: shop
workloads:
  reviews-v1:
    { command: x, service: reviews, version: v1, ports: [{ port: 9080 }, { port: 50, protocol: tcp, listens: 51 }] }
  reviews-v2: { command: x, service: reviews, version: v2, ports: [{ port: 9080 }] }
  traffic: { command: x, namespace: other }
gateways:
  in: { ports: [{ port: 80, host: 8080 }] }
external:
  rates: { host: rates.example, port: 9000, command: x }
`;

type Json = Readonly<Record<string, unknown>>;
type Rig = {
  readonly placement: Placement;
  readonly beside: ReadBeside;
  readonly generated: GeneratedObjects;
  readonly problems: string[];
  readonly directory: string;
  readonly manifest: Manifest;
  read(): Map<string, Json>;
  findings(): string[];
};

function rig(t: TestContext, files: Readonly<Record<string, string>> = {}, text = TEXT): Rig {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-objects-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'heddle.yaml'), text);
  for (const [file, content] of Object.entries(files)) writeFileSync(join(directory, file), content);
  const read = readManifest(text, join(directory, 'heddle.yaml'));
  assert.ok(!('errors' in read), JSON.stringify(read));
  const beside = readBeside(read, join(directory, 'overlay'));
  let port = 40_000;
  const placement = placeMesh(beside.manifest, {
    ...{ capture: 'namespaces', hasLoopbackRange: true, seed: 1 },
    freePort: () => port++,
  });
  const own = join(directory, 'generated');
  const problems: string[] = [];
  const generated = new GeneratedObjects(own, (problem) => problems.push(problem));
  generated.set(placement, beside, { chain: 'CHAIN', key: 'KEY' });
  const source = (): ConfigSource => {
    const made = new ConfigSource([{ path: own, kind: 'objects' }], { clock: new Clock(), watcher: null });
    made.start();
    return made;
  };
  return {
    ...{ placement, beside, generated, problems, directory, manifest: beside.manifest },
    read: () => new Map([...source().objects()].map(([key, object]) => [key, object as unknown as Json])),
    findings: () =>
      source()
        .findings()
        .map(({ message }) => message),
  };
}

test('every object is read without a complaint', (t) => {
  const { read, findings } = rig(t);
  assert.deepEqual(findings(), []);
  const keys = [...read().keys()].map((key) => key.replace(/^[^/]*\.k8s\.io\/|^[^/]*\.istio\.io\//, '')).sort();
  for (const wanted of [
    ...['Namespace//shop', 'Namespace//other', 'MeshConfig//mesh', 'Pod/shop/reviews-v1-1', 'Pod/other/traffic-1'],
    ...['Service/shop/reviews', 'Service/shop/in', 'ServiceAccount/shop/reviews', 'ServiceEntry/shop/rates'],
  ]) {
    assert.ok(keys.includes(wanted), `${wanted} of ${keys.join(' ')}`);
  }
  assert.ok(!keys.includes('Service/other/traffic'), 'who has no ports is no service');
});

test('a mesh that has no settings of its own logs requests as JSON', (t) => {
  const spec = rig(t).read().get('MeshConfig//mesh')?.['spec'] as Json;
  assert.equal(spec['accessLogFile'], '/dev/stdout');
  assert.equal(spec['accessLogEncoding'], 'JSON');
  assert.ok('response_flags' in (JSON.parse(String(spec['accessLogFormat'])) as Json));
  const own = rig(t, { 'mesh.yaml': 'accessLogFile: /dev/null\n' });
  assert.ok(!own.read().has('MeshConfig//mesh'));
});

test('endpoints follow who is ready, at the ports where they are called', async (t) => {
  const { generated, read } = rig(t);
  const slices = (): string[] =>
    [...read()].flatMap(([key, object]) => {
      if (!key.includes('EndpointSlice')) return [];
      const { ports, endpoints } = object['data'] as { ports: Json[]; endpoints: { conditions: { ready: boolean } }[] };
      return [`${key.split('/').at(-1)} ${ports.map(({ port }) => port)} ${endpoints[0]?.conditions.ready}`];
    });
  assert.deepEqual(slices().sort(), [
    'in-in 8080 false',
    'reviews-reviews-v1-1 9080,51 false',
    'reviews-reviews-v2-1 9080 false',
  ]);
  generated.setReady((name) => name === 'reviews-v1-1');
  await generated.settled();
  assert.ok(slices().includes('reviews-reviews-v1-1 9080,51 true'));
  assert.ok(slices().includes('reviews-reviews-v2-1 9080 false'));
});

test("what a file has is not made again, and its Service's selector decides", (t) => {
  const service = `apiVersion: v1
kind: Service
metadata: { name: reviews, namespace: shop }
spec: { selector: { version: v2 }, ports: [{ name: http, port: 80, targetPort: 9080 }] }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: reviews, namespace: shop }
`;
  const { read } = rig(t, { 'service.yaml': service });
  const keys = [...read().keys()];
  assert.ok(!keys.some((key) => /(?:Service|ServiceAccount)\/shop\/reviews$/.test(key)), keys.join(' '));
  assert.deepEqual(
    keys.filter((key) => /EndpointSlice\/shop\/reviews/.test(key)).map((key) => key.split('/').at(-1)),
    ['reviews-reviews-v2-1'],
  );
});

test('a Deployment of the same name says what heddle.yaml does not', (t) => {
  const deployment = (name: string): string => `apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: shop }
spec:
  replicas: 2
  selector: { matchLabels: { app: reviews } }
  template:
    metadata: { labels: { app: reviews, version: v9, team: a } }
    spec:
      serviceAccountName: readers
      containers: [{ name: app, image: x, env: [{ name: A, value: theirs }, { name: B, value: b }] }]
`;
  const text = 'namespace: shop\nworkloads:\n  reviews-v9: { command: x, environment: { A: ours } }\n';
  const files = { 'a.yaml': deployment('reviews-v9'), 'b.yaml': deployment('unknown') };
  const { manifest, beside } = rig(t, files, text);
  const [workload] = manifest.workloads;
  assert.deepEqual(
    [workload?.service, workload?.version, workload?.account, workload?.replicas, workload?.labels['team']],
    ['reviews', 'v9', 'readers', 2, 'a'],
  );
  assert.deepEqual(workload?.environment, { A: 'ours', B: 'b' });
  assert.deepEqual(beside.notRun, ['Deployment unknown']);
});

test('certificates of gateways that nobody has are made, and no others', (t) => {
  const gateway = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: g, namespace: shop }
spec:
  selector: { app: in }
  servers:
    - { port: { number: 80, name: a, protocol: HTTPS }, hosts: ['*'], tls: { mode: SIMPLE, credentialName: missing } }
    - { port: { number: 81, name: b, protocol: HTTPS }, hosts: ['*'], tls: { mode: SIMPLE, credentialName: there } }
---
apiVersion: v1
kind: Secret
metadata: { name: there, namespace: shop }
stringData: { tls.crt: a, tls.key: b }
`;
  const { beside, read } = rig(t, { 'gateway.yaml': gateway });
  assert.deepEqual(beside.missingCertificates, [{ namespace: 'shop', name: 'missing' }]);
  assert.deepEqual(
    [...read().keys()].filter((key) => key.includes('Secret/')).map((key) => key.split('/').at(-1)),
    ['missing'],
  );
});

test('what cannot be written while the mesh runs is told, and tried again', async (t) => {
  const { generated, directory, problems, placement, beside } = rig(t);
  rmSync(join(directory, 'generated'), { recursive: true });
  generated.setReady(() => true);
  await generated.settled();
  assert.match(problems[0] ?? '', /generated: ENOENT.*; who is ready is not known meanwhile$/);
  assert.throws(() => generated.set({ ...placement, workloads: [] }, beside, null), /ENOENT/);
  mkdirSync(join(directory, 'generated'));
  for (const end = Date.now() + 5000; Date.now() < end; await sleep(50)) {
    try {
      if (/ready: true/.test(readFileSync(join(directory, 'generated/endpoints.yaml'), 'utf8'))) return;
    } catch {
      // Not yet.
    }
  }
  assert.fail('it was not written again');
});
