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
/** Values of one document once its aliases are written out: more is an attack by nesting them. */
const MAX_VALUES = 1_000_000;

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
      return { error: `its aliases stand for more than ${MAX_VALUES} values`, place: { line: 1, column: 1 } };
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
  const count = (one: unknown): void => {
    if (--left < 0 || typeof one !== 'object' || one === null) return;
    for (const inner of Object.values(one)) count(inner);
  };
  count(value);
  return left < 0;
}

/**
 * The place of a value: of the key that leads to it, or of the item in a list. A path that leaves the document ends at
 * the last thing that is there. `document` counts from 0 among the documents of the text.
 */
export function locate(text: string, document: number, path: readonly PathPart[]): Place {
  let offset = 0;
  try {
    const events = parseEvents(text, { maxDepth: MAX_DEPTH });
    offset = new Walk(text, events).find(document, path);
  } catch {
    // A text that does not parse has no places but its beginning.
  }
  return placeOf(text, offset);
}

function placeOf(text: string, offset: number): Place {
  let line = 1;
  let start = 0;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) {
    line++;
    start = at + 1;
  }
  return { line, column: offset - start + 1 };
}

class Walk {
  readonly #text: string;
  readonly #events: readonly Event[];
  #at = 0;

  constructor(text: string, events: readonly Event[]) {
    this.#text = text;
    this.#events = events;
  }

  find(document: number, path: readonly PathPart[]): number {
    for (let i = 0; i < document; i++) this.#skip();
    this.#at++;
    const first = this.#events[this.#at];
    return first === undefined ? 0 : this.#descend(path, 0, Math.max(0, startOf(first)));
  }

  /** From the value at `#at`, whose key or item begins at `here`. */
  #descend(path: readonly PathPart[], depth: number, here: number): number {
    const event = this.#events[this.#at];
    if (event === undefined) return here;
    const part = path[depth];
    if (event.type === EVENT_ID.SCALAR) return this.#insideText(event, path, depth, here);
    if (part === undefined) return here;
    if (event.type !== EVENT_ID.MAPPING && event.type !== EVENT_ID.SEQUENCE) return here;
    this.#at++;
    for (let index = 0; this.#events[this.#at]?.type !== EVENT_ID.POP; index++) {
      const child = this.#events[this.#at];
      if (child === undefined) return here;
      // Nothing at all stands nowhere: its place is that of what holds it.
      const start = Math.max(here, startOf(child));
      let name: PathPart = index;
      if (event.type === EVENT_ID.MAPPING) {
        name = child.type === EVENT_ID.SCALAR ? getScalarValue(this.#text, child) : '';
        this.#skip();
      }
      if (name === part) return this.#descend(path, depth + 1, start);
      this.#skip();
    }
    return here;
  }

  /** A document inside of a block of text ('data.mesh' of a ConfigMap): the line of it where the path leads. */
  #insideText(event: Event & { type: 4 }, path: readonly PathPart[], depth: number, here: number): number {
    if (path.length <= depth || event.style !== SCALAR_STYLE.LITERAL_BLOCK) return here;
    const inner = locate(getScalarValue(this.#text, event), 0, path.slice(depth));
    let offset = event.valueStart;
    for (let line = 1; line < inner.line; line++) offset = this.#text.indexOf('\n', offset) + 1;
    return offset + Math.max(0, event.indent) + inner.column - 1;
  }

  /** Past the value (or document) at `#at`, with all that is in it. */
  #skip(): void {
    let open = 0;
    do {
      const event = this.#events[this.#at++];
      if (event === undefined) return;
      if (event.type === EVENT_ID.POP) open--;
      else if (event.type !== EVENT_ID.SCALAR && event.type !== EVENT_ID.ALIAS) open++;
    } while (open > 0);
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
