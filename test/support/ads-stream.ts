// One stream of the test's xDS server: what the client wants, what it was sent, and what it said of that.
import type { ServerCall, ServerCallHandler } from '../../src/grpc/service.ts';
import { grpcStatus } from '../../src/grpc/status.ts';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
  Node,
  Resource,
} from '../../src/proto/generated/types.d.ts';
import type { Any } from '../../src/proto/any.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { registry } from '../../src/proto/registry.ts';
import { typeUrlName, typeUrlOf } from '../../src/proto/type-url.ts';
import { COMPLETE_TYPES } from '../../src/xds/client/services.ts';
import type { AdsServer } from './ads-server.ts';

export type ServedResource = {
  readonly bytes: Uint8Array;
  /** '' for one that changes with the bytes. */
  readonly version: string;
  readonly typeUrl: string;
  /** 0: it does not expire. */
  readonly ttlMs: number;
  readonly aliases: readonly string[];
  /** State of the world: inside an envoy.service.discovery.v3.Resource. */
  readonly isWrapped: boolean;
};

export type TypeSnapshot = { readonly version: string; readonly resources: ReadonlyMap<string, ServedResource> };
export type Snapshot = { get(type: string): TypeSnapshot | null };

/** One request, of either form: what the other form has is empty. */
export type AdsRequest = {
  /** Streams are numbered from 1. */
  readonly stream: number;
  readonly path: string;
  readonly isDelta: boolean;
  readonly type: string;
  readonly nodeId: string;
  readonly hasNode: boolean;
  readonly node: Node | null;
  readonly version: string;
  readonly nonce: string;
  readonly names: readonly string[];
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  readonly initialVersions: Readonly<Record<string, string>>;
  /** The refusal's text; null: no refusal. */
  readonly error: string | null;
};

/** What a stream sends by. */
export type AdsCall = Pick<ServerCall<unknown>, 'send' | 'sendBytes' | 'end'>;

/** What one stream knows of one type. */
type TypeState = {
  names: ReadonlySet<string>;
  isWildcard: boolean;
  /** Nonce of what was sent last, and what the client answered. */
  sentNonce: string;
  answeredNonce: string;
  isRefused: boolean;
  /** Of the snapshot that was sent last (state of the world). */
  sentVersion: string;
  /** Versions of resources that the client has. */
  readonly has: Map<string, string>;
};

export class AdsStream implements ServerCallHandler<unknown> {
  readonly number: number;
  readonly path: string;
  readonly isDelta: boolean;
  readonly types = new Map<string, TypeState>();
  nodeId = '';
  isOver = false;
  readonly #server: AdsServer;
  readonly #call: AdsCall;
  /** Of a stream that is for one type. */
  readonly #onlyType: string | null;
  #nonces = 0;

  constructor(
    server: AdsServer,
    call: AdsCall,
    number: number,
    path: string,
    isDelta: boolean,
    onlyType: string | null,
  ) {
    this.#server = server;
    this.#call = call;
    this.number = number;
    this.path = path;
    this.isDelta = isDelta;
    this.#onlyType = onlyType;
  }

  wants(type: string): boolean {
    const state = this.types.get(type);
    return state !== undefined && (state.isWildcard || state.names.size > 0);
  }

  isAcked(type: string): boolean {
    const state = this.types.get(type);
    return state !== undefined && state.sentNonce === state.answeredNonce && !state.isRefused;
  }

  close(code: number, message: string): void {
    if (this.isOver) return;
    this.#end();
    this.#call.end(grpcStatus(code, message));
    this.#server.happened();
  }

  #end(): void {
    this.isOver = true;
    this.#server.streams.delete(this);
  }

  onEnd(): void {
    if (this.isOver) return;
    this.#end();
    this.#call.end();
    this.#server.happened();
  }

  onCancelled(): void {
    this.#end();
    this.#server.happened();
  }

  // ─── Requests ───────────────────────────────────────────────────────────────────────────────────────────────────

  onMessage(message: unknown): void {
    const given = message as DiscoveryRequest & DeltaDiscoveryRequest;
    const type = given.type_url === undefined ? (this.#onlyType ?? '') : typeUrlName(given.type_url);
    if (given.node !== undefined) this.nodeId = given.node.id ?? '';
    const request: AdsRequest = {
      ...{ stream: this.number, path: this.path, isDelta: this.isDelta, type, nodeId: this.nodeId },
      ...{ hasNode: given.node !== undefined, node: given.node ?? null },
      ...{ version: given.version_info ?? '', nonce: given.response_nonce ?? '', names: given.resource_names ?? [] },
      subscribe: given.resource_names_subscribe ?? [],
      unsubscribe: given.resource_names_unsubscribe ?? [],
      initialVersions: given.initial_resource_versions ?? {},
      error: given.error_detail === undefined ? null : (given.error_detail.message ?? ''),
    };
    this.#server.noteRequest(request, this);
    if (!this.isOver) {
      if (this.isDelta) this.#takeDelta(request);
      else this.#takeSotw(request);
    }
    this.#server.happened();
  }

  #state(type: string): { readonly state: TypeState; readonly isNew: boolean } {
    const known = this.types.get(type);
    if (known !== undefined) return { state: known, isNew: false };
    const state: TypeState = {
      ...{ names: new Set(), isWildcard: false, sentNonce: '', answeredNonce: '', isRefused: false, sentVersion: '' },
      has: new Map(),
    };
    this.types.set(type, state);
    return { state, isNew: true };
  }

  #takeSotw({ type, names, nonce, version, error }: AdsRequest): void {
    const { state, isNew } = this.#state(type);
    if (nonce !== '' && nonce !== state.sentNonce) return;
    const added = names.filter((name) => !state.names.has(name));
    if (isNew) state.isWildcard = names.length === 0;
    else if (names.length > 0) state.isWildcard = false;
    state.names = new Set(names);
    for (const name of state.has.keys()) if (!state.isWildcard && !state.names.has(name)) state.has.delete(name);
    state.answeredNonce = nonce;
    state.isRefused = error !== null;
    const snapshot = this.#server.snapshotOf(this.nodeId).get(type);
    // A client that comes back says what it has.
    const isDue = isNew ? version !== snapshot?.version : nonce === '' || added.length > 0;
    if (snapshot !== null && isDue) this.#sendSotw(type, state, snapshot);
  }

  #takeDelta({ type, subscribe, unsubscribe, initialVersions, nonce, error }: AdsRequest): void {
    const { state, isNew } = this.#state(type);
    if (nonce !== '') {
      state.answeredNonce = nonce;
      state.isRefused = error !== null;
    }
    if (isNew) {
      state.isWildcard = subscribe.length === 0;
      for (const [name, version] of Object.entries(initialVersions)) state.has.set(name, version);
    }
    const names = new Set(state.names);
    for (const name of unsubscribe) {
      if (name === '*') state.isWildcard = false;
      names.delete(name);
      if (!state.isWildcard) state.has.delete(name);
    }
    for (const name of subscribe) {
      if (name === '*') state.isWildcard = true;
      else names.add(name);
      // Whoever asks again is told again, but on a new stream, where it says what it has.
      if (!isNew) state.has.delete(name);
    }
    state.names = names;
    if (isNew || subscribe.length > 0) this.#sendDelta(type, state, isNew ? [] : subscribe, isNew);
  }

  // ─── Responses ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** The snapshot of a type is another one. */
  changed(type: string): void {
    const state = this.types.get(type);
    const snapshot = this.#server.snapshotOf(this.nodeId).get(type);
    if (state === undefined || snapshot === null || !this.wants(type)) return;
    if (this.isDelta) this.#sendDelta(type, state, [], false);
    else if (snapshot.version !== state.sentVersion) this.#sendSotw(type, state, snapshot);
  }

  #sendSotw(type: string, state: TypeState, snapshot: TypeSnapshot): void {
    const resources: Any[] = [];
    for (const [name, served] of snapshot.resources) {
      if (!state.isWildcard && !state.names.has(name)) continue;
      const isKnown = state.has.get(name) === served.version;
      if (this.#server.sendsOnlyChanged && !COMPLETE_TYPES.has(type) && isKnown) continue;
      state.has.set(name, served.version);
      resources.push(sotwResource(name, served));
    }
    const nonce = String(++this.#nonces);
    state.sentNonce = nonce;
    state.sentVersion = snapshot.version;
    const control_plane = { identifier: 'test-server' };
    const type_url = typeUrlOf(type);
    const response: DiscoveryResponse = { version_info: snapshot.version, type_url, nonce, resources, control_plane };
    this.#send(type, response);
  }

  /** `asked`: they are named as missing if there are none. */
  #sendDelta(type: string, state: TypeState, asked: readonly string[], isNew: boolean): void {
    const snapshot = this.#server.snapshotOf(this.nodeId).get(type);
    const resources: Resource[] = [];
    for (const [name, served] of snapshot?.resources ?? []) {
      if (!state.isWildcard && !state.names.has(name)) continue;
      if (state.has.get(name) === served.version) continue;
      state.has.set(name, served.version);
      resources.push(deltaResource(name, served));
    }
    const removed = [...state.has.keys()].filter((name) => snapshot?.resources.has(name) !== true);
    for (const name of removed) state.has.delete(name);
    const missing = (isNew ? [...state.names] : asked).filter(
      (name) => name !== '*' && snapshot?.resources.has(name) !== true && !removed.includes(name),
    );
    const removed_resources = [...removed, ...missing];
    const isFirstWildcard = isNew && state.isWildcard && snapshot !== null;
    if (resources.length === 0 && removed_resources.length === 0 && !isFirstWildcard) return;
    const nonce = String(++this.#nonces);
    state.sentNonce = nonce;
    const response: DeltaDiscoveryResponse = {
      ...{ system_version_info: snapshot?.version ?? '', type_url: typeUrlOf(type), nonce, resources },
      ...{ removed_resources, control_plane: { identifier: 'test-server' } },
    };
    this.#send(type, response);
  }

  #send(type: string, response: DiscoveryResponse | DeltaDiscoveryResponse): void {
    this.#server.dispatch(type, () => {
      if (!this.isOver) this.#call.send(response);
    });
  }

  /** Sends a response as the test wrote it. */
  sendMessage(response: DiscoveryResponse | DeltaDiscoveryResponse): void {
    if (!this.isOver) this.#call.send(response);
  }

  /** Sends bytes as a message. */
  sendBytes(bytes: Uint8Array): void {
    if (!this.isOver) this.#call.sendBytes(bytes);
  }
}

const RESOURCE = 'envoy.service.discovery.v3.Resource';

function deltaResource(name: string, served: ServedResource): Resource {
  const { version, bytes, typeUrl, ttlMs, aliases } = served;
  return {
    ...{ name, version, resource: { type_url: typeUrl, value: bytes } as never },
    ...(ttlMs > 0 ? { ttl: { seconds: Math.floor(ttlMs / 1000), nanos: (ttlMs % 1000) * 1e6 } } : {}),
    ...(aliases.length > 0 ? { aliases: [...aliases] } : {}),
  };
}

function sotwResource(name: string, served: ServedResource): Any {
  if (!served.isWrapped && served.ttlMs === 0) return { type_url: served.typeUrl, value: served.bytes };
  return {
    type_url: typeUrlOf(RESOURCE),
    value: encodeBinary(registry.message(RESOURCE), deltaResource(name, served)),
  };
}
