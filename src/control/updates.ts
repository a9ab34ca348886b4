// Changed objects on their way: gathered, settled in one batch, noted for receipts, and pushed to whoever is concerned.
import type { BatchReport } from '../base/collection.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../telemetry/log.ts';
import type { XdsServer } from '../xds/server/server.ts';
import type { Caller } from './admission.ts';
import type { MeshState, Settled } from './mesh-state.ts';
import { Debounce, type DebouncedRun } from './push/debounce.ts';
import { shortType } from './push/metrics.ts';
import type { PushObserver } from './push/push-observer.ts';
import type { AppliedObject, Receipts } from './push/receipts.ts';
import type { ConfigObject } from './source/object.ts';

export type UpdateParts = { readonly clock: Clock; readonly state: MeshState; readonly log: Logger };

/** Who is told of what was settled. */
export type UpdateSinks = {
  readonly xds: XdsServer<Caller>;
  readonly receipts: Receipts;
  readonly observer: PushObserver;
};

/** One push: what caused it and what it cost. */
export type PushRecord = {
  readonly wallMs: number;
  /** Keys of objects, the first of them; `objects` counts all. */
  readonly causes: readonly string[];
  readonly objects: number;
  /** Waited for others, and computed, ms. */
  readonly waitedMs: number;
  readonly computeMs: number;
  /** Resources that changed, by short type; and the tables in which they did. */
  readonly changed: Readonly<Record<string, number>>;
  readonly tables: number;
  /** Collections in which something was computed or changed. */
  readonly work: BatchReport['work'];
  /** What was sent until the next push. */
  sent: { readonly responses: number; readonly bytes: number; readonly refusals: number };
};

const MAX_RECORDS = 200;
const MAX_CAUSES = 20;
const NOTHING = Object.freeze({ responses: 0, bytes: 0, refusals: 0 });

export class Updates {
  /** Called when a change, or what is said of it, is there for everybody to see. */
  onSettled: () => void = () => {};
  readonly #parts: UpdateParts;
  readonly #debounce: Debounce;
  readonly #generations = new Map<string, number>();
  readonly #records: PushRecord[] = [];
  /** The tables that there were when an object's change was settled. */
  readonly #followed = new Map<string, number>();
  #pending = new Map<string, ConfigObject | null>();
  #sinks: UpdateSinks | null = null;

  constructor(parts: UpdateParts) {
    this.#parts = parts;
    this.#debounce = new Debounce(parts.clock, (run) => this.#run(run));
  }

  /** From now on proxies are served; what was settled before is known to receipts. */
  attach(sinks: UpdateSinks): void {
    this.#sinks = sinks;
    const applied = [...this.#generations].map(([key, generation]) => ({ key, generation }));
    sinks.receipts.commit(applied, [], []);
  }

  stop(): void {
    this.#debounce.stop();
  }

  /** Objects that changed, null for those that are gone. */
  changed(changes: ReadonlyMap<string, ConfigObject | null>): void {
    this.#parts.clock.update();
    // Only findings are other ones.
    if (changes.size === 0) this.onSettled();
    for (const [key, object] of changes) {
      this.#pending.delete(key);
      this.#pending.set(key, object);
      this.#debounce.change(key);
    }
  }

  /** Whether a change of the object waits to be settled. */
  isPending(key: string): boolean {
    return this.#pending.has(key);
  }

  /** At once, whatever the debounce says. */
  flush(): void {
    this.#debounce.fire();
  }

  /** Whether a change of the object was settled since those tables are there (`Views.shape`). */
  isFollowed(key: string, shape: number): boolean {
    return this.#followed.get(key) === shape;
  }

  /** 0: no such object. */
  generationOf(key: string): number {
    return this.#generations.get(key) ?? 0;
  }

  /** The latest last. */
  get records(): readonly PushRecord[] {
    this.#closeRecord();
    return this.#records;
  }

  #run({ sinceMs }: DebouncedRun): void {
    const { clock, log, state } = this.#parts;
    const pending = this.#pending;
    this.#pending = new Map();
    const startMs = clock.update();
    const settled = this.#settle(pending, log);
    const computeMs = clock.update() - startMs;
    const { applied, gone } = this.#generationsOf(pending);
    for (const { key } of applied) this.#followed.set(key, state.views.shape);
    for (const key of gone) this.#followed.delete(key);
    const sinks = this.#sinks;
    if (sinks === null) return;
    this.#closeRecord();
    this.#note(settled, startMs - sinceMs, computeMs, state.graph.lastBatch.work);
    sinks.observer.pushed('config', startMs - sinceMs);
    sinks.receipts.commit(applied, gone, settled.changes);
    sinks.xds.push(sinceMs);
    this.onSettled();
  }

  #settle(pending: ReadonlyMap<string, ConfigObject | null>, log: Logger): Settled {
    const { state } = this.#parts;
    try {
      return state.apply(pending);
    } catch (error) {
      // A bug in one function of the graph: its key keeps what it had, and everything else is in place.
      const bugs = error instanceof AggregateError ? error.errors : [error];
      for (const bug of bugs) log.error(`bug while settling: ${bug instanceof Error ? bug.stack : String(bug)}`);
      return state.settled([...pending.keys()]);
    }
  }

  #generationsOf(changed: ReadonlyMap<string, ConfigObject | null>): { applied: AppliedObject[]; gone: string[] } {
    const applied: AppliedObject[] = [];
    const gone: string[] = [];
    for (const [key, object] of changed) {
      if (object === null) {
        gone.push(key);
        this.#generations.delete(key);
        continue;
      }
      const generation = Math.max(object.generation, (this.#generations.get(key) ?? 0) + 1);
      this.#generations.set(key, generation);
      applied.push({ key, generation });
    }
    return { applied, gone };
  }

  #note({ causes, changes }: Settled, waitedMs: number, computeMs: number, work: BatchReport['work']): void {
    const changed: Record<string, number> = {};
    for (const { table, names } of changes) {
      const type = shortType(table.typeUrl);
      changed[type] = (changed[type] ?? 0) + names.length;
    }
    const { wallMs } = this.#parts.clock;
    const counts = { objects: causes.length, waitedMs, computeMs, changed, tables: changes.length, work };
    this.#records.push({ wallMs, causes: causes.slice(0, MAX_CAUSES), ...counts, sent: NOTHING });
    if (this.#records.length > MAX_RECORDS) this.#records.shift();
  }

  /** What was sent since belongs to the last push. */
  #closeRecord(): void {
    const counts = this.#sinks?.observer.takeCounts();
    const last = this.#records.at(-1);
    if (counts === undefined || last === undefined) return;
    const { sent } = last;
    last.sent = {
      responses: sent.responses + counts.responses,
      bytes: sent.bytes + counts.bytes,
      refusals: sent.refusals + counts.refusals,
    };
  }
}
