// Every capture over real gRPC, one after another to one proxy, in both forms of xDS: all that is not on the list of
// what is refused is taken and active, and what is refused is refused alone, by name.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureDecoder } from '../captures/decode.ts';
import { type Capture, openCaptures } from '../captures/captures.ts';
import { agentBootstrap, makeIdentities, serveCapture, serveIdentity } from '../captures/serve.ts';
import { AdsServer } from '../support/ads-server.ts';
import { type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { hasSysAdmin, Lab } from './lab.ts';

const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const LISTENER = 'envoy.config.listener.v3.Listener';
const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';
/** Of the bootstrap. */
const OWN_CLUSTERS = 2;
const LONGEST_MS = 15_000;

const lab = Lab.make();
const folder = mkdtempSync(join(tmpdir(), 'heddle-captures-'));
after(() => rmSync(folder, { recursive: true }));

if (typeof lab === 'string') {
  test('namespaces are refused for want of CAP_SYS_ADMIN, so captured ports may be taken', () => {
    assert.equal(lab, 'unshare: error 1');
    assert.equal(hasSysAdmin(), false);
  });
} else {
  after(() => lab.close());
  for (const form of ['GRPC', 'DELTA_GRPC'] as const) {
    test(`captures to one proxy, one after another (${form})`, { timeout: 300_000 }, () => serveAll(form));
  }
}

/** Those for proxies of this kind. */
function proxyCaptures(): Capture[] {
  return openCaptures().captures.filter(({ types }) => types.has(`type.googleapis.com/${LISTENER}`));
}

async function serveAll(form: 'GRPC' | 'DELTA_GRPC'): Promise<void> {
  const captures = proxyCaptures();
  const decoder = new CaptureDecoder();
  const ads = new AdsServer();
  const identities = makeIdentities();
  const [first] = captures;
  assert.ok(first);
  // Nothing, but said: a proxy is ready once it was told what there is.
  for (const type of [CLUSTER, LISTENER]) ads.set(type, {});
  const proxy = await startProxy('heddle', agentBootstrap(ads.port, first, form), folder, [
    '--drain-time-s',
    '1',
  ]).catch((error) => {
    ads.stop();
    throw error;
  });
  try {
    for (const capture of captures) {
      serveIdentity(ads, identities, identities.of('ns/bookinfo/sa/default'));
      await serveOne(ads, proxy, decoder, capture);
      await clear(ads, proxy, capture);
    }
  } finally {
    await proxy.stop();
    ads.stop();
  }
}

async function serveOne(ads: AdsServer, proxy: ProxyProcess, decoder: CaptureDecoder, capture: Capture): Promise<void> {
  decoder.setClusters(capture.types);
  const refused = (type: string): string[] =>
    (capture.types.get(`type.googleapis.com/${type}`) ?? [])
      .filter((resource) => decoder.refusals(resource).length > 0)
      .map(({ name }) => name)
      .sort();
  const taken = (type: string): number =>
    (capture.types.get(`type.googleapis.com/${type}`)?.length ?? 0) - refused(type).length;
  const before = ads.requests.length;
  serveCapture(ads, capture);
  await settled(ads, proxy, { clusters: taken(CLUSTER) + OWN_CLUSTERS, listeners: taken(LISTENER) }, capture.name);
  for (const type of [CLUSTER, LISTENER]) {
    const errors = ads.requests.slice(before).filter((request) => request.type === type && request.error !== null);
    const text = errors.map(({ error }) => error).join('\n');
    const names = (capture.types.get(`type.googleapis.com/${type}`) ?? []).map(({ name }) => name);
    const named = names.filter((name) => text.split('\n').some((line) => line.includes(`${name}: `)));
    // A long text is cut: what the counts say of the others is enough.
    const strange = named.filter((name) => !refused(type).includes(name));
    assert.deepEqual(strange, [], `${capture.name}: of ${type} these are refused, too\n${text}`);
    assert.equal(
      named.length > 0,
      refused(type).length > 0,
      `${capture.name}: whether the answer names what is refused`,
    );
  }
}

/** Nothing is left of a capture before the next one comes. */
async function clear(ads: AdsServer, proxy: ProxyProcess, capture: Capture): Promise<void> {
  for (const typeUrl of capture.types.keys()) {
    const type = typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
    if (type !== SECRET) ads.set(type, {});
  }
  await settled(ads, proxy, { clusters: OWN_CLUSTERS, listeners: 0 }, `after ${capture.name}`);
}

type Counts = { readonly clusters: number; readonly listeners: number };

/** Every state that was sent has been answered, whatever with. */
function isAnswered(ads: AdsServer): boolean {
  return [...ads.streams].every((stream) =>
    [...stream.types.values()].every(({ sentNonce, answeredNonce }) => sentNonce === answeredNonce),
  );
}

async function settled(ads: AdsServer, proxy: ProxyProcess, wanted: Counts, what: string): Promise<void> {
  const deadline = Date.now() + LONGEST_MS;
  let found = await countsOf(proxy);
  while (!isAnswered(ads) || found.clusters !== wanted.clusters || found.listeners !== wanted.listeners) {
    if (Date.now() > deadline) assert.deepEqual(found, wanted, what);
    await sleep(20);
    found = await countsOf(proxy);
  }
}

/** Active or warming: some wait for secrets that the capture does not hold. */
async function countsOf(proxy: ProxyProcess): Promise<Counts> {
  const { body } = await proxy.admin('/stats?filter=_(active|warming)$|(active|warming)_clusters$');
  const value = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(body)?.[1] ?? 0);
  return {
    clusters: value('cluster_manager.active_clusters') + value('cluster_manager.warming_clusters'),
    listeners: value('listener_manager.total_listeners_active') + value('listener_manager.total_listeners_warming'),
  };
}
