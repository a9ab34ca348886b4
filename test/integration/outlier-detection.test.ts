// Outlier detection of a real proxy with two workers, as a DestinationRule asks for it: errors count together.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { applyOutlierDetection } from '../../src/control/generate/cluster/load-balancing.ts';
import { withinHeddle } from '../../src/control/generate/cluster/heddle.ts';
import type { NamedCluster } from '../../src/control/generate/cluster/outbound.ts';
import { freePort } from '../support/free-ports.ts';
import { startProxy } from '../support/proxy-process.ts';
import { bootstrap, get, type Json, RawConnection, scratchFolder, startUpstream, stat, until } from './heddle.ts';

/** As many as a DestinationRule asks for below. */
const ERRORS = 6;

function endpoint(port: number, priority: number): Json {
  const address = { socket_address: { address: '127.0.0.1', port_value: port } };
  return { priority, lb_endpoints: [{ endpoint: { address } }] };
}

test('errors of all workers put a host out for all of them', { timeout: 120_000 }, async () => {
  let failures = 0;
  const failing = createServer((_request, response) => {
    failures++;
    response.writeHead(503).end();
  });
  failing.listen(0, '127.0.0.1');
  await once(failing, 'listening');
  const failingPort = (failing.address() as AddressInfo).port;
  const well = await startUpstream();
  const port = await freePort();

  const cluster = { name: 'up' } as NamedCluster;
  applyOutlierDetection(cluster, {
    consecutive5xxErrors: ERRORS,
    interval: '1s',
    baseEjectionTime: '600s',
    maxEjectionPercent: 100,
  });
  const folder = scratchFolder();
  const eventLog = join(folder, 'events.log');
  const base = bootstrap({ listener: port, upstream: failingPort }) as {
    static_resources: { listeners: Json[]; clusters: Json[] };
  };
  const { listeners, clusters } = base.static_resources;
  const { outlier_detection } = withinHeddle(cluster);
  const endpoints = [endpoint(failingPort, 0), endpoint(well.port, 1)];
  const config = {
    ...base,
    cluster_manager: { outlier_detection: { event_log_path: eventLog } },
    static_resources: {
      listeners: listeners.map((one) => ({ ...one, connection_balance_config: { exact_balance: {} } })),
      clusters: clusters.map((one) => ({
        ...one,
        outlier_detection: {
          ...outlier_detection,
          // As the messages are in JSON.
          interval: '1s',
          base_ejection_time: '600s',
          max_ejection_time: '600s',
        },
        load_assignment: { cluster_name: 'up', endpoints },
      })),
    },
  };
  const proxy = await startProxy('heddle', JSON.stringify(config), folder, [
    '--concurrency',
    '2',
    '--file-flush-interval-msec',
    '50',
  ]);
  try {
    // Each worker has one of them.
    const clients = [new RawConnection(port), new RawConnection(port)];
    const ask = async (client: RawConnection): Promise<string> => {
      client.text = '';
      client.send(get('/'));
      await until('an answer', () => /\r\n\r\n/.test(client.text) || client.isClosed);
      return client.text.slice(9, 12);
    };
    const [one, two] = clients as [RawConnection, RawConnection];
    for (let i = 0; i < ERRORS / 2; i++) {
      assert.equal(await ask(one), '503');
      assert.equal(await ask(two), '503');
    }
    const { body: each } = await proxy.admin('/stats?filter=worker_.*downstream_cx_active');
    assert.match(each, /worker_0\.downstream_cx_active: 1\n.*worker_1\.downstream_cx_active: 1\n/);
    assert.equal(failures, ERRORS);

    const isOut = async (): Promise<boolean> => (await proxy.admin('/clusters')).body.includes('/failed_outlier_check');
    await until('the host is out', isOut);
    for (const client of clients) await until('the other host answers', async () => (await ask(client)) === '200');
    assert.equal(await stat(proxy, 'cluster.up.outlier_detection.ejections_enforced_total'), 1);
    assert.equal(await stat(proxy, 'cluster.up.outlier_detection.ejections_active'), 1);
    assert.equal(await stat(proxy, 'cluster.up.membership_healthy'), 1);
    const before = failures;
    for (const client of [...clients, ...clients]) assert.equal(await ask(client), '200');
    assert.equal(failures, before);
    // Gateway failures are only noted, and not enforced.
    const enforced = (): string[] => readFileSync(eventLog, 'utf8').match(/.*"enforced":true.*/g) ?? [];
    await until('the log of events', () => enforced().length > 0);
    const [event, ...more] = enforced().map((line) => JSON.parse(line) as Json);
    assert.deepEqual(more, []);
    assert.deepEqual([event?.['type'], event?.['upstream_url']], ['CONSECUTIVE_5XX', `127.0.0.1:${failingPort}`]);
  } finally {
    await proxy.stop();
    await well.stop();
    failing.close();
    failing.closeAllConnections();
  }
});
