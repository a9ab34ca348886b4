// The connection_limit filter (envoy.filters.network.connection_limit): so many connections at a time, no more.
import type { SharedCounter } from '../../../base/shared-cells.ts';
import type { ScopeOf } from '../../../telemetry/metrics.ts';
import type { ConfigDecoder } from '../../config-decoder.ts';
import { defineNetworkFilter } from '../filter.ts';
import type { NetworkConnection, NetworkFilter, NetworkFilterContext, NetworkFilterStatus } from '../filter.ts';
import { CloseLater } from './close-later.ts';
import { RUNTIME_FLAG_FIELDS, decodeRuntimeFlag, isOn } from '../../runtime-flag.ts';
import type { RuntimeFlag, RuntimeFlagPb } from '../../runtime-flag.ts';

const TYPE = 'envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit';
const CLOSE_REASON = 'over_connection_limit';

/** Below `connection_limit.<stat_prefix>.` */
const STATS = { active_connections: 'gauge', limited_connections: 'counter' } as const;

type ConnectionLimitPb = {
  stat_prefix?: string;
  max_connections?: number | bigint;
  delay?: { seconds: number; nanos: number };
  runtime_enabled?: RuntimeFlagPb;
};

type ConnectionLimitConfig = {
  readonly statPrefix: string;
  readonly maxConnections: number;
  readonly delayMs: number;
  readonly enabled: RuntimeFlag | null;
};

function decode(message: ConnectionLimitPb, d: ConfigDecoder): ConnectionLimitConfig {
  return Object.freeze({
    statPrefix: message.stat_prefix ?? '',
    maxConnections: Number(message.max_connections ?? 0),
    delayMs: Math.trunc(d.durationMs(message.delay, 0)),
    enabled: decodeRuntimeFlag(message.runtime_enabled),
  });
}

/** In the filter's slot: what the connection takes part in, to be given back at its end. */
type Slot = { readonly isCounted: boolean; later: CloseLater | null };

class ConnectionLimitFilter implements NetworkFilter {
  readonly #config: ConnectionLimitConfig;
  readonly #context: NetworkFilterContext;
  readonly #scope: ScopeOf<typeof STATS>;
  /** Connections that were let in, of all workers. */
  readonly #count: SharedCounter;

  constructor(config: ConnectionLimitConfig, context: NetworkFilterContext) {
    this.#config = config;
    this.#context = context;
    this.#scope = context.stats.scope(`connection_limit.${config.statPrefix}.`, STATS);
    this.#count = context.shared.counter(`connection_limit/${context.chainKey}/${context.slot}`);
  }

  onNewConnection(connection: NetworkConnection): NetworkFilterStatus {
    const { enabled, maxConnections, delayMs } = this.#config;
    const { runtime, clock, slot } = this.#context;
    if (!isOn(enabled, runtime)) return 'continue';
    const scope = this.#scope;
    scope.inc(scope.i.active_connections);
    // Taken before it is compared: two workers must not both see the last place.
    const isCounted = this.#count.inc() <= maxConnections;
    const state: Slot = { isCounted, later: null };
    connection.slot[slot] = state;
    if (isCounted) return 'continue';
    this.#count.dec();
    scope.inc(scope.i.limited_connections);
    if (delayMs === 0) connection.close('no-flush', CLOSE_REASON);
    else state.later = new CloseLater(connection, clock, delayMs, CLOSE_REASON);
    return 'stop';
  }

  onDestroy(connection: NetworkConnection): void {
    const state = connection.slot[this.#context.slot] as Slot | undefined;
    if (state === undefined) return;
    connection.slot[this.#context.slot] = undefined;
    state.later?.cancel();
    if (state.isCounted) this.#count.dec();
    this.#scope.dec(this.#scope.i.active_connections);
  }
}

export const connectionLimit = defineNetworkFilter({
  name: 'envoy.filters.network.connection_limit',
  configType: TYPE,
  fields: { [TYPE]: 'stat_prefix max_connections delay runtime_enabled', ...RUNTIME_FLAG_FIELDS },
  decode,
  create: (config, context) => new ConnectionLimitFilter(config, context),
});
