// The static table of HPACK (RFC 7541, appendix A), with names as header keys.
import { type HeaderKey, headerKey, knownHeaderNames } from '../../header-names.ts';

// biome-ignore format: a table.
const FIELDS: readonly (readonly [string, string?])[] = [
  [':authority'], [':method', 'GET'], [':method', 'POST'], [':path', '/'], [':path', '/index.html'],
  [':scheme', 'http'], [':scheme', 'https'], [':status', '200'], [':status', '204'], [':status', '206'],
  [':status', '304'], [':status', '400'], [':status', '404'], [':status', '500'], ['accept-charset'],
  ['accept-encoding', 'gzip, deflate'], ['accept-language'], ['accept-ranges'], ['accept'],
  ['access-control-allow-origin'], ['age'], ['allow'], ['authorization'], ['cache-control'],
  ['content-disposition'], ['content-encoding'], ['content-language'], ['content-length'], ['content-location'],
  ['content-range'], ['content-type'], ['cookie'], ['date'], ['etag'], ['expect'], ['expires'], ['from'], ['host'],
  ['if-match'], ['if-modified-since'], ['if-none-match'], ['if-range'], ['if-unmodified-since'], ['last-modified'],
  ['link'], ['location'], ['max-forwards'], ['proxy-authenticate'], ['proxy-authorization'], ['range'], ['referer'],
  ['refresh'], ['retry-after'], ['server'], ['set-cookie'], ['strict-transport-security'], ['transfer-encoding'],
  ['user-agent'], ['vary'], ['via'], ['www-authenticate'],
];

/** The table has the indices 1–61; what is behind them belongs to the dynamic table. */
export const STATIC_COUNT = FIELDS.length;

/** Keys and values by index; the entry 0 is not used. */
export const STATIC_KEYS: readonly HeaderKey[] = [0, ...FIELDS.map(([name]) => headerKey(name))];
export const STATIC_VALUES: readonly string[] = ['', ...FIELDS.map(([, value = '']) => value)];

/** Index of the first field of a known name by its id, 0 for those that the table does not have. */
export const STATIC_INDEX_BY_ID = Uint8Array.from(knownHeaderNames, (_, id) => Math.max(0, STATIC_KEYS.indexOf(id, 1)));

const indexByName = new Map<string, number>();
STATIC_KEYS.forEach((key, index) => {
  if (typeof key === 'string') indexByName.set(key, index);
});

/** Index of the first field of that name, 0 for none. */
export function staticNameIndex(key: HeaderKey): number {
  return typeof key === 'number' ? (STATIC_INDEX_BY_ID[key] as number) : (indexByName.get(key) ?? 0);
}

/** How many fields of the table have that name and come one after another, from its first index on. */
export const STATIC_RUN = Uint8Array.from(STATIC_KEYS, (key, index) => {
  let end = index;
  while (index > 0 && STATIC_KEYS[end] === key) end++;
  return end - index;
});
