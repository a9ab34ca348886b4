// What becomes of a packet under a plan: the rule that decides, as the kernel would find it.
import { cidrContains, type Ip } from '../../base/ip.ts';
import { type Family, type Hook, type Match, type Plan, type Rule, rulesOf, type Table } from './model.ts';

export type Packet = {
  readonly protocol: 'tcp' | 'udp';
  readonly source: Ip;
  readonly destination: Ip;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Where it comes in, or goes out. */
  readonly device: string;
  /** Of the socket that sends it. */
  readonly uid: number;
  readonly gid: number;
  readonly mark: number;
  readonly connectionMark: number;
  readonly state: 'new' | 'established' | 'invalid';
};

export type Verdict = {
  /** The rule that ended the chain; null when none did. */
  readonly rule: Rule | null;
  readonly mark: number;
  readonly connectionMark: number;
  readonly zone: number | null;
};

export function verdictOf(plan: Plan, table: Table, hook: Hook, packet: Packet): Verdict {
  let { mark, connectionMark } = packet;
  let zone: number | null = null;
  const family: Family = packet.destination.family;
  const chain = plan.chains.find((one) => one.table === table && one.hook === hook);
  const rules = chain === undefined || !plan.families.includes(family) ? [] : rulesOf(chain, family);
  for (const rule of rules) {
    if (!matches(rule.match, hook, { ...packet, mark, connectionMark })) continue;
    const { action } = rule;
    if (action.kind === 'mark') mark = action.mark;
    else if (action.kind === 'save-mark') connectionMark = mark;
    else if (action.kind === 'restore-mark') mark = connectionMark;
    else if (action.kind === 'zone') zone ??= action.zone;
    else {
      if (action.kind === 'tproxy' || action.kind === 'divert') mark = action.mark;
      return { rule, mark, connectionMark, zone };
    }
  }
  return { rule: null, mark, connectionMark, zone };
}

function matches(match: Match, hook: Hook, packet: Packet): boolean {
  const { destination, destinationPorts, owner, mark } = match;
  const device = hook === 'output' ? match.outInterface : match.inInterface;
  const otherDevice = hook === 'output' ? match.inInterface : match.outInterface;
  const holds = (is: boolean, not: boolean): boolean => is !== not;
  const id = owner?.kind === 'uid' ? packet.uid : packet.gid;
  return (
    otherDevice === undefined &&
    (device === undefined || isNamed(packet.device, device)) &&
    (match.protocol === undefined || match.protocol === packet.protocol) &&
    (match.source === undefined || cidrContains(match.source, packet.source)) &&
    (destination === undefined ||
      holds(
        destination.cidrs.some((cidr) => cidrContains(cidr, packet.destination)),
        destination.not,
      )) &&
    (destinationPorts === undefined ||
      holds(
        destinationPorts.ports.some(
          ({ first, last }) => first <= packet.destinationPort && packet.destinationPort <= last,
        ),
        destinationPorts.not,
      )) &&
    (match.sourcePort === undefined || match.sourcePort === packet.sourcePort) &&
    // The owner is known on the way out only.
    (owner === undefined || (hook === 'output' && holds(owner.ids.includes(id), owner.not))) &&
    (mark === undefined || holds(mark.value === packet.mark, mark.not)) &&
    (match.connectionMark === undefined || match.connectionMark === packet.connectionMark) &&
    (match.state === undefined || match.state === packet.state)
  );
}

function isNamed(device: string, pattern: string): boolean {
  return pattern.endsWith('+') ? device.startsWith(pattern.slice(0, -1)) : device === pattern;
}
