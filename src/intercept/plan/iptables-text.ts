// Rules as text for iptables-restore and ip6tables-restore: chains of our own, reached by one jump each.
import { type Cidr, formatCidr } from '../../base/ip.ts';
import { portText } from './lists.ts';
import { type Action, type Chain, type Family, type Match, type Plan, type PortRange, rulesOf } from './model.ts';

export const IPTABLES_TABLES = ['raw', 'mangle', 'nat'] as const;
export type IptablesTable = (typeof IPTABLES_TABLES)[number];

/** Our chains begin so; by it all is found again, without a file that could be lost. */
export const CHAIN_PREFIX = 'HEDDLE_';

/** The chain that a built-in one (`PREROUTING`) jumps to. */
export function iptablesChainName({ hook }: Pick<Chain, 'hook'>): string {
  return `${CHAIN_PREFIX}${hook.toUpperCase()}`;
}

/** The lines of one table's chains for one family, without the jumps to them: `-A HEDDLE_OUTPUT …`. */
export function iptablesRules(plan: Plan, table: IptablesTable, family: Family): string[] {
  if (!plan.families.includes(family)) return [];
  return plan.chains
    .filter((chain) => chain.table === table)
    .flatMap((chain) =>
      rulesOf(chain, family).flatMap(({ name, match, action }) =>
        matches(match).flatMap((words) =>
          targets(action).map((target) =>
            [
              `-A ${iptablesChainName(chain)}`,
              ...words,
              `-m comment --comment ${JSON.stringify(name)}`,
              `-j ${target}`,
            ].join(' '),
          ),
        ),
      ),
    );
}

/** The hooks of a table that have rules of this family. */
export function iptablesHooks(plan: Plan, table: IptablesTable, family: Family): Chain['hook'][] {
  if (!plan.families.includes(family)) return [];
  return plan.chains
    .filter((chain) => chain.table === table && rulesOf(chain, family).length > 0)
    .map((chain) => chain.hook);
}

/** The whole of one family as it is loaded into a machine that has nothing of ours. */
export function iptablesText(plan: Plan, family: Family): string {
  const lines: string[] = [];
  for (const table of IPTABLES_TABLES) {
    const hooks = iptablesHooks(plan, table, family);
    if (hooks.length === 0) continue;
    lines.push(`*${table}`);
    for (const hook of hooks) lines.push(`:${iptablesChainName({ hook })} - [0:0]`);
    for (const hook of hooks) lines.push(jumpLine('-I', { hook, place: 0 }));
    lines.push(...iptablesRules(plan, table, family), 'COMMIT');
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** The line by which a built-in chain jumps to ours: inserted at a place, or as it is listed. */
export function jumpLine(
  command: '-I' | '-A',
  { hook, place }: { readonly hook: Chain['hook']; readonly place: number },
): string {
  return `${command} ${hook.toUpperCase()}${command === '-I' ? ` ${place + 1}` : ''} -j ${iptablesChainName({ hook })}`;
}

/** A rule has one destination and at most 15 ports, so that one of ours may become several. */
function matches(match: Match): string[][] {
  const { source, inInterface, outInterface, destination, owner, mark, connectionMark, protocol, sourcePort } = match;
  const not = (isNot: boolean): string => (isNot ? '! ' : '');
  const before: string[] = [];
  if (source !== undefined) before.push(`-s ${formatCidr(source)}`);
  if (inInterface !== undefined) before.push(`-i ${inInterface}`);
  if (outInterface !== undefined) before.push(`-o ${outInterface}`);
  if (protocol !== undefined) before.push(`-p ${protocol}`);
  if (sourcePort !== undefined) before.push(`--sport ${sourcePort}`);
  const after: string[] = [];
  if (match.state === 'invalid') after.push('-m conntrack --ctstate INVALID');
  if (match.state === 'established') after.push('-m conntrack --ctstate RELATED,ESTABLISHED');
  for (const id of owner?.ids ?? []) after.push(`-m owner ${not(owner?.not === true)}--${owner?.kind}-owner ${id}`);
  if (mark !== undefined) after.push(`-m mark ${not(mark.not)}--mark ${mark.value}`);
  if (connectionMark !== undefined) after.push(`-m connmark --mark ${connectionMark}`);
  const destinations = destination?.cidrs.map((cidr: Cidr) => `${not(destination.not)}-d ${formatCidr(cidr)}`) ?? [''];
  const ports = portWords(match.destinationPorts);
  return destinations.flatMap((to) =>
    ports.map((port) => [...(to === '' ? [] : [to]), ...before, ...(port === '' ? [] : [port]), ...after]),
  );
}

const MAX_MULTIPORT = 15;

function portWords(destination: Match['destinationPorts']): string[] {
  if (destination === undefined) return [''];
  const not = destination.not ? '! ' : '';
  const [first, ...rest] = destination.ports;
  if (first !== undefined && rest.length === 0) return [`${not}--dport ${portText(first, ':')}`];
  const groups: PortRange[][] = [[]];
  let room = MAX_MULTIPORT;
  for (const range of destination.ports) {
    const size = range.first === range.last ? 1 : 2;
    if (size > room) {
      groups.push([]);
      room = MAX_MULTIPORT;
    }
    groups.at(-1)?.push(range);
    room -= size;
  }
  return groups.map((group) => `-m multiport ${not}--dports ${group.map((range) => portText(range, ':')).join(',')}`);
}

function targets(action: Action): string[] {
  switch (action.kind) {
    case 'return':
      return ['RETURN'];
    case 'drop':
      return ['DROP'];
    case 'redirect':
      return [`REDIRECT --to-ports ${action.port}`];
    case 'tproxy':
      return [`TPROXY --on-port ${action.port} --tproxy-mark ${action.mark}/0xffffffff`];
    case 'divert':
      return [`MARK --set-mark ${action.mark}`, 'ACCEPT'];
    case 'mark':
      return [`MARK --set-mark ${action.mark}`];
    case 'save-mark':
      return ['CONNMARK --save-mark'];
    case 'restore-mark':
      return ['CONNMARK --restore-mark'];
    case 'zone':
      return [`CT --zone ${action.zone}`];
  }
}
