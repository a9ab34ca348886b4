// Templates of URL paths, '/a/*/{name=b/**}.html', as regular expressions over paths without a query.

export type PathTemplate = {
  /** To be matched against the whole path; one group for each variable. */
  readonly regex: string;
  /** Variables in the order of the groups. */
  readonly names: readonly string[];
};

/** Source: Envoy uri_template_internal.cc. */
const MAX_VARIABLES = 5;
const MAX_NAME_LENGTH = 16;

/** What a segment of a path may consist of, as the inside of a class. */
const LITERAL = "a-zA-Z0-9\\-._~%!$&'()*+,;:@=";
const IS_LITERAL = new RegExp(`^[${LITERAL}]+$`);
const IS_NAME = /^[a-zA-Z][a-zA-Z0-9_]*$/;
const ONE_SEGMENT = `[${LITERAL}]+`;
const ANY_SEGMENTS = `[${LITERAL}/]*`;

type Failed = { readonly error: string };

/** What is left of a template while it is read, and what was found in it. */
class Reader {
  rest: string;
  readonly names: string[] = [];
  /** '**' may be anything, so nothing behind it can be a glob. */
  #sawText = false;

  constructor(text: string) {
    this.rest = text;
  }

  literal(): string | Failed {
    const end = this.rest.indexOf('/');
    const text = end < 0 ? this.rest : this.rest.slice(0, end);
    if (!IS_LITERAL.test(text)) return { error: 'Invalid literal' };
    this.rest = this.rest.slice(text.length);
    // An asterisk stays what it is in regular expressions, as in Envoy: 'a*b' takes 'aab'.
    return text.replace(/[$()+.]/g, '\\$&');
  }

  glob(): string | Failed {
    if (this.#sawText) return { error: 'Glob after text glob.' };
    this.#sawText = this.rest.startsWith('**');
    this.rest = this.rest.slice(this.#sawText ? 2 : 1);
    return this.#sawText ? ANY_SEGMENTS : ONE_SEGMENT;
  }

  variable(): string | Failed {
    const end = this.rest.indexOf('}');
    if (end < 0) return { error: 'Unmatched variable bracket' };
    const inside = this.rest.slice(1, end);
    const behind = this.rest.slice(end + 1);
    const equals = inside.indexOf('=');
    const name = equals < 0 ? inside : inside.slice(0, equals);
    const problem = this.#addName(name);
    if (problem !== null) return { error: problem };
    let regex: string | Failed;
    if (equals < 0) {
      if (this.#sawText) return { error: 'Implicit variable path glob after text glob.' };
      regex = ONE_SEGMENT;
    } else {
      this.rest = inside.slice(equals + 1);
      regex = this.#variableMatch();
    }
    this.rest = behind;
    return typeof regex === 'string' ? `(${regex})` : regex;
  }

  #addName(name: string): string | null {
    if (!IS_NAME.test(name)) return 'Invalid variable name';
    if (this.names.length >= MAX_VARIABLES) return 'Exceeded variable count limit';
    if (name.length > MAX_NAME_LENGTH) return 'Invalid variable length';
    if (this.names.includes(name)) return 'Repeated variable name';
    this.names.push(name);
    return null;
  }

  #variableMatch(): string | Failed {
    if (this.rest === '') return { error: 'Empty variable match' };
    const parts: string[] = [];
    while (this.rest !== '') {
      const part = this.rest.startsWith('*') ? this.glob() : this.literal();
      if (typeof part !== 'string') return part;
      parts.push(part);
      if (this.rest === '') break;
      if (!this.rest.startsWith('/') || this.rest === '/') return { error: 'Invalid variable match' };
      this.rest = this.rest.slice(1);
    }
    return parts.join('/');
  }
}

export function compilePathTemplate(text: string): PathTemplate | Failed {
  if (!/^\/[!-~]*$/.test(text)) return { error: 'Invalid pattern' };
  const reader = new Reader(text.slice(1));
  const segments: string[] = [];
  let suffix = '';
  while (reader.rest !== '') {
    const segment = readSegment(reader);
    if (typeof segment !== 'string') return segment;
    segments.push(segment);
    if (reader.rest === '') break;
    if (reader.rest === '/') {
      segments.push('');
      break;
    }
    if (reader.rest.startsWith('/')) {
      reader.rest = reader.rest.slice(1);
      continue;
    }
    const literal = reader.literal();
    if (typeof literal !== 'string') return literal;
    if (reader.rest !== '') return { error: 'Prefix match not supported.' };
    suffix = literal;
  }
  return { regex: `/${segments.join('/')}${suffix}`, names: reader.names };
}

function readSegment(reader: Reader): string | Failed {
  if (reader.rest.startsWith('*')) return reader.glob();
  return reader.rest.startsWith('{') ? reader.variable() : reader.literal();
}
