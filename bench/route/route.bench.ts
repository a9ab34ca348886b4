// What finding a route costs: one host and route, many hosts and routes, many regexes; prints ns per match.
import { enableLinearRegex } from '../../src/base/regex.ts';
import { contextOf, oneRoute, requestOf, tableOf } from '../../src/proxy/config/route-test-table.ts';
import type { Headers } from '../../src/wire/headers.ts';

const ROUNDS = 7;
const MATCHES = 200_000;

type Row = {
  readonly name: string;
  readonly json: object;
  readonly requests: readonly Headers[];
  readonly budgetNs: number;
};

/** Requests as the codec makes them: strings cut out of bytes, not shared constants. */
function fresh(path: string, authority: string): Headers {
  const cut = (text: string): string => Buffer.from(`xx${text}`, 'latin1').latin1Slice(2);
  return requestOf(cut(path), cut(authority), 'user-agent: bench', 'accept: */*', 'x-env: prod');
}

function manyHosts(count: number): object {
  return {
    name: 'r',
    virtual_hosts: Array.from({ length: count }, (_, i) => ({
      name: `v${i}`,
      domains: [`svc-${i}.ns.svc.cluster.local`, `svc-${i}.ns.svc.cluster.local:8080`, `svc-${i}`],
      routes: Array.from({ length: 10 }, (_, k) => ({
        match: { prefix: `/api/v${k}/` },
        route: { cluster: `c${i}-${k}` },
      })),
    })),
  };
}

function manyRoutes(count: number, match: (i: number) => object): object {
  const routes = Array.from({ length: count }, (_, i) => ({ match: match(i), route: { cluster: `c${i}` } }));
  return { name: 'r', virtual_hosts: [{ name: 'v', domains: ['*'], routes }] };
}

const one = fresh('/index.html?q=1', 'svc.local');
const ROWS: readonly Row[] = [
  {
    name: '1 host × 1 route',
    json: oneRoute({ prefix: '/' }, { route: { cluster: 'c' } }),
    requests: [one],
    budgetNs: 500,
  },
  {
    name: '1,000 hosts × 10 prefixes, the last matches',
    json: manyHosts(1000),
    requests: Array.from({ length: 64 }, (_, i) => fresh('/api/v9/items/1?q=2', `svc-${i * 15}.ns.svc.cluster.local`)),
    budgetNs: 1500,
  },
  {
    name: '200 regexes, the last matches',
    json: manyRoutes(200, (i) => ({ safe_regex: { regex: `/users/[^/]+/items${i}(/.*)?` } })),
    requests: [fresh('/users/42/items199/x?q', 'h')],
    budgetNs: 10_000,
  },
  {
    name: '200 regexes with prefixes of their own',
    json: manyRoutes(200, (i) => ({ safe_regex: { regex: `/svc${i}/[^/]+/items(/.*)?` } })),
    requests: [fresh('/svc199/42/items/x?q', 'h')],
    budgetNs: 10_000,
  },
  {
    name: '1,000 exact paths',
    json: manyRoutes(1000, (i) => ({ path: `/exact/path/${i}` })),
    requests: [fresh('/exact/path/999?q', 'h')],
    budgetNs: 1000,
  },
  {
    name: '10 routes by header and query',
    json: manyRoutes(10, (i) => ({
      prefix: '/',
      headers: [{ name: 'x-env', string_match: { exact: 'prod' } }],
      query_parameters: [{ name: 'q', string_match: { exact: String(i) } }],
    })),
    requests: [fresh('/a?x=1&q=9', 'h')],
    budgetNs: 2000,
  },
];

function measure({ json, requests }: Row): number {
  const table = tableOf(json);
  const context = contextOf(one);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const startedMs = performance.now();
    for (let i = 0; i < MATCHES / 10; i++) {
      const headers = requests[i % requests.length] as Headers;
      if (table.match(headers, context) === null) throw new Error(`no route for ${headers.authority}${headers.path}`);
    }
    best = Math.min(best, ((performance.now() - startedMs) * 1e6) / (MATCHES / 10));
  }
  return best;
}

enableLinearRegex();
let isOver = false;
for (const row of ROWS) {
  const ns = measure(row);
  isOver ||= ns > row.budgetNs;
  console.log(`${row.name.padEnd(48)} ${ns.toFixed(0).padStart(8)} ns   budget ${row.budgetNs} ns`);
}
if (isOver) process.exitCode = 1;
