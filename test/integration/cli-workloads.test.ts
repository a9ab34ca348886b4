// Which proxy a word means, and what is told of its certificate and version: admin interfaces on unix sockets.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { brotliDecompressSync } from 'node:zlib';
import { makeCa, makeCertificate } from '../support/certificates.ts';
import { PROJECT_ROOT } from '../support/find-envoy.ts';

type Json = Record<string, unknown>;

const folder = mkdtempSync(join(tmpdir(), 'heddle-workloads-'));
const mesh = join(folder, 'mesh');
const runtime = join(folder, 'run');
const servers: Server[] = [];

const packed = readFileSync(join(PROJECT_ROOT, 'src/cli/config/testdata/heddle.json.br'));
const stored = JSON.parse(brotliDecompressSync(packed).toString()) as {
  client: { dump: { configs: Json[] }; clusters: Json };
};

function serve(name: string, namespace: string, answers: Readonly<Record<string, unknown>>): Promise<void> {
  const info = { version: 'heddle/9.9.9', node: { id: `sidecar~10.0.0.1~${name}.${namespace}~x` } };
  const server = createServer(({ url = '' }, response) => {
    const answer = { '/server_info': info, ...answers }[url.split('?')[0] ?? ''];
    response.statusCode = answer === undefined ? 404 : 200;
    response.end(JSON.stringify(answer ?? 'nothing'));
  });
  servers.push(server);
  return new Promise((resolve) => server.listen(join(runtime, `${name}.admin`), resolve));
}

/** The dump of the capture, with this certificate. */
function dumpWith(chain: string, roots: string): Json {
  const section = {
    '@type': 'type.googleapis.com/envoy.admin.v3.SecretsConfigDump',
    dynamic_active_secrets: [
      { name: 'default', secret: { tls_certificate: { certificate_chain: { inline_bytes: btoa(chain) } } } },
      { name: 'ROOTCA', secret: { validation_context: { trusted_ca: { inline_string: roots } } } },
    ],
  };
  const others = stored.client.dump.configs.filter((one) => !String(one['@type']).endsWith('SecretsConfigDump'));
  return { configs: [...others, ...(chain === '' ? [] : [section])] };
}

const ca = makeCa('mesh root');
const uri = 'spiffe://cluster.local/ns/shop/sa/reviews';
const certificate = makeCertificate({ issuer: ca, subject: [], sans: [{ uri }] });
const old = makeCertificate({
  issuer: ca,
  subject: [],
  sans: [{ uri }],
  notBefore: new Date(0),
  notAfter: new Date(86_400_000),
});

before(async () => {
  mkdirSync(join(mesh, '.heddle'), { recursive: true });
  mkdirSync(runtime);
  const { clusters } = stored.client;
  await serve('reviews-v1-1', 'shop', {
    '/config_dump': dumpWith(certificate.chainPem, ca.pem),
    '/clusters': clusters,
  });
  await serve('reviews-v1-2', 'other', { '/config_dump': dumpWith(old.chainPem, ca.pem), '/clusters': clusters });
  await serve('ingress', 'shop', { '/config_dump': dumpWith('', ''), '/clusters': clusters });
  writeFileSync(join(runtime, 'dead-1.admin'), '');
  const location = {
    pid: process.pid,
    directory: mesh,
    control: 'http://127.0.0.1:1',
    token: 'x',
    runtime,
    startedMs: 0,
  };
  writeFileSync(join(mesh, '.heddle/up.json'), JSON.stringify(location));
});
after(() => {
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

function heddle(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(join(PROJECT_ROOT, 'bin/heddle'), args, { cwd: mesh });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code: code ?? -1, out, err })));
}

test('a process, a workload, a namespace, and what istioctl writes before a name', async () => {
  const whole = await heddle('config', 'endpoints', 'reviews-v1-2', '--port', '6379');
  assert.deepEqual([whole.code, whole.err], [0, '']);
  assert.match(
    whole.out,
    /^ENDPOINT +STATUS +OUTLIER CHECK +CLUSTER\n10\.\S+:6379 +HEALTHY +OK +outbound\|6379\|\|redis/,
  );
  for (const word of ['reviews-v1', 'deployment/reviews-v1']) {
    const { code, err } = await heddle('config', 'routes', word, '--name', '9080');
    assert.deepEqual([code, err], [0, 'heddle: reviews-v1-1 is shown; reviews-v1 also has reviews-v1-2\n'], word);
  }
  const other = await heddle('config', 'routes', 'reviews-v1.other', '--name', '9080');
  assert.deepEqual([other.code, other.err], [0, '']);
  assert.equal((await heddle('config', 'routes', 'ingress.shop')).code, 0);
  assert.match(
    (await heddle('config', 'routes', 'ingress.other')).err,
    /no workload ingress\.other: ingress is in namespace shop/,
  );
  const unknown = await heddle('config', 'l', 'reviws-v1');
  assert.equal(unknown.code, 1);
  assert.match(
    unknown.err,
    /no workload reviws-v1 \(is reviews-v1 meant\?\); there are dead-1, ingress, reviews-v1-1, reviews-v1-2/,
  );
  assert.match((await heddle('config', 'l', 'dead-1')).err, /the admin interface of dead-1 does not answer/);
  const socket = await heddle('config', 'l', '--admin', join(runtime, 'ingress.admin'), '--port', '6379');
  assert.match(socket.out, /6379 ALL +Cluster: outbound\|6379/);
});

test('filters and sources that make no sense are refused', async () => {
  const TABLE: readonly (readonly [readonly string[], RegExp])[] = [
    [['config', 'routes', 'ingress', '--port', '80'], /--port says nothing of routes: their filters are --name/],
    [['config', 'secrets', 'ingress', '--name', 'x'], /they have no filters/],
    [['config', 'listeners', 'ingress', '--port', 'http'], /--port http: expected a number/],
    [['config', 'listeners', 'ingress', '--admin', '127.0.0.1:1'], /one of them/],
    [['config', 'listeners', '--admin', 'nowhere'], /expected HOST:PORT or the path of a socket/],
    [['config', 'lsteners', 'ingress'], /is listeners meant\?/],
  ];
  for (const [args, expected] of TABLE) {
    const { code, err } = await heddle(...args);
    assert.equal(code, 2, args.join(' '));
    assert.match(err, expected);
  }
  writeFileSync(join(folder, 'none.json'), '{}');
  assert.match((await heddle('config', 'l', '--file', join(folder, 'none.json'))).err, /no dump of a proxy/);
  assert.match((await heddle('config', 'l', '--file', join(folder, 'missing.json'))).err, /cannot be read/);
});

test('certificate: who it is, how long it is good, whom it trusts; 1 when it is over or missing', async () => {
  const good = await heddle('certificate', 'reviews-v1-1');
  assert.equal(good.code, 0, good.err);
  assert.match(good.out, /^identity {2}spiffe:\/\/cluster\.local\/ns\/shop\/sa\/reviews\nissuer +CN=mesh root\n/);
  assert.match(good.out, /^valid +\S+ to \S+, \d+d \d+h left$/m);
  assert.match(good.out, /^trusts +CN=mesh root, serial [0-9a-f]+, \d+d \d+h left \(ROOTCA\)$/m);
  const json = JSON.parse((await heddle('certificate', 'reviews-v1-1', '-o', 'json')).out) as {
    chain: { identities: string[]; isValid: boolean }[];
    roots: { subject: string }[];
  };
  assert.deepEqual([json.chain[0]?.identities, json.chain[0]?.isValid], [[uri], true]);
  assert.deepEqual(
    json.roots.map(({ subject }) => subject),
    ['CN=mesh root'],
  );
  const pem = await heddle('certificate', 'reviews-v1-1', '-o', 'pem');
  assert.equal(pem.out.replaceAll('\n', ''), certificate.chainPem.replaceAll('\n', ''));
  const over = await heddle('certificate', 'reviews-v1-2');
  assert.equal(over.code, 1);
  assert.match(over.out, /EXPIRED \d+d \d+h ago/);
  const none = await heddle('certificate', 'ingress');
  assert.equal(none.code, 1);
  assert.match(none.err, /ingress has no certificate default: it has none at all/);
  assert.match(
    (await heddle('certificate', 'reviews-v1-1', '--secret', 'x')).err,
    /no certificate x: --secret default/,
  );
});

test('version tells of proxies, and of a control plane that is not there', async () => {
  const ran = await heddle('version');
  assert.deepEqual([ran.code, ran.err], [0, '']);
  const [, control, proxies] = ran.out.split('\n');
  assert.equal(control, 'control plane: does not answer at http://127.0.0.1:1');
  assert.equal(proxies, 'proxies: does not answer (1), heddle 9.9.9 (3)');
  assert.match((await heddle('version', '--short')).out, /^\d+\.\d+\.\d+\n$/);
});
