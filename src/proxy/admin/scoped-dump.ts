// Scopes and virtual hosts that came by themselves, as the parts of /config_dump.
import type { Listener, RouteConfiguration, ScopedRouteConfiguration } from '../../proto/generated/types.d.ts';
import type { RecordedResource } from '../xds/config-record.ts';
import { ROUTE_TYPE, SCOPE_TYPE, VIRTUAL_HOST_TYPE } from '../xds/types.ts';
import { toJson } from '../../proto/json-encode.ts';
import { registry } from '../../proto/registry.ts';
import type { JsonObject } from './dump-json.ts';
import { decodeResource, type DumpView, errorOf, messageJson, resourceJson, timeText, wanted } from './dynamic-dump.ts';
import { JsonList, JsonTree } from './json-writer.ts';
import { managersOf } from './listener-managers.ts';

/** Listeners with the times of their last changes. */
export type TimedListeners = () => Iterable<readonly [Listener, number]>;

/** Source: envoy.admin.v3.ScopedRoutesConfigDump. */
export function scopedRoutes(view: DumpView, listeners: TimedListeners): JsonObject {
  return {
    inline_scoped_route_configs: new JsonList(() => inlineScopes(view, listeners)),
    dynamic_scoped_route_configs: new JsonList(() => dynamicScopes(view)),
  };
}

function* inlineScopes(view: DumpView, listeners: TimedListeners): Generator<JsonObject> {
  for (const [listener, updatedWallMs] of listeners()) {
    for (const { scoped_routes } of managersOf(listener)) {
      const scopes = scoped_routes?.scoped_route_configurations_list?.scoped_route_configurations;
      if (scopes === undefined) continue;
      const shown = scopes.filter(({ name = '' }: ScopedRouteConfiguration) => view.isWanted(name));
      const scoped_route_configs = shown.map((scope) => messageJson(SCOPE_TYPE, scope));
      yield { name: scoped_routes?.name ?? '', scoped_route_configs, last_updated: timeText(updatedWallMs) };
    }
  }
}

/** All scopes of a place together, by name. */
function dynamicScopes(view: DumpView): JsonObject[] {
  const { record } = view;
  const places = Map.groupBy(record.of(SCOPE_TYPE), ({ place }) => place);
  for (const place of record.labelled(SCOPE_TYPE)) if (!places.has(place)) places.set(place, []);
  const version = record.versionOf(SCOPE_TYPE);
  return [...places].flatMap(([place, all]) => {
    const resources = all.filter(({ name }) => view.isWanted(name)).sort(byName);
    const refused = resources.find(({ error }) => error !== null);
    if (version === '' && refused === undefined) return [];
    const updated = Math.max(0, ...resources.map(({ active }) => active?.updatedWallMs ?? 0));
    const scopes = resources.flatMap(({ active }) => (active === null ? [] : resourceJson(SCOPE_TYPE, active.bytes)));
    return {
      name: record.labelOf(SCOPE_TYPE, place),
      ...(version === '' ? {} : { version_info: version }),
      ...(scopes.length === 0 ? {} : { scoped_route_configs: scopes }),
      last_updated: timeText(updated === 0 ? record.lastHeardWallMs : updated),
      ...errorOf(SCOPE_TYPE, refused?.error ?? null),
    };
  });
}

/** Route configurations by name, each with the virtual hosts that it has besides its own. */
export function dynamicRoutes(view: DumpView): JsonList {
  const all = wanted(view, ROUTE_TYPE);
  return new JsonList(function* () {
    for (const { active, error } of all()) {
      if (active === null) {
        yield errorOf(ROUTE_TYPE, error);
        continue;
      }
      const { version, updatedWallMs } = active;
      const config = decodeResource(ROUTE_TYPE, active.bytes) as RouteConfiguration;
      yield routeEntry(view, config, { version, updatedWallMs }, errorOf(ROUTE_TYPE, error));
    }
  });
}

export type RouteTimes = { readonly version: string | null; readonly updatedWallMs: number };

/** One of them; with all virtual hosts as lists, because there may be thousands. */
export function routeEntry(
  view: DumpView,
  config: RouteConfiguration,
  { version, updatedWallMs }: RouteTimes,
  more: JsonObject = {},
): JsonTree {
  const { virtual_hosts: own = [], ...rest } = config;
  const { record } = view;
  const came =
    config.vhds === undefined
      ? []
      : [...record.ofSpace(VIRTUAL_HOST_TYPE, config.name ?? '')]
          .flatMap(({ name, active }) => (active === null ? [] : [{ name, active }]))
          .sort(byName);
  const hosts = new JsonList(function* () {
    for (const host of own) yield toJson(HOST, host, { preserveProtoFieldNames: true });
    for (const { active } of came) {
      const { '@type': _, ...host } = resourceJson(VIRTUAL_HOST_TYPE, active.bytes);
      yield host;
    }
  });
  const head = messageJson(ROUTE_TYPE, rest);
  const { '@type': type, name, vhds, ...others } = head;
  const shown = new JsonTree({ '@type': type, name, virtual_hosts: hosts, ...others, vhds });
  const latest = Math.max(0, ...came.map(({ active }) => active.updatedWallMs));
  // The version in which the last part of it came.
  const isNewer = came.length > 0 && latest >= updatedWallMs;
  const text = version === null ? undefined : isNewer ? record.versionOf(VIRTUAL_HOST_TYPE) : version;
  return new JsonTree({
    version_info: text,
    route_config: shown,
    last_updated: timeText(isNewer ? latest : updatedWallMs),
    ...more,
  });
}

const HOST = registry.message('envoy.config.route.v3.VirtualHost');

function byName(a: Pick<RecordedResource, 'name'>, b: Pick<RecordedResource, 'name'>): number {
  return a.name < b.name ? -1 : 1;
}
