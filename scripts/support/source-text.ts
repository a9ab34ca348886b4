// Reads TypeScript just well enough to check it: blanks literals, finds imports and the length of functions.

export type ImportStatement = { readonly line: number; readonly specifier: string; readonly typeOnly: boolean };
export type FunctionSpan = { readonly line: number; readonly lines: number; readonly name: string };

const BEFORE_REGEX = [
  /(?:^|[=(,:[!&|?{};+\-*%~^<>\n])\s*$/,
  /\b(?:return|typeof|case|of|in|void|delete|throw|yield|await|else|do)\s*$/,
];

/**
 * Returns the text with the inside of strings, templates, regular expressions and comments replaced by spaces.
 * Shape: same length and same line breaks as `text`, so offsets and line numbers stay true.
 */
export function blankLiterals(text: string): string {
  const out = text.split('');
  const blank = (from: number, to: number): void => {
    for (let index = from; index < to; index++) if (out[index] !== '\n') out[index] = ' ';
  };
  // Each entry is the brace depth at which an open `${` of a template closes.
  const templates: number[] = [];
  let depth = 0;
  let index = 0;
  const skipTemplate = (from: number): number => {
    let at = from;
    while (at < text.length) {
      if (text[at] === '\\') at += 2;
      else if (text[at] === '`') break;
      else if (text[at] === '$' && text[at + 1] === '{') {
        templates.push(depth);
        depth += 1;
        blank(from, at);
        return at + 2;
      } else at += 1;
    }
    blank(from, at);
    return at + 1;
  };
  while (index < text.length) {
    const char = text[index]!;
    const next = text[index + 1];
    if (char === '/' && next === '/') {
      const end = endOf(text, '\n', index);
      blank(index, end);
      index = end;
    } else if (char === '/' && next === '*') {
      const end = Math.min(text.length, endOf(text, '*/', index + 2) + 2);
      blank(index, end);
      index = end;
    } else if (char === "'" || char === '"') {
      const end = endOfString(text, index);
      blank(index + 1, end);
      index = end + 1;
    } else if (char === '`') {
      index = skipTemplate(index + 1);
    } else if (char === '/' && regexMayFollow(out, index)) {
      const end = endOfRegex(text, index);
      blank(index + 1, end);
      index = end + 1;
    } else {
      if (char === '{') depth += 1;
      if (char === '}') {
        depth -= 1;
        if (templates.at(-1) === depth) {
          templates.pop();
          index = skipTemplate(index + 1);
          continue;
        }
      }
      index += 1;
    }
  }
  return out.join('');
}

function regexMayFollow(out: readonly string[], index: number): boolean {
  const before = out.slice(Math.max(0, index - 20), index).join('');
  return BEFORE_REGEX.some((pattern) => pattern.test(before));
}

function endOf(text: string, what: string, from: number): number {
  const at = text.indexOf(what, from);
  return at < 0 ? text.length : at;
}

function endOfString(text: string, from: number): number {
  const quote = text[from];
  let at = from + 1;
  while (at < text.length && text[at] !== quote && text[at] !== '\n') at += text[at] === '\\' ? 2 : 1;
  return at;
}

function endOfRegex(text: string, from: number): number {
  let at = from + 1;
  let inClass = false;
  while (at < text.length && text[at] !== '\n') {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '[') inClass = true;
    else if (text[at] === ']') inClass = false;
    else if (text[at] === '/' && !inClass) return at;
    at += 1;
  }
  return at;
}

export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}

const STATIC_IMPORT =
  /^[ \t]*(?:import|export)\b(?:\s*(?<names>[\w$*{][^;'"]*?)\s*\bfrom)?\s*(['"])(?<path>[^'"\n]+)\2/gm;
const LAZY_IMPORT = /\bimport\(\s*(['"])(?<path>[^'"\n]+)\1/g;

/** Returns every static, re-exporting and dynamic import; a name list that is all `type` counts as type-only. */
export function findImports(text: string, blanked: string): ImportStatement[] {
  const found: ImportStatement[] = [];
  for (const pattern of [STATIC_IMPORT, LAZY_IMPORT]) {
    for (const match of text.matchAll(pattern)) {
      const { names = '', path = '' } = match.groups!;
      const keyword = match.index + match[0].search(/\S/);
      // Inside a string or a comment the blanked text has no keyword here.
      if (blanked[keyword] !== text[keyword]) continue;
      found.push({ line: lineAt(text, keyword), specifier: path, typeOnly: isTypeOnly(names.trim()) });
    }
  }
  return found;
}

function isTypeOnly(names: string): boolean {
  if (/^type\b/.test(names)) return true;
  const list = /^\{(?<list>[^}]*)\}$/
    .exec(names)
    ?.groups?.list?.split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  return list !== undefined && list.length > 0 && list.every((name) => name.startsWith('type '));
}

const FUNCTION_STARTS = [
  /\bfunction\b\s*\*?\s*(?<name>[\w$]*)\s*(?:<[^(]*>)?\(/g,
  /^[ \t]+(?:(?:static|async|get|set|override)\s+)*\*?(?<name>#?[\w$]+)\s*(?:<[^(\n]*>)?\(/gm,
  /=>\s*\{/g,
];
const NOT_METHODS = new Set('if for while switch catch return function with super await typeof'.split(' '));

/** Returns the functions that have a body in braces, found in text whose literals are blanked. */
export function findFunctions(blanked: string): FunctionSpan[] {
  const found: FunctionSpan[] = [];
  for (const match of FUNCTION_STARTS.flatMap((pattern) => [...blanked.matchAll(pattern)])) {
    const name = match.groups?.name || 'arrow function';
    if (NOT_METHODS.has(name)) continue;
    const last = match.index + match[0].length - 1;
    const open = blanked[last] === '{' ? last : findBody(blanked, last);
    if (open < 0) continue;
    const line = lineAt(blanked, match.index + match[0].search(/\S/));
    found.push({ line, lines: lineAt(blanked, matching(blanked, open)) - line + 1, name });
  }
  return found;
}

/** Returns where the body opens after the parameter list at `open`, or -1 for a call, an overload or a signature. */
function findBody(text: string, open: number): number {
  let at = matching(text, open) + 1;
  while (/\s/.test(text[at] ?? '')) at += 1;
  if (text[at] === '{') return at;
  if (text[at] !== ':') return -1;
  let before = ':';
  for (at += 1; at < text.length; at++) {
    const char = text[at]!;
    if (/\s/.test(char)) continue;
    if (char === '{' && !/[:|&,<(=]/.test(before)) return at;
    if (char === '{' || char === '(' || char === '[') at = matching(text, at);
    else if (char === ';' || char === '}' || char === ')' || (char === ',' && !text.slice(open, at).includes('<')))
      return -1;
    before = char;
  }
  return -1;
}

function matching(text: string, open: number): number {
  const opener = text[open];
  const closer = opener === '{' ? '}' : opener === '(' ? ')' : ']';
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === opener) depth += 1;
    else if (text[at] === closer && --depth === 0) return at;
  }
  return text.length;
}
