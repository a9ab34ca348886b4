// The agent beside the real Envoy: identities over mutual TLS, discovery that is passed on, and an orderly end.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Resolver } from 'node:dns/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { makeCertificate } from '../support/certificates.ts';
import { freePort } from '../support/free-ports.ts';
import { arePeersRequired } from '../support/find-envoy.ts';
import { CLUSTER, canRunEnvoy, cluster, LISTENER, listener, resources, TestAgent, TestControl } from './agent-rig.ts';

const missing = canRunEnvoy() || arePeersRequired() ? false : 'the real Envoy is not installed';
const control = new TestControl();
const agents: TestAgent[] = [];
after(async () => {
  for (const agent of agents) await agent.stop('SIGKILL');
  control.stop();
});

async function start(...args: Parameters<typeof TestAgent.start>): Promise<TestAgent> {
  const agent = await TestAgent.start(...args);
  agents.push(agent);
  return agent;
}

/** The one child of a process. */
async function childOf(pid: number): Promise<number> {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ')[0]);
}

/** Of the certificate that a server shows; '' for none. */
function subjectAt(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject?.CN ?? ''));
      socket.destroy();
    });
    socket.on('error', () => resolve(''));
  });
}

const NAMES = { table: { 'web.test': { ips: ['240.0.0.9'], registry: 'External' } } };
const SHOWS_PEER = {
  direct_response: { status: 200, body: { inline_string: 'hello' } },
  response_headers_to_add: [{ header: { key: 'peer', value: '%DOWNSTREAM_PEER_URI_SAN%' } }],
};

test('two proxies speak with the identities that their agents brought', {
  skip: missing,
  timeout: 60_000,
}, async () => {
  const [serverPort, clientPort] = [await freePort(), await freePort()];
  const server = await start(control, 'server');
  const client = await start(control, 'client');
  control.ads.set(CLUSTER, resources(CLUSTER), server.nodeId);
  control.ads.set(LISTENER, resources(LISTENER, listener(serverPort, SHOWS_PEER, true)), server.nodeId);
  control.ads.set(CLUSTER, resources(CLUSTER, cluster('server', serverPort, true)), client.nodeId);
  control.ads.set(
    LISTENER,
    resources(LISTENER, listener(clientPort, { route: { cluster: 'server' } }, false)),
    client.nodeId,
  );
  await client.answers(clientPort);
  const response = await fetch(`http://127.0.0.1:${clientPort}/`);
  assert.equal(await response.text(), 'hello');
  assert.equal(response.headers.get('peer'), 'spiffe://cluster.local/ns/shop/sa/client');
  assert.deepEqual(
    control.ads.nacks.map(({ error }) => error),
    [],
  );
  // Nobody else of the machine may ask for keys.
  assert.equal(statSync(join(server.directory, 'uds')).mode & 0o777, 0o700);
  assert.equal(statSync(join(server.directory, 'uds', 'socket')).mode & 0o777, 0o600);
  assert.equal(statSync(join(server.directory, 'proxy', 'XDS')).mode & 0o777, 0o600);
  assert.ok(control.ads.requests.every(({ isDelta }) => isDelta));
});

test('readiness, metrics, probes, and the way out', { skip: missing, timeout: 60_000 }, async () => {
  const [port, appPort, metricsPort, dnsPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const probes: string[] = [];
  const application = createServer((request, response) => {
    probes.push(`${request.method} ${request.url} ${request.headers.host} ${request.headers['x-probe'] ?? ''}`);
    if (request.url === '/metrics') response.end('app_requests_total 7\n');
    else response.writeHead(request.url === '/well' ? 204 : 500).end();
  });
  application.listen(appPort, '127.0.0.1');
  const http = (path: string) => ({ httpGet: { path, port: appPort, httpHeaders: [{ name: 'x-probe', value: 'p' }] } });
  const agent = await start(control, 'status', {
    variables: {
      ISTIO_KUBE_APP_PROBERS: JSON.stringify({
        '/app-health/app/livez': http('/well'),
        '/app-health/app/readyz': http('/ill'),
        '/app-health/app/startupz': { tcpSocket: { port: appPort } },
        '/app-health/other/livez': { tcpSocket: { port: metricsPort }, timeoutSeconds: 1 },
        '/app-health/other/readyz': { grpc: { port: appPort } },
      }),
      ISTIO_META_DNS_CAPTURE: 'true',
      DNS_PROXY_ADDR: `localhost:${dnsPort}`,
      ISTIO_PROMETHEUS_ANNOTATIONS: JSON.stringify({ scrape: 'true', port: String(appPort), path: '/metrics' }),
    },
  });
  const { status, proxyStatus, prometheus } = agent.ports;
  // There is no configuration yet.
  await agent.until('the port', async () => (await agent.get(status, '/healthz/ready')).status === 503);
  assert.match((await agent.get(status, '/healthz/ready')).body, /config not received from XDS server/);
  control.ads.set(CLUSTER, resources(CLUSTER), agent.nodeId);
  control.ads.set(LISTENER, resources(LISTENER, listener(port, SHOWS_PEER, false)), agent.nodeId);
  await agent.answers(status, '/healthz/ready');
  await agent.answers(proxyStatus, '/healthz/ready');
  await agent.answers(prometheus, '/stats/prometheus');
  const parts = [
    /istio_agent_num_outgoing_requests\{request_type="CSR"\} 1/,
    /istio_agent_cert_expiry_seconds\{resource_name="default"\} 3\d{3}/,
    /envoy_server_live\{\} 1/,
    /app_requests_total 7/,
  ];
  await agent.until('all metrics on one page', async () => {
    const { body } = await agent.get(status, '/stats/prometheus');
    return parts.every((part) => part.test(body));
  });
  const resolver = new Resolver();
  resolver.setServers([`127.0.0.1:${dnsPort}`]);
  control.ads.set('istio.networking.nds.v1.NameTable', { '': NAMES }, agent.nodeId);
  await agent.until('the table', async () => (await agent.get(status, '/debug/ndsz')).status === 200);
  await agent.until('a name', async () => (await resolver.resolve4('web.test').catch(() => []))[0] === '240.0.0.9');
  assert.match((await agent.get(status, '/debug/ndsz')).body, /"web\.test":\{"ips":\["240\.0\.0\.9"\]/);
  const rows: readonly (readonly [string, number])[] = [
    ['/app-health/app/livez', 204],
    ['/app-health/app/readyz', 500],
    ['/app-health/app/startupz', 200],
    ['/app-health/other/livez', 500],
    ['/app-health/other/readyz', 500],
    ['/app-health/nobody/livez', 400],
    ['/nothing', 404],
  ];
  for (const [path, expected] of rows) {
    // A probe has a second, which a busy machine may need for itself.
    await agent.until(`${expected} of ${path}`, async () => (await agent.get(status, path)).status === expected);
  }
  assert.ok(probes.includes(`GET /well 127.0.0.1:${appPort} p`), probes.join());
  assert.equal((await agent.get(status, '/quitquitquit')).status, 405);
  assert.equal((await agent.get(status, '/quitquitquit', 'POST')).body, 'OK');
  let last = 200;
  await agent.until('the drain', async () => {
    ({ status: last } = await agent.get(status, '/healthz/ready'));
    return last !== 200;
  });
  // Who asks too late finds nobody.
  if (last !== 0) assert.equal(last, 503);
  await agent.until('the end', () => agent.hasExited);
  assert.equal(agent.child.exitCode, 0);
  application.close();
});

test('a signal drains, and a proxy that dies takes the agent with it', { skip: missing, timeout: 60_000 }, async () => {
  const port = await freePort();
  const drained = await start(control, 'drained');
  control.ads.set(CLUSTER, resources(CLUSTER), drained.nodeId);
  control.ads.set(LISTENER, resources(LISTENER, listener(port, SHOWS_PEER, false)), drained.nodeId);
  await drained.answers(port);
  const began = Date.now();
  assert.equal(await drained.stop(), 0);
  assert.ok(Date.now() - began >= 900, drained.output);
  assert.equal((await drained.get(port, '/')).status, 0);

  const patientPort = await freePort();
  const patient = await start(control, 'patient', {
    variables: { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true', MINIMUM_DRAIN_DURATION: '100ms' },
  });
  control.ads.set(CLUSTER, resources(CLUSTER), patient.nodeId);
  control.ads.set(LISTENER, resources(LISTENER, listener(patientPort, SHOWS_PEER, false)), patient.nodeId);
  await patient.answers(patientPort);
  const held = connect(patientPort, '127.0.0.1');
  await patient.until('the connection', async () =>
    /_cx_active: [1-9]/.test(
      (await patient.get(patient.ports.admin, `/stats?filter=${patientPort}.downstream_cx_active`)).body,
    ),
  );
  const ended = patient.stop();
  await patient.until('the wait', () => /\b1 connections are active/.test(patient.output));
  held.destroy();
  assert.equal(await ended, 0);
  assert.match(patient.output, /\b0 connections are active/);

  const crashed = await start(control, 'crashed');
  await crashed.until('the proxy', async () => (await crashed.get(crashed.ports.admin, '/ready')).status !== 0);
  const info = JSON.parse((await crashed.get(crashed.ports.admin, '/server_info')).body) as { readonly state: string };
  assert.equal(info.state, 'PRE_INITIALIZING');
  const pid = await childOf(crashed.child.pid ?? 0);
  process.kill(pid, 'SIGSEGV');
  await crashed.until('the end', () => crashed.hasExited);
  assert.equal(crashed.child.exitCode, 1);
  assert.match(crashed.output, /the proxy ended by SIGSEGV/);

  const killed = await start(control, 'killed');
  await killed.until('the proxy', async () => (await killed.get(killed.ports.admin, '/ready')).status !== 0);
  await killed.stop('SIGKILL');
  await killed.until('nobody', async () => (await killed.get(killed.ports.admin, '/ready')).status === 0);

  const absent = await start(control, 'absent', { envoy: '/nowhere/envoy' });
  await absent.until('the end', () => absent.hasExited);
  assert.equal(absent.child.exitCode, 127);
  assert.match(absent.output, /\/nowhere\/envoy cannot be run/);
});

test('the same inside Heddle’s own proxy', { timeout: 60_000 }, async () => {
  const [serverPort, clientPort] = [await freePort(), await freePort()];
  const server = await start(control, 'inside-server', { envoy: null });
  const client = await start(control, 'inside-client', { envoy: null });
  control.ads.set(CLUSTER, resources(CLUSTER), server.nodeId);
  control.ads.set(LISTENER, resources(LISTENER, listener(serverPort, SHOWS_PEER, true)), server.nodeId);
  control.ads.set(CLUSTER, resources(CLUSTER, cluster('server', serverPort, true)), client.nodeId);
  control.ads.set(
    LISTENER,
    resources(LISTENER, listener(clientPort, { route: { cluster: 'server' } }, false)),
    client.nodeId,
  );
  await client.answers(clientPort);
  const response = await fetch(`http://127.0.0.1:${clientPort}/`);
  assert.equal(response.headers.get('peer'), 'spiffe://cluster.local/ns/shop/sa/inside-client');
  await client.answers(client.ports.status, '/healthz/ready');
  await client.answers(client.ports.proxyStatus, '/healthz/ready');
  assert.match((await client.get(client.ports.status, '/stats/prometheus')).body, /cert_expiry_seconds.* 3\d{3}/);
  // Gateways name files, too, and those change.
  const paths = [join(client.directory, 'chain.pem'), join(client.directory, 'key.pem')] as const;
  const write = (subject: string): void => {
    const { pem, keyPem } = makeCertificate({ issuer: control.root, subject });
    writeFileSync(paths[0], pem);
    writeFileSync(paths[1], keyPem);
  };
  mkdirSync(client.directory, { recursive: true });
  write('one');
  const filePort = await freePort();
  const withFiles = listener(filePort, SHOWS_PEER, true, `file-cert:${paths[0]}~${paths[1]}`);
  control.ads.set(LISTENER, resources(LISTENER, withFiles), client.nodeId);
  await client.until('the certificate of the file', async () => (await subjectAt(filePort)) === 'one');
  write('two');
  await client.until('its successor', async () => (await subjectAt(filePort)) === 'two');
  assert.equal(await client.stop(), 0);
});
