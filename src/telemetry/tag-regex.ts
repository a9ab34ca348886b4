// Regular expressions of tags: Envoy compiles those by std::regex, whose ECMAScript has POSIX classes and look-ahead.

/** What [:NAME:] stands for inside of brackets; of 7-bit characters, as statistics have them. */
const CLASSES: Readonly<Record<string, string>> = {
  alnum: 'A-Za-z0-9',
  alpha: 'A-Za-z',
  blank: ' \\t',
  cntrl: '\\x00-\\x1f\\x7f',
  d: '0-9',
  digit: '0-9',
  graph: '\\x21-\\x7e',
  lower: 'a-z',
  print: '\\x20-\\x7e',
  punct: '!-\\/:-@\\[-`{-~',
  s: '\\s',
  space: '\\s',
  upper: 'A-Z',
  w: '\\w',
  xdigit: '0-9A-Fa-f',
};
/** Letters that may follow a backslash. */
const ESCAPES = /[bBcdDfnrsStuvwWx]/;

/** libc++'s texts of std::regex_error. */
const NO_ESCAPE = 'The expression contained an invalid escaped character, or a trailing escape.';
const NO_CLASS = 'The expression contained an invalid character class name.';
const NO_REPEAT = 'One of *?+{ was not preceded by a valid regular expression.';
const NO_PAREN = 'The expression contained mismatched ( and ).';
const NO_BRACKET = 'The expression contained mismatched [ and ].';
const NO_BRACE = 'The expression contained mismatched { and }.';

export type TagRegex = { readonly regex: RegExp; readonly groups: number };

/** With positions of groups (flag d). */
export function compileTagRegex(source: string): TagRegex | { readonly error: string } {
  const translated = translate(source);
  if (typeof translated !== 'string') return translated;
  try {
    const regex = new RegExp(translated, 'd');
    const groups = (new RegExp(`${translated}|`).exec('')?.length ?? 1) - 1;
    return { regex, groups };
  } catch (error) {
    return { error: reasonOf((error as Error).message) };
  }
}

/** To what the runtime has, which knows more than std::regex: that is refused. */
function translate(source: string): string | { readonly error: string } {
  let out = '';
  let isInBrackets = false;
  for (let i = 0; i < source.length; i++) {
    const char = source[i] as string;
    const next = source[i + 1] ?? '';
    if (char === '\\') {
      if (next === '' || (/[a-zA-Z]/.test(next) && !ESCAPES.test(next))) return { error: NO_ESCAPE };
      out += char + next;
      i++;
    } else if (isInBrackets && char === '[' && next === ':') {
      const end = source.indexOf(':]', i + 2);
      const stands = end < 0 ? undefined : CLASSES[source.slice(i + 2, end)];
      if (stands === undefined) return { error: NO_CLASS };
      out += stands;
      i = end + 1;
    } else if (isInBrackets && char === '[' && (next === '.' || next === '=')) return { error: NO_CLASS };
    else if (char === '(' && next === '?' && !isInBrackets && !/[:=!]/.test(source[i + 2] ?? '')) {
      return { error: NO_REPEAT };
    } else {
      if (char === '[' && !isInBrackets) isInBrackets = true;
      else if (char === ']' && isInBrackets) isInBrackets = false;
      out += char;
    }
  }
  return out;
}

function reasonOf(message: string): string {
  if (/group|parenthes/i.test(message)) return NO_PAREN;
  if (/character class/i.test(message)) return NO_BRACKET;
  if (/quantifier|braces/i.test(message)) return NO_BRACE;
  return /repeat/i.test(message) ? NO_REPEAT : NO_ESCAPE;
}
