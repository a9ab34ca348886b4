// Puts the DNS server together: where it listens, whom it asks, whose names are short, and the table when it comes.
import type { Address } from '../../base/byte-stream.ts';
import type { Clock, Random } from '../../base/clock.ts';
import { addressText } from '../../net/address.ts';
import type { Engine } from '../../net/engine.ts';
import { SystemFiles } from '../../net/resolver/system-files.ts';
import type { Node } from '../../proto/generated/types.d.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
import { DnsDesk } from './desk.ts';
import { DnsServer } from './dns-server.ts';
import { type DnsStats, dnsStats } from './dns-stats.ts';
import { Forwarder } from './forwarder.ts';
import type { NameScope, NameTable } from './name-table.ts';
import { readNameTable } from './read-name-table.ts';

export type DnsSettings = {
  /** Empty: there is no server. */
  readonly addresses: readonly Address[];
  /** Of `addresses`: this machine may have no such family, and then there is nobody to serve on it. */
  readonly optional: readonly Address[];
  /** Empty: those of /etc/resolv.conf. */
  readonly upstreams: readonly Address[];
  /** Nobody is asked, not even those. */
  readonly isAlone: boolean;
  /** A control plane will send the name table. */
  readonly awaitsTable: boolean;
  readonly namespace: string;
  readonly domain: string;
};

export type DnsParts = {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatStore;
  /** Does work in small steps between turns of the event loop. */
  readonly inSlices: <T>(work: Generator<void, T>, done: (result: T) => void) => void;
  /** Another place for /etc/resolv.conf, for tests. */
  readonly resolvConfPath?: string;
};

/** What the admin interface shows. */
export type DnsView = {
  readonly addresses: readonly Address[];
  readonly upstreams: readonly Address[];
  readonly scope: NameScope;
  readonly table: NameTable | null;
  readonly awaitsTable: boolean;
  readonly cache: { readonly size: number; readonly bytes: number };
  readonly active: number;
};

/** Source: Istio pkg/config/constants, DefaultDNSProxyAddr. */
const DEFAULT_PORT = 15_053;
const DEFAULT_V4: Address = Object.freeze({ family: 'ipv4', address: '127.0.0.1', port: DEFAULT_PORT });
const DEFAULT_V6: Address = Object.freeze({ family: 'ipv6', address: '::1', port: DEFAULT_PORT });
/** Source: resolv.conf(5): the server where none is named. */
const THIS_MACHINE: Address = Object.freeze({ family: 'ipv4', address: '127.0.0.1', port: 53 });
/** Errors of a machine without an address of the family. */
const NO_SUCH_FAMILY: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);

/** By the command line, and by what the node's metadata says to Istio's agent. */
export function dnsSettings(
  options: { readonly dnsAddresses: readonly Address[]; readonly dnsUpstreams: readonly Address[] },
  node: Node,
  hasAds: boolean,
): DnsSettings {
  const metadata = (node.metadata ?? {}) as Readonly<Record<string, unknown>>;
  const isCaptured = capturesDns(metadata);
  // 'sidecar~10.0.0.1~pod.namespace~namespace.svc.cluster.local'
  const [kind = '', , name = '', domain = ''] = (node.id ?? '').split('~');
  // Source: Istio pkg/istio-agent: gateways and waypoints have no applications that could ask.
  const isDefault = options.dnsAddresses.length === 0 && isCaptured && (domain === '' || kind === 'sidecar');
  const told = metadata['NAMESPACE'];
  const namespace = typeof told === 'string' ? told : name.slice(name.lastIndexOf('.') + 1);
  return {
    addresses: isDefault ? [DEFAULT_V4, DEFAULT_V6] : options.dnsAddresses,
    optional: isDefault ? [DEFAULT_V6] : [],
    upstreams: options.dnsUpstreams,
    isAlone: metadata['DNS_UPSTREAMS'] === 'none',
    awaitsTable: isCaptured && hasAds,
    namespace,
    domain: namespace !== '' && domain.startsWith(`${namespace}.`) ? domain.slice(namespace.length + 1) : domain,
  };
}

/** Whether the applications' DNS is to come here, as Istio's agent is told. */
export function capturesDns(metadata: unknown): boolean {
  const value = ((metadata ?? {}) as Readonly<Record<string, unknown>>)['DNS_CAPTURE'];
  return value === true || value === 'true';
}

export class DnsService {
  readonly #settings: DnsSettings;
  readonly #parts: DnsParts;
  readonly #stats: DnsStats;
  readonly #files: SystemFiles;
  readonly #forwarder: Forwarder;
  readonly #desk: DnsDesk;
  readonly #server: DnsServer;
  /** Of tables that have come: an older one must not replace a newer. */
  #updates = 0;

  constructor(settings: DnsSettings, parts: DnsParts) {
    const { engine, clock, random } = parts;
    this.#settings = settings;
    this.#parts = parts;
    this.#stats = dnsStats(parts.stats);
    this.#files = new SystemFiles(undefined, parts.resolvConfPath);
    const stats = this.#stats;
    this.#forwarder = new Forwarder({ engine, clock, random, stats, servers: () => this.#servers() });
    const { awaitsTable, isAlone } = settings;
    this.#desk = new DnsDesk({ clock, random, stats, forwarder: this.#forwarder, awaitsTable, isAlone });
    this.#server = new DnsServer(this.#desk, { engine, clock, stats });
  }

  /** Listens everywhere. Returns why it cannot, and then listens nowhere; or null. */
  start(): string | null {
    const { addresses, optional } = this.#settings;
    for (const address of addresses) {
      const problem = this.#server.listen(address);
      if (problem === null || (optional.includes(address) && NO_SUCH_FAMILY.has(problem.errno))) continue;
      this.close();
      return `dns: ${problem.detail}`;
    }
    return null;
  }

  /** A name table has come; `done` says why it is refused, or null once it answers. */
  takeTable(bytes: Uint8Array, done: (refusal: string | null) => void): void {
    const update = ++this.#updates;
    this.#parts.inSlices(readNameTable(bytes, this.#scope), (table) => {
      if (typeof table === 'string') {
        done(table);
        return;
      }
      if (update === this.#updates) this.#desk.table = table;
      const { own } = this.#stats;
      own.inc(own.i.table_updates);
      own.set(own.i.table_names, this.#desk.table?.size ?? 0);
      done(null);
    });
  }

  get #scope(): NameScope {
    const { namespace, domain } = this.#settings;
    return { namespace, domain, search: this.#files.resolvConf.search[0] ?? '' };
  }

  /** Without ourselves: that would be a loop. */
  #servers(): { addresses: readonly Address[]; timeoutMs: number; tries: number } {
    const { servers, timeoutMs, attempts } = this.#files.resolvConf;
    const named = this.#settings.upstreams.length > 0 ? this.#settings.upstreams : servers;
    const own = this.#server.addresses.map(addressText);
    const all = named.length > 0 ? named : [THIS_MACHINE];
    return { addresses: all.filter((one) => !own.includes(addressText(one))), timeoutMs, tries: attempts };
  }

  get view(): DnsView {
    const { cache, table } = this.#desk;
    return {
      addresses: this.#server.addresses,
      upstreams: this.#servers().addresses,
      ...{ scope: this.#scope, table, awaitsTable: this.#settings.awaitsTable },
      cache: { size: cache.size, bytes: cache.bytes },
      active: this.#forwarder.active,
    };
  }

  close(): void {
    this.#server.close();
    this.#forwarder.close();
  }
}
