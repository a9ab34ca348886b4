// Decodes config_discovery of an HTTP filter: its configuration is only named and comes from elsewhere (ECDS).
import type { HttpFilter as HttpFilterPb } from '../../proto/generated/types.d.ts';
import { typeUrlName } from '../../proto/type-url.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { FilterDiscovery, HttpExtension } from '../http/filter-discovery.ts';
import type { HttpFilterFactory } from '../http/filter.ts';

export const FILTER_DISCOVERY_FIELDS = {
  'envoy.config.core.v3.ExtensionConfigSource':
    'config_source default_config apply_default_config_without_warming type_urls',
} as const;

/** Source of the texts: Envoy, source/common/filter/config_discovery_impl. */
export function decodeFilterDiscovery(
  { name = '', config_discovery: message = {} }: HttpFilterPb,
  d: ConfigDecoder,
  filterFactory: (type: string) => HttpFilterFactory | null,
): FilterDiscovery | null {
  const dd = d.at('config_discovery');
  const place = d.environment.configPlace?.(message.config_source, dd.at('config_source')) ?? null;
  const types = (message.type_urls ?? []).map(typeUrlName);
  for (const [i, type] of types.entries()) {
    if (filterFactory(type) !== null) continue;
    dd.reject(`type_urls[${i}]`, `Error: no factory found for a required type URL ${type}.`);
  }
  const isFallbackReady = message.apply_default_config_without_warming ?? false;
  if (isFallbackReady && message.default_config === undefined) {
    dd.reject('', `Error: filter config ${name} applied without warming but has no default config.`);
  }
  const fallback = decodeFallback(name, message.default_config, types, dd.at('default_config'), filterFactory);
  return place === null ? null : { place, fallback, isFallbackReady, types };
}

function decodeFallback(
  name: string,
  any: unknown,
  types: readonly string[],
  d: ConfigDecoder,
  filterFactory: (type: string) => HttpFilterFactory | null,
): HttpExtension | null {
  if (any === undefined) return null;
  const unpacked = d.environment.unpack(any, d);
  if (unpacked === null) return null;
  const { type } = unpacked;
  const factory = filterFactory(type);
  if (factory === null) {
    d.reject('', `Error: cannot find filter factory ${name} for default filter configuration with type URL ${type}.`);
    return null;
  }
  if (!types.includes(type)) {
    d.reject('', `Error: filter config has type URL ${type} but expect ${types.join(', ')}.`);
    return null;
  }
  return { name, type, factory, config: factory.decode(unpacked.message as never, d) };
}
