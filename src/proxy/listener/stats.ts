// Statistics of listeners, by Envoy's names.
import type { Address } from '../../base/byte-stream.ts';
import { addressText } from '../../net/address.ts';
import type { ScopeOf } from '../../telemetry/metrics.ts';
import type { ListenerConfig } from './listener-config.ts';

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
  listener_added: 'counter-once',
  // Envoy counts these once per worker.
  listener_create_failure: 'counter',
  listener_create_success: 'counter',
  listener_in_place_updated: 'counter-once',
  listener_modified: 'counter-once',
  listener_removed: 'counter-once',
  listener_stopped: 'counter-once',
  total_filter_chains_draining: 'gauge-once',
  total_listeners_active: 'gauge-once',
  total_listeners_draining: 'gauge-once',
  total_listeners_warming: 'gauge-once',
  workers_started: 'gauge-once',
  workers_pinned: 'gauge-once',
} as const;

export type ListenerWorkerScope = ScopeOf<typeof LISTENER_WORKER_STATS>;
export type ListenerExtensionScope = ScopeOf<typeof LISTENER_EXTENSION_STATS>;
export type ListenerScope = ScopeOf<typeof LISTENER_STATS>;
export type ListenerManagerScope = ScopeOf<typeof LISTENER_MANAGER_STATS>;

/** 'listener.NAME.', where the name is stat_prefix, the first address, or that of an internal listener. */
export function listenerStatPrefix({ statPrefix, addresses, name, internal }: ListenerConfig): string {
  if (internal !== null) return `listener.${statPrefix || `envoy_internal_${name.replaceAll(':', '_')}`}.`;
  const address = addresses[0]?.address;
  return `listener.${statPrefix || (address === undefined ? name : statAddress(address))}.`;
}

/** '127.0.0.1_10000', '[__1]_80': an address as a part of a statistic's name. */
export function statAddress(address: Address): string {
  return addressText(address).replaceAll(':', '_');
}
