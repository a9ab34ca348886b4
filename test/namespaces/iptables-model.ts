// What becomes of packets under rules in the form of iptables-restore: a small iptables, for the rules of capture.
import { type Cidr, cidrContains, parseCidr } from '../../src/base/ip.ts';
import type { Hook } from '../../src/intercept/plan/model.ts';
import type { Packet } from '../../src/intercept/plan/verdict.ts';

export type Fate = {
  readonly zone: number | null;
  readonly mark: number;
  readonly connectionMark: number;
  /** What ended it: `drop`, `tproxy 15006`, `redirect 15001`, or nothing. */
  readonly end: string;
};

type State = { mark: number; connectionMark: number; zone: number | null };
type Test = (packet: Packet, hook: Hook, state: State) => boolean;
type Rule = { readonly test: Test; readonly target: string; readonly options: ReadonlyMap<string, string> };
export type Ruleset = ReadonlyMap<string, readonly Rule[]>;

/** Chains by table and name (`nat OUTPUT`); `-I` and `-A` in any order. */
export function parseRules(text: string): Ruleset {
  const chains = new Map<string, Rule[]>();
  let table = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1).trim();
    const [, command, chain, place, rest] = /^-([AI]) (\S+)(?: (\d+))?((?: .*)?)$/.exec(line) ?? [];
    if (command === undefined || chain === undefined) continue;
    const key = `${table} ${chain}`;
    const rules = chains.get(key) ?? [];
    chains.set(key, rules);
    const rule = parseRule(rest ?? '');
    if (command === 'A') rules.push(rule);
    else rules.splice(Number(place ?? 1) - 1, 0, rule);
  }
  return chains;
}

function parseRule(text: string): Rule {
  const words = (text.match(/"[^"]*"|\S+/g) ?? []) as string[];
  const tests: Test[] = [];
  const options = new Map<string, string>();
  let target = '';
  let module = '';
  let not = false;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (word === '!') {
      not = true;
      continue;
    }
    if (word === '--save-mark' || word === '--restore-mark') {
      options.set(word, '');
      continue;
    }
    const value = words[++i] as string;
    if (word === '-m') module = value;
    else if (word === '-j') target = value;
    else if (target !== '') options.set(word, value);
    else if (word !== '--comment') {
      const test = parseTest(module, word, value);
      const isNot = not;
      tests.push((packet, hook, state) => test(packet, hook, state) !== isNot);
    }
    not = false;
  }
  return { test: (packet, hook, state) => tests.every((test) => test(packet, hook, state)), target, options };
}

const TESTS: Readonly<Record<string, (value: string) => Test>> = {
  '-p': (value) => (packet) => packet.protocol === value,
  '-s': (value) => {
    const cidr = parseCidr(value) as Cidr;
    return (packet) => cidrContains(cidr, packet.source);
  },
  '-d': (value) => {
    const cidr = parseCidr(value) as Cidr;
    return (packet) => cidrContains(cidr, packet.destination);
  },
  '-i': (value) => (packet, hook) => hook === 'prerouting' && isNamed(packet.device, value),
  '-o': (value) => (packet, hook) => hook === 'output' && isNamed(packet.device, value),
  '--dport': ports('destinationPort'),
  '--dports': ports('destinationPort'),
  '--sport': ports('sourcePort'),
  '--uid-owner': (value) => (packet) => packet.uid === Number(value),
  '--gid-owner': (value) => (packet) => packet.gid === Number(value),
  '--ctstate': (value) => (packet) => value.toLowerCase().split(',').includes(packet.state),
};

function parseTest(module: string, word: string, value: string): Test {
  if (word === '--mark') {
    const which = module === 'connmark' ? 'connectionMark' : 'mark';
    return (_packet, _hook, state) => state[which] === Number(value);
  }
  const make = TESTS[word];
  if (make === undefined) throw new Error(`unknown in a rule: ${word} ${value}`);
  return make(value);
}

function isNamed(device: string, pattern: string): boolean {
  return pattern.endsWith('+') ? device.startsWith(pattern.slice(0, -1)) : device === pattern;
}

function ports(side: 'destinationPort' | 'sourcePort'): (value: string) => Test {
  return (value) => {
    const ranges = value.split(',').map((range) => range.split(/[:-]/).map(Number));
    return (packet) => ranges.some(([first = 0, last = first]) => first <= packet[side] && packet[side] <= last);
  };
}

/** The fate of a packet in all tables of one hook. */
export function fateOf(rules: Ruleset, hook: Hook, packet: Packet): Fate {
  const state: State = { mark: packet.mark, connectionMark: packet.connectionMark, zone: null };
  const ends: string[] = [];
  for (const table of ['raw', 'mangle', 'nat']) {
    // A redirected packet was stopped by no earlier table; one that TPROXY took never comes to nat.
    const end = walk(rules, table, hook.toUpperCase(), hook, packet, state);
    if (end !== 'return' && end !== 'accept') ends.push(end);
    if (end === 'drop' || end.startsWith('tproxy')) break;
  }
  return { ...state, end: ends.join(', ') };
}

function walk(rules: Ruleset, table: string, chain: string, hook: Hook, packet: Packet, state: State): string {
  for (const { test, target, options } of rules.get(`${table} ${chain}`) ?? []) {
    if (!test(packet, hook, state)) continue;
    switch (target) {
      case 'RETURN':
        return 'return';
      case 'ACCEPT':
      case 'DROP':
        return target.toLowerCase();
      case 'REDIRECT':
        return `redirect ${options.get('--to-ports') ?? options.get('--to-port')}`;
      case 'TPROXY':
        state.mark = Number(options.get('--tproxy-mark')?.split('/')[0]);
        return `tproxy ${options.get('--on-port')}`;
      case 'MARK':
        state.mark = Number(options.get('--set-mark'));
        break;
      case 'CONNMARK':
        if (options.has('--save-mark')) state.connectionMark = state.mark;
        else state.mark = state.connectionMark;
        break;
      case 'CT':
        state.zone ??= Number(options.get('--zone'));
        break;
      default: {
        const end = walk(rules, table, target, hook, packet, state);
        if (end !== 'return') return end;
      }
    }
  }
  return 'return';
}
