// Istio's name table as it is looked up: every spelling of a name that the proxy answers for, and its addresses.
import { type Ip, parseIp } from '../../base/ip.ts';
import { keyText, nameKey } from '../../wire/dns/name.ts';

/** istio.networking.nds.v1.NameTable.NameInfo. */
export type NameInfo = {
  readonly ips?: readonly string[];
  readonly registry?: string;
  readonly shortname?: string;
  readonly namespace?: string;
  readonly alt_hosts?: readonly string[];
};

/** Whose names are short here. */
export type NameScope = {
  /** Of the proxy; '' for none. */
  readonly namespace: string;
  /** Of the proxy's cluster, as 'svc.cluster.local'; '' for none. */
  readonly domain: string;
  /** The first search domain of applications; '' for none. */
  readonly search: string;
};

/** The addresses of one entry of the table, shared by all its spellings. */
export type TableEntry = {
  /** Of the table: its own name. */
  readonly host: string;
  /** Four bytes each. */
  readonly ipv4: Uint8Array;
  /** Sixteen bytes each. */
  readonly ipv6: Uint8Array;
};

/** What a name stands for; `alias` is the key of the name that has the addresses, null when it is the name itself. */
export type Found = { readonly entry: TableEntry; readonly alias: string | null };

/** Spellings that one table may have; further entries are left out, and counted. */
const MAX_NAMES = 1_000_000;
/** Source: Istio pilot/pkg/serviceregistry/provider. */
const KUBERNETES = 'Kubernetes';
const WILDCARD = '\x01*';
const ROOT = '\0';
const EMPTY = new Uint8Array(0);
const REVERSE_V4 = '\x07in-addr\x04arpa\0';
const REVERSE_V6 = '\x03ip6\x04arpa\0';

export class NameTable {
  readonly #names = new Map<string, Found>();
  readonly #entries: TableEntry[] = [];
  /** Behind names that applications expanded, without the root: '\x03ns1\x03svc…'; '' for none. */
  readonly #searchKey: string;
  #hasWildcards = false;
  /** By their addresses (see `addressKey`): the entries that give them their names. */
  readonly #byAddress = new Map<string | number, TableEntry>();
  /** Entries left out, because they have no address or no name that DNS could ask for. */
  skipped = 0;

  constructor(search: string) {
    const key = search === '' ? null : nameKey(search);
    this.#searchKey = key === null || key === ROOT ? '' : key;
  }

  get size(): number {
    return this.#names.size;
  }

  get entries(): readonly TableEntry[] {
    return this.#entries;
  }

  /** One entry of the message with all its spellings. */
  add(host: string, info: NameInfo, scope: NameScope): void {
    const addresses = (info.ips ?? []).map(parseIp).filter((ip) => ip !== null);
    const names = spellings(host, info, scope);
    if (addresses.length === 0 || this.#names.size + names.length > MAX_NAMES) {
      this.skipped++;
      return;
    }
    const entry = { host, ipv4: packed(addresses, 'ipv4'), ipv6: packed(addresses, 'ipv6') };
    const found = { entry, alias: null };
    let isNamed = false;
    for (const [i, name] of names.entries()) {
      const key = nameKey(name);
      if (key === null || key === ROOT) continue;
      isNamed = true;
      if (key.startsWith(WILDCARD)) this.#hasWildcards = true;
      // Another's own name is more than a spelling of this one's.
      if (i === 0 || !this.#names.has(key)) this.#names.set(key, found);
    }
    if (!isNamed) {
      this.skipped++;
      return;
    }
    this.#entries.push(entry);
    if (host.startsWith('*')) return;
    for (let at = 0; at < entry.ipv4.length; at += 4) this.#nameAddress(addressKey(entry.ipv4, at, 4), entry);
    for (let at = 0; at < entry.ipv6.length; at += 16) this.#nameAddress(addressKey(entry.ipv6, at, 16), entry);
  }

  /** An address of several names has that of the fewest addresses: a pod's own name rather than its service's. */
  #nameAddress(address: string | number, entry: TableEntry): void {
    const known = this.#byAddress.get(address);
    const more = known === undefined ? -1 : sizeOf(entry) - sizeOf(known);
    if (more < 0 || (more === 0 && entry.host < (known as TableEntry).host)) this.#byAddress.set(address, entry);
  }

  /** The entry of a name (a key): its own, without the search domain, or by a wildcard; null: it is somebody else's. */
  find(key: string): Found | null {
    const found = this.#exact(key);
    if (found !== null || !this.#hasWildcards) return found;
    // From the longest: '*.a.b', '*.b'.
    for (let at = 1 + key.charCodeAt(0); at < key.length - 1; at += 1 + key.charCodeAt(at)) {
      const wildcard = this.#exact(WILDCARD + key.slice(at));
      if (wildcard !== null) return wildcard;
    }
    return null;
  }

  #exact(key: string): Found | null {
    const own = this.#names.get(key);
    if (own !== undefined) return own;
    const search = this.#searchKey;
    if (search === '' || !key.endsWith(search)) return null;
    const alias = key.slice(0, -search.length) + ROOT;
    const target = this.#names.get(alias);
    // A name that ends with the search domain by itself is not expanded once more.
    return target === undefined || alias.endsWith(search) ? null : { entry: target.entry, alias };
  }

  /** The key of the name that an address has ('4.3.2.1.in-addr.arpa' as a key); null: it is somebody else's. */
  findReverse(key: string): string | null {
    const address = reverseAddress(key);
    const entry = address === null ? undefined : this.#byAddress.get(address);
    return entry === undefined ? null : nameKey(entry.host);
  }

  /** Every spelling with the name of its entry, for the admin interface. */
  *names(): Generator<readonly [string, TableEntry]> {
    for (const [key, { entry }] of this.#names) yield [keyText(key), entry];
  }
}

/** All names of an entry. Source: Istio pkg/dns/client, BuildAlternateHosts and generateAltHosts. */
function spellings(host: string, info: NameInfo, { namespace, domain }: NameScope): string[] {
  if (info.registry !== KUBERNETES) return [host];
  // As Istio's agent has it: a host with a final dot is nobody's service.
  if (host.endsWith('.')) return [];
  // Of another cluster: its short names may mean something else here.
  if (domain === '' || !host.endsWith(domain)) return [host];
  const { shortname = '', namespace: own = '', alt_hosts: more = [] } = info;
  const names = [host, ...more];
  if (shortname === '') return names;
  names.push(`${shortname}.${own}`, `${shortname}.${own}.${domain.split('.')[0]}`);
  if (own === namespace) names.push(shortname);
  return names;
}

function packed(addresses: readonly Ip[], family: Ip['family']): Uint8Array {
  const own = addresses.filter((ip) => ip.family === family);
  if (own.length === 0) return EMPTY;
  const words = own.flatMap(({ w0, w1, w2, w3 }) => (family === 'ipv4' ? [w3] : [w0, w1, w2, w3]));
  const bytes = Buffer.alloc(words.length * 4);
  for (const [i, word] of words.entries()) bytes.writeUInt32BE(word, i * 4);
  return bytes;
}

function sizeOf({ ipv4, ipv6 }: TableEntry): number {
  return ipv4.length / 4 + ipv6.length / 16;
}

/** Of the address at bytes[at, at + size): a number for IPv4, its bytes for IPv6. */
function addressKey(bytes: Uint8Array, at: number, size: number): string | number {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return size === 4 ? view.readUInt32BE(at) : view.latin1Slice(at, at + size);
}

/** The address whose name is asked for by a key; null when it is no such question. */
function reverseAddress(key: string): string | number | null {
  const isV4 = key.endsWith(REVERSE_V4);
  if (!isV4 && !key.endsWith(REVERSE_V6)) return null;
  const labels: string[] = [];
  const end = key.length - (isV4 ? REVERSE_V4 : REVERSE_V6).length;
  for (let at = 0; at < end; at += 1 + key.charCodeAt(at)) labels.push(key.slice(at + 1, at + 1 + key.charCodeAt(at)));
  labels.reverse();
  if (isV4) {
    const ip = labels.length === 4 ? parseIp(labels.join('.')) : null;
    return ip === null ? null : ip.w3;
  }
  const digits = labels.join('');
  return labels.length === 32 && /^[0-9a-f]{32}$/.test(digits) ? Buffer.from(digits, 'hex').latin1Slice() : null;
}
