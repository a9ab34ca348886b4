// The libraries that the API server adds to the language: lists, regular expressions, URLs, addresses, quantities.
import { bytesOf } from '../../../base/matcher-text.ts';
import {
  type Cidr,
  cidrContains,
  formatCidr,
  formatIp,
  type Ip,
  maskIp,
  parseCidr,
  parseIp,
} from '../../../base/ip.ts';
import { compileRegex } from '../../../base/regex.ts';
import { parseUrl, type Url } from './url.ts';
import type { Functions, Overload } from '../../../base/cel/dialect.ts';
import { compare } from '../../../base/cel/functions.ts';
import {
  areEqual,
  asNumber,
  EvaluationError,
  numberKind,
  Opaque,
  typeOf,
  type Value,
} from '../../../base/cel/values.ts';

type Apply = (...args: Value[]) => Value;

function fail(message: string): never {
  throw new EvaluationError(message);
}

function noOverload(name: string, ...args: readonly Value[]): never {
  fail(`no such overload: ${name}(${args.map(typeOf).join(', ')})`);
}

function ordered(a: Value, b: Value): number {
  return compare(a, b) ?? noOverload('<', a, b);
}

function opaque<T>(type: string, name: string, apply: (content: T, arg: Value) => Value): Apply {
  return (value = null, arg = null) =>
    value instanceof Opaque && value.type === type ? apply(value.content as T, arg) : noOverload(name, value, arg);
}

function listOf(name: string, apply: (list: readonly Value[]) => Value): Apply {
  return (value = null) => (Array.isArray(value) ? apply(value as readonly Value[]) : noOverload(name, value));
}

const LISTS: Readonly<Record<string, Apply>> = {
  '.isSorted': listOf('isSorted', (list) =>
    list.every((item, at) => at === 0 || ordered(list[at - 1] as Value, item) <= 0),
  ),
  '.sum': listOf('sum', (list) =>
    list.reduce<number>((sum, item) => sum + (numberKind(item) === null ? 0 : asNumber(item)), 0),
  ),
  '.min': listOf('min', (list) => extreme(list, -1)),
  '.max': listOf('max', (list) => extreme(list, 1)),
  'sets.contains': (a = null, b = null) =>
    sets('contains', a, b, (left, right) => right.every((one) => has(left, one))),
  'sets.equivalent': (a = null, b = null) =>
    sets(
      'equivalent',
      a,
      b,
      (left, right) => right.every((one) => has(left, one)) && left.every((one) => has(right, one)),
    ),
  'sets.intersects': (a = null, b = null) =>
    sets('intersects', a, b, (left, right) => right.some((one) => has(left, one))),
};

function has(list: readonly Value[], item: Value): boolean {
  return list.some((one) => areEqual(one, item));
}

function sets(name: string, a: Value, b: Value, test: (a: readonly Value[], b: readonly Value[]) => boolean): boolean {
  if (!Array.isArray(a) || !Array.isArray(b)) return noOverload(name, a, b);
  return test(a as readonly Value[], b as readonly Value[]);
}

function extreme(list: readonly Value[], sign: number): Value {
  if (list.length === 0) return fail('min/max called on empty list');
  return list.reduce((best, item) => (ordered(item, best) * sign > 0 ? item : best));
}

const REGEXES: Readonly<Record<string, Apply>> = {
  '.find': (text = null, pattern = null) => findAll(text, pattern, 1)[0] ?? '',
  '.findAll': (text = null, pattern = null, limit = -1) =>
    findAll(text, pattern, typeof limit === 'number' ? limit : -1),
};

function findAll(text: Value, pattern: Value, limit: number): readonly string[] {
  if (typeof text !== 'string' || typeof pattern !== 'string') return noOverload('find', text, pattern);
  const compiled = compileRegex(pattern);
  if ('error' in compiled) return fail(compiled.error);
  const found: string[] = [];
  for (const [match] of bytesOf(text).matchAll(new RegExp(compiled.translated(), 'g'))) {
    if (limit >= 0 && found.length >= limit) break;
    found.push(Buffer.from(match, 'latin1').toString('utf8'));
  }
  return found;
}

const URLS: Readonly<Record<string, Apply>> = {
  isURL: (text = null) => (typeof text === 'string' ? parseUrl(text) !== null : noOverload('isURL', text)),
  url: (text = null) => {
    if (typeof text !== 'string') return noOverload('url', text);
    const url = parseUrl(text);
    return url === null ? fail(`URL parse error: ${JSON.stringify(text)}`) : new Opaque('kubernetes.URL', text, url);
  },
  '.getScheme': opaque<Url>('kubernetes.URL', 'getScheme', ({ scheme }) => scheme),
  '.getHost': opaque<Url>('kubernetes.URL', 'getHost', ({ host }) => host),
  '.getHostname': opaque<Url>('kubernetes.URL', 'getHostname', ({ host }) =>
    host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1'),
  ),
  '.getPort': opaque<Url>('kubernetes.URL', 'getPort', ({ host }) => /:(\d*)$/.exec(host)?.[1] ?? ''),
  '.getEscapedPath': opaque<Url>('kubernetes.URL', 'getEscapedPath', ({ path }) => path),
  '.getQuery': opaque<Url>('kubernetes.URL', 'getQuery', ({ query }) => {
    const all: Record<string, string[]> = {};
    for (const [name, value] of new URLSearchParams(query)) (all[name] ??= []).push(value);
    return all;
  }),
};

/** Addresses that Go's netip takes and the API server allows: no zones, no IPv4 in IPv6. */
function ipOf(text: Value): Ip | null {
  if (typeof text !== 'string') return noOverload('ip', text);
  return text.includes('%') || /:.*\./.test(text) ? null : parseIp(text);
}

function cidrOf(text: Value): Cidr | null {
  if (typeof text !== 'string') return noOverload('cidr', text);
  return /^[^%]+\/(?:0|[1-9]\d*)$/.test(text) && !/:.*\./.test(text) ? parseCidr(text) : null;
}

const ip = (value: Ip): Opaque => new Opaque('net.IP', formatIp(value), value);

const ADDRESSES: Readonly<Record<string, Apply>> = {
  isIP: (text = null) => ipOf(text) !== null,
  ip: (text = null) => {
    const value = ipOf(text);
    return value === null ? fail(`IP Address ${JSON.stringify(text)} parse error`) : ip(value);
  },
  'ip.isCanonical': (text = null) => {
    const value = ipOf(text);
    return value === null ? fail(`IP Address ${JSON.stringify(text)} parse error`) : formatIp(value) === text;
  },
  '.family': opaque<Ip>('net.IP', 'family', ({ family }) => (family === 'ipv4' ? 4 : 6)),
  '.isLoopback': opaque<Ip>('net.IP', 'isLoopback', (value) => inAny(value, ['127.0.0.0/8', '::1/128'])),
  '.isUnspecified': opaque<Ip>('net.IP', 'isUnspecified', (value) => inAny(value, ['0.0.0.0/32', '::/128'])),
  '.isLinkLocalUnicast': opaque<Ip>('net.IP', 'isLinkLocalUnicast', (value) =>
    inAny(value, ['169.254.0.0/16', 'fe80::/10']),
  ),
  '.isLinkLocalMulticast': opaque<Ip>('net.IP', 'isLinkLocalMulticast', (value) =>
    inAny(value, ['224.0.0.0/24', 'ff02::/16']),
  ),
  '.isGlobalUnicast': opaque<Ip>(
    'net.IP',
    'isGlobalUnicast',
    (value) =>
      !inAny(value, ['127.0.0.0/8', '::1/128', '0.0.0.0/32', '::/128', '169.254.0.0/16', 'fe80::/10']) &&
      !inAny(value, ['224.0.0.0/4', 'ff00::/8', '255.255.255.255/32']),
  ),
  isCIDR: (text = null) => cidrOf(text) !== null,
  cidr: (text = null) => {
    const value = cidrOf(text);
    return value === null
      ? fail(`network address ${JSON.stringify(text)} parse error`)
      : new Opaque('net.CIDR', formatCidr(value), value);
  },
  '.prefixLength': opaque<Cidr>('net.CIDR', 'prefixLength', ({ length }) => length),
  '.ip': opaque<Cidr>('net.CIDR', 'ip', (value) => ip(value.ip)),
  '.masked': opaque<Cidr>('net.CIDR', 'masked', ({ ip: address, length }) => {
    const masked = { ip: maskIp(address, length), length };
    return new Opaque('net.CIDR', formatCidr(masked), masked);
  }),
  '.containsIP': opaque<Cidr>('net.CIDR', 'containsIP', (value, arg) => {
    const inner = arg instanceof Opaque && arg.type === 'net.IP' ? (arg.content as Ip) : ipOf(arg);
    return inner === null
      ? fail('IP Address parse error')
      : inner.family === value.ip.family && cidrContains(value, inner);
  }),
  '.containsCIDR': opaque<Cidr>('net.CIDR', 'containsCIDR', (value, arg) => {
    const inner = arg instanceof Opaque && arg.type === 'net.CIDR' ? (arg.content as Cidr) : cidrOf(arg);
    if (inner === null) return fail('network address parse error');
    return inner.ip.family === value.ip.family && inner.length >= value.length && cidrContains(value, inner.ip);
  }),
};

function inAny(value: Ip, ranges: readonly string[]): boolean {
  return ranges.some((text) => {
    const range = parseCidr(text);
    return range !== null && range.ip.family === value.family && cidrContains(range, value);
  });
}

const SUFFIXES: Readonly<Record<string, number>> = {
  ...{ n: 1e-9, u: 1e-6, m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 },
};

/** '100m', '1.5Gi', '1e3' as a number; null for what is no quantity. */
function parseQuantity(text: Value): number | null {
  if (typeof text !== 'string') return noOverload('quantity', text);
  const match = /^([-+]?(?:\d+\.?\d*|\.\d+))(?:([eE][-+]?\d+)|([numkMGTPE]?i?))$/.exec(text);
  const scale = match?.[2] === undefined ? SUFFIXES[match?.[3] ?? ''] : Number(`1${match[2]}`);
  return match === null || scale === undefined ? null : Number(match[1]) * scale;
}

const quantity = (value: number): Opaque => new Opaque('kubernetes.Quantity', String(value), value);

function withQuantity(name: string, apply: (a: number, b: number) => Value): Apply {
  return opaque<number>('kubernetes.Quantity', name, (value, arg) => {
    if (arg instanceof Opaque && arg.type === 'kubernetes.Quantity') return apply(value, arg.content as number);
    return numberKind(arg) === null ? noOverload(name, arg) : apply(value, asNumber(arg));
  });
}

const QUANTITIES: Readonly<Record<string, Apply>> = {
  isQuantity: (text = null) => parseQuantity(text) !== null,
  quantity: (text = null) => {
    const value = parseQuantity(text);
    return value === null ? fail(`quantity ${JSON.stringify(text)} parse error`) : quantity(value);
  },
  '.isGreaterThan': withQuantity('isGreaterThan', (a, b) => a > b),
  '.isLessThan': withQuantity('isLessThan', (a, b) => a < b),
  '.compareTo': withQuantity('compareTo', (a, b) => Math.sign(a - b)),
  '.add': withQuantity('add', (a, b) => quantity(a + b)),
  '.sub': withQuantity('sub', (a, b) => quantity(a - b)),
  '.sign': opaque<number>('kubernetes.Quantity', 'sign', (value) => Math.sign(value)),
  '.isInteger': opaque<number>('kubernetes.Quantity', 'isInteger', (value) => Number.isInteger(value)),
  '.asInteger': opaque<number>('kubernetes.Quantity', 'asInteger', (value) =>
    Number.isInteger(value) ? value : fail('cannot convert value to integer'),
  ),
  '.asApproximateFloat': opaque<number>('kubernetes.Quantity', 'asApproximateFloat', (value) => value),
};

const ALL: Readonly<Record<string, Apply>> = {
  ...{ ...LISTS, ...REGEXES, ...URLS },
  ...{ ...ADDRESSES, ...QUANTITIES },
};

/** Of any number of arguments: what is missing counts as null, for which there is no overload. */
export const KUBERNETES_FUNCTIONS: Functions = Object.fromEntries(
  Object.entries(ALL).map(([name, apply]): [string, Overload] => [name, [1, 3, apply]]),
);
