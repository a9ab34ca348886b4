// The agent beside the real Envoy: identities over mutual TLS, discovery that is passed on, and an orderly end.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
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
