// The on_demand filter (envoy.filters.http.on_demand): requests wait while the route or cluster they lack is asked for.
import type { ConfigSource, Duration } from '../../../proto/generated/types.d.ts';
import type {
  ClusterAsker,
  ClusterDemand,
  ClusterDemands,
  ClusterManager,
  ClusterOutcome,
} from '../../cluster/cluster.ts';
import type { ConfigDecoder } from '../../config-decoder.ts';
import { defineHttpFilter, type FilterStream, type HttpFilter, type HttpFilterFactory } from '../filter.ts';

const TYPE = 'envoy.extensions.filters.http.on_demand.v3';

/** Source: Envoy, OnDemandCds.timeout. */
const DEFAULT_TIMEOUT_MS = 5_000;

export type OnDemandDependencies = {
  readonly clusters: Pick<ClusterManager, 'get'>;
  readonly onDemandClusters: ClusterDemands;
};

type OnDemandPb = {
  readonly odcds?: {
    readonly source?: ConfigSource;
    readonly timeout?: Duration;
  };
};

/** Null: clusters are not asked for. */
type OnDemandConfig = { readonly demand: ClusterDemand | null };

/** What a request that waits gives up when it ends. */
type Waiting = { cancel(): void };

class WaitingForCluster implements Waiting, ClusterAsker {
  readonly #stream: FilterStream;
  readonly #slot: number;
  readonly #name: string;
  readonly #clusters: OnDemandDependencies['onDemandClusters'];

  constructor(stream: FilterStream, slot: number, name: string, clusters: OnDemandDependencies['onDemandClusters']) {
    this.#stream = stream;
    this.#slot = slot;
    this.#name = name;
    this.#clusters = clusters;
  }

  /** Whether there is one now shows to whoever looks for it. */
  onClusterOutcome(_outcome: ClusterOutcome): void {
    this.#stream.slot[this.#slot] = undefined;
    if (!this.#stream.isDestroyed) this.#stream.continueDecoding(this.#slot);
  }

  cancel(): void {
    this.#clusters.giveUp(this.#name, this);
  }
}

class OnDemandFilter implements HttpFilter {
  readonly #slot: number;
  readonly #config: OnDemandConfig;
  readonly #dependencies: OnDemandDependencies;

  constructor(config: OnDemandConfig, slot: number, dependencies: OnDemandDependencies) {
    this.#slot = slot;
    this.#config = config;
    this.#dependencies = dependencies;
    if (config.demand !== null) dependencies.onDemandClusters.announce(config.demand);
  }

  decodeHeaders(stream: FilterStream): 'continue' | 'stop-all-and-watermark' {
    if (stream.route !== null) return this.#findCluster(stream);
    const cancel = stream.askForRoute((isThere) => this.#goOn(stream, isThere));
    if (cancel === null) {
      // The question alone may have found one.
      stream.clearRouteCache();
      return stream.route === null ? 'continue' : this.#findCluster(stream);
    }
    stream.slot[this.#slot] = { cancel } satisfies Waiting;
    return 'stop-all-and-watermark';
  }

  #goOn(stream: FilterStream, isThere: boolean): void {
    stream.slot[this.#slot] = undefined;
    if (stream.isDestroyed) return;
    // From the first filter on, if it can: those before this one have seen no route.
    if (isThere && stream.recreateStream()) return;
    stream.clearRouteCache();
    stream.continueDecoding(this.#slot);
  }

  #findCluster(stream: FilterStream): 'continue' | 'stop-all-and-watermark' {
    const { demand } = (stream.routeConfig(this.#slot) as OnDemandConfig | null) ?? this.#config;
    const name = stream.route?.clusterName ?? '';
    const { clusters, onDemandClusters } = this.#dependencies;
    if (demand === null || name === '' || clusters.get(name) !== null) return 'continue';
    const waiting = new WaitingForCluster(stream, this.#slot, name, onDemandClusters);
    if (!onDemandClusters.ask(name, demand, waiting)) return 'continue';
    stream.slot[this.#slot] = waiting;
    return 'stop-all-and-watermark';
  }

  onDestroy(stream: FilterStream): void {
    (stream.slot[this.#slot] as Waiting | undefined)?.cancel();
  }
}

export function makeOnDemand(dependencies: OnDemandDependencies): HttpFilterFactory {
  return defineHttpFilter<OnDemandConfig, OnDemandConfig, OnDemandPb, OnDemandPb>({
    name: 'envoy.filters.http.on_demand',
    configType: `${TYPE}.OnDemand`,
    routeConfigType: `${TYPE}.PerRouteConfig`,
    fields: {
      [`${TYPE}.OnDemand`]: 'odcds',
      [`${TYPE}.PerRouteConfig`]: 'odcds',
      [`${TYPE}.OnDemandCds`]: 'source timeout',
    },
    decode: decodeOnDemand,
    decodeRoute: decodeOnDemand,
    create: (config, { slot }) => Object.freeze(new OnDemandFilter(config, slot, dependencies)),
  });
}

function decodeOnDemand({ odcds }: OnDemandPb, d: ConfigDecoder): OnDemandConfig {
  if (odcds === undefined) return Object.freeze({ demand: null });
  const message = { source: odcds.source, timeout: odcds.timeout };
  const demand = d.environment.clusterDemand?.(message, 'source', DEFAULT_TIMEOUT_MS, d.at('odcds')) ?? null;
  return Object.freeze({ demand });
}
