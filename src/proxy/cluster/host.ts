// One upstream address with all that outlives a configuration change: pools, counts, health.
import type { Address } from '../../base/byte-stream.ts';
import type { StreamCallbacks } from '../http/codec.ts';
import type { Metadata, UpstreamSource } from '../stream-info.ts';
import type { Breaker } from './circuit-breaker.ts';
import type { ConnectionCallbacks, ConnectionOptions, Host, Priority, StreamRequest } from './cluster.ts';
import type { EndpointConfig, HealthStatus, Locality } from './cluster-config.ts';
import { NO_POOL } from './failures.ts';
import type { PoolContext } from './pool/dialing.ts';
import { Http1Pool } from './pool/http1.ts';
import { TcpPool } from './pool/tcp.ts';

/** What `/clusters` shows of a host; plain fields, counted by the pools and the router. */
export class HostCounts {
  /** Tried, in this order, when the host's address does not answer. */
  furtherAddresses: readonly Address[] | undefined = undefined;
  cxTotal = 0;
  cxActive = 0;
  cxConnectFail = 0;
  rqTotal = 0;
  rqActive = 0;
  rqPendingActive = 0;
  rqSuccess = 0;
  rqError = 0;
  rqTimeout = 0;
}

export class HostEntry extends HostCounts implements Host {
  readonly address: Address;
  readonly name: string;
  /** The endpoint it stands for now; replaced by updates. */
  endpoint: EndpointConfig;
  readonly #context: PoolContext;
  readonly #breakers: { readonly DEFAULT: Breaker; readonly HIGH: Breaker };
  #defaultPool: Http1Pool | null = null;
  #highPool: Http1Pool | null = null;
  #defaultTcpPool: TcpPool | null = null;
  #highTcpPool: TcpPool | null = null;
  /** One for each connection that leaves from an address of its own; made with the first. */
  #sourcedPools: Set<TcpPool> | null = null;
  isCanary = false;
  /** No longer in the cluster: its connections end with their requests. */
  isRemoved = false;
  #removalListeners: Set<() => void> | null = null;

  constructor(
    context: PoolContext,
    breakers: { readonly DEFAULT: Breaker; readonly HIGH: Breaker },
    endpoint: EndpointConfig,
  ) {
    super();
    this.#context = context;
    this.#breakers = breakers;
    this.address = endpoint.address;
    this.name = addressName(endpoint.address);
    this.endpoint = endpoint;
    this.update(endpoint);
  }

  /** Takes on a new version of its endpoint. */
  update(endpoint: EndpointConfig): void {
    this.endpoint = endpoint;
    this.furtherAddresses = endpoint.additionalAddresses;
    this.isCanary = endpoint.metadata?.get('envoy.lb')?.['canary'] === true;
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
    return this.endpoint.health;
  }
  get isHealthy(): boolean {
    return this.endpoint.health === 'HEALTHY';
  }
  get priority(): number {
    return this.endpoint.priority;
  }

  /** Nothing goes there now. */
  get isUnused(): boolean {
    return this.cxActive === 0 && this.rqActive === 0 && this.rqPendingActive === 0;
  }

  /** As `/clusters` prints it: '/failed_eds_health', 'healthy'. */
  get healthFlags(): string {
    if (this.endpoint.health === 'UNHEALTHY') return '/failed_eds_health';
    return this.endpoint.health === 'DEGRADED' ? '/degraded_eds_health' : 'healthy';
  }

  newStream(priority: Priority, callbacks: StreamCallbacks): StreamRequest | null {
    const pool = priority === 'HIGH' ? this.#highPool : this.#defaultPool;
    return pool === null ? this.#firstStream(priority, callbacks) : pool.newStream(callbacks);
  }

  #firstStream(priority: Priority, callbacks: StreamCallbacks): StreamRequest | null {
    const breaker = this.#breakers[priority];
    if (!breaker.pools.canCreate) {
      const { stats } = this.#context;
      stats.inc(stats.i.upstream_cx_pool_overflow);
      callbacks.onPoolFailure(NO_POOL);
      return null;
    }
    breaker.pools.inc();
    this.#breakers.HIGH.pools.touch();
    const pool = new Http1Pool(this.#context, this.address, this, breaker);
    if (priority === 'HIGH') this.#highPool = pool;
    else this.#defaultPool = pool;
    return pool.newStream(callbacks);
  }

  /** Made when first asked for: most hosts never have one. */
  get removalListeners(): Set<() => void> {
    this.#removalListeners ??= new Set();
    return this.#removalListeners;
  }

  newConnection(priority: Priority, options: ConnectionOptions, callbacks: ConnectionCallbacks): StreamRequest | null {
    const { source } = options;
    if (source !== null) return this.#connectFrom(priority, source, callbacks);
    const known = priority === 'HIGH' ? this.#highTcpPool : this.#defaultTcpPool;
    if (known !== null) return known.newConnection(callbacks);
    const pool = new TcpPool(this.#context, this, this.#breakers[priority], null);
    if (priority === 'HIGH') this.#highTcpPool = pool;
    else this.#defaultTcpPool = pool;
    return pool.newConnection(callbacks);
  }

  /** Nobody else may get that connection, so it has a pool of its own, which goes with it. */
  #connectFrom(priority: Priority, source: UpstreamSource, callbacks: ConnectionCallbacks): StreamRequest | null {
    const pool = new TcpPool(this.#context, this, this.#breakers[priority], source);
    this.#sourcedPools ??= new Set();
    const pools = this.#sourcedPools.add(pool);
    const request = pool.newConnection(callbacks);
    pool.drain(() => pools.delete(pool));
    return request;
  }

  /** Removed from its cluster: `onDrained` is called once its last connection is gone. */
  drain(onDrained: () => void): void {
    this.isRemoved = true;
    for (const listener of [...(this.#removalListeners ?? [])]) listener();
    let waiting = 1;
    const done = (): void => {
      if (--waiting === 0) onDrained();
    };
    for (const [pool, breaker] of [
      [this.#defaultPool, this.#breakers.DEFAULT],
      [this.#highPool, this.#breakers.HIGH],
    ] as const) {
      if (pool === null) continue;
      breaker.pools.dec();
      waiting++;
      pool.onDrained = done;
      pool.drain();
    }
    for (const pool of [this.#defaultTcpPool, this.#highTcpPool, ...(this.#sourcedPools ?? [])]) {
      if (pool === null) continue;
      waiting++;
      pool.drain(done);
    }
    done();
  }
}

/** 'ip:port' or a path, as statistics and logs print it. */
export function addressName(address: Address): string {
  if (address.family === 'unix') return address.address;
  return address.family === 'ipv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}

/** What makes two endpoints the same host. */
export function hostKey(endpoint: EndpointConfig): string {
  const { address, healthCheckAddress, group } = endpoint;
  return `${addressName(address)}|${healthCheckAddress}${group === undefined ? '' : `|${group}`}`;
}
