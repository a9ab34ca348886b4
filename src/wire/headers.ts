// One message's header fields in order, with the pseudo-headers as plain fields.
import { H, type HeaderKey, headerName, MASKED_LIMIT, PSEUDO_LIMIT } from './header-names.ts';

const UNSENDABLE = /[\0-\x08\n-\x1f\x7f]/;

/** Whether a value that was put together here (of a peer's certificate, say) ends no line of a head. RFC 9110 §5.5. */
export function isSendable(value: string): boolean {
  return !UNSENDABLE.test(value);
}

/**
 * Header fields as a flat array key, value, … in the order they came; keys as in `header-names.ts`, values are latin1
 * strings, byte-exact. A request has method, path, authority and scheme, a response has status; absent is '' or 0.
 */
export class Headers {
  method = '';
  path = '';
  authority = '';
  scheme = '';
  protocol = '';
  status = 0;
  /** key, value, key, value, … */
  kv: HeaderKey[] = [];
  /** Presence bits of ids 0–30 and 31–61; a set bit may be stale (the field was removed), a clear one never is. */
  bits0 = 0;
  bits1 = 0;
  /** Names as they came, the first of each; only with `preserve_case`. Shared with copies. */
  spelled: Map<HeaderKey, string> | null = null;
  /** Names that did not come with the message are written in proper case; only with `preserve_case`. */
  spellsAddedProperly = false;
  /** How the Host field was spelled, which became `authority`; only with `preserve_case`, else ''. */
  hostSpelling = '';
  /** The reason phrase of an answer that is to be passed on, else ''. */
  reason = '';
  /** Bytes on the wire, filled by the codec. */
  wireBytes = 0;
  /** Names, values and three bytes for each field of a received head: what Envoy calls header bytes. */
  fieldBytes = 0;
  /** Tells an empty authority from none. */
  hasAuthority = false;
  /** A field whose computed value no message can carry: it was left out, and a request without it must not go on. */
  unsendable: HeaderKey | null = null;

  /** Number of fields, pseudo-headers not counted. */
  get count(): number {
    return this.kv.length >> 1;
  }

  /** False is certain and nearly free; true says that the entry may exist. */
  mayHave(id: number): boolean {
    if (id < 31) return (this.bits0 & (1 << id)) !== 0;
    if (id < MASKED_LIMIT) return (this.bits1 & (1 << (id - 31))) !== 0;
    return true;
  }

  /** The first value of a name, or undefined. Pseudo-headers included. */
  get(key: HeaderKey): string | undefined {
    if (typeof key === 'number') {
      if (key < PSEUDO_LIMIT) return this.#pseudo(key);
      if (!this.mayHave(key)) return undefined;
    }
    const kv = this.kv;
    for (let i = 0; i < kv.length; i += 2) if (kv[i] === key) return kv[i + 1] as string;
    return undefined;
  }

  has(key: HeaderKey): boolean {
    return this.get(key) !== undefined;
  }

  /** All values of a name joined by ',' (as Envoy's getAllOfHeaderAsString), or undefined. */
  getAll(key: HeaderKey): string | undefined {
    if (typeof key === 'number') {
      if (key < PSEUDO_LIMIT) return this.#pseudo(key);
      if (!this.mayHave(key)) return undefined;
    }
    const kv = this.kv;
    let all: string | undefined;
    for (let i = 0; i < kv.length; i += 2) {
      if (kv[i] === key) all = all === undefined ? (kv[i + 1] as string) : `${all},${kv[i + 1] as string}`;
    }
    return all;
  }

  /** Appends a field; earlier ones of that name stay. Pseudo-headers are set. */
  add(key: HeaderKey, value: string): void {
    if (typeof key === 'number') {
      if (key < PSEUDO_LIMIT) {
        this.#setPseudo(key, value);
        return;
      }
      this.#mark(key);
    }
    this.kv.push(key, value);
  }

  /** Sets the one value of a name: the first entry keeps its place, others of that name go. */
  set(key: HeaderKey, value: string): void {
    if (typeof key === 'number') {
      if (key < PSEUDO_LIMIT) {
        this.#setPseudo(key, value);
        return;
      }
      if (!this.mayHave(key)) {
        this.add(key, value);
        return;
      }
    }
    const kv = this.kv;
    let found = false;
    for (let i = 0; i < kv.length; i += 2) {
      if (kv[i] !== key) continue;
      if (!found) {
        kv[i + 1] = value;
        found = true;
      } else {
        this.#removeAt(i);
        i -= 2;
      }
    }
    if (!found) this.add(key, value);
  }

  /** Appends to the one value of a name with a separator, or adds it (Envoy: appendCopy). */
  appendValue(key: HeaderKey, value: string, separator = ','): void {
    const kv = this.kv;
    for (let i = 0; i < kv.length; i += 2) {
      if (kv[i] === key) {
        const old = kv[i + 1] as string;
        if (value !== '') kv[i + 1] = old === '' ? value : old + separator + value;
        return;
      }
    }
    this.add(key, value);
  }

  /** Removes every entry of a name; returns whether there was one. */
  remove(key: HeaderKey): boolean {
    if (typeof key === 'number') {
      if (key < PSEUDO_LIMIT) {
        const had = this.#pseudo(key) !== undefined;
        this.#setPseudo(key, '');
        return had;
      }
      if (!this.mayHave(key)) return false;
    }
    let removed = false;
    for (let i = this.kv.length - 2; i >= 0; i -= 2) {
      if (this.kv[i] === key) {
        this.#removeAt(i);
        removed = true;
      }
    }
    return removed;
  }

  /** Removes the entries for which `test` holds. */
  removeIf(test: (key: HeaderKey, value: string) => boolean): void {
    for (let i = this.kv.length - 2; i >= 0; i -= 2) {
      if (test(this.kv[i] as HeaderKey, this.kv[i + 1] as string)) this.#removeAt(i);
    }
  }

  clone(): Headers {
    const copy = new Headers();
    copy.method = this.method;
    copy.path = this.path;
    copy.authority = this.authority;
    copy.scheme = this.scheme;
    copy.protocol = this.protocol;
    copy.status = this.status;
    copy.kv = this.kv.slice();
    copy.bits0 = this.bits0;
    copy.bits1 = this.bits1;
    copy.spelled = this.spelled;
    copy.spellsAddedProperly = this.spellsAddedProperly;
    copy.reason = this.reason;
    copy.hostSpelling = this.hostSpelling;
    copy.wireBytes = this.wireBytes;
    copy.fieldBytes = this.fieldBytes;
    copy.hasAuthority = this.hasAuthority;
    copy.unsendable = this.unsendable;
    return copy;
  }

  /** Calls `visit` for the pseudo-headers that are set and then for every field, in order. */
  forEach(visit: (name: string, value: string) => void): void {
    for (let id = 0; id < PSEUDO_LIMIT; id++) {
      const value = this.#pseudo(id);
      if (value !== undefined) visit(headerName(id), value);
    }
    const kv = this.kv;
    for (let i = 0; i < kv.length; i += 2) visit(headerName(kv[i] as HeaderKey), kv[i + 1] as string);
  }

  /** Name and value lengths of all fields, bytes, as Envoy's HeaderMap::byteSize. */
  byteSize(): number {
    let size = 0;
    this.forEach((name, value) => {
      size += name.length + value.length;
    });
    return size;
  }

  #mark(id: number): void {
    if (id < 31) this.bits0 |= 1 << id;
    else if (id < MASKED_LIMIT) this.bits1 |= 1 << (id - 31);
  }

  #removeAt(i: number): void {
    // For a handful of fields cheaper than splice, which makes an array of what it takes out.
    const kv = this.kv;
    for (let j = i + 2; j < kv.length; j++) kv[j - 2] = kv[j] as HeaderKey;
    kv.pop();
    kv.pop();
  }

  #pseudo(id: number): string | undefined {
    let value = '';
    if (id === H[':method']) value = this.method;
    else if (id === H[':path']) value = this.path;
    else if (id === H[':authority']) return this.hasAuthority || this.authority !== '' ? this.authority : undefined;
    else if (id === H[':scheme']) value = this.scheme;
    else if (id === H[':protocol']) value = this.protocol;
    else if (id === H[':status'] && this.status !== 0) value = String(this.status);
    return value === '' ? undefined : value;
  }

  #setPseudo(id: number, value: string): void {
    if (id === H[':method']) this.method = value;
    else if (id === H[':path']) this.path = value;
    else if (id === H[':authority']) {
      this.authority = value;
      this.hasAuthority = value !== '';
    } else if (id === H[':scheme']) this.scheme = value;
    else if (id === H[':protocol']) this.protocol = value;
    else if (id === H[':status']) this.status = value === '' ? 0 : Number(value);
  }
}
