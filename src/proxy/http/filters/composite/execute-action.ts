// What a composite filter may become: one filter, several, or one that is only named (ExecuteFilterAction).
import type { ConfigDecoder } from '../../../config-decoder.ts';
import type { ExtensionConfigSource } from '../../../../proto/generated/types.d.ts';
import { decodeFilterDiscovery, FILTER_DISCOVERY_FIELDS } from '../../../config/filter-discovery.ts';
import { decodeRuntimeFraction, FRACTION_FIELDS, type RuntimeFraction } from '../../../config/matcher.ts';
import type { RuntimeFractionalPercentPb } from '../../../config/matcher.ts';
import type { HttpFilterFactory } from '../../filter.ts';
import type { FilterDiscovery } from '../../filter-discovery.ts';

const PACKAGE = 'envoy.extensions.filters.http.composite.v3';
export const EXECUTE_ACTION = `${PACKAGE}.ExecuteFilterAction`;

export const EXECUTE_FIELDS = {
  [EXECUTE_ACTION]: 'typed_config dynamic_config sample_percent filter_chain filter_chain_name',
  [`${PACKAGE}.DynamicConfig`]: 'name config_discovery',
  [`${PACKAGE}.FilterChainConfiguration`]: 'typed_config',
  ...FILTER_DISCOVERY_FIELDS,
  ...FRACTION_FIELDS,
} as const;

export type ExtensionPb = { name?: string; typed_config?: unknown };
export type FilterChainPb = { typed_config?: readonly ExtensionPb[] };
type ExecuteActionPb = {
  typed_config?: ExtensionPb;
  dynamic_config?: { name?: string; config_discovery?: ExtensionConfigSource };
  sample_percent?: RuntimeFractionalPercentPb;
  filter_chain?: FilterChainPb;
  filter_chain_name?: string;
};

/** A filter inside another one. */
export type InnerFilter = { readonly name: string; readonly factory: HttpFilterFactory; readonly config: unknown };

export type ExecuteAction = {
  /** As the filter state tells it. */
  readonly name: string;
  /** Null: always. */
  readonly sample: RuntimeFraction | null;
  readonly what:
    | { readonly kind: 'filters'; readonly filters: readonly InnerFilter[] }
    | { readonly kind: 'named-chain' }
    | { readonly kind: 'discovered'; readonly discovery: FilterDiscovery; readonly types: ReadonlySet<string> };
};

/** Filters may hold filters which hold filters, but not without an end. */
const MOST_LEVELS = 8;
let level = 0;

/** Null after rejecting it. */
export function decodeInner(message: ExtensionPb | undefined, d: ConfigDecoder): InnerFilter | null {
  const at = d.at('typed_config');
  if (level >= MOST_LEVELS) {
    at.reject('', `filters are nested more than ${MOST_LEVELS} deep`);
    return null;
  }
  const { name = '' } = message ?? {};
  const unpacked = d.environment.unpack(message?.typed_config, at);
  if (unpacked === null) return null;
  const factory = d.environment.httpFilter?.(unpacked.type) ?? null;
  if (factory === null) {
    at.reject('', `no filter of type ${unpacked.type} (named ${JSON.stringify(name)})`);
    return null;
  }
  if (factory.isTerminal === true) {
    at.reject('', `terminal filter ${factory.name} cannot stand inside another filter`);
    return null;
  }
  level++;
  try {
    return { name, factory, config: factory.decode(unpacked.message as never, at) };
  } finally {
    level--;
  }
}

export function decodeChain(message: FilterChainPb | undefined, d: ConfigDecoder): InnerFilter[] {
  const filters: InnerFilter[] = [];
  for (const [i, each] of (message?.typed_config ?? []).entries()) {
    const inner = decodeInner(each, d.at('typed_config', i));
    if (inner !== null) filters.push(inner);
  }
  return filters;
}

/** Where several are set, Envoy's order: filter_chain, filter_chain_name, dynamic_config, typed_config. */
export function decodeExecuteAction(message: ExecuteActionPb, d: ConfigDecoder): ExecuteAction {
  const { sample_percent, filter_chain, filter_chain_name = '', dynamic_config, typed_config } = message;
  const sample = sample_percent === undefined ? null : decodeRuntimeFraction(sample_percent, d.at('sample_percent'));
  if (filter_chain !== undefined) {
    const at = d.at('filter_chain');
    if ((filter_chain.typed_config ?? []).length === 0) at.reject('', 'filter_chain must contain at least one filter.');
    const filters = decodeChain(filter_chain, at);
    return { name: 'filter_chain', sample, what: { kind: 'filters', filters } };
  }
  if (filter_chain_name !== '') {
    return { name: filter_chain_name, sample, what: { kind: 'named-chain' } };
  }
  if (dynamic_config !== undefined) return decodeDiscovered(dynamic_config, sample, d.at('dynamic_config'));
  const inner = decodeInner(typed_config, d.at('typed_config'));
  const filters = inner === null ? [] : [inner];
  return { name: inner?.name ?? '', sample, what: { kind: 'filters', filters } };
}

function decodeDiscovered(
  { name = '', config_discovery = {} }: NonNullable<ExecuteActionPb['dynamic_config']>,
  sample: RuntimeFraction | null,
  d: ConfigDecoder,
): ExecuteAction {
  const factoryOf = (type: string): HttpFilterFactory | null => d.environment.httpFilter?.(type) ?? null;
  const discovery = decodeFilterDiscovery<HttpFilterFactory>(name, config_discovery, d.at('config_discovery'), {
    factoryOf,
    decode: (factory, config, at) => factory.decode(config as never, at),
    whyNot: ({ factory }) => discoveredRefusal(factory),
  });
  if (discovery === null) return { name, sample, what: { kind: 'filters', filters: [] } };
  const types = new Set<string>();
  for (const type of discovery.types) types.add(type).add(factoryOf(type)?.routeConfigType ?? type);
  return { name, sample, what: { kind: 'discovered', discovery, types } };
}

/** Why a filter that comes by name cannot stand inside a composite one, or null. */
export function discoveredRefusal({ name, isTerminal, createAll }: HttpFilterFactory): string | null {
  if (isTerminal === true) return `terminal filter ${name} cannot stand inside another filter`;
  // Positions are given out before it is known.
  return createAll === undefined ? null : `${name}, which holds filters, cannot come by name into another filter`;
}
