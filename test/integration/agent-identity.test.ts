// Identities of a real Envoy under an agent over their lives: renewal, refusals, other roots, and a second start.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connect } from 'node:tls';
import { makeCa, makeCertificate, type TestCertificate } from '../support/certificates.ts';
import { arePeersRequired } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import { CLUSTER, canRunEnvoy, LISTENER, listener, resources, TestAgent, TestControl } from './agent-rig.ts';

const missing = canRunEnvoy() || arePeersRequired() ? false : 'the real Envoy is not installed';
const HELLO = { direct_response: { status: 200, body: { inline_string: 'hello' } } };

const controls: TestControl[] = [];
const agents: TestAgent[] = [];
after(async () => {
  for (const agent of agents) await agent.stop('SIGKILL');
  for (const control of controls) control.stop();
});

type Started = { readonly agent: TestAgent; readonly control: TestControl; readonly port: number };

function makeControl(): TestControl {
  const control = new TestControl();
  controls.push(control);
  return control;
}

async function start(
  control: TestControl,
  name: string,
  options: Parameters<typeof TestAgent.start>[2],
): Promise<Started> {
  const port = await freePort();
  const agent = await TestAgent.start(control, name, options);
  agents.push(agent);
  control.ads.set(CLUSTER, resources(CLUSTER), agent.nodeId);
  control.ads.set(LISTENER, resources(LISTENER, listener(port, HELLO, true)), agent.nodeId);
  return { agent, control, port };
}

/** Asks over mutual TLS; the server's serial number, or why there is no answer. */
function ask(port: number, root: TestCertificate): Promise<string> {
  const client = makeCertificate({ issuer: root, sans: [{ uri: 'spiffe://cluster.local/ns/shop/sa/test' }] });
  return new Promise((resolve) => {
    const socket = connect({
      ...{ port, host: '127.0.0.1', cert: client.chainPem, key: client.keyPem, rejectUnauthorized: false },
    });
    let text = '';
    socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'));
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    const serial = (): string => socket.getPeerCertificate().serialNumber ?? '';
    let seen = '';
    socket.on('secureConnect', () => {
      seen = serial();
    });
    socket.on('error', (error) => resolve(`error: ${error.message}`));
    socket.on('close', () => resolve(text.includes('hello') ? seen : `error: ${text}`));
  });
}

async function serves(started: Started, root: TestCertificate): Promise<string> {
  let serial = '';
  await started.agent.until('an answer', async () => {
    serial = await ask(started.port, root);
    return !serial.startsWith('error');
  });
  return serial;
}

test('a join token is used once; renewals are made as the workload, and the old certificate serves until then', {
  skip: missing,
  timeout: 90_000,
}, async () => {
  const control = makeControl();
  control.authority.lifeMs = 6000;
  const token = control.token('shop/joined');
  const started = await start(control, 'joined', { token: null, flags: ['--join-token', token] });
  const { agent } = started;
  const first = await serves(started, control.root);
  // From now on it is worth nothing.
  control.tokens.clear();
  control.authority.refusals = 2;
  let failed = 0;
  await agent.until('another certificate', async () => {
    const serial = await ask(started.port, control.root);
    if (serial.startsWith('error')) failed++;
    return serial !== first;
  });
  assert.equal(failed, 0);
  const { signed } = control.authority;
  assert.match(signed[0]?.token ?? '', /^Bearer token-/);
  assert.deepEqual(
    signed.slice(1).filter((one) => one.token !== ''),
    [],
  );
  assert.match(agent.output, /no certificate: .*not today \(the last one still holds/);
  const { body } = await agent.get(agent.ports.status, '/metrics');
  assert.match(body, /istio_agent_num_failed_outgoing_requests\{request_type="CSR"\} 2/);
});

test('another root of the mesh reaches the proxy, and the old one is believed in as long as it may be about', {
  skip: missing,
  timeout: 90_000,
}, async () => {
  const control = makeControl();
  control.authority.lifeMs = 4000;
  const started = await start(control, 'rooted', {});
  const before = await serves(started, control.root);
  const other = makeCa('other');
  assert.match(await ask(started.port, other), /^error/);
  control.authority.root = other;
  await started.agent.until('the other root', async () => !(await ask(started.port, other)).startsWith('error'));
  assert.notEqual(await ask(started.port, control.root), before);
  assert.ok(!(await ask(started.port, control.root)).startsWith('error'));
});

for (const kind of ['envoy', 'heddle'] as const) {
  const skip = kind === 'envoy' ? missing : false;
  test(`a bundle of the control plane is believed in, too (${kind})`, { skip, timeout: 60_000 }, async () => {
    const control = makeControl();
    const other = makeCa('other');
    const type = 'istio.mesh.v1alpha1.ProxyConfig';
    const started = await start(control, 'bundled', kind === 'heddle' ? { envoy: null } : {});
    await serves(started, control.root);
    control.ads.set(type, { '': { ca_certificates_pem: [other.pem] } }, started.agent.nodeId);
    await started.agent.until('the bundle', async () => !(await ask(started.port, other)).startsWith('error'));
    assert.ok(!(await ask(started.port, control.root)).startsWith('error'));
    await control.ads.until(() => control.ads.isAcked(type));
  });
}

test('what was kept over a restart speaks for the workload', { skip: missing, timeout: 90_000 }, async () => {
  const control = makeControl();
  const directory = join(control.directory, 'kept');
  const token = control.token('shop/kept');
  const options = {
    ...{ token: null, flags: ['--join-token', token] },
    variables: { OUTPUT_CERTS: directory, PROV_CERT: directory },
  };
  const first = await start(control, 'kept', options);
  await serves(first, control.root);
  assert.equal(statSync(join(directory, 'key.pem')).mode & 0o777, 0o600);
  await first.agent.stop();
  control.tokens.clear();
  const second = await start(control, 'kept', options);
  await serves(second, control.root);
  assert.equal(control.authority.signed.at(-1)?.token, '');
  // Keys are nobody's business but the proxy's.
  const key = readFileSync(join(directory, 'key.pem'), 'latin1').split('\n')[1] ?? 'none';
  assert.ok(!first.agent.output.includes(key) && !second.agent.output.includes(key));
  const dump = await second.agent.get(second.agent.ports.admin, '/config_dump?include_eds');
  assert.ok(!dump.body.includes(key));
});

test('without roots, authority or token the reason is said, and the proxy lives', {
  skip: missing,
  timeout: 60_000,
}, async () => {
  const control = makeControl();
  const stranger = join(control.directory, 'stranger.pem');
  writeFileSync(stranger, makeCa('stranger').pem);
  const rows: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['rootless', ['--root-ca', '/nowhere/root.pem'], /the roots of the control plane cannot be read: .*nowhere/],
    ['unbelieving', ['--root-ca', stranger], /the certificate of the server is not believed/],
    ['tokenless', ['--token', '/nowhere/token'], /the token cannot be read: .*nowhere/],
  ];
  for (const [name, flags, expected] of rows) {
    const { agent } = await start(control, name, { flags });
    await agent.until(String(expected), () => expected.test(agent.output));
    await agent.until('the proxy', async () => (await agent.get(agent.ports.admin, '/ready')).status === 503);
    assert.equal(await agent.stop(), 0);
    assert.ok(!existsSync(`/proc/${agent.child.pid}`));
  }
});
