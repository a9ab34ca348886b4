// Lua source text → tokens. Strings and names are bytes, one per char code.
import { parseNumber } from './number-text.ts';
import { LuaError } from './values.ts';

const KEYWORDS: ReadonlySet<string> = new Set(
  (
    'and break do else elseif end false for function goto if in local nil not or repeat return then true until ' +
    'while'
  ).split(' '),
);

const NAME_START = /[A-Za-z_\x80-\xff]/;
const NAME = /[A-Za-z0-9_\x80-\xff]*/y;
const NUMBER = /[0-9a-zA-Z.]*/y;
const SPACE = /[ \t\r\f\v]+/y;
const SYMBOLS3 = ['...'];
const SYMBOLS2 = ['==', '~=', '<=', '>=', '..', '::'];
const SYMBOLS1 = '+-*/%^#<>=(){}[];:,.';
const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
  "'": "'",
};

/** 'name', 'string', 'number', '<eof>', or the keyword or symbol itself. */
export type TokenKind = string;

export class Lexer {
  readonly #source: string;
  readonly chunk: string;
  #at = 0;
  #line = 1;
  /** The token that is looked at. */
  kind: TokenKind = '<eof>';
  text = '';
  number = 0;
  line = 1;
  /** Line of the token before. */
  lastLine = 1;
  #ahead: { kind: TokenKind; text: string; number: number; line: number } | null = null;
  #startOfToken = 0;

  constructor(source: string, chunk: string) {
    this.#source = source;
    this.chunk = chunk;
    if (source.startsWith('#')) {
      const end = source.indexOf('\n');
      this.#at = end < 0 ? source.length : end;
    }
    this.next();
  }

  next(): void {
    this.lastLine = this.line;
    if (this.#ahead !== null) {
      const { kind, text, number, line } = this.#ahead;
      this.kind = kind;
      this.text = text;
      this.number = number;
      this.line = line;
      this.#ahead = null;
      return;
    }
    this.kind = this.#read();
  }

  /** The kind of the token behind the present one. */
  peek(): TokenKind {
    if (this.#ahead === null) {
      const { kind, text, number, line } = this;
      const next = this.#read();
      this.#ahead = { kind: next, text: this.text, number: this.number, line: this.line };
      this.kind = kind;
      this.text = text;
      this.number = number;
      this.line = line;
    }
    return this.#ahead.kind;
  }

  fail(message: string, near: string | null = this.#shown()): never {
    throw new LuaError(`${this.chunk}:${this.line}: ${message}${near === null ? '' : ` near '${near}'`}`);
  }

  #shown(): string {
    switch (this.kind) {
      case 'name':
      case 'string':
      case 'number':
        return this.text;
      default:
        return this.kind;
    }
  }

  #failHere(message: string): never {
    this.line = this.#line;
    const near = this.#source.slice(this.#startOfToken, this.#at);
    return this.fail(message, near === '' || this.#at >= this.#source.length ? '<eof>' : near.slice(0, 80));
  }

  #read(): TokenKind {
    const source = this.#source;
    for (;;) {
      const c = source[this.#at];
      this.#startOfToken = this.#at;
      this.line = this.#line;
      if (c === undefined) return '<eof>';
      if (c === '\n') {
        this.#line++;
        this.#at++;
      } else if (c === ' ' || c === '\t' || c === '\r' || c === '\f' || c === '\v') {
        SPACE.lastIndex = this.#at;
        SPACE.test(source);
        this.#at = SPACE.lastIndex;
      } else if (c === '-' && source[this.#at + 1] === '-') {
        this.#comment();
      } else {
        return this.#token(c);
      }
    }
  }

  #comment(): void {
    this.#at += 2;
    const level = this.#longLevel();
    if (level >= 0) {
      this.#long(level, 'comment');
      return;
    }
    const end = this.#source.indexOf('\n', this.#at);
    this.#at = end < 0 ? this.#source.length : end;
  }

  #token(c: string): TokenKind {
    const source = this.#source;
    if (NAME_START.test(c)) {
      NAME.lastIndex = this.#at;
      NAME.test(source);
      this.text = source.slice(this.#at, NAME.lastIndex);
      this.#at = NAME.lastIndex;
      return KEYWORDS.has(this.text) ? this.text : 'name';
    }
    const next = source[this.#at + 1] ?? '';
    if (isDigit(c) || (c === '.' && isDigit(next))) return this.#number();
    if (c === '"' || c === "'") return this.#string(c);
    if (c === '[') {
      const level = this.#longLevel();
      if (level >= 0) {
        this.text = this.#long(level, 'string');
        return 'string';
      }
    }
    for (const symbol of SYMBOLS3) if (source.startsWith(symbol, this.#at)) return this.#symbol(symbol);
    for (const symbol of SYMBOLS2) if (source.startsWith(symbol, this.#at)) return this.#symbol(symbol);
    if (SYMBOLS1.includes(c)) return this.#symbol(c);
    this.#at++;
    this.text = c;
    return c;
  }

  #symbol(symbol: string): TokenKind {
    this.#at += symbol.length;
    return symbol;
  }

  #number(): TokenKind {
    const source = this.#source;
    let end = this.#at;
    for (;;) {
      NUMBER.lastIndex = end;
      NUMBER.test(source);
      end = NUMBER.lastIndex;
      const last = (source[end - 1] ?? '').toLowerCase();
      const isHex = /^0[xX]/.test(source.slice(this.#at, this.#at + 2));
      if ((source[end] === '+' || source[end] === '-') && last === (isHex ? 'p' : 'e')) end++;
      else break;
    }
    this.text = source.slice(this.#at, end);
    this.#at = end;
    const n = /[a-zA-Z]{3}/.test(this.text) && !/^0x/i.test(this.text) ? undefined : parseNumber(this.text);
    if (n === undefined) return this.fail('malformed number', this.text);
    this.number = n;
    return 'number';
  }

  /** The number of '=' of a long bracket that begins here, after which reading goes on; -1 for none. */
  #longLevel(): number {
    const source = this.#source;
    if (source[this.#at] !== '[') return -1;
    let end = this.#at + 1;
    while (source[end] === '=') end++;
    if (source[end] !== '[') return -1;
    const level = end - this.#at - 1;
    this.#at = end + 1;
    return level;
  }

  #long(level: number, what: string): string {
    const source = this.#source;
    const close = `]${'='.repeat(level)}]`;
    const end = source.indexOf(close, this.#at);
    if (end < 0) {
      this.#at = source.length;
      return this.#failHere(`unfinished long ${what}`);
    }
    let text = source.slice(this.#at, end);
    for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) === 10) this.#line++;
    this.#at = end + close.length;
    if (text.startsWith('\r\n')) text = text.slice(2);
    else if (text.startsWith('\n')) text = text.slice(1);
    return text.includes('\r\n') ? text.replaceAll('\r\n', '\n') : text;
  }

  #string(quote: string): TokenKind {
    const source = this.#source;
    let text = '';
    let from = ++this.#at;
    for (;;) {
      const c = source[this.#at];
      if (c === undefined || c === '\n') return this.#failHere('unfinished string');
      if (c === quote) break;
      if (c !== '\\') {
        this.#at++;
        continue;
      }
      text += source.slice(from, this.#at);
      this.#at++;
      text += this.#escape();
      from = this.#at;
    }
    this.text = text + source.slice(from, this.#at);
    this.#at++;
    return 'string';
  }

  #escape(): string {
    const source = this.#source;
    const c = source[this.#at] ?? '';
    const simple = SIMPLE_ESCAPES[c];
    if (simple !== undefined) {
      this.#at++;
      return simple;
    }
    if (c === '\n') {
      this.#at++;
      this.#line++;
      return '\n';
    }
    if (c === 'z') {
      this.#at++;
      while (/[ \t\r\n\f\v]/.test(source[this.#at] ?? '')) {
        if (source[this.#at] === '\n') this.#line++;
        this.#at++;
      }
      return '';
    }
    if (c === 'x') return this.#hexEscape();
    if (c === 'u') return this.#unicodeEscape();
    const decimal = /^\d{1,3}/.exec(source.slice(this.#at, this.#at + 3))?.[0];
    if (decimal === undefined || Number(decimal) > 255) return this.#failHere('invalid escape sequence');
    this.#at += decimal.length;
    return String.fromCharCode(Number(decimal));
  }

  #hexEscape(): string {
    const digits = this.#source.slice(this.#at + 1, this.#at + 3);
    if (!/^[0-9a-fA-F]{2}$/.test(digits)) return this.#failHere('invalid escape sequence');
    this.#at += 3;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }

  #unicodeEscape(): string {
    const match = /^u\{([0-9a-fA-F]{1,6})\}/.exec(this.#source.slice(this.#at, this.#at + 10));
    const point = match === null ? 0x110000 : Number.parseInt(match[1] as string, 16);
    if (match === null || point > 0x10ffff) return this.#failHere('invalid escape sequence');
    this.#at += match[0].length;
    return Buffer.from(String.fromCodePoint(point)).toString('latin1');
  }
}

function isDigit(c: string): boolean {
  return c >= '0' && c <= '9';
}
