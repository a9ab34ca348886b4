// IPv4 and IPv6 addresses in a comparable form, CIDR ranges, and sets of them for look-ups per connection or request.
import type { Address } from './byte-stream.ts';

/** An address as unsigned 32-bit words, the most significant first; IPv4 has its one word in `w3`. */
export type Ip = {
  readonly family: 'ipv4' | 'ipv6';
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
};

export type Cidr = { readonly ip: Ip; readonly length: number };

/** Parses what inet_pton accepts; a zone (`%eth0`) is dropped. Null when it is no address. */
export function parseIp(text: string): Ip | null {
  if (text.indexOf(':') < 0) {
    const word = parseIpv4(text, 0, text.length);
    return word < 0 ? null : { family: 'ipv4', w0: 0, w1: 0, w2: 0, w3: word };
  }
  const zone = text.indexOf('%');
  return parseIpv6(zone < 0 ? text : text.slice(0, zone));
}

/** The address as a number, or -1. */
function parseIpv4(text: string, start: number, end: number): number {
  let value = 0;
  let octet = -1;
  let dots = 0;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === 46) {
      if (octet < 0 || ++dots > 3) return -1;
      value = value * 256 + octet;
      octet = -1;
    } else if (code >= 48 && code <= 57) {
      // inet_pton refuses leading zeros.
      if (octet === 0) return -1;
      octet = octet < 0 ? code - 48 : octet * 10 + code - 48;
      if (octet > 255) return -1;
    } else return -1;
  }
  return dots === 3 && octet >= 0 ? value * 256 + octet : -1;
}

function parseIpv6(text: string): Ip | null {
  const groups: number[] = [];
  let gap = -1;
  let at = 0;
  if (text.startsWith('::')) {
    gap = 0;
    at = 2;
  } else if (text.startsWith(':')) return null;
  while (at < text.length) {
    if (groups.length >= 8) return null;
    let end = text.indexOf(':', at);
    if (end < 0) end = text.length;
    if (end === text.length && text.indexOf('.', at) >= 0) {
      const word = parseIpv4(text, at, end);
      if (word < 0) return null;
      groups.push(Math.floor(word / 65536), word & 0xffff);
      at = end;
      break;
    }
    const group = text.slice(at, end);
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null;
    groups.push(Number.parseInt(group, 16));
    at = end;
    if (at === text.length) break;
    at++;
    if (text.charCodeAt(at) === 58) {
      if (gap >= 0) return null;
      gap = groups.length;
      at++;
    } else if (at === text.length) return null;
  }
  if (gap >= 0) {
    if (groups.length > 7) return null;
    groups.splice(gap, 0, ...new Array<number>(8 - groups.length).fill(0));
  }
  if (groups.length !== 8) return null;
  const word = (i: number): number => (groups[i] as number) * 65536 + (groups[i + 1] as number);
  return { family: 'ipv6', w0: word(0), w1: word(2), w2: word(4), w3: word(6) };
}

/** ::ffff:a.b.c.d as a.b.c.d; any other address as it is. */
export function unmapIp(ip: Ip): Ip {
  const isMapped = ip.family === 'ipv6' && ip.w0 === 0 && ip.w1 === 0 && ip.w2 === 0xffff;
  return isMapped ? { family: 'ipv4', w0: 0, w1: 0, w2: 0, w3: ip.w3 } : ip;
}

/** The text of an address as inet_ntop (and so Envoy) writes it. */
export function formatIp(ip: Ip): string {
  if (ip.family === 'ipv4') return formatIpv4(ip.w3);
  if (ip.w0 === 0 && ip.w1 === 0 && ip.w2 === 0xffff) return `::ffff:${formatIpv4(ip.w3)}`;
  const groups = [ip.w0, ip.w1, ip.w2, ip.w3].flatMap((word) => [word >>> 16, word & 0xffff]);
  let bestStart = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > bestLength) {
      bestStart = i;
      bestLength = length;
    }
  }
  const hex = groups.map((group) => group.toString(16));
  if (bestStart < 0) return hex.join(':');
  return `${hex.slice(0, bestStart).join(':')}::${hex.slice(bestStart + bestLength).join(':')}`;
}

function formatIpv4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

/** Whether it is an address of IP with a port, and not a path or an internal listener. */
export function hasIp({ family }: { readonly family: Address['family'] }): boolean {
  return family === 'ipv4' || family === 'ipv6';
}

/** Address and port as Envoy prints them: `1.2.3.4:80`, `[::1]:80`, or the text of an address without port. */
export function formatAddress(address: Address): string {
  if (!hasIp(address)) return address.address;
  return address.family === 'ipv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}

/** Keeps the first `length` bits. */
export function maskIp(ip: Ip, length: number): Ip {
  if (ip.family === 'ipv4') return { ...ip, w3: maskWord(ip.w3, length) };
  return {
    family: 'ipv6',
    w0: maskWord(ip.w0, length),
    w1: maskWord(ip.w1, length - 32),
    w2: maskWord(ip.w2, length - 64),
    w3: maskWord(ip.w3, length - 96),
  };
}

function maskWord(word: number, length: number): number {
  if (length <= 0) return 0;
  return length >= 32 ? word : (word & (-1 << (32 - length))) >>> 0;
}

/** Makes a range of an address and a prefix length, cutting off the bits behind it; null when either is impossible. */
export function makeCidr(address: string, length: number): Cidr | null {
  const ip = parseIp(address);
  if (ip === null || !Number.isInteger(length) || length < 0) return null;
  // Envoy takes a longer prefix as a full one.
  const limit = Math.min(length, ip.family === 'ipv4' ? 32 : 128);
  return { ip: maskIp(ip, limit), length: limit };
}

/** Parses `10.0.0.0/8` or a single address. */
export function parseCidr(text: string): Cidr | null {
  const slash = text.indexOf('/');
  if (slash < 0) return makeCidr(text, 128);
  const length = text.slice(slash + 1);
  return /^\d{1,3}$/.test(length) ? makeCidr(text.slice(0, slash), Number(length)) : null;
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIp(cidr.ip)}/${cidr.length}`;
}

export function cidrContains(cidr: Cidr, ip: Ip): boolean {
  if (cidr.ip.family !== ip.family) return false;
  return compareIp(maskIp(ip, cidr.length), cidr.ip) === 0;
}

/** Order within one family. */
function compareIp(a: Ip, b: Ip): number {
  return a.w0 - b.w0 || a.w1 - b.w1 || a.w2 - b.w2 || a.w3 - b.w3;
}

function lastOf(cidr: Cidr): Ip {
  const { ip, length } = cidr;
  if (ip.family === 'ipv4') return { ...ip, w3: (ip.w3 | ~maskWord(0xffffffff, length)) >>> 0 };
  const fill = (word: number, bits: number): number => (word | ~maskWord(0xffffffff, bits)) >>> 0;
  return {
    family: 'ipv6',
    w0: fill(ip.w0, length),
    w1: fill(ip.w1, length - 32),
    w2: fill(ip.w2, length - 64),
    w3: fill(ip.w3, length - 96),
  };
}

/** A set of CIDR ranges: sorted, disjoint, searched by halving. An empty set contains nothing. */
export class CidrSet {
  /** First and last IPv4 addresses of the ranges. */
  readonly #v4First: Float64Array;
  readonly #v4Last: Float64Array;
  readonly #v6First: readonly Ip[];
  readonly #v6Last: readonly Ip[];

  constructor(cidrs: readonly Cidr[]) {
    const v4 = disjoint(cidrs.filter((cidr) => cidr.ip.family === 'ipv4'));
    const v6 = disjoint(cidrs.filter((cidr) => cidr.ip.family === 'ipv6'));
    this.#v4First = Float64Array.from(v4, (cidr) => cidr.ip.w3);
    this.#v4Last = Float64Array.from(v4, (cidr) => lastOf(cidr).w3);
    this.#v6First = v6.map((cidr) => cidr.ip);
    this.#v6Last = v6.map(lastOf);
  }

  /** Whether the set has the address of this text; false for what is no address. */
  contains(address: string): boolean {
    if (address.indexOf(':') < 0) return this.#containsV4(parseIpv4(address, 0, address.length));
    const ip = parseIp(address);
    return ip !== null && this.containsIp(ip);
  }

  containsIp(ip: Ip): boolean {
    if (ip.family === 'ipv4') return this.#containsV4(ip.w3);
    let low = 0;
    let high = this.#v6First.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareIp(this.#v6First[middle] as Ip, ip) <= 0) low = middle + 1;
      else high = middle;
    }
    return low > 0 && compareIp(ip, this.#v6Last[low - 1] as Ip) <= 0;
  }

  #containsV4(word: number): boolean {
    if (word < 0) return false;
    let low = 0;
    let high = this.#v4First.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#v4First[middle] as number) <= word) low = middle + 1;
      else high = middle;
    }
    return low > 0 && word <= (this.#v4Last[low - 1] as number);
  }
}

/** Sorted without those that lie inside another: CIDR ranges nest or are apart. */
function disjoint(cidrs: readonly Cidr[]): Cidr[] {
  const sorted = [...cidrs].sort((a, b) => compareIp(a.ip, b.ip) || a.length - b.length);
  const kept: Cidr[] = [];
  for (const cidr of sorted) {
    const last = kept[kept.length - 1];
    if (last === undefined || !cidrContains(last, cidr.ip)) kept.push(cidr);
  }
  return kept;
}

/** A map from CIDR ranges to values where the longest prefix wins; one table per prefix length. */
export class CidrMap<T> {
  readonly #v4: { readonly length: number; readonly values: Map<number, T> }[] = [];
  readonly #v6: { readonly length: number; readonly values: Map<string, T> }[] = [];

  /** A later entry of the same range replaces an earlier one. */
  constructor(entries: readonly (readonly [Cidr, T])[]) {
    for (const [{ ip, length }, value] of entries) {
      if (ip.family === 'ipv4') tableOf(this.#v4, length).set(ip.w3, value);
      else tableOf(this.#v6, length).set(formatIp(ip), value);
    }
    this.#v4.sort((a, b) => b.length - a.length);
    this.#v6.sort((a, b) => b.length - a.length);
  }

  lookup(address: string): T | undefined {
    const ip = parseIp(address);
    if (ip === null) return undefined;
    if (ip.family === 'ipv4') {
      for (const { length, values } of this.#v4) {
        const value = values.get(maskWord(ip.w3, length));
        if (value !== undefined) return value;
      }
      return undefined;
    }
    for (const { length, values } of this.#v6) {
      const value = values.get(formatIp(maskIp(ip, length)));
      if (value !== undefined) return value;
    }
    return undefined;
  }
}

function tableOf<K, T>(tables: { length: number; values: Map<K, T> }[], length: number): Map<K, T> {
  let table = tables.find((each) => each.length === length);
  if (table === undefined) {
    table = { length, values: new Map() };
    tables.push(table);
  }
  return table.values;
}
