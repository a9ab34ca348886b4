// A client or a server that does not read one body holds up no other, on real sockets, and costs little memory.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { after, before, describe, it } from 'node:test';
import { type Hop, type RunningHop, startHop } from '../support/http2-hops.ts';
import {
  http2Client,
  type NodeClient,
  type NodeServer,
  noise,
  noiseHash,
  startNodeServer,
} from '../support/node-http2.ts';
import { scratchFolder, stat, until } from './heddle.ts';

const STALLED = 40;
const STALLED_BYTES = 4 * 1024 * 1024;
const LIVELY_BYTES = 8 * 1024 * 1024;
/** As the configuration has it, and what a stream may have on its way beside that. */
const WINDOW_BYTES = 65_535;
const BUFFER_BYTES = 65_536;
/** Of the process: what it may grow by for each stalled stream, with everything that goes with it. */
const MOST_MEMORY_BYTES = 1024 * 1024;

/** Beyond the window, the proxy may be offered no more. */
const LIMITS: Partial<Hop> = {
  http2Options: { initial_stream_window_size: WINDOW_BYTES },
  buffers: BUFFER_BYTES,
  upstreamHttp2: { initial_stream_window_size: WINDOW_BYTES },
};

function residentBytes(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(line?.[1] ?? 0) * 1024;
}

/** Begins a download that nobody reads. */
async function beginStalledGet(session: ClientHttp2Session, seed: number): Promise<ClientHttp2Stream> {
  const stream = session.request({ ':path': `/get/${STALLED_BYTES}/${seed}` });
  stream.pause();
  await once(stream, 'response');
  return stream;
}

/** An upload to a server that does not read it before it is told to; returns what that says in the end. */
async function postStalled(session: ClientHttp2Session, seed: number): Promise<string> {
  const stream = session.request({ ':path': '/stall', ':method': 'POST' });
  for (const piece of noise(STALLED_BYTES, seed)) stream.write(piece);
  stream.end();
  let text = '';
  for await (const piece of stream) text += String(piece);
  return text;
}

for (const upstream of ['http1', 'http2'] as const) {
  describe(`stalled streams of HTTP/2 in front of ${upstream}`, () => {
    let server: NodeServer;
    let hop: RunningHop;
    let client: NodeClient;
    before(async () => {
      server = await startNodeServer(upstream);
      hop = await startHop({ upstream, ...LIMITS }, server.port, scratchFolder());
      client = http2Client(hop.port);
    });
    after(async () => {
      client.session?.destroy();
      await hop.stop();
      await server.close();
    });

    const checkLively = async (): Promise<void> => {
      const hash = noiseHash(LIVELY_BYTES, 3);
      const down = await client.ask(`/get/${LIVELY_BYTES}/3`);
      assert.deepEqual([down.bytes, down.hash], [LIVELY_BYTES, hash]);
      const up = await client.ask('/echo', LIVELY_BYTES, 3);
      assert.deepEqual([up.bytes, up.hash], [LIVELY_BYTES, hash]);
    };

    it('downloads that nobody reads', async () => {
      await checkLively();
      const before = residentBytes(hop.proxy.pid);
      const session = client.session as ClientHttp2Session;
      const stalled = await Promise.all(Array.from({ length: STALLED }, (_, i) => beginStalledGet(session, i)));
      await checkLively();
      const grown = residentBytes(hop.proxy.pid) - before;
      assert.ok(grown < STALLED * MOST_MEMORY_BYTES, `${grown} bytes more for ${STALLED} streams`);
      const held = await stat(hop.proxy, 'http2.pending_send_bytes');
      assert.ok(held <= STALLED * (2 * BUFFER_BYTES + WINDOW_BYTES), `${held} bytes wait`);
      let bytes = 0;
      for (const stream of stalled) for await (const piece of stream) bytes += (piece as Buffer).length;
      assert.equal(bytes, STALLED * STALLED_BYTES);
    });

    it('uploads that the server does not read', async () => {
      const before = residentBytes(hop.proxy.pid);
      const session = client.session as ClientHttp2Session;
      const stalled = Promise.all(Array.from({ length: STALLED }, (_, i) => postStalled(session, i)));
      const earlier = server.requests;
      await until('the server has them', () => server.requests >= earlier + STALLED);
      await checkLively();
      const grown = residentBytes(hop.proxy.pid) - before;
      assert.ok(grown < STALLED * MOST_MEMORY_BYTES, `${grown} bytes more for ${STALLED} streams`);
      await client.ask('/release');
      assert.deepEqual(
        await stalled,
        Array.from({ length: STALLED }, (_, i) => `${STALLED_BYTES} ${noiseHash(STALLED_BYTES, i)}`),
      );
      await until('all done', async () => (await stat(hop.proxy, 'http.test.downstream_rq_active')) === 0);
      assert.equal(await stat(hop.proxy, 'http2.pending_send_bytes'), 0);
    });
  });
}
