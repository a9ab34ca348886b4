// After any sequence of changes, what proxies see is what a control plane sees that starts with the last state.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { MeshState } from '../../src/control/mesh-state.ts';
import { readNode } from '../../src/control/model/node.ts';
import { MemorySource } from '../../src/control/source/config-source.ts';
import type { ConnectedProxy } from '../../src/control/stages/plans-stage.ts';
import type { ProxyView } from '../../src/control/views.ts';
import { POOL } from './random-objects.ts';

const PLACE = { cluster: 'Kubernetes', clusterDomain: 'cluster.local', network: '' };
const RUNS = 100;
const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';

function proxy(role: string, namespace: string, metadata: Record<string, unknown>): ConnectedProxy {
  const id = `${role}~10.1.0.1~a-1.${namespace}~${namespace}.svc.cluster.local`;
  const node = readNode({ id, metadata: { NAMESPACE: namespace, INSTANCE_IPS: '10.1.0.1', ...metadata } });
  assert.ok(!('error' in node));
  return { ...node, isProved: true };
}

const place = (port: number) => ({ address: '127.0.0.1', port });
/** Without redirect. */
const EXPLICIT = {
  httpProxy: place(40_001),
  inbound: { 80: place(40_002), 8080: place(40_003) },
  outbound: { 'a.one.svc.cluster.local:80': place(40_004), 'b.two.svc.cluster.local:9000': place(40_005) },
};

const PROXIES: readonly ConnectedProxy[] = [
  proxy('sidecar', 'one', { HEDDLE_VERSION: '1', LABELS: { app: 'a' } }),
  proxy('sidecar', 'one', { ISTIO_VERSION: '1.32.0', LABELS: { app: 'a' }, DNS_CAPTURE: 'true' }),
  proxy('sidecar', 'two', { HEDDLE_PROXY: 'envoy', LABELS: { app: 'b' } }),
  proxy('sidecar', 'one', { HEDDLE_VERSION: '1', LABELS: { app: 'a' }, EXPLICIT }),
  proxy('sidecar', 'two', { HEDDLE_PROXY: 'envoy', LABELS: { app: 'b' }, EXPLICIT }),
  proxy('router', 'one', { ISTIO_VERSION: '1.32.0', LABELS: { istio: 'gw', [GATEWAY_NAME]: 'k' } }),
  proxy('sidecar', 'two', { GENERATOR: 'grpc' }),
];

/** 'TYPE NAME' → version, of every proxy. */
function seen(views: readonly ProxyView[]): Record<string, string>[] {
  return views.map((view) => {
    const all: Record<string, string> = {};
    for (const typeUrl of view.typeUrls) {
      for (const table of view.tables(typeUrl)) {
        for (const name of table.names()) all[`${typeUrl} ${name}`] = table.get(name)?.version ?? '';
      }
    }
    return all;
  });
}

class Mesh {
  readonly state = new MeshState(PLACE);
  readonly source: MemorySource;
  readonly views: readonly ProxyView[];

  constructor(files: Readonly<Record<string, string>>, connectsFirst: boolean) {
    this.source = new MemorySource(files);
    this.source.onChange((changes) => void this.state.apply(changes));
    if (!connectsFirst) this.source.start();
    this.views = PROXIES.map((one, i) => this.state.connect(`proxy-${i}`, one));
    if (connectsFirst) this.source.start();
  }
}

const change = fc.constantFrom(...Object.keys(POOL)).chain((file) =>
  // One past the last version: the file is gone.
  fc.record({ file: fc.constant(file), version: fc.nat({ max: POOL[file]?.length ?? 0 }) }),
);

it('follows any sequence of changes', () => {
  fc.assert(
    fc.property(fc.array(fc.array(change, { minLength: 1, maxLength: 3 }), { maxLength: 12 }), (batches) => {
      const files: Record<string, string> = {};
      const mesh = new Mesh({}, true);
      for (const batch of batches) {
        const written: Record<string, string | null> = {};
        for (const { file, version } of batch) {
          const text = POOL[file]?.[version] ?? null;
          written[file] = text;
          if (text === null) delete files[file];
          else files[file] = text;
        }
        mesh.source.write(written);
      }
      assert.deepEqual(seen(mesh.views), seen(new Mesh(files, false).views));
    }),
    { numRuns: RUNS },
  );
});

it('asks what would be without an object, and changes nothing by that', () => {
  const files = Object.fromEntries(Object.entries(POOL).map(([file, [text]]) => [file, text as string]));
  const { state, source, views } = new Mesh(files, true);
  const before = seen(views);
  const tables = views.flatMap((view) => view.typeUrls.flatMap((typeUrl) => view.tables(typeUrl)));
  const seqs = tables.map((table) => table.seq);
  for (const [key, object] of source.objects()) {
    const impact = state.impactOf(key, object);
    if (key.startsWith('VirtualService/one/r')) {
      assert.ok(impact.some(({ names }) => names.includes('80') || names.some((name) => name.startsWith('80/'))));
    }
  }
  assert.deepEqual(seen(views), before);
  assert.deepEqual(
    tables.map((table) => table.seq),
    seqs,
  );
});

it('computes only what depends on a change', () => {
  const files = Object.fromEntries(Object.entries(POOL).map(([file, [text]]) => [file, text as string]));
  const { state, source } = new Mesh(files, true);
  const count = (change: () => void): Record<string, number> => {
    change();
    return Object.fromEntries([...state.graph.recomputed].filter(([name]) => !name.startsWith('complaints')));
  };
  const endpoint = count(() => source.write({ 'slice-a.yaml': POOL['slice-a.yaml']?.[1] as string }));
  assert.equal(endpoint['routes of virtual hosts'], undefined, 'an endpoint concerns no route');
  assert.equal(endpoint['scopes'], undefined);
  assert.equal(endpoint['endpoints of slices'], 1);
  const route = count(() => source.write({ 'routes.yaml': POOL['routes.yaml']?.[1] as string }));
  assert.equal(route['virtual services'], 1);
  assert.equal(route['endpoints of services'], undefined, 'a weight concerns no endpoint');
});
