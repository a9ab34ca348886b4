// Every combination of options in a kernel: applied, listed back, replaced by the next, and taken away without a trace.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { apply, clean } from '../../src/intercept/capture.ts';
import { type Listed, listRules, parseIptables, parseNft } from '../../src/intercept/check/listing.ts';
import { CaptureError, type Machine, realMachine } from '../../src/intercept/machine.ts';
import { iptablesRules, iptablesText } from '../../src/intercept/plan/iptables-text.ts';
import type { Family, Plan } from '../../src/intercept/plan/model.ts';
import { NFT_TABLE, nftText } from '../../src/intercept/plan/nft-text.ts';
import { CASES, planOf } from './intercept-cases.ts';
import { Lab } from './lab.ts';

const KINDS = ['nft', 'iptables-nft', 'iptables-legacy'] as const;
type Kind = (typeof KINDS)[number];

const lab = Lab.make();
const folder = mkdtempSync(join(tmpdir(), 'heddle-intercept-'));
after(() => rmSync(folder, { recursive: true }));
const machine = realMachine(process.env['PATH'] ?? '');

if (typeof lab === 'string') {
  test('namespaces are refused, so rules cannot be loaded', () => assert.match(lab, /unshare/));
} else {
  after(() => lab.close());
  // Somebody else's rules, in tables and chains of their own and in those of iptables.
  lab.home.nft('table inet wall { chain input { type filter hook input priority 0; tcp dport 9 drop; }; }');
  lab.home.command('iptables-nft', ['-t', 'nat', '-A', 'OUTPUT', '-p', 'tcp', '--dport', '9', '-j', 'ACCEPT']);
  lab.home.command('iptables-legacy', ['-t', 'nat', '-A', 'OUTPUT', '-p', 'tcp', '--dport', '9', '-j', 'ACCEPT']);
  for (const kind of KINDS) test(`${kind}: ${CASES.length} combinations of options`, () => allCases(kind));
  test('one back-end takes the place of another', () => replaced());
  test('or does not', () => notReplaced());
  for (const kind of KINDS)
    test(`${kind}: what fails in the middle leaves everything as it was`, () => brokenOff(kind));
  for (const kind of ['iptables-nft', 'iptables-legacy'] as const) {
    test(`${kind}: others' rules behind and in front of ours stay`, () => besideOthers(lab, kind));
  }
}

function load(kind: Kind, flags: string, on: Machine = machine): Plan {
  const { options, plan } = planOf(flags);
  const variant = kind === 'iptables-legacy' ? 'legacy' : kind === 'iptables-nft' ? 'nft' : '';
  const backend = kind === 'nft' ? 'nft' : 'iptables';
  apply(on, { options, plan, backend, variant, force: false });
  return plan;
}

const SHOW_ALL = `nft -s list ruleset
iptables-nft-save; ip6tables-nft-save; iptables-legacy-save; ip6tables-legacy-save
ip -4 rule; ip -6 rule; ip -4 route show table all; ip -6 route show table all; ip address show dev lo`;

/** Everything that capture could change, without what counts. */
function state(): string {
  const { output } = machine.run('sh', ['-c', SHOW_ALL]);
  const stable = output.replace(/^#.*\n/gm, '').replace(/\[\d+:\d+\]/g, '');
  // The kernel gives an interface its own address some time after it is up.
  return stable.replace(/^.*fe80::.*\n/gm, '');
}

/** Tables that legacy iptables has once had in use stay, empty. */
function withoutEmptyTables(text: string): string {
  return text.replace(/^\*\w+\n(?::\w+ ACCEPT \n)+COMMIT\n/gm, '');
}

/** Chains that were made anew are listed last. */
function inNoOrder(text: string): string[] {
  return withoutEmptyTables(text).split('\n').sort();
}

function allCases(kind: Kind): void {
  const before = state();
  loadEachAlone(kind);
  // Some of them one after the other, so that each takes the place of another.
  for (const { name, flags } of CASES.filter((_, i) => i % 17 === 0)) {
    const plan = load(kind, flags);
    sameRules(kind, plan, listRules(machine, kind), name);
  }
  load(kind, '-m TPROXY --redirect-dns');
  const once = state();
  load(kind, '-m TPROXY --redirect-dns');
  assert.equal(state(), once, 'applying twice changes nothing');
  assert.equal(clean(machine), true);
  assert.equal(clean(machine), false);
  if (kind === 'iptables-legacy') assert.equal(withoutEmptyTables(state()), withoutEmptyTables(before));
  else assert.equal(state(), before);
}

/** Every combination by itself, loaded and listed by one shell in a namespace that nobody else is in. */
function loadEachAlone(kind: Kind): void {
  const script: string[] = ['set -e', 'ip link set lo up'];
  for (const [i, { flags }] of CASES.entries()) {
    const { plan } = planOf(flags);
    if (kind === 'nft') {
      const path = join(folder, `${i}.nft`);
      writeFileSync(path, nftText(plan));
      script.push(`nft -f ${path}`);
      script.push(plan.chains.length === 0 ? `: >${path}.listed` : `nft list table inet ${NFT_TABLE} >${path}.listed`);
    } else {
      for (const family of ['ipv4', 'ipv6'] as const) {
        const path = join(folder, `${i}.${family}`);
        const program = family === 'ipv4' ? kind : kind.replace('iptables', 'ip6tables');
        // Restored without --noflush, tables that are named are emptied first.
        writeFileSync(path, `*raw\nCOMMIT\n*mangle\nCOMMIT\n*nat\nCOMMIT\n${iptablesText(plan, family)}`);
        script.push(`${program}-restore <${path}`, `${program}-save -c >${path}.listed`);
      }
    }
  }
  const ran = machine.run('unshare', ['--net', 'sh', '-c', script.join('\n')]);
  assert.ok(ran.ok, ran.complaint);
  for (const [i, { name, flags }] of CASES.entries()) {
    const listed = (end: string): string => readFileSync(join(folder, `${i}.${end}.listed`), 'utf8');
    const rules =
      kind === 'nft'
        ? parseNft(listed('nft'))
        : (['ipv4', 'ipv6'] as const).flatMap((family) => parseIptables(listed(family), family));
    sameRules(kind, planOf(flags).plan, rules, name);
  }
}

function sameRules(kind: Kind, plan: Plan, listed: readonly Listed[], name: string): void {
  if (kind === 'nft') {
    const texts = listed.map(({ text }) => sortSets(text));
    assert.deepEqual(texts, nftLines(plan), name);
  } else for (const family of ['ipv4', 'ipv6'] as const) sameIptables(plan, family, listed, name);
}

/** Our text as nft lists it. */
function nftLines(plan: Plan): string[] {
  return nftText(plan)
    .split('\n')
    .filter((line) => line.startsWith('\t\t') && !line.startsWith('\t\ttype '))
    .map((line) =>
      line.trim().replace(/((?:meta|ct) mark (?:set |!= )?)(\d+)/g, (_, start, mark) => `${start}${hex(mark)}`),
    )
    .map(sortSets);
}

/** The kernel has the elements of a set in an order of its own. */
function sortSets(text: string): string {
  return text.replace(/\{ ([^}]*) \}/g, (_, items: string) => `{ ${items.split(', ').sort().join(', ')} }`);
}

function hex(mark: string): string {
  return `0x${Number(mark).toString(16).padStart(8, '0')}`;
}

/** By name, target and number; iptables writes the rest in its own way, and packets go by it in other tests. */
function sameIptables(plan: Plan, family: Family, listed: readonly Listed[], name: string): void {
  for (const table of ['raw', 'mangle', 'nat'] as const) {
    const wanted = iptablesRules(plan, table, family).map(brief).sort();
    const found = listed.filter((rule) => rule.family === family && rule.table === table && !isJump(rule.text));
    assert.deepEqual(found.map(({ text }) => brief(text)).sort(), wanted, `${name}, ${table}, ${family}`);
  }
}

function isJump(text: string): boolean {
  return / -j HEDDLE_/.test(text);
}

function brief(rule: string): string {
  const [, chain] = /^-A (\S+)/.exec(rule) ?? [];
  const [, comment] = /--comment "([^"]*)"/.exec(rule) ?? [];
  const [, target] = / -j (\S+)/.exec(rule) ?? [];
  return `${chain} ${comment} ${target}`;
}

/** The earlier back-end's rules cannot be taken away: then they stay, and the new ones go. */
function notReplaced(): void {
  load('iptables-legacy', '-b 80');
  const before = state();
  const broken = breaking(/^iptables-legacy-restore/);
  for (const kind of ['nft', 'iptables-nft'] as const) {
    assert.throws(() => load(kind, '-m TPROXY', broken), CaptureError);
    assert.deepEqual(inNoOrder(state()), inNoOrder(before), kind);
  }
  clean(machine);
}

function replaced(): void {
  const before = withoutEmptyTables(state());
  for (const kind of ['nft', 'iptables-nft', 'iptables-legacy', 'nft'] as const) {
    load(kind, '-m TPROXY');
    for (const other of KINDS) assert.equal(listRules(machine, other).length > 0, other === kind, `${other}, ${kind}`);
  }
  clean(machine);
  assert.equal(withoutEmptyTables(state()), before);
}

/** Refuses one command in the middle of all others. */
function breaking(program: RegExp): Machine {
  return {
    ...machine,
    run(name, args, input) {
      const command = [name, ...args].join(' ');
      if (!program.test(command)) return machine.run(name, args, input);
      return { ok: false, isMissing: false, output: '', complaint: `${name}: no` };
    },
  };
}

function brokenOff(kind: Kind): void {
  const last = kind === 'nft' ? /^nft -f/ : /^ip6tables-\S*restore/;
  const attempts = [last, /^ip -6 rule add/, /^ip -6 address add/];
  load(kind, '-m NONE');
  const nothing = state();
  for (const attempt of attempts) {
    assert.throws(() => load(kind, '-m TPROXY --redirect-dns', breaking(attempt)), CaptureError);
    assert.equal(withoutEmptyTables(state()), withoutEmptyTables(nothing), `from nothing, ${attempt}`);
  }
  load(kind, '-b 80 -o 22 --drop-invalid');
  const something = state();
  for (const attempt of attempts.slice(0, 2)) {
    assert.throws(() => load(kind, '-m TPROXY --redirect-dns', breaking(attempt)), CaptureError);
    assert.deepEqual(inNoOrder(state()), inNoOrder(something), `from something, ${attempt}`);
  }
  clean(machine);
}

function besideOthers(lab: Lab, kind: Kind): void {
  const before = withoutEmptyTables(state());
  load(kind, '');
  // Somebody inserts in front of us, and somebody adds behind.
  const theirs = (command: string, port: string): void => {
    lab.home.command(kind, ['-t', 'nat', command, 'OUTPUT', '-p', 'tcp', '--dport', port, '-j', 'ACCEPT']);
  };
  theirs('-I', '7');
  theirs('-A', '8');
  load(kind, '-o 22');
  const jumps = listRules(machine, kind).filter((rule) => isJump(rule.text) && rule.family === 'ipv4');
  assert.equal(jumps.length, 2);
  const kept = state();
  assert.match(kept, /--dport 7 -j ACCEPT/);
  assert.match(kept, /--dport 8 -j ACCEPT/);
  clean(machine);
  theirs('-D', '7');
  theirs('-D', '8');
  assert.equal(withoutEmptyTables(state()), before);
}
