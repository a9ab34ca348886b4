// `heddle control` drives the real Envoy under `heddle agent` and Heddle's proxy alike: the same objects, the same
// answers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeCa, makeCertificate } from '../support/certificates.ts';
import { arePeersRequired, findEnvoy } from '../support/find-envoy.ts';
import { DrivenMesh, HALVES, type Half, within } from './driven-mesh.ts';
import type { DrivenCall, Scenario } from './driven-scenario.ts';
import { scenarios } from './driven-scenarios.ts';
import { hasSysAdmin, Lab } from './lab.ts';
import { type Answer, type Call, MeshClient } from './mesh-client.ts';

const REPEAT = 4;
const AT_ONCE = 12;
/** Workers have what their main thread has acknowledged a little later. */
const SETTLE_MS = 250;
const LEAST_CALLS = 40;
const ONLY = new RegExp(process.env['HEDDLE_DRIVEN_ONLY'] ?? '');
const lab = Lab.make();
const envoy = findEnvoy();

if (typeof lab === 'string') {
  test('namespaces are refused for want of CAP_SYS_ADMIN, so there can be no pods', () => {
    assert.equal(lab, 'unshare: error 1');
    assert.equal(hasSysAdmin(), false);
  });
} else if (envoy.path !== null || arePeersRequired()) {
  let mesh: DrivenMesh;
  after(async () => {
    await mesh?.stop();
    lab.close();
  });
  before(async () => {
    mesh = await DrivenMesh.start(lab);
  });
  for (const [name, scenario] of Object.entries(scenarios(credential()))) {
    if (!ONLY.test(name)) continue;
    test(name, { timeout: 60_000 }, async (context) => {
      const made = await compare(mesh, name, scenario);
      context.diagnostic(`${made.envoy} requests of Envoy's clients, ${made.heddle} of Heddle's`);
    });
  }
  test('nothing was refused by any proxy', { timeout: 20_000 }, async () => {
    assert.equal(await mesh.metric('pilot_total_xds_rejects'), 0, mesh.control?.output);
    for (const [name, pod] of mesh.pods) {
      const stats = await pod.stats('update_rejected$');
      assert.deepEqual(
        [...stats].filter(([, value]) => value > 0),
        [],
        `${name}\n${pod.log}`,
      );
    }
  });
}

/** A Secret with a certificate for every host of a half. */
function credential(): string {
  const names = HALVES.map(({ namespace }) => ({ dns: `shop.${namespace}.example` }));
  const { chainPem, keyPem } = makeCertificate({ issuer: makeCa('shop'), sans: names });
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return `apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: {name: shop-cert, namespace: $NS}
data: {tls.crt: ${base64(chainPem)}, tls.key: ${base64(keyPem)}}`;
}

/** Requests by the kind of the proxy that they come to first. */
type Made = { envoy: number; heddle: number };

async function compare(mesh: DrivenMesh, name: string, { objects, calls }: Scenario): Promise<Made> {
  await mesh.apply('scenario.yaml', HALVES.map((half) => within(objects, half)).join('\n---\n'));
  await sleep(SETTLE_MS);
  await renewConnections(mesh);
  const told = new Map<string, Told>();
  const work: (() => Promise<void>)[] = [];
  const made: Made = { envoy: 0, heddle: 0 };
  for (const [title, call] of Object.entries(calls)) {
    for (const target of HALVES) {
      for (const source of call.from === 'outside' ? [target] : HALVES) {
        const told_: Told = { answers: [], pods: new Map(), hits: [] };
        told.set(variant(title, source, target), told_);
        const repeat = call.repeat ?? REPEAT;
        made[source.kind] += repeat;
        for (let i = 0; i < repeat; i++) {
          const key = `${name}/${title}/${source.namespace}/${target.namespace}/${i}`;
          work.push(() => makeCall(mesh, call, { source, target, key, told: told_ }));
        }
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, () => drain(work)));
  assert.ok(Math.min(made.envoy, made.heddle) >= LEAST_CALLS, `only ${JSON.stringify(made)} calls`);
  // A mirrored request may come after the answer of the other one.
  if (Object.values(calls).some(({ countsHits }) => countsHits === true)) await sleep(100);
  const differences: string[] = [];
  for (const [title, call] of Object.entries(calls)) differences.push(...judge(mesh, name, title, call, told));
  assert.deepEqual(differences, [], `${name}: ${differences.length} differences`);
  return made;
}

/**
 * An Envoy whose listener was replaced answers one more request by the old rules on each connection that it had; so the
 * connections between the proxies are all used once.
 */
async function renewConnections(mesh: DrivenMesh): Promise<void> {
  for (let round = 0; round < 2; round++) {
    const calls = HALVES.flatMap((source) => HALVES.map((target) => [source, target] as const)).map(
      ([source, target]) => {
        const client = new MeshClient(mesh.pod(source.namespace, 'client').place);
        const call = { to: '10.96.$N.1:80', path: '/?delay=50', headers: { host: 'web.$NS' } };
        const made = JSON.parse(within(JSON.stringify(call), target)) as Call;
        return Array.from({ length: 2 * AT_ONCE }, () => client.call(made));
      },
    );
    await Promise.all(calls.flat());
  }
}

async function drain(work: (() => Promise<void>)[]): Promise<void> {
  for (let next = work.pop(); next !== undefined; next = work.pop()) await next();
}

type Told = { readonly answers: string[]; readonly pods: Map<string, number>; readonly hits: string[] };

function variant(title: string, source: Half, target: Half): string {
  return `${title}: ${source.kind} → ${target.kind}`;
}

type Making = { readonly source: Half; readonly target: Half; readonly key: string; readonly told: Told };

async function makeCall(mesh: DrivenMesh, call: DrivenCall, { source, target, key, told }: Making): Promise<void> {
  const { from = 'client', headers = {}, ...rest } = call;
  const own = { ...rest, headers: call.bytes === undefined ? { ...headers, 'x-key': key } : headers };
  const made = JSON.parse(within(JSON.stringify(own), target)) as Call;
  const place = from === 'outside' ? mesh.lab.home : mesh.pod(source.namespace, 'client').place;
  const answer = await new MeshClient(place).call(made);
  const pod = /"pod":"([^"]+)"/.exec(answer.body)?.[1] ?? '';
  told.pods.set(pod, (told.pods.get(pod) ?? 0) + 1);
  told.answers.push(normalise(answer, call.isExact === true));
  if (call.countsHits === true) told.hits.push(key);
}

function judge(
  mesh: DrivenMesh,
  scenario: string,
  title: string,
  call: DrivenCall,
  told: ReadonlyMap<string, Told>,
): string[] {
  const out: string[] = [];
  const [e, h] = HALVES as readonly [Half, Half];
  const show = (source: Half, target: Half): string => {
    const { answers, hits, pods } = told.get(variant(title, source, target)) as Told;
    const total = answers.length;
    for (const answer of answers) {
      const status = Number(/^\{"status":(\d+)/.exec(answer)?.[1]);
      if (call.is !== undefined && status !== call.is) {
        out.push(`${variant(title, source, target)}: ${status} instead of ${call.is}: ${answer}`);
        break;
      }
    }
    for (const [pod, [least, most]] of Object.entries(call.share ?? {})) {
      const share = (pods.get(pod) ?? 0) / total;
      if (share < least || share > most) out.push(`${variant(title, source, target)}: ${pod} has ${share}`);
    }
    const seen = hits.map((key) => {
      const by = [...(mesh.hits.get(key) ?? [])].map(
        ([pod, count]) => `${call.isExact ? pod : pod.replace(/\d$/, '?')}:${count}`,
      );
      return by.sort().join();
    });
    return (
      [...new Set(answers)].sort().join('\n') +
      (seen.length > 0 ? `\nhits ${[...new Set(seen)].sort().join(' | ')}` : '')
    );
  };
  const pairs: readonly (readonly [string, string])[] =
    call.from === 'outside'
      ? [[show(e, e), show(h, h)]]
      : [
          [show(e, e), show(h, h)],
          [show(e, h), show(h, e)],
        ];
  for (const [one, other] of pairs) {
    if (one !== other) out.push(`${scenario}, ${title}:\n  Envoy:  ${one}\n  Heddle: ${other}`);
  }
  return out;
}

// ─── What is the same although it differs ─────────────────────────────────────────────────────────────────────────

const UUID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g;
/** Only the half of Heddle has Istio's own filters, which say who calls to servers without a proxy. */
const OF_ISTIO = /^x-envoy-peer-metadata/;
/** Bytes cross on the way, so that one learns of the end in this way or another. */
const TURNED_AWAY = /^(end|close|closed|ECONNRESET|EPIPE|socket hang up)$/;

function normalise({ status, headers, body, instead, trailers, alpn }: Answer, isExact: boolean): string {
  const { date, ...kept } = headers;
  const shown: Record<string, unknown> = { ...kept, ...(date === undefined ? {} : { date: 'DATE' }) };
  for (const name of ['x-envoy-upstream-service-time', 'content-length']) if (name in shown) shown[name] = 'N';
  const end = instead === undefined ? {} : { instead: TURNED_AWAY.test(instead) ? 'closed' : instead };
  let seen: unknown = body;
  if (body.startsWith('{')) {
    const { headers: told, ...more } = JSON.parse(body) as { headers: Record<string, unknown> };
    const own = Object.entries(told).filter(([name]) => !OF_ISTIO.test(name) && name !== 'x-key');
    seen = { ...more, headers: Object.fromEntries(own.sort(([a], [b]) => (a < b ? -1 : 1))) };
  }
  const sorted = Object.fromEntries(Object.entries(shown).sort(([a], [b]) => (a < b ? -1 : 1)));
  const text = JSON.stringify({ status, ...end, alpn, headers: sorted, body: seen, trailers })
    .replace(UUID, 'UUID')
    .replaceAll(/mesh-[eh]\b/g, 'mesh-x')
    .replaceAll(/\b10\.(60|96|97)\.[12]\.(\d+)/g, '10.$1.x.$2')
    .replaceAll(/Hash=[0-9a-f]{64}/g, 'Hash=HASH');
  return isExact ? text : text.replaceAll(/web-v\d/g, 'web-v?');
}
