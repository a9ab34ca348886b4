// What has come from control planes, as the admin interface tells it: resources in force, and what was refused and why.
import { isWhole, spaceOf } from '../../xds/client/services.ts';
import type { XdsRefusal, XdsResponse } from '../../xds/client/types.ts';
import { LeavingListeners } from './leaving-listeners.ts';
import { LISTENER_TYPE } from './types.ts';

/** One resource. Times are ms since 1970. */
export type RecordedResource = {
  readonly name: string;
  /** Of its place: 'ads', or whatever it is. */
  readonly place: string;
  /** In force; null: nothing good has come yet. */
  readonly active: { readonly version: string; readonly bytes: Uint8Array; readonly updatedWallMs: number } | null;
  /** What was refused last, if nothing good has come since. */
  readonly error: RecordedError | null;
};

export type RecordedError = {
  readonly version: string;
  /** Empty when it is too large to be kept. */
  readonly bytes: Uint8Array;
  readonly details: string;
  readonly attemptWallMs: number;
};

/** Refused resources that are kept of a type besides good ones of the same names: a server may invent names. */
const MAX_REFUSED = 1_000;
/** Held of them, for each type: of what comes beyond it only the reason is kept. */
const MAX_REFUSED_BYTES = 16 * 1024 * 1024;
const NOTHING = new Uint8Array(0);
const NO_NAMES: ReadonlySet<string> = new Set();

class RecordedType {
  /** Of the last response, that was good in whole or in part. */
  version = '';
  readonly resources = new Map<string, RecordedResource>();
  /** Held of what was refused. */
  #refusedBytes = 0;

  set(key: string, resource: RecordedResource): void {
    this.#forgetRefused(key);
    const { error } = resource;
    const isTooMuch = error !== null && this.#refusedBytes + error.bytes.length > MAX_REFUSED_BYTES;
    const kept = isTooMuch ? { ...resource, error: { ...error, bytes: NOTHING } } : resource;
    this.#refusedBytes += kept.error?.bytes.length ?? 0;
    this.resources.set(key, kept);
  }

  delete(key: string): void {
    this.#forgetRefused(key);
    this.resources.delete(key);
  }

  #forgetRefused(key: string): void {
    this.#refusedBytes -= this.resources.get(key)?.error?.bytes.length ?? 0;
  }
}

export class ConfigRecord {
  readonly #wallMs: () => number;
  readonly #types = new Map<string, RecordedType>();
  /** Names that are asked for, by type; those of everything there is are not among them. */
  readonly #wanted = new Map<string, Set<string>>();
  /** What users call all there is of a type and place, by both. */
  readonly #labels = new Map<string, string>();
  /** Questions whose stream is down, and since when. */
  readonly #down = new Map<string, number>();
  /** Listeners that were replaced or removed. */
  readonly leaving: LeavingListeners;
  /** When anything was last heard of a control plane; 0: never. */
  lastHeardWallMs = 0;
  /** When something was last heard that was taken on, in whole or in part; 0: never. */
  lastGoodWallMs = 0;

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
    this.leaving = new LeavingListeners(wallMs);
  }

  /** A response has been applied, save what was refused of it. */
  took(
    type: string,
    place: string,
    { version, resources }: Pick<XdsResponse, 'version' | 'resources'>,
    gone: readonly string[],
    refused: readonly XdsRefusal[],
    broken: readonly XdsRefusal[] = [],
  ): void {
    const now = this.#wallMs();
    const recorded = this.#types.get(type) ?? new RecordedType();
    this.#types.set(type, recorded);
    this.lastHeardWallMs = now;
    if (refused.length === 0 || refused.length < resources.length + gone.length) this.lastGoodWallMs = now;
    // As Envoy says it: a response that was refused has no version.
    if (refused.length === 0 && broken.length === 0) recorded.version = version;
    for (const name of this.#wanted.get(type) ?? []) if (isWhole(type, name)) this.unwanted(type, place, name);
    const reasons = new Map(refused.map(({ name, reason }) => [name, reason]));
    const isListeners = type === LISTENER_TYPE;
    for (const name of gone) {
      const before = recorded.resources.get(keyOf(place, name))?.active ?? null;
      if (isListeners && before !== null) this.leaving.left(name, before, null);
      recorded.delete(keyOf(place, name));
    }
    for (const { name, version: own, bytes } of resources) {
      const key = keyOf(place, name);
      const known = recorded.resources.get(key);
      const reason = reasons.get(name);
      if (reason === undefined) {
        const isSame = known?.active != null && Buffer.compare(known.active.bytes, bytes) === 0;
        // What did not change keeps the version in which it came, as Envoy's.
        if (isSame && known.error === null) continue;
        const active = isSame ? known.active : { version: own, bytes, updatedWallMs: now };
        if (isListeners && !isSame && known?.active != null) this.leaving.left(name, known.active, active);
        recorded.set(key, { name, place, active, error: null });
      } else if (known !== undefined || recorded.resources.size < MAX_REFUSED) {
        const error = { version: own, bytes, details: reason, attemptWallMs: now };
        recorded.set(key, { name, place, active: known?.active ?? null, error });
      }
    }
    const came = broken.length === 0 ? NO_NAMES : new Set(resources.map(({ name }) => name));
    for (const { name, reason } of broken) {
      // Of one name twice, the first serves.
      if (name === '' || came.has(name)) continue;
      const key = keyOf(place, name);
      const known = recorded.resources.get(key);
      if (known === undefined && recorded.resources.size >= MAX_REFUSED) continue;
      const error = { version, bytes: NOTHING, details: reason, attemptWallMs: now };
      recorded.set(key, { name, place, active: known?.active ?? null, error });
    }
  }

  wanted(type: string, name: string): void {
    const names = this.#wanted.get(type);
    if (names === undefined) this.#wanted.set(type, new Set([name]));
    else names.add(name);
  }

  /** Nobody uses it any more. */
  unwanted(type: string, place: string, name: string): void {
    this.#wanted.get(type)?.delete(name);
    this.#types.get(type)?.delete(keyOf(place, name));
  }

  /** Names that are asked for and of which nothing good has come. */
  *awaited(type: string): Generator<string> {
    const come = new Set<string>();
    for (const { name, active } of this.of(type)) if (active !== null) come.add(name);
    for (const name of this.#wanted.get(type) ?? []) if (!come.has(name)) yield name;
  }

  /** A user has a name for all there is of a type in a place. */
  label(type: string, place: string, label: string): void {
    this.#labels.set(keyOf(place, type), label);
  }

  /** Places of which all there is of a type is used. */
  labelled(type: string): string[] {
    const end = ` ${type}`;
    return [...this.#labels.keys()].flatMap((key) => (key.endsWith(end) ? key.slice(0, -end.length) : []));
  }

  labelOf(type: string, place: string): string {
    return this.#labels.get(keyOf(place, type)) ?? '';
  }

  /** A question's stream stands, or is down. */
  connection(type: string, place: string, isUp: boolean): void {
    const key = keyOf(place, type);
    if (isUp) this.#down.delete(key);
    else if (!this.#down.has(key)) this.#down.set(key, this.#wallMs());
  }

  /** How long a part of the configuration has had no server that could change it; 0: all have theirs. */
  get orphanedMs(): number {
    let since = Number.POSITIVE_INFINITY;
    for (const one of this.#down.values()) since = Math.min(since, one);
    return since === Number.POSITIVE_INFINITY ? 0 : Math.max(0, this.#wallMs() - since);
  }

  versionOf(type: string): string {
    return this.#types.get(type)?.version ?? '';
  }

  of(type: string): Iterable<RecordedResource> {
    return this.#types.get(type)?.resources.values() ?? [];
  }

  /** Those whose names begin with that of what they are for: 'SPACE/…'. */
  ofSpace(type: string, space: string): RecordedResource[] {
    return [...this.of(type)].filter(({ name }) => spaceOf(name) === `${space}/`);
  }

  get types(): Iterable<string> {
    return this.#types.keys();
  }
}

function keyOf(place: string, name: string): string {
  return `${place} ${name}`;
}
