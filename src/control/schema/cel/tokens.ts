// The words of an expression: names, signs, numbers, and the many forms of quoted text.

export type Token =
  | { readonly kind: 'name' | 'sign' | 'end'; readonly text: string }
  | { readonly kind: 'value'; readonly text: string; readonly value: number | string | Uint8Array };

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
      const value = isRaw ? body : unescape(body);
      if (value === null) return `the text ${JSON.stringify(body)} has a wrong escape`;
      tokens.push({ kind: 'value', text: body, value: /b/i.test(prefix) ? Buffer.from(value, 'utf8') : value });
      continue;
    }
    const previous = tokens.at(-1);
    const isAfterDot = previous?.kind === 'sign' && previous.text === '.';
    const number = isAfterDot ? null : take(NUMBER);
    if (number !== null) tokens.push({ kind: 'value', text: number[0], value: Number(number[0].replace(/[uU]$/, '')) });
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
