// Decodes config_discovery of a network filter: its configuration is only named and comes from elsewhere (ECDS).
import type { Filter } from '../../proto/generated/types.d.ts';
import { typeUrlName } from '../../proto/type-url.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { NetworkDiscovery, NetworkExtension } from '../network/filter-discovery.ts';
import type { NetworkFilterFactory } from '../network/filter.ts';

type FactoryOf = (type: string) => NetworkFilterFactory | null;

/** Source of the texts: Envoy, source/common/filter/config_discovery_impl. */
export function decodeNetworkDiscovery(
  { name = '', config_discovery: message = {} }: Filter,
  d: ConfigDecoder,
  factoryOf: FactoryOf,
  bufferLimitBytes: number,
): NetworkDiscovery | null {
  const place = d.environment.configPlace?.(message.config_source, d.at('config_source')) ?? null;
  const types = (message.type_urls ?? []).map(typeUrlName);
  for (const [i, type] of types.entries()) {
    const factory = factoryOf(type);
    if (factory === null) d.reject(`type_urls[${i}]`, `Error: no factory found for a required type URL ${type}.`);
    else if (factory.isTerminal === true) d.reject(`type_urls[${i}]`, `${factory.name} cannot be named alone yet`);
  }
  const isFallbackReady = message.apply_default_config_without_warming ?? false;
  const { default_config: any } = message;
  if (isFallbackReady && any === undefined) {
    d.reject('', `Error: filter config ${name} applied without warming but has no default config.`);
  }
  const fallback =
    any === undefined ? null : decodeFallback(name, any, types, d.at('default_config'), factoryOf, bufferLimitBytes);
  return place === null ? null : { name, place, fallback, isFallbackReady, types };
}

function decodeFallback(
  name: string,
  any: unknown,
  types: readonly string[],
  d: ConfigDecoder,
  factoryOf: FactoryOf,
  bufferLimitBytes: number,
): NetworkExtension | null {
  const unpacked = d.environment.unpack(any, d);
  if (unpacked === null) return null;
  const { type, message } = unpacked;
  const factory = factoryOf(type);
  if (factory === null) {
    d.reject('', `Error: cannot find filter factory ${name} for default filter configuration with type URL ${type}.`);
    return null;
  }
  if (!types.includes(type)) {
    d.reject('', `Error: filter config has type URL ${type} but expect ${types.join(', ')}.`);
    return null;
  }
  return { name, type, factory, config: factory.decode(message as never, d, { bufferLimitBytes }) };
}
