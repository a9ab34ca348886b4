// Connections that end in good order, on either side and under load: no exchange is lost.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ClientHttp2Session } from 'node:http2';
import { describe, it } from 'node:test';
import { type Hop, type RunningHop, startHop } from '../support/http2-hops.ts';
import { http2Client, type NodeClient, type NodeServer, noiseHash, startNodeServer } from '../support/node-http2.ts';
import { scratchFolder, stat, until } from './heddle.ts';

const EXCHANGES = 400;
const AT_ONCE = 20;
/** What a server that goes away did not begin may be asked of another. */
const RETRY: Partial<Hop> = {
  route: { retry_policy: { retry_on: 'refused-stream', num_retries: 10 } },
  cluster: { circuit_breakers: { thresholds: [{ max_retries: 1000 }] } },
};

async function withHop(hop: Hop, act: (running: RunningHop, server: NodeServer) => Promise<void>): Promise<void> {
  const server = await startNodeServer(hop.upstream);
  const running = await startHop(hop, server.port, scratchFolder());
  try {
    await act(running, server);
  } finally {
    await running.stop();
    await server.close();
  }
}

/** A client as they should be: on GOAWAY it goes on with another connection, and ends the old one when it is idle. */
class PoliteClient {
  readonly #port: number;
  #current: NodeClient;
  connections = 1;

  constructor(port: number) {
    this.#port = port;
    this.#current = this.#connect();
  }

  #connect(): NodeClient {
    const client = http2Client(this.#port);
    client.session?.on('goaway', () => {
      if (client !== this.#current) return;
      this.#current = this.#connect();
      this.connections++;
      void client.close();
    });
    return client;
  }

  async ask(seed: number): Promise<void> {
    const bytes = 1 + ((seed * 7_919) % 50_000);
    for (;;) {
      try {
        const { status, hash } = await this.#current.ask('/echo', bytes, seed);
        assert.deepEqual([status, hash], [200, noiseHash(bytes, seed)]);
        return;
      } catch (error) {
        // GOAWAY came before the request had left: nobody has seen it.
        if (!String(error).includes('REFUSED_STREAM')) throw error;
      }
    }
  }

  async askMany(): Promise<void> {
    let next = 0;
    const askSome = async (): Promise<void> => {
      while (next < EXCHANGES) await this.ask(next++);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, askSome));
  }

  close(): Promise<void> {
    return this.#current.close();
  }
}

describe('connections that drain', () => {
  it('clients lose nothing when theirs take only so many requests', async () => {
    const manager = {
      common_http_protocol_options: { max_requests_per_connection: 30 },
      drain_timeout: '1s',
    };
    await withHop({ upstream: 'http2', manager }, async ({ port, proxy }) => {
      const client = new PoliteClient(port);
      await client.askMany();
      await client.close();
      assert.ok(client.connections > 2, `${client.connections} connections`);
      await until('none active', async () => (await stat(proxy, 'http.test.downstream_cx_active')) === 0);
      assert.equal(await stat(proxy, 'http.test.downstream_rq_active'), 0);
    });
  });

  it('clients lose nothing when an upstream says GOAWAY again and again', async () => {
    await withHop({ upstream: 'http2', ...RETRY }, async ({ port, proxy }, server) => {
      const client = new PoliteClient(port);
      const timer = setInterval(() => {
        // Ends in good order: what it has begun it serves.
        for (const session of server.sessions) session.close();
      }, 30);
      try {
        await client.askMany();
      } finally {
        clearInterval(timer);
      }
      await client.close();
      assert.ok((await stat(proxy, 'cluster.up.upstream_cx_close_notify')) > 1);
      assert.equal(await stat(proxy, 'cluster.up.upstream_rq_active'), 0);
    });
  });

  it('an answer says GOAWAY while the process drains, and what is open goes on', async () => {
    const manager = { drain_timeout: '0.3s', delayed_close_timeout: '0.2s' };
    await withHop({ upstream: 'http2', manager }, async ({ port, proxy }) => {
      const client = http2Client(port);
      const session = client.session as ClientHttp2Session;
      const stalled = client.ask('/stall', 100_000, 1);
      assert.equal((await client.ask('/echo', 10)).status, 200);
      assert.equal((await proxy.admin('/healthcheck/fail', 'POST')).status, 200);
      const goaway = once(session, 'goaway');
      assert.equal((await client.ask('/echo', 10)).status, 200);
      await goaway;
      const other = http2Client(port);
      assert.equal((await other.ask('/release')).status, 200);
      const { status } = await stalled;
      assert.equal(status, 200);
      if (!session.destroyed) await once(session, 'close');
      await proxy.admin('/healthcheck/ok', 'POST');
      await other.close();
      await until('none active', async () => (await stat(proxy, 'http.test.downstream_cx_active')) === 0);
    });
  });

  it('/drain_listeners?graceful takes nothing new, and ends what there is with its answer', async () => {
    const manager = { drain_timeout: '0.3s', delayed_close_timeout: '0.2s' };
    await withHop({ upstream: 'http1', manager }, async ({ port, proxy }) => {
      const client = http2Client(port);
      const session = client.session as ClientHttp2Session;
      const stalled = client.ask('/stall', 100_000, 1);
      assert.equal((await client.ask('/echo', 10)).status, 200);
      assert.equal((await proxy.admin('/drain_listeners?graceful&skip_exit', 'POST')).status, 200);
      assert.equal((await client.ask('/release')).status, 200);
      assert.equal((await stalled).status, 200);
      assert.equal(session.destroyed, false);
      await client.close();
    });
  });
});
