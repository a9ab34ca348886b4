// The part of CEL in which labels of metrics are written: attributes, constants, comparisons, choices, functions.
import { type AttributeSource, attribute, ATTRIBUTES } from './attributes.ts';

/** Undefined is an error, as of a key that is not there. */
export type Value = string | number | boolean | null | object | undefined;

export type Expression = { evaluate(source: AttributeSource): Value };

/** What a label shows; Istio shows errors as 'unknown'. Source: Envoy Expr::print. */
export function textOf(value: Value): string {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
    case 'boolean':
      return String(value);
    default:
      return value === null ? 'NULL' : 'unknown';
  }
}

/** The amount of a metric; 0 where the value is no whole number. */
export function amountOf(value: Value): number {
  const text = typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

/** Expressions are short; longer ones are refused. */
const MAX_LENGTH = 1000;
const MAX_DEPTH = 20;

/** Returns the reason when the text is not of the supported part of the language. */
export function compileExpression(text: string): Expression | string {
  if (text.length > MAX_LENGTH) return `an expression may have ${MAX_LENGTH} characters`;
  try {
    return { evaluate: new Parser(text).whole() };
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error;
    return `the expression ${JSON.stringify(text)} is not supported: ${error.message}`;
  }
}

/** Stays inside this file. */
class Unsupported extends Error {}

type Node = (source: AttributeSource) => Value;

const TOKEN =
  /\s*(?:(\d+\.\d+|\d+)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([A-Za-z_]\w*)|(==|!=|<=|>=|&&|\|\||[.()[\]!?:+<>,-]))/y;

type Token = { readonly kind: 'number' | 'text' | 'name' | 'sign' | 'end'; readonly text: string };

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < end) {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new Unsupported(`it has ${JSON.stringify(text.slice(from, from + 10))}`);
    const [, number, quoted, name, sign] = match;
    if (number !== undefined) tokens.push({ kind: 'number', text: number });
    else if (quoted !== undefined) tokens.push({ kind: 'text', text: unquote(quoted) });
    else if (name !== undefined) tokens.push({ kind: 'name', text: name });
    else tokens.push({ kind: 'sign', text: sign as string });
  }
  tokens.push({ kind: 'end', text: '' });
  return tokens;
}

function unquote(quoted: string): string {
  return quoted.slice(1, -1).replace(/\\(.)/g, (_, char: string) => ESCAPES[char] ?? char);
}
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  whole(): Node {
    const node = this.#choice();
    if (this.#peek.kind !== 'end') throw new Unsupported(`${JSON.stringify(this.#peek.text)} is not expected`);
    return node;
  }

  get #peek(): Token {
    return this.#tokens[this.#at] as Token;
  }

  #take(sign: string): boolean {
    const { kind, text } = this.#peek;
    if (kind !== 'sign' || text !== sign) return false;
    this.#at++;
    return true;
  }

  #expect(sign: string): void {
    if (!this.#take(sign)) throw new Unsupported(`${JSON.stringify(sign)} is missing`);
  }

  #choice(): Node {
    if (++this.#depth > MAX_DEPTH) throw new Unsupported('it is nested too deep');
    const test = this.#or();
    let node = test;
    if (this.#take('?')) {
      const yes = this.#choice();
      this.#expect(':');
      const no = this.#choice();
      node = (source) => {
        const value = test(source);
        return typeof value !== 'boolean' ? undefined : value ? yes(source) : no(source);
      };
    }
    this.#depth--;
    return node;
  }

  #or(): Node {
    let node = this.#and();
    while (this.#take('||')) node = either(node, this.#and(), true);
    return node;
  }

  #and(): Node {
    let node = this.#relation();
    while (this.#take('&&')) node = either(node, this.#relation(), false);
    return node;
  }

  #relation(): Node {
    const left = this.#sum();
    for (const [sign, holds] of RELATIONS) {
      if (!this.#take(sign)) continue;
      const right = this.#sum();
      return (source) => {
        const a = left(source);
        const b = right(source);
        return a === undefined || b === undefined ? undefined : holds(a, b);
      };
    }
    return left;
  }

  #sum(): Node {
    let node = this.#unary();
    while (this.#take('+')) node = sum(node, this.#unary());
    return node;
  }

  #unary(): Node {
    if (this.#take('!')) {
      const node = this.#unary();
      return (source) => {
        const value = node(source);
        return typeof value === 'boolean' ? !value : undefined;
      };
    }
    if (this.#take('-')) {
      const node = this.#unary();
      return (source) => {
        const value = node(source);
        return typeof value === 'number' ? -value : undefined;
      };
    }
    return this.#member();
  }

  #member(): Node {
    let node = this.#primary();
    for (;;) {
      if (this.#take('.')) {
        const name = this.#name();
        node = this.#take('(') ? method(node, name, this.#arguments()) : member(node, () => name);
      } else if (this.#take('[')) {
        const key = this.#choice();
        this.#expect(']');
        node = member(node, key);
      } else return node;
    }
  }

  #name(): string {
    const { kind, text } = this.#peek;
    if (kind !== 'name') throw new Unsupported('a name is missing after "."');
    this.#at++;
    return text;
  }

  /** What follows '(' up to ')'. */
  #arguments(): Node[] {
    const nodes: Node[] = [];
    if (this.#take(')')) return nodes;
    do nodes.push(this.#choice());
    while (this.#take(','));
    this.#expect(')');
    return nodes;
  }

  #primary(): Node {
    const { kind, text } = this.#peek;
    if (this.#take('(')) {
      const node = this.#choice();
      this.#expect(')');
      return node;
    }
    if (kind === 'sign' || kind === 'end') throw new Unsupported('a value is missing');
    this.#at++;
    if (kind === 'number') return constant(Number(text));
    if (kind === 'text') return constant(text);
    if (CONSTANTS.has(text)) return constant(CONSTANTS.get(text));
    return this.#take('(') ? call(text, this.#arguments()) : this.#attribute(text);
  }

  /** 'request.path': the first two names are an attribute's, what follows is inside of it. */
  #attribute(root: string): Node {
    const known = ATTRIBUTES.get(root);
    if (known === undefined) throw new Unsupported(`there is no attribute ${root}`);
    if (known === 'map') return (source) => attribute(source, root, '');
    const isIndexed = this.#take('[');
    if (!isIndexed) this.#expect('.');
    const { kind, text: name } = this.#peek;
    if (kind !== (isIndexed ? 'text' : 'name')) throw new Unsupported(`${root} alone is no value`);
    this.#at++;
    if (isIndexed) this.#expect(']');
    if (!known.has(name)) throw new Unsupported(`there is no attribute ${root}.${name}`);
    return (source) => attribute(source, root, name);
  }
}

const CONSTANTS: ReadonlyMap<string, Value> = new Map<string, Value>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

const RELATIONS: readonly (readonly [string, (a: unknown, b: unknown) => boolean | undefined])[] = [
  ['==', (a, b) => a === b],
  ['!=', (a, b) => a !== b],
  ['<=', (a, b) => ordered(a, b, (order) => order <= 0)],
  ['>=', (a, b) => ordered(a, b, (order) => order >= 0)],
  ['<', (a, b) => ordered(a, b, (order) => order < 0)],
  ['>', (a, b) => ordered(a, b, (order) => order > 0)],
];

function ordered(a: unknown, b: unknown, holds: (order: number) => boolean): boolean | undefined {
  if (typeof a === 'number' && typeof b === 'number') return holds(a - b);
  if (typeof a === 'string' && typeof b === 'string') return holds(a < b ? -1 : a > b ? 1 : 0);
  return undefined;
}

function constant(value: Value): Node {
  return () => value;
}

/** '||' and '&&': one side that decides makes the other's error no matter. */
function either(left: Node, right: Node, decides: boolean): Node {
  return (source) => {
    const a = left(source);
    if (a === decides) return decides;
    const b = right(source);
    if (b === decides) return decides;
    return typeof a === 'boolean' && typeof b === 'boolean' ? !decides : undefined;
  };
}

function sum(left: Node, right: Node): Node {
  return (source) => {
    const a = left(source);
    const b = right(source);
    if (typeof a === 'string' && typeof b === 'string') return a + b;
    return typeof a === 'number' && typeof b === 'number' ? a + b : undefined;
  };
}

function member(node: Node, key: Node): Node {
  return (source) => {
    const object = node(source);
    const name = key(source);
    if (typeof object !== 'object' || object === null) return undefined;
    if (object instanceof Map) return object.get(name) as Value;
    if (Array.isArray(object)) return typeof name === 'number' ? (object[name] as Value) : undefined;
    return typeof name === 'string' && Object.hasOwn(object, name)
      ? (object as Record<string, Value>)[name]
      : undefined;
  };
}

function method(node: Node, name: string, parameters: readonly Node[]): Node {
  const test = METHODS.get(name);
  const [parameter] = parameters;
  if (test === undefined || parameter === undefined || parameters.length !== 1) {
    throw new Unsupported(`there is no function ${name} with ${parameters.length} arguments here`);
  }
  return (source) => {
    const text = node(source);
    const part = parameter(source);
    return typeof text === 'string' && typeof part === 'string' ? test(text, part) : undefined;
  };
}
const METHODS: ReadonlyMap<string, (text: string, part: string) => boolean> = new Map([
  ['startsWith', (text: string, part: string) => text.startsWith(part)],
  ['endsWith', (text: string, part: string) => text.endsWith(part)],
  ['contains', (text: string, part: string) => text.includes(part)],
]);

function call(name: string, parameters: readonly Node[]): Node {
  const apply = FUNCTIONS.get(name);
  const [parameter] = parameters;
  if (apply === undefined || parameter === undefined || parameters.length !== 1) {
    throw new Unsupported(`there is no function ${name} with ${parameters.length} arguments here`);
  }
  return (source) => apply(parameter(source));
}
const FUNCTIONS: ReadonlyMap<string, (value: Value) => Value> = new Map<string, (value: Value) => Value>([
  ['has', (value) => value !== undefined],
  ['string', (value) => (typeof value === 'object' || value === undefined ? undefined : String(value))],
  ['int', (value) => (Number.isFinite(Number(value)) && value !== '' ? Math.trunc(Number(value)) : undefined)],
  ['size', (value) => (typeof value === 'string' ? [...value].length : undefined)],
]);
