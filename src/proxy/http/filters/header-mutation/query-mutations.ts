// Query parameter mutations: parses the query of a path as Envoy does, changes it, and writes it back sorted by name.

/** Parameters by decoded name; a name's values in the order they came. Names and values are bytes (latin1). */
export type QueryParameters = Map<string, string[]>;

/** Decodes names and values. No '?' or nothing behind it: no parameters. */
export function parseQuery(path: string): QueryParameters {
  const parameters: QueryParameters = new Map();
  const mark = path.indexOf('?');
  if (mark < 0) return parameters;
  for (let start = mark + 1; start < path.length; ) {
    let end = path.indexOf('&', start);
    if (end < 0) end = path.length;
    const equals = path.indexOf('=', start);
    const isPair = equals >= 0 && equals < end;
    const name = percentDecode(path.slice(start, isPair ? equals : end));
    const value = isPair ? percentDecode(path.slice(equals + 1, end)) : '';
    addParameter(parameters, name, value);
    start = end + 1;
  }
  return parameters;
}

export function addParameter(parameters: QueryParameters, name: string, value: string): void {
  const values = parameters.get(name);
  if (values === undefined) parameters.set(name, [value]);
  else values.push(value);
}

/** The path with these parameters for its query. Nothing is encoded: what was decoded on the way in stays decoded. */
export function withQuery(path: string, parameters: QueryParameters): string {
  const mark = path.indexOf('?');
  let result = mark < 0 ? path : path.slice(0, mark);
  let separator = '?';
  for (const name of [...parameters.keys()].sort()) {
    for (const value of parameters.get(name) as string[]) {
      result += `${separator}${name}=${value}`;
      separator = '&';
    }
  }
  return result;
}

/** Replaces %XX; anything that is no such sequence stays as it is. */
export function percentDecode(text: string): string {
  if (!text.includes('%')) return text;
  let result = '';
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i) === 0x25 ? hexByte(text, i + 1) : -1;
    if (byte < 0) {
      result += text[i];
    } else {
      result += String.fromCharCode(byte);
      i += 2;
    }
  }
  return result;
}

function hexByte(text: string, at: number): number {
  if (at + 2 > text.length) return -1;
  const high = hexDigit(text.charCodeAt(at));
  const low = hexDigit(text.charCodeAt(at + 1));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Encodes all bytes but letters, digits and '-', '_', '.', '*'. */
export function percentEncode(text: string): string {
  let result = '';
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const plain =
      (code >= 0x30 && code <= 0x39) ||
      (code >= 0x41 && code <= 0x5a) ||
      (code >= 0x61 && code <= 0x7a) ||
      code === 0x2d ||
      code === 0x5f ||
      code === 0x2e ||
      code === 0x2a;
    result += plain ? text[i] : `%${code < 16 ? '0' : ''}${code.toString(16).toUpperCase()}`;
  }
  return result;
}
