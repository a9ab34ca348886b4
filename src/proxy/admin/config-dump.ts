// The endpoint /config_dump: the configuration in force as protobuf JSON, in the messages of envoy.admin.v3.
import { compileRegex } from '../../base/regex.ts';
import { toJson } from '../../proto/json-encode.ts';
import { registry } from '../../proto/registry.ts';
import type { Listener } from '../../proto/generated/types.d.ts';
import { TYPE_URL_PREFIX, typeUrlName } from '../../proto/type-url.ts';
import { userAgent } from '../user-agent.ts';
import { CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../xds/types.ts';
import type { AdminHandler, AdminRequest, AdminResponse, LaterAdminResponse } from './admin-filter.ts';
import { applyMask, type JsonObject, parseMask, redact } from './dump-json.ts';
import {
  decodeResource,
  type DumpView,
  dynamicClusters,
  dynamicFilters,
  dynamicListeners,
  dynamicSecrets,
  endpointErrors,
  keptMessages,
  messageJson,
  namedFiltersOf,
  timeText,
} from './dynamic-dump.ts';
import { managersOf } from './listener-managers.ts';
import { dynamicRoutes, scopedRoutes, withHosts } from './scoped-dump.ts';
import { endpointDump } from './endpoint-dump.ts';
import type { AdminContext } from './handlers.ts';
import { json } from './server.ts';
import { markStandIns } from './stand-in-marks.ts';

const ADMIN_PREFIX = `${TYPE_URL_PREFIX}envoy.admin.v3.`;

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

function configDump(context: AdminContext, request: AdminRequest): AdminResponse | LaterAdminResponse {
  const { crew } = context.proxy;
  const { query } = request;
  const nameRegex = query.get('name_regex');
  const regex = nameRegex === null ? null : compileRegex(nameRegex);
  if (regex !== null && 'error' in regex)
    return { status: 400, body: `Error while parsing name_regex from ${nameRegex}\n` };
  const isWanted = (name: string): boolean => regex === null || regex.matches(name);
  const hasEndpoints = query.has('include_eds');
  return {
    later: (answer) =>
      crew.refresh(() => {
        const view = viewOf(context, isWanted);
        const dumps = makeDumps(context, view);
        const finish = (): void => {
          redact(dumps);
          answer(answerOf(dumps.map(withoutEmpty), query));
        };
        if (!hasEndpoints) {
          finish();
          return;
        }
        crew.clusters((clusters) => {
          const endpoints = endpointDump(clusters, isWanted, endpointErrors(view));
          const at = dumps.findIndex(({ '@type': type }) => type.endsWith('ListenersConfigDump'));
          dumps.splice(at, 0, { '@type': `${ADMIN_PREFIX}EndpointsConfigDump`, ...endpoints });
          finish();
        });
      }),
  };
}

function viewOf({ proxy }: AdminContext, isWanted: (name: string) => boolean): DumpView {
  const { crew, record } = proxy;
  const listening = new Set(crew.listeners().map(({ name }) => name));
  return {
    ...{ record, isWanted },
    isWarmingCluster: (name) => crew.stats.find(`cluster.${name.replaceAll(':', '_')}.warming_state`) === 1,
    isListening: (name) => listening.has(name),
  };
}

function makeDumps({ proxy }: AdminContext, view: DumpView): Dump[] {
  const statics = proxy.bootstrap.static_resources ?? {};
  const { isWanted, record } = view;
  const updated = { last_updated: timeText(proxy.startedWallMs) };
  const told = { ...proxy.bootstrap, node: { ...proxy.bootstrap.node, ...userAgent(proxy.parts.version) } };
  const clusters = (statics.clusters ?? []).filter((one) => isWanted(one.name ?? ''));
  const listeners = (statics.listeners ?? []).filter((one) => isWanted(one.name ?? ''));
  const all = [
    ...(statics.listeners ?? []).map((listener) => [listener, proxy.startedWallMs] as const),
    ...[...record.of(LISTENER_TYPE)].flatMap(({ active }) =>
      active === null ? [] : [[decodeResource(LISTENER_TYPE, active.bytes) as Listener, active.updatedWallMs] as const],
    ),
  ];
  const routes = all
    .flatMap(([listener, wallMs]) => routeConfigurations(listener).map((config) => ({ config, wallMs })))
    .filter(({ config }) => isWanted((config as { name?: string }).name ?? ''));
  const filters = dynamicFilters(view);
  const ecds = (filters['ecds_filters'] as readonly unknown[]).length === 0 ? [] : [dump('Ecds', filters)];
  return [
    dump('Bootstrap', {
      bootstrap: toJson(registry.message('envoy.config.bootstrap.v3.Bootstrap'), told, {
        preserveProtoFieldNames: true,
      }),
      ...updated,
    }),
    dump('Clusters', {
      version_info: '',
      static_clusters: clusters.map((one) => ({ cluster: messageJson(CLUSTER_TYPE, one), ...updated })),
      ...dynamicClusters(view),
    }),
    ...ecds,
    dump('Listeners', {
      version_info: '',
      static_listeners: listeners.map((one) => ({
        listener: markStandIns(messageJson(LISTENER_TYPE, one), one, namedFiltersOf(view)),
        ...updated,
      })),
      ...dynamicListeners(view),
    }),
    dump('ScopedRoutes', scopedRoutes(view, all)),
    dump('Routes', {
      static_route_configs: routes.map(({ config, wallMs }) =>
        withHosts(view, { route_config: messageJson(ROUTE_TYPE, config) }, wallMs),
      ),
      ...dynamicRoutes(view),
    }),
    dump('Secrets', dynamicSecrets(view, proxy.startedWallMs)),
    ...(keptMessages(view) as Dump[]),
  ];
}

function dump(kind: string, fields: JsonObject): Dump {
  return { '@type': `${ADMIN_PREFIX}${kind}ConfigDump`, ...fields };
}

/** `resource` picks one repeated field out of all dumps; `mask` fields of each. */
function answerOf(dumps: readonly Dump[], query: URLSearchParams): AdminResponse {
  const resource = query.get('resource');
  const paths = parseMask(query.get('mask'));
  if (resource !== null) return resourceAnswer(dumps, resource, paths);
  if (paths.length === 0) return ok(dumps);
  // A mask that does not fit a dump is no error: it may fit another.
  return ok(dumps.flatMap<JsonObject>((one) => applyMask(typeUrlName(one['@type']), one, paths) ?? []));
}

function resourceAnswer(dumps: readonly Dump[], resource: string, paths: readonly string[]): AdminResponse {
  // Endpoints are dumped only when they are asked for: then they are among the dumps.
  for (const one of dumps) {
    const typeName = typeUrlName(one['@type']);
    const field = registry.find(typeName)?.fieldByName(resource);
    if (field === undefined) continue;
    if (!field.repeated) {
      const text = `${resource} is not a repeated field. Use ?mask=${resource} to get only this field`;
      return { status: 400, contentType: 'text/plain', body: text };
    }
    const type = field.message.fullName;
    const configs: JsonObject[] = [];
    for (const entry of (one[resource] ?? []) as readonly JsonObject[]) {
      const typed = { '@type': TYPE_URL_PREFIX + type, ...entry };
      const kept = paths.length === 0 ? typed : applyMask(type, typed, paths);
      if (kept === null) return { status: 400, contentType: 'text/plain', body: badMask(paths) };
      configs.push(kept);
    }
    return ok(configs);
  }
  return { status: 404, contentType: 'text/plain', body: `${resource} not found in config dump` };
}

/** Envoy prints the mask in protobuf's debug form. */
function badMask(paths: readonly string[]): string {
  const lines = paths.map((path) => `paths: ${JSON.stringify(path)}\n`).join('');
  return `FieldMask goo.gle/debugproto   \n${lines} could not be successfully used.`;
}

function ok(configs: readonly JsonObject[]): AdminResponse {
  return { status: 200, contentType: 'application/json', body: json(configs.length === 0 ? {} : { configs }) };
}

function withoutEmpty(dump: Dump): Dump {
  const kept: Dump = { '@type': dump['@type'] };
  for (const [key, value] of Object.entries(dump)) {
    if (value !== '' && (!Array.isArray(value) || value.length > 0)) kept[key] = value;
  }
  return kept;
}

function routeConfigurations(listener: Listener): unknown[] {
  return managersOf(listener).flatMap(({ route_config }) => route_config ?? []);
}
