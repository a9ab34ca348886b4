// The Common Expression Language: text → syntax tree. Source: cel-spec, langdef.
import { tokenize, type Token } from './tokens.ts';

export type Node =
  | { readonly kind: 'constant'; readonly value: null | boolean | number | string | Uint8Array }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'select'; readonly of: Node; readonly field: string; readonly isOptional: boolean }
  | { readonly kind: 'index'; readonly of: Node; readonly at: Node; readonly isOptional: boolean }
  | { readonly kind: 'call'; readonly name: string; readonly target: Node | null; readonly args: readonly Node[] }
  | { readonly kind: 'list'; readonly items: readonly Node[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [key: Node, value: Node])[] };

/** Thrown by what is no expression, here and when it is compiled; stays inside this room. */
export class ExpressionError extends Error {}

const MAX_LENGTH = 16_384;
const MAX_DEPTH = 120;

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

  #choice(): Node {
    if (++this.#depth > MAX_DEPTH) throw new ExpressionError('it is nested too deep');
    let node = this.#binary(0);
    if (this.#take('?')) {
      const yes = this.#binary(0);
      this.#expect(':');
      node = { kind: 'call', name: '?:', target: null, args: [node, yes, this.#choice()] };
    }
    this.#depth--;
    return node;
  }

  #binary(level: number): Node {
    const signs = BINARY[level];
    if (signs === undefined) return this.#unary();
    let node = this.#binary(level + 1);
    for (;;) {
      const sign = signs.find((one) => this.#take(one));
      if (sign === undefined) return node;
      node = { kind: 'call', name: sign, target: null, args: [node, this.#binary(level + 1)] };
    }
  }

  #unary(): Node {
    for (const sign of ['!', '-'] as const) {
      if (!this.#take(sign)) continue;
      if (++this.#depth > MAX_DEPTH) throw new ExpressionError('it is nested too deep');
      const node = this.#unary();
      this.#depth--;
      return { kind: 'call', name: sign === '!' ? '!' : 'negate', target: null, args: [node] };
    }
    return this.#member();
  }

  #member(): Node {
    let node = this.#primary();
    for (;;) {
      if (this.#take('.')) {
        const isOptional = this.#take('?');
        const field = this.#name();
        if (!isOptional && this.#take('(')) {
          node = { kind: 'call', name: field, target: node, args: this.#list(')') };
        } else node = { kind: 'select', of: node, field, isOptional };
      } else if (this.#take('[')) {
        const isOptional = this.#take('?');
        node = { kind: 'index', of: node, at: this.#choice(), isOptional };
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

  /** What stands up to the closing sign; a comma behind the last is allowed. */
  #list(close: string): Node[] {
    const nodes: Node[] = [];
    while (!this.#take(close)) {
      nodes.push(this.#choice());
      if (this.#take(',')) continue;
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
    if (this.#take('[')) return { kind: 'list', items: this.#list(']') };
    if (this.#take('{')) return this.#map();
    this.#take('.');
    const token = this.#peek;
    if (token.kind === 'sign' || token.kind === 'end') {
      throw new ExpressionError(`a value is missing before ${JSON.stringify(token.text)}`);
    }
    this.#at++;
    if (token.kind === 'value') return { kind: 'constant', value: token.value };
    if (WORDS.has(token.text)) return { kind: 'constant', value: WORDS.get(token.text) ?? null };
    if (this.#take('(')) return { kind: 'call', name: token.text, target: null, args: this.#list(')') };
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
    return { kind: 'map', entries };
  }
}

const WORDS: ReadonlyMap<string, null | boolean> = new Map<string, null | boolean>([
  ['true', true],
  ['false', false],
  ['null', null],
]);
