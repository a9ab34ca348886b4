// What compression reads and changes of a head: entity tags, vary, tokens of lists.
import { H } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';

const ACCEPT_ENCODING = 'Accept-Encoding';
const COMPRESSED_TRANSFERS: ReadonlySet<string> = new Set(['gzip', 'br', 'deflate', 'compress', 'zstd']);

/** Whether a list separated by commas has that member. */
export function hasToken(list: string, token: string, ignoresCase: boolean): boolean {
  const wanted = ignoresCase ? token.toLowerCase() : token;
  if (!list.includes(',')) return (ignoresCase ? list.trim().toLowerCase() : list.trim()) === wanted;
  for (const member of list.split(',')) {
    const trimmed = member.trim();
    if ((ignoresCase ? trimmed.toLowerCase() : trimmed) === wanted) return true;
  }
  return false;
}

export function isUpgrade(headers: Headers): boolean {
  if (!headers.has(H.upgrade)) return false;
  const connection = headers.getAll(H.connection);
  return connection !== undefined && hasToken(connection, 'upgrade', true);
}

export function isCompressedTransfer(headers: Headers): boolean {
  const list = headers.getAll(H['transfer-encoding']);
  return list !== undefined && list.split(',').some((member) => COMPRESSED_TRANSFERS.has(member.trim().toLowerCase()));
}

/** A strong entity tag is of the bytes as they were: it goes, or becomes a weak one. */
export function sanitizeEtag(headers: Headers, weakens: boolean): void {
  const etag = headers.getAll(H.etag);
  if (etag === undefined || /^w\//i.test(etag)) return;
  if (weakens) headers.set(H.etag, `W/${etag}`);
  else headers.remove(H.etag);
}

export function varyByEncoding(headers: Headers): void {
  const vary = headers.getAll(H.vary);
  if (vary === undefined) headers.set(H.vary, ACCEPT_ENCODING);
  else if (!hasToken(vary, ACCEPT_ENCODING, false)) headers.set(H.vary, `${vary}, ${ACCEPT_ENCODING}`);
}
