// Our rules as the kernel lists them: to compare with what they should be, and to see which of them count.
import type { Backend } from '../backends.ts';
import type { Machine } from '../machine.ts';
import type { Family, Hook, Table } from '../plan/model.ts';
import { CHAIN_PREFIX } from '../plan/iptables-text.ts';
import { NFT_TABLE } from '../plan/nft-text.ts';

type Kind = Backend['kind'];

/** A rule that is in place. */
export type Listed = {
  /** Absent: of both. */
  readonly family?: Family;
  readonly table: Table;
  readonly hook: Hook;
  readonly name: string;
  /** The whole of it, without what it counted. */
  readonly text: string;
  readonly packets: number;
};

/** In the order in which packets meet them, chain by chain. */
export function listRules(machine: Machine, kind: Kind): Listed[] {
  if (kind === 'nft') return parseNft(machine.run('nft', ['list', 'table', 'inet', NFT_TABLE]).output);
  const infix = kind === 'iptables-legacy' ? '-legacy' : '';
  return (['ipv4', 'ipv6'] as const).flatMap((family) => {
    const program = `${family === 'ipv4' ? 'iptables' : 'ip6tables'}${infix}-save`;
    return parseIptables(machine.run(program, ['-c']).output, family);
  });
}

const NFT_COUNTER = /counter packets (\d+) bytes \d+/;

/** What `nft list table` prints. */
export function parseNft(output: string): Listed[] {
  let chain: readonly [Table, Hook] | null = null;
  const rules: Listed[] = [];
  for (const line of output.split('\n')) {
    const [, table, hook] = /^\tchain (raw|mangle|nat)_(prerouting|output) \{/.exec(line) ?? [];
    if (table !== undefined) chain = [table as Table, hook as Hook];
    if (chain === null || !line.startsWith('\t\t') || line.startsWith('\t\ttype ')) continue;
    const name = /comment "([^"]*)"/.exec(line)?.[1] ?? 'a rule without a name';
    const packets = Number(NFT_COUNTER.exec(line)?.[1] ?? 0);
    rules.push({ table: chain[0], hook: chain[1], name, text: line.trim().replace(NFT_COUNTER, 'counter'), packets });
  }
  return rules;
}

/** What `iptables-save -c` prints. */
export function parseIptables(output: string, family: Family): Listed[] {
  let table: Table = 'nat';
  const rules: Listed[] = [];
  for (const line of output.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1).trim() as Table;
    const [, packets, text, chain] = /^\[(\d+):\d+\] (-A (\S+) .*)$/.exec(line) ?? [];
    if (text === undefined || chain === undefined) continue;
    const isJump = text.includes(` -j ${CHAIN_PREFIX}`);
    if (!isJump && !chain.startsWith(CHAIN_PREFIX)) continue;
    const hook: Hook = chain.endsWith('OUTPUT') ? 'output' : 'prerouting';
    const name = isJump ? `the jump from ${chain}` : (/--comment "([^"]*)"/.exec(text)?.[1] ?? 'a rule without a name');
    rules.push({ family, table, hook, name, text, packets: Number(packets) });
  }
  return rules;
}

/** The first difference in words, or null. */
export function firstDifference(wanted: readonly Listed[], found: readonly Listed[]): string | null {
  const chains = new Set([...wanted, ...found].map(chainText));
  for (const chain of chains) {
    const ours = wanted.filter((rule) => chainText(rule) === chain);
    const theirs = found.filter((rule) => chainText(rule) === chain);
    for (let i = 0; i < Math.max(ours.length, theirs.length); i++) {
      const [want, have] = [ours[i], theirs[i]];
      if (want?.text === have?.text) continue;
      if (have === undefined) return `${chain}: the rule "${want?.name}" is missing`;
      if (want === undefined) return `${chain}: the rule "${have.name}" should not be there: ${have.text}`;
      return `${chain}: where "${want.name}" should be is: ${have.text}`;
    }
  }
  return null;
}

export function chainText({ family, table, hook }: Pick<Listed, 'family' | 'table' | 'hook'>): string {
  return `${table} ${hook}${family === undefined ? '' : ` (${family})`}`;
}
