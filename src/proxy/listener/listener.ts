// A listener: limits accepted sockets, takes them through its filters, and gives each to the chain that matches.
import type { ByteStream } from '../../base/byte-stream.ts';
import type { Clock, Random, Timer } from '../../base/clock.ts';
import type { Address } from '../../base/byte-stream.ts';
import type { SharedCounter } from '../../base/shared-cells.ts';
import { whenAll } from '../../base/when-all.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
import { tcpLogContext } from '../formatter/tcp-log-context.ts';
import type { Runtime } from '../http/filter.ts';
import { DownstreamConnection } from '../network/connection.ts';
import type { DrainDecision } from '../network/filter.ts';
import { FilterChain, type FilterChainConfig } from '../network/filter-chain.ts';
import { Flag, type Metadata, StreamInfo } from '../stream-info.ts';
import { takePassedOn } from '../transport/passed-on.ts';
import type { TransportServices } from '../transport/transport.ts';
import type { WorkerSeams } from '../workers/contract.ts';
import type { ListenerFilter } from './filter.ts';
import type { FollowedListenerFilter } from './filter-discovery.ts';
import { compileFilterChains, type FilterChainTable } from './filter-chain-match.ts';
import type { MatcherFacts } from './chain-matcher.ts';
import type { ListenerConfig } from './listener-config.ts';
import { PendingSocket, type PendingEnd, type PendingOwner } from './pending-socket.ts';
import { SocketFacts } from './socket-facts.ts';
import type { ChainFinder } from './succession.ts';
import {
  LISTENER_EXTENSION_STATS,
  LISTENER_STATS,
  LISTENER_WORKER_STATS,
  type ListenerExtensionScope,
  listenerStatPrefix,
  type ListenerScope,
  type ListenerWorkerScope,
} from './stats.ts';

/** What the connections of all workers are counted as. */
export const DOWNSTREAM_CONNECTIONS = 'downstream connections';

/** Connections of all listeners together, against overload.global_downstream_max_connections. */
export type ConnectionCount = { active: number };

export type ListenerContext = {
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  readonly stats: StatStore;
  readonly drain: DrainDecision;
  readonly dateText: () => string;
  readonly connections: ConnectionCount;
  readonly seams: WorkerSeams;
  /** Null for the admin interface. */
  readonly transports: TransportServices | null;
  /** 'worker_0', or 'main_thread' for the admin listener. */
  readonly thread: string;
  /** The listener that takes connections to this address, for use_original_dst. */
  readonly listenerFor: (address: Address) => ActiveListener | null;
  /** Whether the address is one that this proxy itself listens on. */
  readonly isOwnAddress: (address: Address) => boolean;
};

const NO_BYTES = Buffer.alloc(0);

const NO_CHAINS: ReadonlyMap<string, FilterChain> = new Map();

/** Chains of a version that does not serve yet. */
export type PreparedChains = {
  readonly chains: ReadonlyMap<string, FilterChain>;
  /** Calls back once, perhaps now: all of them have what they need, or go on without. */
  whenSettled(settled: () => void): void;
  /** They will not serve. */
  cancel(): void;
};

export class ActiveListener implements PendingOwner, ChainFinder {
  config: ListenerConfig;
  readonly clock: Clock;
  /** 'listener.ADDRESS.' */
  readonly statPrefix: string;
  readonly #context: ListenerContext;
  readonly #drain: DrainDecision;
  readonly #stats: ListenerScope;
  readonly #workerStats: ListenerWorkerScope;
  /** Null for the admin interface. */
  readonly #extensionStats: ListenerExtensionScope | null;
  readonly #pending = new Set<PendingSocket>();
  #table: FilterChainTable<FilterChain> = compileFilterChains<FilterChain>([], null);
  /** The only chain, when nothing has to be looked at to choose it. */
  #onlyChain: FilterChain | null = null;
  /** By fingerprint. */
  #chains = new Map<string, FilterChain>();
  #byName = new Map<string, FilterChain>();
  #defaultChain: FilterChain | null = null;
  #makeFilters: (() => ListenerFilter)[] = [];
  /** Filters that are only named, by their place. */
  readonly #followed = new Map<number, FollowedListenerFilter>();
  /** Stands for one whose configuration went while a socket was on the way to it. */
  readonly #gone: ListenerFilter = {
    maxReadBytes: 0,
    onAccept: () => {
      this.#countMissing();
      return 'close';
    },
  };
  #active = 0;
  /** The same counts of all workers; null where there is one. */
  readonly #shared: { readonly all: SharedCounter; readonly own: SharedCounter } | null;

  constructor(config: ListenerConfig, context: ListenerContext, drain: DrainDecision) {
    this.config = config;
    this.clock = context.clock;
    this.#context = context;
    this.#drain = drain;
    this.statPrefix = listenerStatPrefix(config);
    this.#stats = context.stats.scope(this.statPrefix, LISTENER_STATS);
    const { shared } = context.seams;
    this.#shared = shared.isLocal
      ? null
      : { all: shared.counter(DOWNSTREAM_CONNECTIONS), own: shared.counter(`listener ${config.name} connections`) };
    const isAdmin = context.thread === 'main_thread';
    this.#extensionStats = isAdmin ? null : context.stats.scope(this.statPrefix, LISTENER_EXTENSION_STATS);
    this.#workerStats = context.stats.scope(`${this.statPrefix}${context.thread}.`, LISTENER_WORKER_STATS);
    this.#compile(config);
  }

  // ─── Configuration ──────────────────────────────────────────────────────────────────────────────────────────────

  get name(): string {
    return this.config.name;
  }
  get isLogged(): boolean {
    return this.config.accessLogs.length > 0;
  }
  get metadata(): Metadata | null {
    return this.config.metadata;
  }
  get trafficDirection(): ListenerConfig['trafficDirection'] {
    return this.config.trafficDirection;
  }
  /** Calls back once, perhaps now: chains have their secrets, and filters their configurations, or go on without. */
  whenSettled(settled: () => void): void {
    const parts = [...this.#followed.values(), ...this.#chains.values()];
    whenAll(parts, (part, called) => part.whenSettled(called), settled);
  }

  get connectionCount(): number {
    return this.#active;
  }
  get chains(): IterableIterator<FilterChain> {
    return this.#chains.values();
  }

  /** Makes the chains of a version that are not there yet: they may have to wait for what they need. */
  prepareChains(config: ListenerConfig): PreparedChains {
    const chains = new Map<string, FilterChain>();
    const configs = config.chains.map(({ chain }) => chain);
    if (config.defaultChain !== null) configs.push(config.defaultChain);
    for (const chain of configs) {
      const { fingerprint } = chain;
      if (!this.#chains.has(fingerprint) && !chains.has(fingerprint)) chains.set(fingerprint, this.#makeChain(chain));
    }
    return {
      chains,
      whenSettled: (settled) => whenAll(chains.values(), (chain, called) => chain.whenSettled(called), settled),
      cancel: () => {
        for (const chain of chains.values()) chain.drain(() => undefined);
      },
    };
  }

  /**
   * Takes on a version that differs in its chains only: equal chains stay with their connections. Returns the chains
   * that are no longer there; the caller drains them.
   */
  updateChains(config: ListenerConfig, prepared: PreparedChains): FilterChain[] {
    const before = this.#chains;
    this.config = config;
    this.#compile(config, prepared.chains);
    return [...before].filter(([key]) => !this.#chains.has(key)).map(([, chain]) => chain);
  }

  #compile(config: ListenerConfig, prepared: ReadonlyMap<string, FilterChain> = NO_CHAINS): void {
    const before = this.#chains;
    const chains = new Map<string, FilterChain>();
    const make = (chainConfig: FilterChainConfig): FilterChain => {
      const { fingerprint } = chainConfig;
      const known = chains.get(fingerprint) ?? before.get(fingerprint) ?? prepared.get(fingerprint);
      const chain = known ?? this.#makeChain(chainConfig);
      chains.set(fingerprint, chain);
      return chain;
    };
    const matched = config.chains.map(({ match, chain }) => ({ match, value: make(chain) }));
    this.#defaultChain = config.defaultChain === null ? null : make(config.defaultChain);
    this.#chains = chains;
    this.#byName = new Map([...chains.values()].map((chain) => [chain.config.name, chain]));
    this.#table = compileFilterChains(config.chainMatcher === null ? matched : [], this.#defaultChain);
    const isSimple = config.listenerFilters.length === 0 && !config.handsOff && config.chainMatcher === null;
    const first = matched[0];
    const hasOne = matched.length === 1 && first?.match === null;
    const only = hasOne ? (first?.value ?? null) : matched.length === 0 ? this.#defaultChain : null;
    this.#onlyChain = isSimple ? only : null;
    const { clock, random, runtime, stats } = this.#context;
    const filterContext = { stats, clock, random, runtime, listenerPrefix: this.statPrefix };
    this.#makeFilters = config.listenerFilters.map((filter, i) => {
      if (filter.factory !== null) return filter.factory.create(filter.config as never, filterContext);
      // Versions of one listener have the same: those differ in chains only.
      const followed = this.#followed.get(i) ?? filter.follow(filterContext);
      this.#followed.set(i, followed);
      return () => followed.make() ?? this.#gone;
    });
  }

  #makeChain(config: FilterChainConfig): FilterChain {
    const { clock, random, runtime, stats, dateText, seams } = this.#context;
    const { bufferLimitBytes, name } = this.config;
    const context = {
      stats,
      clock,
      random,
      runtime,
      dateText,
      bufferLimitBytes,
      shared: seams.shared,
      listenerName: name,
      listenerPrefix: this.statPrefix,
    };
    return new FilterChain(config, context, this.#drain, this.#context.transports);
  }

  // ─── Sockets ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A socket was accepted for this listener; `balanceKey` is '' unless workers share its connections exactly. */
  accept(stream: ByteStream, balanceKey: string): void {
    const stats = this.#stats;
    stats.record(stats.i.connections_accepted_per_socket_event, 1);
    if (!this.#admit(stream, balanceKey)) return;
    if (this.config.internal !== null) {
      this.#filter(internalFacts(stream), NO_BYTES);
    } else if (this.#onlyChain !== null && balanceKey === '') {
      stats.set(stats.i.downstream_pre_cx_active, 0);
      this.#connect(this.#onlyChain, stream, null, NO_BYTES);
    } else this.#filter(new SocketFacts(stream, balanceKey), NO_BYTES);
  }

  /** Within the limits: counts it in. */
  #admit(stream: ByteStream, balanceKey: string): boolean {
    const stats = this.#stats;
    const { connections, runtime } = this.#context;
    // Limits are for sockets, in Envoy too: who dials an internal listener has been let in already.
    const isLimited = this.config.internal === null;
    if (isLimited && !this.config.ignoreGlobalConnectionLimit) {
      const globalLimit = runtime.number('overload.global_downstream_max_connections', Number.POSITIVE_INFINITY);
      if ((this.#shared?.all.value ?? connections.active) >= globalLimit) {
        stats.inc(stats.i.downstream_global_cx_overflow);
        this.#refuse(stream, balanceKey);
        return false;
      }
    }
    const key = `envoy.resource_limits.listener.${this.config.name}.connection_limit`;
    if (isLimited && (this.#shared?.own.value ?? this.#active) >= runtime.number(key, Number.POSITIVE_INFINITY)) {
      stats.inc(stats.i.downstream_cx_overflow);
      this.#refuse(stream, balanceKey);
      return false;
    }
    // Logs are written when the socket is gone, and tells its addresses no more.
    if (this.config.accessLogs.length > 0) void [stream.localAddress, stream.remoteAddress];
    connections.active++;
    this.#active++;
    this.#shared?.all.inc();
    this.#shared?.own.inc();
    return true;
  }

  #refuse(stream: ByteStream, balanceKey: string): void {
    if (balanceKey !== '') this.#context.seams.balancer.closed(balanceKey);
    stream.destroy();
  }

  #release(balanceKey: string): void {
    this.#context.connections.active--;
    this.#active--;
    this.#shared?.all.dec();
    this.#shared?.own.dec();
    if (balanceKey !== '') this.#context.seams.balancer.closed(balanceKey);
  }

  #filter(facts: SocketFacts, unread: Buffer): void {
    if (this.config.listenerFilters.length === 0) {
      this.#choose(facts, unread);
      return;
    }
    if (this.#isMissingFilter()) {
      this.#countMissing();
      this.#release(facts.balanceKey);
      this.#logUnserved(facts, 0, '');
      facts.stream.destroy();
      return;
    }
    const pending = new PendingSocket(this, facts, unread);
    this.#pending.add(pending);
    this.#stats.inc(this.#stats.i.downstream_pre_cx_active);
    pending.start();
  }

  /** Source: Envoy ActiveStreamListenerBase::onSocketAccepted. */
  #isMissingFilter(): boolean {
    for (const followed of this.#followed.values()) if (followed.isMissing) return true;
    return false;
  }

  #countMissing(): void {
    this.#extensionStats?.inc(this.#extensionStats.i.extension_config_missing);
  }

  get filterCount(): number {
    return this.#makeFilters.length;
  }

  makeFilter(index: number, facts: SocketFacts): ListenerFilter | null {
    if (this.config.listenerFilters[index]?.isDisabled?.(facts) === true) return null;
    return this.#makeFilters[index]?.() ?? null;
  }

  get filtersTimeoutMs(): number {
    return this.config.listenerFiltersTimeoutMs;
  }
  get continuesOnTimeout(): boolean {
    return this.config.continueOnListenerFiltersTimeout;
  }

  timer(pending: PendingSocket): Timer {
    return this.clock.timer(onPendingTimeout, pending);
  }

  onFiltersTimeout(): void {
    this.#stats.inc(this.#stats.i.downstream_pre_cx_timeout);
  }

  onPendingEnd(pending: PendingSocket, facts: SocketFacts, why: PendingEnd): void {
    const stats = this.#stats;
    this.#forgetPending(pending);
    if (why === 'remote-close') stats.inc(stats.i.downstream_listener_filter_remote_close);
    else if (why === 'error') stats.inc(stats.i.downstream_listener_filter_error);
    this.#release(facts.balanceKey);
    this.#logUnserved(facts, 0, '');
  }

  #forgetPending(pending: PendingSocket): void {
    this.#pending.delete(pending);
    this.#stats.dec(this.#stats.i.downstream_pre_cx_active);
  }

  onFiltersDone(pending: PendingSocket, facts: SocketFacts, unread: Buffer): void {
    this.#forgetPending(pending);
    if (facts.isLocalAddressRestored) {
      // Whoever wants to go to the proxy itself would be sent to it again and again.
      if (this.#context.isOwnAddress(facts.localAddress)) facts.isLocalAddressRestored = false;
      else if (this.config.handsOff) {
        const other = this.#context.listenerFor(facts.localAddress);
        if (other !== null && other !== this) {
          this.#release('');
          other.takeOver(facts, unread);
          return;
        }
      }
    }
    this.#choose(facts, unread);
  }

  /** Another listener restored an original destination that is this listener's. */
  takeOver(facts: SocketFacts, unread: Buffer): void {
    if (this.#admit(facts.stream, facts.balanceKey)) this.#filter(facts, unread);
  }

  #choose(facts: SocketFacts, unread: Buffer): void {
    const chain = this.findChain(facts);
    if (chain !== null) {
      this.#connect(chain, facts.stream, facts, unread);
      return;
    }
    this.#stats.inc(this.#stats.i.no_filter_chain_match);
    this.#release(facts.balanceKey);
    this.#logUnserved(facts, Flag.NR, 'filter_chain_not_found');
    facts.stream.destroy();
  }

  findChain(facts: MatcherFacts): FilterChain | null {
    const { chainMatcher } = this.config;
    if (chainMatcher === null) return this.#table.find(facts);
    const name = chainMatcher.find(facts);
    // A name that no chain has is no chain, as in Envoy: the default one is for what nothing matches.
    return name === null ? this.#defaultChain : (this.#byName.get(name) ?? null);
  }

  get secureProtocols(): readonly string[] {
    const matches = this.config.chains.map(({ match }) => match).filter((match) => match?.transportProtocol === 'tls');
    return [...new Set(matches.flatMap((match) => match?.applicationProtocols ?? []))];
  }

  #connect(chain: FilterChain, stream: ByteStream, facts: SocketFacts | null, unread: Buffer): void {
    const stats = this.#stats;
    const worker = this.#workerStats;
    stats.inc(stats.i.downstream_cx_total);
    stats.inc(stats.i.downstream_cx_active);
    worker.inc(worker.i.downstream_cx_total);
    worker.inc(worker.i.downstream_cx_active);
    stream.setWatermarks(this.config.bufferLimitBytes);
    const connection = new DownstreamConnection(this, chain, stream, facts);
    if (this.isLogged) connection.keepAddresses();
    connection.begin(unread);
  }

  onTransportTimeout(): void {
    this.#stats.inc(this.#stats.i.downstream_cx_transport_socket_connect_timeout);
  }

  onConnectionClosed(connection: DownstreamConnection): void {
    const stats = this.#stats;
    const worker = this.#workerStats;
    this.#release(connection.balanceKey);
    stats.dec(stats.i.downstream_cx_active);
    worker.dec(worker.i.downstream_cx_active);
    stats.inc(stats.i.downstream_cx_destroy);
    stats.record(stats.i.downstream_cx_length_ms, Math.round(this.clock.nowMs - connection.startMs));
    const logs = this.config.accessLogs;
    if (logs.length === 0) return;
    const context = tcpLogContext(connection.finishedInfo(), 'NotSet');
    for (const log of logs) log.log(context);
  }

  /** Sockets that no chain served are logged too. */
  #logUnserved(facts: SocketFacts, flags: number, details: string): void {
    const logs = this.config.accessLogs;
    if (logs.length === 0) return;
    const { clock } = this;
    const connection = {
      id: 0,
      listenerName: this.name,
      filterChainName: '',
      terminationDetails: '',
      listenerMetadata: this.metadata,
      localAddress: facts.localAddress,
      directLocalAddress: facts.directLocalAddress,
      remoteAddress: facts.remoteAddress,
      directRemoteAddress: facts.directRemoteAddress,
      requestedServerName: facts.serverName,
      ja3Hash: facts.ja3Hash,
      ja4Hash: facts.ja4Hash,
      tls: null,
      filterState: facts.filterState,
      dynamicMetadata: facts.dynamicMetadata,
    };
    const info = new StreamInfo(connection, clock.nowMs, clock.wallMs);
    info.endMs = clock.nowMs;
    info.flags = flags;
    info.responseCodeDetails = details === '' ? null : details;
    info.filterState = facts.filterState;
    info.dynamicMetadata = facts.dynamicMetadata;
    info.downstreamTransportFailureReason = facts.transportFailureReason;
    const context = tcpLogContext(info, 'NotSet');
    for (const log of logs) log.log(context);
  }

  // ─── The end ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Ends connections that carry nothing; others end with their exchange. */
  drainConnections(): void {
    for (const chain of this.#chains.values()) chain.terminal.drainConnections?.();
  }

  /** Ends everything: the listener is gone and its drain time over. */
  close(): void {
    for (const pending of this.#pending) pending.abort();
    for (const chain of this.#chains.values()) chain.closeAll('listener_removed');
    for (const followed of this.#followed.values()) followed.close();
  }
}

/** With what the dialling end left. */
function internalFacts(stream: ByteStream): SocketFacts {
  const facts = new SocketFacts(stream, '');
  const passed = takePassedOn(stream);
  facts.dynamicMetadata = passed?.metadata ?? null;
  facts.filterState = passed?.filterState ?? null;
  return facts;
}

function onPendingTimeout(pending: PendingSocket): void {
  pending.onTimeout();
}
