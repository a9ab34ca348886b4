// Hosts of an ORIGINAL_DST cluster: made on demand of where the client wanted to go, and gone when nobody goes there.
import { addressText, parseAddress } from '../../../net/address.ts';
import type { Address } from '../../../base/byte-stream.ts';
import type { Clock, Timer } from '../../../base/clock.ts';
import { hasIp } from '../../../base/ip.ts';
import { type HeaderKey, headerKey } from '../../../wire/header-names.ts';
import type { Host, LoadBalancer, LoadBalancerContext } from '../cluster.ts';
import { type EndpointConfig, NOWHERE, type OriginalDstConfig } from '../cluster-config.ts';
import type { HostEntry } from '../host.ts';
import type { ClusterScope } from '../stats.ts';

export type OriginalDstParts = {
  readonly clock: Clock;
  readonly stats: ClusterScope;
  readonly clusterName: string;
  /** Whether this proxy listens there: going there would never end. */
  readonly isOwnAddress: (address: Address) => boolean;
  readonly addHost: (endpoint: EndpointConfig) => HostEntry;
  readonly removeHosts: (hosts: readonly HostEntry[]) => void;
};

/** Source: Envoy Network::DestinationAddress::key(). */
const FILTER_STATE_KEY = 'envoy.network.transport_socket.original_dst_address';
/** Clients choose the addresses: beyond so many there is no host until others were cleaned up. */
const MAX_HOSTS = 65_536;

type Entry = { readonly host: HostEntry; isUsed: boolean };

export class OriginalDstLoadBalancer implements LoadBalancer {
  readonly #config: OriginalDstConfig;
  readonly #parts: OriginalDstParts;
  readonly #headerKey: HeaderKey | '';
  readonly #cleanupTimer: Timer;
  readonly #entries = new Map<string, Entry>();

  constructor(config: OriginalDstConfig, parts: OriginalDstParts) {
    this.#config = config;
    this.#parts = parts;
    this.#headerKey = config.headerName === '' ? '' : headerKey(config.headerName);
    this.#cleanupTimer = parts.clock.timer(cleanUp, this);
  }

  start(): void {
    this.#cleanupTimer.arm(this.#config.cleanupIntervalMs);
  }

  close(): void {
    this.#cleanupTimer.disarm();
  }

  chooseHost(context: LoadBalancerContext): Host | null {
    const wanted = this.#wantedAddress(context);
    if (wanted === null || !hasIp(wanted)) return null;
    const { portOverride } = this.#config;
    const address = portOverride === 0 ? wanted : { ...wanted, port: portOverride };
    const name = addressText(address);
    const entry = this.#entries.get(name);
    if (entry !== undefined) {
      entry.isUsed = true;
      return entry.host;
    }
    if (this.#entries.size >= MAX_HOSTS || this.#parts.isOwnAddress(address)) return null;
    const host = this.#parts.addHost(this.#makeEndpoint(address, name));
    this.#entries.set(name, { host, isUsed: true });
    return host;
  }

  /** Source: Envoy: filter state, then metadata, then the header, then where the connection was going. */
  #wantedAddress(context: LoadBalancerContext): Address | null {
    const { info, connection } = context;
    const state = info?.filterState?.get(FILTER_STATE_KEY) ?? connection?.filterState?.get(FILTER_STATE_KEY);
    if (state !== undefined) {
      const address = state.address ?? parseAddress(state.value);
      if (address !== null) return address;
    }
    const address = this.#fromMetadata(context) ?? this.#fromHeader(context);
    if (address !== null) return address;
    return connection?.isLocalAddressRestored === true ? connection.localAddress : null;
  }

  #fromMetadata({ info, connection }: LoadBalancerContext): Address | null {
    const key = this.#config.metadataKey;
    if (key === null) return null;
    for (const metadata of [info?.dynamicMetadata, connection?.dynamicMetadata]) {
      let value: unknown = metadata?.get(key.namespace);
      for (const step of key.path) value = isObject(value) ? value[step] : undefined;
      if (Array.isArray(value)) value = value[0];
      if (typeof value === 'string') return this.#parseOverride(value);
    }
    return null;
  }

  #fromHeader({ requestHeaders }: LoadBalancerContext): Address | null {
    if (this.#headerKey === '' || requestHeaders === null) return null;
    const value = requestHeaders.get(this.#headerKey);
    return value === undefined ? null : this.#parseOverride(value);
  }

  #parseOverride(text: string): Address | null {
    const address = parseAddress(text);
    const { stats } = this.#parts;
    if (address === null) stats.inc(stats.i.original_dst_host_invalid);
    return address;
  }

  #makeEndpoint(address: Address, name: string): EndpointConfig {
    return Object.freeze({
      address: Object.freeze({ ...address }),
      hostname: this.#parts.clusterName + name,
      healthCheckAddress: '',
      weight: 1,
      health: 'HEALTHY',
      edsHealth: 'UNKNOWN',
      metadata: null,
      locality: NOWHERE,
      localityWeight: 0,
      priority: 0,
    });
  }

  /** For the timer: hosts that nobody chose since the last time, and that have no connection, go. */
  cleanUp(): void {
    const removed: HostEntry[] = [];
    for (const [name, entry] of this.#entries) {
      if (entry.isUsed) entry.isUsed = false;
      else if (entry.host.isUnused) {
        this.#entries.delete(name);
        removed.push(entry.host);
      }
    }
    if (removed.length > 0) this.#parts.removeHosts(removed);
    this.#cleanupTimer.arm(this.#config.cleanupIntervalMs);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function cleanUp(balancer: OriginalDstLoadBalancer): void {
  balancer.cleanUp();
}
