// What a real istiod sent to sidecars, behind the rules of `heddle intercept apply` with Istio's own options: a pod,
// and the rest of the mesh at the other end of its cable.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { Resolver } from 'node:dns/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Capture, openCapture } from '../captures/captures.ts';
import { agentBootstrap, makeIdentities, serveCapture, serveIdentity } from '../captures/serve.ts';
import { AdsServer } from '../support/ads-server.ts';
import { queryOf, readReply } from '../support/dns-messages.ts';
import { type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { hasSysAdmin, Lab } from './lab.ts';
import { type Calls, ELSEWHERE, NOBODY, ODD_PORT } from './mesh-calls.ts';
import { type Answer, MeshClient } from './mesh-client.ts';
import { accountsOf, MeshServers, type Seen, workloadsOf } from './mesh-servers.ts';

const HEDDLE = join(import.meta.dirname, '../../bin/heddle');
/** What the injector passes to istio-iptables. */
const INJECTED = '-p 15001 -z 15006 -u 1337 -i * -b * -d 15090,15021,15020 --log_output_level=default:info'.split(' ');
/** Where a pod asks for names; nobody is there. */
const CLUSTER_DNS = '10.96.0.10';
/** Of the pod's ports the one that the injector leaves alone. */
const LEFT_ALONE = 15020;
/** Clients from elsewhere. */
const CLIENT = '10.99.0.2';
const LOCAL = '127.0.0.6';

const identities = makeIdentities();
const reviews = identities.of('ns/bookinfo/sa/bookinfo-reviews');
const folder = mkdtempSync(join(tmpdir(), 'heddle-intercepted-'));
// The proxy is somebody else.
chmodSync(folder, 0o777);
after(() => rmSync(folder, { recursive: true }));

const problem = labProblem();
if (problem !== null) {
  test('namespaces are refused for want of CAP_SYS_ADMIN, so nothing can be captured', () => {
    assert.equal(problem, 'unshare: error 1');
    assert.equal(hasSysAdmin(), false);
  });
} else {
  test('01: a sidecar with DNS, out and in by original destination', () => plain());
  test('17: STRICT refuses plain text', () => strict());
  test('36: TPROXY keeps the client’s address', () => transparent());
  test('36: NONE captures nothing, and the proxy is called by its ports', () => none());
}

function labProblem(): string | null {
  const lab = Lab.make();
  if (typeof lab === 'string') return lab;
  lab.close();
  return null;
}

// ─── A pod ────────────────────────────────────────────────────────────────────────────────────────────────────────

type Form = {
  readonly capture: string;
  readonly account: string;
  readonly address: string;
  /** Of `heddle intercept apply`, besides those of every pod. */
  readonly options: readonly string[];
  /** As whom Istio runs the proxy: setpriv's flags. */
  readonly user?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
};

const PROXY_USER = '--reuid 1337 --regid 1337 --clear-groups';
/** Under TPROXY the injector has root run the proxy, in the proxy's group. */
const TRANSPARENT_USER = '--regid 1337 --clear-groups';

type Pod = {
  readonly lab: Lab;
  readonly proxy: ProxyProcess;
  /** What `apply` said. */
  readonly said: string;
  /** Of the application, and of somebody elsewhere. */
  readonly inside: MeshClient;
  readonly outside: MeshClient;
};

async function withPod(form: Form, work: (pod: Pod) => Promise<void>): Promise<void> {
  const lab = Lab.make();
  assert.ok(lab instanceof Lab);
  const whole = openCapture(form.capture);
  const metadata = { ...(whole.node['metadata'] as object), ...form.metadata };
  const capture: Capture = { ...whole, node: { ...whole.node, metadata } };
  const ads = new AdsServer();
  serveCapture(ads, capture, join(folder, 'access.log'));
  serveIdentity(ads, identities, identities.of(form.account));
  const servers = await startMesh(lab, capture, form.address);
  try {
    const said = heddle('apply', ...form.options);
    const wrapper = ['setpriv', ...(form.user ?? PROXY_USER).split(' ')];
    const proxy = await startProxy('heddle', agentBootstrap(ads.port, capture, 'DELTA_GRPC'), folder, [], wrapper);
    try {
      await work({ lab, proxy, said, inside: new MeshClient(lab.home), outside: new MeshClient(lab.far) });
      assert.deepEqual(ads.nacks, [], 'something is refused');
    } finally {
      await proxy.stop();
    }
    heddle('clean');
    assert.equal(lab.home.command('nft', ['list', 'ruleset']), '');
  } finally {
    ads.stop();
    for (const server of servers) server.stop();
    lab.close();
  }
}

/** The pod has its address on the cable, and all others are at its other end. */
async function startMesh(lab: Lab, capture: Capture, address: string): Promise<MeshServers[]> {
  const identity = identities.of(...accountsOf(capture));
  const workloads = workloadsOf(capture).filter((workload) => workload.address !== address);
  lab.home.ip(`address add ${address}/32 dev cable\nroute add default via ${CLIENT} src ${address}`);
  lab.home.sysctl('net/ipv4/ip_unprivileged_port_start', '0');
  const elsewhere = [NOBODY, ...workloads.map((workload) => workload.address)];
  const addresses = elsewhere.map((ip) => `address add ${ip}/32 dev lo`);
  lab.far.ip([`route add ${address}/32 via 10.99.0.1`, ...addresses].join('\n'));
  const mesh = new MeshServers(identity, lab.far);
  for (const workload of workloads) await mesh.listen(workload);
  const application = new MeshServers(identity, lab.home);
  await application.listen({ address, ports: [9080, ODD_PORT, LEFT_ALONE] });
  return [mesh, application];
}

function heddle(action: string, ...options: string[]): string {
  const args = action === 'clean' ? [] : [...INJECTED, ...options];
  const { status, stderr } = spawnSync(HEDDLE, ['intercept', action, ...args], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stderr;
}

const CLOSED = /^(end|close|closed|ECONNRESET|EPIPE|socket hang up)$/;

/** One line for each call. */
async function askAll(client: MeshClient, calls: Calls): Promise<Record<string, string>> {
  const names = Object.keys(calls);
  const answers = await Promise.all(Object.values(calls).map((call) => client.call(call)));
  return Object.fromEntries(names.map((name, i) => [name, tell(answers[i] as Answer)]));
}

function tell({ status, body, instead }: Answer): string {
  // Who is turned away learns of it in one way or another, as bytes cross on the way.
  if (!body.startsWith('{')) return CLOSED.test(instead ?? '') ? 'closed' : `${status} ${instead ?? body}`;
  const end = body.lastIndexOf('}') + 1;
  const { at, from, tls, headers } = JSON.parse(body.slice(0, end)) as Seen;
  const secured = tls === null ? 'plain' : `${tls.sni.replace('false', 'TLS')} by ${accountOf(tls.peer)}`;
  const forwarded = headers?.['x-forwarded-client-cert'];
  return [
    status === 0 ? showBytes(body.slice(end + 1)) : status,
    // Either endpoint of a service will do.
    `at ${at.replace('10.0.1.34:9000', '10.0.1.33:9000')}`,
    `from ${from}`,
    secured,
    ...(forwarded === undefined ? [] : [`for ${accountOf(String(forwarded))}`]),
  ].join(', ');
}

/** Sidecars tell each other who they are before the first byte. */
function showBytes(text: string): string {
  return text.startsWith('=#\x04g') ? `metadata and ${text.slice(-5)}` : text.replace('\0', '');
}

function accountOf(text: string): string {
  return /.*spiffe:\/\/cluster\.local\/ns\/[\w-]+\/sa\/([\w-]+)/.exec(text)?.[1] ?? text;
}

// ─── The captures ─────────────────────────────────────────────────────────────────────────────────────────────────

const OUT: Calls = {
  'a service': { to: '10.96.0.2:9080', headers: { host: 'details:9080' } },
  gRPC: {
    ...{ to: '10.96.0.8:7070', method: 'POST', path: '/echo.EchoTestService/Echo', isHttp2: true },
    headers: { host: 'grpc-echo:7070', 'content-type': 'application/grpc', te: 'trailers' },
    body: '\0\0\0\0\0',
  },
  bytes: { to: '10.96.0.7:9000', bytes: 'hello' },
  'a headless service, bytes': { to: '10.0.1.42:7001', bytes: 'hello' },
  'without sidecar': { to: '10.96.0.12:80', headers: { host: 'plain.legacy' } },
  'an unknown port': { to: `${ELSEWHERE}:1234`, bytes: 'hello' },
  'where nobody is': { to: `${NOBODY}:1234`, bytes: 'hello' },
};

/** What becomes of them: sidecars get mutual TLS, everybody else what the application sent. */
function outbound(address: string, account: string): Record<string, string> {
  const secured = (port: number, host: string): string =>
    `from ${address}, outbound_.${port}_._.${host}.bookinfo.svc.cluster.local by ${account}`;
  return {
    'a service': `200, at 10.0.1.2:9080, ${secured(9080, 'details')}`,
    gRPC: `200, at 10.0.1.35:17070, ${secured(7070, 'grpc-echo')}`,
    bytes: `metadata and hello, at 10.0.1.33:9000, ${secured(9000, 'tcp-echo')}`,
    'a headless service, bytes': `metadata and hello, at 10.0.1.42:7001, ${secured(7001, 'stateful')}`,
    'without sidecar': `200, at 10.0.2.1:8080, from ${address}, plain`,
    'an unknown port': `hello, at ${ELSEWHERE}:1234, from ${address}, plain`,
    'where nobody is': 'closed',
  };
}

/** What comes to a pod from elsewhere. */
function inbound(address: string): Calls {
  const odd = { to: `${address}:${ODD_PORT}`, bytes: '\0hello' };
  return {
    plain: { to: `${address}:9080`, headers: { host: 'any' } },
    'mutual TLS': { to: `${address}:9080`, as: reviews, alpn: ['istio-http/1.1', 'istio'], headers: { host: 'any' } },
    'bytes, plain': odd,
    'bytes, mutual TLS': { ...odd, as: reviews, alpn: ['istio'] },
    'a port that is left alone': { to: `${address}:${LEFT_ALONE}`, headers: { host: 'any' } },
  };
}

/** Where plain text is taken; the application sees that client. */
function permitted(address: string, client: string): Record<string, string> {
  return {
    plain: `200, at ${address}:9080, from ${client}, plain`,
    'mutual TLS': `200, at ${address}:9080, from ${client}, plain, for bookinfo-reviews`,
    'bytes, plain': `hello, at ${address}:${ODD_PORT}, from ${client}, plain`,
    'bytes, mutual TLS': `hello, at ${address}:${ODD_PORT}, from ${client}, plain`,
    'a port that is left alone': `200, at ${address}:${LEFT_ALONE}, from ${CLIENT}, plain`,
  };
}

async function plain(): Promise<void> {
  const form = {
    ...{ capture: '01-plain-sidecar/client', address: '10.0.1.1', account: 'ns/bookinfo/sa/bookinfo-productpage' },
    options: ['-m', 'REDIRECT', '--redirect-dns', '--capture-all-dns'],
    // Only the workload that wants DNS says so; the name table is in every capture.
    metadata: { DNS_CAPTURE: 'true' },
  };
  await withPod(form, async ({ lab, inside, outside }) => {
    const itself: Calls = { itself: { to: '10.96.0.1:9080', headers: { host: 'productpage' } } };
    const [out, own, came] = await Promise.all([
      askAll(inside, OUT),
      askAll(inside, itself),
      askAll(outside, inbound(form.address)),
      askNames(lab),
    ]);
    assert.deepEqual(out, outbound(form.address, 'bookinfo-productpage'));
    assert.deepEqual(own, { itself: `200, at ${form.address}:9080, from ${LOCAL}, plain, for bookinfo-productpage` });
    assert.deepEqual(came, permitted(form.address, LOCAL));
  });
}

/** Over UDP as every program, and over TCP. */
async function askNames(lab: Lab): Promise<void> {
  const resolver = new Resolver({ timeout: 3000, tries: 1 });
  resolver.setServers([CLUSTER_DNS]);
  for (const [name, ...addresses] of [
    ['details', '10.96.0.2'],
    ['reviews.bookinfo', '10.96.0.3'],
    ['plain.legacy.svc.cluster.local', '10.96.0.12'],
    ['stateful.bookinfo.svc', '10.0.1.41', '10.0.1.42'],
  ] as const) {
    assert.deepEqual((await resolver.resolve4(name)).sort(), addresses, name);
  }
  const socket = lab.home.connect({ family: 'ipv4', address: CLUSTER_DNS, port: 53 });
  const query = queryOf('ratings.bookinfo.svc.cluster.local');
  socket.write(Buffer.concat([Buffer.from([0, query.length]), query]));
  const reply = await new Promise<Buffer>((resolve, reject) => {
    socket.once('data', resolve).once('close', () => reject(new Error('DNS over TCP was closed')));
  });
  socket.destroy();
  assert.deepEqual(readReply(reply.subarray(2)).answers, ['ratings.bookinfo.svc.cluster.local 30 A 10.96.0.4']);
}

const SERVER = { address: '10.0.1.11', account: 'ns/bookinfo/sa/bookinfo-reviews' };

async function strict(): Promise<void> {
  const { address } = SERVER;
  const form = { ...SERVER, capture: '17-peerauth-strict/server', options: ['-m', 'REDIRECT'] };
  await withPod(form, async ({ inside, outside }) => {
    const [out, came] = await Promise.all([askAll(inside, OUT), askAll(outside, inbound(address))]);
    assert.deepEqual(out, outbound(address, 'bookinfo-reviews'));
    assert.deepEqual(came, { ...permitted(address, LOCAL), plain: 'closed', 'bytes, plain': 'closed' });
  });
}

async function transparent(): Promise<void> {
  const { address } = SERVER;
  const form = { ...SERVER, capture: '36-tproxy-and-none/tproxy', options: ['-m', 'TPROXY'], user: TRANSPARENT_USER };
  await withPod(form, async ({ inside, outside }) => {
    const [out, came] = await Promise.all([askAll(inside, OUT), askAll(outside, inbound(address))]);
    assert.deepEqual(out, outbound(address, 'bookinfo-reviews'));
    assert.deepEqual(came, permitted(address, CLIENT));
  });
}

async function none(): Promise<void> {
  const address = '10.0.1.12';
  const account = 'ns/bookinfo/sa/bookinfo-reviews';
  const form = { capture: '36-tproxy-and-none/none', account, address, options: ['-m', 'NONE'] };
  await withPod(form, async ({ said, inside, outside }) => {
    assert.match(said, /nothing is captured by these options/);
    const calls: Calls = {
      'a service': { to: '127.0.0.1:9080', headers: { host: 'details:9080' } },
      bytes: { to: '127.0.0.1:9000', bytes: 'hello' },
      'past the proxy': { to: `${ELSEWHERE}:9080`, headers: { host: 'any' } },
    };
    const [out, came] = await Promise.all([askAll(inside, calls), askAll(outside, inbound(address))]);
    const { 'a service': service, bytes } = outbound(address, 'bookinfo-reviews');
    const past = `200, at ${ELSEWHERE}:9080, from ${address}, plain`;
    assert.deepEqual(out, { 'a service': service, bytes, 'past the proxy': past });
    assert.deepEqual(came, {
      ...permitted(address, CLIENT),
      'mutual TLS': `200, at ${address}:9080, from ${CLIENT}, TLS by bookinfo-reviews`,
      'bytes, mutual TLS': `hello, at ${address}:${ODD_PORT}, from ${CLIENT}, TLS by bookinfo-reviews`,
    });
  });
}
