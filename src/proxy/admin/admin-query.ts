// The parameters of an admin request: of its path, or of a form in its body. Source: Envoy Utility::QueryParamsMulti.

/** Decoded as Envoy does: a plus is a plus, a broken escape stays as it is. */
export function parseQuery(text: string): URLSearchParams {
  const query = new URLSearchParams();
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const at = pair.indexOf('=');
    query.append(decode(at < 0 ? pair : pair.slice(0, at)), at < 0 ? '' : decode(pair.slice(at + 1)));
  }
  return query;
}

function decode(text: string): string {
  if (!text.includes('%')) return text;
  const bytes = text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

const FORM = 'application/x-www-form-urlencoded';

export function requestQuery(path: string, contentType: string, body: Buffer): URLSearchParams {
  const at = path.indexOf('?');
  const query = parseQuery(at < 0 ? '' : path.slice(at + 1));
  return query.size === 0 && body.length > 0 && contentType === FORM ? parseQuery(body.toString('latin1')) : query;
}
