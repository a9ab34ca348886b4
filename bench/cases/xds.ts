// Configuration from a control plane: what the first one costs, a thousand services, the same again, one endpoint.
import { setTimeout as sleep } from 'node:timers/promises';
import { openCapture } from '../../test/captures/captures.ts';
import { serveCapture } from '../../test/captures/serve.ts';
import { alternate, type BenchCase, type BenchContext, type Row } from '../support/bench-case.ts';
import {
  CLUSTER,
  clusterName,
  ENDPOINTS,
  endpointsOf,
  LISTENER,
  meshNode,
  ROUTES,
  SERVICES,
  serveMesh,
} from '../support/mesh.ts';
import type { PeerName } from '../support/proxies.ts';
import { startXdsProxy, type XdsForm, type XdsProxy } from '../support/xds-proxy.ts';

const CAPTURE = '01-plain-sidecar/client';
const TYPES = [CLUSTER, ENDPOINTS, LISTENER, ROUTES];
/** Of the bootstrap. */
const OWN_CLUSTERS = 2;
const TIMEOUT_MS = 60_000;
const LOG_PATH = '/dev/null';

const RESENDS = 5;
/** The garbage of the first configuration is collected some time after it. */
const REST_MS = 3_000;
const UPDATES = 200;
/** Of all endpoints at once. */
const WHOLE_UPDATES = 20;
/** Coprime to the number of services, so that each has its turn. */
const STRIDE = 37;

/** What changes with a change of clusters, listeners, routes or hosts, and with nothing else. */
const TOUCHED = new RegExp(
  [
    '(cluster|listener)_(added|modified|removed|updated_in_place|in_place_updated)$',
    '\\.(membership_change|config_reload|update_rejected)$',
    '_warming$|^cluster_manager\\.warming',
  ].join('|'),
);

export const xdsFirst: BenchCase = {
  name: 'xds-first',
  title: 'xDS: first configuration of a captured sidecar',
  run: measureCapture,
};

export const xdsMesh: BenchCase = {
  name: 'xds-mesh',
  title: 'xDS: 1,000 clusters and hosts, 2,000 endpoints',
  run: measureMesh,
};

export const xdsEndpoint: BenchCase = {
  name: 'xds-endpoint',
  title: 'xDS: one endpoint of 1,000 clusters',
  run: measureEndpoint,
};

type Peer = 'envoy' | 'heddle';

function peersOf(context: BenchContext, ...wanted: readonly Peer[]): BenchContext {
  return { ...context, peers: context.peers.filter((peer) => wanted.includes(peer as Peer)) };
}

function isTaken({ ads }: XdsProxy): boolean {
  return TYPES.every((type) => ads.isAcked(type));
}

/** Sends what `serve` puts there; returns the CPU time until the proxy has taken it on and rests. */
async function apply(proxy: XdsProxy, serve: () => void): Promise<number> {
  await proxy.settle();
  proxy.ads.isHolding = true;
  serve();
  const before = proxy.cpuMs();
  proxy.ads.release();
  await proxy.ads.until(() => isTaken(proxy), TIMEOUT_MS, 'the proxy does not take what it was sent');
  await proxy.settle();
  return proxy.cpuMs() - before;
}

async function checkActive(proxy: XdsProxy, clusters: number, listeners: number): Promise<void> {
  const stats = await proxy.stats('^(cluster|listener)_manager\\.');
  const found = ['cluster_manager.active_clusters', 'listener_manager.total_listeners_active'].map((n) => stats.get(n));
  const wanted = [clusters + OWN_CLUSTERS, listeners];
  if (found.join() !== wanted.join()) throw new Error(`${found.join()} clusters and listeners, not ${wanted.join()}`);
}

// ─── A captured sidecar ─────────────────────────────────────────────────────────────────────────────────────────────

/** Envoy's own build has none of Istio's filters, and refuses half of it. */
async function measureCapture(context: BenchContext): Promise<readonly Row[]> {
  const capture = openCapture(CAPTURE);
  const count = (type: string): number => capture.types.get(`type.googleapis.com/${type}`)?.length ?? 0;
  const again: number[] = [];
  let touched: string[] = [];
  const rounds = await alternate(peersOf(context, 'heddle'), async (peer, round) => {
    const proxy = await startXdsProxy(peer as Peer, context.proxyPlace, capture, 'GRPC');
    try {
      const first = await apply(proxy, () => serveCapture(proxy.ads, capture, LOG_PATH));
      await checkActive(proxy, count(CLUSTER), count(LISTENER));
      const before = await proxy.stats('');
      await sleep(REST_MS);
      let sum = 0;
      for (let i = 0; i < RESENDS; i++) sum += await apply(proxy, () => resend(proxy));
      const after = await proxy.stats('');
      touched = touched.concat([...after].filter(([n, v]) => TOUCHED.test(n) && before.get(n) !== v).map(([n]) => n));
      again.push(sum / RESENDS);
      context.say(
        `xds-first round ${round + 1} ${peer}: ${first.toFixed(1)} ms, the same again ${(sum / RESENDS).toFixed(1)} ms`,
      );
      return first;
    } finally {
      await proxy.stop();
    }
  });
  const [name, title] = ['xds-resend', 'xDS: the same again, unchanged'];
  const notCounted = touched.length === 0 ? null : `it touched ${touched.slice(0, 5).join(', ')}`;
  return [
    { ...xdsFirst, unit: 'ms CPU', bar: { most: 150 }, rounds, notCounted: null },
    { name, title, unit: 'ms CPU', bar: { most: 10 }, rounds: { heddle: again }, notCounted },
  ];
}

/** With new versions, as istiod sends them. */
function resend({ ads }: XdsProxy): void {
  for (const type of TYPES) {
    ads.set(type, Object.fromEntries(ads.snapshotOf('').get(type)?.resources ?? []));
  }
}

// ─── A thousand services ────────────────────────────────────────────────────────────────────────────────────────────

async function measureMesh(context: BenchContext): Promise<readonly Row[]> {
  const growth: Partial<Record<PeerName, number[]>> = {};
  const heap: Partial<Record<PeerName, number[]>> = {};
  const rounds = await alternate(peersOf(context, 'envoy', 'heddle'), async (peer, round) => {
    const proxy = await startXdsProxy(peer as Peer, context.proxyPlace, meshNode(), 'GRPC');
    try {
      await proxy.settle();
      const before = proxy.rssMb();
      const cpu = await apply(proxy, () => serveMesh(proxy.ads, LOG_PATH));
      const more = proxy.rssMb() - before;
      await checkActive(proxy, SERVICES, 1);
      const allocated = (await proxy.stats('^server\\.memory_allocated$')).get('server.memory_allocated') ?? Number.NaN;
      (growth[peer] ??= []).push(more);
      (heap[peer] ??= []).push(allocated / 2 ** 20);
      context.say(`xds-mesh round ${round + 1} ${peer}: ${cpu.toFixed(0)} ms, + ${more.toFixed(1)} MB`);
      return cpu;
    } finally {
      await proxy.stop();
    }
  });
  const { name, title } = xdsMesh;
  const common = { notCounted: null };
  return [
    { ...common, name, title, unit: 'ms CPU', bar: { most: 1500 }, rounds },
    {
      ...common,
      name: `${name}-memory`,
      title: 'xDS: 1,000 clusters and hosts, RSS',
      unit: 'MB more',
      bar: { ratio: 1 },
      rounds: growth,
      extra: { allocatedMb: heap },
    },
  ];
}

// ─── One endpoint ───────────────────────────────────────────────────────────────────────────────────────────────────

type EndpointRow = {
  readonly name: string;
  readonly title: string;
  readonly form: XdsForm;
  /** The server sends all endpoints with each change. */
  readonly isWhole: boolean;
  readonly bar: Row['bar'];
};

const { name: ENDPOINT, title: ENDPOINT_TITLE } = xdsEndpoint;
const ENDPOINT_ROWS: readonly EndpointRow[] = [
  { name: ENDPOINT, title: ENDPOINT_TITLE, form: 'GRPC', isWhole: false, bar: { most: 1 } },
  {
    ...{ name: `${ENDPOINT}-delta`, title: `${ENDPOINT_TITLE}, delta`, form: 'DELTA_GRPC' },
    ...{ isWhole: false, bar: { most: 1 } },
  },
  {
    ...{ name: `${ENDPOINT}-whole`, title: `${ENDPOINT_TITLE}, with all`, form: 'GRPC' },
    ...{ isWhole: true, bar: { ratio: 1 } },
  },
];

async function measureEndpoint(context: BenchContext): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const row of ENDPOINT_ROWS) {
    const { name, title, bar } = row;
    const rounds = await alternate(peersOf(context, 'envoy', 'heddle'), async (peer, round) => {
      const proxy = await startXdsProxy(peer as Peer, context.proxyPlace, meshNode(), row.form);
      try {
        await apply(proxy, () => serveMesh(proxy.ads, LOG_PATH));
        await checkActive(proxy, SERVICES, 1);
        const figure = await changeEndpoints(proxy, row.isWhole);
        context.say(`${name} round ${round + 1} ${peer}: ${figure.toFixed(2)} ms`);
        return figure;
      } finally {
        await proxy.stop();
      }
    });
    rows.push({ name, title, unit: 'ms CPU', bar, rounds, notCounted: null });
  }
  return rows;
}

/** CPU time of one change; each is another service's, and the next comes when the proxy has taken the one before. */
async function changeEndpoints(proxy: XdsProxy, isWhole: boolean): Promise<number> {
  const { ads } = proxy;
  const count = isWhole ? WHOLE_UPDATES : UPDATES;
  ads.sendsOnlyChanged = !isWhole;
  const change = async (service: number, last: number): Promise<void> => {
    ads.put(ENDPOINTS, clusterName(service), endpointsOf(service, last));
    await ads.until(() => ads.isAcked(ENDPOINTS), TIMEOUT_MS);
  };
  // So that what any first change loads is not counted as theirs.
  for (let i = 0; i < 3; i++) await change(0, 3 + i);
  await proxy.settle();
  const before = proxy.cpuMs();
  for (let i = 1; i <= count; i++) await change((i * STRIDE) % SERVICES, 3 + (i % 250));
  await proxy.settle();
  return (proxy.cpuMs() - before) / count;
}
