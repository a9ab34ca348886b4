// `heddle config KIND WORKLOAD`: what a proxy has, as istioctl proxy-config prints it.
import { defineCommand } from '../command/command.ts';
import { oneOf, UsageError, type Values } from '../command/parse.ts';
import type { CommandSpec } from '../command/spec.ts';
import { askDump, openSource, SOURCE_OPTIONS, type Source } from './source.ts';
import { KIND_PRINTERS, printAll } from './print.ts';

/** istioctl's names, and the short forms of them. */
export const CONFIG_KINDS: Readonly<Record<string, string>> = {
  ...{ listeners: 'listeners', listener: 'listeners', l: 'listeners' },
  ...{ routes: 'routes', route: 'routes', r: 'routes' },
  ...{ clusters: 'clusters', cluster: 'clusters', c: 'clusters' },
  ...{ endpoints: 'endpoints', endpoint: 'endpoints', ep: 'endpoints' },
  ...{ secrets: 'secrets', secret: 'secrets', s: 'secrets' },
  ...{ bootstrap: 'bootstrap', b: 'bootstrap' },
  ...{ all: 'all', a: 'all' },
};
const NAMES = ['listeners', 'routes', 'clusters', 'endpoints', 'secrets', 'bootstrap', 'all'];

/** Which filters say something of which kind; of 'all' each kind takes its own. */
const FILTERS: Readonly<Record<string, readonly string[]>> = {
  listeners: ['address', 'port', 'type'],
  routes: ['name'],
  clusters: ['fqdn', 'port', 'subset', 'direction'],
  endpoints: ['address', 'port', 'cluster', 'status'],
  secrets: [],
  bootstrap: [],
};

const SPEC = {
  verb: 'config',
  about: `Prints what a proxy has now, as istioctl proxy-config does. KIND is listeners (listener, l), routes (route,
r), clusters (cluster, c), endpoints (endpoint, ep), secrets (secret, s), bootstrap (b), or all (a). WORKLOAD is a
process (reviews-v1-1), a workload (reviews-v1: its first replica), or NAME.NAMESPACE.`,
  arguments: [
    { name: 'KIND', words: NAMES },
    { name: 'WORKLOAD', complete: 'workload' },
  ],
  options: {
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      words: ['short', 'json', 'yaml'],
      help: 'a table (short), or the resources (json, yaml)',
    },
    address: { type: 'string', value: 'IP', help: 'listeners, endpoints: of that address' },
    port: { type: 'string', value: 'PORT', help: 'listeners, clusters, endpoints: of that port' },
    type: {
      type: 'string',
      value: 'TYPE',
      help: 'listeners: HTTP, TCP, HTTP+TCP or UNKNOWN',
    },
    name: { type: 'string', value: 'NAME', help: 'routes: of that name' },
    fqdn: { type: 'string', value: 'HOST', help: 'clusters: with that in the name of the service' },
    subset: { type: 'string', value: 'SUBSET', help: 'clusters: of that subset' },
    direction: { type: 'string', value: 'DIRECTION', help: 'clusters: inbound or outbound' },
    cluster: { type: 'string', value: 'NAME', help: 'endpoints: of that cluster' },
    status: { type: 'string', value: 'STATUS', help: 'endpoints: healthy, unhealthy, draining, ...' },
    ...SOURCE_OPTIONS,
  },
  notes: [
    '--file takes what the proxy answered to GET /config_dump; for endpoints also GET /clusters?format=json.',
    'The resources are printed with the names of protobuf JSON (filterChains); all -o json is the dump as it is.',
  ],
  examples: [
    ['heddle config listeners reviews-v1 --port 9080', 'what takes connections for that port'],
    ['heddle config clusters productpage --fqdn reviews -o json', 'clusters of a service, whole'],
  ],
} as const satisfies CommandSpec;

export type ConfigValues = Values<(typeof SPEC)['options']>;

export const config = defineCommand(SPEC, async ({ values, words }) => {
  const [word, workload] = words;
  const kind = CONFIG_KINDS[word ?? ''] ?? oneOf('KIND', word, NAMES);
  checkFilters(kind, values);
  const filter = filterOf(values);
  const source = await openSource(values, workload);
  const format = values.output ?? (kind === 'bootstrap' ? 'json' : 'short');
  if (kind === 'all') await tellAll(source, format, filter);
  else {
    const print = KIND_PRINTERS[kind as keyof typeof KIND_PRINTERS];
    process.stdout.write(await print(source, format, filter));
  }
});

export type Filter = {
  readonly port?: number;
  readonly address?: string;
  readonly type?: string;
  readonly name?: string;
  readonly fqdn?: string;
  readonly subset?: string;
  readonly direction?: string;
  readonly cluster?: string;
  readonly status?: string;
};

function filterOf(values: ConfigValues): Filter {
  const { port, address, type, name, fqdn, subset, direction, cluster, status } = values;
  if (port !== undefined && !/^\d{1,5}$/.test(port)) throw new UsageError(`--port ${port}: expected a number`);
  const given = { address, type, name, fqdn, subset, direction, cluster, status };
  const texts = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { ...texts, ...(port === undefined ? {} : { port: Number(port) }) };
}

/** A filter that cannot filter would let everything through unnoticed. */
function checkFilters(kind: string, values: ConfigValues): void {
  const known = FILTERS[kind];
  if (known === undefined) return;
  for (const name of Object.values(FILTERS).flat()) {
    if (values[name as keyof ConfigValues] === undefined || known.includes(name)) continue;
    const remedy = known.length === 0 ? 'they have no filters' : `their filters are --${known.join(', --')}`;
    throw new UsageError(`--${name} says nothing of ${kind}: ${remedy}`);
  }
}

async function tellAll(source: Source, format: string, filter: Filter): Promise<void> {
  if (format === 'short') {
    process.stdout.write(printAll(await askDump(source, '?include_eds'), filter));
    return;
  }
  const text = await source.ask('/config_dump?include_eds');
  if (format === 'json') process.stdout.write(`${text.trimEnd()}\n`);
  else {
    const { dump } = await import('js-yaml');
    process.stdout.write(dump(JSON.parse(text), { noRefs: true, lineWidth: -1 }));
  }
}
