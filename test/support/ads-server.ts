// An xDS server over gRPC for tests: snapshots per node, state of the world and delta, aggregated and not; it records
// what clients ask, and misbehaves when it is told to.
import { Clock, Random } from '../../src/base/clock.ts';
import type { GrpcServerOptions } from '../../src/grpc/options.ts';
import { GrpcServer } from '../../src/grpc/server.ts';
import type { AnyServerMethod } from '../../src/grpc/service.ts';
import { createEngine } from '../../src/net/engine.ts';
import type { Any } from '../../src/proto/any.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { registry } from '../../src/proto/registry.ts';
import { typeUrlOf } from '../../src/proto/type-url.ts';
import { AGGREGATED_SERVICE, SERVICES } from '../../src/xds/client/services.ts';
import {
  type AdsCall,
  type AdsRequest,
  AdsStream,
  type ServedResource,
  type Snapshot,
  type TypeSnapshot,
} from './ads-stream.ts';

export type { AdsRequest, ServedResource } from './ads-stream.ts';

/** A resource as tests write it: a message of the type, or what `resource` made. */
export type Written = object | ServedResource;

/** The node of snapshots for whoever has none of its own. */
export const ANY_NODE = '*';

const MESSAGES = {
  sotw: ['envoy.service.discovery.v3.DiscoveryRequest', 'envoy.service.discovery.v3.DiscoveryResponse'],
  delta: ['envoy.service.discovery.v3.DeltaDiscoveryRequest', 'envoy.service.discovery.v3.DeltaDiscoveryResponse'],
} as const;

/** Requests that are kept; a client in a loop of refusals would fill the memory. */
const MAX_REQUESTS = 100_000;

export class AdsServer {
  readonly port: number;
  /** What came, in order, of all streams. */
  readonly requests: AdsRequest[] = [];
  /** Streams that are open. */
  readonly streams = new Set<AdsStream>();
  readonly snapshots = new Map<string, Map<string, TypeSnapshot>>();
  /** Streams so far. */
  streamCount = 0;

  // ─── Misbehaviour ───────────────────────────────────────────────────────────────────────────────────────────────

  /** New streams end at once with this status. */
  refuseWith: { readonly code: number; readonly message: string } | null = null;
  /** Responses wait so long. */
  delayMs = 0;
  /** Responses wait until `release`. */
  isHolding = false;
  /** How many of the next responses of a type are never sent. */
  readonly drops = new Map<string, number>();
  /** State of the world: types but listeners and clusters are sent whole, or only what changed. */
  sendsOnlyChanged = false;
  /** Told of each request before it is answered. */
  onRequest: (request: AdsRequest, stream: AdsStream) => void = () => {};
  #held: (() => void)[] = [];
  #versions = 0;
  #waiting: { readonly test: () => boolean; readonly resolve: () => void }[] = [];
  readonly #server: GrpcServer;

  constructor(port = 0, options: Partial<GrpcServerOptions> = {}) {
    const clock = new Clock();
    const onBug = (error: unknown): never => {
      throw error;
    };
    const engine = createEngine({ clock, onBug });
    clock.wrap = (run) => engine.run(run);
    const limits = { maxMessageBytes: 64 * 1024 * 1024, ...options };
    this.#server = new GrpcServer({ engine, random: new Random() }, limits);
    this.#addMethods(AGGREGATED_SERVICE, null);
    for (const [type, service] of SERVICES) this.#addMethods(service, type);
    const listener = this.#server.listen({ family: 'ipv4', address: '127.0.0.1', port });
    if ('errno' in listener) throw new Error(listener.detail);
    this.port = listener.address.port;
  }

  #addMethods(service: { readonly stream: string; readonly delta: string }, type: string | null): void {
    if (service.stream !== '') this.#server.add(this.#method(service.stream, false, type));
    if (service.delta !== '') this.#server.add(this.#method(service.delta, true, type));
  }

  #method(path: string, isDelta: boolean, type: string | null): AnyServerMethod {
    const [request, response] = MESSAGES[isDelta ? 'delta' : 'sotw'];
    return {
      path,
      request: registry.message(request),
      response: registry.message(response),
      start: (call) => this.connect(call, path, isDelta, type),
    };
  }

  /** Serves a stream, which need not come over a socket. */
  connect(call: AdsCall, path: string, isDelta: boolean, type: string | null): AdsStream {
    const stream = new AdsStream(this, call, ++this.streamCount, path, isDelta, type);
    this.streams.add(stream);
    if (this.refuseWith !== null) stream.close(this.refuseWith.code, this.refuseWith.message);
    return stream;
  }

  stop(): void {
    for (const stream of this.streams) stream.isOver = true;
    this.#server.stop();
  }

  // ─── What is served ─────────────────────────────────────────────────────────────────────────────────────────────

  /** From now on these are all resources of the type; streams that want it are told. Returns the version. */
  set(type: string, resources: Readonly<Record<string, Written>>, nodeId = ANY_NODE): string {
    const version = String(++this.#versions);
    const before = this.snapshots.get(nodeId)?.get(type)?.resources;
    const served = new Map<string, ServedResource>();
    for (const [name, written] of Object.entries(resources)) {
      const made = isServed(written) ? written : resource(type, written);
      const known = before?.get(name);
      const isSame = known !== undefined && Buffer.compare(known.bytes, made.bytes) === 0;
      const own = made.version !== '' ? made.version : isSame ? known.version : version;
      served.set(name, { ...made, version: own });
    }
    this.#store(nodeId, type, { version, resources: served });
    return version;
  }

  /** One resource more, or another one of that name. */
  put(type: string, name: string, written: Written, nodeId = ANY_NODE): string {
    const before = this.snapshots.get(nodeId)?.get(type)?.resources ?? new Map<string, ServedResource>();
    return this.set(type, { ...Object.fromEntries(before), [name]: written }, nodeId);
  }

  remove(type: string, name: string, nodeId = ANY_NODE): string {
    const before = new Map(this.snapshots.get(nodeId)?.get(type)?.resources);
    before.delete(name);
    return this.set(type, Object.fromEntries(before), nodeId);
  }

  #store(nodeId: string, type: string, snapshot: TypeSnapshot): void {
    let types = this.snapshots.get(nodeId);
    if (types === undefined) {
      types = new Map();
      this.snapshots.set(nodeId, types);
    }
    types.set(type, snapshot);
    for (const stream of [...this.streams]) stream.changed(type);
  }

  snapshotOf(nodeId: string): Snapshot {
    const own = this.snapshots.get(nodeId);
    const common = this.snapshots.get(ANY_NODE);
    return { get: (type) => own?.get(type) ?? common?.get(type) ?? null };
  }

  // ─── What came ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** For streams. */
  noteRequest(request: AdsRequest, stream: AdsStream): void {
    if (this.requests.length < MAX_REQUESTS) this.requests.push(request);
    this.onRequest(request, stream);
  }

  /** Refusals so far. */
  get nacks(): readonly AdsRequest[] {
    return this.requests.filter(({ error }) => error !== null);
  }

  of(type: string): readonly AdsRequest[] {
    return this.requests.filter((request) => request.type === type);
  }

  /** Whether each stream that wants the type has taken its latest version on, and every other state it was sent. */
  isAcked(type: string): boolean {
    const streams = [...this.streams].filter((stream) => stream.wants(type));
    return streams.length > 0 && streams.every((stream) => stream.isAcked(type));
  }

  /** Resolves when the test holds, which is asked after each request; rejects in the end. */
  async until(test: () => boolean, timeoutMs = 30_000, what = 'what was waited for did not come'): Promise<void> {
    if (test()) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${what}; requests: ${this.show()}`)), timeoutMs);
    });
    const done = new Promise<void>((resolve) => this.#waiting.push({ test, resolve }));
    await Promise.race([done, late]).finally(() => clearTimeout(timer));
  }

  /** For streams: something happened. */
  happened(): void {
    this.#waiting = this.#waiting.filter(({ test, resolve }) => {
      if (!test()) return true;
      resolve();
      return false;
    });
  }

  /** The last requests as text. */
  show(count = 30): string {
    return this.requests.slice(-count).map(showRequest).join('\n');
  }

  // ─── What is sent, and when ─────────────────────────────────────────────────────────────────────────────────────

  /** For streams: sends now, later or never. */
  dispatch(type: string, send: () => void): void {
    const drops = this.drops.get(type) ?? 0;
    if (drops > 0) this.drops.set(type, drops - 1);
    else if (this.isHolding) this.#held.push(send);
    else if (this.delayMs > 0) setTimeout(send, this.delayMs);
    else send();
  }

  get heldCount(): number {
    return this.#held.length;
  }

  /** Sends what is held, in the order that `order` makes of it, and holds no more. */
  release(order: (held: (() => void)[]) => (() => void)[] = (held) => held): void {
    this.isHolding = false;
    const held = order(this.#held);
    this.#held = [];
    for (const send of held) send();
  }

  /** Ends all streams. */
  closeStreams(code = 14, message = 'closed by the test'): void {
    for (const stream of [...this.streams]) stream.close(code, message);
  }
}

function isServed(written: Written): written is ServedResource {
  return 'bytes' in written && written.bytes instanceof Uint8Array;
}

/** A resource with more than its message: a version of its own, a life, other names, another type than it should be. */
export function resource(
  type: string,
  message: object | Uint8Array,
  more: Partial<Pick<ServedResource, 'version' | 'ttlMs' | 'aliases' | 'isWrapped' | 'typeUrl'>> = {},
): ServedResource {
  const bytes = message instanceof Uint8Array ? message : encodeBinary(registry.message(type), message as never);
  return { version: '', ttlMs: 0, aliases: [], isWrapped: false, typeUrl: typeUrlOf(type), ...more, bytes };
}

export function anyOf({ typeUrl, bytes }: ServedResource): Any {
  return { type_url: typeUrl, value: bytes };
}

/** 'stream 1 Cluster v1 n2 [a b] NACK: …' */
export function showRequest(request: AdsRequest): string {
  const { stream, type, names, version, nonce, error, subscribe, unsubscribe, initialVersions } = request;
  const short = type.slice(type.lastIndexOf('.') + 1);
  const parts = [`stream ${stream}`, short];
  if (version !== '') parts.push(`version ${version}`);
  parts.push(nonce === '' ? 'first' : `nonce ${nonce}`);
  if (names.length > 0) parts.push(`[${names.join(' ')}]`);
  if (subscribe.length > 0) parts.push(`+[${subscribe.join(' ')}]`);
  if (unsubscribe.length > 0) parts.push(`-[${unsubscribe.join(' ')}]`);
  const known = Object.entries(initialVersions).map(([name, own]) => `${name}=${own}`);
  if (known.length > 0) parts.push(`has [${known.sort().join(' ')}]`);
  if (request.hasNode) parts.push('with node');
  if (error !== null) parts.push(`NACK: ${error}`);
  return parts.join(' ');
}
