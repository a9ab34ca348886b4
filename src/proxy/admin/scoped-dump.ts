// Scopes and virtual hosts that came by themselves, as the parts of /config_dump.
import type { Listener, ScopedRouteConfiguration } from '../../proto/generated/types.d.ts';
import type { RecordedResource } from '../xds/config-record.ts';
import { ROUTE_TYPE, SCOPE_TYPE, VIRTUAL_HOST_TYPE } from '../xds/types.ts';
import type { JsonObject } from './dump-json.ts';
import { type DumpView, errorOf, messageJson, resourceJson, timeText, wanted } from './dynamic-dump.ts';
import { managersOf } from './listener-managers.ts';

/** Source: envoy.admin.v3.ScopedRoutesConfigDump. `listeners` with the times of their last changes. */
export function scopedRoutes(view: DumpView, listeners: readonly (readonly [Listener, number])[]): JsonObject {
  return {
    inline_scoped_route_configs: inlineScopes(view, listeners),
    dynamic_scoped_route_configs: dynamicScopes(view),
  };
}

function inlineScopes(view: DumpView, listeners: readonly (readonly [Listener, number])[]): JsonObject[] {
  const found: JsonObject[] = [];
  for (const [listener, updatedWallMs] of listeners) {
    for (const { scoped_routes } of managersOf(listener)) {
      const scopes = scoped_routes?.scoped_route_configurations_list?.scoped_route_configurations;
      if (scopes === undefined) continue;
      const shown = scopes.filter(({ name = '' }: ScopedRouteConfiguration) => view.isWanted(name));
      const scoped_route_configs = shown.map((scope) => messageJson(SCOPE_TYPE, scope));
      found.push({ name: scoped_routes?.name ?? '', scoped_route_configs, last_updated: timeText(updatedWallMs) });
    }
  }
  return found;
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
export function dynamicRoutes(view: DumpView): JsonObject {
  const configs = wanted(view, ROUTE_TYPE).map(({ active, error }) => {
    if (active === null) return errorOf(ROUTE_TYPE, error);
    const { version, updatedWallMs } = active;
    const parts = { version_info: version, route_config: resourceJson(ROUTE_TYPE, active.bytes) };
    return { ...withHosts(view, parts, updatedWallMs), ...errorOf(ROUTE_TYPE, error) };
  });
  return { dynamic_route_configs: configs };
}

/** As Envoy, which shows the route configuration that is made of both. */
export function withHosts(
  view: DumpView,
  parts: JsonObject & { route_config: JsonObject },
  updatedWallMs: number,
): JsonObject {
  const { route_config: config } = parts;
  const own = { ...parts, last_updated: timeText(updatedWallMs) };
  if (config['vhds'] === undefined) return own;
  const { record } = view;
  const hosts = record.ofSpace(VIRTUAL_HOST_TYPE, String(config['name']));
  const came = hosts.flatMap(({ name, active }) => (active === null ? [] : [{ name, active }])).sort(byName);
  if (came.length === 0) return own;
  const shown = came.map(({ active }) => {
    const { '@type': _, ...host } = resourceJson(VIRTUAL_HOST_TYPE, active.bytes);
    return host;
  });
  const latest = Math.max(...came.map(({ active }) => active.updatedWallMs));
  const { vhds, virtual_hosts = [], ...rest } = config;
  const route_config = { ...rest, virtual_hosts: [...(virtual_hosts as JsonObject[]), ...shown], vhds };
  if (latest < updatedWallMs) return { ...own, route_config };
  const version = parts['version_info'] === undefined ? {} : { version_info: record.versionOf(VIRTUAL_HOST_TYPE) };
  return { ...own, ...version, route_config, last_updated: timeText(latest) };
}

function byName(a: Pick<RecordedResource, 'name'>, b: Pick<RecordedResource, 'name'>): number {
  return a.name < b.name ? -1 : 1;
}
