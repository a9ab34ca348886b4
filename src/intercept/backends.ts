// The two programs that load rules, behind one interface: what is there of ours, change it as a whole, take it away.
import type { Family, Plan } from './plan/model.ts';
import {
  type HasChain,
  hasOurs,
  iptablesChange,
  iptablesRestoration,
  madeChains,
  parseSaved,
  type Saved,
} from './plan/iptables-change.ts';
import { NFT_TABLE, nftText } from './plan/nft-text.ts';
import { CaptureError, firstLine, type Machine } from './machine.ts';
import type { Survey } from './survey.ts';

export type Backend = {
  readonly kind: 'nft' | 'iptables-nft' | 'iptables-legacy';
  /** All or nothing; what it could not do is thrown. */
  load(plan: Plan): void;
  /** Whether there was something of ours. */
  clean(): boolean;
  /** Brings back what was there when `load` was called, after a failure elsewhere. */
  unload(): void;
};

export function nftBackend(machine: Machine, hasTable: boolean): Backend {
  let before: string | null = null;
  const load = (text: string): void => {
    const ran = machine.run('nft', ['-f', '-'], text);
    if (!ran.ok) throw new CaptureError(`nft refuses the rules: ${firstLine(ran.complaint)}`, ...hints(ran.complaint));
  };
  const remove = (): void => load(`table inet ${NFT_TABLE}\ndelete table inet ${NFT_TABLE}\n`);
  return {
    kind: 'nft',
    load(plan) {
      before = hasTable ? machine.run('nft', ['-s', 'list', 'table', 'inet', NFT_TABLE]).output : null;
      load(nftText(plan));
    },
    clean() {
      if (hasTable) remove();
      return hasTable;
    },
    unload() {
      if (before === null) remove();
      else load(`delete table inet ${NFT_TABLE}\n${before}`);
    },
  };
}

/** What the kernel's words mean here. */
function hints(complaint: string): string[] {
  if (/Operation not permitted/.test(complaint)) return ['it needs the capability NET_ADMIN in this namespace'];
  if (/No such file or directory|not supported/i.test(complaint)) {
    return ['the kernel lacks a part (nf_tables, nft_nat, nft_redir, nft_tproxy); try --backend iptables'];
  }
  return [];
}

/** Which of the two programs of that name: of the machine's choice, on nftables, or the older ones. */
export type IptablesVariant = '' | 'nft' | 'legacy';

/** Seconds to wait for the lock that other programs may hold. */
const LOCK_SECONDS = '5';

class Program {
  readonly family: Family;
  readonly #machine: Machine;
  readonly #command: (verb: 'save' | 'restore') => string;

  constructor(machine: Machine, family: Family, variant: IptablesVariant) {
    this.#machine = machine;
    this.family = family;
    const program = family === 'ipv4' ? 'iptables' : 'ip6tables';
    this.#command = (verb) => [program, variant, verb].filter((part) => part !== '').join('-');
  }

  /** Null where the program is not there. */
  save(): string | null {
    const command = this.#command('save');
    const ran = this.#machine.run(command, []);
    if (ran.isMissing) return null;
    if (!ran.ok) throw new CaptureError(`${command}: ${firstLine(ran.complaint)}`, ...iptablesHints(ran.complaint));
    return ran.output;
  }

  saved(): Saved {
    return parseSaved(this.save() ?? '');
  }

  restore(text: string): void {
    const command = this.#command('restore');
    const ran = this.#machine.run(command, ['--noflush', '-w', LOCK_SECONDS], text);
    if (ran.ok) return;
    const line = /line (\d+) failed/.exec(ran.complaint)?.[1];
    const rule = line === undefined ? [] : [`the line is: ${text.split('\n')[Number(line) - 1]}`];
    throw new CaptureError(
      `${command} refuses the rules: ${firstLine(ran.complaint)}`,
      ...rule,
      ...iptablesHints(ran.complaint),
    );
  }

  missing(): CaptureError {
    const hint = this.family === 'ipv6' ? ', or pass --ipv6 off' : ', or nftables';
    return new CaptureError(`${this.#command('restore')} is not installed: install the package iptables${hint}`);
  }
}

function iptablesHints(complaint: string): string[] {
  if (/Permission denied|you must be root/i.test(complaint)) return ['it needs the capabilities NET_ADMIN and NET_RAW'];
  if (/can't initialize|does not exist|No chain\/target\/match|Extension .* (?:is )?not supported/i.test(complaint)) {
    return ['the kernel lacks a part (ip_tables, xt_REDIRECT, xt_owner, xt_TPROXY, xt_comment); try --backend nft'];
  }
  return [];
}

/** Of which kind the plain names are. */
export function plainIptables(machine: Machine): 'iptables-nft' | 'iptables-legacy' {
  return /\(nf_tables\)/.test(machine.run('iptables', ['--version']).output) ? 'iptables-nft' : 'iptables-legacy';
}

/** Only nftables shows which built-in chains are there; null where it cannot be asked. */
export function iptablesBackend(
  machine: Machine,
  variant: IptablesVariant,
  seen: Pick<Survey, 'chains' | 'tables'> | null,
): Backend {
  const kind = variant === '' ? plainIptables(machine) : (`iptables-${variant}` as const);
  const programs = (['ipv4', 'ipv6'] as const).map((family) => new Program(machine, family, variant));
  const before = new Map<Family, Saved>();
  const hasChain =
    (family: Family): HasChain =>
    (table, name) => {
      if (kind === 'iptables-legacy' || seen === null) return true;
      if (name === undefined) return seen.tables.includes(`${nftFamily(family)} ${table}`);
      return seen.chains.some(
        (chain) => chain.family === nftFamily(family) && chain.table === table && chain.name === name,
      );
    };
  /** Brings one program's rules to what a text makes of them, and takes away what that leaves behind. */
  const change = (program: Program, saved: Saved, text: string): void => {
    if (text === '') return;
    program.restore(text);
    const left = madeChains(saved, new Map()).length === 0 ? [] : madeChains(saved, program.saved());
    for (const { table, chain } of left) removeEmpty(machine, nftFamily(program.family), table, chain);
  };
  const unload = (): void => {
    for (const program of programs) {
      const earlier = before.get(program.family);
      if (earlier === undefined) continue;
      const now = program.saved();
      change(program, now, iptablesRestoration(now, earlier));
    }
  };
  return {
    kind,
    unload,
    load(plan) {
      before.clear();
      for (const program of programs) {
        const text = program.save();
        if (text !== null) before.set(program.family, parseSaved(text));
        else if (plan.families.includes(program.family) && plan.chains.length > 0) throw program.missing();
      }
      try {
        for (const program of programs) {
          const saved = before.get(program.family);
          if (saved === undefined) continue;
          change(program, saved, iptablesChange(saved, plan, program.family, hasChain(program.family)));
        }
      } catch (error) {
        unload();
        throw error;
      }
    },
    clean() {
      let found = false;
      for (const program of programs) {
        const saved = program.saved();
        if (!hasOurs(saved)) continue;
        found = true;
        change(program, saved, iptablesChange(saved, null, program.family, hasChain(program.family)));
      }
      return found;
    },
  };
}

function nftFamily(family: Family): 'ip' | 'ip6' {
  return family === 'ipv4' ? 'ip' : 'ip6';
}

/** iptables leaves them behind; only nft takes them away, and the kernel keeps those in use. */
function removeEmpty(machine: Machine, family: string, table: string, chain: string | null): void {
  const what = chain === null ? ['table', family, table] : ['chain', family, table, chain];
  const { ok, output } = machine.run('nft', ['list', ...what]);
  const isEmpty = chain === null ? !/^\t/m.test(output) : output.includes('policy accept;');
  if (ok && isEmpty) machine.run('nft', ['delete', ...what]);
}
