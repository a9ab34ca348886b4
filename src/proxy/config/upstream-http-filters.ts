// Decodes lists of HTTP filters behind the router: of a cluster, or of the router for clusters that have none.
import type { HttpFilter as HttpFilterPb } from '../../proto/generated/types.d.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import type { FilterSpec, HttpExtension } from '../http/filter-discovery.ts';
import type { HttpFilterFactory } from '../http/filter.ts';
import { UpstreamChainConfig } from '../http/upstream-chain.ts';
import type { Holders } from '../xds/holders.ts';
import { decodeFilterDiscovery } from './filter-discovery.ts';

const FIELDS = { cluster: 'http_filters', router: 'upstream_http_filters' } as const;
const CHAINS = { cluster: 'upstream http', router: 'router upstream http' } as const;
const CODEC = 'envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec';

/** What decoding takes from the process around it. */
export type UpstreamFilterParts = {
  /** Filters that may stand there. */
  readonly factoryOf: (type: string) => HttpFilterFactory | null;
  /** Filters by name; absent where only a part is decoded. */
  readonly extensions: Holders<HttpExtension> | undefined;
};

/** As DecodeEnvironment's `upstreamChain`. */
export function decodeUpstreamFilters(
  messages: readonly HttpFilterPb[] | undefined,
  owner: keyof typeof FIELDS,
  above: ConfigDecoder,
  { factoryOf, extensions }: UpstreamFilterParts,
): UpstreamChainConfig | null {
  if (messages === undefined || messages.length === 0) return null;
  const before = above.reasons.length;
  // Filters inside filters stand there, too.
  const d = new ConfigDecoder({ ...above.environment, httpFilter: factoryOf }, above.path, above.reasons);
  const specs: FilterSpec[] = [];
  for (const [i, message] of messages.entries()) {
    const spec = decodeFilter(message, d.at(FIELDS[owner], i), factoryOf);
    if (spec !== null) specs.push(spec);
  }
  if (above.reasons.length > before) return null;
  checkEnd(messages, specs, owner, d);
  return above.reasons.length > before ? null : new UpstreamChainConfig(specs, extensions);
}

function decodeFilter(
  message: HttpFilterPb,
  d: ConfigDecoder,
  factoryOf: UpstreamFilterParts['factoryOf'],
): FilterSpec | null {
  const { name = '', disabled = false, config_discovery: source, typed_config: any } = message;
  if (source !== undefined) {
    const discovery = decodeFilterDiscovery(name, source, d.at('config_discovery'), {
      factoryOf,
      decode: (factory: HttpFilterFactory, config, de) => factory.decode(config as never, de),
    });
    return discovery === null ? null : { name, disabled, factory: null, discovery };
  }
  if (any === undefined) {
    d.reject('typed_config', `is required: filter ${JSON.stringify(name)} has no configuration`);
    return null;
  }
  const at = d.at('typed_config');
  const unpacked = d.environment.unpack(any, at);
  if (unpacked === null) return null;
  const factory = factoryOf(unpacked.type);
  if (factory === null) {
    const isKnown = (d.environment as { filterFactory?: (type: string) => unknown }).filterFactory?.(unpacked.type);
    const why = isKnown == null ? `no filter of type ${unpacked.type}` : `${unpacked.type} is no upstream filter`;
    if (message.is_optional !== true) d.reject('typed_config', `${why} (named ${JSON.stringify(name)})`);
    return null;
  }
  return { name, disabled, factory, config: factory.decode(unpacked.message as never, at) };
}

/** Source of the texts: Envoy's FilterChainUtility, DependencyManager and validateTerminalFilters. */
function checkEnd(
  messages: readonly HttpFilterPb[],
  specs: readonly FilterSpec[],
  owner: keyof typeof FIELDS,
  d: ConfigDecoder,
): void {
  const at = (i: number): ConfigDecoder => d.at(FIELDS[owner], i);
  const end = messages.length - 1;
  const last = specs.at(-1);
  for (const [i, spec] of specs.entries()) {
    if (spec.factory?.isTerminal !== true || spec === last) continue;
    const text = `terminal filter named ${spec.name} of type ${spec.factory.name} must be the last filter in a`;
    at(i).reject('', `Error: ${text} ${CHAINS[owner]} filter chain.`);
  }
  if (last?.factory?.isTerminal !== true) {
    const text =
      owner === 'cluster' || last?.factory == null
        ? `The codec filter is the only valid terminal upstream HTTP filter, use '${CODEC}'`
        : `Error: non-terminal filter named ${last.name} of type ${last.factory.name} is the last filter in a ` +
          `${CHAINS[owner]} filter chain. When upstream_http_filters are specified, they must explicitly end with an ` +
          'UpstreamCodec filter.';
    at(end).reject('', text);
  } else if (last.disabled) {
    const text = `Error: the last (terminal) filter (${last.name}) in the chain cannot be disabled by default.`;
    at(end).reject('disabled', text);
  }
}
