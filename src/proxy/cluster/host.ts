// One upstream address with all that outlives a configuration change: pools, counts, health.
import { addressText } from '../../net/address.ts';
import type { Address } from '../../base/byte-stream.ts';
import type { StreamCallbacks } from '../http/codec.ts';
import type { Metadata, Protocol } from '../stream-info.ts';
import type { TransportWishes, UpstreamTransport } from '../transport/transport.ts';
import type { Breaker } from './circuit-breaker.ts';
import type { ConnectionCallbacks, ConnectionOptions, Host, Priority, StreamRequest } from './cluster.ts';
import type { EndpointConfig, HealthStatus, Locality } from './cluster-config.ts';
import type { PoolContext } from './pool/dialing.ts';
import { HostPools } from './pool/host-pools.ts';
import type { HostMonitor } from './outlier/host-monitor.ts';

/** What `/clusters` shows of a host; plain fields, counted by the pools and the router. */
export class HostCounts {
  /** Tried, in this order, when the host's address does not answer. */
  furtherAddresses: readonly Address[] | undefined = undefined;
  /** Where pools go that were made for another address of it. */
  movedTo: Address | null = null;
  cxTotal = 0;
  cxActive = 0;
  cxConnectFail = 0;
  rqTotal = 0;
  rqActive = 0;
  rqPendingActive = 0;
  rqSuccess = 0;
  rqError = 0;
  rqTimeout = 0;

  get isHealthy(): boolean {
    return true;
  }
}

/** What answers of an endpoint said of it: so many times, together so much. */
export type LoadMetric = { readonly name: string; readonly count: number; readonly total: number };

const NO_METRICS: readonly LoadMetric[] = Object.freeze([]);

export class HostEntry extends HostCounts implements Host {
  address: Address;
  name: string;
  /** The endpoint it stands for now; replaced by updates. */
  endpoint: EndpointConfig;
  readonly #context: PoolContext;
  readonly #breakers: { readonly DEFAULT: Breaker; readonly HIGH: Breaker };
  /** Null: raw_buffer. */
  #transport: UpstreamTransport | null;
  /** Made with the first wish: most hosts never have any. */
  #pools: HostPools | null = null;
  /** Pools that take no more wishes and are not empty yet; made with the first. */
  #leaving: Set<HostPools> | null = null;
  #onDrained: (() => void) | null = null;
  isCanary = false;
  /** When it was seen healthy first; null: never, or nobody asks. */
  healthySinceMs: number | null = null;
  /** Of a cluster with outlier detection. */
  outlier: HostMonitor | null = null;
  /** No longer in the cluster: its connections end with their requests. */
  isRemoved = false;
  #removalListeners: Set<() => void> | null = null;

  constructor(
    context: PoolContext,
    breakers: { readonly DEFAULT: Breaker; readonly HIGH: Breaker },
    endpoint: EndpointConfig,
    transport: UpstreamTransport | null = null,
  ) {
    super();
    this.#transport = transport;
    this.#context = context;
    this.#breakers = breakers;
    this.address = endpoint.address;
    this.name = addressText(endpoint.address);
    this.endpoint = endpoint;
    this.update(endpoint);
  }

  /** New connections are of that transport; those that are there end with their requests. */
  useTransport(transport: UpstreamTransport | null): void {
    if (transport === this.#transport) return;
    this.#transport = transport;
    this.renewConnections();
  }

  /** New requests get new connections; those that are there end with their requests. */
  renewConnections(): void {
    const old = this.#pools;
    this.#pools = null;
    if (old !== null) this.#leave(old);
  }

  #leave(pools: HostPools): void {
    this.#leaving ??= new Set();
    const leaving = this.#leaving.add(pools);
    pools.drain(() => {
      leaving.delete(pools);
      this.#checkDrained();
    });
  }

  /** Takes on a new version of its endpoint. */
  update(endpoint: EndpointConfig): void {
    this.endpoint = endpoint;
    this.furtherAddresses = endpoint.additionalAddresses;
    this.isCanary = endpoint.metadata?.get('envoy.lb')?.['canary'] === true;
  }

  /** Its name has other addresses now: new connections go there, those that stand serve on. */
  moveTo(address: Address, further: readonly Address[]): void {
    this.address = address;
    this.name = addressText(address);
    this.movedTo = address;
    this.furtherAddresses = further;
  }

  get hostname(): string {
    return this.endpoint.hostname;
  }
  get weight(): number {
    return this.endpoint.weight;
  }
  get metadata(): Metadata | null {
    return this.endpoint.metadata;
  }
  get locality(): Locality {
    return this.endpoint.locality;
  }
  get health(): HealthStatus {
    const { outlier, endpoint } = this;
    return outlier === null ? endpoint.health : outlier.healthBeside(endpoint.health);
  }
  override get isHealthy(): boolean {
    return this.health === 'HEALTHY';
  }
  get priority(): number {
    return this.endpoint.priority;
  }

  /** Those since the last call; only clusters that report them have any. */
  takeLoadMetrics(): readonly LoadMetric[] {
    return NO_METRICS;
  }

  /** Nothing goes there now. */
  get isUnused(): boolean {
    return this.cxActive === 0 && this.rqActive === 0 && this.rqPendingActive === 0;
  }

  /** As `/clusters` prints them: '/failed_eds_health', 'healthy'. Source: Envoy HEALTH_FLAG_ENUM_VALUES. */
  get healthFlags(): string {
    const { outlier, endpoint } = this;
    let flags = outlier?.isEjected === true ? '/failed_outlier_check' : '';
    if (endpoint.health === 'UNHEALTHY') flags += '/failed_eds_health';
    else if (endpoint.health === 'DEGRADED') flags += '/degraded_eds_health';
    if (outlier?.isDegraded === true) flags += '/degraded_outlier_detection';
    return flags === '' ? 'healthy' : flags;
  }

  newStream(
    priority: Priority,
    callbacks: StreamCallbacks,
    wishes: TransportWishes | null = null,
    downstreamProtocol: Protocol | '' = '',
  ): StreamRequest | null {
    return (this.#pools ?? this.#makePools()).newStream(priority, callbacks, wishes, downstreamProtocol);
  }

  newConnection(priority: Priority, options: ConnectionOptions, callbacks: ConnectionCallbacks): StreamRequest | null {
    return (this.#pools ?? this.#makePools()).newConnection(priority, options, callbacks);
  }

  #makePools(): HostPools {
    this.#pools = new HostPools(this.#context, this.#breakers, this, this.#transport);
    return this.#pools;
  }

  /** Made when first asked for: most hosts never have one. */
  get removalListeners(): Set<() => void> {
    this.#removalListeners ??= new Set();
    return this.#removalListeners;
  }

  /** Removed from its cluster: `onDrained` is called once its last connection is gone. */
  drain(onDrained: () => void): void {
    this.isRemoved = true;
    for (const listener of [...(this.#removalListeners ?? [])]) listener();
    this.#onDrained = onDrained;
    if (this.#pools !== null) this.#leave(this.#pools);
    this.#checkDrained();
  }

  #checkDrained(): void {
    const told = this.#onDrained;
    if (told === null || (this.#leaving !== null && this.#leaving.size > 0)) return;
    this.#onDrained = null;
    told();
  }
}

/** What makes two endpoints the same host. */
export function hostKey(endpoint: EndpointConfig): string {
  const { address, healthCheckAddress, group } = endpoint;
  return `${addressText(address)}|${healthCheckAddress}${group === undefined ? '' : `|${group}`}`;
}
