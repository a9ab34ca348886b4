// Domain names: dotted text ⇄ the labels of RFC 1035 with its compression.

/** RFC 1035 §2.3.4. */
const MAX_NAME_BYTES = 255;
const MAX_LABEL_BYTES = 63;
const POINTER = 0xc0;
const HEADER_BYTES = 12;

const DOT = 46;
const BACKSLASH = 92;

/**
 * Appends the name's labels to `out`. False when it is no domain name: an empty or too long label, or too long a whole.
 * A final dot changes nothing. Escapes as `decodeName` writes them are understood.
 */
export function encodeName(name: string, out: number[]): boolean {
  const first = out.length;
  let lengthAt = out.length;
  out.push(0);
  for (let i = 0; i < name.length; i++) {
    let code = name.charCodeAt(i);
    if (code > 0xff) return false;
    if (code === DOT) {
      if (i === name.length - 1) break;
      if (!closeLabel(out, lengthAt)) return false;
      lengthAt = out.length;
      out.push(0);
      continue;
    }
    if (code === BACKSLASH && i + 1 < name.length) code = name.charCodeAt(++i) & 0xff;
    out.push(code);
  }
  // The root is the empty name, or one dot.
  if (out.length - first > 1 || (name !== '' && name !== '.')) {
    if (!closeLabel(out, lengthAt)) return false;
    out.push(0);
  }
  return out.length - first <= MAX_NAME_BYTES;
}

function closeLabel(out: number[], lengthAt: number): boolean {
  const length = out.length - lengthAt - 1;
  if (length === 0 || length > MAX_LABEL_BYTES) return false;
  out[lengthAt] = length;
  return true;
}

/** The name as its bytes in lower case: a key by which names compare as DNS says. Null when it is no domain name. */
export function nameKey(name: string): string | null {
  if (PLAIN.test(name)) return plainKey(name);
  const bytes: number[] = [];
  if (!encodeName(name, bytes)) return null;
  // A length is at most 63, and so never a letter.
  for (let i = 0; i < bytes.length; i++) bytes[i] = lowerCase(bytes[i] as number);
  return Buffer.from(bytes).latin1Slice();
}

/** Without letters that have cases, escapes, a final dot, or labels that are too long. */
const PLAIN = /^[a-z0-9_*-]{1,63}(?:\.[a-z0-9_*-]{1,63})*$/;

function plainKey(name: string): string | null {
  if (name.length > MAX_NAME_BYTES - 2) return null;
  let key = '';
  for (let at = 0; at < name.length; ) {
    let end = name.indexOf('.', at);
    if (end < 0) end = name.length;
    key += String.fromCharCode(end - at) + name.slice(at, end);
    at = end + 1;
  }
  return `${key}\0`;
}

/** The dotted text of a key. */
export function keyText(key: string): string {
  const bytes = Buffer.from(key, 'latin1');
  return new NameReader(bytes, bytes.length).read(0) ?? '';
}

/** Only ASCII has cases in DNS (RFC 4343). */
function lowerCase(code: number): number {
  return code >= 65 && code <= 90 ? code + 32 : code;
}

const scratch = Buffer.alloc(MAX_NAME_BYTES);

/** The key of the uncompressed name at `start` of a message, as long as the name there; null when it is malformed. */
export function readNameKey(message: Uint8Array, start: number, limit: number): string | null {
  let at = start;
  let to = 0;
  for (;;) {
    if (at >= limit) return null;
    const length = message[at] as number;
    if (length > MAX_LABEL_BYTES || at + 1 + length > limit || to + 1 + length > MAX_NAME_BYTES) return null;
    scratch[to++] = length;
    if (length === 0) return scratch.latin1Slice(0, to);
    for (const end = ++at + length; at < end; at++) scratch[to++] = lowerCase(message[at] as number);
  }
}

/** Reads names out of one message; `end` is behind the name that was read last. */
export class NameReader {
  readonly #message: Uint8Array;
  readonly #limit: number;
  end = 0;

  constructor(message: Uint8Array, limit: number) {
    this.#message = message;
    this.#limit = limit;
  }

  /** The name at `start` without a final dot, in lower case; null when it is malformed. */
  read(start: number): string | null {
    const message = this.#message;
    let at = start;
    let text = '';
    let bytes = 1;
    let isCompressed = false;
    // Pointers lead backwards only, so that they cannot form a loop, to names that end before whoever points at them.
    let lowest = start;
    let limit = this.#limit;
    for (;;) {
      if (at >= limit) return null;
      const length = message[at] as number;
      if (length === 0) {
        if (!isCompressed) this.end = at + 1;
        return text;
      }
      if ((length & POINTER) === POINTER) {
        if (at + 1 >= limit) return null;
        const target = ((length & ~POINTER) << 8) | (message[at + 1] as number);
        // The header has no names: whoever hands a message on writes another one.
        if (target >= lowest || target < HEADER_BYTES) return null;
        if (!isCompressed) this.end = at + 2;
        isCompressed = true;
        limit = lowest;
        lowest = target;
        at = target;
        continue;
      }
      if ((length & POINTER) !== 0 || at + 1 + length > limit) return null;
      bytes += 1 + length;
      if (bytes > MAX_NAME_BYTES) return null;
      if (text !== '') text += '.';
      text += labelText(message, at + 1, at + 1 + length);
      at += 1 + length;
    }
  }
}

/** Dots and backslashes inside a label are escaped, so that different names have different texts. */
function labelText(message: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let i = start; i < end; i++) {
    const code = lowerCase(message[i] as number);
    if (code === DOT || code === BACKSLASH) text += '\\';
    text += String.fromCharCode(code);
  }
  return text;
}
