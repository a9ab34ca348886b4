// JSON formats: one object per line, its shape compiled ahead, its properties sorted.
import type { ConfigDecoder } from '../config-decoder.ts';
import { compareBytes, jsonEscape, jsonNumber, utf8Bytes } from './byte-text.ts';
import type { FormatContext } from './format-context.ts';
import type { Formatter } from './formatter.ts';
import type { Operator } from './operator.ts';
import { type FormatOptions, parseFormat } from './parse-format.ts';

/** How an operator's value stands in the line. */
type Step = {
  readonly get: Operator['get'];
  readonly json: ((ctx: FormatContext) => string | null) | null;
  readonly isRaw: boolean;
  readonly isInString: boolean;
  /**
   * The last value, and the piece of the line that ended with it: most values are those of the line before, to compare
   * is cheap, and fewer pieces are sooner put together.
   */
  lastValue: string | number | null | undefined;
  lastQuote: number;
  lastPiece: string;
  /** Whether the piece was needed twice, and is a text of one part. */
  isFlat: boolean;
};

/** A longer text is not kept alive for the sake of a comparison. */
const MAX_KEPT = 256;

/** The compiled shape: constant JSON, a value, a string of several pieces, an object, a list. */
type Node =
  | { readonly kind: 'constant'; readonly json: string }
  | { readonly kind: 'value'; readonly operator: Operator }
  | { readonly kind: 'string'; readonly pieces: readonly (string | Operator)[] }
  | { readonly kind: 'object'; readonly members: readonly (readonly [string, Node])[] }
  | { readonly kind: 'list'; readonly items: readonly Node[] };

/** Compiles a JSON format: an object of strings with commands, other constants, objects and lists. */
export function compileJsonFormat(
  shape: Readonly<Record<string, unknown>>,
  d: ConfigDecoder,
  options: FormatOptions = {},
): Formatter {
  const root = compileNode(shape, d, options);
  if (options.omitEmptyValues === true) return new OmittingJsonFormatter(root);
  return new JsonFormatter(root);
}

/** `at` gives the decoder of a list's element, as only the parent knows the list's name. */
function compileNode(
  value: unknown,
  d: ConfigDecoder,
  options: FormatOptions,
  at: (index: number) => ConfigDecoder = (index) => d.at('', index),
): Node {
  if (typeof value === 'string') {
    const pieces = parseFormat(value, d, options);
    const [first] = pieces;
    if (first === undefined) return { kind: 'constant', json: '""' };
    if (pieces.length > 1) return { kind: 'string', pieces };
    if (typeof first === 'string') return { kind: 'constant', json: `"${jsonEscape(first)}"` };
    return { kind: 'value', operator: first };
  }
  // Numbers with a fraction become strings, as in Envoy.
  if (typeof value === 'number') {
    const isWhole = Number.isInteger(value) && Math.abs(value) < 1e15;
    return { kind: 'constant', json: isWhole ? jsonNumber(value) : `"${value}"` };
  }
  if (typeof value === 'boolean') return { kind: 'constant', json: value ? 'true' : 'false' };
  if (Array.isArray(value)) {
    return { kind: 'list', items: value.map((item, i) => compileNode(item, at(i), options)) };
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .map(([key, member]) => [utf8Bytes(key), compileNode(member, d.at(key), options, (i) => d.at(key, i))] as const)
      .sort((a, b) => compareBytes(a[0], b[0]));
    return { kind: 'object', members: members.map(([key, node]) => [`"${jsonEscape(key)}":`, node] as const) };
  }
  return { kind: 'constant', json: 'null' };
}

/**
 * Everything is there on every line, so the line is literals with values between them. Whether quotes stand at the
 * ends of a literal depends on the values beside it: all four forms are kept, which saves two appends per value.
 */
class JsonFormatter implements Formatter {
  readonly literal: string | null;
  readonly #steps: readonly Step[];
  /** Before, between and after the values; four forms of each at 4 i + (quote at its start ? 1 : 0) + (end ? 2 : 0). */
  readonly #literals: readonly string[];

  constructor(root: Node) {
    const line = flattenShape(root);
    this.literal = line.steps.length === 0 ? (line.literals[0] as string) : null;
    this.#steps = line.steps;
    this.#literals = line.literals.flatMap((text) => [text, `"${text}`, `${text}"`, `"${text}"`]);
  }

  format(ctx: FormatContext): string {
    const steps = this.#steps;
    const literals = this.#literals;
    let text = '';
    let wasQuoted = 0;
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i] as Step;
      const { json } = step;
      const value = json === null ? step.get(ctx) : json(ctx);
      const isQuoted = typeof value === 'string' && json === null && !step.isInString ? 1 : 0;
      if (value === step.lastValue && wasQuoted === step.lastQuote) {
        if (!step.isFlat) flatten(step);
        text += step.lastPiece;
      } else {
        const piece = (literals[4 * i + 2 * isQuoted + wasQuoted] as string) + shown(step, value);
        text += piece;
        if (typeof value !== 'string' || value.length <= MAX_KEPT) {
          step.lastValue = value;
          step.lastQuote = wasQuoted;
          step.lastPiece = piece;
          step.isFlat = false;
        }
      }
      wasQuoted = isQuoted;
    }
    return text + (literals[4 * steps.length + wasQuoted] as string);
  }
}

function shown({ json, isRaw, isInString }: Step, value: string | number | null): string {
  if (value === null) return isInString ? '-' : 'null';
  if (typeof value === 'number') return String(value);
  return json !== null || isRaw ? value : jsonEscape(value);
}

/** To read of a text makes V8 put its parts together. */
function flatten(step: Step): void {
  step.lastPiece.charCodeAt(0);
  step.isFlat = true;
}

/** Walks the shape; literals has one entry more than steps. */
function flattenShape(root: Node): { steps: Step[]; literals: string[] } {
  const steps: Step[] = [];
  const literals: string[] = [];
  let literal = '';
  const emit = (operator: Operator, isInString: boolean): void => {
    literals.push(literal);
    literal = '';
    const json = operator.type === 'json' && !isInString ? (operator.json ?? null) : null;
    const isRaw = operator.isSafe === true;
    const last = { lastValue: undefined, lastQuote: 0, lastPiece: '', isFlat: false };
    steps.push({ get: operator.get, json, isRaw, isInString, ...last });
  };
  const walk = (node: Node): void => {
    if (node.kind === 'constant') {
      literal += node.json;
    } else if (node.kind === 'value') {
      emit(node.operator, false);
    } else if (node.kind === 'string') {
      literal += '"';
      for (const piece of node.pieces) {
        if (typeof piece === 'string') literal += jsonEscape(piece);
        else emit(piece, true);
      }
      literal += '"';
    } else {
      literal += node.kind === 'list' ? '[' : '{';
      const children = node.kind === 'list' ? node.items.map((item) => ['', item] as const) : node.members;
      children.forEach(([key, child], i) => {
        literal += i > 0 ? `,${key}` : key;
        walk(child);
      });
      literal += node.kind === 'list' ? ']' : '}';
    }
  };
  walk(root);
  literals.push(`${literal}\n`);
  return { steps, literals };
}

/** Leaves out what is null and objects that end up empty. */
class OmittingJsonFormatter implements Formatter {
  readonly literal = null;
  readonly #root: Node;

  constructor(root: Node) {
    this.#root = root;
  }

  format(ctx: FormatContext): string {
    return `${this.#render(this.#root, ctx) ?? '{}'}\n`;
  }

  #render(node: Node, ctx: FormatContext): string | null {
    if (node.kind === 'constant') return node.json === 'null' ? null : node.json;
    if (node.kind === 'value') {
      const { operator } = node;
      if (operator.type === 'json') return operator.json?.(ctx) ?? null;
      const value = operator.get(ctx);
      if (value === null) return null;
      if (typeof value === 'number') return String(value);
      return operator.isSafe === true ? `"${value}"` : `"${jsonEscape(value)}"`;
    }
    if (node.kind === 'string') {
      let text = '"';
      for (const piece of node.pieces) {
        const value = typeof piece === 'string' ? piece : piece.get(ctx);
        if (value !== null) text += typeof value === 'string' ? jsonEscape(value) : value;
      }
      return `${text}"`;
    }
    if (node.kind === 'list') {
      let text = '';
      for (const item of node.items) {
        const json = this.#render(item, ctx);
        if (json !== null) text += text === '' ? json : `,${json}`;
      }
      return `[${text}]`;
    }
    let text = '';
    for (const [key, member] of node.members) {
      const json = this.#render(member, ctx);
      if (json !== null) text += text === '' ? key + json : `,${key}${json}`;
    }
    return text === '' ? null : `{${text}}`;
  }
}
