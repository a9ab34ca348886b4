// Decodes config_discovery of a filter, of HTTP or of the network: its configuration is only named, and comes by ECDS.
import type { ExtensionConfigSource } from '../../proto/generated/types.d.ts';
import { typeUrlName } from '../../proto/type-url.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { Discovery, Extension } from '../xds/followed-extension.ts';

export const FILTER_DISCOVERY_FIELDS = {
  'envoy.config.core.v3.ExtensionConfigSource':
    'config_source default_config apply_default_config_without_warming type_urls',
} as const;

/** What differs between the kinds of filters. */
export type DiscoveryKind<Factory> = {
  factoryOf(type: string): Factory | null;
  decode(factory: Factory, message: object, d: ConfigDecoder): unknown;
  /** Why the default cannot stand there, or null. */
  whyNot?(extension: Pick<Extension<Factory>, 'name' | 'factory'>): string | null;
};

/** `d` is at config_discovery. Source of the texts: Envoy, source/common/filter/config_discovery_impl. */
export function decodeFilterDiscovery<Factory>(
  name: string,
  message: ExtensionConfigSource,
  d: ConfigDecoder,
  kind: DiscoveryKind<Factory>,
): Discovery<Factory> | null {
  const place = d.environment.configPlace?.(message.config_source, d.at('config_source')) ?? null;
  const types = (message.type_urls ?? []).map(typeUrlName);
  for (const [i, type] of types.entries()) {
    const factory = kind.factoryOf(type);
    if (factory === null) d.reject(`type_urls[${i}]`, `Error: no factory found for a required type URL ${type}.`);
  }
  const isFallbackReady = message.apply_default_config_without_warming ?? false;
  if (isFallbackReady && message.default_config === undefined) {
    d.reject('', `Error: filter config ${name} applied without warming but has no default config.`);
  }
  const fallback = decodeFallback(name, message.default_config, types, d.at('default_config'), kind);
  return place === null ? null : { name, place, fallback, isFallbackReady, types };
}

function decodeFallback<Factory>(
  name: string,
  any: unknown,
  types: readonly string[],
  d: ConfigDecoder,
  kind: DiscoveryKind<Factory>,
): Extension<Factory> | null {
  if (any === undefined) return null;
  const unpacked = d.environment.unpack(any, d);
  if (unpacked === null) return null;
  const { type, message } = unpacked;
  const factory = kind.factoryOf(type);
  if (factory === null) {
    d.reject('', `Error: cannot find filter factory ${name} for default filter configuration with type URL ${type}.`);
    return null;
  }
  if (!types.includes(type)) {
    d.reject('', `Error: filter config has type URL ${type} but expect ${types.join(', ')}.`);
    return null;
  }
  const why = kind.whyNot?.({ name, factory }) ?? null;
  if (why !== null) d.reject('', why);
  return { name, type, factory, config: kind.decode(factory, message, d) };
}
