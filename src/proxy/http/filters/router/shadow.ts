// A mirrored request: a copy that goes to another cluster, whose answer nobody reads.
import type { Failure } from '../../../../base/failure.ts';
import type { Random, Timer } from '../../../../base/clock.ts';
import { H } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { Cluster, Host, HostSearch, LoadBalancerContext, StreamRequest } from '../../../cluster/cluster.ts';
import { NO_POOL } from '../../../cluster/failures.ts';
import type { Wisher } from '../../../cluster/wishes.ts';
import type { ForwardAction, MirrorPolicy } from '../../../route/route.ts';
import { StreamInfo } from '../../../stream-info.ts';
import type { RequestEncoder, StreamCallbacks } from '../../codec.ts';
import { BodyData } from '../../filter.ts';
import type { FilterChain } from '../../filter-chain.ts';
import { applyFieldMutations } from '../header-mutation/field-mutations.ts';
import { noteCluster } from './attempt-info.ts';
import { requestWishes } from './auto-names.ts';
import { type Charged, chargeCode, chargeDropped, chargeTime } from './charge.ts';
import type { Forward } from './forward.ts';
import type { Router } from './router.ts';
import { type Answered, FilteredAttempt } from './upstream/filtered-attempt.ts';

const keptData = new BodyData();

/** Starts a copy for every mirror policy that applies; null when none does. */
export function startShadows(
  forward: Forward,
  mirrors: readonly MirrorPolicy[],
  timeoutMs: number,
  endStream: boolean,
): Shadow[] | null {
  const { router, headers } = forward;
  let shadows: Shadow[] | null = null;
  for (const policy of mirrors) {
    if (!router.runtime.featureEnabled(policy.runtimeKey, policy.fraction, router.random)) continue;
    const name = policy.clusterName(headers);
    const cluster = name === '' ? null : router.clusters.get(name);
    if (cluster === null) continue;
    const shadow = new Shadow(forward, cluster, shadowHeaders(forward, headers, policy));
    shadow.start(timeoutMs, endStream);
    if (endStream) continue;
    shadows ??= [];
    shadows.push(shadow);
  }
  return shadows;
}

/** Filter state of the request does not go with its copies. */
function nobody(): Wisher {
  return { filterState: null, connection: null };
}

function shadowHeaders({ router, stream }: Forward, original: Headers, policy: MirrorPolicy): Headers {
  const headers = original.clone();
  if (policy.mutations.length > 0) {
    const { info, responseHeaders, requestTrailers, responseTrailers, localReplyBody, accessLogType } = stream;
    const rest = { info, responseHeaders, requestTrailers, responseTrailers, localReplyBody, accessLogType };
    applyFieldMutations(policy.mutations, headers, { ...rest, requestHeaders: headers });
  }
  if (policy.hostRewriteLiteral !== '') headers.authority = policy.hostRewriteLiteral;
  else if (!policy.disableShadowHostSuffix) headers.authority = shadowHost(headers.authority);
  // Envoy's asynchronous client calls itself internal and names itself.
  headers.set(H['x-envoy-internal'], 'true');
  if (router.localAddress !== '') headers.appendValue(H['x-forwarded-for'], router.localAddress);
  return headers;
}

/** 'host-shadow:port'. Source: Envoy shadow_writer_impl.cc. */
export function shadowHost(authority: string): string {
  const parts = authority.split(':');
  return parts.length === 2 ? `${parts[0]}-shadow:${parts[1]}` : `${authority}-shadow`;
}

export class Shadow implements StreamCallbacks, Charged, Answered {
  readonly router: Router;
  readonly isGrpc: boolean;
  readonly info: StreamInfo;
  readonly headers: Headers;
  readonly cluster: Cluster;
  readonly forward: ForwardAction;
  readonly random: Random;
  readonly virtualCluster = null;
  readonly routeStats = null;
  readonly altStatPrefix = '';
  readonly #limitBytes: number;
  #host: Host | null = null;
  #pending: StreamRequest | null = null;
  /** Filters of its cluster, which take it while it has no connection. */
  #filtered: FilteredAttempt | null = null;
  #search: HostSearch | null = null;
  #encoder: RequestEncoder | null = null;
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #trailers: Headers | null = null;
  #isEnded = false;
  #endedMs = 0;
  #isOver = false;
  #timeoutMs = 0;
  #timer: Timer | null = null;

  constructor(forward: Forward, cluster: Cluster, headers: Headers) {
    this.router = forward.router;
    this.random = forward.random;
    // Only what was true when it started counts: the request itself goes its own way.
    this.isGrpc = forward.isGrpc;
    this.info = forward.info;
    this.cluster = cluster;
    this.forward = forward.forward;
    this.headers = headers;
    this.#limitBytes = forward.stream.bufferLimitBytes;
  }

  start(timeoutMs: number, endStream: boolean): void {
    this.#timeoutMs = timeoutMs;
    this.#isEnded = endStream;
    const context = contextOf(this);
    const host = this.cluster.lb.chooseHost(context);
    if (host !== null) this.#startWith(host);
    else this.#findHost(context);
  }

  /** There is none; a dynamic forward proxy may find one. The body waits meanwhile. */
  #findHost(context: LoadBalancerContext): void {
    const { lb, scope } = this.cluster;
    let isAtOnce = true;
    const told = (host: Host | null): void => {
      this.#search = null;
      if (this.#isOver) return;
      if (host !== null) {
        this.#startWith(host);
        return;
      }
      if (isAtOnce) scope.inc(scope.i.upstream_cx_none_healthy);
      this.#fail(503);
    };
    if (lb.findHost === undefined) told(null);
    else this.#search = lb.findHost(context, told);
    isAtOnce = false;
  }

  #startWith(host: Host): void {
    this.#host = host;
    const chain = this.cluster.httpFilters?.chain ?? null;
    if (chain === null) {
      const pending = host.newStream('DEFAULT', this, requestWishes(this.cluster, nobody(), this.headers));
      if (!this.#isOver && this.#encoder === null) this.#pending = pending;
    } else this.#startFiltered(chain, host);
    if (this.#isEnded) this.#requestEnds();
  }

  /** Filters of the cluster see an exchange of its own, which has no route. */
  #startFiltered(chain: FilterChain, host: Host): void {
    const { clock } = this.router;
    const info = new StreamInfo(this.info.connection, clock.nowMs, clock.wallMs);
    noteCluster(info, this.cluster);
    info.upstream = host;
    info.upstreamHostMetadata = host.metadata;
    info.attemptCount = 1;
    const { random, isGrpc } = this;
    const exchange = {
      ...{ info, requestTrailers: this.#trailers, route: null, clock, random, isGrpc },
      ...{ bufferLimitBytes: this.#limitBytes, pauseRequest: nothing, resumeRequest: nothing },
      resetStream: () => this.cancel(),
    };
    const filtered = new FilteredAttempt(chain, this, exchange, this, null);
    this.#pending = filtered;
    this.#filtered = filtered;
    if (filtered.announceHost()) {
      filtered.opened(host.newStream('DEFAULT', filtered, requestWishes(this.cluster, nobody(), this.headers)));
    }
    if (this.#filtered !== filtered) return;
    filtered.start(this.#isBare);
    if (this.#filtered === filtered) this.#sendKept(filtered);
  }

  /** What takes it now; null: it has to wait. */
  get #sink(): RequestEncoder | null {
    return this.#encoder ?? this.#filtered;
  }

  /** The head is all there is. */
  get #isBare(): boolean {
    return this.#isEnded && this.#kept.length === 0 && this.#trailers === null;
  }

  /** A filter answers it, which nobody hears. */
  answer(): void {
    this.cancel();
  }

  sendData(data: BodyData, endStream: boolean): void {
    if (this.#isOver) return;
    const encoder = this.#sink;
    if (encoder !== null) encoder.encodeData(data, endStream);
    else {
      this.#kept.push(data.copy());
      this.#keptBytes += data.length;
      if (this.#keptBytes > this.#limitBytes) {
        this.cancel();
        return;
      }
    }
    if (endStream) this.#requestEnds();
  }

  sendTrailers(trailers: Headers): void {
    if (this.#isOver) return;
    const encoder = this.#sink;
    if (encoder !== null) encoder.encodeTrailers(trailers);
    else this.#trailers = trailers.clone();
    this.#requestEnds();
  }

  #requestEnds(): void {
    this.#isEnded = true;
    if (this.#isOver || this.#host === null) return;
    const { clock } = this.router;
    this.#endedMs = clock.nowMs;
    if (this.#timeoutMs === 0) return;
    this.#timer = clock.timer(shadowTimedOut, this);
    this.#timer.arm(this.#timeoutMs);
  }

  /** The copied request was broken off, or became too large. */
  cancel(): void {
    if (this.#isOver) return;
    const pending = this.#pending;
    const search = this.#search;
    const encoder = this.#encoder;
    this.#end();
    search?.cancel();
    pending?.cancel();
    encoder?.resetStream();
  }

  onTimeout(): void {
    if (this.#isOver) return;
    const { scope } = this.cluster;
    scope.inc(scope.i.upstream_rq_timeout);
    if (this.#host !== null) {
      this.#host.rqTimeout++;
      this.#host.outlier?.timedOut();
    }
    chargeCode(this, 504, this.#host, null);
    this.cancel();
  }

  #end(): void {
    this.#isOver = true;
    this.#pending = null;
    this.#filtered = null;
    this.#search = null;
    this.#encoder = null;
    this.#kept = [];
    this.#timer?.disarm();
  }

  #fail(status: number): void {
    chargeCode(this, status, this.#host, null);
    this.#end();
  }

  onPoolReady(encoder: RequestEncoder): void {
    this.#pending = null;
    this.#filtered = null;
    this.#encoder = encoder;
    this.#host?.outlier?.connected();
    encoder.encodeHeaders(this.headers, this.#isBare);
    if (this.#encoder === encoder) this.#sendKept(encoder);
  }

  #sendKept(encoder: RequestEncoder): void {
    const kept = this.#kept;
    this.#kept = [];
    const trailers = this.#trailers;
    this.#trailers = null;
    for (const [i, bytes] of kept.entries()) {
      encoder.encodeData(keptData.set(bytes), this.#isEnded && trailers === null && i === kept.length - 1);
    }
    if (trailers !== null) encoder.encodeTrailers(trailers);
  }

  onPoolFailure(reason: Failure): void {
    if (reason.code === 'upstream_overflow') chargeDropped(this);
    else if (reason !== NO_POOL) this.#host?.outlier?.failed();
    this.#fail(503);
  }

  onReset(): void {
    this.#host?.outlier?.failed();
    this.#fail(503);
  }

  decode1xx(): void {}

  decodeHeaders(headers: Headers, endStream: boolean): void {
    const host = this.#host as Host;
    host.outlier?.answered(headers, this.isGrpc);
    chargeCode(this, headers.status, host, headers);
    if (headers.status < 500) host.rqSuccess++;
    if (endStream) this.#complete();
  }

  decodeData(_data: BodyData, endStream: boolean): void {
    if (endStream) this.#complete();
  }

  decodeTrailers(): void {
    this.#complete();
  }

  #complete(): void {
    if (this.#endedMs > 0) chargeTime(this, (this.router.clock.nowMs - this.#endedMs) | 0, this.#host as Host, null);
    this.#end();
  }

  /** A slow mirror does not slow the request down: what it cannot take is kept by its connection. */
  onAboveWatermark(): void {}
  onBelowWatermark(): void {}
}

/** Envoy's mirrored requests have neither a downstream connection nor the filter state of what they copy. */
function contextOf({ headers, random }: Shadow): LoadBalancerContext {
  return {
    ...{ hash: null, random, requestHeaders: headers, connection: null, info: null },
    shouldSelectAnother: never,
    hostSelectionMaxAttempts: 0,
  };
}

function nothing(): void {}

function never(): boolean {
  return false;
}

function shadowTimedOut(shadow: Shadow): void {
  shadow.onTimeout();
}
