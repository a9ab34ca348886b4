// Decodes scoped_routes of the connection manager: how keys are made, and the scopes, in place or by themselves.
import type {
  RouteConfiguration,
  ScopedRouteConfiguration,
  ScopedRoutes,
  ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor as Extractor,
} from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { RouteTable } from '../route/route.ts';
import { byKey, keyText, type Scope, ScopedTable, type ScopeFragment } from '../route/scoped-table.ts';
import type { ScopeConfig, ScopedRoutesConfig } from '../xds/scope-sets.ts';
import { matchedHeaderKey } from './matcher.ts';
import { decodeRouteConfiguration } from './route.ts';

const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3';

export const SCOPED_ROUTES_FIELDS = {
  [`${MANAGER}.ScopedRoutes`]: 'name scope_key_builder scoped_route_configurations_list scoped_rds rds_config_source',
  [`${MANAGER}.ScopedRds`]: 'scoped_rds_config_source',
  [`${MANAGER}.ScopedRoutes.ScopeKeyBuilder`]: 'fragments',
  [`${MANAGER}.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder`]: 'header_value_extractor',
  [`${MANAGER}.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor`]:
    'name element_separator index element',
  [`${MANAGER}.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor.KvElement`]: 'separator key',
  [`${MANAGER}.ScopedRouteConfigurationsList`]: 'scoped_route_configurations',
  'envoy.config.route.v3.ScopedRouteConfiguration': 'name key route_configuration route_configuration_name on_demand',
  'envoy.config.route.v3.ScopedRouteConfiguration.Key': 'fragments',
  'envoy.config.route.v3.ScopedRouteConfiguration.Key.Fragment': 'string_key',
} as const;

/** Source of the texts: Envoy, source/common/router/scoped_rds and scoped_config_impl. */
export function decodeScopedRoutes(message: ScopedRoutes, d: ConfigDecoder): ScopedTable {
  const fragments = decodeFragments(message, d);
  if (message.rds_config_source !== undefined) {
    d.reject('rds_config_source', 'takes no effect with scoped_route_configurations_list');
  }
  const scopes: Scope[] = [];
  const known = new Set<string>();
  const list = message.scoped_route_configurations_list?.scoped_route_configurations ?? [];
  for (const [i, scope] of list.entries()) {
    const ds = d.at('scoped_route_configurations_list').at('scoped_route_configurations', i);
    const key = keyOf(scope);
    if (known.has(keyText(key))) ds.reject('key', `scope key conflict found: ${key.join(', ')}`);
    known.add(keyText(key));
    if (scope.route_configuration_name || scope.route_configuration === undefined) {
      const text = 'Fetching routes via RDS (route_configuration_name) is not supported with inline scoped routes.';
      ds.reject('route_configuration_name', text);
      continue;
    }
    if (scope.on_demand === true) ds.reject('on_demand', 'takes no effect where the routes are written in place');
    scopes.push({ key, routes: { current: decodeOwnRoutes(scope.route_configuration, ds, true) } });
  }
  return new ScopedTable(message.name ?? '', fragments, byKey(scopes));
}

/** Scopes that come by themselves. */
export function decodeScopedRds(message: ScopedRoutes, d: ConfigDecoder): ScopedRoutesConfig | null {
  const fragments = decodeFragments(message, d);
  const placeOf = d.environment.configPlace;
  if (placeOf === undefined) return null;
  const { scoped_rds, rds_config_source } = message;
  const place = placeOf(scoped_rds?.scoped_rds_config_source, d.at('scoped_rds').at('scoped_rds_config_source'));
  const routesPlace = placeOf(rds_config_source, d.at('rds_config_source'));
  return place === null || routesPlace === null ? null : { name: message.name ?? '', fragments, place, routesPlace };
}

/** One of them. */
export function decodeScope(message: ScopedRouteConfiguration, d: ConfigDecoder): ScopeConfig {
  const { name = '', route_configuration_name: routesName = '', route_configuration: own, on_demand = false } = message;
  if (routesName === '' && own === undefined) d.reject('', 'route_configuration_name is empty.');
  const table = own === undefined ? null : decodeOwnRoutes(own, d, false);
  // Source: Envoy ScopedRdsConfigSubscription::addOrUpdateScopes, where its own routes go before those that it names.
  return { name, key: keyOf(message), routesName: table === null ? routesName : '', table, isOnDemand: on_demand };
}

function keyOf({ key }: ScopedRouteConfiguration): string[] {
  return (key?.fragments ?? []).map(({ string_key = '' }) => string_key);
}

function decodeOwnRoutes(message: RouteConfiguration, d: ConfigDecoder, validateClusters: boolean): RouteTable {
  const at = d.at('route_configuration');
  if (message.vhds !== undefined) at.reject('vhds', 'is for route configurations that scopes name');
  return decodeRouteConfiguration(message, at, validateClusters);
}

function decodeFragments(message: ScopedRoutes, d: ConfigDecoder): ScopeFragment[] {
  return (message.scope_key_builder?.fragments ?? []).flatMap(({ header_value_extractor }, i) => {
    const df = d.at('scope_key_builder').at('fragments', i).at('header_value_extractor');
    return decodeFragment(header_value_extractor ?? {}, df) ?? [];
  });
}

function decodeFragment(message: Extractor, d: ConfigDecoder): ScopeFragment | null {
  const { name = '', element_separator: separator = '', index, element } = message;
  const header = matchedHeaderKey(name.toLowerCase());
  if (element !== undefined) {
    return { header, separator, pick: { key: element.key ?? '', separator: element.separator ?? '' } };
  }
  if (index === undefined) {
    d.reject('', 'HeaderValueExtractor extract_type not set.');
    return null;
  }
  if (index > 0 && separator === '') d.reject('index', 'Index > 0 for empty string element separator.');
  return { header, separator, pick: { index } };
}
