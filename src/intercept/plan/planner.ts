// From options to rules: what Istio's sidecars capture, in one chain per table and hook.
//
// Source: Istio's tools/istio-iptables. What becomes of packets under its rules and under these is compared in
// test/namespaces/intercept-istio.test.ts.
import { type Cidr, formatIp, type Ip, parseCidr } from '../../base/ip.ts';
import type { Action, Chain, Family, Hook, Match, Plan, PortRange, Rule, Table } from './model.ts';
import type { InterceptOptions } from './options.ts';

/** The mark of the proxy's own connections to this machine: they are captured as inbound ones under TPROXY. */
const OUTBOUND_MARK = 1338;
const DNS = 53;
/** DNS to the proxy, and the proxy's own DNS to elsewhere, may have equal ports: they are tracked apart. */
const UPSTREAM_ZONE = 1;
const CLIENT_ZONE = 2;

/** From where the proxy dials the application for connections that came in. */
const PASSTHROUGH = { ipv4: cidrOf('127.0.0.6/32'), ipv6: cidrOf('::6/128') };
const IPV6_LOOPBACK = cidrOf('::1/128');

function cidrOf(text: string): Cidr {
  return parseCidr(text) as Cidr;
}

/** The rules of these options; nothing is captured in mode NONE. */
export function planCapture(options: InterceptOptions): Plan {
  const families: readonly Family[] = options.ipv6 ? ['ipv4', 'ipv6'] : ['ipv4'];
  if (options.mode === 'NONE') return { families, chains: [], routing: null, passthroughAddress: false };
  const hasTproxy = options.mode === 'TPROXY' && hasInbound(options);
  const draft = new Draft(families, options);
  draft.trackDns();
  draft.dropInvalid();
  if (hasTproxy) draft.transparentInbound();
  draft.inbound(hasTproxy);
  draft.outbound(hasTproxy);
  return {
    families,
    chains: draft.chains(),
    routing: hasTproxy ? { mark: options.tproxyMark, table: options.tproxyTable } : null,
    passthroughAddress: options.ipv6,
  };
}

function hasInbound({ inboundPorts }: InterceptOptions): boolean {
  return inboundPorts === 'all' || inboundPorts.length > 0;
}

const ORDER: readonly (readonly [Table, Hook])[] = [
  ['raw', 'prerouting'],
  ['raw', 'output'],
  ['mangle', 'prerouting'],
  ['mangle', 'output'],
  ['nat', 'prerouting'],
  ['nat', 'output'],
];

type Ports = NonNullable<Match['destinationPorts']>;
type Add = (name: string, match: Match, action: Action, family?: Family) => void;

const RETURN: Action = { kind: 'return' };
const onPort = (port: number): Ports => ({ ports: [{ first: port, last: port }], not: false });
const onPorts = (ports: readonly PortRange[]): Ports => ({ ports, not: false });
const except = (...ports: readonly number[]): Ports => ({
  ports: ports.map((port) => ({ first: port, last: port })),
  not: true,
});
const TCP = { protocol: 'tcp' } as const;
const UDP = { protocol: 'udp' } as const;

/** How a packet of the proxy's own is known. */
type ProxyOwn = {
  readonly name: string;
  readonly is: Pick<Match, 'owner' | 'mark'>;
  readonly isNot: Pick<Match, 'owner' | 'mark'>;
  /** Whose DNS questions are left alone. */
  readonly isUser: boolean;
};

class Draft {
  readonly #families: readonly Family[];
  readonly #options: InterceptOptions;
  readonly #rules = new Map<string, Rule[]>();

  constructor(families: readonly Family[], options: InterceptOptions) {
    this.#families = families;
    this.#options = options;
  }

  chains(): Chain[] {
    return ORDER.flatMap(([table, hook]) => {
      const rules = this.#rules.get(`${table} ${hook}`) ?? [];
      return rules.length === 0 ? [] : [{ table, hook, rules }];
    });
  }

  /** Adds rules to one chain. */
  #chain(table: Table, hook: Hook): Add {
    const key = `${table} ${hook}`;
    const rules = this.#rules.get(key) ?? [];
    this.#rules.set(key, rules);
    return (name, match, action, family) => {
      if (family === undefined || this.#families.includes(family)) {
        rules.push({ name, ...(family === undefined ? {} : { family }), match, action });
      }
    };
  }

  #loopback(family: Family): Cidr {
    return family === 'ipv4' ? this.#options.loopback : IPV6_LOOPBACK;
  }

  #notLoopback(family: Family): NonNullable<Match['destination']> {
    return { cidrs: [this.#loopback(family)], not: true };
  }

  #eachProxyOwner(add: (own: ProxyOwn) => void): void {
    for (const kind of ['uid', 'gid'] as const) {
      for (const id of kind === 'uid' ? this.#options.proxyUids : this.#options.proxyGids) {
        const owner = (not: boolean) => ({ owner: { kind, ids: [id], not } });
        add({ name: `${kind} ${id}`, is: owner(false), isNot: owner(true), isUser: kind === 'uid' });
      }
    }
    for (const value of this.#options.proxyMarks) {
      const mark = (not: boolean) => ({ mark: { value, not } });
      add({ name: `mark ${value}`, is: mark(false), isNot: mark(true), isUser: true });
    }
  }

  trackDns(): void {
    const { dns, dnsPort } = this.#options;
    if (dns === null) return;
    const output = this.#chain('raw', 'output');
    const zone = (id: number): Action => ({ kind: 'zone', zone: id });
    this.#eachProxyOwner(({ name, is }) => {
      output(`dns of the proxy, ${name}`, { ...UDP, destinationPorts: onPort(DNS), ...is }, zone(UPSTREAM_ZONE));
      // Its DNS server marks nothing, and the port is its own.
      const own = is.mark === undefined ? is : {};
      output(`answers of the proxy, ${name}`, { ...UDP, sourcePort: dnsPort, ...own }, zone(CLIENT_ZONE));
    });
    const asked = { ...UDP, destinationPorts: onPort(DNS) };
    const answered = { ...UDP, sourcePort: DNS };
    const prerouting = this.#chain('raw', 'prerouting');
    if (dns === 'all') {
      output('dns of applications', asked, zone(CLIENT_ZONE));
      prerouting('answers of dns servers', answered, zone(UPSTREAM_ZONE));
      return;
    }
    for (const server of dns) {
      const cidr = exactly(server);
      const to = { ...asked, destination: { cidrs: [cidr], not: false } };
      output(`dns of applications to ${formatIp(server)}`, to, zone(CLIENT_ZONE), server.family);
      const from = { ...answered, source: cidr };
      prerouting(`answers of dns server ${formatIp(server)}`, from, zone(UPSTREAM_ZONE), server.family);
    }
  }

  /** Under TPROXY the interfaces that are left alone have to be so in this table too, and first. */
  dropInvalid(): void {
    const { mode, interfacesExcluded, dropInvalid } = this.#options;
    const prerouting = this.#chain('mangle', 'prerouting');
    const output = this.#chain('mangle', 'output');
    if (mode === 'TPROXY' && hasInbound(this.#options)) {
      for (const name of interfacesExcluded) {
        prerouting(`interface ${name} excluded`, { inInterface: name }, RETURN);
        output(`interface ${name} excluded`, { outInterface: name }, RETURN);
      }
    }
    if (dropInvalid) prerouting('invalid packets', { state: 'invalid' }, { kind: 'drop' });
  }

  transparentInbound(): void {
    const { tproxyMark: mark, inboundPorts, inboundPortsExcluded, inboundTunnelPort } = this.#options;
    const add = this.#chain('mangle', 'prerouting');
    const marked = { ...TCP, mark: { value: mark, not: false } };
    // The proxy's connections with clients' addresses: what the application answers must come back to the proxy.
    add('proxy to application, remembered', marked, { kind: 'save-mark' });
    add('proxy to application', marked, RETURN);
    for (const family of this.#families) {
      add(
        'proxy to application, passed through',
        { ...TCP, source: PASSTHROUGH[family], inInterface: 'lo' },
        RETURN,
        family,
      );
    }
    add('inside this machine', { ...TCP, inInterface: 'lo', mark: { value: OUTBOUND_MARK, not: true } }, RETURN);
    add('inbound tunnels', { ...TCP, destinationPorts: onPort(inboundTunnelPort) }, RETURN);
    if (inboundPorts === 'all' && inboundPortsExcluded.length > 0) {
      add('inbound ports excluded', { ...TCP, destinationPorts: onPorts(inboundPortsExcluded) }, RETURN);
    }
    const captured: Match = inboundPorts === 'all' ? TCP : { ...TCP, destinationPorts: onPorts(inboundPorts) };
    add('inbound, begun', { ...captured, state: 'established' }, { kind: 'divert', mark });
    const tproxy: Action = { kind: 'tproxy', port: this.#options.inboundCapturePort, mark };
    for (const family of this.#families) {
      add('inbound to the proxy', { ...captured, destination: this.#notLoopback(family) }, tproxy, family);
    }
    this.#markReplies();
  }

  #markReplies(): void {
    const { tproxyMark: mark } = this.#options;
    const add = this.#chain('mangle', 'output');
    add('proxy to application', { ...TCP, outInterface: 'lo', mark: { value: mark, not: false } }, RETURN);
    this.#eachProxyOwner(({ name, is }) => {
      for (const family of this.#families) {
        const match = { ...TCP, outInterface: 'lo', destination: this.#notLoopback(family), ...is };
        add(`proxy to this machine, ${name}`, match, { kind: 'mark', mark: OUTBOUND_MARK }, family);
      }
    });
    add('replies to the proxy', { ...TCP, connectionMark: mark }, { kind: 'restore-mark' });
  }

  inbound(hasTproxy: boolean): void {
    const { virtualInterfaces, outboundCidrs, interfacesExcluded, proxyPort } = this.#options;
    const add = this.#chain('nat', 'prerouting');
    const redirect: Action = { kind: 'redirect', port: proxyPort };
    for (const name of virtualInterfaces) {
      const from = { ...TCP, inInterface: name };
      if (outboundCidrs === 'all') add(`outbound from ${name}`, from, redirect);
      else {
        for (const [family, cidrs] of this.#byFamily(outboundCidrs)) {
          add(`outbound from ${name}`, { ...from, destination: { cidrs, not: false } }, redirect, family);
        }
      }
      add(`interface ${name} of a virtual machine`, { inInterface: name }, RETURN);
    }
    for (const name of interfacesExcluded) add(`interface ${name} excluded`, { inInterface: name }, RETURN);
    if (hasInbound(this.#options) && !hasTproxy) this.#redirectInbound(add);
  }

  #redirectInbound(add: Add): void {
    const { inboundPorts, inboundPortsExcluded, inboundTunnelPort, inboundCapturePort } = this.#options;
    add('inbound tunnels', { ...TCP, destinationPorts: onPort(inboundTunnelPort) }, RETURN);
    if (inboundPorts === 'all' && inboundPortsExcluded.length > 0) {
      add('inbound ports excluded', { ...TCP, destinationPorts: onPorts(inboundPortsExcluded) }, RETURN);
    }
    const captured: Match = inboundPorts === 'all' ? TCP : { ...TCP, destinationPorts: onPorts(inboundPorts) };
    add('inbound to the proxy', captured, { kind: 'redirect', port: inboundCapturePort });
  }

  outbound(hasTproxy: boolean): void {
    const { interfacesExcluded, outboundPortsExcluded, tproxyMark } = this.#options;
    const add = this.#chain('nat', 'output');
    if (hasTproxy) {
      // With Istio this holds only for a proxy that runs as another user than --proxy-uid.
      add('proxy to application', { ...TCP, outInterface: 'lo', mark: { value: tproxyMark, not: false } }, RETURN);
    }
    for (const name of interfacesExcluded) add(`interface ${name} excluded`, { outInterface: name }, RETURN);
    if (outboundPortsExcluded.length > 0) {
      for (const each of [TCP, UDP]) {
        const match = { ...each, destinationPorts: onPorts(outboundPortsExcluded) };
        add(`outbound ${each.protocol} ports excluded`, match, RETURN);
      }
    }
    for (const family of this.#families) {
      add('proxy to application, passed through', { outInterface: 'lo', source: PASSTHROUGH[family] }, RETURN, family);
    }
    this.#proxyItself(add);
    this.#groups(add);
    this.#redirectDns(add);
    for (const family of this.#families) {
      const here = { destination: { cidrs: [this.#loopback(family)], not: false } };
      add('outbound to loopback', here, RETURN, family);
    }
    this.#redirectOutbound(add);
  }

  /** By owner and in this order: a call to oneself by a service's address comes in, other calls of the proxy go out. */
  #proxyItself(add: Add): void {
    const { inboundTunnelPort, inboundCapturePort, dns, outboundCidrs } = this.#options;
    const leavesLoopback = outboundCidrs === 'all' || !outboundCidrs.some(({ ip }) => isLoopback(ip));
    this.#eachProxyOwner(({ name, is, isNot, isUser }) => {
      const ports = dns !== null && isUser ? except(DNS, inboundTunnelPort) : except(inboundTunnelPort);
      for (const family of this.#families) {
        const destination = this.#notLoopback(family);
        const match = { ...TCP, outInterface: 'lo', destination, destinationPorts: ports, ...is };
        const action: Action = { kind: 'redirect', port: inboundCapturePort };
        add(`application to itself by the proxy, ${name}`, match, action, family);
      }
      if (leavesLoopback) {
        // A DNS server of this machine is asked by loopback.
        const port = dns === null ? {} : { ...TCP, destinationPorts: except(DNS) };
        add(`inside this machine, not ${name}`, { ...port, outInterface: 'lo', ...isNot }, RETURN);
      }
      add(`proxy to elsewhere, ${name}`, is, RETURN);
    });
  }

  #groups(add: Add): void {
    const { groups, groupsExcluded } = this.#options;
    if (groups === 'all') {
      for (const id of groupsExcluded) {
        add(`group ${id} excluded`, { owner: { kind: 'gid', ids: [id], not: false } }, RETURN);
      }
    } else if (groups.length === 0) add('no group captured', {}, RETURN);
    else add('other groups', { owner: { kind: 'gid', ids: groups, not: true } }, RETURN);
  }

  #redirectDns(add: Add): void {
    const { dns, dnsPort } = this.#options;
    if (dns === null) return;
    const action: Action = { kind: 'redirect', port: dnsPort };
    for (const each of [TCP, UDP]) {
      const match = { ...each, destinationPorts: onPort(DNS) };
      if (dns === 'all') add(`dns over ${each.protocol} to the proxy`, match, action);
      else {
        for (const server of dns) {
          const to = { ...match, destination: { cidrs: [exactly(server)], not: false } };
          add(`dns over ${each.protocol} to the proxy, for ${formatIp(server)}`, to, action, server.family);
        }
      }
    }
  }

  #redirectOutbound(add: Add): void {
    const { outboundCidrs, outboundCidrsExcluded, outboundPorts, proxyPort } = this.#options;
    const action: Action = { kind: 'redirect', port: proxyPort };
    for (const [family, cidrs] of this.#byFamily(outboundCidrsExcluded)) {
      add('outbound destinations excluded', { destination: { cidrs, not: false } }, RETURN, family);
    }
    if (outboundPorts.length > 0) {
      add('outbound ports to the proxy', { ...TCP, destinationPorts: onPorts(outboundPorts) }, action);
    }
    if (outboundCidrs === 'all') add('outbound to the proxy', TCP, action);
    else {
      for (const [family, cidrs] of this.#byFamily(outboundCidrs)) {
        add('outbound to the proxy', { ...TCP, destination: { cidrs, not: false } }, action, family);
      }
    }
  }

  /** Only families that are captured, and of which there are some. */
  #byFamily(cidrs: readonly Cidr[]): [Family, readonly Cidr[]][] {
    return this.#families.flatMap((family): [Family, readonly Cidr[]][] => {
      const own = cidrs.filter(({ ip }) => ip.family === family);
      return own.length === 0 ? [] : [[family, own]];
    });
  }
}

function exactly(ip: Ip): Cidr {
  return { ip, length: ip.family === 'ipv4' ? 32 : 128 };
}

function isLoopback(ip: Ip): boolean {
  if (ip.family === 'ipv4') return ip.w3 >>> 24 === 127;
  return ip.w0 === 0 && ip.w1 === 0 && ip.w2 === 0 && ip.w3 === 1;
}
