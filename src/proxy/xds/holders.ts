// Resources by name that come from elsewhere: who uses one waits for it, and follows it when it changes.
import type { ConfigPlace } from './place.ts';

/** A resource that somebody here uses; told to whoever fetches it. */
export type Want = {
  readonly type: string;
  readonly name: string;
  readonly place: ConfigPlace;
  /** Of the first user: under which the question's statistics stand ('cluster.NAME.', 'sds.NAME.'). */
  readonly statPrefix: string;
};

export type WantSink = {
  /** The first user came, or somebody wants to hear again what it is. */
  want(want: Want): void;
  /** The last user left. */
  unwant(want: Want): void;
};

/** A resource as its users see it. */
export class Holder<T> {
  readonly name: string;
  readonly place: ConfigPlace;
  readonly statPrefix: string;
  /** The last good value; null before there was any, and when the server said that there is none. */
  current: T | null = null;
  /** The first answer is there, or it was waited for long enough. */
  isSettled = false;
  users = 0;
  /** Users who cannot take every value: each says why not, or null. */
  readonly checks = new Set<(value: T) => string | null>();
  /** Its last user left: what made its values gives back what it used. */
  onEnd: (() => void) | null = null;
  readonly #listeners = new Set<() => void>();
  #waiting: (() => void)[] = [];

  constructor(name: string, place: ConfigPlace, statPrefix: string) {
    this.name = name;
    this.place = place;
    this.statPrefix = statPrefix;
  }

  /** Calls back once, perhaps now. */
  whenSettled(settled: () => void): void {
    if (this.isSettled) settled();
    else this.#waiting.push(settled);
  }

  /** Why a user cannot take the value, or null. */
  refusal(value: T): string | null {
    for (const check of this.checks) {
      const reason = check(value);
      if (reason !== null) return reason;
    }
    return null;
  }

  /** Whether a user can take the value. */
  fitsSome(value: T): boolean {
    for (const check of this.checks) if (check(value) === null) return true;
    return false;
  }

  listen(listener: () => void): void {
    this.#listeners.add(listener);
  }

  unlisten(listener: () => void): void {
    this.#listeners.delete(listener);
  }

  set(value: T | null): void {
    this.current = value;
    for (const listener of [...this.#listeners]) listener();
    this.settle();
  }

  settle(): void {
    if (this.isSettled) return;
    this.isSettled = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const settled of waiting) settled();
  }
}

/** All resources of one type. */
export class Holders<T> {
  readonly #type: string;
  readonly #sink: WantSink;
  readonly #holders = new Map<string, Holder<T>>();

  /** `type` is the full name of the message. */
  constructor(type: string, sink: WantSink) {
    this.#type = type;
    this.#sink = sink;
  }

  /** The resource of that name from that place; whoever uses it releases it once. */
  use(name: string, place: ConfigPlace, statPrefix: string): Holder<T> {
    const key = keyOf(name, place.key);
    let holder = this.#holders.get(key);
    const isNew = holder === undefined;
    if (holder === undefined) {
      holder = new Holder(name, place, statPrefix);
      this.#holders.set(key, holder);
    }
    holder.users++;
    if (isNew) this.ask(holder);
    return holder;
  }

  release(holder: Holder<T>): void {
    if (--holder.users > 0) return;
    const { name, place, statPrefix, onEnd } = holder;
    holder.onEnd = null;
    onEnd?.();
    // Whose values do not come by name.
    if (this.find(name, place.key) !== holder) return;
    this.#holders.delete(keyOf(name, place.key));
    this.#sink.unwant({ type: this.#type, name, place, statPrefix });
  }

  /** Asks for it again: its user was sent anew, and the server counts on the question. */
  ask({ name, place, statPrefix }: Holder<T>): void {
    this.#sink.want({ type: this.#type, name, place, statPrefix });
  }

  /** From now on it is that; false when nobody uses it. */
  set(name: string, placeKey: string, value: T | null): boolean {
    const holder = this.#holders.get(keyOf(name, placeKey));
    holder?.set(value);
    return holder !== undefined;
  }

  find(name: string, placeKey: string): Holder<T> | null {
    return this.#holders.get(keyOf(name, placeKey)) ?? null;
  }

  /** The first answer took too long: users go on without. */
  timedOut(name: string, placeKey: string): void {
    this.#holders.get(keyOf(name, placeKey))?.settle();
  }
}

function keyOf(name: string, placeKey: string): string {
  return `${placeKey} ${name}`;
}

/** Keeps wants until somebody fetches, who is made after those who want. */
export class WantBox implements WantSink {
  #sink: WantSink | null = null;
  #kept: Want[] = [];

  want(want: Want): void {
    if (this.#sink === null) this.#kept.push(want);
    else this.#sink.want(want);
  }

  unwant(want: Want): void {
    if (this.#sink !== null) this.#sink.unwant(want);
    else {
      const at = this.#kept.findIndex(
        ({ type, name, place }) => type === want.type && name === want.name && place.key === want.place.key,
      );
      if (at >= 0) this.#kept.splice(at, 1);
    }
  }

  attach(sink: WantSink): void {
    this.#sink = sink;
    const kept = this.#kept;
    this.#kept = [];
    for (const want of kept) sink.want(want);
  }
}
