// What is to be said of each object: where it stands, what is wrong with it, and how far it came among the proxies.
import type { Clock } from '../base/clock.ts';
import type { Collection } from '../base/collection.ts';
import type { MeshState } from './mesh-state.ts';
import type { ObjectStatus, Receipts } from './push/receipts.ts';
import type { ObjectSource } from './source/config-source.ts';
import type { Finding } from './source/finding.ts';
import { effectOf } from './effect.ts';
import type { Complaint } from './translate/complaint.ts';
import type { Updates } from './updates.ts';

export type StatusReport = ObjectStatus & {
  readonly file: string;
  readonly line: number;
  /** Whether it takes effect, and if not, why. */
  readonly effect: string;
  readonly findings: readonly Finding[];
};

export type StatusParts = {
  readonly clock: Clock;
  readonly state: MeshState;
  readonly source: ObjectSource;
  readonly receipts: Receipts;
  readonly updates: Updates;
};

/** Of one stage at one place: each has its line looked up with every push. */
const MAX_COMPLAINTS = 100;
/** How long one question may spend on finding out effects of objects; the next one goes on. */
const MOST_TRY_MS = 50;
/** How long a question about all objects may go on with that. */
const LONGEST_TRY_MS = 2000;

export class StatusBook {
  readonly #parts: StatusParts;
  readonly #complaints: readonly Collection<readonly Complaint[]>[];
  readonly #tried = new Map<string, number>();

  constructor(parts: StatusParts) {
    this.#parts = parts;
    this.#complaints = parts.state.stages.complaints;
  }

  /** Null: there is no such object. */
  of(key: string): StatusReport | null {
    this.#findEffect(key);
    const status = this.#parts.receipts.statusOf(key);
    return status === null ? null : this.#report(status, this.#findingsByKey(key).get(key) ?? []);
  }

  /** Finds out effects of objects that were not asked for before, for a while; false: there are more. */
  tryMore(): boolean {
    const { clock, source } = this.#parts;
    const endMs = clock.update() + MOST_TRY_MS;
    for (const key of source.objects().keys()) if (this.#findEffect(key) && clock.update() >= endMs) return false;
    return true;
  }

  /** The same for all of them, with pauses in which others have their turn. */
  async tryAll(longestMs = LONGEST_TRY_MS): Promise<void> {
    const { clock } = this.#parts;
    const endMs = clock.update() + longestMs;
    while (!this.tryMore() && clock.update() < endMs) {
      await new Promise<void>((resolve) => clock.timer(resolve, undefined).arm(1));
    }
  }

  all(): StatusReport[] {
    this.tryMore();
    const findings = this.#findingsByKey(null);
    return [...this.#parts.receipts.statuses()].map((status) => this.#report(status, findings.get(status.key) ?? []));
  }

  /** What is complained of anywhere, with places in files. */
  findings(): Finding[] {
    const told = this.#complaints.flatMap((one) =>
      [...one.entries()].flatMap(([, complaints]) => this.#told(complaints)),
    );
    return [...this.#parts.source.findings(), ...told];
  }

  /** `wanted`: of this object only. */
  #findingsByKey(wanted: string | null): ReadonlyMap<string, readonly Finding[]> {
    const byKey = new Map<string, Finding[]>();
    const add = (finding: Finding): void => {
      const known = byKey.get(finding.key);
      if (known === undefined) byKey.set(finding.key, [finding]);
      else known.push(finding);
    };
    for (const finding of this.#parts.source.findings()) if (wanted === null || finding.key === wanted) add(finding);
    for (const collection of this.#complaints) {
      for (const [, complaints] of collection.entries()) {
        const own = wanted === null ? complaints : complaints.filter(({ objectKey }) => objectKey === wanted);
        for (const finding of this.#told(own)) add(finding);
      }
    }
    return byKey;
  }

  /** With their places; of thousands the first. */
  #told(complaints: readonly Complaint[]): Finding[] {
    const told = complaints.slice(0, MAX_COMPLAINTS).map((complaint) => this.#located(complaint));
    const last = complaints[MAX_COMPLAINTS];
    if (last === undefined) return told;
    const message = `${complaints.length - MAX_COMPLAINTS} more of this kind are not told`;
    return [...told, this.#located({ ...last, message, remedy: 'mend those before it first' })];
  }

  #report(status: ObjectStatus, findings: readonly Finding[]): StatusReport {
    const { source } = this.#parts;
    const place = source.positionOf(status.key);
    const closed = this.#parts.state.stages.security.closed.get(status.key);
    const effect = effectOf(source.objects().get(status.key), closed);
    return { ...status, file: place?.file ?? '', line: place?.line ?? 0, effect, findings };
  }

  #located({ objectKey, fieldPath, message, remedy, severity }: Complaint): Finding {
    const place = this.#parts.source.positionOf(objectKey, fieldPath);
    const { file = '', line = 0, column = 0 } = place ?? {};
    return { severity, key: objectKey, file, line, column, path: fieldPath, message, remedy };
  }

  /**
   * Receipts know what a change changed. Of an object that has been there since the start, or before proxies came, that
   * is found out by taking it away for a moment: nobody is told in between. True if it was tried.
   */
  #findEffect(key: string): boolean {
    const { updates, state, receipts, source } = this.#parts;
    const generation = updates.generationOf(key);
    const stamp = state.views.shape;
    if (generation === 0 || this.#tried.get(key) === stamp || updates.isFollowed(key, stamp)) return false;
    const object = source.objects().get(key);
    if (object === undefined) return false;
    this.#tried.set(key, stamp);
    receipts.commit([{ key, generation }], [], state.impactOf(key, object));
    return true;
  }
}
