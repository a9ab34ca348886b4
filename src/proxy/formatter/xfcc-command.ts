// XFCC_VALUE(key): what x-forwarded-client-cert says of the client, from the oldest element that has the key.
import { H } from '../../wire/header-names.ts';
import { type Command, text } from './operator.ts';

const KEYS = new Set(['by', 'hash', 'cert', 'chain', 'subject', 'uri', 'dns']);

export const XFCC_VALUE: Command = {
  params: 'optional',
  length: true,
  make(use) {
    const key = use.param.toLowerCase();
    if (!KEYS.has(key)) {
      use.reject(
        key === ''
          ? 'XFCC_VALUE command requires a subcommand'
          : `XFCC_VALUE command does not support subcommand: ${key}`,
      );
      return null;
    }
    return text((ctx) => xfccValue(ctx.requestHeaders?.get(H['x-forwarded-client-cert']) ?? '', key));
  },
};

/** Elements are parted by ',', their pairs by ';', neither within quotes; null: there is no such key. */
export function xfccValue(header: string, key: string): string | null {
  for (let from = 0; from < header.length; ) {
    let isQuoted = false;
    let at = from;
    for (; at < header.length; at++) {
      const char = header[at];
      if (char === '\\') at++;
      else if (char === '"') isQuoted = !isQuoted;
      else if ((char === ',' || char === ';') && !isQuoted) break;
    }
    if (isQuoted) return null;
    const value = pairValue(header.slice(from, at), key);
    if (value !== null) return value;
    from = at + 1;
  }
  return null;
}

function pairValue(pair: string, key: string): string | null {
  const equals = pair.indexOf('=');
  const name = equals < 0 ? pair : pair.slice(0, equals);
  if (name.trim().toLowerCase() !== key) return null;
  let value = equals < 0 ? '' : pair.slice(equals + 1).trim();
  if (value.length >= 2 && value.startsWith('"') && value.endsWith('"')) value = value.slice(1, -1);
  return value.includes('\\') ? value.replace(/\\(["\\])/g, '$1') : value;
}
