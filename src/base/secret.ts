// Holds a key, a token or a password so that no dump, log, cache key or error text can show it.
import { createHmac, randomBytes } from 'node:crypto';

const SHOWN = '[secret]';
/** Of this process alone: a mark tells nothing to whoever reads a dump. */
const MARK_KEY = randomBytes(32);
const MARK_BYTES = 12;

/**
 * Whatever prints, serialises or copies it gets '[secret]'; `reveal` is the only way to the value. Two of the same
 * value have the same `mark`, so that comparisons of plain data see a change.
 */
export class Secret<Value extends string | Uint8Array = string> {
  readonly mark: string;
  readonly #value: Value;

  constructor(value: Value) {
    this.#value = value;
    this.mark = createHmac('sha256', MARK_KEY)
      .update(value)
      .digest('hex')
      .slice(0, 2 * MARK_BYTES);
  }

  /** For whoever uses it, at the place of use; the result is not to be kept. */
  reveal(): Value {
    return this.#value;
  }

  equals(other: Secret<Value>): boolean {
    return this.mark === other.mark;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [Symbol.toPrimitive](): string {
    return SHOWN;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return SHOWN;
  }
}
