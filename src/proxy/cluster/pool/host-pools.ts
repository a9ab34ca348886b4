// All pools of one host over one transport: by protocol, priority, and what users wish of their connections.
import type { StreamCallbacks } from '../../http/codec.ts';
import type { Protocol, UpstreamSource } from '../../stream-info.ts';
import type { TransportWishes, UpstreamTransport } from '../../transport/transport.ts';
import type { Breaker } from '../circuit-breaker.ts';
import type { ConnectionCallbacks, ConnectionOptions, Priority, StreamRequest } from '../cluster.ts';
import { NO_POOL } from '../failures.ts';
import type { HostEntry } from '../host.ts';
import { NO_WISHES, sharedStateKey, sourceKey } from '../wishes.ts';
import type { PoolContext } from './dialing.ts';
import { Http1Pool } from './http1.ts';
import { Http2Pool } from './http2.ts';
import { SecuredDialer } from './secured-dialer.ts';
import { TcpPool } from './tcp.ts';

type Breakers = { readonly DEFAULT: Breaker; readonly HIGH: Breaker };
type Pool = Http1Pool | TcpPool;

/** Pools of special wishes; beyond that the oldest ends with its requests. */
const MAX_KEYED_POOLS = 4096;
/** What the connections of a pool may speak. */
type Spoken = 'http1' | 'http2' | 'auto';
/** ALPN. */
const OFFERED: Readonly<Record<Spoken, readonly string[]>> = Object.freeze({
  http1: Object.freeze(['http/1.1']),
  http2: Object.freeze(['h2']),
  auto: Object.freeze(['h2', 'http/1.1']),
});
/** Runtime key: off, clusters of HTTP/2 get HTTP/1. */
const USE_HTTP2 = 'upstream.use_http2';
const ALWAYS = Object.freeze({ numerator: 100, denominator: 100 } as const);
const NO_PROTOCOLS: readonly string[] = Object.freeze([]);

export class HostPools {
  readonly #context: PoolContext;
  readonly #breakers: Breakers;
  readonly #host: HostEntry;
  readonly #transport: UpstreamTransport | null;
  #default: Http1Pool | null = null;
  #high: Http1Pool | null = null;
  /** For requests of HTTP/2, where the protocol is that of the request. */
  #defaultHttp2: Http1Pool | null = null;
  #highHttp2: Http1Pool | null = null;
  readonly #spoken: Spoken | 'downstream';
  #defaultTcp: TcpPool | null = null;
  #highTcp: TcpPool | null = null;
  /** By protocol, priority and key of the wishes; each goes once it is empty. */
  #keyed: Map<string, Pool> | null = null;
  /** Pools that take no new wishes and are not empty yet; made with the first. */
  #leaving: Set<Pool> | null = null;
  #isDraining = false;
  #onDrained: (() => void) | null = null;

  constructor(context: PoolContext, breakers: Breakers, host: HostEntry, transport: UpstreamTransport | null) {
    this.#context = context;
    this.#spoken = context.config.http.protocol;
    this.#breakers = breakers;
    this.#host = host;
    this.#transport = transport;
  }

  // ─── HTTP ───────────────────────────────────────────────────────────────────────────────────────────────────────

  newStream(
    priority: Priority,
    callbacks: StreamCallbacks,
    wishes: TransportWishes | null,
    downstreamProtocol: Protocol | '' = '',
  ): StreamRequest | null {
    const spoken = this.#spoken === 'downstream' ? sameAs(downstreamProtocol) : this.#spoken;
    const key = wishes === null ? '' : this.#keyOf(wishes);
    if (key !== '') return this.#keyedHttp(priority, spoken, key, wishes as TransportWishes, callbacks);
    const isSecond = spoken === 'http2' && this.#spoken === 'downstream';
    const pool = isSecond ? this.#http2Pool(priority) : priority === 'HIGH' ? this.#high : this.#default;
    if (pool !== null) return pool.newStream(callbacks);
    const made = this.#makeHttp(priority, spoken, NO_WISHES, callbacks);
    if (made === null) return null;
    if (isSecond) this.#keepHttp2(priority, made);
    else if (priority === 'HIGH') this.#high = made;
    else this.#default = made;
    const request = made.newStream(callbacks);
    if (this.#isDraining) this.#leave(made);
    return request;
  }

  #http2Pool(priority: Priority): Http1Pool | null {
    return priority === 'HIGH' ? this.#highHttp2 : this.#defaultHttp2;
  }

  #keepHttp2(priority: Priority, pool: Http1Pool): void {
    if (priority === 'HIGH') this.#highHttp2 = pool;
    else this.#defaultHttp2 = pool;
  }

  #keyedHttp(
    priority: Priority,
    spoken: Spoken,
    key: string,
    wishes: TransportWishes,
    callbacks: StreamCallbacks,
  ): StreamRequest | null {
    const name = `${spoken} ${priority} ${key}`;
    const known = this.#keyed?.get(name) as Http1Pool | undefined;
    const pool = known ?? this.#makeHttp(priority, spoken, wishes, callbacks);
    if (pool === null) return null;
    if (known === undefined) this.#keep(name, pool, () => this.#breakers[priority].pools.dec());
    const request = pool.newStream(callbacks);
    this.#settle(pool);
    return request;
  }

  #makeHttp(priority: Priority, spoken: Spoken, wishes: TransportWishes, callbacks: StreamCallbacks): Http1Pool | null {
    const breaker = this.#breakers[priority];
    if (!breaker.pools.canCreate) {
      const { stats } = this.#context;
      stats.inc(stats.i.upstream_cx_pool_overflow);
      callbacks.onPoolFailure(NO_POOL);
      return null;
    }
    breaker.pools.inc();
    this.#breakers.HIGH.pools.touch();
    const host = this.#host;
    const { runtime, random } = this.#context;
    const isHttp1 = spoken === 'http1' || (spoken === 'http2' && !runtime.featureEnabled(USE_HTTP2, ALWAYS, random));
    const context = this.#contextFor(wishes, OFFERED[isHttp1 ? 'http1' : spoken]);
    if (isHttp1) return new Http1Pool(context, host.address, host, breaker, wishes.source);
    const choice = spoken === 'auto' ? 'alpn' : 'always';
    return new Http2Pool(context, host.address, host, breaker, choice, wishes.source);
  }

  // ─── TCP ────────────────────────────────────────────────────────────────────────────────────────────────────────

  newConnection(priority: Priority, options: ConnectionOptions, callbacks: ConnectionCallbacks): StreamRequest | null {
    const { source, wishes = null } = options;
    const isOwn = wishes !== null && wishes.sharedState !== null && this.#transport?.passesState === true;
    if (source !== null || isOwn) return this.#connectAlone(priority, source, wishes, callbacks);
    const key = wishes === null ? '' : this.#keyOf(wishes);
    if (key !== '') return this.#keyedTcp(priority, key, wishes as TransportWishes, callbacks);
    const known = priority === 'HIGH' ? this.#highTcp : this.#defaultTcp;
    if (known !== null) return known.newConnection(callbacks);
    const pool = this.#makeTcp(priority, null, null);
    if (priority === 'HIGH') this.#highTcp = pool;
    else this.#defaultTcp = pool;
    const request = pool.newConnection(callbacks);
    if (this.#isDraining) this.#leave(pool);
    return request;
  }

  #keyedTcp(
    priority: Priority,
    key: string,
    wishes: TransportWishes,
    callbacks: ConnectionCallbacks,
  ): StreamRequest | null {
    const name = `tcp ${priority} ${key}`;
    const known = this.#keyed?.get(name) as TcpPool | undefined;
    const pool = known ?? this.#makeTcp(priority, null, wishes);
    if (known === undefined) this.#keep(name, pool, () => undefined);
    const request = pool.newConnection(callbacks);
    this.#settle(pool);
    return request;
  }

  /** Nobody else may get that connection, so it has a pool of its own, which goes with it. */
  #connectAlone(
    priority: Priority,
    source: UpstreamSource | null,
    wishes: TransportWishes | null,
    callbacks: ConnectionCallbacks,
  ): StreamRequest | null {
    const pool = this.#makeTcp(priority, source, wishes);
    const request = pool.newConnection(callbacks);
    this.#leave(pool);
    return request;
  }

  #makeTcp(priority: Priority, source: UpstreamSource | null, wishes: TransportWishes | null): TcpPool {
    const context = this.#contextFor(wishes ?? NO_WISHES, NO_PROTOCOLS);
    return new TcpPool(context, this.#host, this.#breakers[priority], source);
  }

  /** '' where the wishes change nothing. */
  #keyOf(wishes: TransportWishes): string {
    const transport = this.#transport;
    const key = (transport?.keyOf(wishes) ?? '') + sharedStateKey(wishes.sharedState);
    // What the other end sees, and what is no part of the key, must not be seen by others.
    const isSeen = key === '' && wishes.sharedState !== null && transport?.passesState === true;
    return sourceKey(wishes.source) + (isSeen ? 'state' : key);
  }

  #contextFor(wishes: TransportWishes, fallbackProtocols: readonly string[]): PoolContext {
    const context = this.#context;
    const transport = this.#transport;
    if (transport === null) return context;
    const clusterMetadata = context.config.metadata;
    const target = { transport, host: this.#host, clusterMetadata, wishes, fallbackProtocols };
    return { ...context, dialer: new SecuredDialer(context.dialer, context.clock, target) };
  }

  // ─── Pools that come and go ─────────────────────────────────────────────────────────────────────────────────────

  /** A refused wish left nothing in its pool; and whoever leaves keeps none. */
  #settle(pool: Pool): void {
    if (!pool.isEmpty && !this.#isDraining) return;
    pool.onEmpty?.();
    if (this.#isDraining) this.#leave(pool);
  }

  #keep(name: string, pool: Pool, gone: () => void): void {
    this.#keyed ??= new Map();
    const keyed = this.#keyed;
    keyed.set(name, pool);
    pool.onEmpty = () => {
      pool.onEmpty = null;
      keyed.delete(name);
      gone();
    };
    if (keyed.size <= MAX_KEYED_POOLS) return;
    const [oldest] = keyed.values();
    if (oldest === undefined) return;
    oldest.onEmpty?.();
    this.#leave(oldest);
  }

  #leave(pool: Pool): void {
    this.#leaving ??= new Set();
    const leaving = this.#leaving.add(pool);
    pool.drain(() => {
      leaving.delete(pool);
      this.#checkDrained();
    });
  }

  /** No new wishes come; `onDrained` is called once the last connection is gone, perhaps now. */
  drain(onDrained: () => void): void {
    const { DEFAULT, HIGH } = this.#breakers;
    if (this.#default !== null) DEFAULT.pools.dec();
    if (this.#high !== null) HIGH.pools.dec();
    if (this.#defaultHttp2 !== null) DEFAULT.pools.dec();
    if (this.#highHttp2 !== null) HIGH.pools.dec();
    const keyed = [...(this.#keyed?.values() ?? [])];
    for (const pool of keyed) pool.onEmpty?.();
    const http = [this.#default, this.#high, this.#defaultHttp2, this.#highHttp2];
    for (const pool of [...http, this.#defaultTcp, this.#highTcp, ...keyed]) if (pool !== null) this.#leave(pool);
    this.#isDraining = true;
    this.#onDrained = onDrained;
    this.#checkDrained();
  }

  #checkDrained(): void {
    const told = this.#onDrained;
    if (told === null || (this.#leaving !== null && this.#leaving.size > 0)) return;
    this.#onDrained = null;
    told();
  }
}

/** Source: Envoy ClusterInfoImpl::upstreamHttpProtocol; there is no HTTP/1.0 nor HTTP/3 to upstreams. */
function sameAs(downstreamProtocol: Protocol | ''): Spoken {
  return downstreamProtocol === 'HTTP/2' || downstreamProtocol === 'HTTP/3' ? 'http2' : 'http1';
}
