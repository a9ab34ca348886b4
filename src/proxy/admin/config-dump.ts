// The endpoint /config_dump: the configuration in force as protobuf JSON, in the messages of envoy.admin.v3.
import { compileRegex } from '../../base/regex.ts';
import { toJson } from '../../proto/json-encode.ts';
import { registry } from '../../proto/registry.ts';
import type { HttpConnectionManager, Listener } from '../../proto/generated/types.d.ts';
import { unpackAny } from '../../proto/any.ts';
import type { AdminHandler, AdminRequest, AdminResponse } from './admin-filter.ts';
import type { AdminContext } from './handlers.ts';
import { json } from './server.ts';

const PREFIX = 'type.googleapis.com/';

type Dump = Record<string, unknown> & { '@type': string };

export function configDumpHandlers(context: AdminContext): AdminHandler[] {
  return [
    {
      path: '/config_dump',
      help: 'dump current Envoy configs (experimental)',
      mutates: false,
      handle: (request) => configDump(context, request),
    },
  ];
}

function configDump({ proxy }: AdminContext, request: AdminRequest): AdminResponse {
  const nameRegex = request.query.get('name_regex');
  const regex = nameRegex === null ? null : compileRegex(nameRegex);
  if (regex !== null && 'error' in regex)
    return { status: 400, body: `Error while parsing name_regex from ${nameRegex}\n` };
  const wanted = (name: string): boolean => regex === null || regex.matches(name);
  if (request.query.has('mask')) return { status: 501, body: 'mask is not supported yet\n' };
  const statics = proxy.bootstrap.static_resources ?? {};
  const lastUpdated = new Date(proxy.startedWallMs).toISOString();
  const wrap = (type: string, message: unknown): unknown => ({
    '@type': PREFIX + type,
    ...(toJson(registry.find(type) as never, message as never, { preserveProtoFieldNames: true }) as object),
  });
  const clusters = (statics.clusters ?? []).filter((c) => wanted(c.name ?? ''));
  const listeners = (statics.listeners ?? []).filter((l) => wanted(l.name ?? ''));
  const routes = (statics.listeners ?? [])
    .flatMap(routeConfigurations)
    .filter((r) => wanted((r as { name?: string }).name ?? ''));
  const dumps: Dump[] = [
    {
      '@type': `${PREFIX}envoy.admin.v3.BootstrapConfigDump`,
      bootstrap: toJson(registry.message('envoy.config.bootstrap.v3.Bootstrap'), proxy.bootstrap, {
        preserveProtoFieldNames: true,
      }),
      last_updated: lastUpdated,
    },
    {
      '@type': `${PREFIX}envoy.admin.v3.ClustersConfigDump`,
      static_clusters: clusters.map((c) => ({
        cluster: wrap('envoy.config.cluster.v3.Cluster', c),
        last_updated: lastUpdated,
      })),
    },
    {
      '@type': `${PREFIX}envoy.admin.v3.ListenersConfigDump`,
      static_listeners: listeners.map((l) => ({
        listener: wrap('envoy.config.listener.v3.Listener', l),
        last_updated: lastUpdated,
      })),
    },
    { '@type': `${PREFIX}envoy.admin.v3.ScopedRoutesConfigDump` },
    {
      '@type': `${PREFIX}envoy.admin.v3.RoutesConfigDump`,
      static_route_configs: routes.map((r) => ({
        route_config: wrap('envoy.config.route.v3.RouteConfiguration', r),
        last_updated: lastUpdated,
      })),
    },
    { '@type': `${PREFIX}envoy.admin.v3.SecretsConfigDump` },
  ];
  return answer(dumps.map(withoutEmpty), request.query.get('resource'));
}

/** `resource` picks one repeated field out of all dumps. */
function answer(dumps: readonly Dump[], resource: string | null): AdminResponse {
  if (resource === null) return { status: 200, contentType: 'application/json', body: json({ configs: dumps }) };
  for (const dump of dumps) {
    const field = dump[resource];
    if (!Array.isArray(field)) continue;
    const type = (dump['@type'] as string).replace(/ConfigDump$/, 'ConfigDump.');
    const configs = field.map((entry) => ({ '@type': type + entryType(resource), ...(entry as object) }));
    return { status: 200, contentType: 'application/json', body: json({ configs }) };
  }
  return { status: 404, contentType: 'text/plain', body: `${resource} not found in config dump` };
}

/** 'static_route_configs' → 'StaticRouteConfig'. */
function entryType(field: string): string {
  return field.replace(/s$/, '').replace(/(^|_)([a-z])/g, (_, _before: string, letter: string) => letter.toUpperCase());
}

function withoutEmpty(dump: Dump): Dump {
  const kept: Dump = { '@type': dump['@type'] };
  for (const [key, value] of Object.entries(dump)) {
    if (!Array.isArray(value) || value.length > 0) kept[key] = value;
  }
  return kept;
}

function routeConfigurations(listener: Listener): unknown[] {
  const found: unknown[] = [];
  for (const chain of [
    ...(listener.filter_chains ?? []),
    ...(listener.default_filter_chain ? [listener.default_filter_chain] : []),
  ]) {
    for (const filter of chain.filters ?? []) {
      const unpacked = filter.typed_config === undefined ? undefined : unpackAny(filter.typed_config);
      const route = (unpacked?.message as HttpConnectionManager | undefined)?.route_config;
      if (route !== undefined) found.push(route);
    }
  }
  return found;
}
