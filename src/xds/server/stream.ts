// One client's stream: requests in, responses out in the order in which they may be used, one at a time.
import type { Timer } from '../../base/clock.ts';
import type { CancelReason, ServerCall, ServerCallHandler } from '../../grpc/service.ts';
import { type GrpcStatus, grpcStatus } from '../../grpc/status.ts';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
  Node,
} from '../../proto/generated/types.d.ts';
import { GRPC } from '../../wire/grpc/status.ts';
import { deltaEnd, sotwEnd } from './framing.ts';
import type { ChunkCache } from './chunks.ts';
import { CLUSTER_URL, ENDPOINT_URL, LISTENER_URL, LIVE_URL, NAMED_TYPES, USER_TYPES, SECRET_URL } from './order.ts';
import { findResource } from './resource.ts';
import { WILDCARD } from './subscription.ts';
import { OUTRUN, type Portion, TypeState } from './type-state.ts';
import type { XdsAdmission, XdsEvent, XdsLimits, XdsObserver, XdsRefusalOf } from './types.ts';

type Request = DiscoveryRequest & DeltaDiscoveryRequest;
type Call = ServerCall<DiscoveryResponse | DeltaDiscoveryResponse>;

/** What a stream needs of its server. */
export type StreamHost = {
  readonly clock: { readonly nowMs: number; timer<T>(onFire: (owner: T) => void, owner: T): Timer };
  readonly identifier: string;
  readonly limits: XdsLimits;
  readonly observer: XdsObserver;
  readonly chunks: { readonly delta: ChunkCache; readonly sotw: ChunkCache };
  /** Has `work` called soon. */
  enqueue(stream: XdsStream): void;
  /** The first request has come: `admitted` or `end` follows. */
  admit(stream: XdsStream, node: Node): void;
  onOver(stream: XdsStream): void;
};

/** Requests that wait for admission: what one read of the socket may bring. */
const MAX_WAITING_REQUESTS = 1000;

//   opened ──first request──► asked ──admitted()──► serving ──end(), client gone──► over
//
// Of a type one response is in flight; what changes meanwhile is one response later. Listeners and routes wait for the
// acknowledgement of what they name, `orderWaitMs` at most.
export class XdsStream implements ServerCallHandler<Request> {
  readonly isDelta: boolean;
  readonly call: Call;
  readonly openedMs: number;
  readonly #host: StreamHost;
  /** Of the services of one type; '': requests say it. */
  readonly #onlyType: string;
  /** By rank. */
  #types: TypeState[] = [];
  node: Node = {};
  admission: XdsAdmission | null = null;
  #waiting: Request[] = [];
  #state: 'opened' | 'asked' | 'serving' | 'over' = 'opened';
  #nonce = 0;
  #liveNonce = -1;
  #names = 0;
  #namesLength = 0;
  #requests: number;
  #requestsMs: number;
  /** New clusters with endpoints that the client has not asked for yet. */
  readonly #endpointsDue = new Set<string>();
  #removalsFromMs = 0;
  #timerDueMs = 0;
  readonly #timer: Timer;
  /** For the server: `work` is due. */
  isQueued = false;
  /** Since when the client reads nothing of what waits for it, and how much that is; −1: it reads. */
  #stalledSinceMs = -1;
  #stalledBytes = 0;

  constructor(host: StreamHost, call: Call, isDelta: boolean, onlyType: string) {
    this.#host = host;
    this.call = call;
    this.isDelta = isDelta;
    this.#onlyType = onlyType;
    this.openedMs = host.clock.nowMs;
    this.#requests = host.limits.requestBurst;
    this.#requestsMs = host.clock.nowMs;
    this.#timer = host.clock.timer(workAgain, this as XdsStream);
  }

  get label(): string {
    return this.admission?.label ?? this.node.id ?? '';
  }
  get isOver(): boolean {
    return this.#state === 'over';
  }
  get types(): readonly TypeState[] {
    return this.#types;
  }
  type(typeUrl: string): TypeState | undefined {
    return this.#types.find((type) => type.typeUrl === typeUrl);
  }

  // ─── Requests ───────────────────────────────────────────────────────────────────────────────────────────────────

  onMessage(request: Request): void {
    if (!this.#mayAsk()) {
      this.#flood('requests come too fast');
      return;
    }
    if (this.#state === 'serving') this.#take(request);
    else if (this.#waiting.push(request) > MAX_WAITING_REQUESTS)
      this.#flood('too many requests before the first answer');
    else if (this.#state === 'opened') {
      this.#state = 'asked';
      this.node = request.node ?? {};
      this.call.pauseReading();
      this.#host.admit(this, this.node);
    }
  }

  #mayAsk(): boolean {
    const { limits, clock } = this.#host;
    const gained = ((clock.nowMs - this.#requestsMs) / 1000) * limits.requestRate;
    this.#requests = Math.min(limits.requestBurst, this.#requests + gained) - 1;
    this.#requestsMs = clock.nowMs;
    return this.#requests >= 0;
  }

  #flood(text: string): void {
    this.count('flood', '');
    this.end(grpcStatus(GRPC.resourceExhausted, text));
  }

  admitted(admission: XdsAdmission): void {
    if (this.#state !== 'asked') {
      admission.close();
      return;
    }
    this.#state = 'serving';
    this.admission = admission;
    this.#host.observer.opened?.(this);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const request of waiting) if (!this.isOver) this.#take(request);
    if (!this.isOver) this.call.resumeReading();
  }

  #take(request: Request): void {
    const typeUrl = this.#onlyType === '' ? (request.type_url ?? '') : this.#onlyType;
    if (typeUrl === '') {
      this.end(grpcStatus(GRPC.invalidArgument, 'the request has no type_url'));
      return;
    }
    if (typeUrl === LIVE_URL) this.#takeLive(request);
    else {
      const known = this.type(typeUrl);
      const type = known ?? this.#addType(typeUrl);
      if (type === null) this.#flood(`more than ${this.#host.limits.maxTypes} types on one stream`);
      else if (this.isDelta) this.#takeDelta(type, request, known === undefined);
      else this.#takeSotw(type, request, known === undefined);
    }
    if (!this.isOver) this.#host.enqueue(this);
  }

  #addType(typeUrl: string): TypeState | null {
    if (this.#types.length >= this.#host.limits.maxTypes) return null;
    const type = new TypeState(typeUrl, this.isDelta);
    if (this.#tables(typeUrl).length === 0) this.count('unknown-type', typeUrl);
    this.#types.push(type);
    // Stable: types of the same rank go in the order in which they were asked for.
    this.#types.sort((a, b) => a.rank - b.rank);
    return type;
  }

  #tables(typeUrl: string) {
    return (this.admission as XdsAdmission).view.tables(typeUrl);
  }

  // ─── Delta ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #takeDelta(type: TypeState, request: Request, isFirst: boolean): void {
    const { response_nonce: nonce = '', error_detail: error = null } = request;
    const { resource_names_subscribe: added = [], resource_names_unsubscribe: dropped = [] } = request;
    if (nonce !== '' && !this.#answers(type, nonce)) this.count('expired-nonce', type.typeUrl);
    else if (nonce !== '') this.#answered(type, error === null ? null : (error.message ?? ''));
    if (isFirst) {
      // Source: xDS protocol, "How the client specifies what resources to return": no names, everything.
      if (added.length === 0 && !NAMED_TYPES.has(type.typeUrl)) type.subscription.isWildcard = true;
      const versions = Object.entries(request.initial_resource_versions ?? {});
      if (versions.length > 0) type.knows(new Map(versions));
    }
    for (const name of added) {
      if (!this.#subscribe(type, name)) return;
      if (name === WILDCARD && !isFirst) type.again();
    }
    for (const name of dropped) this.#unsubscribe(type, name);
  }

  /** False: the stream is over. */
  #subscribe(type: TypeState, asked: string): boolean {
    const { limits } = this.#host;
    const found = findResource(this.#tables(type.typeUrl), asked);
    // The table's own text of the name, not one for each stream.
    const name = found?.name === asked ? found.name : asked;
    const isAgain = type.subscription.has(name);
    if (!isAgain) {
      if (name !== WILDCARD) {
        this.#names++;
        this.#namesLength += name.length;
      }
      const isTooMuch = this.#names > limits.maxNames || this.#namesLength > limits.maxNamesLength;
      if (isTooMuch || name.length > limits.maxNameLength) {
        this.#flood('too many or too long resource names');
        return false;
      }
      type.subscription.add(name);
    }
    if (name === WILDCARD) return true;
    const isDue = type.typeUrl === ENDPOINT_URL && this.#endpointsDue.delete(name);
    // Whoever subscribes again wants it sent again, and so does a client that came back with endpoints of a cluster
    // that has changed meanwhile.
    if (isAgain || isDue) type.force(name);
    else type.pending.add(name);
    return true;
  }

  #unsubscribe(type: TypeState, name: string): void {
    if (!type.subscription.delete(name)) return;
    if (name !== WILDCARD) {
      this.#names--;
      this.#namesLength -= name.length;
    }
    type.pending.delete(name);
    // It is still subscribed to with all others: the client is told what it now has.
    if (name !== WILDCARD && type.subscription.isWildcard) type.pending.add(name);
  }

  // ─── State of the world ─────────────────────────────────────────────────────────────────────────────────────────

  #takeSotw(type: TypeState, request: Request, isFirst: boolean): void {
    const { response_nonce: nonce = '', error_detail: error = null, resource_names: names = [] } = request;
    if (isFirst) {
      if (names.length === 0 && !NAMED_TYPES.has(type.typeUrl)) type.subscription.isWildcard = true;
      if (!this.#setNames(type, names)) return;
      const tables = this.#tables(type.typeUrl);
      const version = tables.map((table) => table.digest).join('.');
      // It has been here before: nothing it has is new.
      if (type.isFull && tables.length > 0 && request.version_info === version) {
        type.hasAll(tables);
        this.#mayLive(type);
      }
      return;
    }
    if (nonce !== '' && nonce !== String(type.nonce)) {
      this.count('expired-nonce', type.typeUrl);
      return;
    }
    const isAnswer = nonce !== '' && type.isAwaiting;
    if (isAnswer) this.#answered(type, error === null ? null : (error.message ?? ''));
    const before = type.pending.size;
    const size = type.subscription.size;
    if (!this.#setNames(type, names)) return;
    // The same names once more: the client has begun something anew (a cluster that warms) and asks what there is.
    const isSame = type.pending.size === before && type.subscription.size === size;
    if (!isAnswer && isSame && error === null && !type.isAwaiting) type.again();
  }

  #setNames(type: TypeState, names: readonly string[]): boolean {
    const { subscription } = type;
    // Legacy: who never named any wants everything.
    if (names.length === 0 && subscription.size === 0) return true;
    const wanted = new Set(names);
    if (subscription.isWildcard && !wanted.has(WILDCARD) && wanted.size > 0) subscription.isWildcard = false;
    for (const name of subscription.names) if (!wanted.has(name)) this.#unsubscribe(type, name);
    for (const name of wanted) if (!subscription.has(name) && !this.#subscribe(type, name)) return false;
    return true;
  }

  // ─── Answers of the client ──────────────────────────────────────────────────────────────────────────────────────

  #answers(type: TypeState, nonce: string): boolean {
    return type.isAwaiting && nonce === String(type.nonce);
  }

  /** `error` null: it was taken on. */
  #answered(type: TypeState, error: string | null): void {
    const { observer, clock, limits } = this.#host;
    let refusals: readonly XdsRefusalOf[] = [];
    if (error === null) type.acknowledged();
    else refusals = type.refuse(error, this.#takesGoodOnes(type));
    if (type.typeUrl === LISTENER_URL) this.#removalsFromMs = clock.nowMs + limits.removalSettleMs;
    this.#mayLive(type);
    for (const refusal of refusals) observer.refused?.(this, refusal);
    observer.progressed?.(this);
  }

  /** Nothing of the type is in flight: what the client has is in effect, or it will say so. */
  #mayLive(type: TypeState): void {
    // Reports go with delta only.
    const reports = this.isDelta && this.admission?.reportsLive === true;
    if (!reports || this.#liveNonce >= type.nonce) type.lives();
  }

  /** Source: Envoy, CdsApiHelper and LdsApiImpl take on what is good of a response; other types are refused whole. */
  #takesGoodOnes(type: TypeState): boolean {
    if (this.admission?.takesGoodOnes === true) return true;
    return type.typeUrl === CLUSTER_URL || type.typeUrl === LISTENER_URL;
  }

  #takeLive({ response_nonce: nonce = '' }: Request): void {
    const number = nonce === '' ? 0 : Number(nonce);
    if (!Number.isSafeInteger(number) || number > this.#nonce || number < this.#liveNonce) {
      this.count('expired-nonce', LIVE_URL);
      return;
    }
    this.#liveNonce = number;
    for (const type of this.#types) if (!type.isAwaiting && type.nonce <= number) type.lives();
    this.#host.observer.progressed?.(this);
  }

  // ─── Responses ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** There may be something to send. */
  work(): void {
    if (this.#state !== 'serving') return;
    if (this.call.isAboveWatermark) return;
    while (this.#sendNext() && !this.call.isAboveWatermark);
  }

  #sendNext(): boolean {
    const { clock, observer } = this.#host;
    const { view } = this.admission as XdsAdmission;
    let soonestMs = Number.POSITIVE_INFINITY;
    for (const type of this.#types) {
      if (type.isSettled(view)) continue;
      const waitMs = this.#waitOf(type);
      if (waitMs > 0) {
        soonestMs = Math.min(soonestMs, waitMs);
        continue;
      }
      const portion = type.take(view);
      if (portion === OUTRUN) {
        this.count('outrun', type.typeUrl);
        this.end(grpcStatus(GRPC.aborted, 'too far behind: connect again'));
        return false;
      }
      if (portion !== null) {
        this.#send(type, portion);
        return true;
      }
      this.#mayLive(type);
      observer.progressed?.(this);
    }
    if (soonestMs === Number.POSITIVE_INFINITY) return this.#sendHeld();
    if (!this.#timer.isArmed || clock.nowMs + soonestMs < this.#timerDueMs) this.#armTimer(soonestMs);
    return false;
  }

  #armTimer(waitMs: number): void {
    this.#timerDueMs = this.#host.clock.nowMs + waitMs;
    this.#timer.arm(waitMs);
  }

  /**
   * How long the type has to wait before something of it is sent, ms. What names others waits until they were sent, and
   * for a while until they are acknowledged: Envoy acknowledges clusters when they are warm. Endpoints and secrets wait
   * for nothing: clusters that warm want them.
   */
  #waitOf(type: TypeState): number {
    const { clock, limits } = this.#host;
    const { nowMs } = clock;
    if (type.isAwaiting && nowMs < type.sentMs + limits.ackWaitMs) return type.sentMs + limits.ackWaitMs - nowMs;
    if (!USER_TYPES.has(type.typeUrl)) return 0;
    const { view } = this.admission as XdsAdmission;
    let isBlocked = this.#endpointsDue.size > 0;
    for (const named of this.#types) {
      if (named.rank >= type.rank) break;
      const isBehind = !named.isSettled(view);
      // New clusters that were not even sent: they go as soon as those before them were acknowledged, or are given up.
      if (isBehind && named.typeUrl !== ENDPOINT_URL) return Math.max(1, this.#waitOf(named));
      isBlocked ||= isBehind || named.isAwaiting;
    }
    if (!isBlocked) return 0;
    if (type.blockedSinceMs < 0) type.blockedSinceMs = nowMs;
    const waitMs = type.blockedSinceMs + limits.orderWaitMs - nowMs;
    if (waitMs <= 0) this.#endpointsDue.clear();
    return Math.max(0, waitMs);
  }

  /** Removals, once everything else is through. */
  #sendHeld(): boolean {
    const holder = this.#types.find((type) => type.held.size > 0);
    if (holder === undefined) return false;
    if (holder.isAwaiting) return false;
    for (const { typeUrl, isAwaiting, refused } of this.#types) {
      // A client that refused to stop using something, or has not said that it will, keeps it.
      if (USER_TYPES.has(typeUrl) && (isAwaiting || refused !== null)) return false;
    }
    const { nowMs } = this.#host.clock;
    if (nowMs < this.#removalsFromMs) {
      this.#armTimer(this.#removalsFromMs - nowMs);
      return false;
    }
    const portion = holder.takeHeld();
    if (portion !== null) this.#send(holder, portion);
    else this.#mayLive(holder);
    return true;
  }

  #send(type: TypeState, portion: Portion): void {
    const { chunks, clock, identifier, observer } = this.#host;
    const isFirst = type.nonce === 0 && !type.isBack;
    const dueMs = type.dueSinceMs < 0 ? 0 : clock.nowMs - type.dueSinceMs;
    type.send(portion, ++this.#nonce, clock.nowMs);
    const { lists, removed, absent } = portion;
    const { typeUrl, version } = type;
    const end = { typeUrl, nonce: String(this.#nonce), version, controlPlane: identifier, removed, absent };
    const pieces: Buffer[] = [this.isDelta ? deltaEnd(end) : sotwEnd(end)];
    let resources = 0;
    for (const list of lists) {
      const cache = this.isDelta ? chunks.delta : chunks.sotw;
      // Keys are one client's own, and stay nowhere longer than they have to.
      pieces.push(typeUrl === SECRET_URL ? cache.make(list).bytes : cache.get(list).bytes);
      resources += list.length;
    }
    if (typeUrl === CLUSTER_URL && !isFirst) this.#expectEndpoints(portion);
    this.call.sendBuffers(pieces);
    if (observer.sent === undefined) return;
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    observer.sent(this, typeUrl, resources, bytes, dueMs);
  }

  /** Routes to a new cluster wait until the client has its endpoints; a changed one wants them again. */
  #expectEndpoints({ lists }: Portion): void {
    const endpoints = this.type(ENDPOINT_URL);
    // A client that came back asks for them in a moment.
    if (endpoints === undefined && this.type(CLUSTER_URL)?.isBack !== true) return;
    const tables = this.#tables(ENDPOINT_URL);
    for (const list of lists) {
      for (const { name } of list) {
        if (findResource(tables, name) === undefined) continue;
        if (endpoints?.subscription.has(name) !== true) this.#endpointsDue.add(name);
        // Envoy warms it anew and does not ask: it has asked for that name. In state of the world it does ask, and
        // Heddle's proxies keep a cluster's hosts.
        else if (this.isDelta && this.admission?.takesGoodOnes !== true) endpoints.force(name);
      }
    }
  }

  /** How long the client has read nothing although something waits for it, ms; asked every few seconds. */
  stalledMs(): number {
    const { isAboveWatermark, bufferedBytes } = this.call;
    const { nowMs } = this.#host.clock;
    if (!isAboveWatermark) this.#stalledSinceMs = -1;
    else if (this.#stalledSinceMs < 0 || bufferedBytes < this.#stalledBytes) this.#stalledSinceMs = nowMs;
    this.#stalledBytes = bufferedBytes;
    return this.#stalledSinceMs < 0 ? 0 : nowMs - this.#stalledSinceMs;
  }

  onDrain(): void {
    if (!this.isOver) this.#host.enqueue(this);
  }

  count(event: XdsEvent, typeUrl: string): void {
    this.#host.observer.counted?.(event, typeUrl);
  }

  // ─── The end ────────────────────────────────────────────────────────────────────────────────────────────────────

  end(status: GrpcStatus): void {
    if (this.isOver) return;
    this.call.end(status);
    this.#close();
  }

  onEnd(): void {
    this.end(grpcStatus(GRPC.ok, ''));
  }

  onCancelled(_reason: CancelReason): void {
    this.#close();
  }

  #close(): void {
    if (this.isOver) return;
    this.#state = 'over';
    this.#timer.disarm();
    this.#waiting = [];
    const { admission } = this;
    this.#host.onOver(this);
    if (admission !== null) {
      this.#host.observer.closed?.(this);
      admission.close();
    }
    this.#types = [];
  }
}

function workAgain(stream: XdsStream): void {
  stream.work();
}
