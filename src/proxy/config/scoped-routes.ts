// Decodes scoped_routes of the connection manager: scopes that are written in place, and how their key is made.
import type {
  ScopedRoutes,
  ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor as Extractor,
} from '../../proto/generated/types.d.ts';
import { headerKey } from '../../wire/header-names.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { keyText, type Scope, ScopedTable, type ScopeFragment } from '../route/scoped-table.ts';
import { decodeRouteConfiguration } from './route.ts';

const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3';

export const SCOPED_ROUTES_FIELDS = {
  [`${MANAGER}.ScopedRoutes`]: 'name scope_key_builder scoped_route_configurations_list',
  [`${MANAGER}.ScopedRoutes.ScopeKeyBuilder`]: 'fragments',
  [`${MANAGER}.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder`]: 'header_value_extractor',
  [`${MANAGER}.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor`]:
    'name element_separator index element',
  [`${MANAGER}.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor.KvElement`]: 'separator key',
  [`${MANAGER}.ScopedRouteConfigurationsList`]: 'scoped_route_configurations',
  'envoy.config.route.v3.ScopedRouteConfiguration': 'name key route_configuration',
  'envoy.config.route.v3.ScopedRouteConfiguration.Key': 'fragments',
  'envoy.config.route.v3.ScopedRouteConfiguration.Key.Fragment': 'string_key',
} as const;

/** Source of the texts: Envoy, source/common/router/scoped_rds and scoped_config_impl. */
export function decodeScopedRoutes(message: ScopedRoutes, d: ConfigDecoder): ScopedTable {
  const fragments = (message.scope_key_builder?.fragments ?? []).flatMap(({ header_value_extractor }, i) => {
    const df = d.at('scope_key_builder').at('fragments', i).at('header_value_extractor');
    return decodeFragment(header_value_extractor ?? {}, df) ?? [];
  });
  const scopes: Scope[] = [];
  const known = new Set<string>();
  const list = message.scoped_route_configurations_list?.scoped_route_configurations ?? [];
  for (const [i, scope] of list.entries()) {
    const ds = d.at('scoped_route_configurations_list').at('scoped_route_configurations', i);
    const key = (scope.key?.fragments ?? []).map(({ string_key = '' }) => string_key);
    if (known.has(keyText(key))) ds.reject('key', `scope key conflict found: ${key.join(', ')}`);
    known.add(keyText(key));
    if (scope.route_configuration === undefined) {
      const text = 'Fetching routes via RDS (route_configuration_name) is not supported with inline scoped routes.';
      ds.reject('route_configuration_name', text);
      continue;
    }
    const current = decodeRouteConfiguration(scope.route_configuration, ds.at('route_configuration'));
    scopes.push({ key, routes: { current } });
  }
  return new ScopedTable(message.name ?? '', fragments, scopes);
}

function decodeFragment(message: Extractor, d: ConfigDecoder): ScopeFragment | null {
  const { name = '', element_separator: separator = '', index, element } = message;
  const header = headerKey(name.toLowerCase());
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
