// What counting, formatting, logging and dumping cost, each with its budget; run it alone on a core.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Clock } from '../../src/base/clock.ts';
import { compileJsonFormat } from '../../src/proxy/formatter/json-formatter.ts';
import { exampleDecoder, exampleExchange } from '../../src/proxy/formatter/test-exchange.ts';
import { compileFormat, DEFAULT_ACCESS_LOG_FORMAT } from '../../src/proxy/formatter/text-formatter.ts';
import { AccessLogFile, AccessLogFiles } from '../../src/telemetry/access-log-file.ts';
import { type StatKind, StatStore } from '../../src/telemetry/metrics.ts';
import { decodeStatsConfig, type StatsDecoder } from '../../src/telemetry/stats-config.ts';
import { parseStatsParams } from '../../src/telemetry/stats-params.ts';
import { dumpPrometheus } from '../../src/telemetry/stats-prometheus.ts';
import { dumpStats } from '../../src/telemetry/stats-text.ts';
import { headerKey } from '../../src/wire/header-names.ts';

const ROUNDS = 5;
const CLUSTERS = 1000;
const STATS_PER_CLUSTER = 80;
/** 8 MB: less than a file buffers. */
const APPENDED_LINES = 20_000;

/** The JSON access log of 17 fields that the big bench uses as well. */
const FIELDS_17 = {
  start_time: '%START_TIME%', method: '%REQ(:METHOD)%', path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%', response_code: '%RESPONSE_CODE%', response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%', bytes_received: '%BYTES_RECEIVED%', bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%', upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%', user_agent: '%REQ(USER-AGENT)%', request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%', upstream_host: '%UPSTREAM_HOST%', upstream_cluster: '%UPSTREAM_CLUSTER%',
}; // biome-ignore format: a table.

let sink = 0;
let failures = 0;

function report(name: string, figure: number, unit: string, budget: number): void {
  const verdict = figure <= budget ? 'ok' : 'OVER';
  if (figure > budget) failures++;
  console.log(`${name}: ${figure.toFixed(figure < 10 ? 2 : 0)} ${unit} (budget ${budget}) ${verdict}`);
}

/** CPU time of this thread, ms: what others do on the machine counts less. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Best of some rounds, ns per call. */
function measure(name: string, budget: number, calls: number, run: (calls: number) => void): void {
  run(Math.min(calls, 20_000));
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = cpuMs();
    run(calls);
    best = Math.min(best, ((cpuMs() - start) / calls) * 1e6);
  }
  report(name, best, 'ns', budget);
}

function benchStats(): void {
  const schema: Record<string, StatKind> = {};
  for (let i = 0; i < STATS_PER_CLUSTER; i++) schema[`upstream_cx_statistic_${i}`] = i < 76 ? 'counter' : 'histogram';
  globalThis.gc?.();
  const before = process.memoryUsage();
  const store = new StatStore();
  const scopes = Array.from({ length: CLUSTERS }, (_, i) =>
    store.scope(`cluster.outbound|80||service-${i}.namespace.svc.cluster.local`, schema),
  );
  globalThis.gc?.();
  const heapBytes = process.memoryUsage().heapUsed - before.heapUsed;
  if (globalThis.gc !== undefined) report('1,000 clusters', (heapBytes + store.cellBytes) / 1e6, 'MB', 3);
  const one = scopes[0] as (typeof scopes)[number];
  const { upstream_cx_statistic_7: counter = 0, upstream_cx_statistic_77: histogram = 0 } = one.i;
  measure('counter, one cell', 4, 2e7, (calls) => {
    for (let i = 0; i < calls; i++) one.inc(counter);
  });
  measure('counter, 512 scopes', 5, 2e7, (calls) => {
    for (let i = 0; i < calls; i++) scopes[i & 511]?.inc(counter);
  });
  measure('histogram', 15, 1e7, (calls) => {
    for (let i = 0; i < calls; i++) one.record(histogram, i & 1023);
  });
  benchDumps(store);
}

function benchDumps(store: StatStore): void {
  const silent: StatsDecoder = { at: () => silent, reject: () => {} };
  const config = decodeStatsConfig(undefined, silent);
  for (const format of ['text', 'json', 'prometheus']) {
    const params = parseStatsParams(new URLSearchParams(`format=${format}`));
    if (typeof params === 'string') throw new Error(params);
    let slowest = Number.POSITIVE_INFINITY;
    let total = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const pieces = format === 'prometheus' ? dumpPrometheus(store, config, params) : dumpStats(store, config, params);
      const steps: number[] = [];
      for (let start = performance.now(); pieces.next().done !== true; start = performance.now()) {
        steps.push(performance.now() - start);
      }
      total = steps.reduce((sum, step) => sum + step, 0);
      // One step in a hundred may meet a garbage collection.
      steps.sort((a, b) => a - b);
      slowest = Math.min(slowest, steps[Math.floor(steps.length * 0.99)] ?? 0);
    }
    report(`dump ${format}, 80,000 statistics, slice`, slowest, 'ms', 1);
    console.log(`dump ${format}, 80,000 statistics, whole: ${total.toFixed(0)} ms`);
  }
}

function benchFormats(): void {
  const ctx = exampleExchange();
  ctx.requestHeaders?.set(headerKey('user-agent'), 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101');
  ctx.requestHeaders?.set(headerKey('x-request-id'), '73f00da5-8f4a-4fa1-8abf-70cd37e71573');
  const d = exampleDecoder();
  const single = compileFormat('%REQ(user-agent)%', d);
  const line = compileFormat(DEFAULT_ACCESS_LOG_FORMAT, d);
  const json = compileJsonFormat(FIELDS_17, d);
  const omitting = compileJsonFormat(FIELDS_17, d, { omitEmptyValues: true });
  measure('format of one header', 30, 5e6, (calls) => {
    for (let i = 0; i < calls; i++) sink += single.format(ctx).length;
  });
  // Reading a character makes V8 put the pieces together, as writing them does.
  measure('default line', 1500, 3e5, (calls) => {
    for (let i = 0; i < calls; i++) sink += line.format(ctx).charCodeAt(1);
  });
  measure('JSON line of 17 fields', 2000, 3e5, (calls) => {
    for (let i = 0; i < calls; i++) sink += json.format(ctx).charCodeAt(1);
  });
  measure('JSON line of 17 fields, empty ones omitted', 2500, 3e5, (calls) => {
    for (let i = 0; i < calls; i++) sink += omitting.format(ctx).charCodeAt(1);
  });
}

async function benchFile(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-bench-'));
  const files = new AccessLogFiles({ clock: new Clock(), store: new StatStore() });
  const file = files.open(join(directory, 'log'));
  if (!(file instanceof AccessLogFile)) throw new Error(file);
  const line = `${'x'.repeat(399)}\n`;
  const lines = 200_000;
  const drained = (): Promise<void> => new Promise((done) => files.drain(done));
  const cpu = process.cpuUsage();
  // As in a proxy: some lines per turn of the event loop.
  for (let i = 0; i < lines; i++) {
    file.write(line);
    if (i % 200 === 199) await new Promise(setImmediate);
  }
  await drained();
  const { user, system } = process.cpuUsage(cpu);
  report('access-log line of 400 bytes, with its write', ((user + system) / lines) * 1000, 'ns CPU', 1000);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    for (let i = 0; i < APPENDED_LINES; i++) file.write(line);
    best = Math.min(best, ((performance.now() - start) / APPENDED_LINES) * 1e6);
    await drained();
  }
  report('access-log line of 400 bytes, append alone', best, 'ns', 100);
  rmSync(directory, { recursive: true });
}

benchStats();
benchFormats();
await benchFile();
if (sink === 0) failures++;
process.exitCode = failures > 0 ? 1 : 0;
