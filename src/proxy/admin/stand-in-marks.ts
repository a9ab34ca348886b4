// Marks the listeners of /config_dump that have filters which are not built: in their metadata, where every reader of
// Envoy's messages finds it and none stumbles over it.
import { type Any, unpackAny } from '../../proto/any.ts';
import type {
  Filter,
  FilterChain,
  HttpConnectionManager,
  HttpFilter,
  Listener,
} from '../../proto/generated/types.d.ts';
import { standInEffects } from '../extensions.ts';
import type { JsonObject } from './dump-json.ts';

const NAMESPACE = 'heddle.stand_ins';
const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

/** The configuration that came by a name; undefined: none. */
export type NamedFilters = (name: string) => unknown;

/** The same JSON where all is built; else with 'inert' or 'deny' by the filters' names in its metadata. */
export function markStandIns(json: JsonObject, listener: Listener, namedFilters: NamedFilters): JsonObject {
  const found: Record<string, string> = {};
  const chains: FilterChain[] = [...(listener.filter_chains ?? [])];
  if (listener.default_filter_chain !== undefined) chains.push(listener.default_filter_chain);
  for (const { filters = [] } of chains) for (const filter of filters) look(filter, found, namedFilters);
  if (Object.keys(found).length === 0) return json;
  const metadata = (json['metadata'] ?? {}) as { readonly filter_metadata?: object };
  return { ...json, metadata: { ...metadata, filter_metadata: { ...metadata.filter_metadata, [NAMESPACE]: found } } };
}

function look(filter: Filter | HttpFilter, found: Record<string, string>, namedFilters: NamedFilters): void {
  const { name = '', config_discovery: discovery } = filter;
  const any = discovery === undefined ? filter.typed_config : (namedFilters(name) ?? discovery.default_config);
  const unpacked = any === undefined ? undefined : unpackAny(any as Any);
  if (unpacked === undefined) return;
  const { type, message } = unpacked;
  const effect = standInEffects().get(type.fullName)?.(message);
  if (effect !== undefined) found[name] = effect;
  if (type.fullName !== MANAGER) return;
  const { http_filters: filters = [], upgrade_configs: upgrades = [], tracing } = message as HttpConnectionManager;
  if (tracing?.provider !== undefined) found[tracing.provider.name ?? ''] = 'inert';
  for (const inner of [...filters, ...upgrades.flatMap((upgrade) => upgrade.filters ?? [])]) {
    look(inner, found, namedFilters);
  }
}
