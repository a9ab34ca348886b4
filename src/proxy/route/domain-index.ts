// Which virtual host has which domain: exact ones by hash, wildcards by length, the longest first.
import { asciiLower } from '../../base/matcher-text.ts';

/** Wildcard domains of one length. */
export type Wildcards<H> = { readonly length: number; readonly hosts: Map<string, H> };

type Host = { readonly host: { readonly domains: readonly string[] } };

export class DomainIndex<H extends Host> {
  readonly hosts = new Set<H>();
  readonly exact = new Map<string, H>();
  readonly suffixes: Wildcards<H>[] = [];
  readonly prefixes: Wildcards<H>[] = [];
  fallback: H | null = null;
  /** No host has another domain than '*'. */
  isFallbackOnly = true;

  /** Says which domain another one has (of the route configuration `name`), or null; then nothing changes. */
  add(host: H, name: string): string | null {
    const { domains } = host.host;
    for (let i = 0; i < domains.length; i++) {
      const domain = asciiLower(domains[i] as string);
      if (this.#addDomain(domain, host)) continue;
      for (let done = 0; done < i; done++) this.#removeDomain(asciiLower(domains[done] as string));
      if (domain === '*') return `Only a single wildcard domain is permitted in route ${name}`;
      return `Only unique values for domains are permitted. Duplicate entry of domain ${domain} in route ${name}`;
    }
    this.hosts.add(host);
    this.#changed();
    return null;
  }

  /** One that was added. */
  remove(host: H): void {
    if (!this.hosts.delete(host)) return;
    for (const domain of host.host.domains) this.#removeDomain(asciiLower(domain));
    this.#changed();
  }

  #changed(): void {
    this.isFallbackOnly = this.exact.size === 0 && this.suffixes.length === 0 && this.prefixes.length === 0;
  }

  #addDomain(domain: string, host: H): boolean {
    if (domain === '*') {
      if (this.fallback !== null) return false;
      this.fallback = host;
      return true;
    }
    if (domain.startsWith('*')) return addTo(levelFor(this.suffixes, domain.length - 1), domain.slice(1), host);
    if (domain.endsWith('*')) return addTo(levelFor(this.prefixes, domain.length - 1), domain.slice(0, -1), host);
    return addTo(this.exact, domain, host);
  }

  #removeDomain(domain: string): void {
    if (domain === '*') this.fallback = null;
    else if (domain.startsWith('*')) removeFrom(this.suffixes, domain.slice(1));
    else if (domain.endsWith('*')) removeFrom(this.prefixes, domain.slice(0, -1));
    else this.exact.delete(domain);
  }
}

function addTo<H>(hosts: Map<string, H>, text: string, host: H): boolean {
  if (hosts.has(text)) return false;
  hosts.set(text, host);
  return true;
}

function levelFor<H>(levels: Wildcards<H>[], length: number): Map<string, H> {
  let at = 0;
  while (at < levels.length && (levels[at] as Wildcards<H>).length > length) at++;
  const found = levels[at];
  if (found !== undefined && found.length === length) return found.hosts;
  const hosts = new Map<string, H>();
  levels.splice(at, 0, { length, hosts });
  return hosts;
}

function removeFrom<H>(levels: Wildcards<H>[], text: string): void {
  const at = levels.findIndex(({ length }) => length === text.length);
  const level = levels[at];
  if (level === undefined) return;
  level.hosts.delete(text);
  if (level.hosts.size === 0) levels.splice(at, 1);
}
