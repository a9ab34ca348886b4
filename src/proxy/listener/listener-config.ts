// A listener's configuration at run time: frozen, decoded by config/listener.ts, complete with defaults.
import type { Address } from '../../base/byte-stream.ts';
import type { SocketOption } from '../../net/engine.ts';
import type { AccessLog } from '../access-log/access-log.ts';
import type { FilterChainConfig } from '../network/filter-chain.ts';
import type { Metadata } from '../stream-info.ts';
import type { UdpListenerConfig } from '../udp/udp-listener.ts';
import type { ChainMatcher } from './chain-matcher.ts';
import type { AcceptedSocket, ListenerFilterContext, ListenerFilterFactory } from './filter.ts';
import type { FollowedListenerFilter } from './filter-discovery.ts';
import type { FilterChainMatch } from './filter-chain-match.ts';

/** One address that a listener listens on. */
export type ListenAddress = {
  readonly address: Address;
  readonly ipv4Compat: boolean;
  /** Permission bits of a unix socket's path; 0 for what umask gives. */
  readonly pipeMode: number;
  readonly socketOptions: readonly SocketOption[];
};

export type ListenerFilterConfig = {
  readonly name: string;
  /** Whether the filter is left out for this socket; null: never. */
  readonly isDisabled: ((socket: AcceptedSocket) => boolean) | null;
} & (
  | { readonly factory: ListenerFilterFactory; readonly config: unknown }
  /** It is only named; this follows it for one listener. */
  | { readonly factory: null; readonly follow: (context: ListenerFilterContext) => FollowedListenerFilter }
);

export type MatchedChainConfig = {
  /** Null matches everything. */
  readonly match: FilterChainMatch | null;
  readonly chain: FilterChainConfig;
};

export type ListenerConfig = {
  readonly name: string;
  /** Equal for versions that differ in their filter chains only: such a version is taken on in place. */
  readonly fingerprint: string;
  /** The first one names the listener's statistics. */
  readonly addresses: readonly ListenAddress[];
  /** It has no socket: its connections come from clusters of this process; bytes that wait in either direction. */
  readonly internal: { readonly bufferBytes: number } | null;
  /** False: it has no socket, and gets connections from listeners that restore the original destination. */
  readonly bindToPort: boolean;
  /** use_original_dst: connections go to the listener of their original destination, if there is one. */
  readonly handsOff: boolean;
  readonly reusePort: boolean;
  /** Length of the accept queue; 0 for the default. */
  readonly backlog: number;
  readonly bufferLimitBytes: number;
  /** What statistics call it: stat_prefix, or '' for the address. */
  readonly statPrefix: string;
  readonly ignoreGlobalConnectionLimit: boolean;
  readonly accessLogs: readonly AccessLog[];
  readonly listenerFilters: readonly ListenerFilterConfig[];
  /** 0 = none. */
  readonly listenerFiltersTimeoutMs: number;
  readonly continueOnListenerFiltersTimeout: boolean;
  readonly chains: readonly MatchedChainConfig[];
  readonly defaultChain: FilterChainConfig | null;
  /** filter_chain_matcher: chooses among `chains` by name, instead of their own matches. */
  readonly chainMatcher: ChainMatcher | null;
  readonly isExactBalance: boolean;
  /** Does not drain because of a failed health check or `/drain_listeners?graceful`. */
  readonly drainsOnModifyOnly: boolean;
  readonly metadata: Metadata | null;
  readonly trafficDirection: 'UNSPECIFIED' | 'INBOUND' | 'OUTBOUND';
  /** A UDP listener has no chains. */
  readonly udp: UdpListenerConfig | null;
};
