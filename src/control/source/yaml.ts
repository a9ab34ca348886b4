// YAML as Kubernetes reads it (Go's yaml.v2: yes and no are booleans), with the place of every value on demand.
import {
  boolCoreTag,
  CORE_SCHEMA,
  constructFromEvents,
  defineScalarTag,
  EVENT_ID,
  type Event,
  floatCoreTag,
  getScalarValue,
  intCoreTag,
  mergeTag,
  NOT_RESOLVED,
  nullCoreTag,
  parseEvents,
  SCALAR_STYLE,
  type Schema,
  YAMLException,
} from 'js-yaml';
import type { PathPart } from './finding.ts';

/** Line and column count from 1. */
export type Place = { readonly line: number; readonly column: number };
export type YamlError = { readonly error: string; readonly place: Place };

const MAX_DEPTH = 100;
const MAX_ALIASES = 1_000;
/** Values of one document, and the length of its texts, once its aliases are written out: more is an attack. */
const MAX_VALUES = 1_000_000;
const MAX_ALIASED_LENGTH = 64 * 1024 * 1024;

const TRUE = new Set(['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON']);
const FALSE = new Set(['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF']);

const boolTag = defineScalarTag<boolean>(boolCoreTag.tagName, {
  implicit: true,
  implicitFirstChars: [...'yYnNtTfFoO'],
  resolve: (text) => (TRUE.has(text) ? true : FALSE.has(text) ? false : NOT_RESOLVED),
  identify: () => false,
});

const INTEGER = /^[-+]?(?:0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9][0-9]*)$/;

/** Go's ParseInt with base 0: prefixes, a leading zero for octal, underscores anywhere. */
function resolveInteger(text: string): number | typeof NOT_RESOLVED {
  const plain = text.replaceAll('_', '');
  if (!INTEGER.test(plain)) return NOT_RESOLVED;
  const sign = plain[0] === '-' ? -1 : 1;
  const digits = plain.replace(/^[-+]/, '');
  const value = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return value === 0 ? 0 : sign * value;
}

const intTag = defineScalarTag<number>(intCoreTag.tagName, {
  implicit: true,
  implicitFirstChars: [...'+-0123456789'],
  resolve: (text) => resolveInteger(text),
  identify: () => false,
});

const FLOAT = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/;

const floatTag = defineScalarTag<number>(floatCoreTag.tagName, {
  implicit: true,
  implicitFirstChars: [...'+-.0123456789'],
  resolve: (text) => {
    const plain = text.replaceAll('_', '');
    return FLOAT.test(plain) ? Number(plain) : NOT_RESOLVED;
  },
  identify: () => false,
});

const KUBERNETES_SCHEMA: Schema = CORE_SCHEMA.withTags(boolTag, intTag, floatTag, mergeTag, nullCoreTag);

/** All documents of a text; an empty one is null. Never throws. */
export function parseYaml(text: string): { readonly values: readonly unknown[] } | YamlError {
  try {
    const events = parseEvents(text, { maxDepth: MAX_DEPTH });
    const values = constructFromEvents(events, { source: text, schema: KUBERNETES_SCHEMA, maxAliases: MAX_ALIASES });
    if (!events.some(({ type }) => type === EVENT_ID.ALIAS)) return { values };
    if (values.some((value) => isTooLarge(value))) {
      return {
        error: `its aliases stand for more than ${MAX_VALUES} values or too long texts`,
        place: { line: 1, column: 1 },
      };
    }
    // Written out: defaults are filled in in place, and each place may have its own.
    return { values: values.map((value) => JSON.parse(JSON.stringify(value ?? null)) as unknown) };
  } catch (error) {
    const { reason, mark } = error instanceof YAMLException ? error : { reason: String(error), mark: undefined };
    return { error: reason, place: { line: (mark?.line ?? 0) + 1, column: (mark?.column ?? 0) + 1 } };
  }
}

function isTooLarge(value: unknown): boolean {
  let left = MAX_VALUES;
  let length = MAX_ALIASED_LENGTH;
  const count = (one: unknown): void => {
    if (typeof one === 'string') length -= one.length;
    if (--left < 0 || length < 0 || typeof one !== 'object' || one === null) return;
    for (const [key, inner] of Object.entries(one)) {
      length -= key.length;
      count(inner);
    }
  };
  count(value);
  return left < 0 || length < 0;
}

/**
 * The place of a value: of the key that leads to it, or of the item in a list. A path that leaves the document ends at
 * the last thing that is there. `document` counts from 0 among the documents of the text.
 */
export function locate(text: string, document: number, path: readonly PathPart[]): Place {
  return walkOf(text).locate(document, path);
}

/** Whoever asks for one place of a text asks for many: of all objects of a list, of all routes of an object. */
let lastWalk: WeakRef<Walk> | null = null;

function walkOf(text: string): Walk {
  const last = lastWalk?.deref();
  if (last?.text === text) return last;
  let events: readonly Event[] = [];
  try {
    events = parseEvents(text, { maxDepth: MAX_DEPTH });
  } catch {
    // A text that does not parse has no places but its beginning.
  }
  const walk = new Walk(text, events);
  lastWalk = new WeakRef(walk);
  return walk;
}

/** What is in a map or a list, by name or index: where it begins, and the event that is its value. */
type Inner = ReadonlyMap<PathPart, { readonly start: number; readonly at: number }>;

class Walk {
  readonly text: string;
  readonly #events: readonly Event[];
  /** Where documents begin, among the events. */
  readonly #documents: number[] = [];
  readonly #inner = new Map<number, Inner>();
  /** Where lines begin. */
  readonly #lines = [0];

  constructor(text: string, events: readonly Event[]) {
    this.text = text;
    this.#events = events;
    for (let at = 0; at < events.length; at = this.#behind(at)) this.#documents.push(at);
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#lines.push(at + 1);
  }

  locate(document: number, path: readonly PathPart[]): Place {
    const offset = this.#find(document, path);
    let low = 0;
    for (let high = this.#lines.length; high - low > 1; ) {
      const middle = (low + high) >>> 1;
      if ((this.#lines[middle] as number) <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - (this.#lines[low] as number) + 1 };
  }

  #find(document: number, path: readonly PathPart[]): number {
    const at = (this.#documents[document] ?? this.#events.length) + 1;
    const first = this.#events[at];
    return first === undefined ? 0 : this.#descend(at, path, 0, Math.max(0, startOf(first)));
  }

  /** From the value at event `at`, whose key or item begins at `here`. */
  #descend(at: number, path: readonly PathPart[], depth: number, here: number): number {
    const event = this.#events[at];
    if (event === undefined) return here;
    const part = path[depth];
    if (event.type === EVENT_ID.SCALAR) return this.#insideText(event, path, depth, here);
    if (part === undefined) return here;
    if (event.type !== EVENT_ID.MAPPING && event.type !== EVENT_ID.SEQUENCE) return here;
    const inner = this.#innerOf(at, event.type === EVENT_ID.MAPPING).get(part);
    // Nothing at all stands nowhere: its place is that of what holds it.
    return inner === undefined ? here : this.#descend(inner.at, path, depth + 1, Math.max(here, inner.start));
  }

  #innerOf(container: number, isMap: boolean): Inner {
    const known = this.#inner.get(container);
    if (known !== undefined) return known;
    const inner = new Map<PathPart, { start: number; at: number }>();
    let at = container + 1;
    for (let index = 0; ; index++) {
      const child = this.#events[at];
      if (child === undefined || child.type === EVENT_ID.POP) break;
      const start = startOf(child);
      let name: PathPart = index;
      if (isMap) {
        name = child.type === EVENT_ID.SCALAR ? getScalarValue(this.text, child) : '';
        at = this.#behind(at);
      }
      if (!inner.has(name)) inner.set(name, { start, at });
      at = this.#behind(at);
    }
    this.#inner.set(container, inner);
    return inner;
  }

  /** A document inside of a block of text ('data.mesh' of a ConfigMap): the line of it where the path leads. */
  #insideText(event: Event & { type: 4 }, path: readonly PathPart[], depth: number, here: number): number {
    if (path.length <= depth || event.style !== SCALAR_STYLE.LITERAL_BLOCK) return here;
    const text = getScalarValue(this.text, event);
    const inner = walkOf(text).locate(0, path.slice(depth));
    let offset = event.valueStart;
    for (let line = 1; line < inner.line; line++) offset = this.text.indexOf('\n', offset) + 1;
    return offset + Math.max(0, event.indent) + inner.column - 1;
  }

  /** The event behind the value (or document) at `at`, with all that is in it. */
  #behind(from: number): number {
    let open = 0;
    let at = from;
    do {
      const event = this.#events[at++];
      if (event === undefined) return at;
      if (event.type === EVENT_ID.POP) open--;
      else if (event.type !== EVENT_ID.SCALAR && event.type !== EVENT_ID.ALIAS) open++;
    } while (open > 0);
    return at;
  }
}

function startOf(event: Event): number {
  switch (event.type) {
    case EVENT_ID.SCALAR:
      // The text of a quoted one begins behind its quote.
      return event.style === SCALAR_STYLE.PLAIN ? event.valueStart : Math.max(0, event.valueStart - 1);
    case EVENT_ID.ALIAS:
      return event.anchorStart;
    case EVENT_ID.MAPPING:
    case EVENT_ID.SEQUENCE:
      return event.start;
    default:
      return 0;
  }
}
