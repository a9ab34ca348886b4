// Rules as nftables text: one table of both families, replaced as a whole by one transaction.
import { type Cidr, formatCidr, formatIp } from '../../base/ip.ts';
import { portText } from './lists.ts';
import type { Action, Chain, Family, Hook, Match, Plan, Rule, Table } from './model.ts';

/** The table's name; by it all is found again, without a file that could be lost. */
export const NFT_TABLE = 'heddle_intercept';

/** In front of all others of the same table and hook: nobody takes a connection away from the proxy. */
const BASE: Readonly<Record<`${Table}_${Hook}`, string>> = {
  raw_prerouting: 'type filter hook prerouting priority -305',
  raw_output: 'type filter hook output priority -305',
  mangle_prerouting: 'type filter hook prerouting priority -155',
  mangle_output: 'type route hook output priority -155',
  nat_prerouting: 'type nat hook prerouting priority -105',
  nat_output: 'type nat hook output priority -105',
};

export function nftChainName({ table, hook }: { readonly table: Table; readonly hook: Hook }): `${Table}_${Hook}` {
  return `${table}_${hook}`;
}

/** A transaction that leaves the plan in place of whatever was there of ours; without rules it leaves no table. */
export function nftText(plan: Plan): string {
  // To delete what may not be there, it is made first.
  const lines = [`table inet ${NFT_TABLE}`, `delete table inet ${NFT_TABLE}`];
  if (plan.chains.length > 0) {
    lines.push(`table inet ${NFT_TABLE} {`);
    for (const chain of plan.chains) lines.push(...chainLines(chain, plan.families));
    lines.push('}');
  }
  return `${lines.join('\n')}\n`;
}

function chainLines(chain: Chain, families: readonly Family[]): string[] {
  const name = nftChainName(chain);
  const lines = [`\tchain ${name} {`, `\t\t${BASE[name]}; policy accept;`];
  if (!families.includes('ipv6')) lines.push('\t\tmeta nfproto ipv6 return comment "ipv6 is not captured"');
  for (const rule of chain.rules) {
    for (const statement of statements(rule.action, rule.family)) {
      const words = [...matchWords(rule), 'counter', statement, `comment ${JSON.stringify(rule.name)}`];
      lines.push(`\t\t${words.join(' ')}`);
    }
  }
  lines.push('\t}');
  return lines;
}

function matchWords({ match, family }: Rule): string[] {
  const words: string[] = [];
  const not = (isNot: boolean): string => (isNot ? '!= ' : '');
  const { inInterface, outInterface, source, destination, owner, mark, connectionMark } = match;
  if (inInterface !== undefined) words.push(`iifname ${interfaceText(inInterface)}`);
  if (outInterface !== undefined) words.push(`oifname ${interfaceText(outInterface)}`);
  const ip = family === 'ipv6' ? 'ip6' : 'ip';
  if (source !== undefined) words.push(`${ip} saddr ${cidrText(source)}`);
  if (destination !== undefined) {
    words.push(`${ip} daddr ${not(destination.not)}${oneOf(destination.cidrs.map(cidrText))}`);
  } else if (source === undefined && family !== undefined) words.push(`meta nfproto ${family}`);
  words.push(...portWords(match));
  if (match.state !== undefined) {
    words.push(`ct state ${match.state === 'invalid' ? 'invalid' : '{ established, related }'}`);
  }
  if (owner !== undefined) {
    words.push(`meta sk${owner.kind} ${not(owner.not)}${oneOf(owner.ids.map(String))}`);
  }
  if (mark !== undefined) words.push(`meta mark ${not(mark.not)}${mark.value}`);
  if (connectionMark !== undefined) words.push(`ct mark ${connectionMark}`);
  return words;
}

function portWords({ protocol, destinationPorts, sourcePort }: Match): string[] {
  if (protocol === undefined) return [];
  const words: string[] = [];
  if (destinationPorts !== undefined) {
    const ports = oneOf(destinationPorts.ports.map((range) => portText(range)));
    words.push(`${protocol} dport ${destinationPorts.not ? '!= ' : ''}${ports}`);
  }
  if (sourcePort !== undefined) words.push(`${protocol} sport ${sourcePort}`);
  return words.length > 0 ? words : [`meta l4proto ${protocol}`];
}

function oneOf(texts: readonly string[]): string {
  return texts.length === 1 ? (texts[0] as string) : `{ ${texts.join(', ')} }`;
}

function cidrText(cidr: Cidr): string {
  const isWhole = cidr.length === (cidr.ip.family === 'ipv4' ? 32 : 128);
  return isWhole ? formatIp(cidr.ip) : formatCidr(cidr);
}

function interfaceText(name: string): string {
  return name.endsWith('+') ? `"${name.slice(0, -1)}*"` : `"${name}"`;
}

/** Mostly one; what stands in several is a rule each. */
function statements(action: Action, family: Family | undefined): readonly string[] {
  switch (action.kind) {
    case 'return':
    case 'drop':
      return [action.kind];
    case 'redirect':
      return [`redirect to :${action.port}`];
    case 'tproxy': {
      const ip = family === undefined ? '' : family === 'ipv6' ? 'ip6 ' : 'ip ';
      // Without a listener nftables goes on with the next rule, which would be the application.
      return [`tproxy ${ip}to :${action.port} meta mark set ${action.mark} accept`, 'drop'];
    }
    case 'divert':
      return [`meta mark set ${action.mark} accept`];
    case 'mark':
      return [`meta mark set ${action.mark}`];
    case 'save-mark':
      return ['ct mark set meta mark'];
    case 'restore-mark':
      return ['meta mark set ct mark'];
    case 'zone':
      return [`ct zone set ${action.zone}`];
  }
}
