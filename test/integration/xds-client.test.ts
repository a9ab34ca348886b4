// The transports of xDS over real sockets and files: streams for each type, REST, files; and servers that misbehave.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FileWatch } from '../../src/net/file-watch.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { registry } from '../../src/proto/registry.ts';
import { typeUrlOf } from '../../src/proto/type-url.ts';
import { pathSource } from '../../src/proxy/xds/sources/path-source.ts';
import { restSource } from '../../src/proxy/xds/sources/rest-source.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../../src/xds/client/services.ts';
import { AdsServer, resource, showRequest } from '../support/ads-server.ts';
import { Follower, XdsClientRig } from '../support/xds-client.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-xds-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function until(what: string, test: () => boolean, timeoutMs = 30_000): Promise<void> {
  for (const end = performance.now() + timeoutMs; !test(); await sleep(5)) {
    if (performance.now() > end) assert.fail(`${what} did not come`);
  }
}

function served(t: TestContext): { server: AdsServer; rig: XdsClientRig } {
  const server = new AdsServer();
  const rig = new XdsClientRig(server.port);
  t.after(() => {
    rig.close();
    server.stop();
  });
  return { server, rig };
}

const names = (follower: Follower): string[] => [...follower.has.keys()].sort();

for (const isDelta of [false, true]) {
  test(`a stream for each type, counted with it: ${isDelta ? 'delta' : 'state of the world'}`, async (t) => {
    const { server, rig } = served(t);
    server.set(CLUSTER_TYPE, { a: { name: 'a' } });
    server.set(ENDPOINT_TYPE, { a: { cluster_name: 'a' }, b: { cluster_name: 'b' } });
    const source = rig.grpc({ isAggregated: false, isDelta });
    const clusters = new Follower();
    const endpoints = new Follower();
    const all = source.subscribe(CLUSTER_TYPE, true, 0, clusters, rig.counts('cluster_manager.cds.'));
    const some = source.subscribe(ENDPOINT_TYPE, false, 0, endpoints);
    for (const name of ['a', 'b']) some.add(name, rig.counts(`cluster.${name}.`));
    await server.until(() => server.isAcked(CLUSTER_TYPE) && server.isAcked(ENDPOINT_TYPE));
    assert.deepEqual([names(clusters), names(endpoints)], [['a'], ['a', 'b']]);
    const form = isDelta ? 'Delta' : 'Stream';
    assert.deepEqual([...new Set(server.requests.map(({ path }) => path))].sort(), [
      `/envoy.service.cluster.v3.ClusterDiscoveryService/${form}Clusters`,
      `/envoy.service.endpoint.v3.EndpointDiscoveryService/${form}Endpoints`,
    ]);
    for (const prefix of ['cluster_manager.cds.', 'cluster.a.', 'cluster.b.']) {
      assert.equal(rig.stat(`${prefix}control_plane.connected_state`), 1, prefix);
      assert.equal(rig.stat(`${prefix}update_success`), 1, prefix);
    }
    assert.ok(rig.statLines().includes('cluster.b.control_plane.identifier: "test-server"'));
    some.close();
    await server.until(() => server.streams.size === 1);
    assert.equal(rig.stats.find('cluster.a.control_plane.connected_state'), undefined, 'nobody asks any more');
    all.close();
    await server.until(() => server.streams.size === 0);
  });
}

test('a stream that ends is opened again, and told of', async (t) => {
  const { server, rig } = served(t);
  server.set(CLUSTER_TYPE, { a: { name: 'a' } });
  const clusters = new Follower();
  rig.grpc({}).subscribe(CLUSTER_TYPE, true, 0, clusters, rig.sharedCounts('cluster_manager.cds.'));
  await server.until(() => server.isAcked(CLUSTER_TYPE));
  assert.equal(rig.stat('control_plane.connected_state'), 1);
  server.refuseWith = { code: 8, message: 'too many streams' };
  server.closeStreams(14, 'restarting');
  await until('a refusal', () => rig.lines.length > 3);
  assert.match(clusters.connection?.detail ?? '', /closed: 8, too many streams\{via_upstream\}$/);
  assert.equal(names(clusters).join(), 'a', 'the last good state stays');
  const what = 'StreamAggregatedResources gRPC config stream to xds closed';
  assert.equal(rig.lines[0], `debug: ${what}: 14, restarting{via_upstream}`);
  const previously = '(previously 14, restarting{via_upstream} since 0s ago)';
  assert.equal(rig.lines[1], `warning: ${what}: 8, too many streams{via_upstream} ${previously}`);
  assert.equal(rig.lines[2], `debug: ${what}: 8, too many streams{via_upstream}`);
  server.refuseWith = null;
  server.set(CLUSTER_TYPE, { b: { name: 'b' } });
  await until('the new state', () => names(clusters).join() === 'b');
  assert.equal(clusters.connection, null);
  assert.ok(rig.stat('cluster_manager.cds.update_failure') >= 3);
});

test('a server that is not there, or is no such server', async (t) => {
  const { server, rig } = served(t);
  const clusters = new Follower();
  server.stop();
  rig.grpc({}).subscribe(CLUSTER_TYPE, true, 60, clusters, rig.sharedCounts('cluster_manager.cds.'));
  await until('the end of the wait', () => clusters.timeouts.length > 0);
  await until('failures', () => rig.stat('cluster_manager.cds.update_failure') > 2);
  assert.deepEqual(clusters.timeouts, ['*']);
  assert.ok(rig.lines.includes(`warning: gRPC config: initial fetch timed out for ${typeUrlOf(CLUSTER_TYPE)}`));
  assert.equal(rig.stat('cluster_manager.cds.init_fetch_timeout'), 1);
  assert.match(rig.lines[0] ?? '', /closed: 14, upstream connect error or disconnect\/reset before headers/);
});

// ─── Misbehaviour ─────────────────────────────────────────────────────────────────────────────────────────────────

const RESPONSE = registry.message('envoy.service.discovery.v3.DiscoveryResponse');

test('garbage ends the stream, and the next one is as good as new', async (t) => {
  const { server, rig } = served(t);
  server.set(CLUSTER_TYPE, { a: { name: 'a' } });
  const clusters = new Follower();
  rig.grpc({}).subscribe(CLUSTER_TYPE, true, 0, clusters);
  await server.until(() => server.isAcked(CLUSTER_TYPE));
  for (const bytes of [Buffer.from('no protobuf \xff\xff', 'latin1'), Buffer.alloc(1, 0x0f)]) {
    const before = server.streamCount;
    for (const stream of server.streams) stream.sendBytes(bytes);
    await server.until(() => server.streamCount > before && server.streams.size === 1);
  }
  assert.match(rig.lines[0] ?? '', /^warning: .* closed: 13, /);
  // An empty message is one of no type.
  for (const stream of server.streams) stream.sendBytes(Buffer.alloc(0));
  await until('a warning', () => rig.lines.some((line) => line.includes('Ignoring the message for type URL  as')));
  server.put(CLUSTER_TYPE, 'b', { name: 'b' });
  await until('the new state', () => names(clusters).join() === 'a,b');
});

test('what cannot be a resource is refused; the good rest is taken on, and nothing is gone', async (t) => {
  const { server, rig } = served(t);
  server.set(CLUSTER_TYPE, { a: { name: 'a' }, b: { name: 'b' } });
  const clusters = new Follower();
  rig.grpc({}).subscribe(CLUSTER_TYPE, true, 0, clusters);
  await server.until(() => server.isAcked(CLUSTER_TYPE));
  const half = encodeBinary(registry.message(CLUSTER_TYPE), { name: 'half' }).subarray(0, 4);
  server.set(CLUSTER_TYPE, {
    b: { name: 'b', alt_stat_name: 'new' },
    wrong: resource(LISTENER_TYPE, { name: 'wrong' }),
    half: resource(CLUSTER_TYPE, half),
    unknown: resource(CLUSTER_TYPE, { name: 'u' }, { typeUrl: 'type.googleapis.com/no.such.Type' }),
    untyped: resource(CLUSTER_TYPE, { name: 'v' }, { typeUrl: '' }),
  });
  await server.until(() => server.nacks.length === 1);
  assert.deepEqual(names(clusters), ['a', 'b']);
  assert.equal(clusters.responses, 2);
  assert.match(server.nacks[0]?.error ?? '', /type URL .*Listener .*Unable to unpack .*no\.such\.Type/);
  server.set(CLUSTER_TYPE, { b: { name: 'b' } });
  await server.until(() => server.isAcked(CLUSTER_TYPE));
  assert.deepEqual(names(clusters), ['b']);
});

test('a message of 100 MB', async (t) => {
  const { server, rig } = served(t);
  const clusters = new Follower();
  rig.grpc({}).subscribe(CLUSTER_TYPE, true, 0, clusters);
  await server.until(() => server.requests.length === 1);
  const [stream] = server.streams;
  const type_url = typeUrlOf(CLUSTER_TYPE);
  const resources = Array.from({ length: 1000 }, (_, i) => {
    const head = encodeBinary(registry.message(CLUSTER_TYPE), { name: `c${i}` });
    // An unknown field of 100,000 bytes.
    const rest = Buffer.concat([Uint8Array.of(0xf2, 0x3f, 0xa0, 0x8d, 0x06), Buffer.alloc(100_000)]);
    return { type_url, value: Buffer.concat([head, rest]) };
  });
  const bytes = encodeBinary(RESPONSE, { version_info: '1', type_url, nonce: 'n1', resources });
  assert.ok(bytes.length > 100_000_000);
  stream?.sendBytes(bytes);
  await until('the resources', () => clusters.has.size === 1000, 20_000);
  await server.until(() => server.of(CLUSTER_TYPE).at(-1)?.version === '1');
});

test('a server that flaps', async (t) => {
  const { server, rig } = served(t);
  server.set(CLUSTER_TYPE, { a: { name: 'a' } });
  const clusters = new Follower();
  rig.grpc({}).subscribe(CLUSTER_TYPE, true, 0, clusters, rig.sharedCounts('cluster_manager.cds.'));
  for (let i = 0; i < 60; i++) {
    server.closeStreams(14, 'flap');
    if (i % 10 === 0) server.set(CLUSTER_TYPE, { [`a${i}`]: { name: `a${i}` } });
    await sleep(10);
  }
  await server.until(() => server.isAcked(CLUSTER_TYPE));
  await until('the last state', () => names(clusters).join() === 'a50');
  assert.equal(server.streams.size, 1);
});

test('a connection that ends within a message', async (t) => {
  const server = http2.createServer();
  let streams = 0;
  server.on('session', (session) => session.on('error', () => {}));
  server.on('stream', (stream) => {
    streams++;
    stream.on('error', () => {});
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.write(Buffer.concat([Buffer.of(0, 0, 0, 4, 0), Buffer.alloc(500)]));
    setTimeout(() => (streams % 2 === 0 ? stream.close(2) : stream.session?.destroy()), 10);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const rig = new XdsClientRig((server.address() as AddressInfo).port);
  t.after(() => {
    rig.close();
    server.close();
  });
  const clusters = new Follower();
  rig.grpc({}).subscribe(CLUSTER_TYPE, true, 0, clusters);
  await until('streams', () => streams > 5);
  assert.equal(clusters.responses, 0);
});

test('answers out of order, late, or not at all', async (t) => {
  const { server, rig } = served(t);
  const endpoints = new Follower();
  const some = rig.grpc({}).subscribe(ENDPOINT_TYPE, false, 100, endpoints);
  server.drops.set(ENDPOINT_TYPE, 1);
  server.set(ENDPOINT_TYPE, { a: { cluster_name: 'a' }, b: { cluster_name: 'b' } });
  some.add('a');
  await until('the end of the wait', () => endpoints.timeouts.join() === 'a');
  server.isHolding = true;
  some.add('b');
  await until('a held response', () => server.heldCount === 1);
  server.put(ENDPOINT_TYPE, 'a', { cluster_name: 'a', policy: {} });
  server.release((held) => held.reverse());
  await until('both', () => names(endpoints).join() === 'a,b');
  // What was answered last was sent before: the server takes that for what it is.
  server.put(ENDPOINT_TYPE, 'a', { cluster_name: 'a' });
  await server.until(() => server.isAcked(ENDPOINT_TYPE));
});

// ─── Files ────────────────────────────────────────────────────────────────────────────────────────────────────────

function moveInto(path: string, content: string | Uint8Array): void {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

function fileRig(t: TestContext, path: string, watchedDirectory = '') {
  const rig = new XdsClientRig(1);
  t.after(() => rig.close());
  const source = rig.keep(
    pathSource({ ...rig.parts, watcher: new FileWatch(), judgeUnknown: () => [] }, path, watchedDirectory),
  );
  return { rig, source };
}

test('files of all forms', async (t) => {
  const message = { version_info: '7', resources: [{ type_url: typeUrlOf(CLUSTER_TYPE), message: { name: 'a' } }] };
  const any = `"@type": "${typeUrlOf(CLUSTER_TYPE)}"`;
  const files: Readonly<Record<string, string | Uint8Array>> = {
    'c.yaml': `version_info: "7"\nresources:\n- ${any}\n  name: a\n`,
    'c.json': `{"version_info": "7", "resources": [{${any}, "name": "a"}]}`,
    'c.pb': encodeBinary(RESPONSE, message as never),
    'c.pb_text': `version_info: "7" resources { [${typeUrlOf(CLUSTER_TYPE)}] { name: "a" } }`,
  };
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    writeFileSync(path, content);
    const { rig, source } = fileRig(t, path);
    const clusters = new Follower();
    source.subscribe(CLUSTER_TYPE, true, 0, clusters, rig.sharedCounts('cds.'));
    await until(name, () => clusters.responses === 1);
    assert.deepEqual([names(clusters), clusters.versions], [['a'], ['7']], name);
    assert.deepEqual([rig.stat('cds.update_attempt'), rig.stat('cds.update_success')], [1, 1]);
  }
});

test('a file is read again when another one is moved into its place, and the last good state stays', async (t) => {
  const path = join(folder, 'moved.yaml');
  const content = (...all: string[]): string =>
    JSON.stringify({ resources: all.map((name) => ({ '@type': typeUrlOf(CLUSTER_TYPE), name })) });
  const { rig, source } = fileRig(t, path);
  const clusters = new Follower();
  source.subscribe(CLUSTER_TYPE, true, 0, clusters, rig.sharedCounts('cds.'));
  await until('the end of the wait', () => clusters.timeouts.length === 1);
  assert.equal(rig.lines[0], `warning: Filesystem config update failure: in ${path}, Invalid path: ${path}`);
  moveInto(path, content('a', 'b'));
  await until('the file', () => names(clusters).join() === 'a,b');
  moveInto(path, '{bad');
  await until('a failure', () => rig.stat('cds.update_failure') === 2);
  assert.notEqual(clusters.connection, null);
  assert.equal(names(clusters).join(), 'a,b');
  moveInto(path, content('b'));
  await until('the next one', () => names(clusters).join() === 'b');
  assert.equal(clusters.connection, null);
  clusters.check = () => 'is bad';
  moveInto(path, content('b'));
  await until('a refusal', () => rig.stat('cds.update_rejected') === 1);
  const rejected = 'warning: Filesystem config update rejected: Error adding/updating cluster(s) b: is bad';
  assert.equal(rig.lines.at(-1), rejected);
});

test('a file that lacks what is wanted says so at once; a directory is watched for links that change', async (t) => {
  const root = join(folder, 'volume');
  const write = (directory: string, ...all: string[]): void => {
    mkdirSync(join(root, directory), { recursive: true });
    const resources = all.map((name) => ({ '@type': typeUrlOf(ROUTE_TYPE), name }));
    writeFileSync(join(root, directory, 'rds.json'), JSON.stringify({ resources }));
  };
  write('v1', 'r');
  symlinkSync('v1', join(root, 'now'));
  const path = join(root, 'now', 'rds.json');
  const { rig, source } = fileRig(t, path, root);
  const routes = new Follower();
  const some = source.subscribe(ROUTE_TYPE, false, 0, routes);
  some.add('r');
  some.add('s', rig.sharedCounts('rds.s.'));
  await until('the file', () => names(routes).join() === 'r' && routes.timeouts.join() === 's');
  assert.equal(rig.stat('rds.s.update_rejected'), 1);
  assert.equal(rig.lines[0], `warning: Filesystem config update rejected: ${path} has no resource 's'`);
  write('v2', 'r', 's');
  symlinkSync('v2', join(root, 'next'));
  renameSync(join(root, 'next'), join(root, 'now'));
  await until('the other volume', () => names(routes).join() === 'r,s');
});

// ─── REST ─────────────────────────────────────────────────────────────────────────────────────────────────────────

type RestRequest = { readonly url: string; readonly body: Record<string, unknown>; readonly head: IncomingMessage };

async function restRig(t: TestContext, answer: (request: RestRequest, response: ServerResponse) => void) {
  const requests: RestRequest[] = [];
  const server = createServer((head, response) => {
    const chunks: Buffer[] = [];
    head.on('data', (chunk: Buffer) => chunks.push(chunk));
    head.on('end', () => {
      const request = { url: head.url ?? '', body: JSON.parse(Buffer.concat(chunks).toString()), head };
      requests.push(request);
      answer(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const rig = new XdsClientRig((server.address() as AddressInfo).port, false);
  t.after(() => {
    rig.close();
    server.close();
    server.closeAllConnections();
  });
  const place = { kind: 'rest', clusterName: 'xds', refreshMs: 20, timeoutMs: 100 } as const;
  return { rig, requests, source: rig.keep(restSource({ ...rig.parts, judgeUnknown: () => [] }, place)) };
}

test('REST: asked from time to time, at once for new names', async (t) => {
  let version = 1;
  const { rig, requests, source } = await restRig(t, ({ url, body }, response) => {
    const isClusters = url.endsWith(':clusters');
    const all = isClusters ? ['a', 'b'] : ((body['resource_names'] as string[] | undefined) ?? []);
    const resources = all.map((name) => ({
      '@type': typeUrlOf(isClusters ? CLUSTER_TYPE : ENDPOINT_TYPE),
      [isClusters ? 'name' : 'cluster_name']: name,
    }));
    response.end(JSON.stringify({ version_info: String(version), resources }));
  });
  const clusters = new Follower();
  const endpoints = new Follower();
  source.subscribe(CLUSTER_TYPE, true, 0, clusters, rig.sharedCounts('cds.'));
  const some = source.subscribe(ENDPOINT_TYPE, false, 0, endpoints);
  some.add('b');
  some.add('a');
  await until('both', () => names(clusters).join() === 'a,b' && names(endpoints).join() === 'a,b');
  const [first] = requests.filter(({ url }) => url === '/v3/discovery:endpoints');
  const node = { id: 'n1', cluster: 'c1', user_agent_name: 'heddle' };
  assert.deepEqual(first?.body, { node, resource_names: ['a', 'b'], type_url: typeUrlOf(ENDPOINT_TYPE) });
  const { method, headers } = first.head;
  assert.deepEqual([method, headers['content-type'], headers.host], ['POST', 'application/json', 'xds']);
  assert.equal(headers['x-envoy-expected-rq-timeout-ms'], '100');
  assert.equal(headers['transfer-encoding'], undefined);
  version = 2;
  await until('the next version', () => requests.some(({ body }) => body['version_info'] === '2'));
  assert.ok(rig.stat('cds.update_attempt') >= rig.stat('cds.update_success'));
  assert.equal(rig.stats.find('cds.update_failure'), 0);
});

test('REST: what is wanted later is asked for without a version', async (t) => {
  const { rig, requests, source } = await restRig(t, ({ body }, response) => {
    if (body['version_info'] === '1') {
      response.writeHead(304).end();
      return;
    }
    const resources = ((body['resource_names'] as string[] | undefined) ?? []).map((name) => ({
      '@type': typeUrlOf(ENDPOINT_TYPE),
      cluster_name: name,
    }));
    response.end(JSON.stringify({ version_info: '1', resources }));
  });
  const endpoints = new Follower();
  const some = source.subscribe(ENDPOINT_TYPE, false, 0, endpoints);
  some.add('a');
  await until('one', () => names(endpoints).join() === 'a');
  await until('it is asked again', () => requests.some(({ body }) => body['version_info'] === '1'));
  some.add('b');
  await until('both', () => names(endpoints).join() === 'a,b');
  assert.deepEqual(rig.lines, []);
});

test('REST: failures are tried again, garbage ends the wait, the last good state stays', async (t) => {
  const good = { version_info: '1', resources: [{ '@type': typeUrlOf(CLUSTER_TYPE), name: 'a' }] };
  const answers: ((response: ServerResponse) => void)[] = [
    (response) => response.writeHead(503).end(),
    (response) => response.end('{bad'),
    (response) => response.end(JSON.stringify({ resources: [{ '@type': 'type.googleapis.com/no.such.Type' }] })),
    (response) => response.end(JSON.stringify(good)),
    (response) => response.writeHead(304).end(),
    () => {},
    (response) => response.destroy(),
    (response) => response.end(JSON.stringify({ ...good, version_info: '2' })),
  ];
  let count = 0;
  const { rig, requests, source } = await restRig(t, (_, response) => {
    const answer = answers[Math.min(count++, answers.length - 1)];
    answer?.(response);
  });
  const clusters = new Follower();
  source.subscribe(CLUSTER_TYPE, true, 0, clusters, rig.sharedCounts('cds.'));
  await until('the last answer', () => clusters.versions.includes('2'));
  assert.deepEqual(clusters.timeouts, ['*']);
  assert.deepEqual([rig.stat('cds.update_failure'), rig.stat('cds.update_rejected')], [3, 2]);
  const texts = rig.lines.map((line) => line.replace(/ \(.*/, ''));
  const failed = 'warning: REST update for /v3/discovery:clusters failed';
  const rejected = 'warning: REST config for /v3/discovery:clusters rejected: Unable to parse JSON as proto';
  assert.deepEqual(texts, [failed, rejected, rejected, failed, failed]);
  const versions = requests.slice(0, 8).map(({ body }) => body['version_info'] ?? '');
  assert.deepEqual(versions, ['', '', '', '', '1', '1', '1', '1']);
});

test('requests of clients are shown as they came', async (t) => {
  const { server, rig } = served(t);
  rig.grpc({}).subscribe(LISTENER_TYPE, true, 0, new Follower());
  await server.until(() => server.requests.length === 1);
  assert.equal(server.requests.map(showRequest).join(), 'stream 1 Listener first with node');
});
