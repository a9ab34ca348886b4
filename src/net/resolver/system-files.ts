// The system's own knowledge of names: /etc/hosts and /etc/resolv.conf, read again when they change.
import { readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Address } from '../../base/byte-stream.ts';
import { parseIp } from '../../base/ip.ts';

export type ResolvConf = {
  /** Empty when the file names none. */
  readonly servers: readonly Address[];
  readonly search: readonly string[];
  readonly ndots: number;
  readonly timeoutMs: number;
  readonly attempts: number;
  readonly rotate: boolean;
};

export type HostAddress = { readonly family: 'ipv4' | 'ipv6'; readonly address: string };

/** What is behind this is not read. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;
/** Source: resolv.conf(5). */
const DNS_PORT = 53;
const MAX_SEARCH_DOMAINS = 32;
const MAX_SERVERS = 16;
const MAX_NDOTS = 15;
const MAX_TIMEOUT_S = 30;
const MAX_ATTEMPTS = 5;

/** A text file that is parsed again when its time, size or inode changes; a missing one is empty. */
class WatchedFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  #stamp = 'unread';
  #value: T | null = null;

  constructor(path: string, parse: (text: string) => T) {
    this.#path = path;
    this.#parse = parse;
  }

  get value(): T {
    const stamp = this.#readStamp();
    if (this.#value === null || stamp !== this.#stamp) {
      this.#stamp = stamp;
      this.#value = this.#parse(stamp === '' ? '' : this.#readText());
    }
    return this.#value;
  }

  #readStamp(): string {
    const stat = statSync(this.#path, { throwIfNoEntry: false });
    return stat === undefined ? '' : `${stat.mtimeMs} ${stat.size} ${stat.ino}`;
  }

  #readText(): string {
    try {
      return readFileSync(this.#path, 'latin1').slice(0, MAX_FILE_BYTES);
    } catch {
      // Unreadable, or gone since it was looked at.
      return '';
    }
  }
}

export class SystemFiles {
  readonly #hosts: WatchedFile<Map<string, HostAddress[]>>;
  readonly #resolvConf: WatchedFile<ResolvConf>;

  constructor(hostsPath = '/etc/hosts', resolvConfPath = '/etc/resolv.conf') {
    this.#hosts = new WatchedFile(hostsPath, parseHosts);
    this.#resolvConf = new WatchedFile(resolvConfPath, (text) => parseResolvConf(text, hostname()));
  }

  get resolvConf(): ResolvConf {
    return this.#resolvConf.value;
  }

  /** Addresses of a name (lower case, no final dot) in the order of the file. */
  hostAddresses(name: string): readonly HostAddress[] {
    return this.#hosts.value.get(name) ?? [];
  }
}

export function parseHosts(text: string): Map<string, HostAddress[]> {
  const hosts = new Map<string, HostAddress[]>();
  for (const words of wordsByLine(text, '#')) {
    const address = words[0] as string;
    const ip = parseIp(address);
    if (ip === null) continue;
    for (const word of words.slice(1)) {
      const name = word.toLowerCase().replace(/\.$/, '');
      const known = hosts.get(name);
      if (known === undefined) hosts.set(name, [{ family: ip.family, address }]);
      else if (!known.some((one) => one.address === address)) known.push({ family: ip.family, address });
    }
  }
  return hosts;
}

/** `host` is this machine's name: what is behind its first dot is searched when the file says nothing. */
export function parseResolvConf(text: string, host: string): ResolvConf {
  const servers: Address[] = [];
  const dot = host.indexOf('.');
  const settings = {
    search: dot < 0 ? [] : [host.slice(dot + 1)],
    ndots: 1,
    timeoutMs: 5000,
    attempts: 2,
    rotate: false,
  };
  for (const [keyword, ...words] of wordsByLine(text, '#', ';')) {
    if (keyword === 'nameserver') {
      const address = words[0] ?? '';
      const ip = parseIp(address);
      if (ip !== null && servers.length < MAX_SERVERS) servers.push({ family: ip.family, address, port: DNS_PORT });
    } else if (keyword === 'search' || keyword === 'domain') {
      settings.search = words.slice(0, keyword === 'domain' ? 1 : MAX_SEARCH_DOMAINS);
    } else if (keyword === 'options') {
      for (const word of words) readOption(word, settings);
    }
  }
  return { servers, ...settings };
}

function readOption(
  word: string,
  settings: { ndots: number; timeoutMs: number; attempts: number; rotate: boolean },
): void {
  const [name, text] = word.split(':');
  const value = Number.parseInt(text ?? '', 10);
  if (name === 'rotate') settings.rotate = true;
  if (Number.isNaN(value) || value < 0) return;
  if (name === 'ndots') settings.ndots = Math.min(value, MAX_NDOTS);
  if (name === 'timeout') settings.timeoutMs = Math.min(Math.max(value, 1), MAX_TIMEOUT_S) * 1000;
  if (name === 'attempts') settings.attempts = Math.min(Math.max(value, 1), MAX_ATTEMPTS);
}

function* wordsByLine(text: string, ...comments: readonly string[]): Generator<string[]> {
  for (const line of text.split('\n')) {
    let end = line.length;
    for (const comment of comments) {
      const at = line.indexOf(comment);
      if (at >= 0 && at < end) end = at;
    }
    const words = line
      .slice(0, end)
      .split(/\s+/)
      .filter((word) => word !== '');
    if (words.length > 0) yield words;
  }
}
