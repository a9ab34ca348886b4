// The two forms in which text is held: JavaScript's, and the bytes of its UTF-8.
import { bytesOf } from '../matcher-text.ts';
import type { TextForm } from './dialect.ts';

const NON_ASCII = /[^\x00-\x7f]/;
/** One character of UTF-8, or one byte that is part of none. */
const POINT = /[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\s\S]/g;

const SEQUENCE = /[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}/g;
/** Patterns that tell no character beyond ASCII from another. */
const PLAIN_PATTERN = /^(?:[^\\\x80-\u{10ffff}]|\\[^xpPCQ])*$/u;

/**
 * Expressions match characters where the engine matches bytes (as RE2 does for Envoy's other matchers): under a pattern
 * that knows of ASCII only, every other character can stand as one byte.
 */
export function asCharacters(bytes: string, pattern: string): string {
  if (!NON_ASCII.test(bytes) || !PLAIN_PATTERN.test(pattern)) return bytes;
  return bytes.replace(SEQUENCE, '\x80');
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decoded(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}

export const UNICODE_TEXT: TextForm = {
  literal: (text) => text,
  points: (text) => (NON_ASCII.test(text) ? [...text] : text.split('')),
  toBytes: (text) => Buffer.from(text, 'utf8'),
  fromBytes: decoded,
  searched: bytesOf,
  found: (bytes) => Buffer.from(bytes, 'latin1').toString('utf8'),
};

export const BYTE_TEXT: TextForm = {
  literal: bytesOf,
  points: (text) => (NON_ASCII.test(text) ? (text.match(POINT) ?? []) : text.split('')),
  toBytes: (text) => Buffer.from(text, 'latin1'),
  fromBytes: (bytes) => (decoded(bytes) === null ? null : Buffer.from(bytes).latin1Slice()),
  searched: (text) => text,
  found: (bytes) => bytes,
};
