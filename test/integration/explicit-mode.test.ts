// Capture without redirect: real callers, both proxies, and the same rules whatever way a request takes.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as tls from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { makeCa, makeCertificate } from '../support/certificates.ts';
import { arePeersRequired } from '../support/find-envoy.ts';
import { canRunEnvoy } from './agent-rig.ts';
import { edgeObjects, lateService, registryOnly, type Shop, shopObjects } from './explicit-objects.ts';
import { ExplicitMesh, run, runScript, talk, type Workload, workload } from './explicit-rig.ts';

const noEnvoy = canRunEnvoy() || arePeersRequired() ? false : 'the real Envoy is not installed';
const STORE = 'store.shop.svc.cluster.local:6379';
const REVIEWS = 'reviews.shop.svc.cluster.local:9080';
const LATE = 'late.shop.svc.cluster.local:5000';
const REQUESTS = 300;
/** Of REQUESTS at 80/20 a fifth goes to v2: five standard deviations on both sides. */
const V2 = { least: 25, most: 95 };

type Counts = Readonly<Record<string, number>>;

function isSplit(counts: Counts, total = REQUESTS): void {
  const { v1 = 0, v2 = 0 } = counts;
  assert.equal(v1 + v2, total, JSON.stringify(counts));
  assert.ok((v2 * REQUESTS) / total >= V2.least && (v2 * REQUESTS) / total <= V2.most, JSON.stringify(counts));
}

/** gRPC without generated code: bytes there, the name of who answers back. */
function counter(name: string): Promise<{ readonly port: number; stop(): void }> {
  const bytes = (value: Buffer): Buffer => value;
  const server = new grpc.Server();
  const definition = { path: '/shop.Counter/Count', requestStream: false, responseStream: false };
  const serializers = {
    ...{ requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes },
  };
  const count = (_call: unknown, done: (error: null, value: Buffer) => void): void => done(null, Buffer.from(name));
  server.addService({ Count: { ...definition, ...serializers } }, { Count: count as never });
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve({ port, stop: () => server.forceShutdown() });
      else reject(error);
    });
  });
}

const GRPC_CALLER = `
import * as grpc from '@grpc/grpc-js';
const client = new grpc.Client('counter:9090', grpc.credentials.createInsecure());
const bytes = (value) => value;
const call = () => new Promise((resolve, reject) => client.makeUnaryRequest('/shop.Counter/Count', bytes, bytes,
  Buffer.from('x'), (error, value) => error ? reject(error) : resolve(value.toString())));
const counts = {};
for (let i = 0; i < ${REQUESTS}; i++) { const name = await call(); counts[name] = (counts[name] ?? 0) + 1; }
console.log(JSON.stringify(counts));
client.close();
`;

const FETCH_CALLER = `
const counts = {};
await Promise.all(Array.from({ length: 6 }, async () => {
  for (let i = 0; i < ${REQUESTS / 6}; i++) {
    const { name } = await (await fetch('http://reviews:9080/' + i)).json();
    counts[name] = (counts[name] ?? 0) + 1;
  }
}));
console.log(JSON.stringify(counts));
`;

const REQUEST_CALLER = `
import { request } from 'node:http';
const get = (path) => new Promise((resolve, reject) => {
  request('http://reviews.shop:9080' + path, (response) => {
    let text = '';
    response.on('data', (chunk) => (text += chunk));
    response.on('end', () => resolve(JSON.parse(text).name));
  }).on('error', reject).end();
});
const counts = {};
for (let i = 0; i < ${REQUESTS}; i++) { const name = await get('/' + i); counts[name] = (counts[name] ?? 0) + 1; }
console.log(JSON.stringify(counts));
`;

for (const kind of ['heddle', 'envoy'] as const) {
  describe(`explicit mode with ${kind}`, { skip: kind === 'envoy' ? noEnvoy : false, timeout: 180_000 }, () => {
    let mesh: ExplicitMesh;
    let shop: Shop;
    let caller: Workload;
    let edge: Workload;
    const counters: { stop(): void }[] = [];
    /** Outside of the mesh, and in no registry. */
    const strangers = createServer((request, response) => void response.end(request.headers.host));
    const curl = async (...args: readonly string[]): Promise<{ status: number; body: string; error: string }> => {
      const all = ['-sS', '-k', '-m', '10', '-w', '\n%{http_code} %{http_connect}', ...args];
      const { stdout, stderr } = await run('curl', all, caller.proxyPort);
      const end = stdout.lastIndexOf('\n');
      const [status = 0, connected = 0] = stdout.slice(end).trim().split(' ').map(Number);
      return { status: status || connected, body: stdout.slice(0, end), error: stderr };
    };
    /** With whole URLs, and through a tunnel by HTTP/1 and HTTP/2. */
    const eachWay = async (check: (way: readonly string[]) => Promise<void>): Promise<void> => {
      for (const way of [[], ['-p'], ['-p', '--http2-prior-knowledge']]) await check(way);
    };
    const peer = (of: string): number => caller.outbound[of] ?? 0;

    before(async () => {
      mesh = await ExplicitMesh.start('');
      await new Promise<void>((resolve) => strangers.listen(0, '127.0.0.1', resolve));
      const [c1, c2] = [await counter('v1'), await counter('v2')];
      counters.push(c1, c2);
      const certificate = makeCertificate({ issuer: makeCa('outside'), sans: [{ dns: 'external.example' }] });
      const identity = { key: certificate.keyPem, cert: certificate.chainPem };
      const outside = tls.createServer(identity, (socket) => {
        socket.on('error', () => undefined);
        socket.end('HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\noutside');
      });
      caller = await workload('caller', { app: 'caller' }, {}, [STORE, REVIEWS, LATE]);
      edge = await workload('edge', { istio: 'edge' });
      shop = {
        caller,
        one: await workload(
          'one',
          { app: 'reviews', version: 'v1' },
          { 9080: await mesh.httpApplication('v1'), 9090: c1.port, 6379: await mesh.tcpApplication('store') },
        ),
        two: await workload(
          'two',
          { app: 'reviews', version: 'v2' },
          {
            ...{ 9080: await mesh.httpApplication('v2'), 9090: c2.port, 8080: await mesh.httpApplication('plain') },
            ...{ 6379: await mesh.tcpApplication('other-store'), 7000: await mesh.httpApplication('unknown') },
          },
        ),
        externalPort: await mesh.serve(outside as never),
        split: [80, 20],
      };
      mesh.mesh.write(`${shopObjects(shop)}\n---\n${edgeObjects(edge)}`);
      for (const one of [shop.caller, shop.one, shop.two]) await mesh.add(one, kind);
      await mesh.add(edge, kind, 'router');
      await mesh.ready();
    });
    after(async () => {
      for (const one of counters) one.stop();
      strangers.close();
      await mesh.stop();
    });

    it('splits what fetch, http.request, grpc-js and curl ask for', async () => {
      // Node's fetch asks for a tunnel, and grpc-js always does.
      const tunnels = async (port: number): Promise<number> => {
        const socket = mesh.agents[0]?.adminSocket ?? '';
        const { stdout } = await run('curl', ['-sS', '--unix-socket', socket, 'http://admin/clusters'], 0);
        const found = new RegExp(`^connect_${port}::.*::cx_total::(\\d+)$`, 'm').exec(stdout);
        return Number(found?.[1] ?? 0);
      };
      isSplit(await runScript<Counts>(FETCH_CALLER, caller.proxyPort));
      assert.ok((await tunnels(9080)) > 0);
      isSplit(await runScript<Counts>(REQUEST_CALLER, caller.proxyPort));
      isSplit(await runScript<Counts>(GRPC_CALLER, caller.proxyPort));
      assert.equal(await tunnels(9090), 1);
      for (const way of [[], ['-p']]) {
        const { body } = await curl(...way, `http://reviews:9080/[1-${REQUESTS}]`);
        const counts: Record<string, number> = {};
        for (const [, name = ''] of body.matchAll(/"name":"(v\d)"/g)) counts[name] = (counts[name] ?? 0) + 1;
        isSplit(counts);
      }
    });

    it('routes by headers, injects faults and denies, in a tunnel and outside', async () => {
      await eachWay(async (way) => {
        for (let i = 0; i < 5; i++) {
          const { body } = await curl(...way, '-H', 'x-user: jason', 'http://reviews:9080/');
          assert.match(body, /"name":"v2"/, `${way}`);
        }
        assert.equal((await curl(...way, 'http://reviews:9080/fault')).status, 418);
        const denied = await curl(...way, 'http://reviews:9080/admin');
        assert.deepEqual([denied.status, denied.body], [403, 'RBAC: access denied']);
      });
      const script = `const { status } = await fetch('http://reviews.shop.svc.cluster.local:9080/admin');
        console.log(JSON.stringify(status));`;
      assert.equal(await runScript<number>(script, caller.proxyPort), 403);
    });

    it('calls with the identity of the workload, and is called by mutual TLS alone', async () => {
      await eachWay(async (way) => {
        const { body } = await curl(...way, '-H', 'x-user: jason', 'http://reviews:9080/');
        assert.match(body, /URI=spiffe:\/\/cluster\.local\/ns\/shop\/sa\/caller/);
      });
      const plain = await talk(9080, 'GET / HTTP/1.1\r\nhost: reviews\r\n\r\n', shop.one.address);
      assert.equal(plain, '');
    });

    it('knows names with and without the port of HTTP', async () => {
      await eachWay(async (way) => {
        for (const url of ['http://plain/', 'http://plain.shop:80/']) {
          assert.match((await curl(...way, url)).body, /"name":"plain"/, `${way} ${url}`);
        }
      });
      // HTTP/1 knows no CONNECT without a port.
      assert.match((await openTunnel(caller.proxyPort, 'plain')).head, /^HTTP\/1\.1 400/);
      for (const authority of ['plain:80', 'PLAIN.shop.svc.cluster.local:80']) {
        const tunnel = await openTunnel(caller.proxyPort, authority);
        assert.match(tunnel.head, /^HTTP\/1\.1 200/, authority);
        assert.match(await tunnel.ask('GET / HTTP/1.1\r\nhost: plain\r\nconnection: close\r\n\r\n'), /"name":"plain"/);
      }
    });

    it('routes what is in a tunnel by its own authority', async () => {
      // As behind redirect: the port is the tunnel's, the host the request's.
      const own = await curl('-p', '-H', 'host: reviews', '-H', 'x-user: jason', 'http://reviews:9080/');
      assert.match(own.body, /"name":"v2"/);
      for (const host of ['nobody', 'plain']) {
        const other = await curl('-p', '-H', `host: ${host}`, 'http://reviews:9080/');
        assert.equal(other.status, 502, host);
      }
      // Nothing of a tunnel is passed on unseen: a port of HTTP takes no other bytes, and no second tunnel.
      const bytes = await openTunnel(caller.proxyPort, 'reviews:9080');
      assert.equal(await bytes.ask('\x16\x03\x01\x00\x05hello'), '');
      const second = await openTunnel(caller.proxyPort, 'reviews:9080');
      assert.match(
        await second.ask('CONNECT reviews:9080 HTTP/1.1\r\nhost: reviews:9080\r\n\r\n'),
        /^HTTP\/1\.1 40[34]/,
      );
    });

    it('carries connections by listeners and by tunnels', async () => {
      assert.equal(await talk(peer(STORE), 'set a\n'), 'store\nset a\n');
      // Whatever a request calls itself, that listener is for the reviews.
      const request = 'GET / HTTP/1.1\r\nhost: x\r\nx-user: jason\r\n\r\n';
      assert.match(await talk(peer(REVIEWS), request, '127.0.0.1', '}}'), /^HTTP\/1\.1 200 OK.*"name":"v2"/s);
      for (const [authority, name] of [
        ['store:6379', 'store'],
        ['other-store.shop:6379', 'other-store'],
      ] as const) {
        const tunnel = await openTunnel(caller.proxyPort, authority);
        assert.equal(await tunnel.ask('get a\n', 'get a\n'), `${name}\nget a\n`);
      }
      assert.equal((await curl('http://store:6379/')).status, 502);
      assert.match((await curl('http://store:6379/')).body, /port for connections/);
    });

    it('looks at ports without a protocol', async () => {
      for (const way of [[], ['-p']]) {
        assert.match((await curl(...way, 'http://unknown:7000/')).body, /"name":"unknown"/, `${way}`);
      }
      // No HTTP: the bytes go to the application, which has something to say of them.
      const tunnel = await openTunnel(caller.proxyPort, 'unknown:7000');
      assert.match(await tunnel.ask('no such protocol\r\n\r\n'), /^HTTP\/1\.1 400 Bad Request\r\nConnection: close/);
    });

    it('goes out to declared hosts, and tells what to declare', async () => {
      assert.equal((await curl('https://external.example:8443/')).body, 'outside');
      const unknown = await curl('-p', '-H', 'host: nobody.example', 'http://reviews:9080/');
      assert.equal(unknown.status, 502);
      assert.match(unknown.body, /nobody\.example is nothing that the mesh knows.*ServiceEntry/);
      assert.match((await curl('http://a.anywhere.example/')).body, /without endpoints \(resolution NONE/);
      assert.equal((await curl('https://a.anywhere.example/')).status, 502);
    });

    it('goes out to hosts that are not declared, by their names', async () => {
      const { port } = strangers.address() as AddressInfo;
      for (const way of [[], ['-p']]) {
        const { status, body } = await curl(...way, `http://nobody.localhost:${port}/`);
        assert.deepEqual([status, body], [200, `nobody.localhost:${port}`], `${way}`);
      }
      const nowhere = await curl('http://nobody.invalid/');
      assert.deepEqual([nowhere.status, nowhere.body], [503, 'DNS resolution failure']);
      assert.equal((await curl('-p', 'http://nobody.invalid/')).status, 503);
    });

    it('has a gateway on its own address', async () => {
      assert.match((await curl('--noproxy', '*', `http://${edge.address}:8080/`)).body, /"name":"plain"/);
    });

    it('listens where it was told, and nowhere else', async () => {
      for (const { workload: one, adminSocket } of mesh.agents) {
        assert.equal(statSync(adminSocket).mode & 0o777, 0o600);
        const { stdout } = await run('curl', ['-sS', '--unix-socket', adminSocket, 'http://admin/listeners'], 0);
        const expected = [15_021, 15_090].map((port) => `${one.address}:${port}`);
        if (one === edge) expected.push(`${edge.address}:8080`);
        else expected.push(`127.0.0.1:${one.proxyPort}`);
        expected.push(...Object.keys(one.inbound).map((port) => `${one.address}:${port}`));
        for (const [of, port] of Object.entries(one.outbound)) if (of !== LATE) expected.push(`127.0.0.1:${port}`);
        const bound = stdout
          .trim()
          .split('\n')
          .map((line) => line.slice(line.indexOf('::') + 2))
          .filter((address) => !address.startsWith('envoy://'));
        assert.deepEqual(bound.sort(), expected.sort(), one.name);
      }
    });

    // A stock Envoy has no filter that counts them.
    const counting = async (): Promise<void> => {
      const total = async (): Promise<number> => {
        const { body } = await curl('--noproxy', '*', `http://${caller.address}:15020/stats/prometheus`);
        const counts = body.matchAll(/^istio_requests_total\{[^}]*\} (\d+)$/gm);
        return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
      };
      const first = await total();
      await curl('-p', 'http://reviews:9080/[1-7]');
      await curl('http://reviews:9080/[1-3]');
      assert.equal((await total()) - first, 10);
    };
    if (kind === 'heddle') it('counts requests once, however they came', counting);

    it('opens a listener when its service comes', async () => {
      assert.equal(await talk(peer(LATE), 'x\n'), '');
      mesh.mesh.write(lateService(shop), 'late.yaml');
      let got = '';
      for (let i = 0; got === '' && i < 200; i++) {
        got = await talk(peer(LATE), 'x\n');
        await sleep(25);
      }
      assert.equal(got, 'store\nx\n');
    });

    it('refuses what REGISTRY_ONLY does not know', async () => {
      mesh.mesh.write(registryOnly(), 'registry.yaml');
      let answer = await curl('http://nobody.example/');
      for (let i = 0; !answer.body.includes('REGISTRY_ONLY') && i < 200; i++) {
        await sleep(25);
        answer = await curl('http://nobody.example/');
      }
      assert.equal(answer.status, 502);
      assert.match(answer.body, /outboundTrafficPolicy REGISTRY_ONLY refuses it\. Declare it with a ServiceEntry/);
      assert.equal((await curl('https://nobody.example/')).status, 502);
      assert.match((await curl('http://plain/')).body, /"name":"plain"/);
      assert.equal((await curl('https://external.example:8443/')).body, 'outside');
    });
  });
}

/** CONNECT by hand: what was answered, and a way to say something inside. */
async function openTunnel(
  port: number,
  authority: string,
): Promise<{ readonly head: string; ask(text: string, until?: string): Promise<string> }> {
  const socket = connect(port, '127.0.0.1');
  let got = '';
  let isOver = false;
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => (got += chunk));
  for (const event of ['end', 'close', 'error']) socket.on(event, () => (isOver = true));
  const wait = async (test: () => boolean): Promise<void> => {
    for (let i = 0; !test() && !isOver && i < 500; i++) await sleep(10);
  };
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  await wait(() => got.includes('\r\n\r\n'));
  const end = got.indexOf('\r\n\r\n') + 4;
  const head = got.slice(0, end);
  got = got.slice(end);
  return {
    head,
    ask: async (text, until) => {
      socket.write(text, 'latin1');
      await wait(() =>
        until === undefined ? got.includes('\r\n\r\n') && !got.startsWith('HTTP/1.1 200') : got.includes(until),
      );
      socket.destroy();
      return got;
    },
  };
}
