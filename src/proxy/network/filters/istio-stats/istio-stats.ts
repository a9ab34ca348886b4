// Istio's TCP statistics filter (istio.stats): connections and bytes, by who spoke with whom.
import type { Clock, Timer } from '../../../../base/clock.ts';
import type { ClusterManager } from '../../../cluster/cluster.ts';
import type { LabelSet } from '../../../istio/label-table.ts';
import type { LocalNode } from '../../../istio/node.ts';
import { isPeerKnown, reporterOf, seenFacts } from '../../../istio/seen-facts.ts';
import { decodePlugin, PLUGIN_FIELDS, PLUGIN_TYPE } from '../../../istio/stats-config.ts';
import type { PluginConfig, PluginPb } from '../../../istio/stats-config.ts';
import { type Telemetry, telemetryOf } from '../../../istio/telemetry.ts';
import type { StreamInfo } from '../../../stream-info.ts';
import { defineNetworkFilter } from '../../filter.ts';
import type { NetworkConnection, NetworkFilter, NetworkFilterContext, NetworkFilterFactory } from '../../filter.ts';

const NO_VALUES: readonly string[] = Object.freeze([]);

/** What was counted of one connection. */
class Counted {
  /** As it was when the peer was known. */
  set: LabelSet | null = null;
  flags = 0;
  values: readonly string[] = NO_VALUES;
  sentBytes = 0;
  receivedBytes = 0;
}

class TcpStats implements NetworkFilter {
  readonly readsInfo = true;
  readonly #config: PluginConfig;
  readonly #clusters: ClusterManager;
  readonly #telemetry: Telemetry;
  readonly #open = new Map<NetworkConnection, Counted>();
  readonly #timer: Timer;

  constructor(
    config: PluginConfig,
    { stats, clock }: { readonly stats: NetworkFilterContext['stats']; readonly clock: Clock },
    clusters: ClusterManager,
    node: LocalNode,
  ) {
    this.#config = config;
    this.#clusters = clusters;
    this.#telemetry = telemetryOf(stats, clock, node, config);
    this.#timer = clock.timer(report, this);
  }

  onNewConnection(connection: NetworkConnection): 'continue' {
    this.#open.set(connection, new Counted());
    const { reportMs } = this.#config;
    if (reportMs > 0 && !this.#timer.isArmed) this.#timer.arm(reportMs);
    return 'continue';
  }

  onDestroy(connection: NetworkConnection): void {
    const counted = this.#open.get(connection);
    this.#open.delete(connection);
    if (counted !== undefined) this.#count(connection, counted, true);
  }

  /** For the timer, which is one for all: a connection's first report may come early. */
  report(): void {
    for (const [connection, counted] of this.#open) this.#count(connection, counted, false);
    if (this.#open.size > 0) this.#timer.arm(this.#config.reportMs);
  }

  #count(connection: NetworkConnection, counted: Counted, isClosed: boolean): void {
    const { info } = connection;
    const isOpened = counted.set === null;
    if (counted.set === null || counted.set.isForgotten) {
      const reporter = reporterOf(info, this.#config.isGateway);
      if (!isClosed && !isPeerKnown(info, reporter)) return;
      counted.set = this.#telemetry.table.find(seenFacts(info, reporter, ''), this.#clusterMetadata(info));
      if (isOpened) this.#keep(counted, info);
    }
    const { bytesWritten: sent, bytesRead: received } = connection.stream;
    const sentBytes = sent - counted.sentBytes;
    const receivedBytes = received - counted.receivedBytes;
    counted.sentBytes = sent;
    counted.receivedBytes = received;
    const change = { isOpened, isClosed, sentBytes, receivedBytes };
    this.#telemetry.countConnection(counted.set, counted.flags, change, counted.values);
  }

  /** What the labels of the connection stay with. */
  #keep(counted: Counted, info: StreamInfo): void {
    const telemetry = this.#telemetry;
    counted.flags = info.flags;
    if (telemetry.isPlain) return;
    const none = { requestHeaders: null, responseHeaders: null, responseTrailers: null };
    counted.values = telemetry.evaluate({ info, ...none });
  }

  #clusterMetadata(info: StreamInfo): StreamInfo['clusterMetadata'] {
    if (info.clusterMetadata !== null || info.clusterName === '') return info.clusterMetadata;
    return this.#clusters.get(info.clusterName)?.metadata ?? null;
  }
}

function report(filter: TcpStats): void {
  filter.report();
}

/** Makes the filter of a worker out of its clusters and what the proxy knows of itself. */
export function makeNetworkIstioStats(parts: {
  readonly clusters: ClusterManager;
  readonly node: LocalNode;
  readonly metricExpiryMs?: number;
}): NetworkFilterFactory {
  return defineNetworkFilter<PluginConfig, PluginPb>({
    name: 'istio.stats',
    configType: PLUGIN_TYPE,
    fields: PLUGIN_FIELDS,
    decode: (message, d) => decodePlugin(message, d, parts.metricExpiryMs),
    create: (config, context) => new TcpStats(config, context, parts.clusters, parts.node),
  });
}
