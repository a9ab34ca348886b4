// Statistics of a cluster by Envoy's names, and the counters per response code.
import type { Scope, ScopeOf } from '../../telemetry/metrics.ts';

/** Under 'cluster.NAME.'. Source: Envoy "Cluster manager, statistics". */
export const CLUSTER_STATS = {
  assignment_stale: 'counter-once', assignment_timeout_received: 'counter-once', assignment_use_cached: 'counter-once',
  bind_errors: 'counter', 'default.total_match_count': 'counter-once', lb_healthy_panic: 'counter',
  lb_local_cluster_not_ok: 'counter', lb_recalculate_zone_structures: 'counter', lb_subsets_created: 'counter-once',
  lb_subsets_fallback: 'counter', lb_subsets_fallback_panic: 'counter', lb_subsets_removed: 'counter-once',
  lb_subsets_selected: 'counter', lb_zone_cluster_too_small: 'counter', lb_zone_no_capacity_left: 'counter',
  lb_zone_routing_all_directly: 'counter', lb_zone_routing_cross_zone: 'counter', lb_zone_routing_sampled: 'counter',
  membership_change: 'counter-once', original_dst_host_invalid: 'counter', retry_or_shadow_abandoned: 'counter',
  update_attempt: 'counter-once', update_empty: 'counter-once', update_failure: 'counter-once',
  update_no_rebuild: 'counter-once',
  update_success: 'counter-once',
  upstream_cx_close_notify: 'counter', upstream_cx_connect_attempts_exceeded: 'counter',
  upstream_cx_connect_fail: 'counter', upstream_cx_connect_timeout: 'counter',
  upstream_cx_connect_with_0_rtt: 'counter', upstream_cx_destroy: 'counter', upstream_cx_destroy_local: 'counter',
  upstream_cx_destroy_local_with_active_rq: 'counter', upstream_cx_destroy_remote: 'counter',
  upstream_cx_destroy_remote_with_active_rq: 'counter', upstream_cx_destroy_with_active_rq: 'counter',
  upstream_cx_http1_total: 'counter', upstream_cx_http2_total: 'counter', upstream_cx_http3_total: 'counter',
  upstream_cx_idle_timeout: 'counter', upstream_cx_max_duration_reached: 'counter', upstream_cx_max_requests: 'counter',
  upstream_cx_none_healthy: 'counter', upstream_cx_overflow: 'counter', upstream_cx_pool_overflow: 'counter',
  upstream_cx_preconnect_skipped: 'counter', upstream_cx_protocol_error: 'counter',
  upstream_cx_rx_bytes_total: 'counter', upstream_cx_total: 'counter', upstream_cx_tx_bytes_total: 'counter',
  upstream_flow_control_backed_up_total: 'counter', upstream_flow_control_drained_total: 'counter',
  upstream_flow_control_paused_reading_total: 'counter', upstream_flow_control_resumed_reading_total: 'counter',
  upstream_http3_broken: 'counter', upstream_internal_redirect_failed_total: 'counter',
  upstream_internal_redirect_succeeded_total: 'counter', 
  upstream_rq_0rtt: 'counter', upstream_rq_active_overflow: 'counter', upstream_rq_cancelled: 'counter',
  upstream_rq_completed: 'counter', upstream_rq_maintenance_mode: 'counter',
  upstream_rq_max_duration_reached: 'counter', upstream_rq_pending_failure_eject: 'counter',
  upstream_rq_pending_overflow: 'counter', upstream_rq_pending_total: 'counter',
  upstream_rq_per_try_idle_timeout: 'counter', upstream_rq_per_try_timeout: 'counter', upstream_rq_retry: 'counter',
  upstream_rq_retry_backoff_exponential: 'counter', upstream_rq_retry_backoff_ratelimited: 'counter',
  upstream_rq_retry_limit_exceeded: 'counter', upstream_rq_retry_overflow: 'counter',
  upstream_rq_retry_success: 'counter', upstream_rq_rx_reset: 'counter', upstream_rq_rx_reset_no_error: 'counter',
  upstream_rq_timeout: 'counter', upstream_rq_total: 'counter', upstream_rq_tx_reset: 'counter',
  'circuit_breakers.default.cx_open': 'gauge-once', 'circuit_breakers.default.cx_pool_open': 'gauge-once',
  'circuit_breakers.default.rq_open': 'gauge-once', 'circuit_breakers.default.rq_pending_open': 'gauge-once',
  'circuit_breakers.default.rq_retry_open': 'gauge-once', 'circuit_breakers.high.cx_open': 'gauge-once',
  'circuit_breakers.high.cx_pool_open': 'gauge-once', 'circuit_breakers.high.rq_open': 'gauge-once',
  'circuit_breakers.high.rq_pending_open': 'gauge-once', 'circuit_breakers.high.rq_retry_open': 'gauge-once',
  lb_subsets_active: 'gauge-once', max_host_weight: 'gauge-once', membership_degraded: 'gauge-once',
  membership_excluded: 'gauge-once',
  membership_healthy: 'gauge-once', membership_total: 'gauge-once', upstream_cx_active: 'gauge',
  upstream_cx_rx_bytes_buffered: 'gauge', upstream_cx_tx_bytes_buffered: 'gauge', upstream_rq_active: 'gauge',
  upstream_rq_pending_active: 'gauge', upstream_queue_overloaded: 'gauge', version: 'gauge-once',
  warming_state: 'gauge-once',
  upstream_cx_connect_ms: 'histogram', upstream_cx_length_ms: 'histogram', upstream_rq_per_cx: 'histogram',
} as const; // biome-ignore format: a table.

/** Counters of the HTTP/1 codec; they appear with the cluster's first connection. None of them happens to a client. */
const CODEC_STATS = [
  'http1.dropped_headers_with_underscores',
  'http1.metadata_not_supported_error',
  'http1.requests_rejected_with_underscores_in_headers',
  'http1.response_flood',
];

export function makeCodecStats(scope: Scope): void {
  for (const name of CODEC_STATS) scope.dynamicCounter(name);
}

export type ClusterScope = ScopeOf<typeof CLUSTER_STATS>;

const CODES = 600;
const GROUPS = ['', 'upstream_rq_1xx', 'upstream_rq_2xx', 'upstream_rq_3xx', 'upstream_rq_4xx', 'upstream_rq_5xx'];

/**
 * 'upstream_rq_completed', '…_2xx', '…_200' and 'upstream_rq_time' under one prefix ('external.', 'canary.', …) of a
 * scope. Cells are made when first needed, which is when Envoy's appear.
 */
export class CodeStats {
  readonly #scope: Scope;
  readonly #prefix: string;
  #completed = -1;
  #time = -1;
  /** Cells by status, those of the groups behind; made with the first answer: most clusters never get one. */
  #codes: Int32Array | null = null;

  constructor(scope: Scope, prefix: string) {
    this.#scope = scope;
    this.#prefix = prefix;
  }

  /** `onlyCompleted`: suppress_grpc_request_failure_code_stats. */
  charge(status: number, onlyCompleted = false): void {
    const scope = this.#scope;
    if (this.#completed < 0) this.#completed = scope.dynamicCounter(`${this.#prefix}upstream_rq_completed`);
    scope.inc(this.#completed);
    if (onlyCompleted) return;
    this.#codes ??= new Int32Array(CODES + GROUPS.length).fill(-1);
    const group = (status / 100) | 0;
    if (group >= 1 && group <= 5) {
      let cell = this.#codes[CODES + group] as number;
      if (cell < 0) {
        cell = this.#codes[CODES + group] = scope.dynamicCounter(this.#prefix + (GROUPS[group] as string));
      }
      scope.inc(cell);
    }
    // Envoy knows no codes from 600 on; slot 0 counts them.
    const slot = status < 100 || status >= 600 ? 0 : status;
    let cell = this.#codes[slot] as number;
    if (cell < 0) {
      const name = slot === 0 ? 'unknown' : slot;
      cell = this.#codes[slot] = scope.dynamicCounter(`${this.#prefix}upstream_rq_${name}`);
    }
    scope.inc(cell);
  }

  chargeTime(ms: number): void {
    if (this.#time < 0) this.#time = this.#scope.dynamicHistogram(`${this.#prefix}upstream_rq_time`);
    this.#scope.record(this.#time, ms);
  }
}

/** All counters per response code of one cluster. */
export class ClusterCodeStats {
  /** Requests that were refused because there are too many: load reports tell of them, Envoy has no statistic. */
  dropped = 0;
  /** Of these, those that drop_overloads refused. */
  droppedByPolicy = 0;
  readonly #scope: Scope;
  #plain: CodeStats | null = null;
  #internal: CodeStats | null = null;
  #external: CodeStats | null = null;
  #canary: CodeStats | null = null;
  #retry: CodeStats | null = null;
  /** By prefix: 'zone.FROM.TO.' and x-envoy-upstream-alt-stat-name. */
  #others: Map<string, CodeStats> | null = null;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  get plain(): CodeStats {
    this.#plain ??= new CodeStats(this.#scope, '');
    return this.#plain;
  }

  get internal(): CodeStats {
    this.#internal ??= new CodeStats(this.#scope, 'internal.');
    return this.#internal;
  }

  get external(): CodeStats {
    this.#external ??= new CodeStats(this.#scope, 'external.');
    return this.#external;
  }

  get canary(): CodeStats {
    this.#canary ??= new CodeStats(this.#scope, 'canary.');
    return this.#canary;
  }

  get retry(): CodeStats {
    this.#retry ??= new CodeStats(this.#scope, 'retry.');
    return this.#retry;
  }

  /** Of another prefix; null when there are too many (the prefix may come from a request). */
  other(prefix: string): CodeStats | null {
    this.#others ??= new Map();
    let stats = this.#others.get(prefix);
    if (stats === undefined) {
      if (this.#others.size >= MAX_OTHERS) return null;
      stats = new CodeStats(this.#scope, prefix);
      this.#others.set(prefix, stats);
    }
    return stats;
  }
}

/** Prefixes beyond the fixed ones that a cluster keeps. */
const MAX_OTHERS = 1000;
