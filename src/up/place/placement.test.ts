// Where everything of a mesh is: nobody gets what another has, and who stays keeps what it had.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Manifest } from '../manifest/manifest.ts';
import { readManifest } from '../manifest/read-manifest.ts';
import { Given, type Placement, placeMesh, PlaceProblem, type PlacementParts, seedOf } from './placement.ts';

const TEXT = `workloads:
  web: { command: x, replicas: 2, ports: [{ port: 80 }, { port: 8080 }] }
  db: { command: x, ports: [{ port: 5432, protocol: tcp }] }
gateways:
  in: { ports: [{ port: 80, host: 8080 }] }
  out: { role: egress, ports: [{ port: 443 }] }
external:
  rates: { host: rates.example, port: 9000, protocol: tcp, command: x }
`;

function manifest(text = TEXT): Manifest {
  const read = readManifest(text, '/m/heddle.yaml');
  assert.ok(!('errors' in read), JSON.stringify(read));
  return read;
}

function parts(more: Partial<PlacementParts>): PlacementParts {
  let port = 40_000;
  return { capture: 'namespaces', hasLoopbackRange: true, seed: seedOf('/m'), freePort: () => port++, ...more };
}

/** Everything that somebody listens on. */
function sockets({ workloads, gateways, externals, discovery }: Placement): string[] {
  const at = ({ address, port }: { address: string; port: number }): string => `${address}:${port}`;
  return [
    ...workloads.flatMap(({ address, ports, httpProxy, outbound }) => [
      ...ports.flatMap(({ target, app }) => [`${address}:${target}`, ...(app.address === '' ? [] : [at(app)])]),
      ...(httpProxy === null ? [] : [at(httpProxy)]),
      ...[...outbound.values()].map(at),
    ]),
    ...gateways.flatMap(({ bind, ports }) => ports.map(({ target }) => `${bind}:${target}`)),
    ...externals.map(({ app }) => at(app)),
    at(discovery),
  ];
}

test('no two of a mesh listen at one place, however calls are caught', () => {
  for (const capture of ['namespaces', 'explicit'] as const) {
    for (const hasLoopbackRange of [true, false]) {
      const all = sockets(placeMesh(manifest(), parts({ capture, hasLoopbackRange })));
      assert.deepEqual([...new Set(all)].sort(), all.sort(), `${capture} ${hasLoopbackRange}`);
    }
  }
});

test('in namespaces programs have the ports that they are called by, and low ones of gateways are moved up', () => {
  const { workloads, gateways } = placeMesh(manifest(), parts({}));
  const [web] = workloads;
  assert.deepEqual(
    web?.ports.map(({ container, target, app }) => [container, target, app.port]),
    [
      [80, 80, 80],
      [8080, 8080, 8080],
    ],
  );
  assert.match(web?.address ?? '', /^10\.244\.0\.\d+$/);
  const [ingress, egress] = gateways;
  assert.equal(ingress?.bind, ingress?.address);
  assert.equal(ingress?.ports[0]?.target, 8080);
  // It stands outside, at an address of this machine that is the mesh's alone.
  assert.match(egress?.bind ?? '', /^127\.(?:6[4-9]|[7-9]\d|1[0-8]\d|19[01])\.\d+\.\d+$/);
  assert.match(egress?.address ?? '', /^10\.244\./);
});

test('in explicit mode each workload has a proxy of its own, and an outbound port for each TCP service', () => {
  const { workloads } = placeMesh(manifest(), parts({ capture: 'explicit' }));
  for (const { httpProxy, outbound } of workloads) {
    assert.equal(httpProxy?.address, '127.0.0.1');
    assert.deepEqual([...outbound.keys()].sort(), ['db.default.svc.cluster.local:5432', 'rates.example:9000']);
  }
});

test('who stays keeps addresses and ports, whatever comes before it', () => {
  for (const capture of ['namespaces', 'explicit'] as const) {
    const given = new Given();
    const common = parts({ capture, given, hasLoopbackRange: capture === 'explicit' });
    const before = placeMesh(manifest(), common);
    const more = TEXT.replace(
      'workloads:\n',
      'workloads:\n  first: { command: x, ports: [{ port: 81, protocol: tcp }] }\n',
    );
    const fewer = more.replace(/ {2}web: .*\n/, '');
    placeMesh(manifest(fewer), common);
    const after = placeMesh(manifest(more.replace('replicas: 2', 'replicas: 1')), common);
    for (const name of ['web-1', 'db-1']) {
      const [old, now] = [before, after].map(({ workloads }) => workloads.find((place) => place.name === name));
      assert.deepEqual({ ...now, spec: null, outbound: null }, { ...old, spec: null, outbound: null });
      for (const [key, at] of old?.outbound ?? []) assert.deepEqual(now?.outbound.get(key), at);
    }
    assert.deepEqual(after.gateways, before.gateways);
    assert.deepEqual(after.externals, before.externals);
    assert.deepEqual(after.discovery, before.discovery);
    const all = sockets(after);
    assert.deepEqual([...new Set(all)].sort(), all.sort());
    // What web-2 had is nobody else's.
    const gone = before.workloads.find(({ name }) => name === 'web-2')?.address;
    assert.ok(!after.workloads.some(({ address }) => address === gone && address !== '127.0.0.1'));
  }
});

test('a port that programs insist on is for one of them, but in networks of their own', () => {
  const listens = 'ports: [{ port: 80 }, { port: 81, listens: 7000 }]';
  const two = `workloads:\n  a: { command: x, ${listens} }\n  b: { command: x, ${listens} }\n`;
  const many = `workloads:\n  a: { command: x, replicas: 2, ${listens} }\n`;
  const placed = placeMesh(manifest(two), parts({}));
  assert.deepEqual(
    placed.workloads.map(({ ports }) => ports[1]?.app.port),
    [7000, 7000],
  );
  for (const [text, name, other] of [
    [two, 'b', 'a'],
    [many, 'a', 'another replica of a'],
  ] as const) {
    assert.throws(
      () => placeMesh(manifest(text), parts({ capture: 'explicit' })),
      (error: unknown) => {
        assert.ok(error instanceof PlaceProblem);
        assert.deepEqual(error.path, ['workloads', name, 'ports', 1, 'listens']);
        assert.match(
          error.message,
          new RegExp(`^${name} listens on port 7000 .*, and so does ${other}: .*obey \\$PORT`),
        );
        return true;
      },
    );
  }
});

test('labels: of the service, the version, and those of heddle.yaml, which win', () => {
  const text = 'workloads:\n  a: { command: x, service: s, version: v1, labels: { app: other, b: c } }\n';
  const { workloads } = placeMesh(manifest(text), parts({}));
  assert.deepEqual(workloads[0]?.labels, { app: 'other', version: 'v1', b: 'c' });
});
