// By what a DNS cache finds a host: 'name:port', and the name and port in it.
import { parseIp } from '../../base/ip.ts';

/** What a key is made of. */
export type KeyParts = { readonly host: string; readonly port: number };

/** The host as the cache knows it; '' for none. Letters stay as they are, as in Envoy. */
export function hostKeyOf(authority: string, defaultPort: number): string {
  if (authority === '' || hasPort(authority)) return authority;
  return `${authority}:${defaultPort}`;
}

/** A colon behind the brackets of an IPv6 address, if there are any. */
function hasPort(authority: string): boolean {
  const colon = authority.lastIndexOf(':');
  return colon >= 0 && authority.lastIndexOf(']') < colon;
}

/** What is asked for. A port that is none belongs to the name, which then cannot be resolved. Source: Envoy. */
export function splitHost(key: string, defaultPort: number): KeyParts {
  const colon = key.endsWith(']') ? -1 : key.lastIndexOf(':');
  const digits = colon < 0 ? '' : key.slice(colon + 1);
  const isPort = /^\d{1,10}$/.test(digits) && Number(digits) <= MAX_PORT;
  const name = isPort ? key.slice(0, colon) : key;
  const bare = name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name;
  return { host: parseIp(bare) === null ? name : bare, port: isPort ? Number(digits) : defaultPort };
}

/** Of the cluster that a dynamic forward proxy makes for them. */
export function subClusterName(host: string, port: number): string {
  return `DFPCluster:${host}:${port}`;
}

const MAX_PORT = 65_535;
/** Clients choose what is kept here. */
const MAX_KEPT = 4096;

/** Remembers the keys of one default port, so that a request builds no text. */
export class HostKeys {
  readonly port: number;
  readonly #keys = new Map<string, string>();

  constructor(port: number) {
    this.port = port;
  }

  of(authority: string): string {
    const known = this.#keys.get(authority);
    if (known !== undefined) return known;
    const key = hostKeyOf(authority, this.port);
    if (this.#keys.size >= MAX_KEPT) this.#keys.clear();
    this.#keys.set(authority, key);
    return key;
  }
}
