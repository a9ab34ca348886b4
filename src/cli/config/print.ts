// Each kind of configuration in each format.
import { table } from '../command/table.ts';
import { bootstrapRows } from './bootstrap.ts';
import { clusterRows, selectClusters } from './clusters.ts';
import type { Filter } from './command.ts';
import type { ConfigDump, Json } from './dump.ts';
import { dumpedEndpointRows, endpointRows, readStatuses, selectStatuses } from './endpoints.ts';
import { listenerRows, selectListeners } from './listeners.ts';
import { routeRows, selectRoutes } from './routes.ts';
import { dumpedSecrets, NO_SECRETS, secretRows } from './secrets.ts';
import { askDump, type Source } from './source.ts';

type Print = (source: Source, format: string, filter: Filter) => Promise<string>;

/** Blanks between columns, as istioctl has them. */
const LISTENER_GAP = 1;
const GAP = 5;

const LISTENER = 'envoy.config.listener.v3.Listener';
const ROUTE = 'envoy.config.route.v3.RouteConfiguration';
const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const STATUS = 'envoy.admin.v3.ClusterStatus';
const ADMIN = 'envoy.admin.v3.';

export const KIND_PRINTERS = {
  listeners: async (source, format, filter) => {
    const found = selectListeners(await askDump(source), filter);
    return format === 'short' ? table(listenerRows(found), LISTENER_GAP) : messages(found, LISTENER, format);
  },
  routes: async (source, format, { name }) => {
    const found = selectRoutes(await askDump(source), name);
    return format === 'short' ? table(routeRows(found), GAP) : messages(found, ROUTE, format);
  },
  clusters: async (source, format, filter) => {
    const found = selectClusters(await askDump(source), filter);
    return format === 'short' ? table(clusterRows(found), GAP) : messages(found, CLUSTER, format);
  },
  endpoints: async (source, format, filter) => {
    const text = await source.ask('/clusters?format=json');
    const statuses = readStatuses(text);
    if (typeof statuses !== 'string') {
      return format === 'short'
        ? table(endpointRows(statuses, filter), GAP)
        : messages(selectStatuses(statuses, filter), STATUS, format);
    }
    // A file may be a dump with endpoints in it.
    const dump = await askDump(source);
    if (dump.endpoints.length === 0) {
      throw new Error(`${source.title} has no endpoints: save GET /clusters?format=json, or /config_dump?include_eds`);
    }
    const rows = dumpedEndpointRows(dump, filter).map(([name = '', ...more]) => [
      name.replace('endpoint/', ''),
      ...more,
    ]);
    return format === 'short'
      ? table(rows, GAP)
      : messages(dump.endpoints, 'envoy.config.endpoint.v3.ClusterLoadAssignment', format);
  },
  secrets: async (source, format) => {
    const dump = await askDump(source);
    if (format !== 'short') return message(dump.secrets, `${ADMIN}SecretsConfigDump`, format);
    const found = dumpedSecrets(dump);
    return found.length === 0 ? NO_SECRETS : table(secretRows(found, Date.now()), GAP);
  },
  bootstrap: async (source, format) => {
    const dump = await askDump(source);
    if (format !== 'short') return message(dump.bootstrap, `${ADMIN}BootstrapConfigDump`, format);
    return table(bootstrapRows(dump), LISTENER_GAP);
  },
} as const satisfies Record<string, Print>;

/** All kinds, one after another, with names that say their kind. */
export function printAll(dump: ConfigDump, filter: Filter): string {
  const secrets = dumpedSecrets(dump);
  const sections: readonly (readonly [string, string])[] = [
    ['bootstrap', table(bootstrapRows(dump), LISTENER_GAP)],
    ['cluster', table(clusterRows(selectClusters(dump, filter), true), GAP)],
    ['listener', table(listenerRows(selectListeners(dump, filter), true), LISTENER_GAP)],
    ['route', table(routeRows(selectRoutes(dump, filter.name), true), GAP)],
    ['secret', secrets.length === 0 ? NO_SECRETS : table(secretRows(secrets, Date.now(), true), GAP)],
    ['endpoints', table(dumpedEndpointRows(dump, filter), GAP)],
  ];
  return sections.map(([title, text]) => `------ ${title} info ------\n\n${text}`).join('\n');
}

async function messages(list: readonly Json[], type: string, format: string): Promise<string> {
  const { withJsonNames } = await import('./json-names.ts');
  // Resources have their type outside where they are in a list of one type.
  return formatted(
    list.map(({ '@type': _, ...fields }) => withJsonNames(type, fields)),
    format,
  );
}

async function message(value: Json, type: string, format: string): Promise<string> {
  const { withJsonNames } = await import('./json-names.ts');
  const { '@type': _, ...fields } = value;
  return formatted(withJsonNames(type, fields), format);
}

async function formatted(value: unknown, format: string): Promise<string> {
  if (format === 'json') return `${JSON.stringify(value, null, 4)}\n`;
  const { dump } = await import('js-yaml');
  return dump(value, { noRefs: true, lineWidth: -1 });
}
