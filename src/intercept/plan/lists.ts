// Lists as users write them: ports and ranges, CIDRs, interfaces, users and groups.
import { type Cidr, CidrSet, formatCidr, type Ip, parseCidr, parseIp } from '../../base/ip.ts';
import type { PortRange } from './model.ts';

/** Takes what was wrong with a list, and what was taken otherwise than written. */
export type Complaints = { error(text: string): void; note(text: string): void };

/** Lists longer than these are a mistake; the kernel would take them, slowly. */
const MAX_LIST = 4096;

export function splitList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** Ports and ranges (`80`, `8000-8010`, `8000:8010`), sorted, without doubles; what overlaps is joined. */
export function readPorts(name: string, text: string, complaints: Complaints): readonly PortRange[] {
  const ranges: PortRange[] = [];
  for (const item of limited(name, splitList(text), complaints)) {
    const [, first, last] = /^(\d{1,5})(?:[-:](\d{1,5}))?$/.exec(item) ?? [];
    const range = { first: Number(first), last: Number(last ?? first) };
    if (first === undefined || range.first < 1 || range.last > 65535) {
      complaints.error(`${name}: ${JSON.stringify(item)} is no port (1 to 65535) and no range (8000-8010)`);
    } else if (range.last < range.first) {
      complaints.error(`${name}: the range ${item} ends before it begins; write ${range.last}-${range.first}`);
    } else ranges.push(range);
  }
  return joinPorts(name, ranges, complaints);
}

function joinPorts(name: string, ranges: readonly PortRange[], complaints: Complaints): readonly PortRange[] {
  const sorted = [...ranges].sort((a, b) => a.first - b.first || b.last - a.last);
  const joined: PortRange[] = [];
  for (const range of sorted) {
    const last = joined.at(-1);
    if (last === undefined || range.first > last.last) joined.push(range);
    else {
      const both = { first: last.first, last: Math.max(last.last, range.last) };
      complaints.note(`${name}: ${portText(range)} overlaps ${portText(last)}; taken as ${portText(both)}`);
      joined[joined.length - 1] = both;
    }
  }
  return joined;
}

export function portText(range: PortRange, between = '-'): string {
  return range.first === range.last ? `${range.first}` : `${range.first}${between}${range.last}`;
}

export function readPort(name: string, text: string, complaints: Complaints): number {
  return readNumber(name, text, { least: 1, most: 65535 }, complaints);
}

export function readNumber(
  name: string,
  text: string,
  range: { readonly least: number; readonly most: number },
  complaints: Complaints,
): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  if (value >= range.least && value <= range.most) return value;
  complaints.error(`${name} takes a number from ${range.least} to ${range.most}, not ${JSON.stringify(text)}`);
  return range.least;
}

/** CIDRs of both families, as written but masked; those inside another are left out. */
export function readCidrs(name: string, text: string, complaints: Complaints): readonly Cidr[] {
  const cidrs: Cidr[] = [];
  for (const item of limited(name, splitList(text), complaints)) {
    const cidr = /^[0-9a-fA-F:.]+(?:\/\d{1,3})?$/.test(item) ? parseCidr(item) : null;
    const slash = item.indexOf('/');
    const most = cidr?.ip.family === 'ipv4' ? 32 : 128;
    if (cidr === null || (slash >= 0 && Number(item.slice(slash + 1)) > most)) {
      complaints.error(`${name}: ${JSON.stringify(item)} is no CIDR; write 10.0.0.0/8 or fd00::/8`);
    } else if (isMapped(cidr.ip)) {
      complaints.error(`${name}: ${item} is IPv4 inside IPv6, which no packet has; write the IPv4 range`);
    } else {
      const address = parseIp(slash < 0 ? item : item.slice(0, slash)) as Ip;
      if (
        address.w0 !== cidr.ip.w0 ||
        address.w1 !== cidr.ip.w1 ||
        address.w2 !== cidr.ip.w2 ||
        address.w3 !== cidr.ip.w3
      )
        complaints.note(`${name}: ${item} has bits behind its prefix; taken as ${formatCidr(cidr)}`);
      cidrs.push(cidr);
    }
  }
  return withoutNested(name, cidrs, complaints);
}

function isMapped(ip: Ip): boolean {
  return ip.family === 'ipv6' && ip.w0 === 0 && ip.w1 === 0 && ip.w2 === 0xffff;
}

function withoutNested(name: string, cidrs: readonly Cidr[], complaints: Complaints): readonly Cidr[] {
  // The widest first, and of equals the first.
  const kept: Cidr[] = [];
  for (const cidr of [...cidrs].sort((a, b) => a.length - b.length)) {
    const around = kept.find((one) => new CidrSet([one]).containsIp(cidr.ip));
    if (around === undefined) kept.push(cidr);
    else complaints.note(`${name}: ${formatCidr(cidr)} is already in ${formatCidr(around)}`);
  }
  return cidrs.filter((cidr) => kept.includes(cidr));
}

/** The kernel's limit of 15 bytes; `+` at the end stands for any rest. */
export function readInterfaces(name: string, text: string, complaints: Complaints): readonly string[] {
  const names = limited(name, splitList(text), complaints);
  for (const item of names) {
    if (!/^(?=.{1,15}$)[A-Za-z0-9_.@:-]+\+?$/.test(item)) {
      complaints.error(`${name}: ${JSON.stringify(item)} is no name of an interface (at most 15 characters)`);
    }
  }
  return [...new Set(names)];
}

/** The highest number is the kernel's "none". */
const MOST_ID = 0xfffffffe;

/** Numbers, or names of the file that `entries` is the text of (`/etc/passwd`, `/etc/group`). */
export function readIds(
  name: string,
  text: string,
  file: { readonly path: string; readonly entries: string },
  complaints: Complaints,
): readonly number[] {
  const ids: number[] = [];
  for (const item of limited(name, splitList(text), complaints)) {
    const id = /^\d{1,10}$/.test(item) ? Number(item) : idOf(item, file.entries);
    if (id === null) {
      complaints.error(`${name}: there is no ${JSON.stringify(item)} in ${file.path}; write its number, or create it`);
    } else if (id > MOST_ID) complaints.error(`${name}: ${item} is beyond the highest id, ${MOST_ID}`);
    else if (ids.includes(id)) complaints.note(`${name}: ${item} is there twice`);
    else ids.push(id);
  }
  return ids;
}

function idOf(name: string, entries: string): number | null {
  for (const line of entries.split('\n')) {
    const [entry, , id] = line.split(':');
    if (entry === name && id !== undefined && /^\d{1,10}$/.test(id)) return Number(id);
  }
  return null;
}

function limited(name: string, items: readonly string[], complaints: Complaints): readonly string[] {
  if (items.length <= MAX_LIST) return items;
  complaints.error(`${name} has ${items.length} entries, at most ${MAX_LIST}`);
  return [];
}
