// All listeners of a worker by name: adds, updates in place or by replacement, and removes them while traffic goes on.
import { networkInterfaces } from 'node:os';
import type { Address, ByteStream } from '../../base/byte-stream.ts';
import { formatIp, hasIp, parseIp } from '../../base/ip.ts';
import type { Timer } from '../../base/clock.ts';
import { whenAll } from '../../base/when-all.ts';
import { addressText, isSameAddress } from '../../net/address.ts';
import type { Engine } from '../../net/engine.ts';
import type { ClusterManager } from '../cluster/cluster.ts';
import type { FilterChain } from '../network/filter-chain.ts';
import { makeUdpListener, type UdpListener } from '../udp/udp-listener.ts';
import type { AdoptingListeners } from '../workers/contract.ts';
import { AddressRegistry } from './address-registry.ts';
import type { DrainManager } from './drain.ts';
import { ActiveListener, type ListenerContext } from './listener.ts';
import type { ListenerConfig } from './listener-config.ts';
import { standInsOf } from './stand-ins.ts';
import { forsake, succeed } from './succession.ts';
import { LISTENER_MANAGER_STATS, type ListenerManagerScope } from './stats.ts';

export type ListenerManagerContext = Omit<ListenerContext, 'drain' | 'listenerFor' | 'isOwnAddress'> & {
  readonly engine: Engine;
  readonly drain: DrainManager;
  readonly clusters: ClusterManager;
};

/** What became of a configuration. */
export type SetOutcome = 'added' | 'updated' | 'updated-in-place' | 'unchanged' | { readonly error: string };

/** A listener and what belongs to it alone. */
type Entry = {
  readonly listener: ActiveListener;
  readonly drain: DrainManager;
  config: ListenerConfig;
};

/** How long the addresses of this machine are remembered. */
const LOCAL_ADDRESSES_MS = 5000;

export class ListenerManager implements AdoptingListeners {
  readonly #context: ListenerManagerContext;
  readonly #stats: ListenerManagerScope;
  readonly #registry: AddressRegistry;
  readonly #entries = new Map<string, Entry>();
  readonly #udp = new Map<string, { readonly config: ListenerConfig; readonly listener: UdpListener }>();
  /** In the order in which they were first added. */
  readonly #names = new Set<string>();
  readonly #draining = new Set<ActiveListener>();
  /** They were told to accept no more. */
  readonly #stopped = new WeakSet<ActiveListener>();
  readonly #drainingChains = new Set<FilterChain>();
  /** Chains of former versions that have connections still, by the listener's name. */
  readonly #past = new Map<string, Set<FilterChain>>();
  /** Listeners by the text of their addresses; made when first needed after a change. */
  #byAddress: Map<string, ActiveListener> | null = null;
  /** Versions that wait for what they need. */
  readonly #warming = new Map<string, { readonly config: ListenerConfig; readonly cancel: () => void }>();
  #isOpen = false;
  #hasStandIns = false;
  #localIps: ReadonlySet<string> = new Set();
  #localIpsUntilMs = -1;

  constructor(context: ListenerManagerContext) {
    this.#context = context;
    this.#stats = context.stats.scope('listener_manager.', LISTENER_MANAGER_STATS);
    const { engine, seams } = context;
    this.#registry = new AddressRegistry({ engine, sockets: seams.sockets, balancer: seams.balancer });
  }

  // ─── Configuration ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Adds a listener, or takes a new version on. Nothing changes when there is an error. */
  set(config: ListenerConfig): SetOutcome {
    this.#names.add(config.name);
    if (config.udp !== null) return this.#setUdp(config);
    const stats = this.#stats;
    const warming = this.#warming.get(config.name);
    if (warming !== undefined && isSameVersion(warming.config, config)) return 'unchanged';
    const old = this.#entries.get(config.name);
    if (old?.config.fingerprint !== config.fingerprint && this.#isTaken(config)) {
      if (old === undefined && warming === undefined) this.#names.delete(config.name);
      return { error: takenText(config) };
    }
    if (warming !== undefined) this.#cancelWarming(config.name);
    if (old !== undefined && old.config.fingerprint === config.fingerprint) {
      if (sameChains(old.config, config)) return 'unchanged';
      this.#updateInPlace(old, config);
      return 'updated-in-place';
    }
    const drain = this.#context.drain.child(!config.drainsOnModifyOnly);
    const listener = new ActiveListener(config, this.#listenerContext(drain), drain);
    if (config.bindToPort) {
      const problem = this.#registry.bind(listener, config);
      if (problem !== null) {
        stats.inc(stats.i.listener_create_failure);
        if (old === undefined) this.#names.delete(config.name);
        return { error: problem };
      }
    }
    stats.inc(old === undefined ? stats.i.listener_added : stats.i.listener_modified);
    stats.inc(stats.i.listener_create_success);
    const entry = { listener, drain, config };
    const activate = (): void => {
      if (config.bindToPort) this.#registry.own(listener, config);
      const before = this.#entries.get(config.name);
      this.#entries.set(config.name, entry);
      if (before !== undefined) {
        this.#succeed(config.name, before.listener.chains, listener);
        this.#drainListener(before);
      }
      this.#countActive();
    };
    const cancel = (): void => this.#drainListener(entry);
    this.#warm(config, listener, activate, cancel);
    return old === undefined ? 'added' : 'updated';
  }

  /** Whether an address is another listener's. Source: Envoy ListenerImpl::hasDuplicatedAddress. */
  #isTaken({ name, addresses, bindToPort }: ListenerConfig): boolean {
    const has = (config: ListenerConfig, wanted: Address): boolean =>
      config.name !== name && config.addresses.some(({ address }) => isSameAddress(address, wanted));
    for (const { address } of addresses) {
      // The system chooses another port for each.
      if (bindToPort && hasIp(address) && address.port === 0) continue;
      for (const { config } of this.#entries.values()) if (has(config, address)) return true;
      for (const { config } of this.#warming.values()) if (has(config, address)) return true;
    }
    return false;
  }

  /**
   * Lets a version serve once it has what it needs. Until then the one before it serves. At the start of the proxy all
   * listeners wait together.
   */
  #warm(
    config: ListenerConfig,
    version: { whenSettled(settled: () => void): void },
    activate: () => void,
    cancel: () => void,
  ): void {
    if (!this.#isOpen) {
      activate();
      return;
    }
    const warming = { config, cancel };
    this.#warming.set(config.name, warming);
    version.whenSettled(() => {
      if (this.#warming.get(config.name) !== warming) return;
      this.#warming.delete(config.name);
      this.#countWarming();
      activate();
    });
    this.#countWarming();
  }

  #cancelWarming(name: string): void {
    const warming = this.#warming.get(name);
    this.#warming.delete(name);
    this.#countWarming();
    warming?.cancel();
  }

  #countWarming(): void {
    this.#stats.set(this.#stats.i.total_listeners_warming, this.#warming.size);
  }

  remove(name: string): boolean {
    const udp = this.#udp.get(name);
    const entry = this.#entries.get(name);
    const isWarming = this.#warming.has(name);
    if (isWarming) this.#cancelWarming(name);
    if (udp === undefined && entry === undefined && !isWarming) return false;
    this.#udp.delete(name);
    this.#entries.delete(name);
    this.#names.delete(name);
    udp?.listener.stop();
    if (entry !== undefined) this.#forsake(entry);
    this.#stats.inc(this.#stats.i.listener_removed);
    this.#countActive();
    return true;
  }

  #setUdp(config: ListenerConfig): SetOutcome {
    const stats = this.#stats;
    const old = this.#udp.get(config.name);
    if (old !== undefined && old.config.fingerprint === config.fingerprint) return 'unchanged';
    const listener = makeUdpListener(config, this.#context);
    old?.listener.stop();
    const problem = listener.start();
    if (problem !== null) {
      stats.inc(stats.i.listener_create_failure);
      if (old !== undefined) old.listener.start();
      return { error: problem };
    }
    this.#udp.set(config.name, { config, listener });
    stats.inc(old === undefined ? stats.i.listener_added : stats.i.listener_modified);
    stats.inc(stats.i.listener_create_success);
    this.#countActive();
    return old === undefined ? 'added' : 'updated';
  }

  #updateInPlace(entry: Entry, config: ListenerConfig): void {
    const stats = this.#stats;
    stats.inc(stats.i.listener_modified);
    stats.inc(stats.i.listener_create_success);
    const prepared = entry.listener.prepareChains(config);
    const activate = (): void => {
      entry.config = config;
      const removed = entry.listener.updateChains(config, prepared);
      stats.inc(stats.i.listener_in_place_updated);
      this.countStandIns();
      this.#succeed(config.name, removed, entry.listener);
      for (const chain of removed) this.#drainChain(chain);
    };
    this.#warm(config, prepared, activate, () => prepared.cancel());
  }

  /** Connections of chains that were replaced, now or before, go by what is configured now. */
  #succeed(name: string, replaced: Iterable<FilterChain>, next: ActiveListener): void {
    const past = this.#past.get(name) ?? new Set();
    for (const chain of replaced) past.add(chain);
    for (const chain of past) {
      if (chain.connections.size === 0) past.delete(chain);
      else succeed(chain, next);
    }
    if (past.size > 0) this.#past.set(name, past);
    else this.#past.delete(name);
  }

  /** The listener is no longer there, nor anything that its connections could go by. */
  #forsake(entry: Entry): void {
    const { name } = entry.config;
    const past = this.#past.get(name) ?? [];
    this.#past.delete(name);
    for (const chain of entry.listener.chains) forsake(chain);
    for (const chain of past) {
      forsake(chain);
      this.#drainChain(chain);
    }
    this.#drainListener(entry);
  }

  /** Connections of a chain that is no longer configured have the drain time to come to their end. */
  #drainChain(chain: FilterChain): void {
    const { clock, drain } = this.#context;
    const timer = clock.timer(() => {
      chain.closeAll('filter_chain_draining');
      this.#drainingChains.delete(chain);
      this.#countDraining();
    }, null);
    this.#drainingChains.add(chain);
    this.#countDraining();
    timer.arm(drain.drainTimeMs);
    chain.drain(() => {
      timer.disarm();
      this.#drainingChains.delete(chain);
      this.#countDraining();
    });
  }

  /** The listener takes nothing new; its connections have the drain time. */
  #drainListener({ listener, drain }: Entry): void {
    const { clock } = this.#context;
    this.#registry.release(listener);
    for (const chain of listener.chains) chain.retire();
    drain.start();
    this.#draining.add(listener);
    this.#countDraining();
    const timer: Timer = clock.timer(() => {
      listener.close();
      this.#draining.delete(listener);
      this.#countDraining();
    }, null);
    timer.arm(drain.drainTimeMs);
  }

  #countDraining(): void {
    const stats = this.#stats;
    stats.set(stats.i.total_listeners_draining, this.#draining.size);
    stats.set(stats.i.total_filter_chains_draining, this.#drainingChains.size);
  }

  #countActive(): void {
    this.#byAddress = null;
    this.countStandIns();
    this.#stats.set(this.#stats.i.total_listeners_active, this.#entries.size + this.#udp.size);
  }

  /**
   * Filters that were accepted although they are not built; the statistics are there once there is one. To be called
   * when filters changed that listeners only name.
   */
  countStandIns(): void {
    const counts = { inert: 0, deny: 0 };
    for (const { config } of this.#entries.values()) for (const { effect } of standInsOf(config)) counts[effect]++;
    if (counts.inert + counts.deny === 0 && !this.#hasStandIns) return;
    this.#hasStandIns = true;
    this.#stats.set(this.#stats.dynamicGaugeOnce('inert_filters'), counts.inert);
    this.#stats.set(this.#stats.dynamicGaugeOnce('deny_all_filters'), counts.deny);
  }

  #listenerContext(drain: DrainManager): ListenerContext {
    return {
      ...this.#context,
      drain,
      listenerFor: (address) => this.#listenerFor(address),
      isOwnAddress: (address) => this.isOwnAddress(address),
    };
  }

  // ─── Life ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Calls back once, perhaps now: the listeners there are have their secrets, or go on without. */
  whenSettled(settled: () => void): void {
    whenAll(this.#entries.values(), ({ listener }, called) => listener.whenSettled(called), settled);
  }

  /** Everything is ready: connections that waited come in. */
  open(): void {
    this.#isOpen = true;
    this.#registry.open();
    this.#stats.set(this.#stats.i.workers_started, 1);
  }

  /** Closes the listening sockets; connections stay. `inboundOnly`: of listeners whose traffic_direction is INBOUND. */
  stopAccepting(inboundOnly = false): void {
    const stats = this.#stats;
    for (const { listener, config } of this.#entries.values()) {
      if (this.#stopped.has(listener) || (inboundOnly && !isInbound(config))) continue;
      if (!this.#registry.isListening(listener)) continue;
      this.#stopped.add(listener);
      // In Envoy too internal listeners go on: who is let in by a socket still reaches what is behind it.
      if (config.internal === null) this.#registry.release(listener);
      stats.inc(stats.i.listener_stopped);
    }
    for (const { listener, config } of this.#udp.values()) {
      if (inboundOnly && !isInbound(config)) continue;
      listener.stop();
      stats.inc(stats.i.listener_stopped);
    }
  }

  /** Connections of inbound listeners come to their end; those of others stay as they are. */
  drainInbound(): void {
    for (const { drain, config } of this.#entries.values()) if (isInbound(config)) drain.start();
  }

  drainConnections(): void {
    for (const { listener } of this.#entries.values()) listener.drainConnections();
  }

  get connectionCount(): number {
    return this.#context.connections.active;
  }

  adopt(key: string, stream: ByteStream): void {
    const socket = this.#registry.byKey(key);
    if (socket !== null) {
      socket.listener.accept(stream, key);
      return;
    }
    this.#context.seams.balancer.closed(key);
    stream.destroy();
  }

  /** Names and real addresses, as `/listeners` shows them. */
  statuses(): { readonly name: string; readonly addresses: readonly Address[] }[] {
    return [...this.#names].flatMap((name) => {
      const entry = this.#entries.get(name);
      const addresses =
        entry === undefined ? this.#udp.get(name)?.listener.addresses : this.#registry.addressesOf(entry.listener);
      return addresses === undefined ? [] : [{ name, addresses }];
    });
  }

  // ─── Original destinations ──────────────────────────────────────────────────────────────────────────────────────

  /** Source: Envoy ConnectionHandlerImpl::getBalancedHandlerByAddress: the address itself, then any address. */
  #listenerFor(wanted: Address): ActiveListener | null {
    this.#byAddress ??= this.#indexAddresses();
    return this.#byAddress.get(addressKey(wanted)) ?? this.#byAddress.get(anyKey(wanted)) ?? null;
  }

  #indexAddresses(): Map<string, ActiveListener> {
    const index = new Map<string, ActiveListener>();
    for (const { listener, config } of this.#entries.values()) {
      for (const { address, ipv4Compat } of config.addresses) {
        if (!hasIp(address)) continue;
        index.set(addressKey(address), listener);
        const { port } = address;
        const asIpv4 = anyKey({ family: 'ipv4', address: '', port });
        if (ipv4Compat && address.address === '::' && !index.has(asIpv4)) index.set(asIpv4, listener);
      }
    }
    return index;
  }

  /** Whether a socket of this proxy accepts connections to the address. */
  isOwnAddress(wanted: Address): boolean {
    for (const { acceptor } of this.#registry.all()) {
      const { address } = acceptor;
      if (address.port !== wanted.port || !hasIp(address)) continue;
      if (addressKey(address) === addressKey(wanted)) return true;
      if (isWildcard(address.address) && this.#isLocalIp(wanted.address)) return true;
    }
    return false;
  }

  #isLocalIp(ip: string): boolean {
    const { clock } = this.#context;
    if (clock.nowMs > this.#localIpsUntilMs) {
      this.#localIpsUntilMs = clock.nowMs + LOCAL_ADDRESSES_MS;
      this.#localIps = new Set(Object.values(networkInterfaces()).flatMap((list) => list?.map((a) => a.address) ?? []));
    }
    return this.#localIps.has(ip) || ip.startsWith('127.');
  }
}

function isInbound(config: ListenerConfig): boolean {
  return config.trafficDirection === 'INBOUND';
}

function isSameVersion(a: ListenerConfig, b: ListenerConfig): boolean {
  return a.fingerprint === b.fingerprint && sameChains(a, b);
}

function sameChains(a: ListenerConfig, b: ListenerConfig): boolean {
  const keys = (config: ListenerConfig): string =>
    JSON.stringify([
      config.chains.map(({ chain }) => chain.fingerprint),
      config.defaultChain?.fingerprint ?? null,
      config.chainMatcher?.fingerprint ?? null,
    ]);
  return keys(a) === keys(b);
}

/** Source: Envoy ListenerManagerImpl::addOrUpdateListenerInternal. */
function takenText({ name, addresses }: ListenerConfig): string {
  const own = addresses.map(({ address }) => addressText(address)).join(',');
  const advice =
    'to check if the listener has duplicated addresses with other listeners or ' +
    "'enable_reuse_port' is set to 'false' for the listener";
  return `error adding listener: '${name}' has duplicate address '${own}' as existing listener, ${advice}`;
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** One text for all spellings of an address. */
function addressKey(address: Address): string {
  const ip = parseIp(address.address);
  return `${ip === null ? address.address : formatIp(ip)} ${address.port}`;
}

function anyKey({ family, port }: Address): string {
  return family === 'ipv6' ? `:: ${port}` : `0.0.0.0 ${port}`;
}
