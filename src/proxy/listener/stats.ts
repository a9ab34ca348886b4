// Statistics of listeners, by Envoy's names.
import type { ScopeOf } from '../../telemetry/metrics.ts';

/** Under 'listener.ADDRESS.'. Source: Envoy "Listener, statistics". */
export const LISTENER_STATS = {
  downstream_cx_total: 'counter',
  downstream_cx_destroy: 'counter',
  downstream_cx_active: 'gauge',
  downstream_cx_length_ms: 'histogram',
  downstream_cx_overflow: 'counter',
  downstream_cx_overload_reject: 'counter',
  downstream_cx_transport_socket_connect_timeout: 'counter',
  downstream_global_cx_overflow: 'counter',
  downstream_pre_cx_active: 'gauge',
  downstream_pre_cx_timeout: 'counter',
  downstream_listener_filter_error: 'counter',
  downstream_listener_filter_remote_close: 'counter',
  no_filter_chain_match: 'counter',
  connections_accepted_per_socket_event: 'histogram',
} as const;

/** Under 'listener.ADDRESS.' of listeners that may have their extensions from a control plane. */
export const LISTENER_EXTENSION_STATS = {
  extension_config_missing: 'counter',
  network_extension_config_missing: 'counter',
} as const;

/** Under 'listener.ADDRESS.worker_N.', and 'listener.admin.main_thread.'. */
export const LISTENER_WORKER_STATS = {
  downstream_cx_total: 'counter',
  downstream_cx_active: 'gauge',
} as const;

/** Under 'listener_manager.'. */
export const LISTENER_MANAGER_STATS = {
  listener_added: 'counter',
  listener_create_failure: 'counter',
  listener_create_success: 'counter',
  listener_in_place_updated: 'counter',
  listener_modified: 'counter',
  listener_removed: 'counter',
  listener_stopped: 'counter',
  total_filter_chains_draining: 'gauge',
  total_listeners_active: 'gauge',
  total_listeners_draining: 'gauge',
  total_listeners_warming: 'gauge',
  workers_started: 'gauge',
  workers_pinned: 'gauge',
} as const;

export type ListenerWorkerScope = ScopeOf<typeof LISTENER_WORKER_STATS>;
export type ListenerScope = ScopeOf<typeof LISTENER_STATS>;
export type ListenerManagerScope = ScopeOf<typeof LISTENER_MANAGER_STATS>;
