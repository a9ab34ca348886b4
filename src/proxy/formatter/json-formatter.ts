// JSON formats: one object per line, its shape compiled ahead, its properties sorted.
import type { ConfigDecoder } from '../config-decoder.ts';
import { compareBytes, jsonEscape, utf8Bytes } from './byte-text.ts';
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
};
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
    return { kind: 'constant', json: isWhole ? String(value) : `"${value}"` };
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
    const line = flatten(root);
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
      const { get, json, isRaw, isInString } = steps[i] as Step;
      const value = json === null ? get(ctx) : json(ctx);
      if (typeof value === 'string' && json === null && !isInString) {
        text += literals[4 * i + 2 + wasQuoted] as string;
        text += isRaw ? value : jsonEscape(value);
        wasQuoted = 1;
        continue;
      }
      text += literals[4 * i + wasQuoted] as string;
      wasQuoted = 0;
      if (value === null) text += isInString ? '-' : 'null';
      else text += typeof value === 'number' || json !== null || isRaw ? value : jsonEscape(value);
    }
    return text + (literals[4 * steps.length + wasQuoted] as string);
  }
}

/** Walks the shape; literals has one entry more than steps. */
function flatten(root: Node): { steps: Step[]; literals: string[] } {
  const steps: Step[] = [];
  const literals: string[] = [];
  let literal = '';
  const emit = (operator: Operator, isInString: boolean): void => {
    literals.push(literal);
    literal = '';
    const json = operator.type === 'json' && !isInString ? (operator.json ?? null) : null;
    steps.push({ get: operator.get, json, isRaw: operator.isSafe === true, isInString });
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
      return typeof value === 'string' ? `"${jsonEscape(value)}"` : String(value);
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
