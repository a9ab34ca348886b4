// One forwarded request: its attempts one after another, timeouts, retries, and the answer when all of them fail.
import type { Random } from '../../../../base/clock.ts';
import type { Failure } from '../../../../base/failure.ts';
import { H } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { Cluster, Host, HostSearch, LoadBalancerContext, StreamRequest } from '../../../cluster/cluster.ts';
import { NO_POOL, PENDING_OVERFLOW } from '../../../cluster/failures.ts';
import type { InternalRedirectPolicy } from '../../../route/internal-redirect.ts';
import type { ForwardAction, Route } from '../../../route/route.ts';
import { type ConnectionInfo, Flag, type StreamInfo } from '../../../stream-info.ts';
import type { RequestEncoder, StreamCallbacks } from '../../codec.ts';
import type { BodyData, LocalReply } from '../../filter.ts';
import type { FilterChain } from '../../filter-chain.ts';
import * as attemptInfo from './attempt-info.ts';
import { chargeCode, chargeDropped, chargeTime, isGrpcRequest, noteGrpcOutcome } from './charge.ts';
import type { Companion, TimerOwner, TryTimeout } from './companion.ts';
import { Hedge, type HedgedRequest, hedgesOnTimeout } from './hedge.ts';
import { turnRequest } from './internal-redirect.ts';
import { KeptBody, sendEnd, sendOwned } from './kept-body.ts';
import { type Asking, openStream } from './open-stream.ts';
import { LOCAL_RESET, type ResetReason, resetBody, resetDetails, resetReason } from './reset-reason.ts';
import { asksForRetries, hasRetryHeaders, RetryState, removeRetryHeaders } from './retry.ts';
import { countRoute, type RouteStats } from './route-stats.ts';
import type { Router, RouterStream } from './router.ts';
import { startShadows, type Shadow } from './shadow.ts';
import { type PreviousPriorities, Tried } from './tried.ts';
import { chooseWanted, missingStatus } from './wanted-host.ts';
import { type Answered, FilteredAttempt } from './upstream/filtered-attempt.ts';
import { LoggedAttempt } from './upstream-log.ts';
import { expectedTimeout, readTimeouts, setExpectedTimeout, setGrpcTimeout, timeouts } from './timeouts.ts';

// An attempt:   choose a host ─► wait for a connection ─► request goes out ─► response comes in ─► done
//                     ▲                  └──────────────────────┴── failure ──► retry? ── no ──► local reply
//                     └───────────────────────── back-off ◄─────────────────────── yes
export class Forward implements StreamCallbacks, LoadBalancerContext, TimerOwner, HedgedRequest, Answered {
  readonly router: Router;
  readonly stream: RouterStream;
  readonly info: StreamInfo;
  readonly route: Route;
  readonly forward: ForwardAction;
  readonly headers: Headers;
  readonly random: Random;
  readonly isGrpc: boolean;
  cluster: Cluster;
  host: Host | null = null;
  /** Statistics of the virtual cluster and of the route's stat_prefix, when there are any. */
  virtualCluster: RouteStats | null = null;
  routeStats: RouteStats | null = null;
  altStatPrefix = '';

  #pending: StreamRequest | null = null;
  #encoder: RequestEncoder | null = null;
  #companion: Companion | null = null;
  /** Between the wish for a connection and the end of the attempt. */
  #isAttempting = false;
  /** The host of this attempt was dialled or spoken to: it has a part in what comes of it. */
  #reachedHost = false;
  /** Outlier detection knows that this attempt takes too long, and that it goes on. */
  #isTimeoutTold = false;
  /** Since when the attempt waits for a connection. */
  #wishedMs = 0;
  #attempt = 1;
  #isRetry = false;
  #isTimeoutRetry = false;
  #retry: RetryState | null = null;
  #tried: Tried | null = null;
  retryPriority: PreviousPriorities | null = null;
  #wasSent = false;
  #requestEnded = false;
  /** -1 before that. */
  #requestCompleteMs = -1;
  #responseStarted = false;
  /** The response is complete, or was given up: nothing more happens. */
  #isDone = false;
  #timeoutStatus = 504;
  #globalMs = 0;
  #perTryMs = 0;
  #perTryIdleMs = 0;
  /** Body that waits for a connection, or that a retry needs again. */
  #kept: KeptBody | null = null;
  /** A host is being looked for. */
  #isSearching = false;
  #search: HostSearch | null = null;
  /** The body waits until the upstream agreed to the upgrade. */
  #isHeld = false;
  /** It was too large to be kept. */
  #isBodyLost = false;
  #pausedForRoom = false;
  #pausedByUpstream = false;
  #grpcDeferred = false;
  #shadows: Shadow[] | null = null;
  /** Null: answers that send the request elsewhere are the client's affair. */
  #redirects: InternalRedirectPolicy | null;
  /** Null: an attempt is given up before the next one begins. */
  #hedge: Hedge | null = null;
  /** Filters of the attempt, which take the request while it has no connection; null: there are none. */
  #filtered: FilteredAttempt | null = null;

  constructor(
    router: Router,
    stream: RouterStream,
    route: Route,
    forward: ForwardAction,
    cluster: Cluster,
    headers: Headers,
  ) {
    this.router = router;
    this.stream = stream;
    this.info = stream.info;
    this.route = route;
    this.forward = forward;
    this.cluster = cluster;
    this.headers = headers;
    this.random = router.random;
    this.#redirects = forward.redirects;
    this.isGrpc = isGrpcRequest(headers);
    this.virtualCluster = router.routeStats.ofVirtualCluster(route, headers, stream.info);
    this.routeStats = router.routeStats.ofRoute(route);
    this.altStatPrefix = attemptInfo.takeAltStatPrefix(headers);
  }

  // ─── What the load balancer asks ────────────────────────────────────────────────────────────────────────────────

  get hash(): number | null {
    return this.forward.hash(this.headers, { random: this.random, runtime: this.router.runtime, format: this.stream });
  }
  get requestHeaders(): Headers {
    return this.headers;
  }
  get connection(): ConnectionInfo {
    return this.info.connection;
  }
  get hostSelectionMaxAttempts(): number {
    return this.#isRetry ? (this.#retry?.policy?.hostSelectionMaxAttempts ?? 1) : 0;
  }
  shouldSelectAnother(host: Host): boolean {
    return this.#tried?.includes(host) === true;
  }

  // ─── The request ────────────────────────────────────────────────────────────────────────────────────────────────

  start(endStream: boolean): void {
    const { headers, forward, route, router, stream } = this;
    this.info.attemptCount = 1;
    const routePolicy = forward.retry;
    const { config } = router;
    const perTryMs = routePolicy === null ? 0 : routePolicy.perTryTimeoutMs;
    const perTryIdleMs = routePolicy === null ? 0 : routePolicy.perTryIdleTimeoutMs;
    readTimeouts(forward, headers, perTryMs, perTryIdleMs, this.isGrpc, config);
    // In place of the route's, but for the times of attempts, as in Envoy.
    const policy = this.cluster.policies?.retry ?? routePolicy;
    this.#globalMs = timeouts.global;
    this.#perTryMs = timeouts.perTry;
    this.#perTryIdleMs = timeouts.perTryIdle;
    if (hedgesOnTimeout(forward, headers)) this.#hedge = new Hedge(this);
    this.#setTimeoutHeaders(0);
    if (headers.mayHave(H['x-envoy-upstream-rq-timeout-alt-response'])) {
      if (headers.remove(H['x-envoy-upstream-rq-timeout-alt-response'])) this.#timeoutStatus = 204;
    }
    if (route.virtualHost.includeRequestAttemptCount) headers.set(H['x-envoy-attempt-count'], '1');
    if (route.hasRequestMutations) attemptInfo.finalizeHead(route, stream, headers, !config.suppressEnvoyHeaders);
    if (headers.unsendable !== null) {
      return this.#reply(503, ...attemptInfo.unsendableField(headers.unsendable), Flag.DPE, false);
    }
    if (hasRetryHeaders(headers)) {
      if (policy !== null || asksForRetries(headers)) this.#retry = new RetryState(policy, headers);
      removeRetryHeaders(headers);
    } else if (policy !== null && policy.on !== 0) this.#retry = new RetryState(policy, headers);
    const { wantedHost } = this.info;
    const host = wantedHost === null ? this.cluster.lb.chooseHost(this) : chooseWanted(this, wantedHost);
    if (host !== null) this.#startWith(host, endStream);
    else if (wantedHost === null || !wantedHost.isStrict) this.#findHost(endStream);
    else this.#noHealthyUpstream('no_healthy_upstream', true, missingStatus(this.cluster, wantedHost));
  }

  #startWith(host: Host, endStream: boolean): void {
    const { headers, forward, router, stream, cluster } = this;
    const mirrors = cluster.policies?.mirrors ?? forward.mirrors;
    if (mirrors.length > 0 && headers.method !== 'CONNECT') {
      this.#shadows = startShadows(this, mirrors, this.#globalMs, endStream);
    }
    this.#isHeld = stream.isUpgrade;
    const companion = router.companions.take(this);
    this.#companion = companion;
    stream.responseWatermarks = companion;
    this.#requestEnded = endStream;
    this.#connect(host);
    if (endStream && !this.#isDone) this.#requestEnds();
  }

  #setTimeoutHeaders(elapsedMs: number): void {
    // A hedged attempt may take all the time that there is.
    const perTryMs = this.#hedge === null ? this.#perTryMs : 0;
    const expected = expectedTimeout(this.#globalMs, perTryMs, elapsedMs);
    if (expected === 0) return;
    const { headers, forward, router } = this;
    if (!router.config.suppressEnvoyHeaders) setExpectedTimeout(headers, expected);
    const tellsGrpc = this.isGrpc && forward.maxGrpcTimeoutMs !== undefined;
    if (tellsGrpc) setGrpcTimeout(headers, expected);
  }

  sendData(data: BodyData, endStream: boolean): void {
    if (this.#isDone) return;
    if (this.#shadows !== null) for (const shadow of this.#shadows) shadow.sendData(data, endStream);
    if (this.#keepsBody && !this.#hasRoomFor(data.length)) return;
    const encoder = this.#sink;
    const canSend = encoder !== null && !this.#isHeld;
    if (this.#keepsBody || !canSend) {
      const copy = data.copy();
      this.#keep(copy);
      if (canSend) sendOwned(encoder, copy, endStream);
    } else encoder.encodeData(data, endStream);
    if (canSend) this.info.lastUpstreamTxMs = this.router.clock.nowMs;
    if (endStream && !this.#isDone) this.#requestEnds();
  }

  sendTrailers(trailers: Headers): void {
    if (this.#isDone) return;
    if (this.#shadows !== null) for (const shadow of this.#shadows) shadow.sendTrailers(trailers);
    if (!this.#isHeld) this.#sink?.encodeTrailers(trailers);
    if (!this.#isDone) this.#requestEnds();
  }

  /** A retry or a redirect may need the body again. */
  get #keepsBody(): boolean {
    return this.#retry !== null || this.#redirects !== null;
  }

  /** Gives up on retries when the body gets too large to be kept for them; false when nothing is left to do. */
  #hasRoomFor(bytes: number): boolean {
    const keptBytes = this.#kept?.bytes ?? 0;
    if (keptBytes + bytes <= attemptInfo.retryBufferLimit(this.route, this.stream.bufferLimitBytes)) return true;
    const { scope } = this.cluster;
    scope.inc(scope.i.retry_or_shadow_abandoned);
    this.#isBodyLost = true;
    this.#redirects = null;
    this.#dropRetry();
    if (this.#isAttempting || this.#isSearching) {
      if (this.#sink !== null && !this.#isHeld) this.#dropKept();
      return true;
    }
    const body = 'exceeded request buffer limit while retrying upstream';
    this.#reply(507, body, 'request_payload_exceeded_retry_buffer_limit', 0, false);
    return false;
  }

  #keep(chunk: Buffer): void {
    this.#kept ??= new KeptBody();
    this.#kept.keep(chunk);
    if (this.#keepsBody || this.#pausedForRoom || this.#kept.bytes <= this.stream.bufferLimitBytes) return;
    this.#pausedForRoom = true;
    this.stream.pauseRequest();
  }

  #dropKept(): void {
    this.#kept = null;
    if (!this.#pausedForRoom) return;
    this.#pausedForRoom = false;
    this.stream.resumeRequest();
  }

  #requestEnds(): void {
    this.#requestEnded = true;
    this.#requestCompleteMs = this.router.clock.nowMs;
    if (!this.#isAttempting) return;
    if (this.#globalMs > 0) this.#companion?.response.arm(this.#globalMs);
    if (this.#encoder !== null) this.#armPerTry();
  }

  #armPerTry(): void {
    if (this.#perTryMs > 0) this.#companion?.perTry.arm(this.#perTryMs);
    if (this.#perTryIdleMs > 0) this.#companion?.perTryIdle.arm(this.#perTryIdleMs);
  }

  // ─── A host that is looked for ──────────────────────────────────────────────────────────────────────────────────

  /** There is none; a dynamic forward proxy may find one. The body waits meanwhile. */
  #findHost(endStream: boolean): void {
    const { lb } = this.cluster;
    if (lb.findHost === undefined) return this.#noHealthyUpstream();
    this.#requestEnded = endStream;
    this.#isSearching = true;
    const search = lb.findHost(this, (host, details) => {
      // Envoy counts the host that is missing only where it need not ask.
      const isAtOnce = this.#search === null;
      this.#isSearching = false;
      this.#search = null;
      if (this.#isDone) return;
      if (host === null) this.#noHealthyUpstream(details, isAtOnce);
      else if (this.#isRetry) this.#retryWith(host);
      else this.#startWith(host, this.#requestEnded);
    });
    // The answer may have come during the call.
    if (this.#isSearching) this.#search = search;
  }

  // ─── One attempt ────────────────────────────────────────────────────────────────────────────────────────────────

  #connect(host: Host): void {
    if (this.#isRetry) attemptInfo.noteEarlierAttempt(this.info);
    this.host = host;
    this.#reachedHost = false;
    this.#isTimeoutTold = false;
    this.info.upstream = host;
    this.info.upstreamHostMetadata = host.metadata;
    this.#wishedMs = this.router.clock.nowMs;
    this.#isAttempting = true;
    const pending = this.#open(this.#hedge === null ? this : this.#hedge.begin(host), host);
    // The answer may have come already, and the stream may even be over.
    if (this.#isAttempting && this.#encoder === null) this.#pending = pending;
    if (this.#filtered !== null) this.#enterFilters(this.#filtered);
  }

  /** What takes the request now; null: it has to wait. */
  get #sink(): RequestEncoder | null {
    return this.#encoder ?? this.#filtered;
  }

  /** The head is all there is. */
  get #isBare(): boolean {
    return this.#requestEnded && this.#kept === null && this.stream.requestTrailers === null;
  }

  /** The request goes into the filters of its attempt at once, and waits behind them for a connection. */
  #enterFilters(filtered: FilteredAttempt): void {
    const isBare = this.#isBare;
    filtered.start(isBare);
    if (!isBare && !this.#isHeld && this.#filtered === filtered) this.#sendKept(filtered);
  }

  #open(asking: Asking, host: Host): StreamRequest | null {
    const { clock, config, upstreamChain } = this.router;
    // The cluster's own come before the router's.
    const chain = this.cluster.httpFilters ?? upstreamChain;
    if (chain !== null) return this.#openFiltered(asking, host, chain.chain);
    if (config.upstreamLog === null) return openStream(asking, host);
    const logged = new LoggedAttempt(config.upstreamLog, clock, asking, this.stream, host);
    return logged.pending(openStream(logged, host));
  }

  #openFiltered(asking: Asking, host: Host, chain: FilterChain): StreamRequest | null {
    const { clock, config } = this.router;
    const { upstreamLog: log } = config;
    const logged = log === null ? null : new LoggedAttempt(log, clock, asking, this.stream, host, true);
    const filtered = new FilteredAttempt(chain, logged ?? asking, this.stream, this, logged);
    const pending = logged === null ? filtered : logged.pending(filtered);
    // What a filter, or the pool, says at once finds it.
    this.#pending = pending;
    this.#filtered = filtered;
    if (filtered.announceHost()) filtered.opened(openStream(filtered, host));
    return pending;
  }

  /** A filter of an attempt answers: that is the end of all of them. */
  answer(reply: LocalReply): void {
    if (this.#isAttempting) this.#abandonAttempt();
    this.#isDone = true;
    this.#hedge?.end();
    this.#dropRetry();
    this.#companion?.response.disarm();
    this.#companion?.retry.disarm();
    this.stream.sendLocalReply(reply);
  }

  onPoolReady(encoder: RequestEncoder): void {
    const { info, headers, router, cluster } = this;
    const companion = this.#companion as Companion;
    const host = this.host as Host;
    const hasRequest = this.#filtered?.hasRequest === true;
    this.#pending = null;
    this.#filtered = null;
    this.#encoder = encoder;
    companion.setSource(encoder);
    countRoute(this, 'upstream_rq_total');
    host.outlier?.connected();
    this.#noteHost(host);
    attemptInfo.noteConnection(info, encoder, this.#wishedMs, router.clock.nowMs);
    if (this.stream.schemeMatchesUpstream) attemptInfo.matchScheme(headers, encoder);
    if (this.forward.autoHostRewrite) attemptInfo.rewriteAuthority(this, host.hostname);
    if (cluster.maxStreamDurationMs > 0) companion.duration.arm(cluster.maxStreamDurationMs);
    this.#wasSent = true;
    const isBare = this.#isBare;
    const wasHeld = this.#isHeld;
    encoder.encodeHeaders(headers, isBare);
    if (!isBare && !wasHeld && !hasRequest && this.#encoder === encoder) this.#sendKept(encoder);
    if (this.#requestCompleteMs >= 0 && this.#encoder === encoder) this.#armPerTry();
  }

  /** What came of the body so far; stays kept while a retry may need it. */
  #sendKept(encoder: RequestEncoder): void {
    const kept = this.#kept;
    const trailers = this.stream.requestTrailers;
    const endsWithBody = this.#requestEnded && trailers === null && kept !== null && kept.bytes > 0;
    const isOver = (): boolean => this.#sink !== encoder;
    kept?.sendTo(encoder, endsWithBody, isOver);
    if (isOver()) return;
    if (this.#requestEnded && !endsWithBody) sendEnd(encoder, trailers);
    if (!this.#keepsBody) this.#dropKept();
  }

  #noteHost(host: Host): void {
    this.#reachedHost = true;
    const policy = this.#retry?.policy ?? null;
    if (policy !== null) this.retryPriority = (this.#tried ??= new Tried(policy)).note(host);
  }

  onPoolFailure(reason: Failure): void {
    this.#pending = null;
    if (reason === NO_POOL || reason === PENDING_OVERFLOW) this.info.upstream = null;
    if (reason === NO_POOL) return this.#noHealthyUpstream('no_healthy_upstream', false);
    if (reason !== PENDING_OVERFLOW) this.#noteHost(this.host as Host);
    if (reason.code === 'connect_failed') this.info.upstreamTransportFailureReason = reason.detail;
    this.#attemptFailed(resetReason(reason), reason.code === 'connect_failed' ? reason.detail : '');
  }

  onReset(reason: Failure): void {
    this.#attemptFailed(resetReason(reason), '');
  }

  onAboveWatermark(): void {
    if (this.#pausedByUpstream) return;
    this.#pausedByUpstream = true;
    this.stream.pauseRequest();
  }

  onBelowWatermark(): void {
    if (!this.#pausedByUpstream) return;
    this.#pausedByUpstream = false;
    this.stream.resumeRequest();
  }

  /** Takes leave of the attempt; its encoder must not be used afterwards. */
  #endAttempt(): void {
    const encoder = this.#encoder;
    if (encoder !== null) {
      attemptInfo.noteBytes(this.info, encoder);
      this.#encoder = null;
    }
    this.#filtered = null;
    this.#isAttempting = false;
    this.#companion?.attemptEnds();
    this.onBelowWatermark();
  }

  /** Breaks the attempt off. */
  #abandonAttempt(): void {
    const pending = this.#pending;
    const encoder = this.#encoder;
    this.#pending = null;
    this.#endAttempt();
    pending?.cancel();
    encoder?.resetStream();
  }

  // ─── The response ───────────────────────────────────────────────────────────────────────────────────────────────

  decode1xx(headers: Headers): void {
    this.#received();
    // Envoy: only the first one is noticed, and only 100 goes on.
    if (this.#responseStarted) return;
    chargeCode(this, headers.status, this.host, headers);
    this.#responseStarted = true;
    this.#hedge?.end();
    this.#dropRetry();
    if (headers.status === 100) this.stream.encode1xx(headers);
  }

  #received(): void {
    const { info } = this;
    const now = this.router.clock.nowMs;
    if (info.firstUpstreamRxMs === 0) info.firstUpstreamRxMs = now;
    info.lastUpstreamRxMs = now;
    if (this.#perTryIdleMs > 0 && this.#requestCompleteMs >= 0) this.#companion?.perTryIdle.arm(this.#perTryIdleMs);
  }

  decodeHeaders(headers: Headers, endStream: boolean): void {
    this.#received();
    const { status } = headers;
    (this.host as Host).outlier?.answered(headers, this.isGrpc);
    if (this.#isHeld && !this.#acceptUpgrade(status)) return;
    if (this.#retry !== null && this.#retryResponse(headers, endStream)) return;
    this.takeResponse(headers, endStream);
  }

  /** The answer to the request, unless it sends it elsewhere. */
  takeResponse(headers: Headers, endStream: boolean): void {
    const { router, route, stream, info } = this;
    const host = this.host as Host;
    const status = headers.status;
    const { redirects } = this.forward;
    if (redirects?.statuses.includes(status) === true && this.#redirect(redirects, headers, endStream)) return;
    this.#hedge?.end();
    if (this.#requestCompleteMs >= 0 && !router.config.suppressEnvoyHeaders) {
      attemptInfo.setServiceTime(headers, (router.clock.nowMs - this.#requestCompleteMs) | 0);
    }
    if (route.virtualHost.includeAttemptCountInResponse) {
      headers.set(H['x-envoy-attempt-count'], String(this.#attempt));
    }
    chargeCode(this, status, host, headers);
    if (this.isGrpc) this.#grpcDeferred = noteGrpcOutcome(headers, host, endStream);
    else if (status < 500) host.rqSuccess++;
    info.responseCodeDetails = 'via_upstream';
    info.responseCode = status;
    if (route.hasResponseMutations) route.finalizeResponse(headers, stream);
    this.#responseStarted = true;
    this.#redirects = null;
    if (endStream) this.#upstreamEnds(host, headers);
    stream.encodeHeaders(headers, endStream);
  }

  #redirect(policy: InternalRedirectPolicy, response: Headers, endStream: boolean): boolean {
    const { scope } = this.cluster;
    const isPossible = this.#requestEnded && !this.#isBodyLost;
    const { method } = this.headers;
    if (!isPossible || !turnRequest(this, policy, response)) {
      scope.inc(scope.i.upstream_internal_redirect_failed_total);
      return false;
    }
    scope.inc(scope.i.upstream_internal_redirect_succeeded_total);
    // A request that became a GET takes no body along.
    const body = this.#kept === null || this.headers.method !== method ? [] : this.#kept.chunks;
    if (endStream) this.#endAttempt();
    return this.stream.redirect(response, body);
  }

  /** An upgrade was asked for: goes on when the upstream agreed or refused; false when the answer is neither. */
  #acceptUpgrade(status: number): boolean {
    const isConnect = this.headers.method === 'CONNECT';
    if (status === 101 || (isConnect && status >= 200 && status < 300)) {
      this.#isHeld = false;
      if (this.#encoder !== null && (this.#kept !== null || this.#requestEnded)) this.#sendKept(this.#encoder);
      this.#retry?.decide(false, this);
      this.#dropRetry();
      return !this.#isDone;
    }
    if (isConnect || status < 200 || status >= 300 || this.#encoder?.protocol === 'HTTP/2') return true;
    if (this.headers.get(H.upgrade)?.toLowerCase() !== 'websocket') return true;
    // Envoy: of HTTP/1 only the status of a success that is no WebSocket reaches the client.
    this.#abandonAttempt();
    this.#reply(status, '', 'websocket_handshake_unsuccessful', 0, false);
    return false;
  }

  decodeData(data: BodyData, endStream: boolean): void {
    if (this.#perTryIdleMs > 0) this.#received();
    if (endStream) {
      const host = this.host as Host;
      if (this.#grpcDeferred) host.rqError++;
      this.#upstreamEnds(host, this.stream.responseHeaders);
    }
    this.stream.encodeData(data, endStream);
  }

  decodeTrailers(trailers: Headers): void {
    const host = this.host as Host;
    if (this.#grpcDeferred) noteGrpcOutcome(trailers, host, true);
    this.#upstreamEnds(host, this.stream.responseHeaders);
    this.stream.encodeTrailers(trailers);
  }

  #upstreamEnds(host: Host, headers: Headers | null): void {
    this.info.lastUpstreamRxMs = this.router.clock.nowMs;
    this.#endAttempt();
    this.#isDone = true;
    this.#companion?.response.disarm();
    this.#dropRetry();
    const sinceMs = this.#requestCompleteMs;
    if (sinceMs >= 0) chargeTime(this, (this.router.clock.nowMs - sinceMs) | 0, host, headers);
  }

  // ─── Retries ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** True when the response is thrown away for another try. */
  #retryResponse(headers: Headers, endStream: boolean): boolean {
    const retry = this.#retry as RetryState;
    const wants = retry.wantsRetry(headers);
    if (wants) retry.noteResetHeaders(headers, this.router.clock.wallMs);
    if (!retry.decide(wants, this)) {
      if (wants && this.#hedge?.isWaiting === true) {
        // Those that were left may still do better.
        (this.host as Host).rqError++;
        this.#abandonAttempt();
        return true;
      }
      // The response has started: the body is not needed again.
      this.#dropRetry();
      return false;
    }
    const host = this.host as Host;
    this.#isTimeoutRetry = false;
    host.rqError++;
    if (this.router.config.dynamicStats) this.cluster.codes.retry.charge(headers.status);
    if (endStream && this.#requestEnded) this.#endAttempt();
    else this.#abandonAttempt();
    this.#waitForRetry();
    return true;
  }

  #retryReset(reason: ResetReason): boolean {
    const retry = this.#retry;
    if (retry === null || this.#responseStarted) return false;
    if (!retry.decide(retry.wantsRetryAfterReset(reason, this.#wasSent), this)) return false;
    if (this.#reachedHost && this.host !== null) this.host.rqError++;
    this.#waitForRetry();
    return true;
  }

  #waitForRetry(): void {
    const retry = this.#retry as RetryState;
    this.#enterClusterForRetry();
    retry.countRetry(this);
    const { scope } = this.cluster;
    const { i } = scope;
    scope.inc(retry.isRateLimited ? i.upstream_rq_retry_backoff_ratelimited : i.upstream_rq_retry_backoff_exponential);
    this.#companion?.retry.arm(retry.nextDelayMs(this.random, this.router.runtime));
  }

  onRetryTimer(): void {
    if (this.#isDone) return;
    const { router, info } = this;
    this.#isRetry = true;
    this.#attempt++;
    info.attemptCount = this.#attempt;
    // It may have been replaced since.
    const cluster = router.clusterNamed(this.#clusterForRetry);
    if (cluster !== null) this.cluster = cluster;
    const host = cluster === null ? null : cluster.lb.chooseHost(this);
    if (host !== null) this.#retryWith(host);
    else if (cluster === null) this.#noHealthyUpstream();
    else this.#findHost(this.#requestEnded);
  }

  #retryWith(host: Host): void {
    const { headers, route, router } = this;
    if (route.virtualHost.includeRequestAttemptCount) headers.set(H['x-envoy-attempt-count'], String(this.#attempt));
    if (route.virtualHost.includeIsTimeoutRetryHeader) {
      headers.set(H['x-envoy-is-timeout-retry'], this.#isTimeoutRetry ? 'true' : 'false');
    }
    const isComplete = this.#requestCompleteMs >= 0;
    this.#setTimeoutHeaders(isComplete ? Math.floor(router.clock.nowMs - this.#requestCompleteMs) : 0);
    this.#connect(host);
  }

  #clusterForRetry = '';

  /** A plugin that named the cluster may name another for a retry, which then counts as that one's, as in Envoy. */
  #enterClusterForRetry(): void {
    this.#clusterForRetry = this.cluster.name;
    const { specifier } = this.forward;
    if (specifier === null || this.#retry?.policy?.refreshesCluster !== true) return;
    const { random, router, stream, headers } = this;
    this.#clusterForRetry = specifier.choose(headers, { random, runtime: router.runtime, format: stream });
    const cluster = router.clusterNamed(this.#clusterForRetry);
    if (cluster === null || cluster === this.cluster) return;
    this.cluster = cluster;
    attemptInfo.noteCluster(this.info, cluster);
  }

  /** No (further) retry: what was kept for one goes, unless it still waits to be sent. */
  #dropRetry(): void {
    if (this.#retry === null) return;
    this.#retry.release();
    this.#retry = null;
    if (this.#sink !== null && !this.#isHeld && this.#redirects === null) this.#dropKept();
  }

  // ─── Failures ───────────────────────────────────────────────────────────────────────────────────────────────────

  #attemptFailed(reason: ResetReason, transportReason: string): void {
    this.#endAttempt();
    this.#isTimeoutRetry = false;
    if (!reason.isOverflow) this.#involvedHost?.outlier?.failed();
    if (this.#retryReset(reason)) return;
    this.#chargeAbort(reason.status);
    if (reason.isOverflow) chargeDropped(this);
    if (this.#hedge?.isWaiting === true && !this.#responseStarted) return;
    this.#replyToReset(reason, transportReason);
  }

  #replyToReset(reason: ResetReason, transportReason: string): void {
    const details = resetDetails(reason, transportReason, this.#responseStarted);
    this.#reply(reason.status, resetBody(reason, this.#isRetry), details, reason.flag, reason.isOverflow);
  }

  onResponseTimeout(): void {
    if (this.#isDone) return;
    for (const host of this.#hedge?.leftHosts ?? []) {
      this.#countTimeout('upstream_rq_timeout', host);
      countRoute(this, 'upstream_rq_timeout');
      if (!this.#responseStarted) this.#chargeAbort(this.#timeoutStatus, host);
    }
    if (this.#isAttempting) {
      this.#countTimeout('upstream_rq_timeout');
      countRoute(this, 'upstream_rq_timeout');
      if (!this.#responseStarted) {
        if (!this.#isTimeoutTold) this.#involvedHost?.outlier?.timedOut(this.#timeoutStatus);
        this.#chargeAbort(this.#timeoutStatus);
      }
      this.#abandonAttempt();
    }
    this.#timedOut('response_timeout');
  }

  onTryTimeout(kind: TryTimeout): void {
    if (this.#isDone || !this.#isAttempting) return;
    if (this.#hedge !== null) return this.#hedgeAttempt(this.#hedge);
    this.#countTimeout(`upstream_rq_${kind}`);
    this.#abandonAttempt();
    this.#involvedHost?.outlier?.timedOut(this.#timeoutStatus);
    this.#isTimeoutRetry = true;
    if (this.#retryReset(LOCAL_RESET)) return;
    this.#chargeAbort(this.#timeoutStatus);
    this.#timedOut(`upstream_${kind}`);
  }

  #countTimeout(name: 'upstream_rq_timeout' | `upstream_rq_${TryTimeout}`, host = this.#involvedHost): void {
    const { scope } = this.cluster;
    scope.inc(scope.i[name]);
    if (host !== null) host.rqTimeout++;
  }

  /** No host has a part in it before a connection was tried. */
  get #involvedHost(): Host | null {
    return this.#reachedHost ? this.host : null;
  }

  // ─── Hedging ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The attempt's time is up: it goes on beside a retry, if there may be one. Source: Envoy onSoftPerTryTimeout. */
  #hedgeAttempt(hedge: Hedge): void {
    if (!this.#responseStarted) {
      this.#involvedHost?.outlier?.timedOut(this.#timeoutStatus);
      this.#isTimeoutTold = true;
    }
    const retry = this.#retry;
    if (retry === null || this.#responseStarted || !retry.decide(true, this)) return;
    hedge.leave(this.#pending, this.#encoder);
    this.#pending = null;
    this.#filtered = null;
    this.#encoder = null;
    this.#isAttempting = false;
    this.#companion?.attemptEnds();
    this.#isTimeoutRetry = true;
    this.#waitForRetry();
  }

  get isWaiting(): boolean {
    return this.#isAttempting || (this.#companion?.retry.isArmed ?? false);
  }

  wouldRetry(response: Headers): boolean {
    return this.#retry?.wantsRetry(response) === true;
  }

  sendAgain(encoder: RequestEncoder): void {
    this.#wasSent = true;
    const isBare = this.#isBare;
    const hasRequest = encoder.hasRequest === true;
    encoder.encodeHeaders(this.headers, isBare);
    if (isBare || hasRequest) return;
    const trailers = this.stream.requestTrailers;
    this.#kept?.sendTo(encoder, trailers === null, () => false);
    if (trailers !== null) sendEnd(encoder, trailers);
  }

  adopt(host: Host, encoder: RequestEncoder): void {
    if (this.#isAttempting) this.#abandonAttempt();
    this.#companion?.retry.disarm();
    this.#dropRetry();
    this.host = host;
    this.#reachedHost = true;
    this.#isAttempting = true;
    this.#encoder = encoder;
    this.#companion?.setSource(encoder);
    this.info.upstream = host;
    this.info.upstreamHostMetadata = host.metadata;
  }

  leftFailed(host: Host | null, reason: ResetReason, isLast: boolean): void {
    this.#chargeAbort(reason.status, host);
    if (isLast) this.#replyToReset(reason, '');
  }

  // ─── Ends ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #timedOut(details: string): void {
    const body = this.#timeoutStatus === 504 ? 'upstream request timeout' : '';
    this.#reply(this.#timeoutStatus, body, details, Flag.UT, false);
  }

  onMaxDuration(): void {
    if (this.#isDone || !this.#isAttempting) return;
    const { scope } = this.cluster;
    scope.inc(scope.i.upstream_rq_max_duration_reached);
    this.#abandonAttempt();
    this.#isTimeoutRetry = false;
    if (this.#retryReset(LOCAL_RESET)) return;
    const status = this.#requestEnded ? 504 : 408;
    const details = 'upstream_max_stream_duration_reached';
    this.#reply(status, 'upstream max stream duration reached', details, Flag.UMSDR, false);
  }

  #noHealthyUpstream(details = 'no_healthy_upstream', isCounted = true, status = 503): void {
    const { scope } = this.cluster;
    if (isCounted) scope.inc(scope.i.upstream_cx_none_healthy);
    chargeCode(this, status, null, null);
    this.#reply(status, 'no healthy upstream', details, Flag.UH, false);
  }

  #chargeAbort(status: number, host = this.#involvedHost): void {
    if (!this.#responseStarted) {
      chargeCode(this, status, host, null);
      if (host !== null && status < 500) host.rqError++;
    } else if (this.#grpcDeferred && host !== null) {
      host.rqError++;
      this.router.stats.inc(this.router.cells.resetAfterStart);
    }
  }

  /** Ends the request with an answer of our own, or by a reset when the response has started. */
  #reply(status: number, body: string, details: string, flag: number, isOverloaded: boolean): void {
    this.#isDone = true;
    this.#isAttempting = false;
    this.#hedge?.end();
    this.#dropRetry();
    this.#companion?.response.disarm();
    this.#companion?.attemptEnds();
    this.info.flags |= flag;
    const isSuppressed = this.router.config.suppressEnvoyHeaders;
    this.stream.sendLocalReply({
      status,
      body,
      details,
      modifyHeaders: (headers) => {
        if (isOverloaded && !isSuppressed) headers.add(H['x-envoy-overloaded'], 'true');
        if (this.route.virtualHost.includeAttemptCountInResponse) {
          headers.set(H['x-envoy-attempt-count'], String(this.#attempt));
        }
      },
    });
  }

  /** The stream is over, however it ended. */
  destroy(): void {
    if (this.#isAttempting) this.#abandonAttempt();
    this.#search?.cancel();
    this.#isDone = true;
    this.#hedge?.end();
    this.#dropRetry();
    if (this.#shadows !== null && !this.#requestEnded) for (const shadow of this.#shadows) shadow.cancel();
    if (this.#companion === null) return;
    this.#companion.release();
    this.#companion = null;
    this.stream.responseWatermarks = null;
  }
}
