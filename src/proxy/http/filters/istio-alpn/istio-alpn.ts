// Istio's ALPN filter (istio.alpn): which protocols the upstream's TLS is offered, by the protocol of the request.
import type { Cluster, ClusterManager } from '../../../cluster/cluster.ts';
import type { FilterStateObject, Protocol } from '../../../stream-info.ts';
import type { Headers } from '../../../../wire/headers.ts';
import { defineHttpFilter } from '../../filter.ts';
import type { FilterStream, HttpFilter, HttpFilterFactory } from '../../filter.ts';
import { clusterOf } from '../grpc-stats/method-stats.ts';

const TYPE = 'istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig';
/** Source: Envoy Network::ApplicationProtocols. */
const KEY = 'envoy.network.application_protocols';

type AlpnPb = { alpn_override?: { upstream_protocol?: string; alpn_override?: string[] }[] };

type UpstreamProtocol = 'HTTP10' | 'HTTP11' | 'HTTP2';

/** What is written for each protocol; none where nothing is offered instead. */
type AlpnConfig = Readonly<Record<UpstreamProtocol, FilterStateObject | null>>;

/** The first entry of a protocol counts. */
function decode(message: AlpnPb): AlpnConfig {
  const find = (protocol: UpstreamProtocol): FilterStateObject | null => {
    const own = message.alpn_override?.find(({ upstream_protocol: name = 'HTTP10' }) => name === protocol);
    const names = own?.alpn_override ?? [];
    if (names.length === 0) return null;
    return { value: names.join(','), typed: null, isOpaque: true, isReadOnly: true, lifeSpan: 'filter-chain' };
  };
  return Object.freeze({ HTTP10: find('HTTP10'), HTTP11: find('HTTP11'), HTTP2: find('HTTP2') });
}

class IstioAlpn implements HttpFilter {
  readonly #config: AlpnConfig;
  readonly #clusters: ClusterManager;

  constructor(config: AlpnConfig, clusters: ClusterManager) {
    this.#config = config;
    this.#clusters = clusters;
  }

  decodeHeaders(stream: FilterStream, _headers: Headers): 'continue' {
    const { info } = stream;
    const cluster = clusterOf(stream.route, this.#clusters);
    if (cluster === null || cluster.metadata?.get('istio')?.['alpn_override'] === 'false') return 'continue';
    const offered = this.#config[upstreamProtocol(cluster, info.protocol)];
    if (offered === null) return 'continue';
    info.filterState ??= new Map();
    info.filterState.set(KEY, offered);
    return 'continue';
  }
}

/** Source: Envoy ClusterInfoImpl::upstreamHttpProtocol; where TLS decides, the better one counts. */
function upstreamProtocol({ httpProtocol = 'http1' }: Cluster, downstream: Protocol | ''): UpstreamProtocol {
  if (httpProtocol === 'http2' || httpProtocol === 'auto') return 'HTTP2';
  if (httpProtocol === 'http1') return 'HTTP11';
  if (downstream === 'HTTP/1.0') return 'HTTP10';
  return downstream === 'HTTP/2' || downstream === 'HTTP/3' ? 'HTTP2' : 'HTTP11';
}

/** Makes the filter of a worker out of its clusters. */
export function makeIstioAlpn(parts: { readonly clusters: ClusterManager }): HttpFilterFactory {
  return defineHttpFilter<AlpnConfig, unknown, AlpnPb>({
    name: 'istio.alpn',
    configType: TYPE,
    fields: { [TYPE]: 'alpn_override', [`${TYPE}.AlpnOverride`]: 'upstream_protocol alpn_override' },
    decode,
    create(config) {
      const isEmpty = Object.values(config).every((offered) => offered === null);
      return isEmpty ? null : new IstioAlpn(config, parts.clusters);
    },
  });
}
