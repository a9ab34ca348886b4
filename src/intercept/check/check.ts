// Proves capture from inside: the rules are what they should be, and real connections go where they send them.
import type { Address } from '../../base/byte-stream.ts';
import { type Cidr, formatAddress, formatIp, type Ip, parseIp } from '../../base/ip.ts';
import { makeSocket } from '../../net/native.ts';
import { inNewNamespace } from '../../net/namespace.ts';
import {
  asOwner,
  type Dialled,
  dialOnce,
  listenForProbes,
  type Owner,
  pause,
  type ProbeListener,
  sendOnce,
} from '../../net/probe.ts';
import { type Backend, iptablesBackend, nftBackend } from '../backends.ts';
import type { Machine } from '../machine.ts';
import type { Family, Hook, Plan, Rule } from '../plan/model.ts';
import type { InterceptOptions } from '../plan/options.ts';
import { type Packet, verdictOf } from '../plan/verdict.ts';
import { missingRoutes } from '../routes.ts';
import { kindInPlace, requirePrivilege, survey } from '../survey.ts';
import { Cable, DEVICE } from './cable.ts';
import { chainText, firstDifference, type Listed, listRules } from './listing.ts';

export type CheckRequest = {
  readonly options: InterceptOptions;
  readonly plan: Plan;
  readonly pid: number;
  /** Probes for other users' sockets need root. */
  readonly isRoot: boolean;
};

export type Report = { readonly ok: boolean; readonly lines: readonly string[] };

/** Neighbours of a new cable may have to be asked twice, a second apart. */
const DIAL_TIMEOUT_MS = 3000;
/** Until the other side of a connection has been told of it. */
const SETTLE_MS = 20;

export async function check(machine: Machine, request: CheckRequest): Promise<Report> {
  requirePrivilege(machine);
  const { plan } = request;
  const kind = kindInPlace(machine, survey(machine));
  const nothing = plan.chains.length === 0;
  if (kind === null) {
    const line = nothing
      ? 'ok    nothing is to be captured'
      : 'FAIL  no rules are in place: run heddle intercept apply';
    return { ok: nothing, lines: [line] };
  }
  const lines: string[] = [];
  const wanted = wantedRules(machine, kind, plan);
  const difference = typeof wanted === 'string' ? null : firstDifference(wanted, listRules(machine, kind));
  if (typeof wanted === 'string') lines.push(`-     rules (${kind}): not compared: ${wanted}`);
  else if (difference === null) lines.push(`ok    rules (${kind}): as these options want them`);
  else {
    lines.push(`FAIL  rules (${kind}): ${difference}`);
    lines.push('      were other options given to apply? apply again brings them to these');
  }
  const missing = missingRoutes(machine, plan);
  if (missing.length > 0) lines.push(`FAIL  routes: missing: ${missing.join('; ')}`);
  else if (plan.routing !== null) lines.push('ok    routes: marked packets are delivered here');
  lines.push(...(await connections(machine, kind, request)));
  return { ok: !lines.some((line) => line.startsWith('FAIL')), lines };
}

/** As the kernel lists the plan's rules: loaded in an empty namespace. Or why that cannot be. */
function wantedRules(machine: Machine, kind: Backend['kind'], plan: Plan): readonly Listed[] | string {
  let wanted: readonly Listed[] | string = [];
  const refused = inNewNamespace(() => {
    machine.run('ip', ['link', 'set', 'lo', 'up']);
    const variant = kind === 'iptables-legacy' ? 'legacy' : '';
    const backend = kind === 'nft' ? nftBackend(machine, false) : iptablesBackend(machine, variant, null);
    try {
      backend.load(plan);
      wanted = listRules(machine, kind);
    } catch (error) {
      wanted = (error as Error).message;
    }
  });
  return refused ?? wanted;
}

async function connections(machine: Machine, kind: Backend['kind'], request: CheckRequest): Promise<string[]> {
  if (!request.isRoot) return ['-     connections: not tried: run as root'];
  const cable = Cable.lay(machine, request.pid, request.plan.families);
  if (typeof cable === 'string') return [`-     connections: not tried: ${cable}`];
  try {
    const lines: string[] = [];
    for (const family of cable.families) lines.push(...(await new Prober(machine, kind, request, cable, family).all()));
    return lines;
  } finally {
    cable.close();
  }
}

/** Ports to try where any will do. */
const PORTS = [80, 8080, 443, 9080, 5000];

class Prober {
  readonly #machine: Machine;
  readonly #kind: Backend['kind'];
  readonly #options: InterceptOptions;
  readonly #plan: Plan;
  readonly #cable: Cable;
  readonly #family: Family;
  readonly #application: Owner;

  constructor(machine: Machine, kind: Backend['kind'], { options, plan }: CheckRequest, cable: Cable, family: Family) {
    this.#machine = machine;
    this.#kind = kind;
    this.#options = options;
    this.#plan = plan;
    this.#cable = cable;
    this.#family = family;
    this.#application = applicationOwner(options);
  }

  async all(): Promise<string[]> {
    return [await this.#outbound(), await this.#proxyItself(), await this.#inbound(), ...(await this.#dns())];
  }

  async #outbound(): Promise<string> {
    const name = `outbound ${this.#family}`;
    const { outboundCidrs, outboundPorts, proxyPort } = this.#options;
    const far = this.#cable.address('far', this.#family, 0);
    const hosts = [far.address, ...(outboundCidrs === 'all' ? [] : this.#hostsIn(outboundCidrs))];
    const ports = [...PORTS, ...outboundPorts.map(({ first }) => first)];
    for (const host of hosts) {
      for (const port of ports) {
        const to = { ...far, address: host, port };
        const rule = this.#decides('output', this.#packet(to, this.#application));
        if (rule?.action.kind !== 'redirect' || rule.action.port !== proxyPort) continue;
        const unreachable = host === far.address ? null : this.#cable.reach(to);
        if (unreachable !== null) return `-     ${name}: not tried: ${unreachable}`;
        return this.#captured(name, to, rule, proxyPort, () => this.#dial(to, this.#application));
      }
    }
    return `-     ${name}: nothing is captured by these options`;
  }

  /** An address of each range that nobody is likely to have: the last but one. */
  #hostsIn(cidrs: readonly Cidr[]): string[] {
    return cidrs
      .filter(({ ip }) => ip.family === this.#family)
      .map(({ ip, length }) => {
        const bits = (ip.family === 'ipv4' ? 32 : 128) - length;
        const rest = bits >= 32 ? 0xfffffffe : bits > 1 ? 2 ** bits - 2 : 0;
        return formatIp({ ...ip, w3: (ip.w3 | rest) >>> 0 });
      });
  }

  async #proxyItself(): Promise<string> {
    const name = `proxy ${this.#family}`;
    const { proxyUids, proxyGids } = this.#options;
    const owner = { uid: proxyUids[0] ?? this.#application.uid, gid: proxyGids[0] ?? this.#application.gid };
    const to = this.#cable.address('far', this.#family, PORTS[0] as number);
    const rule = this.#decides('output', this.#packet(to, owner));
    const listener = this.#cable.run(() => listenForProbes(to, false));
    if (typeof listener === 'string') return `-     ${name}: not tried: ${listener}`;
    try {
      const [outcome, rose] = await this.#watched(() => this.#dial(to, owner));
      const arrived = listener.take().length > 0;
      if (outcome === 'connected' && arrived) return `ok    ${name}: its own connections leave as they are`;
      const took = describe(rose);
      const wanted = `its own connection to ${formatAddress(to)} should leave by "${rule?.name}"`;
      return `FAIL  ${name}: ${wanted}: ${outcome}${took}`;
    } finally {
      listener.close();
    }
  }

  async #inbound(): Promise<string> {
    const name = `inbound ${this.#family}`;
    const { inboundPorts, inboundCapturePort } = this.#options;
    const ports = inboundPorts === 'all' ? PORTS : inboundPorts.map(({ first }) => first);
    for (const port of ports) {
      const to = this.#cable.address('home', this.#family, port);
      const rule = this.#decides('prerouting', this.#packet(to, this.#application));
      if (rule?.action.kind !== 'redirect' && rule?.action.kind !== 'tproxy') continue;
      return this.#captured(name, to, rule, inboundCapturePort, () =>
        dialFrom(
          this.#cable.run(() => makeSocket(to.family)),
          to,
        ),
      );
    }
    return `-     ${name}: nothing is captured by these options`;
  }

  /** By its rule's count: a datagram has no handshake. */
  async #dns(): Promise<string[]> {
    const { dns } = this.#options;
    if (dns === null) return [];
    const name = `dns ${this.#family}`;
    const far = this.#cable.address('far', this.#family, 53);
    const server = dns === 'all' ? far.address : dns.filter((ip) => ip.family === this.#family).map(formatIp)[0];
    if (server === undefined) return [`-     ${name}: no server of this family`];
    const to = { ...far, address: server };
    const rule = this.#decides('output', { ...this.#packet(to, this.#application), protocol: 'udp' });
    const [, rose] = await this.#watched(async () => {
      const fd = asOwner(this.#application, () => makeSocket(to.family, 'datagram'));
      if (typeof fd === 'number') await sendOnce(fd, to, DNS_QUESTION);
    });
    if (rose.some((one) => one.name === rule?.name)) return [`ok    ${name}: "${rule?.name}"`];
    return [`FAIL  ${name}: a question to ${formatAddress(to)} should be taken by "${rule?.name}"${describe(rose)}`];
  }

  #dial(to: Address, owner: Owner): Promise<Dialled> {
    return dialFrom(
      asOwner(owner, () => makeSocket(to.family)),
      to,
    );
  }

  /** A connection that the proxy's listener should get, or one in its place when no proxy runs. */
  async #captured(name: string, to: Address, rule: Rule, port: number, dial: () => Promise<Dialled>): Promise<string> {
    const any = this.#family === 'ipv4' ? '0.0.0.0' : '::';
    const own = listenForProbes({ family: this.#family, address: any, port }, rule.action.kind === 'tproxy');
    const listener: ProbeListener | null = typeof own === 'string' ? null : own;
    try {
      const [outcome, rose] = await this.#watched(dial);
      const arrival = listener?.take()[0];
      const isCounted = rose.some((one) => one.name === rule.name);
      if (outcome !== 'connected' || !isCounted || (listener !== null && arrival === undefined)) {
        const was = isCounted ? `"${rule.name}" took it, but: ${outcome}` : `${outcome}${describe(rose)}`;
        return `FAIL  ${name}: a connection to ${formatAddress(to)} should be taken by "${rule.name}": ${was}`;
      }
      if (arrival === undefined) return `ok    ${name}: "${rule.name}"; who listens on port ${port} accepted it`;
      if (arrival.destination.address === to.address && arrival.destination.port === to.port) {
        return `ok    ${name}: "${rule.name}"; it arrived at port ${port}, its destination is known`;
      }
      const destination = formatAddress(arrival.destination);
      return `FAIL  ${name}: it arrived at port ${port}, but as if for ${destination} instead of ${formatAddress(to)}`;
    } finally {
      listener?.close();
    }
  }

  /** What was done, and the rules that counted meanwhile. */
  async #watched<T>(work: () => Promise<T>): Promise<readonly [T, readonly Listed[]]> {
    const before = listRules(this.#machine, this.#kind);
    const outcome = await work();
    await pause(SETTLE_MS);
    const after = listRules(this.#machine, this.#kind);
    const rose = after.filter(({ packets }, i) => packets > (before[i]?.packets ?? 0));
    return [outcome, rose.filter(({ family }) => family === undefined || family === this.#family)];
  }

  #packet(to: Address, { uid, gid }: Owner): Packet {
    const ip = (text: string): Ip => parseIp(text) as Ip;
    return {
      protocol: 'tcp',
      source: ip(this.#cable.address('home', this.#family, 0).address),
      destination: ip(to.address),
      sourcePort: 50_000,
      destinationPort: to.port,
      device: DEVICE,
      uid,
      gid,
      mark: 0,
      connectionMark: 0,
      state: 'new',
    };
  }

  #decides(hook: Hook, packet: Packet): Rule | null {
    const early = verdictOf(this.#plan, 'mangle', hook, packet).rule;
    return early !== null && early.action.kind !== 'return' ? early : verdictOf(this.#plan, 'nat', hook, packet).rule;
  }
}

/** A question for the root's name servers. */
const DNS_QUESTION = Buffer.from('4d5a010000010000000000000000020001', 'hex');

function dialFrom(fd: number | string, to: Address): Promise<Dialled> {
  return typeof fd === 'string' ? Promise.resolve(fd) : dialOnce(fd, to, DIAL_TIMEOUT_MS);
}

function describe(rose: readonly Listed[]): string {
  const rules = rose.filter(({ name }) => !name.startsWith('the jump'));
  if (rules.length === 0) return '; none of our rules saw it';
  return `; it was seen by ${rules.map((rule) => `"${rule.name}" in ${chainText(rule)}`).join(', ')}`;
}

/** Somebody who is not the proxy, and of a group that is captured. */
function applicationOwner({ proxyUids, proxyGids, groups, groupsExcluded }: InterceptOptions): Owner {
  const free = (taken: readonly number[]): number => {
    let id = 65_534;
    while (taken.includes(id)) id--;
    return id;
  };
  const listed = groups === 'all' ? undefined : groups.find((id) => !proxyGids.includes(id));
  return { uid: free(proxyUids), gid: listed ?? free([...proxyGids, ...groupsExcluded]) };
}
