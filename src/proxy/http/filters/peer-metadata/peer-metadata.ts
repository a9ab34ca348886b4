// Istio's HTTP peer metadata filter (istio.metadata_exchange): who the peers are, by headers that both sides send.
import { headerKey } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { Cluster, ClusterManager } from '../../../cluster/cluster.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import type { LocalNode } from '../../../istio/node.ts';
import { metadataOfPeer, peerOfBaggage, peerOfNode } from '../../../istio/peer.ts';
import { PeerCache } from '../../../istio/peer-cache.ts';
import { DOWNSTREAM_PEER, type PeerKey, type PeerObjects, peerObjects, setPeer } from '../../../istio/peer-state.ts';
import { UPSTREAM_PEER } from '../../../istio/peer-state.ts';
import { encodeStruct } from '../../../istio/struct-bytes.ts';
import type { StreamInfo } from '../../../stream-info.ts';
import { defineHttpFilter } from '../../filter.ts';
import type { FilterContext, FilterStream, HttpFilter, HttpFilterFactory } from '../../filter.ts';
import { clusterOf } from '../grpc-stats/method-stats.ts';

const TYPE = 'io.istio.http.peer_metadata.Config';
const PEER = headerKey('x-envoy-peer-metadata');
const PEER_ID = headerKey('x-envoy-peer-metadata-id');
const BAGGAGE = headerKey('baggage');

type MethodPb = { istio_headers?: { skip_external_clusters?: boolean }; workload_discovery?: object; baggage?: object };
type ConfigPb = {
  downstream_discovery?: MethodPb[];
  upstream_discovery?: MethodPb[];
  downstream_propagation?: MethodPb[];
  upstream_propagation?: MethodPb[];
  shared_with_upstream?: boolean;
  additional_labels?: string[];
};

/** Workload discovery finds nobody as long as no control plane tells of workloads, so it is left out here. */
type Discovery = 'headers' | 'baggage';
type Propagation = { readonly skipsExternal: boolean };

type PeerMetadataConfig = {
  readonly downstreamDiscovery: readonly Discovery[];
  readonly upstreamDiscovery: readonly Discovery[];
  readonly downstreamPropagation: Propagation | null;
  readonly upstreamPropagation: Propagation | null;
  readonly isShared: boolean;
  readonly additionalLabels: ReadonlySet<string>;
};

function decode(message: ConfigPb, d: ConfigDecoder): PeerMetadataConfig {
  const upstreamDiscovery = decodeDiscovery(message.upstream_discovery);
  if (upstreamDiscovery.includes('baggage')) {
    d.reject('upstream_discovery', 'baggage comes with requests: it tells of downstream peers only');
  }
  return Object.freeze({
    downstreamDiscovery: decodeDiscovery(message.downstream_discovery),
    upstreamDiscovery,
    downstreamPropagation: decodePropagation(message.downstream_propagation),
    upstreamPropagation: decodePropagation(message.upstream_propagation),
    isShared: message.shared_with_upstream ?? false,
    additionalLabels: new Set(message.additional_labels),
  });
}

function decodeDiscovery(methods: readonly MethodPb[] = []): readonly Discovery[] {
  const found: Discovery[] = [];
  for (const { istio_headers: headers, baggage } of methods) {
    if (headers !== undefined) found.push('headers');
    else if (baggage !== undefined) found.push('baggage');
  }
  return Object.freeze(found);
}

/** Each method writes the same headers, so the one that writes more often is all of them. */
function decodePropagation(methods: readonly MethodPb[] = []): Propagation | null {
  const used = methods.filter(({ istio_headers: headers }) => headers !== undefined);
  if (used.length === 0) return null;
  return { skipsExternal: used.every(({ istio_headers: headers }) => headers?.skip_external_clusters === true) };
}

/** What a downstream peer showed and so gets to see too. */
const SHOWED_ID = 1;
const SHOWED_PEER = 2;

class PeerMetadata implements HttpFilter {
  readonly decodeHeaders?: NonNullable<HttpFilter['decodeHeaders']>;
  readonly encodeHeaders?: NonNullable<HttpFilter['encodeHeaders']>;
  readonly #config: PeerMetadataConfig;
  readonly #slot: number;
  readonly #clusters: ClusterManager;
  readonly #peers: PeerCache;
  /** What this workload says of itself. */
  readonly #id: string;
  readonly #text: string;

  constructor(config: PeerMetadataConfig, context: FilterContext, clusters: ClusterManager, node: LocalNode) {
    this.#config = config;
    this.#slot = context.slot;
    this.#clusters = clusters;
    this.#peers = new PeerCache(config.additionalLabels, 'filter-chain', config.isShared);
    this.#id = Buffer.from(node.id, 'utf8').latin1Slice();
    this.#text = encodeStruct(metadataOfPeer(peerOfNode(node, config.additionalLabels))).toString('base64');
    const { downstreamDiscovery, upstreamDiscovery, downstreamPropagation, upstreamPropagation } = config;
    if (downstreamDiscovery.length > 0 || upstreamPropagation !== null) {
      this.decodeHeaders = (stream, headers) => this.#onRequest(stream, headers);
    }
    if (upstreamDiscovery.length > 0 || downstreamPropagation !== null) {
      this.encodeHeaders = (stream, headers) => this.#onResponse(stream, headers);
    }
  }

  #onRequest(stream: FilterStream, headers: Headers): 'continue' {
    const { downstreamDiscovery, upstreamPropagation } = this.#config;
    if (downstreamDiscovery.length > 0) {
      const showed = this.#discover(stream.info, DOWNSTREAM_PEER, downstreamDiscovery, headers);
      if (showed !== 0) stream.slot[this.#slot] = showed;
    }
    if (upstreamPropagation === null) return 'continue';
    if (isLeftOut(upstreamPropagation, clusterOf(stream.route, this.#clusters))) {
      // Nothing is told to strangers, and nothing that somebody else said goes on to them either.
      headers.remove(PEER_ID);
      headers.remove(PEER);
      return 'continue';
    }
    headers.set(PEER_ID, this.#id);
    headers.set(PEER, this.#text);
    return 'continue';
  }

  #onResponse(stream: FilterStream, headers: Headers): 'continue' {
    const { upstreamDiscovery, downstreamPropagation } = this.#config;
    if (upstreamDiscovery.length > 0) this.#discover(stream.info, UPSTREAM_PEER, upstreamDiscovery, headers);
    if (downstreamPropagation === null) return 'continue';
    const showed = (stream.slot[this.#slot] as number | undefined) ?? 0;
    if (showed === 0) return 'continue';
    if (isLeftOut(downstreamPropagation, clusterOf(stream.route, this.#clusters))) {
      return 'continue';
    }
    if ((showed & SHOWED_ID) !== 0) headers.set(PEER_ID, this.#id);
    if ((showed & SHOWED_PEER) !== 0) headers.set(PEER, this.#text);
    return 'continue';
  }

  /** The first method that finds the peer counts; then the headers go, and what was there is returned. */
  #discover(info: StreamInfo, key: PeerKey, methods: readonly Discovery[], headers: Headers): number {
    let found: PeerObjects | null = null;
    let showed = 0;
    let takesHeaders = false;
    for (const method of methods) {
      if (method === 'headers') takesHeaders = true;
      if (found !== null) continue;
      if (method === 'headers') {
        const id = headers.get(PEER_ID);
        const text = headers.get(PEER);
        if (id !== undefined) showed |= SHOWED_ID;
        if (text !== undefined) showed |= SHOWED_PEER;
        if (text !== undefined && text !== '') found = this.#peers.find(id ?? '', text);
      } else found = this.#ofBaggage(headers.get(BAGGAGE));
    }
    if (found !== null) setPeer(info, key, found);
    if (takesHeaders) {
      headers.remove(PEER_ID);
      headers.remove(PEER);
    }
    return showed;
  }

  #ofBaggage(text: string | undefined): PeerObjects | null {
    return text === undefined ? null : peerObjects(peerOfBaggage(text), 'filter-chain', this.#config.isShared);
  }
}

/** Whether the cluster is one to which nothing is told. Source: Istio MXPropagationMethod::skipMXHeaders. */
function isLeftOut({ skipsExternal }: Propagation, cluster: Cluster | null): boolean {
  if (cluster === null) return false;
  if (skipsExternal && cluster.name === 'PassthroughCluster') return true;
  const istio = cluster.metadata?.get('istio');
  if (istio === undefined) return false;
  return (skipsExternal && istio['external'] === true) || istio['disable_mx'] === true;
}

/** Makes the filter of a worker out of its clusters and what the proxy knows of itself. */
export function makePeerMetadata(parts: {
  readonly clusters: ClusterManager;
  readonly node: LocalNode;
}): HttpFilterFactory {
  return defineHttpFilter<PeerMetadataConfig, unknown, ConfigPb>({
    name: 'istio.metadata_exchange',
    configType: TYPE,
    fields: {
      [TYPE]:
        'downstream_discovery upstream_discovery downstream_propagation upstream_propagation shared_with_upstream ' +
        'additional_labels',
      [`${TYPE}.Baggage`]: '',
      [`${TYPE}.WorkloadDiscovery`]: '',
      [`${TYPE}.IstioHeaders`]: 'skip_external_clusters',
      [`${TYPE}.DiscoveryMethod`]: 'baggage workload_discovery istio_headers',
      [`${TYPE}.PropagationMethod`]: 'istio_headers',
    },
    decode,
    create: (config, context) => new PeerMetadata(config, context, parts.clusters, parts.node),
  });
}
