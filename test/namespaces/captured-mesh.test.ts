// What a real istiod sent to stock Envoys drives the real Envoy and Heddle alike: every call through both has the same
// answer, the same request arrives, and the same line is logged.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type Capture, openCapture } from '../captures/captures.ts';
import { agentBootstrap, makeIdentities, serveCapture, serveIdentity } from '../captures/serve.ts';
import { AdsServer } from '../support/ads-server.ts';
import { arePeersRequired, findEnvoy } from '../support/find-envoy.ts';
import { type ProxyKind, type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { hasSysAdmin, Lab } from './lab.ts';
import { type Calls, clientCalls, gatewayCalls, NOBODY, serverCalls } from './mesh-calls.ts';
import { type Answer, MeshClient } from './mesh-client.ts';
import { accountsOf, MeshServers, workloadsOf } from './mesh-servers.ts';

const SCENARIO = '40-stock-envoy-flags';
const GATEWAY_PORT = 8080;
const lab = Lab.make();
const folder = mkdtempSync(join(tmpdir(), 'heddle-mesh-'));
after(() => rmSync(folder, { recursive: true }));

const identities = makeIdentities();

type Role = {
  readonly name: string;
  readonly account: string;
  /** What is for this address comes in by 15006, everything else goes out by 15001. */
  readonly address: string;
  readonly isGateway: boolean;
  readonly calls: Calls;
};

const ROLES: readonly Role[] = [
  {
    ...{ name: 'client', account: 'ns/bookinfo/sa/bookinfo-productpage', address: '10.0.1.1', isGateway: false },
    calls: clientCalls(identities),
  },
  {
    ...{ name: 'server', account: 'ns/bookinfo/sa/bookinfo-reviews', address: '10.0.1.11', isGateway: false },
    calls: serverCalls(identities),
  },
  {
    ...{ name: 'gateway', account: 'ns/istio-system/sa/default', address: '10.0.3.1', isGateway: true },
    calls: gatewayCalls(),
  },
];

if (typeof lab === 'string') {
  test('namespaces are refused for want of CAP_SYS_ADMIN, so a mesh cannot be redirected', () => {
    assert.equal(lab, 'unshare: error 1');
    assert.equal(hasSysAdmin(), false);
  });
} else {
  after(() => lab.close());
  const envoy = findEnvoy();
  if (envoy.path !== null || arePeersRequired()) {
    for (const role of ROLES) {
      test(`${role.name}: both proxies do the same`, () => compare(lab, role));
    }
  }
}

async function compare(lab: Lab, role: Role): Promise<void> {
  const capture = openCapture(`${SCENARIO}/${role.name}`);
  const servers = await startMesh(lab, capture, role);
  try {
    const envoy = await run(lab, capture, role, 'envoy', 'GRPC');
    for (const form of ['GRPC', 'DELTA_GRPC'] as const) {
      const heddle = await run(lab, capture, role, 'heddle', form);
      const differing = Object.keys(role.calls).filter(
        (name) => !isDeepStrictEqual(heddle.answers[name], envoy.answers[name]),
      );
      const pick = ({ answers }: Story): unknown => Object.fromEntries(differing.map((name) => [name, answers[name]]));
      assert.deepEqual(pick(heddle), pick(envoy), `${role.name} (${form}): Heddle’s answers, and Envoy’s`);
      assert.deepEqual(heddle.log, envoy.log, `${role.name} (${form}): access log`);
      assert.deepEqual(heddle.counts, envoy.counts, `${role.name} (${form}): what is active`);
    }
  } finally {
    servers.stop();
  }
}

async function startMesh(lab: Lab, capture: Capture, { address, isGateway }: Role): Promise<MeshServers> {
  const servers = new MeshServers(identities.of(...accountsOf(capture)));
  const workloads = workloadsOf(capture);
  const addresses = [...new Set([...workloads.map((workload) => workload.address), address, NOBODY])];
  lab.home.ip(addresses.map((ip) => `address replace ${ip}/32 dev lo`).join('\n'));
  lab.far.ip(
    ['10.96.0.0/16', '10.0.0.0/16', '10.200.0.0/16'].map((net) => `route replace ${net} via 10.99.0.1`).join('\n'),
  );
  lab.home.nft(rules(address, isGateway));
  for (const workload of workloads) {
    // The gateway listens on this port of every address.
    const ports = workload.ports.filter((port) => !isGateway || port !== GATEWAY_PORT);
    await servers.listen({ ...workload, ports });
  }
  return servers;
}

function rules(address: string, isGateway: boolean): string {
  const redirects = isGateway
    ? ''
    : `iifname "cable" ip daddr ${address} tcp dport 1-65535 redirect to :15006
       iifname "cable" tcp dport 1-65535 redirect to :15001`;
  return `table inet captured
    delete table inet captured
    table inet captured {
      chain in {
        type nat hook prerouting priority -100
        ${redirects}
      }
    }`;
}

type Story = {
  readonly answers: Readonly<Record<string, unknown>>;
  readonly log: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
};

async function run(
  lab: Lab,
  capture: Capture,
  role: Role,
  kind: ProxyKind,
  form: 'GRPC' | 'DELTA_GRPC',
): Promise<Story> {
  const ads = new AdsServer();
  const logPath = join(folder, `${role.name}-${kind}-${form}.log`);
  writeFileSync(logPath, '');
  serveCapture(ads, capture, logPath);
  serveIdentity(ads, identities, identities.of(role.account));
  const proxy = await startProxy(kind, agentBootstrap(ads.port, capture, form), folder);
  try {
    const client = new MeshClient(lab.far);
    const answers: Record<string, unknown> = {};
    for (const [name, call] of Object.entries(role.calls)) {
      try {
        answers[name] = normalise(await client.call(call));
      } catch (error) {
        answers[name] = String(error);
      }
    }
    assert.deepEqual(ads.nacks, [], `${kind} refuses something`);
    const counts = await activeOf(proxy);
    return { answers, log: await logOf(logPath), counts };
  } finally {
    await proxy.stop();
    ads.stop();
  }
}

const COUNTS = [
  'listener_manager.total_listeners_active',
  'listener_manager.total_listeners_warming',
  'cluster_manager.active_clusters',
  'cluster_manager.warming_clusters',
  'cluster_manager.cds.update_rejected',
  'listener_manager.lds.update_rejected',
];

async function activeOf(proxy: ProxyProcess): Promise<Record<string, number>> {
  const { body } = await proxy.admin('/stats');
  return Object.fromEntries(
    COUNTS.map((name) => [name, Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(body)?.[1] ?? -1)]),
  );
}

// ─── What is the same although it differs ─────────────────────────────────────────────────────────────────────────

/** Chance chooses among these. */
const ALIKE: readonly (readonly [RegExp, string])[] = [
  [/10\.0\.1\.(?:21|22)\b/g, '10.0.1.(21|22)'],
  [/10\.0\.1\.(?:11|13)\b/g, '10.0.1.(11|13)'],
  [/date: [A-Z][a-z]{2}, [^"\\]*?GMT/g, 'date: DATE'],
  [/10\.0\.1\.(?:33|34)\b/g, '10.0.1.(33|34)'],
  [/(9080(?:\||_\.))v[13]((?:\||_\.)\.?reviews)/g, '$1v(1|3)$2'],
];
const UUID = /\b(?!0000)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g;

function alike(text: string): string {
  let out = text.replace(UUID, 'UUID');
  for (const [pattern, to] of ALIKE) out = out.replace(pattern, to);
  return out;
}

/** Whoever is turned away learns of it in one way or another, as bytes cross on the way. */
const TURNED_AWAY = /^(end|close|ECONNRESET|EPIPE|UNKNOWN_CA|ALERT_CERTIFICATE_\w+|socket hang up)$/;

function normalise({ headers, body, instead, ...rest }: Answer): unknown {
  const { date, ...kept } = headers;
  const shown: Record<string, unknown> = { ...kept, ...(date === undefined ? {} : { date: 'DATE' }) };
  for (const name of ['x-envoy-upstream-service-time', 'content-length']) if (name in shown) shown[name] = 'N';
  const end = instead === undefined ? {} : { instead: TURNED_AWAY.test(instead) ? 'closed' : instead };
  let seen: unknown = body;
  try {
    seen = JSON.parse(body);
  } catch {
    // Not what a workload says.
  }
  return JSON.parse(alike(JSON.stringify({ ...rest, ...end, headers: shown, body: seen })));
}

/** Lines that are there once nothing comes any more, without times and the ports that the kernel chose. */
async function logOf(path: string): Promise<string[]> {
  let text = '';
  for (let tries = 0; tries < 100; tries++) {
    const before = text;
    await sleep(100);
    text = readFileSync(path, 'utf8');
    if (text === before && tries > 3) break;
  }
  return text.split('\n').slice(0, -1).map(normaliseLine).sort();
}

function normaliseLine(line: string): string {
  return (
    alike(line)
      .replace(/^\[[^\]]*\]/, '[TIME]')
      .replace(/(" \d+ \d+) \d+ (\d+|-) "/, '$1 MS $2 "')
      .replace(/ MS \d+ "/, ' MS N "')
      // Chosen by the kernel.
      .replace(/(10\.99\.0\.2|127\.0\.0\.6):\d+/g, '$1:PORT')
      .replace(/(\d+\.\d+\.\d+\.[\d()|]+):(?:3[2-9]\d{3}|[4-6]\d{4})\b/g, '$1:PORT')
      // TLS that passes through has tickets of any length.
      .replace(/("- - -" 0 - - - "-") 1[5-9]\d\d \d+ /, '$1 TLS ')
      // Envoy hears the first bytes before it judges, and has dialled by then.
      .replace(
        /(rbac_access_denied_matched_policy\[none\] "-") 5 0 MS (.*) "10[\d.:()|]+" InboundPassthroughCluster \S+ /,
        '$1 0 0 MS $2 "-" - - ',
      )
  );
}
