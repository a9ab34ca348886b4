// The way from the rules that iptables-save shows to those that are wanted, as text for iptables-restore --noflush.
import type { Family, Hook, Plan } from './model.ts';
import {
  CHAIN_PREFIX,
  IPTABLES_TABLES,
  type IptablesTable,
  iptablesChainName,
  iptablesHooks,
  iptablesRules,
  jumpLine,
} from './iptables-text.ts';

/** Empty chains that say which built-in one was not there before, or the table: `clean` takes that away again. */
const MADE_PREFIX = `${CHAIN_PREFIX}MADE_`;
const MADE_TABLE = `${MADE_PREFIX}TABLE`;

/** What is ours, and whatever of a table the change needs to know. */
export type SavedTable = {
  /** Names of our chains. */
  readonly chains: readonly string[];
  /** `-A HEDDLE_OUTPUT …` */
  readonly rules: readonly string[];
  /** Jumps from built-in chains: the line, and its place in its chain. */
  readonly jumps: readonly { readonly line: string; readonly chain: string; readonly place: number }[];
};

export type Saved = ReadonlyMap<string, SavedTable>;

export function parseSaved(text: string): Saved {
  const tables = new Map<string, SavedTable>();
  for (const section of text.split(/^\*/m).slice(1)) {
    const [name = '', ...lines] = section.split('\n');
    tables.set(name.trim(), parseTable(lines));
  }
  return tables;
}

function parseTable(lines: readonly string[]): SavedTable {
  const chains: string[] = [];
  const rules: string[] = [];
  const jumps: { line: string; chain: string; place: number }[] = [];
  const places = new Map<string, number>();
  for (const line of lines) {
    const declared = /^:(\S+)/.exec(line)?.[1];
    if (declared?.startsWith(CHAIN_PREFIX)) chains.push(declared);
    const appended = /^-A (\S+)/.exec(line)?.[1];
    if (appended === undefined) continue;
    const place = places.get(appended) ?? 0;
    places.set(appended, place + 1);
    if (appended.startsWith(CHAIN_PREFIX)) rules.push(line);
    else if (line.includes(` -j ${CHAIN_PREFIX}`)) jumps.push({ line, chain: appended, place });
  }
  return { chains, rules, jumps };
}

export function hasOurs(saved: Saved): boolean {
  return [...saved.values()].some(({ chains, jumps }) => chains.length > 0 || jumps.length > 0);
}

/** What one table is to hold of ours. */
type Wanted = {
  /** Built-in chains that jump to ours, and where in them. */
  readonly jumps: readonly { readonly hook: Hook; readonly place: number }[];
  readonly rules: readonly string[];
  readonly marks: readonly string[];
};

/** Whether a built-in chain is there, or (without its name) a table. */
export type HasChain = (table: string, chain?: string) => boolean;

/** Empty when nothing has to change. Without a plan everything of ours goes. */
export function iptablesChange(saved: Saved, plan: Plan | null, family: Family, hasChain: HasChain): string {
  return change(saved, (table) => {
    const hooks = plan === null ? [] : iptablesHooks(plan, table, family);
    const had = saved.get(table)?.chains ?? [];
    return {
      // In front of what is there: nobody takes a connection away from the proxy.
      jumps: hooks.map((hook) => ({ hook, place: 0 })),
      rules: plan === null ? [] : iptablesRules(plan, table, family),
      marks: [
        ...(hooks.length > 0 && (had.includes(MADE_TABLE) || !hasChain(table)) ? [MADE_TABLE] : []),
        ...hooks
          .filter((hook) => had.includes(markOf(hook)) || !hasChain(table, hook.toUpperCase()))
          .map((hook) => markOf(hook)),
      ],
    };
  });
}

function markOf(hook: Hook): string {
  return `${MADE_PREFIX}${hook.toUpperCase()}`;
}

/** The way back to what an earlier iptables-save showed. */
export function iptablesRestoration(saved: Saved, earlier: Saved): string {
  return change(saved, (table) => {
    const before = earlier.get(table);
    const jumps = (['prerouting', 'output'] as const).flatMap((hook) => {
      const jump = before?.jumps.find(({ chain }) => chain === hook.toUpperCase());
      return jump === undefined ? [] : [{ hook, place: jump.place }];
    });
    const marks = before?.chains.filter((chain) => chain.startsWith(MADE_PREFIX)) ?? [];
    return { jumps, rules: before?.rules ?? [], marks };
  });
}

/** What only ours had need of, and a change from these rules to those leaves behind: chains, then (null) the table. */
export function madeChains(from: Saved, to: Saved): { readonly table: string; readonly chain: string | null }[] {
  return [...from].flatMap(([table, { chains }]) =>
    chains
      .filter((chain) => chain.startsWith(MADE_PREFIX) && to.get(table)?.chains.includes(chain) !== true)
      .sort((a, b) => Number(a === MADE_TABLE) - Number(b === MADE_TABLE))
      .map((chain) => ({ table, chain: chain === MADE_TABLE ? null : chain.slice(MADE_PREFIX.length) })),
  );
}

function change(saved: Saved, wantedOf: (table: IptablesTable) => Wanted): string {
  const lines: string[] = [];
  for (const table of IPTABLES_TABLES) {
    const now = saved.get(table);
    const wanted = wantedOf(table);
    const body = tableChange(now, wanted);
    if (body.length > 0) lines.push(`*${table}`, ...body, 'COMMIT');
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function tableChange(now: SavedTable | undefined, wanted: Wanted): string[] {
  const chains = wanted.jumps.map((jump) => iptablesChainName(jump));
  chains.push(...wanted.marks);
  const lines = chains.map((chain) => `:${chain} - [0:0]`);
  const deletions = new Set(now?.jumps ?? []);
  const insertions: string[] = [];
  for (const jump of wanted.jumps) {
    // A jump that is right stays, so that not even for a moment a packet passes by.
    const present = [...deletions].filter(({ chain }) => chain === jump.hook.toUpperCase());
    const [only] = present;
    const isRight = present.length === 1 && only?.place === jump.place && only.line === jumpLine('-A', jump);
    if (isRight) deletions.delete(only);
    else insertions.push(jumpLine('-I', jump));
  }
  for (const { line } of deletions) lines.push(line.replace(/^-A/, '-D'));
  lines.push(...insertions);
  const gone = (now?.chains ?? []).filter((chain) => !chains.includes(chain));
  for (const chain of gone) lines.push(`-F ${chain}`);
  for (const chain of gone) lines.push(`-X ${chain}`);
  lines.push(...wanted.rules);
  return lines;
}
