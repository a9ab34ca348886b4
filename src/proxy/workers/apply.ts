// Takes configuration updates on while traffic goes on: decodes in slices, then swaps one resource after another.
import type { Core, Decoded } from '../core.ts';
import type { Worker } from '../worker.ts';
import type { ConfigUpdate, ResourceUpdate, UpdateOutcome } from './contract.ts';
import { CLUSTER_TYPE, LISTENER_TYPE, ResourceDecoder, ROUTE_TYPE, type Swap } from './resource-decoder.ts';

/** Milliseconds of one slice of work; an event that comes meanwhile waits so long at most. */
const SLICE_MS = 0.8;

/** In this order things come that others refer to; they go in the opposite one. */
const ORDER = [CLUSTER_TYPE, ROUTE_TYPE, LISTENER_TYPE];

type Pending = { readonly update: ConfigUpdate; readonly done: (outcome: UpdateOutcome) => void };

export class ConfigApplier {
  readonly #core: Core;
  readonly #decoder: ResourceDecoder;
  /** What serves now, by type and name. */
  readonly #current = new Map<string, Uint8Array>();
  readonly #waiting: Pending[] = [];
  #isRunning = false;

  constructor(worker: Worker, core: Core, decoded: Decoded) {
    this.#core = core;
    this.#decoder = new ResourceDecoder(worker, decoded);
  }

  /** Updates are taken one after another; `done` is called when all that can serve does. */
  apply(update: ConfigUpdate, done: (outcome: UpdateOutcome) => void): void {
    this.#waiting.push({ update, done });
    if (!this.#isRunning) this.#next();
  }

  applyAll(updates: readonly ConfigUpdate[], done: () => void): void {
    let left = updates.length;
    if (left === 0) done();
    for (const update of updates) {
      this.apply(update, () => {
        if (--left === 0) done();
      });
    }
  }

  #next(): void {
    const pending = this.#waiting.shift();
    this.#isRunning = pending !== undefined;
    if (pending === undefined) return;
    const refused: UpdateOutcome['refused'][number][] = [];
    const work = this.#work(pending.update, refused);
    const { clock } = this.#core;
    const slice = (): void => {
      const until = clock.update() + SLICE_MS;
      do {
        if (work.next().done !== true) continue;
        pending.done({ generation: pending.update.generation, refused });
        this.#next();
        return;
      } while (clock.update() < until);
      clock.defer(slice);
    };
    clock.defer(slice);
  }

  /** All of an update, a small step at a time. */
  *#work(update: ConfigUpdate, refused: UpdateOutcome['refused'][number][]): Generator<void> {
    const swaps: Swap[] = [];
    const sets = inOrder(update.resources.filter(({ bytes }) => bytes !== null));
    for (const resource of sets) {
      const bytes = resource.bytes as Uint8Array;
      if (sameBytes(this.#current.get(keyOf(resource)), bytes)) continue;
      const decoded = yield* this.#decoder.decode(resource.typeUrl, resource.name, bytes, update.generation);
      if (typeof decoded === 'string') refused.push({ ...nameOf(resource), reason: decoded });
      else {
        swaps.push(() => {
          const problem = decoded();
          if (problem !== null) refused.push({ ...nameOf(resource), reason: problem });
          else this.#current.set(keyOf(resource), bytes);
          return null;
        });
      }
      yield;
    }
    for (const swap of swaps) {
      swap();
      yield;
    }
    for (const resource of inOrder(update.resources.filter(({ bytes }) => bytes === null)).reverse()) {
      this.#current.delete(keyOf(resource));
      this.#decoder.remove(resource.typeUrl, resource.name);
      yield;
    }
  }
}

function keyOf({ typeUrl, name }: ResourceUpdate): string {
  return `${typeUrl} ${name}`;
}

function nameOf({ typeUrl, name }: ResourceUpdate): { typeUrl: string; name: string } {
  return { typeUrl, name };
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0;
}

function inOrder(resources: readonly ResourceUpdate[]): ResourceUpdate[] {
  const rank = ({ typeUrl }: ResourceUpdate): number => ORDER.findIndex((type) => typeUrl.endsWith(type));
  return [...resources].sort((a, b) => rank(a) - rank(b));
}
