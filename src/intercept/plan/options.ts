// Options of capture: istio-iptables' names and meaning, from flags, annotations of a pod, and the environment.
import { type Cidr, type Ip, parseCidr, parseIp } from '../../base/ip.ts';
import {
  type Complaints,
  readCidrs,
  readIds,
  readInterfaces,
  readNumber,
  readPort,
  readPorts,
  splitList,
} from './lists.ts';
import type { PortRange } from './model.ts';

export type InterceptOptions = {
  readonly proxyPort: number;
  readonly inboundCapturePort: number;
  readonly inboundTunnelPort: number;
  readonly dnsPort: number;
  /** Whose traffic is the proxy's own. */
  readonly proxyUids: readonly number[];
  readonly proxyGids: readonly number[];
  /** The same by the mark of their packets (SO_MARK): where all run as one user. */
  readonly proxyMarks: readonly number[];
  readonly mode: 'REDIRECT' | 'TPROXY' | 'NONE';
  readonly tproxyMark: number;
  readonly tproxyTable: number;
  readonly inboundPorts: 'all' | readonly PortRange[];
  readonly inboundPortsExcluded: readonly PortRange[];
  readonly outboundCidrs: 'all' | readonly Cidr[];
  readonly outboundCidrsExcluded: readonly Cidr[];
  readonly outboundPorts: readonly PortRange[];
  readonly outboundPortsExcluded: readonly PortRange[];
  readonly interfacesExcluded: readonly string[];
  /** What comes in by these is outbound traffic of a virtual machine. */
  readonly virtualInterfaces: readonly string[];
  readonly groups: 'all' | readonly number[];
  readonly groupsExcluded: readonly number[];
  readonly loopback: Cidr;
  /** Null: not captured; else whoever is asked, or just these servers. */
  readonly dns: 'all' | readonly Ip[] | null;
  readonly dropInvalid: boolean;
  readonly ipv6: boolean;
};

type OptionRow = {
  readonly short?: string;
  /** What it takes; absent for a switch. */
  readonly takes?: string;
  readonly default?: string;
  /** Further names of the environment variable; the first is the option's own name in capitals. */
  readonly environment?: readonly string[];
  readonly annotation?: string;
  readonly help: string;
};

const TRAFFIC = 'traffic.sidecar.istio.io';

/** Ports of the proxy itself, as Istio's injector excludes them: statistics, health, and the agent's status. */
const OWN_PORTS = '15090,15021,15020';

/** Source: istio-iptables; the defaults of the lists are those that Istio's injector passes to it. */
export const OPTIONS = {
  'envoy-port': { short: 'p', takes: 'PORT', default: '15001', help: 'where outbound connections go' },
  'inbound-capture-port': { short: 'z', takes: 'PORT', default: '15006', help: 'where inbound connections go' },
  'inbound-tunnel-port': { short: 'e', takes: 'PORT', default: '15008', help: 'the port of tunnels, never redirected' },
  'proxy-uid': { short: 'u', takes: 'USERS', default: '1337', help: 'whose connections are the proxy’s own' },
  'proxy-gid': { short: 'g', takes: 'GROUPS', help: 'groups of the same; default: the numbers of --proxy-uid' },
  'proxy-mark': { takes: 'NUMBER', help: 'mark of the proxy’s own connections, beside its users' },
  'istio-inbound-interception-mode': {
    short: 'm',
    takes: 'MODE',
    default: 'REDIRECT',
    annotation: 'sidecar.istio.io/interceptionMode',
    help: 'REDIRECT; TPROXY, which keeps the client’s address; NONE',
  },
  'istio-inbound-tproxy-mark': { short: 't', takes: 'NUMBER', default: '1337', help: 'mark of packets under TPROXY' },
  'istio-inbound-tproxy-route-table': { short: 'r', takes: 'NUMBER', default: '133', help: 'routes of marked packets' },
  'istio-inbound-ports': {
    short: 'b',
    takes: 'PORTS',
    default: '*',
    annotation: `${TRAFFIC}/includeInboundPorts`,
    help: 'inbound ports that are captured, "*" for all, "" for none',
  },
  'istio-local-exclude-ports': {
    short: 'd',
    takes: 'PORTS',
    default: OWN_PORTS,
    annotation: `${TRAFFIC}/excludeInboundPorts`,
    help: 'inbound ports that are not, of all',
  },
  'istio-service-cidr': {
    short: 'i',
    takes: 'CIDRS',
    default: '*',
    annotation: `${TRAFFIC}/includeOutboundIPRanges`,
    help: 'destinations that are captured, "*" for all, "" for none',
  },
  'istio-service-exclude-cidr': {
    short: 'x',
    takes: 'CIDRS',
    annotation: `${TRAFFIC}/excludeOutboundIPRanges`,
    help: 'destinations that are not',
  },
  'istio-outbound-ports': {
    short: 'q',
    takes: 'PORTS',
    annotation: `${TRAFFIC}/includeOutboundPorts`,
    help: 'ports that are captured whatever the destination',
  },
  'istio-local-outbound-ports-exclude': {
    short: 'o',
    takes: 'PORTS',
    annotation: `${TRAFFIC}/excludeOutboundPorts`,
    help: 'outbound ports that are not captured',
  },
  'istio-exclude-interfaces': {
    short: 'c',
    takes: 'NAMES',
    annotation: `${TRAFFIC}/excludeInterfaces`,
    help: 'interfaces that are left alone both ways',
  },
  'kube-virt-interfaces': {
    short: 'k',
    takes: 'NAMES',
    annotation: 'istio.io/reroute-virtual-interfaces',
    help: 'interfaces of virtual machines: what comes in by them is outbound',
  },
  'istio-outbound-owner-groups': {
    takes: 'GROUPS',
    default: '*',
    environment: ['ISTIO_OUTBOUND_OWNER_GROUPS'],
    help: 'groups whose connections are captured, "*" for all',
  },
  'istio-outbound-owner-groups-exclude': { takes: 'GROUPS', help: 'groups whose connections are not, of all' },
  'istio-outbound-ipv4-loopback-cidr': {
    takes: 'CIDR',
    default: '127.0.0.1/32',
    help: 'IPv4 destinations that stay inside this machine',
  },
  'redirect-dns': { environment: ['ISTIO_META_DNS_CAPTURE'], help: 'capture DNS to the servers of /etc/resolv.conf' },
  'capture-all-dns': { help: 'with --redirect-dns: capture DNS to any server' },
  'dns-port': { takes: 'PORT', default: '15053', help: 'where DNS goes' },
  'drop-invalid': { environment: ['INVALID_DROP'], help: 'drop packets that belong to no connection' },
  'dual-stack': { environment: ['ISTIO_DUAL_STACK'], help: 'the same as --ipv6 on' },
  ipv6: { takes: 'MODE', default: 'auto', help: 'on, off, or auto: on where the system has IPv6' },
} as const satisfies Readonly<Record<string, OptionRow>>;

export type OptionName = keyof typeof OPTIONS;
export type OptionTexts = Readonly<Partial<Record<OptionName, string>>>;

/** What the options refer to: texts of the machine's files, and whether its kernel has IPv6. */
export type Surroundings = {
  readonly passwd: string;
  readonly group: string;
  readonly resolvConf: string;
  readonly hasIpv6: boolean;
};

export type ReadOptions = {
  readonly options: InterceptOptions;
  readonly notes: readonly string[];
  readonly errors: readonly string[];
};

/** Of several sources the first that says something; ports excluded by annotations are so beside the proxy's own. */
export function mergeSources(
  flags: OptionTexts,
  annotations: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly texts: OptionTexts; readonly notes: readonly string[] } {
  const fromAnnotations = readAnnotations(annotations);
  const texts: Partial<Record<OptionName, string>> = {};
  for (const [name, row] of Object.entries(OPTIONS) as [OptionName, OptionRow][]) {
    const variables = [name.toUpperCase().replaceAll('-', '_'), ...(row.environment ?? [])];
    const set = variables.map((variable) => environment[variable]).find((value) => value !== undefined && value !== '');
    const text = flags[name] ?? fromAnnotations.texts[name] ?? set;
    if (text !== undefined) texts[name] = text;
  }
  return { texts, notes: fromAnnotations.notes };
}

const STATUS_PORT = 'status.sidecar.istio.io/port';
/** The older name of istio.io/reroute-virtual-interfaces, which wins over it. */
const KUBEVIRT = `${TRAFFIC}/kubevirtInterfaces`;

function readAnnotations(annotations: Readonly<Record<string, string>>): {
  readonly texts: OptionTexts;
  readonly notes: readonly string[];
} {
  const texts: Partial<Record<OptionName, string>> = {};
  const known = new Set([STATUS_PORT, KUBEVIRT]);
  if (annotations[KUBEVIRT] !== undefined) texts['kube-virt-interfaces'] = annotations[KUBEVIRT];
  for (const [name, { annotation }] of Object.entries(OPTIONS) as [OptionName, OptionRow][]) {
    if (annotation === undefined) continue;
    known.add(annotation);
    const text = annotations[annotation];
    if (text !== undefined) texts[name] = text;
  }
  const excluded = texts['istio-local-exclude-ports'];
  const status = annotations[STATUS_PORT];
  if (excluded !== undefined || status !== undefined) {
    const ports = [...splitList(OWN_PORTS), ...splitList(excluded ?? ''), ...(status === undefined ? [] : [status])];
    texts['istio-local-exclude-ports'] = [...new Set(ports)].join(',');
  }
  const notes = Object.keys(annotations)
    .filter((key) => key.startsWith(`${TRAFFIC}/`) && !known.has(key))
    .map((key) => `the annotation ${key} is unknown and changes nothing`);
  return { texts, notes };
}

/** Parses and checks all options; with errors, the options are of no use. */
export function readOptions(texts: OptionTexts, surroundings: Surroundings): ReadOptions {
  const errors: string[] = [];
  const notes: string[] = [];
  const complaints: Complaints = { error: (text) => errors.push(text), note: (text) => notes.push(text) };
  const options = new Reader(texts, surroundings, complaints).options();
  if (errors.length === 0) checkTogether(texts, options, complaints);
  return { options, notes, errors };
}

class Reader {
  readonly #texts: OptionTexts;
  readonly #surroundings: Surroundings;
  readonly #complaints: Complaints;

  constructor(texts: OptionTexts, surroundings: Surroundings, complaints: Complaints) {
    this.#texts = texts;
    this.#surroundings = surroundings;
    this.#complaints = complaints;
  }

  options(): InterceptOptions {
    const complaints = this.#complaints;
    const port = (name: OptionName): number => readPort(`--${name}`, this.#text(name), complaints);
    const ports = (name: OptionName): readonly PortRange[] => readPorts(`--${name}`, this.#text(name), complaints);
    const cidrs = (name: OptionName): readonly Cidr[] => readCidrs(`--${name}`, this.#text(name), complaints);
    const names = (name: OptionName): readonly string[] => readInterfaces(`--${name}`, this.#text(name), complaints);
    const proxyUids = this.#users('proxy-uid');
    const isAll = (name: OptionName): boolean => this.#text(name).trim() === '*';
    return {
      proxyPort: port('envoy-port'),
      inboundCapturePort: port('inbound-capture-port'),
      inboundTunnelPort: port('inbound-tunnel-port'),
      dnsPort: port('dns-port'),
      proxyUids,
      proxyGids: this.#text('proxy-gid') === '' ? proxyUids : this.#groups('proxy-gid'),
      proxyMarks: this.#text('proxy-mark') === '' ? [] : [this.#number('proxy-mark', 0xffffffff)],
      mode: this.#mode(),
      tproxyMark: this.#number('istio-inbound-tproxy-mark', 0xffffffff),
      // Those above are the kernel's own: default, main and local.
      tproxyTable: this.#number('istio-inbound-tproxy-route-table', 252),
      inboundPorts: isAll('istio-inbound-ports') ? 'all' : ports('istio-inbound-ports'),
      inboundPortsExcluded: ports('istio-local-exclude-ports'),
      outboundCidrs: isAll('istio-service-cidr') ? 'all' : cidrs('istio-service-cidr'),
      outboundCidrsExcluded: cidrs('istio-service-exclude-cidr'),
      outboundPorts: ports('istio-outbound-ports'),
      outboundPortsExcluded: ports('istio-local-outbound-ports-exclude'),
      interfacesExcluded: names('istio-exclude-interfaces'),
      virtualInterfaces: names('kube-virt-interfaces'),
      groups: isAll('istio-outbound-owner-groups') ? 'all' : this.#groups('istio-outbound-owner-groups'),
      groupsExcluded: this.#groups('istio-outbound-owner-groups-exclude'),
      loopback: this.#loopback(),
      dns: this.#dns(),
      dropInvalid: this.#switch('drop-invalid'),
      ipv6: this.#ipv6(),
    };
  }

  #text(name: OptionName): string {
    return this.#texts[name] ?? (OPTIONS[name] as OptionRow).default ?? '';
  }

  #number(name: OptionName, most: number): number {
    return readNumber(`--${name}`, this.#text(name), { least: 1, most }, this.#complaints);
  }

  #users(name: OptionName): readonly number[] {
    const file = { path: '/etc/passwd', entries: this.#surroundings.passwd };
    return readIds(`--${name}`, this.#text(name), file, this.#complaints);
  }

  #groups(name: OptionName): readonly number[] {
    const file = { path: '/etc/group', entries: this.#surroundings.group };
    return readIds(`--${name}`, this.#text(name), file, this.#complaints);
  }

  /** Go's words for true and false, since they come from environment variables too. */
  #switch(name: OptionName): boolean {
    const text = this.#text(name);
    if (/^(?:1|t|true)$/i.test(text)) return true;
    if (!/^(?:|0|f|false)$/i.test(text)) {
      this.#complaints.error(`--${name} is true or false, not ${JSON.stringify(text)}`);
    }
    return false;
  }

  #mode(): InterceptOptions['mode'] {
    const text = this.#text('istio-inbound-interception-mode') || 'REDIRECT';
    if (text === 'REDIRECT' || text === 'TPROXY' || text === 'NONE') return text;
    const given = JSON.stringify(text);
    this.#complaints.error(`--istio-inbound-interception-mode takes REDIRECT, TPROXY or NONE, not ${given}`);
    return 'REDIRECT';
  }

  #loopback(): Cidr {
    const name = '--istio-outbound-ipv4-loopback-cidr';
    const text = this.#text('istio-outbound-ipv4-loopback-cidr');
    const cidr = parseCidr(text);
    if (cidr !== null && cidr.ip.family === 'ipv4' && cidr.length >= 8 && cidr.ip.w3 >>> 24 === 127) return cidr;
    this.#complaints.error(`${name} takes a range of 127.0.0.0/8, not ${JSON.stringify(text)}`);
    return parseCidr('127.0.0.1/32') as Cidr;
  }

  #ipv6(): boolean {
    if (this.#switch('dual-stack')) return true;
    const text = this.#text('ipv6');
    if (text !== 'on' && text !== 'off' && text !== 'auto') {
      this.#complaints.error(`--ipv6 takes on, off or auto, not ${JSON.stringify(text)}`);
    }
    return text === 'on' || (text === 'auto' && this.#surroundings.hasIpv6);
  }

  #dns(): InterceptOptions['dns'] {
    const all = this.#switch('capture-all-dns');
    if (!this.#switch('redirect-dns')) {
      if (all) this.#complaints.note('--capture-all-dns has no effect without --redirect-dns');
      return null;
    }
    if (all) return 'all';
    const servers: Ip[] = [];
    for (const line of this.#surroundings.resolvConf.split('\n')) {
      const [, address] = /^\s*nameserver\s+(\S+)/.exec(line) ?? [];
      const ip = address === undefined ? null : parseIp(address);
      if (ip !== null) servers.push(ip);
    }
    if (servers.length > 0) return servers;
    this.#complaints.note('--redirect-dns: /etc/resolv.conf names no server, so DNS is not captured');
    return null;
  }
}

/** Istio's limit: all of them stand in one rule. */
const MAX_GROUPS = 64;

function checkTogether(texts: OptionTexts, options: InterceptOptions, { error, note }: Complaints): void {
  const isGiven = (name: OptionName): boolean => (texts[name] ?? '') !== '';
  const { proxyPort, inboundCapturePort, inboundTunnelPort, dnsPort } = options;
  const ports = { 'envoy-port': proxyPort, 'inbound-capture-port': inboundCapturePort };
  const others = { 'inbound-tunnel-port': inboundTunnelPort, 'dns-port': dnsPort };
  const seen = new Map<number, string>();
  for (const [name, port] of Object.entries({ ...ports, ...others })) {
    const other = seen.get(port);
    // Outbound and inbound may share a listener, if they must; it cannot speak DNS or end tunnels as well.
    if (other !== undefined && !(name in ports)) error(`--${name} and --${other} are both ${port}; give each its own`);
    seen.set(port, name);
  }
  if (options.proxyUids.length === 0 && options.proxyGids.length === 0) {
    error('--proxy-uid and --proxy-gid are both empty: the proxy would capture itself; name its user');
  }
  if (options.inboundPorts !== 'all' && isGiven('istio-local-exclude-ports')) {
    note('--istio-local-exclude-ports has no effect unless --istio-inbound-ports is "*"');
  }
  if (options.groups !== 'all' && options.groupsExcluded.length > 0) {
    note('--istio-outbound-owner-groups-exclude has no effect unless --istio-outbound-owner-groups is "*"');
  }
  if (options.groups !== 'all' && options.groups.length > MAX_GROUPS) {
    error(`--istio-outbound-owner-groups has ${options.groups.length} groups, at most ${MAX_GROUPS}`);
  }
  const mentions = (port: number, ranges: 'all' | readonly PortRange[]): boolean =>
    ranges !== 'all' && ranges.some(({ first, last }) => first <= port && port <= last);
  if (mentions(inboundTunnelPort, options.inboundPorts)) {
    note(`--istio-inbound-ports: ${inboundTunnelPort} is the port of tunnels, which goes to the proxy as it is`);
  }
}
