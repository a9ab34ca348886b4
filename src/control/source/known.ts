// What references may lead to: objects by kind and name, hosts with their ports and subsets.
import { nearest } from '../schema/problem.ts';
import { type ConfigObject, objectKey } from './object.ts';
import { isMap } from './read-documents.ts';

type Objects = ReadonlyMap<string, ConfigObject>;

/** Names that a remedy lists. */
const MAX_NAMES = 5;

export class KnownObjects {
  readonly #objects: Objects;
  readonly #grants: readonly ConfigObject[];

  constructor(objects: Objects) {
    this.#objects = objects;
    this.#grants = [...objects.values()].filter(({ kind }) => kind === 'ReferenceGrant');
  }

  /** `kind` as it begins a key: 'gateway.networking.k8s.io:Gateway' for the Gateway API's. */
  get(kind: string, namespace: string, name: string): ConfigObject | undefined {
    return this.#objects.get(`${kind}/${namespace}/${name}`);
  }

  has(kind: string, namespace: string, name: string): boolean {
    return this.get(kind, namespace, name) !== undefined;
  }

  hasAnywhere(kind: string, name: string): boolean {
    for (const object of this.#objects.values()) if (object.kind === kind && object.name === name) return true;
    return false;
  }

  /** Some names for people to choose from. */
  namesOf(kind: string, namespace: string | null = null): string {
    const names: string[] = [];
    for (const object of this.#objects.values()) {
      if (!objectKey(object).startsWith(`${kind}/`) || (namespace !== null && object.namespace !== namespace)) continue;
      names.push(namespace === null ? `${object.namespace}/${object.name}` : object.name);
      if (names.length === MAX_NAMES) break;
    }
    return names.length === 0 ? 'those that there will be' : names.join(', ');
  }

  isGranted(fromKind: string, from: string, toKind: string, namespace: string, name: string): boolean {
    const fits = (list: unknown, test: (one: Record<string, unknown>) => boolean): boolean =>
      Array.isArray(list) && list.some((one) => isMap(one) && test(one));
    return this.#grants.some(
      (grant) =>
        grant.namespace === namespace &&
        fits(grant.spec['from'], (one) => one['kind'] === fromKind && one['namespace'] === from) &&
        fits(grant.spec['to'], (one) => one['kind'] === toKind && (one['name'] ?? name) === name),
    );
  }
}

const NO_NAMES: ReadonlySet<string> = new Set();

/** Of names that are not known with those that are: proposals are for a few mistakes, not for thousands. */
const MAX_COMPARISONS = 100_000;
const LEAST_COMPARISONS = 1000;

/** What Services and ServiceEntries give names to. */
export class KnownHosts {
  readonly #domain: string;
  readonly #ports = new Map<string, Set<number>>();
  readonly #wildcards = new Map<string, Set<number>>();
  #comparisons = 0;
  readonly #subsets = new Map<string, Set<string>>();

  constructor(objects: Objects, clusterDomain: string) {
    this.#domain = clusterDomain;
    for (const object of objects.values()) {
      const { kind, spec, namespace } = object;
      if (kind === 'Service') this.#add(this.fullName(object.name, namespace), spec['ports'], 'port');
      else if (kind === 'ServiceEntry' && Array.isArray(spec['hosts'])) {
        for (const host of spec['hosts']) if (typeof host === 'string') this.#add(host, spec['ports'], 'number');
      } else if (kind === 'DestinationRule') this.#addSubsets(object);
    }
  }

  /** Without anything of the mesh's own nothing can be said of names. */
  get isEmpty(): boolean {
    return this.#ports.size === 0 && this.#wildcards.size === 0;
  }

  /** A name without dots is one of the namespace. */
  fullName(host: string, namespace: string): string {
    return host.includes('.') || host.includes('*') ? host : `${host}.${namespace}.svc.${this.#domain}`;
  }

  /** Null when nothing has that name. */
  portsOf(full: string): ReadonlySet<number> | null {
    const exact = this.#ports.get(full) ?? this.#wildcards.get(full);
    if (exact !== undefined) return exact;
    for (const [wildcard, ports] of this.#wildcards) if (full.endsWith(wildcard.slice(1))) return ports;
    return null;
  }

  subsetsOf(full: string): ReadonlySet<string> {
    return this.#subsets.get(full) ?? NO_NAMES;
  }

  /** The name that was probably meant: 'reviews.prod' stands for no Service, and misspelt ones do not either. */
  nearest(host: string, namespace: string): string | null {
    const completed = [`${host}.svc.${this.#domain}`, `${host}.${this.#domain}`].find((name) => this.#ports.has(name));
    if (completed !== undefined) return completed;
    if (this.#comparisons >= MAX_COMPARISONS) return null;
    this.#comparisons += Math.max(LEAST_COMPARISONS, this.#ports.size);
    return nearest(this.fullName(host, namespace), this.#ports.keys());
  }

  #add(host: string, ports: unknown, field: 'port' | 'number'): void {
    const table = host.startsWith('*') ? this.#wildcards : this.#ports;
    const numbers = table.get(host) ?? new Set();
    for (const port of Array.isArray(ports) ? (ports as unknown[]) : []) {
      const number = isMap(port) ? port[field] : undefined;
      if (typeof number === 'number') numbers.add(number);
    }
    table.set(host, numbers);
  }

  #addSubsets({ spec, namespace }: ConfigObject): void {
    if (typeof spec['host'] !== 'string' || !Array.isArray(spec['subsets'])) return;
    const full = this.fullName(spec['host'], namespace);
    const names = this.#subsets.get(full) ?? new Set();
    for (const subset of spec['subsets']) {
      if (isMap(subset) && typeof subset['name'] === 'string') names.add(subset['name']);
    }
    this.#subsets.set(full, names);
  }
}
