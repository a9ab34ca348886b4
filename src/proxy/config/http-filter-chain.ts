// Decodes lists of HTTP filters: the connection manager's own, and those of upgrades.
import type { Any, HttpConnectionManager, HttpFilter as HttpFilterPb } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { decodeFilterDiscovery, FILTER_DISCOVERY_FIELDS } from './filter-discovery.ts';
import type { HttpFilterSpec, HttpManagerEnvironment } from './http-connection-manager.ts';

export const HTTP_FILTER_FIELDS = {
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter':
    'name typed_config is_optional disabled config_discovery',
  ...FILTER_DISCOVERY_FIELDS,
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig':
    'upgrade_type filters enabled',
} as const;

/** Types of upgrades, lower case, and whether they are on. */
export function decodeUpgrades(
  { upgrade_configs = [] }: HttpConnectionManager,
  d: ConfigDecoder,
): Map<string, boolean> {
  const upgrades = new Map<string, boolean>();
  for (const [i, { upgrade_type: given = '', enabled = true }] of upgrade_configs.entries()) {
    const type = given.toLowerCase();
    const text = `Error: multiple upgrade configs with the same name: '${given}'`;
    if (upgrades.has(type)) d.at('upgrade_configs', i).reject('', text);
    upgrades.set(type, enabled);
  }
  return upgrades;
}

/** Filters of upgrades that have their own, by type (lower case). */
export function decodeUpgradeFilters(
  { upgrade_configs = [] }: HttpConnectionManager,
  d: ConfigDecoder,
  environment: HttpManagerEnvironment,
): Map<string, readonly HttpFilterSpec[]> {
  const chains = new Map<string, readonly HttpFilterSpec[]>();
  for (const [i, { upgrade_type: type = '', filters = [] }] of upgrade_configs.entries()) {
    if (filters.length === 0) continue;
    chains.set(type.toLowerCase(), decodeFilters(filters, 'filters', d.at('upgrade_configs', i), environment));
  }
  return chains;
}

export function decodeFilters(
  messages: readonly HttpFilterPb[],
  field: 'http_filters' | 'filters',
  d: ConfigDecoder,
  environment: HttpManagerEnvironment,
): HttpFilterSpec[] {
  const specs: HttpFilterSpec[] = [];
  for (const [i, message] of messages.entries()) {
    const df = d.at(field, i);
    if (message.config_discovery !== undefined) {
      const { name = '', disabled = false } = message;
      const discovery = decodeFilterDiscovery(name, message.config_discovery, df.at('config_discovery'), {
        factoryOf: environment.filterFactory,
        decode: (factory, config, de) => factory.decode(config as never, de),
      });
      if (discovery !== null) specs.push({ name, disabled, factory: null, discovery });
      continue;
    }
    if (message.typed_config === undefined) {
      df.reject('typed_config', `is required: filter ${JSON.stringify(message.name ?? '')} has no configuration`);
      continue;
    }
    const spec = decodeFilter(message, df, environment, message.typed_config);
    if (spec !== null) specs.push(spec);
  }
  const last = specs.at(-1);
  for (const [i, spec] of specs.entries()) {
    if (spec.factory?.isTerminal === true && spec !== last) {
      d.at(field, i).reject('', `terminal filter ${spec.name} must be the last filter of the chain`);
    }
  }
  if (messages.length === 0) d.reject(field, 'is required: the last filter must be envoy.filters.http.router');
  else if (last?.factory != null && last.factory.isTerminal !== true && specs.length === messages.length) {
    d.at(field, messages.length - 1).reject(
      '',
      `non-terminal filter ${last.name} is the last filter of the chain; envoy.filters.http.router must be`,
    );
  }
  return specs;
}

function decodeFilter(
  message: HttpFilterPb,
  d: ConfigDecoder,
  environment: HttpManagerEnvironment,
  any: Any,
): HttpFilterSpec | null {
  const unpacked = d.environment.unpack(any, d.at('typed_config'));
  if (unpacked === null) return null;
  const factory = environment.filterFactory(unpacked.type);
  if (factory === null) {
    if (message.is_optional !== true) {
      d.reject('typed_config', `no filter of type ${unpacked.type} (named ${JSON.stringify(message.name ?? '')})`);
    }
    return null;
  }
  return {
    name: message.name ?? factory.name,
    factory,
    config: factory.decode(unpacked.message as never, d.at('typed_config')),
    disabled: message.disabled ?? false,
  };
}
