// The proxy_protocol listener filter: takes the PROXY header off a connection and believes what it says.
import type { ScopeOf } from '../../../../telemetry/metrics.ts';
import {
  MAX_PROXY_HEADER_BYTES,
  type ProxyHeader,
  type ProxyHeaderRules,
  readProxyHeader,
} from '../../../../wire/proxy-protocol.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import {
  type AcceptedSocket,
  defineListenerFilter,
  type ListenerFilter,
  type ListenerFilterContext,
  type ListenerFilterStatus,
} from '../../filter.ts';
import { decodeTlvRules, type PassThroughPb, type TlvRules, type TlvRulePb, tellTlvs } from './tlv-rules.ts';

const NAME = 'envoy.filters.listener.proxy_protocol';
const CONFIG = 'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol';

/** Without a prefix of their own, for older dashboards. */
const LEGACY_STATS = { downstream_cx_proxy_proto_error: 'counter' } as const;
/** Below `proxy_proto.` or `proxy_proto.<stat_prefix>.` */
const STATS = {
  not_found_allowed: 'counter',
  not_found_disallowed: 'counter',
  'versions.v1.found': 'counter',
  'versions.v1.disallowed': 'counter',
  'versions.v1.error': 'counter',
  'versions.v2.found': 'counter',
  'versions.v2.disallowed': 'counter',
  'versions.v2.error': 'counter',
} as const;

type ProxyProtocolPb = {
  rules?: readonly TlvRulePb[];
  allow_requests_without_proxy_protocol?: boolean;
  pass_through_tlvs?: PassThroughPb;
  disallowed_versions?: readonly (string | number)[];
  stat_prefix?: string;
  tlv_location?: string | number;
};

type ProxyProtocolConfig = {
  readonly headers: ProxyHeaderRules;
  readonly tlvs: TlvRules;
  readonly statPrefix: string;
};

function decode(message: ProxyProtocolPb, d: ConfigDecoder): ProxyProtocolConfig {
  const disallowed = message.disallowed_versions ?? [];
  const headers = Object.freeze({
    allowsV1: !disallowed.includes('V1'),
    allowsV2: !disallowed.includes('V2'),
    allowsNone: message.allow_requests_without_proxy_protocol ?? false,
  });
  if (!headers.allowsV1 && !headers.allowsV2) {
    d.reject('disallowed_versions', 'all proxy protocol versions are disallowed');
  }
  const tlvs = decodeTlvRules(message.rules, message.tlv_location === 'FILTER_STATE', message.pass_through_tlvs);
  return Object.freeze({ headers, tlvs, statPrefix: message.stat_prefix ?? '' });
}

class ProxyProtocolFilter implements ListenerFilter {
  readonly maxReadBytes = MAX_PROXY_HEADER_BYTES;
  readonly #config: ProxyProtocolConfig;
  readonly #stats: ScopeOf<typeof STATS>;
  readonly #legacyStats: ScopeOf<typeof LEGACY_STATS>;

  constructor(config: ProxyProtocolConfig, context: ListenerFilterContext) {
    this.#config = config;
    const prefix = config.statPrefix === '' ? '' : `${config.statPrefix}.`;
    this.#stats = context.stats.scope(`proxy_proto.${prefix}`, STATS);
    this.#legacyStats = context.stats.scope('', LEGACY_STATS);
  }

  onAccept(): ListenerFilterStatus {
    return 'more';
  }

  onData(socket: AcceptedSocket, bytes: Buffer): ListenerFilterStatus | { readonly consumed: number } {
    const header = readProxyHeader(bytes, this.#config.headers);
    switch (header.status) {
      case 'more':
        return 'more';
      case 'none':
        this.#stats.inc(this.#stats.i.not_found_allowed);
        return 'continue';
      case 'found':
        this.#stats.inc(this.#stats.i[header.version === 1 ? 'versions.v1.found' : 'versions.v2.found']);
        this.#believe(socket, header, bytes);
        return { consumed: header.length };
      case 'denied':
        this.#stats.inc(this.#stats.i[header.version === 1 ? 'versions.v1.found' : 'versions.v2.found']);
        this.#stats.inc(this.#stats.i[header.version === 1 ? 'versions.v1.disallowed' : 'versions.v2.disallowed']);
        return 'close';
      case 'error':
        this.#countError(header.version);
        return 'close';
    }
  }

  #countError(version: ProxyHeader['version']): void {
    const stats = this.#stats;
    const { i } = stats;
    stats.inc(version === 0 ? i.not_found_disallowed : i[version === 1 ? 'versions.v1.error' : 'versions.v2.error']);
    this.#legacyStats.inc(this.#legacyStats.i.downstream_cx_proxy_proto_error);
  }

  #believe(socket: AcceptedSocket, header: ProxyHeader, bytes: Buffer): void {
    const { source, destination } = header;
    if (source !== null && destination !== null) {
      const { localAddress } = socket;
      if (destination.address !== localAddress.address || destination.port !== localAddress.port) {
        socket.localAddress = destination;
        socket.isLocalAddressRestored = true;
      }
      socket.remoteAddress = source;
    }
    tellTlvs(socket, header, bytes, this.#config.tlvs);
  }
}

export const proxyProtocol = defineListenerFilter<ProxyProtocolConfig, ProxyProtocolPb>({
  name: NAME,
  configType: CONFIG,
  fields: {
    [CONFIG]:
      'rules allow_requests_without_proxy_protocol pass_through_tlvs disallowed_versions stat_prefix tlv_location',
    [`${CONFIG}.Rule`]: 'tlv_type on_tlv_present',
    [`${CONFIG}.KeyValuePair`]: 'metadata_namespace key value_string_encoding',
    'envoy.config.core.v3.ProxyProtocolPassThroughTLVs': 'match_type tlv_type',
  },
  decode,
  create(config, context) {
    // What the bytes say is read anew with each piece: a header is short, so the filter keeps nothing.
    const filter = new ProxyProtocolFilter(config, context);
    return () => filter;
  },
});
