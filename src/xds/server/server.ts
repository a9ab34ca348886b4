// The xDS server: the discovery services as gRPC methods, and all streams that are served, each when its turn comes.
import type { Clock, Timer } from '../../base/clock.ts';
import type { AnyServerMethod, ServerCall, ServerCallHandler } from '../../grpc/service.ts';
import { type GrpcStatus, grpcStatus } from '../../grpc/status.ts';
import type { Node } from '../../proto/generated/types.d.ts';
import { registry } from '../../proto/registry.ts';
import { typeUrlOf } from '../../proto/type-url.ts';
import { GRPC } from '../../wire/grpc/status.ts';
import { AGGREGATED_SERVICE, SERVICES } from '../client/services.ts';
import { ChunkCache } from './chunks.ts';
import { type StreamHost, XdsStream } from './stream.ts';
import { DEFAULT_XDS_LIMITS, type XdsLimits, type XdsObserver, type XdsServerParts } from './types.ts';

/** How often streams are looked at that do not read, and chunks that nobody asks for are let go. */
const SWEEP_MS = 5000;

export class XdsServer<Identity> implements StreamHost {
  readonly clock: Clock;
  readonly identifier: string;
  readonly limits: XdsLimits;
  readonly observer: XdsObserver;
  readonly chunks = { delta: new ChunkCache(true), sotw: new ChunkCache(false) };
  readonly #parts: XdsServerParts<Identity>;
  readonly #streams = new Set<XdsStream>();
  /** Also those that were not admitted yet. */
  #openStreams = 0;
  readonly #identities = new WeakMap<XdsStream, Identity>();
  /** Streams with work, and those that wait to be admitted, in the order in which they came. */
  #queue: (() => void)[] = [];
  #isRunning = false;
  readonly #sweep: Timer;
  #chunkUses = 0;
  #isClosed = false;

  constructor(parts: XdsServerParts<Identity>) {
    this.#parts = parts;
    this.clock = parts.clock;
    this.identifier = parts.identifier;
    this.limits = { ...DEFAULT_XDS_LIMITS, ...parts.limits };
    this.observer = parts.observer ?? {};
    this.#sweep = parts.clock.timer(sweep, this as { sweep(): void });
    this.#sweep.arm(SWEEP_MS);
  }

  /** Streams whose clients were admitted. */
  get streams(): ReadonlySet<XdsStream> {
    return this.#streams;
  }

  /** The aggregated service, and those of single types. */
  methods(): AnyServerMethod[] {
    const methods = [
      this.#method(AGGREGATED_SERVICE.stream, '', false),
      this.#method(AGGREGATED_SERVICE.delta, '', true),
    ];
    for (const [type, service] of SERVICES) {
      if (service.stream !== '') methods.push(this.#method(service.stream, typeUrlOf(type), false));
      if (service.delta !== '') methods.push(this.#method(service.delta, typeUrlOf(type), true));
    }
    return methods;
  }

  #method(path: string, onlyType: string, isDelta: boolean): AnyServerMethod {
    const form = isDelta ? 'DeltaDiscovery' : 'Discovery';
    return {
      path,
      request: registry.message(`envoy.service.discovery.v3.${form}Request`),
      response: registry.message(`envoy.service.discovery.v3.${form}Response`),
      start: (call) => this.#start(call, isDelta, onlyType),
    };
  }

  #start(call: ServerCall<unknown>, isDelta: boolean, onlyType: string): ServerCallHandler<unknown> {
    const stream = new XdsStream(this, call, isDelta, onlyType);
    this.#openStreams++;
    if (this.#isClosed || this.#openStreams > this.limits.maxStreams) {
      stream.end(grpcStatus(GRPC.unavailable, 'no more streams are served here'));
      return stream as ServerCallHandler<unknown>;
    }
    // Nothing is read before it is known who asks.
    call.pauseReading();
    settle(this.#parts.authenticate(call), (identity) => {
      if (stream.isOver) return;
      if (isStatus(identity)) stream.end(identity);
      else {
        this.#identities.set(stream, identity);
        call.resumeReading();
      }
    });
    return stream as ServerCallHandler<unknown>;
  }

  // ─── For streams ────────────────────────────────────────────────────────────────────────────────────────────────

  admit(stream: XdsStream, node: Node): void {
    this.#run(() => {
      if (stream.isOver) return;
      const identity = this.#identities.get(stream) as Identity;
      settle(this.#parts.admit(identity, node), (answer) => {
        if (isStatus(answer)) stream.end(answer);
        else {
          if (!stream.isOver) this.#streams.add(stream);
          stream.admitted(answer);
        }
      });
    });
  }

  enqueue(stream: XdsStream): void {
    if (stream.isQueued) return;
    stream.isQueued = true;
    this.#run(() => {
      stream.isQueued = false;
      stream.work();
    });
  }

  onOver(stream: XdsStream): void {
    this.#openStreams--;
    this.#streams.delete(stream);
  }

  /** Runs tasks in turns of the event loop of their own, several in each. */
  #run(task: () => void): void {
    this.#queue.push(task);
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.clock.defer(this.#slice);
  }

  readonly #slice = (): void => {
    const tasks = this.#queue;
    const endMs = this.clock.update() + this.limits.sliceMs;
    const most = Math.min(tasks.length, this.limits.turnStreams);
    let done = 0;
    while (done < most) {
      (tasks[done++] as () => void)();
      if (done < most && this.clock.update() >= endMs) break;
    }
    if (done === tasks.length) this.#queue = [];
    else tasks.splice(0, done);
    this.#isRunning = this.#queue.length > 0;
    if (this.#isRunning) this.clock.defer(this.#slice);
  };

  // ─── For the owner ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Tables have changed: whoever is served from one of them, or from others now, is told what is new. */
  push(sinceMs: number = this.clock.nowMs): void {
    for (const stream of this.#streams) {
      const { admission } = stream;
      if (admission === null) continue;
      let isDue = false;
      for (const type of stream.types) {
        if (type.isSettled(admission.view)) continue;
        if (type.dueSinceMs < 0) type.dueSinceMs = sinceMs;
        isDue = true;
      }
      if (isDue) this.enqueue(stream);
    }
  }

  /** For the timer. */
  sweep(): void {
    this.#sweep.arm(SWEEP_MS);
    for (const stream of [...this.#streams]) {
      if (stream.stalledMs() < this.limits.stallMs) continue;
      stream.count('stalled', '');
      stream.end(grpcStatus(GRPC.unavailable, 'the client does not read'));
    }
    const { delta, sotw } = this.chunks;
    const uses = delta.hits + delta.misses + sotw.hits + sotw.misses;
    if (uses === this.#chunkUses) {
      delta.clear();
      sotw.clear();
    }
    this.#chunkUses = uses;
  }

  /** Ends all streams: clients connect again, here or elsewhere. */
  close(): void {
    this.#isClosed = true;
    this.#sweep.disarm();
    for (const stream of [...this.#streams]) stream.end(grpcStatus(GRPC.unavailable, 'the server shuts down'));
  }
}

function sweep(server: { sweep(): void }): void {
  server.sweep();
}

function isStatus(answer: unknown): answer is GrpcStatus {
  const { code, message } = answer as Partial<GrpcStatus>;
  return typeof code === 'number' && typeof message === 'string';
}

/** Calls back at once where nothing has to be waited for. A promise that fails is an answer, too. */
function settle<T>(answer: T | GrpcStatus | Promise<T | GrpcStatus>, take: (answer: T | GrpcStatus) => void): void {
  if (!(answer instanceof Promise)) {
    take(answer);
    return;
  }
  answer.then(take, () => take(grpcStatus(GRPC.internal, 'the request could not be judged')));
}
