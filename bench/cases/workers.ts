// What a request costs with four workers on two cores, to what it costs with one: threads must not pay for each other.
import { type BenchCase, type BenchContext, median, type Row } from '../support/bench-case.ts';
import { closedLoad } from '../support/load.ts';
import { cpuMs, rssKb } from '../support/process.ts';
import { type Proxy, startProxy } from '../support/proxies.ts';
import { PATHS } from '../support/upstream.ts';

const WORKERS = 4;
const CONNECTIONS = 128;
const WARM_UP_SECONDS = 12;
/** Requests per CPU second of four workers are at least 0.9 of one worker's: 1 / 0.9. */
const MOST_RATIO = 1.11;

export const workers: BenchCase = {
  name: 'workers',
  title: 'CPU per request, 4 workers on 2 cores to 1 worker',
  run: runWorkers,
};

async function runWorkers(context: BenchContext): Promise<readonly Row[]> {
  if (!context.peers.includes('heddle')) return [];
  // Load and upstream share the cores with the proxy: only CPU time can be compared.
  const cores = `${context.loadPlace.core},${context.proxyPlace.core}`;
  const proxies = new Map<number, Proxy>();
  const figures = new Map<number, number[]>([
    [1, []],
    [WORKERS, []],
  ]);
  const rates = new Map<number, number[]>();
  const resident = new Map<number, number>();
  try {
    for (const concurrency of figures.keys()) {
      proxies.set(concurrency, await startProxy('heddle', 'minimal', context.proxyPlace, { concurrency, cores }));
    }
    const load = (proxy: Proxy, seconds: number) =>
      closedLoad(context.loadPlace, { port: proxy.port, path: PATHS.small, seconds, connections: CONNECTIONS });
    for (const proxy of proxies.values()) await load(proxy, WARM_UP_SECONDS);
    for (let round = 0; round < context.rounds; round++) {
      for (const [concurrency, proxy] of proxies) {
        const before = cpuMs(proxy.program.pid);
        const { requests, perSecond } = await load(proxy, context.seconds);
        const micros = ((cpuMs(proxy.program.pid) - before) * 1000) / requests;
        figures.get(concurrency)?.push(micros);
        rates.set(concurrency, [...(rates.get(concurrency) ?? []), perSecond]);
        const said = `${micros.toFixed(1)} µs, ${perSecond.toFixed(0)}/s`;
        context.say(`workers round ${round + 1} with ${concurrency}: ${said}`);
      }
    }
    for (const [concurrency, proxy] of proxies) resident.set(concurrency, rssKb(proxy.program.pid) / 1024);
  } finally {
    for (const proxy of proxies.values()) await proxy.stop();
  }
  const one = figures.get(1) ?? [];
  const many = figures.get(WORKERS) ?? [];
  const growth = ((resident.get(WORKERS) ?? 0) - (resident.get(1) ?? 0)) / WORKERS;
  return [
    {
      name: workers.name,
      title: workers.title,
      unit: 'times',
      bar: { most: MOST_RATIO },
      rounds: { heddle: many.map((micros, i) => micros / (one[i] as number)) },
      notCounted: null,
      extra: {
        microsecondsOfOne: median(one),
        microsecondsOfFour: median(many),
        perSecondOfOne: median(rates.get(1) ?? []),
        perSecondOfFour: median(rates.get(WORKERS) ?? []),
        residentMbPerWorker: growth,
      },
    },
  ];
}
