// Dumps of a large configuration stall nothing: the longest turn of the event loop while they are made and read.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { scratchFolder } from './heddle.ts';

const CLUSTERS = 10_000;
/** Of one turn, in CPU time: a slice, one entry more, and what the collector of garbage takes. */
const LONGEST_TURN_MS = 15;
/** Of a million statistics, which are put in order: the collector has more to look through. */
const LONGEST_STATS_TURN_MS = 40;

const folder = scratchFolder();
const turnsPath = join(folder, 'turns');
let proxy: ProxyProcess;

before(async () => {
  const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const cluster = (i: number) => ({
    name: `cluster-${i}`,
    type: 'STATIC',
    load_assignment: {
      cluster_name: `cluster-${i}`,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(1) } }] }],
    },
  });
  const config = {
    admin: { address: address(0) },
    static_resources: { clusters: Array.from({ length: CLUSTERS }, (_, i) => cluster(i)) },
  };
  process.env['HEDDLE_TEST_TURNS'] = turnsPath;
  process.env['NODE_OPTIONS'] = `--import=${new URL('../support/turn-watch.ts', import.meta.url).href}`;
  proxy = await startProxy('heddle', JSON.stringify(config), folder);
  delete process.env['NODE_OPTIONS'];
});

after(async () => {
  await proxy?.stop();
});

async function longestTurnMs(): Promise<number> {
  rmSync(turnsPath, { force: true });
  process.kill(proxy.pid, 'SIGUSR2');
  for (let i = 0; i < 500 && !existsSync(turnsPath); i++) await sleep(10);
  await sleep(10);
  return Number(readFileSync(turnsPath, 'utf8'));
}

const PATHS = [
  ['/config_dump', 6],
  ['/config_dump?include_eds', 6],
  ['/config_dump?resource=static_clusters&mask=cluster.name', 1],
  ['/config_dump?name_regex=cluster-9.*', 6],
  ['/clusters', 6],
  ['/clusters?format=json', 6],
  ['/stats', 6],
  ['/stats?format=json', 6],
  ['/stats/prometheus?usedonly', 1],
  ['/stats/prometheus?filter=upstream_rq_', 10],
  ['/stats?format=html&filter=upstream_rq_total', 0.5],
  ['/certs', 0],
] as const;

for (const [path, megabytes] of PATHS) {
  test(`${path} of ${CLUSTERS} clusters`, async (t) => {
    const most = path.startsWith('/stats') ? LONGEST_STATS_TURN_MS : LONGEST_TURN_MS;
    // Code that is met for the first time is compiled, and memory is given back once after the start.
    let { status, body } = await proxy.admin(path);
    let longest = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < 3 && longest >= most; tries++) {
      await longestTurnMs();
      ({ status, body } = await proxy.admin(path));
      longest = await longestTurnMs();
    }
    t.diagnostic(`${(body.length / 1e6).toFixed(1)} MB, longest turn ${longest.toFixed(1)} ms`);
    assert.equal(status, 200);
    assert.ok(body.length >= megabytes * 1e5, `${body.length} bytes`);
    assert.ok(longest < most, `a turn of ${longest} ms`);
  });
}

test('many dumps at once share the time of one, and who does not read costs little memory', async (t) => {
  const memory = async (): Promise<number> =>
    Number(JSON.parse((await proxy.admin('/memory')).body).total_physical_bytes) / 1e6;
  const port = proxy.adminPort;
  const before = await memory();
  const sockets = Array.from({ length: 40 }, () => {
    const socket = connect(port, '127.0.0.1');
    socket.pause();
    socket.write('GET /config_dump?include_eds HTTP/1.1\r\nhost: localhost\r\n\r\n');
    return socket;
  });
  await sleep(500);
  await longestTurnMs();
  await sleep(1500);
  const longest = await longestTurnMs();
  const grown = (await memory()) - before;
  t.diagnostic(`longest turn ${longest.toFixed(1)} ms, grown by ${grown.toFixed(0)} MB`);
  assert.ok(longest < LONGEST_TURN_MS, `a turn of ${longest} ms`);
  // Whole they would be more than 200 MB.
  assert.ok(grown < 150, `grown by ${grown} MB`);
  for (const socket of sockets) socket.destroy();
});
