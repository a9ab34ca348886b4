// Network filters that guard access and are not built: connections that one would have judged are closed.
import type { ConfigDecoder } from '../../config-decoder.ts';
import { decodeMetadataMatcher, type MetadataMatcher, type MetadataMatcherPb } from '../../config/matcher.ts';
import type { NetworkConnection, NetworkFilter, NetworkFilterFactory, NetworkFilterStatus } from '../filter.ts';

const PACKAGE = 'envoy.extensions.filters.network';

type Guard = {
  readonly effect: 'deny' | 'inert';
  /** Only connections of which this holds would have been judged; null: all. */
  readonly metadata: MetadataMatcher | null;
};

const DENIES: Guard = Object.freeze({ effect: 'deny', metadata: null });
const INERT: Guard = Object.freeze({ effect: 'inert', metadata: null });

type Kind = {
  readonly name: string;
  readonly type: string;
  decode(message: never, d: ConfigDecoder): Guard;
};

type WasmPb = { config?: { fail_open?: boolean; failure_policy?: string | number } };

const KINDS: readonly Kind[] = [
  {
    name: 'envoy.filters.network.ext_authz',
    type: `${PACKAGE}.ext_authz.v3.ExtAuthz`,
    decode: ({ filter_enabled_metadata: metadata }: { filter_enabled_metadata?: MetadataMatcherPb }, d) =>
      metadata === undefined
        ? DENIES
        : { effect: 'deny', metadata: decodeMetadataMatcher(metadata, d.at('filter_enabled_metadata')) },
  },
  {
    name: 'envoy.filters.network.ratelimit',
    type: `${PACKAGE}.ratelimit.v3.RateLimit`,
    decode: (message: { failure_mode_deny?: boolean }) => (message.failure_mode_deny === true ? DENIES : INERT),
  },
  {
    name: 'envoy.filters.network.wasm',
    type: `${PACKAGE}.wasm.v3.Wasm`,
    decode: (message: WasmPb) => (failsOpen(message) ? INERT : DENIES),
  },
];

/** Source: Envoy PluginConfig of Wasm: without a policy it fails closed. */
function failsOpen({ config = {} }: WasmPb): boolean {
  const { failure_policy: policy = 'UNSPECIFIED' } = config;
  return policy === 'UNSPECIFIED' ? config.fail_open === true : policy === 'FAIL_OPEN';
}

class Door implements NetworkFilter {
  readonly #details: string;
  readonly #metadata: MetadataMatcher | null;

  constructor(details: string, metadata: MetadataMatcher | null) {
    this.#details = details;
    this.#metadata = metadata;
  }

  denies(connection: NetworkConnection): boolean {
    return this.#metadata?.matches(connection.info.dynamicMetadata) !== false;
  }

  /** Filters before it, which the matcher goes by, have decided by now. */
  onNewConnection(connection: NetworkConnection): NetworkFilterStatus {
    if (!this.denies(connection)) return 'continue';
    connection.close('no-flush', this.#details, this.#details);
    return 'stop';
  }
}

function makeGuard({ name, type, decode }: Kind): NetworkFilterFactory {
  const details = `unsupported_filter{${name}}`;
  return {
    name,
    configType: type,
    fields: { [type]: '**' },
    decode,
    standIns: ({ effect }: Guard) => [{ name, effect }],
    create: ({ effect, metadata }: Guard) => (effect === 'inert' ? null : new Door(details, metadata)),
  };
}

export const unsupportedNetworkGuards: readonly NetworkFilterFactory[] = KINDS.map(makeGuard);
