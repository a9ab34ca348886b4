// What changed in the configuration: the object, how it differs, how far it came among the proxies, and how the mesh
// did before and after.
import type { Clock } from '../../base/clock.ts';
import type { ObjectStatus, Receipts } from '../push/receipts.ts';
import type { ObjectSource, SourceCause } from '../source/config-source.ts';
import { type Finding, formatFinding } from '../source/finding.ts';
import type { ConfigObject } from '../source/object.ts';
import { objectYaml } from '../source/object-text.ts';
import { unifiedDiff } from './line-diff.ts';
import type { Updates } from '../updates.ts';
import type { ChangeReceipt, TimelineEntry } from './page-types.ts';
import type { TrafficBook } from './traffic-book.ts';

export type TimelineParts = {
  readonly clock: Clock;
  readonly source: Pick<ObjectSource, 'objects' | 'onChange' | 'findings' | 'positionOf'>;
  readonly receipts: Pick<Receipts, 'subscribe'>;
  readonly updates: Pick<Updates, 'generationOf'>;
  readonly traffic: TrafficBook;
};

/** Of the configuration, and of Pods, endpoints and the like, which must not drive it out. */
const MAX_ENTRIES = 200;
/** Objects of one change whose difference is worked out. */
const MAX_DIFFS = 50;
const MAX_REJECTED = 20;
const MAX_SHOWN_REFUSALS = 5;
/** How long before and after a change is compared. */
const COMPARED_MS = 30_000;
const OF_WORKLOADS: ReadonlySet<string> = new Set(['Pod', 'EndpointSlice', 'Node', 'WorkloadEntry']);

type Draft = { -readonly [Field in keyof TimelineEntry]: TimelineEntry[Field] } & {
  /** Of the clock that does not jump. */
  readonly changedMs: number;
  /** What is said of this generation and those before it is not about this change. */
  readonly earlierGeneration: number;
  isObsolete: boolean;
};

export class Timeline {
  readonly #parts: TimelineParts;
  readonly #known: Map<string, ConfigObject>;
  readonly #told = new Set<string>();
  readonly #listeners = new Set<(entry: TimelineEntry) => void>();
  readonly #latest = new Map<string, Draft>();
  #entries: Draft[] = [];
  #next = 1;

  constructor(parts: TimelineParts) {
    this.#parts = parts;
    this.#known = new Map(parts.source.objects());
    for (const finding of errorsOf(parts.source.findings())) this.#told.add(formatFinding(finding));
    parts.source.onChange((changes, cause) => this.#changed(changes, cause));
    parts.receipts.subscribe((status) => this.#progressed(status));
  }

  /** The latest last. */
  entries(most = 2 * MAX_ENTRIES): TimelineEntry[] {
    return this.#entries.slice(-most).map(shown);
  }

  /** Tells of new entries, and of those of which more is known. */
  subscribe(listener: (entry: TimelineEntry) => void): void {
    this.#listeners.add(listener);
  }

  /** A report came: changes of just now have a longer time after them. */
  reported(): void {
    const { clock, traffic } = this.#parts;
    for (const entry of this.#entries) {
      const { atMs } = entry;
      if (entry.isObsolete) continue;
      const { signals, seconds } = traffic.total(atMs, atMs + COMPARED_MS);
      entry.isObsolete = clock.wallMs > atMs + COMPARED_MS;
      if (seconds === entry.afterS) continue;
      entry.after = signals;
      entry.afterS = seconds;
      this.#tell(entry);
    }
  }

  #changed(changes: ReadonlyMap<string, ConfigObject | null>, cause: SourceCause): void {
    this.#parts.clock.update();
    let diffs = 0;
    for (const [key, object] of changes) {
      const before = this.#known.get(key) ?? null;
      object === null ? this.#known.delete(key) : this.#known.set(key, object);
      const subject = object ?? before;
      if (subject === null || cause.kind === 'start') continue;
      const place = this.#parts.source.positionOf(key);
      this.#add({
        ...subjectOf(key, subject),
        action: before === null ? 'added' : object === null ? 'removed' : 'changed',
        file: place?.file ?? (cause.files.length === 1 ? (cause.files[0] as string) : ''),
        line: place?.line ?? 0,
        ...(++diffs > MAX_DIFFS
          ? { diff: '', message: 'one of many: what differs was not worked out' }
          : diffOf(before, object)),
      });
    }
    this.#complain();
  }

  /** What is wrong now and was not before. */
  #complain(): void {
    const errors = errorsOf(this.#parts.source.findings());
    const fresh = errors.filter((finding) => !this.#told.has(formatFinding(finding)));
    this.#told.clear();
    for (const finding of errors) this.#told.add(formatFinding(finding));
    for (const finding of fresh.slice(0, MAX_REJECTED)) {
      const { key, file, line, message, path, remedy } = finding;
      const object = this.#known.get(key);
      const named =
        object === undefined ? { kind: '', namespace: '', name: '', isOfWorkloads: false } : subjectOf(key, object);
      const text = `${path === '' ? '' : `${path}: `}${message}${remedy === '' ? '' : ` → ${remedy}`}`;
      this.#add({ ...named, key, action: 'rejected', file, line, diff: '', message: text });
    }
  }

  #add(
    what: Pick<TimelineEntry, 'key' | 'kind' | 'namespace' | 'name' | 'isOfWorkloads' | 'action'> &
      Pick<TimelineEntry, 'file' | 'line' | 'diff' | 'message'>,
  ): void {
    const { clock, traffic, updates } = this.#parts;
    const { nowMs, wallMs } = clock;
    const { signals, seconds } = traffic.total(wallMs - COMPARED_MS, wallMs);
    const entry: Draft = {
      ...{ id: this.#next++, atMs: Math.round(wallMs), ...what, receipt: null, acceptedMs: null, liveMs: null },
      ...{ isSuperseded: false, before: seconds === 0 ? null : signals, after: null, afterS: 0 },
      ...{ changedMs: nowMs, isObsolete: false, earlierGeneration: updates.generationOf(what.key) },
    };
    if (what.action !== 'rejected') this.#supersede(what.key, entry);
    this.#entries.push(entry);
    this.#bound(what.isOfWorkloads);
    this.#tell(entry);
  }

  #supersede(key: string, entry: Draft): void {
    const earlier = this.#latest.get(key);
    if (earlier !== undefined && earlier.liveMs === null) {
      earlier.isSuperseded = true;
      this.#tell(earlier);
    }
    this.#latest.delete(key);
    this.#latest.set(key, entry);
  }

  #bound(isOfWorkloads: boolean): void {
    const own = this.#entries.filter((entry) => entry.isOfWorkloads === isOfWorkloads);
    if (own.length <= MAX_ENTRIES) return;
    const oldest = own[0] as Draft;
    this.#entries = this.#entries.filter((entry) => entry !== oldest);
    if (this.#latest.get(oldest.key) === oldest) this.#latest.delete(oldest.key);
  }

  #progressed(status: ObjectStatus): void {
    const entry = this.#latest.get(status.key);
    const isRemoval = entry?.action === 'removed' && status.generation === 0;
    if (entry === undefined || (status.generation <= entry.earlierGeneration && !isRemoval)) return;
    entry.receipt = receiptOf(status);
    const tookMs = Math.round(this.#parts.clock.update() - entry.changedMs);
    if (status.accepted >= status.concerned) entry.acceptedMs ??= tookMs;
    if (status.live >= status.concerned) entry.liveMs ??= tookMs;
    this.#tell(entry);
  }

  #tell(entry: Draft): void {
    const told = shown(entry);
    for (const listener of this.#listeners) listener(told);
  }
}

export function receiptOf({ generation, concerned, accepted, live, waiting, refusals }: ObjectStatus): ChangeReceipt {
  const few = refusals.slice(0, MAX_SHOWN_REFUSALS).map(({ proxy, resource, field, message }) => ({
    proxy,
    message: `${resource}${field === '' ? '' : ` ${field}`}: ${message}`,
  }));
  return { generation, concerned, accepted, live, waiting: waiting.slice(0, MAX_SHOWN_REFUSALS), refusals: few };
}

function subjectOf(key: string, { kind, namespace, name }: ConfigObject) {
  return { key, kind, namespace, name, isOfWorkloads: OF_WORKLOADS.has(kind) };
}

function diffOf(before: ConfigObject | null, after: ConfigObject | null): { diff: string; message: string } {
  const diff = unifiedDiff(before === null ? '' : objectYaml(before), after === null ? '' : objectYaml(after));
  const isSealed = (before ?? after)?.kind === 'Secret';
  return { diff, message: isSealed ? 'the content of a Secret is not shown' : '' };
}

function errorsOf(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ severity }) => severity === 'error');
}

function shown({ changedMs: _, isObsolete: __, earlierGeneration: ___, ...entry }: Draft): TimelineEntry {
  return entry;
}
