// The dynamic configuration in force, as the supervisor keeps it: for workers that start later, and for their sockets.
import { isWhole } from '../../xds/client/services.ts';
import type { Core, Decoded } from '../core.ts';
import type { ListenerConfig } from '../listener/listener-config.ts';
import { runInSlices } from '../../base/slices.ts';
import { isSame, keyOf, keyOfWant } from './apply.ts';
import type { ConfigUpdate, ResourceUpdate, UpdateOutcome } from './contract.ts';
import { ADS_KEY } from '../xds/place.ts';
import type { Want } from '../xds/holders.ts';
import type { WorkerHolders } from '../xds/worker-holders.ts';
import { CLUSTER_TYPE, ENDPOINTS_TYPE, LISTENER_TYPE, SECRET_TYPE } from '../xds/types.ts';
import { ResourceDecoder, typeName } from './resource-decoder.ts';

type Refused = UpdateOutcome['refused'][number];
type Kept = { readonly resource: ResourceUpdate; readonly generation: number };

/** An update after the supervisor has looked at it. */
export type CheckedUpdate = {
  readonly update: ConfigUpdate;
  /** Listeners that need sockets. */
  readonly listeners: readonly ListenerConfig[];
  readonly refused: readonly Refused[];
};

export class Resources {
  readonly #core: Core;
  readonly #decoder: ResourceDecoder;
  /** What the supervisor's own clusters use, over which it asks servers. */
  readonly #holders: WorkerHolders;
  readonly #kept = new Map<string, Kept>();
  readonly #listeners = new Map<string, ListenerConfig>();
  /** What `forget` was told while an update is under way; null: none is. */
  #forgotten: Set<string> | null = null;

  constructor(core: Core, decoded: Decoded) {
    this.#core = core;
    // Workers tell what is to be told of what they decode.
    this.#decoder = new ResourceDecoder({ ...decoded, unknownFields: decoded.unknownFields.silent() });
    this.#holders = decoded.holders;
    for (const listener of decoded.config.listeners) this.#listeners.set(listener.name, listener);
  }

  /** Every listener there is, static ones first. */
  get listeners(): readonly ListenerConfig[] {
    return [...this.#listeners.values()];
  }

  /** What a new worker has to be told, oldest first. */
  get updates(): readonly ConfigUpdate[] {
    const byGeneration = new Map<number, ResourceUpdate[]>();
    for (const { resource, generation } of this.#kept.values()) {
      const resources = byGeneration.get(generation);
      if (resources === undefined) byGeneration.set(generation, [resource]);
      else resources.push(resource);
    }
    return [...byGeneration].sort(([a], [b]) => a - b).map(([generation, resources]) => ({ generation, resources }));
  }

  /** Leaves out what changes nothing and what may not be changed, and decodes listeners for their addresses. */
  check(update: ConfigUpdate, done: (checked: CheckedUpdate) => void): void {
    this.#forgotten = new Set();
    runInSlices(this.#core, this.#check(update), done);
  }

  *#check({ generation, resources }: ConfigUpdate): Generator<void, CheckedUpdate> {
    const changed: ResourceUpdate[] = [];
    const listeners: ListenerConfig[] = [];
    const refused: Refused[] = [];
    for (const resource of resources) {
      const { typeUrl, name, bytes } = resource;
      const isWaitedFor = resource.aliases !== undefined;
      if (!isWaitedFor && isSame(this.#kept.get(keyOf(resource))?.resource.bytes ?? undefined, bytes)) continue;
      const refusal = this.#decoder.refusal(resource);
      if (refusal !== null) {
        refused.push({ typeUrl, name, reason: refusal });
        continue;
      }
      if (bytes !== null && typeName(typeUrl) === LISTENER_TYPE) {
        const decoded = yield* this.#decoder.decode(resource, generation);
        if (typeof decoded === 'string') {
          refused.push({ typeUrl, name, reason: decoded });
          continue;
        }
        if (decoded.kind === 'listener') listeners.push(decoded.config);
      }
      yield* this.#take(resource, generation);
      changed.push({ ...resource, bytes: bytes === null ? null : sharedCopy(bytes) });
      yield;
    }
    return { update: { generation, resources: changed }, listeners, refused };
  }

  /** Takes on what a cluster of this thread uses; if it is wrong, workers say so, too. */
  *#take(resource: ResourceUpdate, generation: number): Generator<void, void> {
    const { name, bytes, place = ADS_KEY, isTimeout = false } = resource;
    const type = typeName(resource.typeUrl);
    if (type !== SECRET_TYPE && type !== ENDPOINTS_TYPE) return;
    const { secrets, endpoints } = this.#holders;
    const named = type === SECRET_TYPE ? secrets : endpoints;
    if (named.find(name, place) === null) return;
    const decoded = bytes === null ? null : yield* this.#decoder.decode(resource, generation);
    if (decoded === null && !isTimeout && type === ENDPOINTS_TYPE) named.set(name, place, null);
    else if (decoded === null || typeof decoded === 'string') named.timedOut(name, place);
    else if (decoded.kind === 'secret') secrets.set(name, place, decoded.secret);
    else if (decoded.kind === 'endpoints') endpoints.set(name, place, decoded.endpoints);
  }

  /** Equal bytes are news again: who used it is gone, or somebody asks for it who has not got it. */
  forget(want: Want): void {
    // All workers have all clusters, whoever asked for one.
    if (want.type === CLUSTER_TYPE) return;
    this.#kept.delete(keyOfWant(want));
    this.#forgotten?.add(keyOfWant(want));
  }

  /** All workers serve it now, save what they refused. */
  keep({ update, listeners }: CheckedUpdate, refused: readonly Refused[]): void {
    const forgotten = this.#forgotten;
    this.#forgotten = null;
    const refusedKeys = new Set(refused.map(({ typeUrl, name }) => `${typeUrl} ${name}`));
    for (const resource of update.resources) {
      const { typeUrl, name, bytes } = resource;
      // What was not found takes nothing away.
      if (refusedKeys.has(`${typeUrl} ${name}`) || resource.isAbsent === true) continue;
      // Later generations come later, also among those that replace.
      this.#kept.delete(keyOf(resource));
      // Somebody asked for it who may have missed this: the next answer is on its way to him.
      if (forgotten?.has(keyOf(resource)) === true) continue;
      const isListener = typeName(typeUrl) === LISTENER_TYPE;
      const listener = isListener ? listeners.find((one) => one.name === name) : undefined;
      const isKept = bytes !== null || isWhole(typeName(typeUrl), name);
      if (isKept) this.#kept.set(keyOf(resource), { resource, generation: update.generation });
      if (isListener && bytes === null) this.#listeners.delete(name);
      else if (listener !== undefined) this.#listeners.set(name, listener);
    }
  }
}

/** One copy for all threads. */
function sharedCopy(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
