// The Common Expression Language: text → syntax tree. Source: cel-spec, langdef.
import { integer, negate } from './numbers.ts';
import { tokenize, type Token } from './tokens.ts';
import { isError, numberKind, type Result, Uint, type Value } from './values.ts';

/** '&&' and '||' are calls with all their operands. */
export type Node =
  | { readonly kind: 'constant'; readonly value: Value }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'select'; readonly of: Node; readonly field: string; readonly isOptional: boolean }
  | { readonly kind: 'index'; readonly of: Node; readonly at: Node; readonly isOptional: boolean }
  | { readonly kind: 'call'; readonly name: string; readonly target: Node | null; readonly args: readonly Node[] }
  | { readonly kind: 'list'; readonly items: readonly Node[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [key: Node, value: Node])[] };

/** Thrown by what is no expression, here and when it is compiled. */
export class ExpressionError extends Error {}

const MAX_LENGTH = 16_384;
const MAX_DEPTH = 120;
/** Of the tree: what compiles and evaluates it calls itself. */
const MAX_HEIGHT = 400;

/** Throws an ExpressionError. Operators are calls named as they are written; '-' before a value is 'negate'. */
export function parseExpression(text: string): Node {
  if (text.length > MAX_LENGTH) throw new ExpressionError(`an expression may have ${MAX_LENGTH} characters`);
  const tokens = tokenize(text);
  if (typeof tokens === 'string') throw new ExpressionError(tokens);
  return new Parser(tokens).whole();
}

const BINARY: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['==', '!=', '<', '<=', '>', '>=', 'in'],
  ['+', '-'],
  ['*', '/', '%'],
];

class Parser {
  readonly #tokens: readonly Token[];
  readonly #heights = new Map<Node, number>();
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): Node {
    const node = this.#choice();
    const { kind, text } = this.#peek;
    if (kind !== 'end') throw new ExpressionError(`${JSON.stringify(text)} is not expected`);
    return node;
  }

  get #peek(): Token {
    return this.#tokens[this.#at] as Token;
  }

  #take(sign: string): boolean {
    const { kind, text } = this.#peek;
    if ((kind !== 'sign' && !(kind === 'name' && sign === 'in')) || text !== sign) return false;
    this.#at++;
    return true;
  }

  #expect(sign: string): void {
    if (!this.#take(sign)) throw new ExpressionError(`${sign} is missing before ${JSON.stringify(this.#peek.text)}`);
  }

  #made(node: Node, children: readonly Node[]): Node {
    let height = 1;
    for (const child of children) height = Math.max(height, 1 + (this.#heights.get(child) ?? 1));
    if (height > MAX_HEIGHT) throw new ExpressionError('it is nested too deep');
    this.#heights.set(node, height);
    return node;
  }

  #callOf(name: string, args: readonly Node[], target: Node | null = null): Node {
    return this.#made({ kind: 'call', name, target, args }, target === null ? args : [target, ...args]);
  }

  #choice(): Node {
    if (++this.#depth > MAX_DEPTH) throw new ExpressionError('it is nested too deep');
    let node = this.#binary(0);
    if (this.#take('?')) {
      const yes = this.#binary(0);
      this.#expect(':');
      node = this.#callOf('?:', [node, yes, this.#choice()]);
    }
    this.#depth--;
    return node;
  }

  #binary(level: number): Node {
    const signs = BINARY[level];
    if (signs === undefined) return this.#unary();
    let node = this.#binary(level + 1);
    if (level < 2) {
      const [sign = ''] = signs;
      const operands = [node];
      while (this.#take(sign)) operands.push(this.#binary(level + 1));
      return operands.length === 1 ? node : this.#callOf(sign, operands);
    }
    for (;;) {
      const sign = signs.find((one) => this.#take(one));
      if (sign === undefined) return node;
      node = this.#callOf(sign, [node, this.#binary(level + 1)]);
    }
  }

  #unary(): Node {
    for (const sign of ['!', '-'] as const) {
      if (!this.#take(sign)) continue;
      const number = sign === '-' ? this.#negativeNumber() : null;
      if (number !== null) return this.#memberOf(number);
      if (++this.#depth > MAX_DEPTH) throw new ExpressionError('it is nested too deep');
      const node = this.#unary();
      this.#depth--;
      return this.#callOf(sign === '!' ? '!' : 'negate', [node]);
    }
    return this.#memberOf(this.#primary());
  }

  /** The smallest integer is no negation: without its sign it would be too large. */
  #negativeNumber(): Node | null {
    const token = this.#peek;
    if (token.kind !== 'value' || (numberKind(token.value) ?? 'uint') === 'uint') return null;
    this.#at++;
    const { value } = token;
    const isWide = typeof value === 'bigint';
    return { kind: 'constant', value: known(isWide ? integer(-value, true) : negate(value), token.text) };
  }

  #memberOf(primary: Node): Node {
    let node = primary;
    for (;;) {
      if (this.#take('.')) {
        const isOptional = this.#take('?');
        const field = this.#name();
        if (!isOptional && this.#take('(')) {
          node = this.#callOf(field, this.#list(')', false), node);
        } else node = this.#made({ kind: 'select', of: node, field, isOptional }, [node]);
      } else if (this.#take('[')) {
        const isOptional = this.#take('?');
        const at = this.#choice();
        node = this.#made({ kind: 'index', of: node, at, isOptional }, [node, at]);
        this.#expect(']');
      } else return node;
    }
  }

  #name(): string {
    const { kind, text } = this.#peek;
    if (kind !== 'name') throw new ExpressionError(`a name is missing before ${JSON.stringify(text)}`);
    this.#at++;
    return text;
  }

  /** What stands up to the closing sign; in lists a comma behind the last is allowed. */
  #list(close: string, isCommaLast: boolean): Node[] {
    const nodes: Node[] = [];
    while (!this.#take(close)) {
      nodes.push(this.#choice());
      if (this.#take(',')) {
        const { kind, text } = this.#peek;
        if (!isCommaLast && kind === 'sign' && text === close) throw new ExpressionError(`${close} is not expected`);
        continue;
      }
      this.#expect(close);
      break;
    }
    return nodes;
  }

  #primary(): Node {
    if (this.#take('(')) {
      const node = this.#choice();
      this.#expect(')');
      return node;
    }
    if (this.#take('[')) {
      const items = this.#list(']', true);
      return this.#made({ kind: 'list', items }, items);
    }
    if (this.#take('{')) return this.#map();
    this.#take('.');
    const token = this.#peek;
    if (token.kind === 'sign' || token.kind === 'end') {
      throw new ExpressionError(`a value is missing before ${JSON.stringify(token.text)}`);
    }
    this.#at++;
    if (token.kind === 'value') return { kind: 'constant', value: inRange(token.value, token.text) };
    if (WORDS.has(token.text)) return { kind: 'constant', value: WORDS.get(token.text) ?? null };
    if (RESERVED.has(token.text)) throw new ExpressionError(`reserved identifier: ${token.text}`);
    if (this.#take('(')) return this.#callOf(token.text, this.#list(')', false));
    return { kind: 'name', name: token.text };
  }

  #map(): Node {
    const entries: (readonly [Node, Node])[] = [];
    while (!this.#take('}')) {
      const key = this.#choice();
      this.#expect(':');
      entries.push([key, this.#choice()]);
      if (this.#take(',')) continue;
      this.#expect('}');
      break;
    }
    return this.#made({ kind: 'map', entries }, entries.flat());
  }
}

function known(value: Result | null, text: string): Value {
  if (value === null || isError(value)) throw new ExpressionError(`the number ${text} is too large`);
  return value;
}

function inRange(value: Value, text: string): Value {
  if (value instanceof Uint) return known(integer(value.value, false), text);
  return typeof value === 'bigint' ? known(integer(value, true), text) : value;
}

/** Words that are no names of values; as fields they are. */
export const RESERVED: ReadonlySet<string> = new Set(
  [
    'true false null in as break const continue else for function if import let loop package namespace return var',
    'void while',
  ].flatMap((line) => line.split(' ')),
);

const WORDS: ReadonlyMap<string, null | boolean> = new Map<string, null | boolean>([
  ['true', true],
  ['false', false],
  ['null', null],
]);
