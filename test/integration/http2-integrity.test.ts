// Bodies and trailers through HTTP/2 on real sockets, between clients and servers of another make, arrive whole.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ca, server } from '../differential/cases/tls-fixtures.ts';
import { type Hop, type RunningHop, startHop, startTwoHops } from '../support/http2-hops.ts';
import {
  http1Client,
  http2Client,
  type NodeClient,
  type NodeServer,
  noiseHash,
  startNodeServer,
} from '../support/node-http2.ts';
import { scratchFolder, stat, until } from './heddle.ts';

const EXCHANGES = 60;
const AT_ONCE = 30;
/** Sizes are up to two to this power; they go higher for one exchange in ten. */
const USUAL_BITS = 16;
const LARGE_BITS = 21;
/** For the long run by hand: bytes of one body each way. */
const LONG_BYTES = Number(process.env['HEDDLE_LONG_BODY_BYTES'] ?? 8 * 1024 * 1024);

type Way = {
  readonly name: string;
  readonly client: 'http1' | 'http2' | 'https';
  readonly upstream: 'http1' | 'http2';
  readonly start: (upstreamPort: number) => Promise<RunningHop>;
};

const TRAILERS: Hop['manager'] = { http_protocol_options: { enable_trailers: true } };

const one = (hop: Hop) => (port: number) => startHop(hop, port, scratchFolder());

const WAYS: readonly Way[] = [
  { name: 'HTTP/2 to HTTP/2', client: 'http2', upstream: 'http2', start: one({ upstream: 'http2' }) },
  { name: 'HTTP/2 to HTTP/1', client: 'http2', upstream: 'http1', start: one({ upstream: 'http1' }) },
  {
    name: 'HTTP/1 to HTTP/2',
    client: 'http1',
    upstream: 'http2',
    start: one({ upstream: 'http2', manager: TRAILERS }),
  },
  {
    name: 'TLS and HTTP/2 to HTTP/2, small windows',
    client: 'https',
    upstream: 'http2',
    start: one({
      upstream: 'http2',
      certificate: server,
      http2Options: { initial_stream_window_size: 65_535, initial_connection_window_size: 1_048_576 },
    }),
  },
  {
    name: 'HTTP/1 through two proxies with TLS and HTTP/2 between them, to HTTP/1',
    client: 'http1',
    upstream: 'http1',
    start: (port) => startTwoHops({}, { upstream: 'http1' }, port, [scratchFolder(), scratchFolder()]),
  },
  {
    name: 'TLS and HTTP/2 through two proxies to HTTP/2',
    client: 'https',
    upstream: 'http2',
    start: (port) =>
      startTwoHops({ certificate: server }, { upstream: 'http2' }, port, [scratchFolder(), scratchFolder()]),
  },
];

function clientOf(kind: Way['client'], port: number): NodeClient {
  if (kind === 'http1') return http1Client(port);
  return kind === 'http2' ? http2Client(port) : http2Client(port, ca.pem);
}

/** Random sizes, many of them small. */
function sizeOf(): number {
  const bits = Math.random() * (Math.random() < 0.1 ? LARGE_BITS : USUAL_BITS);
  return Math.random() < 0.1 ? 0 : Math.floor(2 ** bits);
}

describe('HTTP/2 on real sockets', () => {
  const upstreams = new Map<string, NodeServer>();
  before(async () => {
    for (const kind of ['http1', 'http2'] as const) upstreams.set(kind, await startNodeServer(kind));
  });
  after(async () => {
    for (const upstream of upstreams.values()) await upstream.close();
  });

  for (const way of WAYS) {
    describe(way.name, () => {
      let hop: RunningHop;
      let client: NodeClient;
      before(async () => {
        hop = await way.start((upstreams.get(way.upstream) as NodeServer).port);
        client = clientOf(way.client, hop.port);
      });
      after(async () => {
        await client.close();
        await hop.stop();
      });

      it('many exchanges at once', async () => {
        let next = 0;
        const askSome = async (): Promise<void> => {
          while (next < EXCHANGES) await checkExchange(client, way, next++);
        };
        await Promise.all(Array.from({ length: AT_ONCE }, askSome));
      });

      it('one long body each way', async () => {
        const hash = noiseHash(LONG_BYTES, 5);
        const down = await client.ask(`/get/${LONG_BYTES}/5`);
        assert.deepEqual([down.status, down.bytes, down.hash], [200, LONG_BYTES, hash]);
        const up = await client.ask('/echo', LONG_BYTES, 5);
        assert.deepEqual([up.status, up.bytes, up.hash], [200, LONG_BYTES, hash]);
      });

      it('and nothing stays', async () => {
        const gauges = ['http.test.downstream_rq_active', 'cluster.up.upstream_rq_active'];
        if (way.client !== 'http1') gauges.push('http2.streams_active', 'http2.pending_send_bytes');
        for (const name of gauges) await until(name, async () => (await stat(hop.proxy, name)) === 0);
      });
    });
  }
});

async function checkExchange(client: NodeClient, way: Way, seed: number): Promise<void> {
  const bytes = sizeOf();
  const hash = noiseHash(bytes, seed);
  const isEcho = seed % 2 === 0;
  const path = isEcho ? '/echo' : `/get/${bytes}/${seed}`;
  const answer = await client.ask(path, isEcho ? bytes : -1, seed);
  assert.deepEqual([answer.status, answer.bytes, answer.hash], [200, bytes, hash], `${path} ${bytes}`);
  // HTTP/1 leaves trailers out unless it is told otherwise.
  if (isEcho && way.upstream === 'http2' && way.client !== 'http1') assert.equal(answer.trailers['x-hash'], hash);
}
