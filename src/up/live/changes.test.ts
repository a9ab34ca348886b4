// What has to be done to a running mesh when its plan is another one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readManifest } from '../manifest/read-manifest.ts';
import { Given, type Placement, placeMesh } from '../place/placement.ts';
import { type Changes, compare } from './changes.ts';

const TEXT = `workloads:
  web: { command: node web.js, ports: [{ port: 80 }], environment: { A: b } }
  db: { command: db, ports: [{ port: 5432, protocol: tcp }] }
gateways:
  in: { ports: [{ port: 80, host: 8080 }] }
external:
  rates: { host: rates.example, port: 9000, command: rates }
`;

/** One mesh: each plan is made beside the last one. */
function mesh(capture: Placement['capture']): { plan(text: string): Placement } {
  const given = new Given();
  let port = 40_000;
  return {
    plan(text) {
      const manifest = readManifest(text, '/m/heddle.yaml');
      assert.ok(!('errors' in manifest), JSON.stringify(manifest));
      return placeMesh(manifest, { capture, given, seed: 1, hasLoopbackRange: true, freePort: () => port++ });
    },
  };
}

type Summary = Pick<Changes, 'added' | 'removed'> & { renewed: unknown; restarted: unknown; later: readonly string[] };

function changes(from: string, to: string, capture: Placement['capture'] = 'namespaces'): Summary {
  const { plan } = mesh(capture);
  const { added, removed, renewed, restarted, later } = compare(plan(from), plan(to));
  const words = later.map(({ path, reason }) => `${path.join('.')}: ${reason}`);
  return {
    added,
    removed,
    renewed: Object.fromEntries(renewed),
    restarted: Object.fromEntries(restarted),
    later: words,
  };
}

const NOTHING: Summary = { added: [], removed: [], renewed: {}, restarted: {}, later: [] };

test('nothing changed, or only what no process knows of', () => {
  assert.deepEqual(changes(TEXT, TEXT), NOTHING);
  assert.deepEqual(changes(TEXT, `${TEXT}name: other\ntry: [this]\n`), NOTHING);
  assert.deepEqual(changes(TEXT, TEXT.replace('A: b', '"A": "b"')), NOTHING);
});

test('of a program, of who a workload is, and of both', () => {
  const cases: readonly (readonly [string, string, Partial<Summary>])[] = [
    ['node web.js', 'node other.js', { restarted: { 'web-1': ['command'] } }],
    ['A: b', 'A: c', { restarted: { 'web-1': ['environment'] } }],
    ['command: db,', 'command: db, health: { command: ask },', { restarted: { 'db-1': ['health'] } }],
    ['command: rates', 'command: rates --fast', { restarted: { rates: ['command'] } }],
    ['port: 80 }]', 'port: 81 }]', { renewed: { 'web-1': ['ports', 'health'] } }],
    ['command: db,', 'command: db, version: v2, user: db,', { renewed: { 'db-1': ['version', 'user'] } }],
    ['rates.example', 'other.example', { renewed: { rates: ['host'] } }],
    ['command: db,', 'command: db, replicas: 3,', { added: ['db-2', 'db-3'] }],
    [/ {2}db: .*\n/.exec(TEXT)?.[0] ?? '', '', { removed: ['db-1'] }],
    ['  db:', '  db2:', { added: ['db2-1'], removed: ['db-1'] }],
  ];
  for (const [from, to, want] of cases) {
    assert.ok(TEXT.includes(from));
    assert.deepEqual(changes(TEXT, TEXT.replace(from, to)), { ...NOTHING, ...want }, to);
  }
});

test('gateways wait for the next start, and stay as they are', () => {
  const { plan } = mesh('namespaces');
  const before = plan(TEXT);
  const other = plan(
    TEXT.replace('host: 8080', 'host: 9090').replace('external:', '  new: { ports: [{ port: 1 }] }\nexternal:'),
  );
  const { later, placement } = compare(before, other);
  assert.deepEqual(later, [
    { path: ['gateways', 'in'], reason: 'what changed of the gateway in takes effect with the next heddle up' },
    { path: ['gateways', 'new'], reason: 'the gateway new takes effect with the next heddle up' },
  ]);
  assert.equal(placement.gateways, before.gateways);
  const none = changes(TEXT, TEXT.replace(/gateways:\n.*\n/, ''));
  assert.deepEqual(none.later, ['gateways: that the gateway in is gone takes effect with the next heddle up']);
});

test('in explicit mode a new TCP service is told to programs when they begin anew, with their proxies', () => {
  const { plan } = mesh('explicit');
  const before = plan(TEXT);
  const text = TEXT.replace('gateways:', '  cache: { command: c, ports: [{ port: 6379, protocol: tcp }] }\ngateways:');
  const added = compare(before, plan(text));
  assert.deepEqual(added.added, ['cache-1']);
  assert.deepEqual([...added.renewed.keys(), ...added.restarted.keys()], []);
  assert.deepEqual(
    added.later.map(({ path }) => path),
    [['workloads', 'cache']],
  );
  const key = 'cache.default.svc.cluster.local:6379';
  const knows = (placement: Placement): string[] =>
    placement.workloads.filter(({ outbound }) => outbound.has(key)).map(({ name }) => name);
  assert.deepEqual(knows(added.placement), ['cache-1']);
  // What it is told of then its proxy has to listen for.
  const next = compare(added.placement, plan(text.replace('A: b', 'A: c')));
  assert.deepEqual([...next.renewed], [['web-1', ['environment']]]);
  assert.deepEqual(knows(next.placement), ['web-1', 'cache-1']);
  assert.deepEqual(
    compare(next.placement, plan(text.replace('A: b', 'A: d'))).restarted,
    new Map([['web-1', ['environment']]]),
  );
});
