// The words of an expression: names, signs, numbers, and the many forms of quoted text.
import { canonical, double, Uint, type Value } from './values.ts';

export type Token =
  | { readonly kind: 'name' | 'sign' | 'end'; readonly text: string }
  | { readonly kind: 'value'; readonly text: string; readonly value: Value };

const SPACE = /(?:[\s]|\/\/[^\n]*)*/y;
const NUMBER = /0[xX][0-9a-fA-F]+[uU]?|(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)|\d+[uU]?/y;
const QUOTED = /([rRbB]{0,2})("""|'''|"|')/y;
const NAME = /[A-Za-z_]\w*|`[\w.\-/ ]+`/y;
const SIGN = /==|!=|<=|>=|&&|\|\||[-.()[\]{}!?:+*/%<>,]/y;

/** A text says why there are none. */
export function tokenize(text: string): readonly Token[] | string {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  for (;;) {
    take(SPACE);
    if (at >= text.length) break;
    const quoted = take(QUOTED);
    if (quoted !== null) {
      const [, prefix = '', quote = ''] = quoted;
      const isRaw = /r/i.test(prefix);
      const end = endOf(text, at, quote, isRaw);
      if (end < 0) return `a text that begins with ${quote} has no end`;
      const body = text.slice(at, end);
      at = end + quote.length;
      const value = /b/i.test(prefix) ? bytesOfLiteral(body, isRaw) : isRaw ? body : unescape(body);
      if (value === null) return `the text ${JSON.stringify(body)} has a wrong escape`;
      tokens.push({ kind: 'value', text: body, value });
      continue;
    }
    const previous = tokens.at(-1);
    const isAfterDot = previous?.kind === 'sign' && previous.text === '.';
    const number = isAfterDot ? null : take(NUMBER);
    if (number !== null) tokens.push({ kind: 'value', text: number[0], value: numberOf(number[0]) });
    else {
      const name = take(NAME);
      const sign = name === null ? take(SIGN) : null;
      if (name !== null) tokens.push({ kind: 'name', text: name[0].replaceAll('`', '') });
      else if (sign !== null) tokens.push({ kind: 'sign', text: sign[0] });
      else return `${JSON.stringify(text.slice(at, at + 10))} is not expected`;
    }
  }
  tokens.push({ kind: 'end', text: '' });
  return tokens;
}

/** Integers that are too large are told by the parser, which knows of the sign before them. */
function numberOf(text: string): Value {
  if (/[uU]$/.test(text)) return new Uint(canonical(BigInt(text.slice(0, -1))));
  return /^(?:0[xX]|\d+$)/.test(text) ? canonical(BigInt(text)) : double(Number(text));
}

/** Escapes are bytes, other characters their UTF-8; null: an escape is wrong. */
function bytesOfLiteral(body: string, isRaw: boolean): Uint8Array | null {
  if (isRaw || !body.includes('\\')) return Buffer.from(body, 'utf8');
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const match of body.matchAll(ESCAPE)) {
    const [whole, x, bigX, u, bigU] = match;
    if (u !== undefined || bigU !== undefined) return null;
    const text = unescape(whole);
    if (text === null) return null;
    parts.push(Buffer.from(body.slice(at, match.index), 'utf8'));
    const isByte = x !== undefined || bigX !== undefined || match[5] !== undefined;
    parts.push(Buffer.from(text, isByte ? 'latin1' : 'utf8'));
    at = match.index + whole.length;
  }
  return Buffer.concat([...parts, Buffer.from(body.slice(at), 'utf8')]);
}

function endOf(text: string, from: number, quote: string, isRaw: boolean): number {
  for (let at = from; at < text.length; at++) {
    if (text.startsWith(quote, at)) return at;
    if (text[at] === '\\' && !isRaw) at++;
    else if (text[at] === '\n' && quote.length === 1) return -1;
  }
  return -1;
}

const ESCAPE =
  /\\(?:x([0-9a-fA-F]{2})|X([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([\s\S]))/g;
const SINGLE: Readonly<Record<string, string>> = {
  ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
  ...{ '\\': '\\', '?': '?', '"': '"', "'": "'", '`': '`' },
};

function unescape(body: string): string | null {
  let isWrong = false;
  const plain = body.replace(
    ESCAPE,
    (_, x?: string, bigX?: string, u?: string, bigU?: string, octal?: string, one = '') => {
      const hex = x ?? bigX ?? u ?? bigU;
      const point =
        hex !== undefined ? Number.parseInt(hex, 16) : octal !== undefined ? Number.parseInt(octal, 8) : null;
      if (point !== null && point <= 0x10ffff) return String.fromCodePoint(point);
      const char = SINGLE[one as string];
      if (char === undefined) isWrong = true;
      return char ?? '';
    },
  );
  return isWrong ? null : plain;
}
