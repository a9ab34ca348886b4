// The dumps that /config_dump is made of, in Envoy's order; each is made when it is written.
import { toJson } from '../../proto/json-encode.ts';
import { registry } from '../../proto/registry.ts';
import type { Bootstrap, Listener } from '../../proto/generated/types.d.ts';
import { TYPE_URL_PREFIX } from '../../proto/type-url.ts';
import { userAgent } from '../user-agent.ts';
import type { ClusterStatus } from '../workers/crew.ts';
import { CLUSTER_TYPE, EXTENSION_TYPE, LISTENER_TYPE, SECRET_TYPE } from '../xds/types.ts';
import type { JsonObject } from './dump-json.ts';
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
import { endpointDump } from './endpoint-dump.ts';
import type { AdminContext } from './handlers.ts';
import { JsonList, JsonTree } from './json-writer.ts';
import { managersOf } from './listener-managers.ts';
import { dynamicRoutes, routeEntry, scopedRoutes } from './scoped-dump.ts';
import { subClusterEntries } from './sub-cluster-dump.ts';
import { markStandIns } from './stand-in-marks.ts';

const ADMIN_PREFIX = `${TYPE_URL_PREFIX}envoy.admin.v3.`;
const PROTO_NAMES = { preserveProtoFieldNames: true } as const;

export type Dump = { readonly type: string; readonly make: () => JsonTree };

export function viewOf({ proxy }: AdminContext, isWanted: (name: string) => boolean): DumpView {
  const { crew, record } = proxy;
  const listening = new Set(crew.listeners().map(({ name }) => name));
  return {
    ...{ record, isWanted },
    isWarmingCluster: warmingClusters(proxy),
    isListening: (name) => listening.has(name),
  };
}

/** By the gauge `warming_state`; found in one look over the names of all scopes. */
function warmingClusters({ crew }: AdminContext['proxy']): (name: string) => boolean {
  let groups: Map<string, ReturnType<typeof crew.stats.scopes> extends Iterable<infer G> ? G[] : never> | null = null;
  const known = new Map<string, boolean>();
  return (name) => {
    if (groups === null) {
      groups = new Map();
      for (const group of crew.stats.scopes()) {
        if (!group.prefix.startsWith('cluster.')) continue;
        const same = groups.get(group.prefix);
        if (same === undefined) groups.set(group.prefix, [group]);
        else same.push(group);
      }
    }
    let isWarming = known.get(name);
    if (isWarming !== undefined) return isWarming;
    isWarming = false;
    const prefix = `cluster.${name.replaceAll(':', '_')}.`;
    for (const group of groups.get(prefix) ?? []) {
      for (const stat of group.stats()) {
        if ('value' in stat && stat.value === 1 && stat.name.endsWith('.warming_state')) isWarming = true;
      }
    }
    known.set(name, isWarming);
    return isWarming;
  };
}

/** `clusters`: where endpoints are dumped, too, or clusters may have come on demand. */
export function makeDumps(
  { proxy }: AdminContext,
  view: DumpView,
  clusters: Iterable<ClusterStatus> | null,
  hasEndpoints = false,
): readonly Dump[] {
  const { record, isWanted } = view;
  const statics = proxy.bootstrap.static_resources ?? {};
  const wanted = <T extends { readonly name?: string | undefined }>(all: readonly T[] = []): T[] =>
    all.filter(({ name = '' }) => isWanted(name));
  const updated = { last_updated: timeText(proxy.startedWallMs) };
  const listeners = function* (): Generator<readonly [Listener, number]> {
    for (const listener of statics.listeners ?? []) yield [listener, proxy.startedWallMs];
    for (const { active } of record.of(LISTENER_TYPE)) {
      if (active !== null) yield [decodeResource(LISTENER_TYPE, active.bytes) as Listener, active.updatedWallMs];
    }
  };
  const filters = dynamicFilters(view);
  const hasFilters = [...record.of(EXTENSION_TYPE)].some(({ name }) => isWanted(name));
  return [
    dump('Bootstrap', () => ({ bootstrap: bootstrapTree(proxy), ...updated })),
    dump('Clusters', () => ({
      static_clusters: list(wanted(statics.clusters), (one) => ({
        ...{ cluster: messageJson(CLUSTER_TYPE, one) },
        ...updated,
      })),
      ...dynamicClusters(view, clusters === null ? [] : subClusterEntries(proxy, clusters, isWanted)),
    })),
    ...(hasFilters ? [dump('Ecds', () => filters)] : []),
    ...(clusters !== null && hasEndpoints
      ? [dump('Endpoints', () => endpointDump(clusters, isWanted, endpointErrors(view)))]
      : []),
    dump('Listeners', () => ({
      static_listeners: list(wanted(statics.listeners), (one) => ({
        listener: markStandIns(messageJson(LISTENER_TYPE, one), one, namedFiltersOf(view)),
        ...updated,
      })),
      ...dynamicListeners(view),
    })),
    dump('ScopedRoutes', () => scopedRoutes(view, listeners)),
    dump('Routes', () => ({
      static_route_configs: new JsonList(function* () {
        for (const [listener, updatedWallMs] of listeners()) {
          for (const config of wanted(managersOf(listener).flatMap(({ route_config }) => route_config ?? []))) {
            yield routeEntry(view, config, { version: null, updatedWallMs });
          }
        }
      }),
      dynamic_route_configs: dynamicRoutes(view),
    })),
    dump('Secrets', () => ({
      static_secrets: list(wanted(statics.secrets), (one) => ({
        ...{ name: one.name, ...updated, secret: messageJson(SECRET_TYPE, one) },
      })),
      ...dynamicSecrets(view, proxy.startedWallMs),
    })),
    ...keptMessages(view).map((make) => ({ type: '', make: () => new JsonTree(make()) })),
  ];
}

function list<T>(all: readonly T[], show: (one: T) => unknown): JsonList {
  return new JsonList(function* () {
    for (const one of all) yield show(one);
  });
}

function dump(kind: string, fields: () => JsonObject): Dump {
  const type = `${ADMIN_PREFIX}${kind}ConfigDump`;
  return { type, make: () => new JsonTree({ '@type': type, ...fields() }) };
}

/** What it was started with; who it says that it is comes with it, as in Envoy. */
function bootstrapTree({ bootstrap, parts }: AdminContext['proxy']): JsonTree {
  const { static_resources: statics, ...rest } = bootstrap;
  const told = { ...rest, node: { ...bootstrap.node, ...userAgent(parts.version) } } as Bootstrap;
  const { node, ...others } = toJson(
    registry.message('envoy.config.bootstrap.v3.Bootstrap'),
    told,
    PROTO_NAMES,
  ) as JsonObject;
  if (statics === undefined) return new JsonTree({ node, ...others });
  const typed = (type: string, all: readonly unknown[] = []): JsonList =>
    list(all, (one) => toJson(registry.message(type), one as never, PROTO_NAMES));
  const resources = new JsonTree({
    listeners: typed(LISTENER_TYPE, statics.listeners),
    clusters: typed(CLUSTER_TYPE, statics.clusters),
    secrets: typed(SECRET_TYPE, statics.secrets),
  });
  return new JsonTree({ node, static_resources: resources, ...others });
}
