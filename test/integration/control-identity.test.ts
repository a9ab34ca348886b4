// Tests the control plane's doors: a token makes a certificate, the certificate opens a stream, and the node on it must
// be who the certificate says; secrets and roots come to whom they belong.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type ClientDuplexStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { type RunningControl, startControl } from '../../src/control/control.ts';
import { exportKey } from '../../src/ca/signing/issuer.ts';
import { makeCertificateRequest } from '../../src/identity/certificate-request.ts';
import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { registry } from '../../src/proto/registry.ts';
import { LogRegistry } from '../../src/telemetry/log.ts';
import { askForCertificate } from '../support/certificate-caller.ts';
import { makeCa, makeCertificate } from '../support/certificates.ts';
import { PROJECT_ROOT } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import { scratchFolder } from './heddle.ts';

const TYPE = 'type.googleapis.com/';
const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';
const PROXY_CONFIG = 'istio.mesh.v1alpha1.ProxyConfig';
const place = scratchFolder();
const state = join(place, 'state');
const LEAF = makeCertificate({ issuer: makeCa('shop'), sans: [{ dns: 'shop.example' }] });
const logs: string[] = [];
let control: RunningControl;
const clients: Client[] = [];

function object(kind: string, name: string, namespace: string, more: object, apiVersion = 'v1'): string {
  return JSON.stringify({ apiVersion, kind, metadata: { name, namespace }, ...more });
}

before(async () => {
  mkdirSync(join(place, 'config'));
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const data = { 'tls.crt': base64(LEAF.chainPem), 'tls.key': base64(LEAF.keyPem) };
  const pod = (name: string, labels: object, account: string): string =>
    JSON.stringify({
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'shop', labels } },
      ...{
        spec: { serviceAccountName: account, containers: [{ name: 'a', image: 'a' }] },
        status: { podIP: '10.0.0.1' },
      },
    });
  const tls = { mode: 'SIMPLE', credentialName: 'web-cert' };
  const servers = [{ port: { number: 443, name: 'https', protocol: 'HTTPS' }, hosts: ['shop.example'], tls }];
  const objects = [
    object('Secret', 'web-cert', 'shop', { type: 'kubernetes.io/tls', data }),
    object('Secret', 'web-cert', 'bank', { type: 'kubernetes.io/tls', data }),
    object('Gateway', 'gw', 'shop', { spec: { selector: { app: 'edge' }, servers } }, 'networking.istio.io/v1'),
    pod('edge-1', { app: 'edge' }, 'edge'),
    pod('web-1', { app: 'web' }, 'web'),
  ];
  writeFileSync(join(place, 'config', 'all.yaml'), objects.join('\n---\n'));
  const registryOfLogs = LogRegistry.open({ level: 'info', write: (line) => logs.push(line) });
  assert.ok(typeof registryOfLogs !== 'string');
  const at = async (): Promise<{ host: string; port: number }> => ({ host: '127.0.0.1', port: await freePort() });
  const started = await startControl(
    {
      ...{ config: [{ path: join(place, 'config'), kind: 'objects' }], plain: await at(), secure: await at() },
      http: await at(),
      pageTokenFile: null,
      ...{
        stateDirectory: state,
        caDirectory: null,
        passphraseFile: null,
        cluster: 'Kubernetes',
        network: '',
        scopesGateways: false,
      },
      ...{
        clusterDomain: 'cluster.local',
        serverNames: [],
        tokens: null,
        assignsAddresses: false,
        parentFd: null,
        trustsLoopback: false,
      },
    },
    { logs: registryOfLogs, version: '0' },
  );
  assert.ok(typeof started !== 'string', String(started));
  control = started;
});

after(async () => {
  for (const client of clients) client.close();
  await control.stop();
});

/** As `heddle token` prints it. */
function token(account: string, namespace = 'shop'): string {
  const command = ['token', '-n', namespace, '-a', account, '--state-dir', state];
  const { stdout, stderr } = spawnSync(join(PROJECT_ROOT, 'bin/heddle'), command, { encoding: 'utf8' });
  assert.match(stdout, /^heddle-join-/, stderr);
  return stdout.trim();
}

async function certificateOf(account: string, namespace = 'shop'): Promise<{ chain: string; key: string }> {
  const { key, request } = makeCertificateRequest('');
  const roots = readFileSync(join(state, 'root-cert.pem'), 'utf8');
  const { secure } = control.addresses;
  const made = await askForCertificate(secure.port, roots, { csr: request, token: token(account, namespace) });
  assert.deepEqual([made.status, made.message], [0, '']);
  return { chain: made.chain[0] as string, key: exportKey(key) };
}

type Delta = {
  readonly resources?: readonly { readonly name?: string; readonly resource?: { readonly value?: Uint8Array } }[];
  readonly nonce?: string;
};
type Bundle = { readonly ca_certificates_pem?: readonly string[] };

function deltaStream(client: Client): ClientDuplexStream<object, Delta> {
  const request = registry.message('envoy.service.discovery.v3.DeltaDiscoveryRequest');
  const response = registry.message('envoy.service.discovery.v3.DeltaDiscoveryResponse');
  return client.makeBidiStreamRequest(
    '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
    (message: object) => Buffer.from(encodeBinary(request, message)),
    (bytes: Buffer) => decodeBinary(response, bytes) as Delta,
    new Metadata(),
    { deadline: Date.now() + 10_000 },
  );
}

type Outcome = { readonly resources: readonly { readonly name: string; readonly value: Uint8Array }[] } | ServiceError;

/** What the first answer to one subscription has; or how the stream ended. */
function subscribe(
  own: { readonly chain: string; readonly key: string } | null,
  node: object,
  type: string,
  names: readonly string[],
): Promise<Outcome> {
  const roots = readFileSync(join(state, 'root-cert.pem'));
  const shown = own === null ? [] : [Buffer.from(own.key), Buffer.from(own.chain)];
  const ssl = credentials.createSsl(roots, ...shown);
  const target = `127.0.0.1:${control.addresses.secure.port}`;
  const client = new Client(target, ssl, { 'grpc.ssl_target_name_override': 'istiod.istio-system.svc' });
  clients.push(client);
  return new Promise((resolve) => {
    const stream = deltaStream(client);
    stream.on('error', (error: ServiceError) => resolve(error));
    stream.on('data', (message: Delta) => {
      const resources = (message.resources ?? []).map(({ name = '', resource }) => ({
        ...{ name, value: resource?.value ?? new Uint8Array() },
      }));
      resolve({ resources });
      stream.cancel();
    });
    stream.write({ node, type_url: TYPE + type, resource_names_subscribe: [...names] });
  });
}

function nodeOf(role: string, name: string, account: string, namespace = 'shop'): object {
  const id = `${role}~10.0.0.1~${name}.${namespace}~${namespace}.svc.cluster.local`;
  return { id, metadata: { NAMESPACE: namespace, SERVICE_ACCOUNT: account, ISTIO_VERSION: '1.30.0' } };
}

function codeOf(outcome: Outcome): number {
  return 'code' in outcome ? outcome.code : 0;
}

const [PERMISSION_DENIED, UNAUTHENTICATED] = [7, 16];

test('a gateway gets its key, with a certificate that a token made', async () => {
  const edge = await certificateOf('edge');
  const given = await subscribe(edge, nodeOf('router', 'edge-1', 'edge'), SECRET, ['kubernetes://web-cert']);
  assert.ok('resources' in given, String(given));
  assert.deepEqual(
    given.resources.map(({ name }) => name),
    ['kubernetes://web-cert'],
  );
  const secret = decodeBinary(registry.message(SECRET), given.resources[0]?.value as Uint8Array) as {
    tls_certificate?: { private_key?: { inline_bytes?: Uint8Array } };
  };
  assert.equal(Buffer.from(secret.tls_certificate?.private_key?.inline_bytes ?? []).toString(), LEAF.keyPem);
});

test('who is not a gateway, or not of the namespace, gets nothing', async () => {
  const web = await certificateOf('web');
  const asSidecar = await subscribe(web, nodeOf('sidecar', 'web-1', 'web'), SECRET, ['kubernetes://web-cert']);
  assert.ok('code' in asSidecar || asSidecar.resources.length === 0);
  const asGateway = await subscribe(web, nodeOf('router', 'web-1', 'web'), SECRET, ['kubernetes://web-cert']);
  assert.equal(codeOf(asGateway), PERMISSION_DENIED);
  const asOther = await subscribe(web, nodeOf('router', 'edge-1', 'edge'), SECRET, ['kubernetes://web-cert']);
  assert.equal(codeOf(asOther), PERMISSION_DENIED);
  const elsewhere = await subscribe(web, nodeOf('sidecar', 'web-1', 'web', 'bank'), SECRET, ['kubernetes://web-cert']);
  assert.equal(codeOf(elsewhere), PERMISSION_DENIED);
  const nobody = await subscribe(null, nodeOf('router', 'edge-1', 'edge'), SECRET, ['kubernetes://web-cert']);
  assert.equal(codeOf(nobody), UNAUTHENTICATED);
  assert.ok(logs.some((line) => /spiffe:\/\/cluster.local\/ns\/shop\/sa\/web was refused: .*"bank"/.test(line)));
});

test('every proxy is told of the roots', async () => {
  const web = await certificateOf('web');
  const given = await subscribe(web, nodeOf('sidecar', 'web-1', 'web'), PROXY_CONFIG, []);
  assert.ok('resources' in given, String(given));
  const { ca_certificates_pem: roots = [] } = decodeBinary(
    registry.message(PROXY_CONFIG),
    given.resources[0]?.value as Uint8Array,
  ) as { ca_certificates_pem?: string[] };
  assert.deepEqual(roots, control.identity.authority.bundle.roots);
});

test('an announced root reaches streams that are open, and is known to have', async () => {
  const web = await certificateOf('web');
  const roots = readFileSync(join(state, 'root-cert.pem'));
  const ssl = credentials.createSsl(roots, Buffer.from(web.key), Buffer.from(web.chain));
  const target = `127.0.0.1:${control.addresses.secure.port}`;
  const client = new Client(target, ssl, { 'grpc.ssl_target_name_override': 'istiod.istio-system.svc' });
  clients.push(client);
  const given: { readonly count: number; readonly nonce: string }[] = [];
  const stream = deltaStream(client);
  stream.on('error', () => {});
  stream.on('data', ({ resources = [], nonce = '' }: Delta) => {
    const value = resources[0]?.resource?.value ?? new Uint8Array();
    const { ca_certificates_pem: all = [] } = decodeBinary(registry.message(PROXY_CONFIG), value) as Bundle;
    given.push({ count: all.length, nonce });
  });
  const until = async (isTrue: () => boolean): Promise<void> => {
    for (let tries = 0; tries < 500 && !isTrue(); tries++) await sleep(10);
    assert.ok(isTrue(), JSON.stringify(given));
  };
  stream.write({ node: nodeOf('sidecar', 'web-1', 'web'), type_url: TYPE + PROXY_CONFIG });
  await until(() => given.length === 1);
  const hasTaken = (): boolean | undefined =>
    [...control.xds.streams].find((one) => one.type(TYPE + PROXY_CONFIG))?.type(TYPE + PROXY_CONFIG)?.isCurrent;
  stream.write({ type_url: TYPE + PROXY_CONFIG, response_nonce: given[0]?.nonce });
  await until(() => hasTaken() === true);
  assert.equal(await control.identity.authority.rotate(), null);
  await until(() => given.length === 2);
  assert.deepEqual([given[0]?.count, given[1]?.count, hasTaken()], [1, 2, false]);
  assert.ok(control.identity.authority.isRotating);
  stream.write({ type_url: TYPE + PROXY_CONFIG, response_nonce: given[1]?.nonce });
  await until(() => hasTaken() === true);
  // Whoever comes now is told of both at once, and the old one signs still.
  const { request } = makeCertificateRequest('');
  const asked = { csr: request, certificate: web };
  const renewed = await askForCertificate(control.addresses.secure.port, roots.toString(), asked);
  assert.equal(renewed.chain.at(-1)?.match(/BEGIN CERTIFICATE/g)?.length, 2);
  stream.cancel();
});

test('neither log nor page tells a key or a token', async () => {
  const pages = [
    '/debug/config_dump?proxyID=edge-1',
    '/debug/configz',
    '/debug/adsz',
    '/metrics',
    '/debug/connections',
  ];
  const { host, port } = control.addresses.http;
  const texts = await Promise.all(pages.map(async (page) => (await fetch(`http://${host}:${port}${page}`)).text()));
  const key = LEAF.keyPem.split('\n')[1] as string;
  const encoded = Buffer.from(LEAF.keyPem).toString('base64').slice(60, 120);
  for (const text of [...texts, logs.join('\n')]) {
    assert.ok(!text.includes(key) && !text.includes(encoded) && !text.includes('heddle-join-'));
    assert.ok(!text.includes('PRIVATE KEY'));
  }
  assert.match(texts[3] as string, /^citadel_server_success_cert_issuance_count [1-9]/m);
});
