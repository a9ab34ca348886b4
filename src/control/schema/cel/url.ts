// URLs as Go's net/url reads them, which is what rules ask about with isURL and url.

export type Url = {
  readonly scheme: string;
  /** With the port. */
  readonly host: string;
  readonly path: string;
  readonly query: string;
};

const WRONG_PERCENT = /%(?![0-9A-Fa-f]{2})/;
const USER = /^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/;
const HOST = /^[A-Za-z0-9\-._~!$&'()*+,;=:[\]<>"\x80-\u{10ffff}]*$/u;

/** An absolute URI or an absolute path; null for what is neither. */
export function parseUrl(text: string): Url | null {
  if (text === '' || /[\x00-\x1f\x7f]/.test(text)) return null;
  const hash = text.indexOf('#');
  const whole = hash < 0 ? text : text.slice(0, hash);
  if (hash >= 0 && WRONG_PERCENT.test(text.slice(hash))) return null;
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):([\s\S]*)$/.exec(whole);
  // A colon in the first part of a path that has no scheme.
  if (match === null && (/^[^/?]*:/.test(whole) || !whole.startsWith('/'))) return null;
  const scheme = (match?.[1] ?? '').toLowerCase();
  const afterScheme = match === null ? whole : (match[2] as string);
  const question = afterScheme.indexOf('?');
  let rest = question < 0 ? afterScheme : afterScheme.slice(0, question);
  const query = question < 0 ? '' : afterScheme.slice(question + 1);
  // 'mailto:x' has no path but something opaque.
  if (!rest.startsWith('/')) return scheme === '' ? null : { scheme, host: '', path: '', query };
  let host = '';
  if (rest.startsWith('//') && (scheme !== '' || !rest.startsWith('///'))) {
    const slash = rest.indexOf('/', 2);
    const authority = slash < 0 ? rest.slice(2) : rest.slice(2, slash);
    rest = slash < 0 ? '' : rest.slice(slash);
    const at = authority.lastIndexOf('@');
    if (at >= 0 && (!USER.test(authority.slice(0, at)) || WRONG_PERCENT.test(authority.slice(0, at)))) return null;
    host = authority.slice(at + 1);
    if (!isHost(host)) return null;
  }
  return WRONG_PERCENT.test(rest) ? null : { scheme, host, path: rest, query };
}

function isHost(host: string): boolean {
  if (host.startsWith('[')) return /^\[[^\]]*\](?::\d*)?$/.test(host);
  const colon = host.indexOf(':');
  if (colon >= 0 && !/^:\d*$/.test(host.slice(host.lastIndexOf(':')))) return false;
  return HOST.test(host);
}
