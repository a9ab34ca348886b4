// What holds in the bookshop in every mode: who answers, what is on the wire, what is denied, what may leave.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { it } from 'node:test';
import { type BookshopMesh, ISBN, type Mode, REVIEWS_URL } from './bookshop-mesh.ts';
import { countOf, failuresOf, shareOf, tolerance } from './mesh-caller.ts';
import { isRoot } from './up-rig.ts';
import { areTlsRecords, dialAround, handshake, record, runBetween } from './wire.ts';

const CALLS = 500;
const sa = (name: string): string => `spiffe://cluster.local/ns/bookshop/sa/${name}`;

/** A mesh that runs when tests do. */
type Mesh = () => BookshopMesh;

/** Registers tests. */
export function checkBookshop({ capture }: Mode, mesh: Mesh): void {
  checkSplit(mesh);
  checkWire(mesh);
  checkIdentity(mesh);
  checkAccess(mesh);
  checkEgress(mesh);
  // Without namespaces nothing holds back who does not ask the proxy, which `heddle up` says.
  if (capture === 'namespaces') checkWaysOut(mesh);
}

function checkSplit(mesh: Mesh): void {
  for (const client of ['fetch', 'http', 'grpc', 'curl'] as const) {
    it(`gives callers by ${client} version 1 in 80 of 100 calls`, async () => {
      const outcome = await mesh().caller.call(REVIEWS_URL, { client, count: CALLS, concurrency: 4 });
      assert.deepEqual(failuresOf(outcome), {});
      const [share, allowed] = [shareOf(outcome, 'v1'), tolerance(0.8, countOf(outcome))];
      assert.ok(Math.abs(share - 0.8) <= allowed, `${share} of ${countOf(outcome)} calls`);
    });
  }
}

function checkWire(mesh: Mesh): void {
  it('puts nothing but TLS on the wire between two workloads', { skip: !isRoot && 'needs root' }, async () => {
    const recorded = await record(mesh(), 'reviews-v1-1', () =>
      mesh().caller.call(REVIEWS_URL, { count: 40, concurrency: 4 }),
    );
    const wire = recorded.onWire;
    assert.ok(wire.length >= 2, `two ways were recorded: ${wire.map(({ name }) => name)}`);
    for (const { name, bytes } of wire) {
      assert.ok(areTlsRecords(bytes), `${name}: ${bytes.subarray(0, 64).toString('hex')}`);
      assert.doesNotMatch(bytes.toString('latin1'), /HTTP\/1|\/reviews\/|reviewer|Dolly/);
    }
    // The same recorder sees the words where they may be read: behind the proxy.
    const inside = recorded.behindProxy.map(({ bytes }) => bytes.toString('latin1')).join('');
    assert.match(inside, new RegExp(`GET /reviews/${ISBN} HTTP/1\\.1`));
    assert.match(inside, /"reviewer":"Dolly"/);
  });

  it('gives no answer to plaintext, which a strict workload does not take', async () => {
    const { address, port } = mesh().endpointOf('reviews-v1-1', 'http-9080');
    const url = `http://${address}:${port}/reviews/${ISBN}`;
    const { code, output } = await runBetween(mesh(), ['curl', '-s', '-i', '--max-time', '4', url]);
    assert.equal(output, '');
    // 52: an empty answer, 56: the connection was reset.
    assert.ok(code === 52 || code === 56, `curl ended with ${code}`);
  });
}

function checkIdentity(mesh: Mesh): void {
  it('proves to both ends who the other is', async () => {
    await mesh().caller.call(REVIEWS_URL, { count: 20 });
    const pair = await eventually(() => {
      const sent = mesh()
        .accessLog('caller-1')
        .filter((line) => line['authority'] === 'reviews:9080');
      const received = new Map(
        mesh()
          .accessLog('reviews-v1-1')
          .map((line) => [line['request_id'], line]),
      );
      const both = sent.map((line) => [line, received.get(line['request_id'])] as const);
      return both.findLast(([, other]) => other !== undefined) ?? null;
    });
    const [sent, received] = pair;
    assert.equal(sent['upstream_peer_uri_san'], sa('reviews'));
    assert.equal(received?.['downstream_peer_uri_san'], sa('caller'));
    assert.equal(sent['upstream_tls_version'], 'TLSv1.3');
    assert.equal(received?.['downstream_tls_version'], 'TLSv1.3');
  });

  it('shows the identity of a workload to OpenSSL, and answers nobody without a certificate', async () => {
    const shown = await handshake(mesh(), 'reviews-v1-1');
    assert.equal(shown.identity, `URI:${sa('reviews')}`);
    assert.ok(shown.isOfMesh, 'the root of the mesh signed it');
    assert.ok(!shown.hasAnswer, 'no HTTP came back');
  });
}

function checkAccess(mesh: Mesh): void {
  it('answers 403 to who may not ask, and the log names the policy', async () => {
    assert.equal(await mesh().caller.once('http://orders:9080/admin/orders'), 'HTTP 403 RBAC: access denied');
    const line = await eventually(
      () =>
        mesh()
          .accessLog('orders-1')
          .find((one) => one['path'] === '/admin/orders') ?? null,
    );
    assert.equal(line['response_code'], 403);
    assert.equal(
      line['response_code_details'],
      'rbac_access_denied_matched_policy[ns[bookshop]-policy[orders-are-confidential]-rule[0]]',
    );
    assert.equal(line['downstream_peer_uri_san'], sa('caller'));
  });
}

function checkEgress(mesh: Mesh): void {
  it('lets shop ask quotes.example.com by way of the egress gateway, and nobody else', async () => {
    const answer = await fetch(`${mesh().urls.http}/api/book`);
    const { quote } = (await answer.json()) as { quote: { value?: { text: string }; problem?: string } };
    assert.equal(typeof quote.value?.text, 'string', quote.problem);
    const passed = await eventually(
      () =>
        mesh()
          .accessLog('egress')
          .find((one) => one['response_code'] === 200) ?? null,
    );
    assert.equal(passed['authority'], 'quotes.example.com');
    assert.equal(passed['downstream_peer_uri_san'], sa('shop'));
    assert.equal(passed['upstream_cluster'], 'outbound|80||quotes.example.com');
    assert.equal(await mesh().caller.once('http://quotes.example.com/'), 'HTTP 403 RBAC: access denied');
    const refused = await eventually(
      () =>
        mesh()
          .accessLog('egress')
          .find((one) => one['downstream_peer_uri_san'] === sa('caller')) ?? null,
    );
    assert.match(String(refused['response_code_details']), /^rbac_access_denied_matched_policy\[none\]/);
  });

  it('lets nobody call a host that was not declared', async () => {
    // An address for documentation: nobody has it.
    assert.match(await mesh().caller.once('http://203.0.113.9/', 'http'), /^HTTP 502/);
    const line = await eventually(
      () =>
        mesh()
          .accessLog('caller-1')
          .find((one) => one['authority'] === '203.0.113.9') ?? null,
    );
    assert.equal(line['route_name'], 'block_all');
    const startMs = Date.now();
    assert.match(await mesh().caller.once('http://partner.example.com/', 'http'), /^HTTP 502|^error .*ENOTFOUND/);
    const ms = Date.now() - startMs;
    assert.ok(ms < 2000, `it took ${ms} ms to say so`);
  });
}

function checkWaysOut(mesh: Mesh): void {
  it('has no way out of a namespace but that', async () => {
    let connections = 0;
    const server = createServer((socket) => {
      connections++;
      socket.end('out');
    });
    await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
    const { port } = server.address() as AddressInfo;
    const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    const hosts = all.filter(({ family }) => family === 'IPv4').map(({ address }) => address);
    const [outside] = hosts.filter((host) => !host.startsWith('127.'));
    try {
      // What goes through the proxy, and what goes around it.
      const answer = await mesh().caller.once(`tcp://${outside ?? '203.0.113.9'}:${port}`, 'tcp');
      assert.match(answer, /^closed after 0 bytes|^error .*ECONNRESET/);
      const dialled = await dialAround(mesh(), 'caller-1', port, [...hosts, '10.244.0.1', '203.0.113.9']);
      assert.equal(dialled.length, hosts.length + 2);
      for (const [host, result] of dialled) assert.notEqual(result, 'connected', host);
      assert.equal(connections, 0);
    } finally {
      server.close();
    }
  });
}

/** Logs are written a moment later. */
export async function eventually<Value>(look: () => Value | null, limitMs = 30_000): Promise<NonNullable<Value>> {
  const endMs = Date.now() + limitMs;
  for (;;) {
    const found = look();
    if (found != null) return found;
    if (Date.now() > endMs) throw new Error(`not within ${limitMs} ms: ${look}`);
    await new Promise((wake) => setTimeout(wake, 50));
  }
}
