// Compares TCP relays: CPU of the relay process per GB and per round trip, the real Envoy and variants of our engine in
// turn, the relay alone on one core and the load on the other.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  chooseCores,
  cpuMs,
  freePort,
  type Program,
  startProgram,
  stopProgram,
  waitForPort,
} from '../support/process.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '2' },
    kind: { type: 'string', default: 'bulk' },
    streams: { type: 'string', default: '1' },
    /** `trips`: bytes of a message, default 1024. `bulk`: MB/s that the far end takes, default all. */
    bytes: { type: 'string', default: '0' },
    /** NAME=SETTINGS of createEngine as JSON; `envoy` stands for the peer. */
    relay: { type: 'string', multiple: true, default: ['envoy', 'handles={}'] },
  },
});
const root = join(import.meta.dirname, '../..');
const dir = mkdtempSync(join(tmpdir(), 'relay-bench-'));
const { proxy: proxyCore, load: loadCore } = chooseCores();

type Relay = { name: string; port: number; farPort: number; program: Program; figures: number[]; speed: number[] };

function envoyConfig(port: number, farPort: number): string {
  const address = (value: number): string => `{socket_address: {address: 127.0.0.1, port_value: ${value}}}`;
  return `static_resources:
  listeners:
  - address: ${address(port)}
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: relay
          cluster: far
  clusters:
  - name: far
    load_assignment:
      cluster_name: far
      endpoints: [{lb_endpoints: [{endpoint: {address: ${address(farPort)}}}]}]
`;
}

async function startRelay(spec: string): Promise<Relay> {
  const [name = '', settings = '{}'] = spec.split(/=(.*)/s);
  const port = await freePort();
  const farPort = await freePort();
  const config = join(dir, `${name}.yaml`);
  writeFileSync(config, envoyConfig(port, farPort));
  const envoy = [join(root, '.peers/bin/envoy'), '-c', config, '--concurrency', '1', '--use-dynamic-base-id'];
  const ours = [process.execPath, join(import.meta.dirname, 'relay-proxy.ts'), String(port), String(farPort), settings];
  const program = startProgram(proxyCore, name === 'envoy' ? envoy : ours, join(dir, `${name}.log`));
  await waitForPort(program, port);
  return { name, port, farPort, program, figures: [], speed: [] };
}

function run(relay: Relay): void {
  const before = cpuMs(relay.program.pid);
  const args = [values.kind, relay.port, relay.farPort, values.seconds, values.streams, values.bytes].map(String);
  const out = execFileSync('taskset', [
    '-c',
    String(loadCore),
    process.execPath,
    join(import.meta.dirname, 'relay-load.ts'),
    ...args,
  ]);
  const { received, trips, ms } = JSON.parse(out.toString()) as { received: number; trips: number; ms: number };
  const used = cpuMs(relay.program.pid) - before;
  const isBulk = values.kind === 'bulk';
  relay.figures.push(isBulk ? used / (received / 1e9) : (used * 1000) / trips);
  relay.speed.push(isBulk ? received / 1e6 / ms : trips / ms);
}

const relays: Relay[] = [];
try {
  for (const spec of values.relay) relays.push(await startRelay(spec));
  for (const relay of relays) run(relay);
  for (const relay of relays) relay.figures.length = relay.speed.length = 0;
  for (let round = 0; round < Number(values.rounds); round++) for (const relay of relays) run(relay);
  const unit = values.kind === 'bulk' ? 'CPU-ms/GB' : 'CPU-us/trip';
  for (const { name, figures, speed } of relays) {
    const sorted = [...figures].sort((a, b) => a - b);
    const median = sorted[sorted.length >> 1] as number;
    const text = figures.map((figure) => figure.toFixed(values.kind === 'bulk' ? 0 : 1)).join(' ');
    const fast = [...speed].sort((a, b) => a - b)[speed.length >> 1] as number;
    const rate = `${fast.toFixed(2)} ${values.kind === 'bulk' ? 'GB/s' : 'trips/ms'}`;
    console.log(
      `${name.padEnd(18)} min ${sorted[0]?.toFixed(1)} median ${median.toFixed(1)} ${unit}, ${rate}  (${text})`,
    );
  }
} finally {
  for (const { program } of relays) await stopProgram(program);
  rmSync(dir, { recursive: true, force: true });
}
