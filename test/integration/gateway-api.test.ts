// Gateways of the Gateway API in front of services, played by the real Envoy and by Heddle's proxy: the same answers.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createServer as createSecureServer, request } from 'node:https';
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from 'node:net';
import { after, test } from 'node:test';
import type { SecureContextOptions } from 'node:tls';
import { makeCa, makeCertificate } from '../support/certificates.ts';
import { arePeersRequired } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import { canRunEnvoy, type TestAgent } from './agent-rig.ts';
import { TestMesh } from './agent-mesh-rig.ts';

const missing = canRunEnvoy() || arePeersRequired() ? false : 'the real Envoy is not installed';
const ca = makeCa('edge');
const served = makeCertificate({ issuer: ca, sans: [{ dns: 'a.test' }, { dns: 'm.test' }] });
const passed = makeCertificate({ issuer: ca, sans: [{ dns: 'p.test' }] });
const caller = makeCertificate({ issuer: ca });

const agents: TestAgent[] = [];
const meshes: TestMesh[] = [];
const servers: Server[] = [
  createServer(({ url, headers }, response) => response.end(`plain ${url} ${headers['x-added'] ?? '-'}`)),
  createSecureServer({ cert: passed.pem, key: passed.keyPem }, ({ url }, response) => response.end(`own TLS ${url}`)),
  createTcpServer((socket) => socket.once('data', (bytes) => socket.end(`echo ${bytes}`))),
];
after(async () => {
  for (const agent of agents) await agent.stop('SIGKILL');
  for (const mesh of meshes) await mesh.stop();
  for (const server of servers) server.close();
});

type Ports = {
  readonly http: number;
  readonly tls: number;
  readonly mutual: number;
  readonly tcp: number;
  readonly behind: readonly number[];
};

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Services without a sidecar, the certificates, and the namespace of the routes. */
function workloads({ behind }: Ports): string {
  const names = ['web', 'secure', 'echo'];
  return `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: shop}}
---
apiVersion: v1
kind: Namespace
metadata: {name: back, labels: {team: back}}
---
apiVersion: v1
kind: Secret
metadata: {name: served, namespace: shop}
type: kubernetes.io/tls
data: {tls.crt: ${base64(served.pem)}, tls.key: ${base64(served.keyPem)}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: callers, namespace: shop}
data: {ca.crt: ${JSON.stringify(ca.pem)}}
${names.map((name, index) => service(name, behind[index] ?? 0)).join('')}`;
}

function service(name: string, port: number): string {
  const appProtocol = name === 'web' ? 'http' : name === 'secure' ? 'https' : 'tcp';
  return `---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: back}
spec:
  clusterIP: 10.96.0.${port % 250}
  ports: [{name: ${appProtocol}, port: 80, targetPort: ${port}, protocol: TCP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}, namespace: back, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
ports: [{name: ${appProtocol}, port: ${port}, protocol: TCP}]
endpoints: [{addresses: [127.0.0.1], conditions: {ready: true}}]
`;
}

function gateway({ http, tls, mutual, tcp }: Ports): string {
  const from = 'allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: back}}}}';
  const end = 'tls: {certificateRefs: [{name: served}]}';
  return `---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  gatewayClassName: heddle
  tls:
    frontend:
      default: {}
      perPort:
      - port: ${mutual}
        tls: {validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: callers}]}}
  listeners:
  - {name: http, port: ${http}, protocol: HTTP, hostname: "*.test", ${from}}
  - {name: https, port: ${tls}, protocol: HTTPS, hostname: a.test, ${end}, ${from}}
  - {name: pass, port: ${tls}, protocol: TLS, hostname: p.test, tls: {mode: Passthrough}, ${from}}
  - {name: mutual, port: ${mutual}, protocol: HTTPS, hostname: m.test, ${end}, ${from}}
  - {name: tcp, port: ${tcp}, protocol: TCP, ${from}}
`;
}

function routes(prefix: string): string {
  const parents = (...sections: string[]): string =>
    `parentRefs: [${sections.map((name) => `{name: edge, namespace: shop, sectionName: ${name}}`).join(', ')}]`;
  const add = '{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-added, value: added}]}}';
  const redirect = '{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}';
  const l4 = (kind: string, section: string, backend: string, hosts: string): string => `---
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: {name: ${section}, namespace: back}
spec: {${parents(section)}, ${hosts}rules: [{backendRefs: [{name: ${backend}, port: 80}]}]}
`;
  return `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: back}
spec:
  ${parents('http', 'https', 'mutual')}
  hostnames: [a.test, m.test]
  rules:
  - matches: [{path: {type: PathPrefix, value: ${prefix}}}]
    filters: [${add}]
    backendRefs: [{name: web, port: 80}]
  - matches: [{path: {type: Exact, value: /there}}]
    filters: [${redirect}]
  - matches: [{path: {type: Exact, value: /lost}}]
    backendRefs: [{name: nobody, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: not-allowed, namespace: shop}
spec:
  ${parents('http')}
  hostnames: [b.test]
  rules: [{backendRefs: [{name: web, namespace: back, port: 80}]}]
${l4('TLSRoute', 'pass', 'secure', 'hostnames: [p.test], ')}${l4('TCPRoute', 'tcp', 'echo', '')}`;
}

/** What a client sees; a connection that fails is just that, because libraries word it differently. */
async function secure(port: number, host: string, path: string, own: SecureContextOptions = {}): Promise<string> {
  return new Promise((done) => {
    const options = { host: '127.0.0.1', port, path, servername: host, ca: ca.pem, agent: false, ...own };
    const sent = request({ ...options, headers: { host } }, async (response) => {
      let body = '';
      for await (const chunk of response) body += chunk;
      done(`${response.statusCode} ${body}`);
    });
    sent.on('error', () => done('no connection'));
    sent.end();
  });
}

async function plain(port: number, host: string, path: string): Promise<string> {
  const bytes = await raw(port, `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
  const [head = '', body = ''] = bytes.split('\r\n\r\n');
  const location = /^location: (.*)$/im.exec(head)?.[1] ?? '';
  return `${head.split(' ')[1]} ${location}${/chunked/i.test(head) ? body.split('\r\n')[1] : body}`;
}

async function raw(port: number, text: string): Promise<string> {
  return new Promise((done) => {
    let seen = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (bytes) => (seen += bytes));
    socket.on('error', () => done('no connection'));
    socket.on('close', () => done(seen));
  });
}

async function answers({ http, tls, mutual, tcp }: Ports): Promise<Record<string, string>> {
  const identity = { cert: caller.pem, key: caller.keyPem };
  return {
    route: await plain(http, 'a.test', '/one/x'),
    redirect: (await plain(http, 'a.test', '/there')).replace(/:\d+/, ''),
    'a backend that there is not': await plain(http, 'a.test', '/lost'),
    'no rule': await plain(http, 'a.test', '/other'),
    'no route of that host': await plain(http, 'c.test', '/one'),
    'a route of a namespace that may not join': await plain(http, 'b.test', '/one'),
    'TLS that ends here': await secure(tls, 'a.test', '/one'),
    'TLS of another name': await secure(tls, 'z.test', '/one'),
    'TLS that is passed on': await secure(tls, 'p.test', '/one'),
    'a caller without certificate': await secure(mutual, 'm.test', '/one'),
    'a caller with one': await secure(mutual, 'm.test', '/one', identity),
    TCP: await raw(tcp, 'hello'),
  };
}

const EXPECTED = {
  route: '200 plain /one/x added',
  redirect: '301 https://a.test/there',
  'a backend that there is not': '500 ',
  'no rule': '404 ',
  'no route of that host': '404 ',
  'a route of a namespace that may not join': '404 ',
  'TLS that ends here': '200 plain /one added',
  'TLS of another name': 'no connection',
  'TLS that is passed on': '200 own TLS /one',
  'a caller without certificate': 'no connection',
  'a caller with one': '200 plain /one added',
  TCP: 'echo hello',
};

async function listening(server: Server): Promise<number> {
  if (!server.listening) await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
}

for (const kind of ['envoy', 'heddle'] as const) {
  test(`a Gateway played by ${kind}`, { skip: kind === 'envoy' ? missing : false, timeout: 60_000 }, async () => {
    const behind = await Promise.all(servers.map(listening));
    const [http, tls, mutual, tcp] = [await freePort(), await freePort(), await freePort(), await freePort()];
    const ports: Ports = { http, tls, mutual, tcp, behind };
    const objects = (prefix: string): string => workloads(ports) + gateway(ports) + routes(prefix);
    const mesh = await TestMesh.start(objects('/one'));
    meshes.push(mesh);
    const edge = await mesh.agent('edge', {
      ...(kind === 'heddle' ? { envoy: null } : {}),
      role: 'router',
      variables: { ISTIO_METAJSON_LABELS: '{"gateway.networking.k8s.io/gateway-name": "edge"}' },
    });
    agents.push(edge);
    await edge.answers(edge.ports.status, '/healthz/ready');
    await edge.until('the first answer', async () => (await plain(http, 'a.test', '/one')).startsWith('200'));
    assert.deepEqual(await answers(ports), EXPECTED);
    mesh.write(objects('/two'));
    await edge.until('the changed route', async () => (await plain(http, 'a.test', '/one')).startsWith('404'));
    assert.equal(await secure(tls, 'a.test', '/two'), '200 plain /two added');
    assert.equal(await edge.stop(), 0);
  });
}
