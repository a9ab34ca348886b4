// A recorded stream of a real istiod, replayed byte for byte: of what it sends again and again, only what changed is
// touched. Seven changes of a mesh, in both forms of xDS.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromJson } from '../../src/proto/json-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { typeUrlName } from '../../src/proto/type-url.ts';
import { openCapture, openCaptures } from '../captures/captures.ts';
import { agentBootstrap, makeIdentities, serveIdentity } from '../captures/serve.ts';
import { AdsServer } from '../support/ads-server.ts';
import type { AdsStream } from '../support/ads-stream.ts';
import { type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { hasSysAdmin, Lab } from './lab.ts';

type Form = 'sotw' | 'delta';
type Json = Readonly<Record<string, unknown>>;
type Response = Json & {
  readonly type_url: string;
  readonly nonce: string;
  readonly resources?: readonly Json[];
  readonly removed_resources?: readonly string[];
};

type Kind = 'clusters' | 'endpoints' | 'listeners' | 'routes';

/** In the order in which a proxy asks. */
const KINDS: ReadonlyMap<string, Kind> = new Map([
  ['envoy.config.cluster.v3.Cluster', 'clusters'],
  ['envoy.config.endpoint.v3.ClusterLoadAssignment', 'endpoints'],
  ['envoy.config.listener.v3.Listener', 'listeners'],
  ['envoy.config.route.v3.RouteConfiguration', 'routes'],
]);

/** What one response must touch. */
type Touched = {
  readonly kind: Kind;
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  /** Clusters of a new version, which have their hosts with the next endpoints, whatever those are. */
  readonly renewed: ReadonlySet<string>;
};

const RESPONSES = {
  sotw: 'envoy.service.discovery.v3.DiscoveryResponse',
  delta: 'envoy.service.discovery.v3.DeltaDiscoveryResponse',
} as const;
const ADS_PATH = /AggregatedDiscoveryService/;
const LONGEST_MS = 10_000;

const lab = Lab.make();
const folder = mkdtempSync(join(tmpdir(), 'heddle-trace-'));
after(() => rmSync(folder, { recursive: true }));

if (typeof lab === 'string') {
  test('namespaces are refused for want of CAP_SYS_ADMIN, so captured ports may be taken', () => {
    assert.equal(lab, 'unshare: error 1');
    assert.equal(hasSysAdmin(), false);
  });
} else {
  after(() => lab.close());
  test('a recorded stream, state of the world', () => replay('sotw'));
  test('a recorded stream, delta', () => replay('delta'));
}

async function replay(form: Form): Promise<void> {
  const ads = new AdsServer();
  const identities = makeIdentities();
  serveIdentity(ads, identities, identities.of('ns/bookinfo/sa/bookinfo-productpage'));
  const bootstrap = agentBootstrap(
    ads.port,
    openCapture('01-plain-sidecar/client'),
    form === 'sotw' ? 'GRPC' : 'DELTA_GRPC',
  );
  const starting = startProxy('heddle', bootstrap, folder, ['--drain-time-s', '1']);
  try {
    const known = new Map<string, string>();
    const responses = openCaptures().traces[form].flatMap(({ dir, message }) => {
      const kind = dir === 'resp' ? KINDS.get(typeUrlName((message as Response).type_url)) : undefined;
      return kind === undefined ? [] : [{ kind, response: message as Response }];
    });
    // Who recorded it asked for everything at once; a proxy asks for listeners once its clusters have hosts.
    for (const kind of KINDS.values()) {
      const first = responses.findIndex((candidate) => candidate.kind === kind);
      const [{ response } = assert.fail(`no ${kind}`)] = responses.splice(first, 1);
      touchedBy(form, kind, response, known);
      await send(ads, form, response);
    }
    const proxy = await starting;
    let renewed: ReadonlySet<string> = new Set();
    for (const { kind, response } of responses) {
      const touched = { ...touchedBy(form, kind, response, known), renewed };
      if (kind === 'clusters') renewed = new Set([...renewed, ...touched.changed]);
      const before = await statsOf(proxy);
      await send(ads, form, response);
      await checkTouched(proxy, before, touched, `${form} ${response.nonce} ${kind}`);
    }
    assert.deepEqual(ads.nacks, []);
  } finally {
    ads.closeStreams();
    await starting.then(
      (proxy) => proxy.stop(),
      () => undefined,
    );
    ads.stop();
  }
}

/** What differs from what was sent before, by name. */
function touchedBy(form: Form, kind: Kind, response: Response, known: Map<string, string>): Touched {
  const changed: string[] = [];
  for (const resource of response.resources ?? []) {
    const json = (form === 'delta' ? resource['resource'] : resource) as Json;
    const name = String(json['name'] ?? json['cluster_name']);
    const text = JSON.stringify(json);
    if (known.get(`${kind} ${name}`) !== text) changed.push(name);
    known.set(`${kind} ${name}`, text);
  }
  const removed = [...(response.removed_resources ?? []), ...missing(form, kind, response, known)];
  for (const name of removed) known.delete(`${kind} ${name}`);
  return { kind, changed: changed.sort(), removed: removed.sort(), renewed: new Set() };
}

/** State of the world says what is gone by silence. */
function missing(form: Form, kind: Kind, { resources = [] }: Response, known: ReadonlyMap<string, string>): string[] {
  if (form === 'delta' || (kind !== 'clusters' && kind !== 'listeners')) return [];
  const names = new Set(resources.map((json) => String(json['name'])));
  return [...known.keys()]
    .filter((key) => key.startsWith(`${kind} `))
    .map((key) => key.slice(kind.length + 1))
    .filter((name) => !names.has(name));
}

/** Sends a response as it was recorded, once the type is wanted, and waits for what the proxy says of it. */
async function send(ads: AdsServer, form: Form, response: Response): Promise<void> {
  const type = typeUrlName(response.type_url);
  const wants = (): AdsStream | undefined =>
    [...ads.streams].find((stream) => ADS_PATH.test(stream.path) && stream.wants(type));
  await ads.until(() => wants() !== undefined, LONGEST_MS, `nobody asks for ${type}`);
  const report = new Report();
  const message = fromJson(registry.message(RESPONSES[form]), response, report);
  assert.deepEqual(report.problems, []);
  wants()?.sendMessage(message as never);
  const answered = (): boolean => ads.requests.some(({ nonce }) => nonce === response.nonce);
  await ads.until(answered, LONGEST_MS, `${response.nonce} is not answered`);
}

// ─── What was touched, as statistics tell ─────────────────────────────────────────────────────────────────────────

type Stats = ReadonlyMap<string, number>;

async function statsOf(proxy: ProxyProcess): Promise<Stats> {
  const { body } = await proxy.admin('/stats');
  return new Map([...body.matchAll(/^(.+): (\d+)$/gm)].map(([, name, value]) => [String(name), Number(value)]));
}

async function checkTouched(proxy: ProxyProcess, before: Stats, touched: Touched, what: string): Promise<void> {
  const wanted = {
    clusters: touched.kind === 'clusters' ? touched.changed.length : 0,
    clustersRemoved: touched.kind === 'clusters' ? touched.removed.length : 0,
    listeners: touched.kind === 'listeners' ? touched.changed.length : 0,
    listenersRemoved: touched.kind === 'listeners' ? touched.removed.length : 0,
    routes: touched.kind === 'routes' ? touched.changed.map((name) => name.replaceAll(':', '_')) : [],
    ...(touched.kind === 'endpoints' ? { strangers: [] } : {}),
  };
  const deadline = Date.now() + LONGEST_MS;
  for (;;) {
    const found = differences(before, await statsOf(proxy), touched);
    try {
      assert.deepEqual(found, wanted, what);
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(20);
    }
  }
}

/** Clusters whose hosts changed, although their endpoints did not. */
function strangers(before: Stats, now: Stats, changed: readonly string[]): string[] {
  return [...now]
    .filter(([name, value]) => name.endsWith('.membership_change') && value > (before.get(name) ?? 0))
    .map(([name]) => name.slice('cluster.'.length, -';.membership_change'.length))
    .filter((name) => !changed.includes(name));
}

function differences(before: Stats, now: Stats, { kind, changed, renewed }: Touched): object {
  const more = (name: string): number => (now.get(name) ?? 0) - (before.get(name) ?? 0);
  const routes = new Set<string>();
  for (const name of now.keys()) {
    const route = /\.rds\.(.+)\.config_reload$/.exec(name)?.[1];
    if (route !== undefined && more(name) > 0) routes.add(route);
  }
  return {
    clusters: more('cluster_manager.cluster_added') + more('cluster_manager.cluster_modified'),
    clustersRemoved: more('cluster_manager.cluster_removed'),
    listeners: more('listener_manager.listener_added') + more('listener_manager.listener_modified'),
    listenersRemoved: more('listener_manager.listener_removed'),
    routes: [...routes].sort(),
    ...(kind === 'endpoints' ? { strangers: strangers(before, now, [...changed, ...renewed]) } : {}),
  };
}
