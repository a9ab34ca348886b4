// The CA's service alone in a process: everything but who the callers are, whom it believes.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Clock, Random } from '../../src/base/clock.ts';
import { Authority, DEFAULT_AUTHORITY } from '../../src/ca/authority.ts';
import { createCertificate } from '../../src/ca/certificate-service.ts';
import { selfMade } from '../../src/ca/issuer-source.ts';
import { CaMetrics } from '../../src/ca/metrics.ts';
import { GrpcServer } from '../../src/grpc/server.ts';
import { createEngine } from '../../src/net/engine.ts';
import { MetricRegistry } from '../../src/telemetry/prometheus.ts';

const IDENTITY = { trustDomain: 'cluster.local', namespace: 'mesh', account: 'proxy', workload: null };

const scratch = mkdtempSync(join(tmpdir(), 'heddle-bench-ca-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit());

const clock = new Clock();
const onBug = (error: unknown): never => {
  throw error;
};
const engine = createEngine({ clock, onBug });
clock.wrap = (run) => engine.run(run);
const log = { write: (_level: string, text: string): void => void process.stderr.write(`${text}\n`) };
const authority = await Authority.open({
  ...DEFAULT_AUTHORITY,
  ...{ clock, log, metrics: new CaMetrics(new MetricRegistry()), trustDomain: 'cluster.local', trustDomainAliases: [] },
  source: selfMade(join(scratch, 'ca'), null),
  waitingFor: () => [],
});
if (typeof authority === 'string') throw new Error(authority);
const everybody = { name: 'bench', authenticate: () => ({ identity: IDENTITY, by: 'bench', settle: null }) };
const server = new GrpcServer({ engine, random: new Random() });
const quiet = { write: (): void => {} };
server.add(createCertificate({ authority, authenticators: [everybody], log: quiet }));
const listener = server.listen({ family: 'ipv4', address: '127.0.0.1', port: Number(process.argv[2]) });
if ('errno' in listener) throw new Error(listener.detail);
