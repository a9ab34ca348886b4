// The rules of Heddle and those of Istio's own istio-iptables: the same must become of every packet.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { locatePeer } from '../../scripts/peers.ts';
import { type Ip, parseIp } from '../../src/base/ip.ts';
import { parseInterceptFlags } from '../../src/cli/intercept-flags.ts';
import { iptablesText } from '../../src/intercept/plan/iptables-text.ts';
import type { Family, Hook } from '../../src/intercept/plan/model.ts';
import { OPTIONS, type OptionName } from '../../src/intercept/plan/options.ts';
import { type Packet, verdictOf } from '../../src/intercept/plan/verdict.ts';
import { arePeersRequired } from '../support/find-envoy.ts';
import { CASES, type InterceptCase, planOf, RESOLV_CONF } from './intercept-cases.ts';
import { type Fate, fateOf, parseRules } from './iptables-model.ts';
import { Lab } from './lab.ts';

const PACKETS = 400;

/** Options that it does not have. */
const OURS: readonly OptionName[] = ['dns-port', 'dual-stack', 'proxy-mark'];

/** Options that istio-iptables takes from the environment only. */
const FROM_ENVIRONMENT: readonly OptionName[] = [
  'istio-outbound-owner-groups',
  'istio-outbound-owner-groups-exclude',
  'istio-outbound-ipv4-loopback-cidr',
];

const lab = Lab.make();
const peer = locatePeer('istio-iptables');
const folder = mkdtempSync(join(tmpdir(), 'heddle-istio-'));
after(() => rmSync(folder, { recursive: true }));

if (typeof lab === 'string') {
  test('namespaces are refused, and istio-iptables asks for addresses', () => assert.match(lab, /unshare/));
} else if ('missing' in peer) {
  test('istio-iptables', (t) => {
    if (arePeersRequired()) assert.fail(peer.missing);
    t.skip(peer.missing);
  });
} else {
  after(() => lab.close());
  // It plans for what it sees, and captures nothing where it has no mode of that name.
  const cases = CASES.filter(({ flags }) => !flags.includes('NONE'));
  const theirs = dryRuns(peer.path, cases);
  test(`the same becomes of packets in ${cases.length} combinations of options`, () => {
    let fates = 0;
    const ends = new Set<string>();
    for (const [i, one] of cases.entries()) {
      for (const end of compare(one, theirs[i] as string)) {
        fates++;
        ends.add(end);
      }
    }
    assert.ok(fates >= cases.length * PACKETS);
    // All kinds of fates were seen, or nothing was tried.
    const seen = [...ends].sort();
    for (const end of ['', 'drop', 'tproxy 15006', 'redirect 15001', 'redirect 15006', 'redirect 15053']) {
      assert.ok(seen.includes(end), `no packet had the fate "${end}": ${seen.join('; ')}`);
    }
  });
}

/** All dry runs in one shell, with a resolv.conf of its own. */
function dryRuns(program: string, cases: readonly InterceptCase[]): string[] {
  const resolvConf = join(folder, 'resolv.conf');
  writeFileSync(resolvConf, RESOLV_CONF);
  const lines = cases.map(({ flags }, i) => {
    const { args, environment } = translate(flags);
    const quoted = [...environment, `DRY_RUN_FILE_PATH=${folder}/${i}`].map(quote).join(' ');
    const command = `env ${quoted} ${[program, '-n', ...args].map(quote).join(' ')}`;
    return `${command} >${folder}/log 2>&1 || { cat ${folder}/log; exit 1; }`;
  });
  const script = `set -e\nmount --bind ${resolvConf} /etc/resolv.conf\n${lines.join('\n')}\n`;
  const ran = spawnSync('unshare', ['--mount', 'sh', '-c', script], { encoding: 'utf8' });
  assert.equal(ran.status, 0, `${ran.stdout}${ran.stderr}`);
  return cases.map((_, i) => readFileSync(join(folder, String(i)), 'utf8'));
}

function quote(word: string): string {
  return `'${word}'`;
}

/** All options are said: the defaults of the two differ on purpose. */
function translate(flags: string): { args: string[]; environment: string[] } {
  const parsed = parseInterceptFlags(['plan', ...flags.split(' ').filter((word) => word !== '')]);
  assert.ok(parsed !== 'help' && !('error' in parsed));
  const args: string[] = [];
  const environment: string[] = [];
  for (const [name, row] of Object.entries(OPTIONS) as [OptionName, { default?: string; takes?: string }][]) {
    const text = parsed.options[name] ?? row.default ?? '';
    if (name === 'ipv6') {
      if (text !== 'off') args.push('--dual-stack');
    } else if (FROM_ENVIRONMENT.includes(name)) environment.push(`${name.toUpperCase().replaceAll('-', '_')}=${text}`);
    else if (!OURS.includes(name) && (row.takes !== undefined || text === 'true')) {
      args.push(`--${name}=${text}`);
    }
  }
  return { args, environment };
}

function compare(one: InterceptCase, theirText: string): string[] {
  const { options, plan } = planOf(one.flags);
  const sections = theirText
    .split(/^(?=\* mangle|\* nat|\* raw|ip6?tables-save)/m)
    .filter((text) => text.startsWith('* '));
  const seen: string[] = [];
  for (const [i, family] of plan.families.entries()) {
    const share = sections.length / plan.families.length;
    const theirs = parseRules(sections.slice(i * share, (i + 1) * share).join(''));
    const ours = parseRules(iptablesText(plan, family));
    const random = randomOf(`${one.name} ${family}`);
    for (let n = 0; n < PACKETS; n++) {
      const hook: Hook = n % 2 === 0 ? 'output' : 'prerouting';
      const packet = randomPacket(family, random);
      const fate = fateOf(ours, hook, packet);
      const isTunnel = packet.protocol === 'tcp' && packet.destinationPort === options.inboundTunnelPort;
      // Istio takes tunnels to the inbound listener under TPROXY, which does not end them; here they go to their port.
      const isOtherTunnel = plan.routing !== null && hook === 'prerouting' && isTunnel;
      // And its proxy may dial the application with clients' addresses only as another user than --proxy-uid.
      const isProxy = plan.routing !== null && hook === 'output' && fate.mark === plan.routing.mark;
      const isIntended = isOtherTunnel || (isProxy && packet.device === 'lo' && packet.protocol === 'tcp');
      const expected = withoutIdleMarks(fateOf(theirs, hook, packet), plan.routing !== null, packet);
      if (!isIntended)
        assert.deepEqual(fate, expected, `${one.name} (${one.flags}), ${hook}: ${JSON.stringify(packet)}`);
      assert.deepEqual(verdictFate(one.flags, hook, packet), fate, `the verdict of ${JSON.stringify(packet)}`);
      seen.push(fate.end);
    }
  }
  return seen;
}

/** Without inbound ports Istio still marks packets under TPROXY, for routes that it does not make. */
function withoutIdleMarks(fate: Fate, hasTproxy: boolean, packet: Packet): Fate {
  return hasTproxy ? fate : { ...fate, mark: packet.mark, connectionMark: packet.connectionMark };
}

const plans = new Map<string, ReturnType<typeof planOf>>();

/** The same from the plan itself, by which `check` tells which rule should decide. */
function verdictFate(flags: string, hook: Hook, packet: Packet): Fate {
  const made = plans.get(flags) ?? planOf(flags);
  plans.set(flags, made);
  let { mark, connectionMark } = packet;
  let zone: number | null = null;
  const ends: string[] = [];
  for (const table of ['raw', 'mangle', 'nat'] as const) {
    const verdict = verdictOf(made.plan, table, hook, { ...packet, mark, connectionMark });
    ({ mark, connectionMark } = verdict);
    zone ??= verdict.zone;
    const action = verdict.rule?.action;
    if (action?.kind === 'drop') ends.push('drop');
    if (action?.kind === 'redirect' || action?.kind === 'tproxy') ends.push(`${action.kind} ${action.port}`);
    if (action?.kind === 'drop' || action?.kind === 'tproxy') break;
  }
  return { zone, mark, connectionMark, end: ends.join(', ') };
}

const ADDRESSES: Readonly<Record<Family, readonly string[]>> = {
  ipv4: [
    '127.0.0.1',
    '127.0.0.2',
    '127.0.0.6',
    '10.99.0.1',
    '10.1.2.3',
    '10.200.0.1',
    '192.168.1.5',
    '8.8.8.8',
    '10.0.0.10',
  ],
  ipv6: ['::1', '::6', 'fd99::1', 'fd00::a', 'fd00::1', 'fd01::1', '2001:db8::1'],
};
const PORTS = [
  22, 53, 80, 90, 443, 1001, 1031, 2005, 3005, 4005, 8005, 9050, 9999, 15001, 15006, 15008, 15020, 15053, 15090,
];

function randomPacket(family: Family, random: (most: number) => number): Packet {
  const pick = <T>(items: readonly T[]): T => items[random(items.length)] as T;
  const ip = (): Ip => parseIp(pick(ADDRESSES[family])) as Ip;
  return {
    protocol: pick(['tcp', 'tcp', 'tcp', 'udp']),
    source: ip(),
    destination: ip(),
    sourcePort: pick([40_000, 40_000, 53, 15_053]),
    destinationPort: pick(PORTS),
    device: pick(['eth0', 'eth0', 'lo', 'lo', 'eth7', 'net1', 'veth9', 'tap0', 'tap1']),
    uid: pick([0, 1000, 1337, 2000, 2001]),
    gid: pick([0, 1000, 1337, 3000, 3001, 100, 101, 2000]),
    mark: pick([0, 0, 1337, 1338, 77]),
    connectionMark: pick([0, 0, 1337, 77]),
    state: pick(['new', 'new', 'established', 'invalid']),
  };
}

/** The same numbers in every run. */
function randomOf(seed: string): (most: number) => number {
  let state = 2166136261;
  for (const letter of seed) state = Math.imul(state ^ letter.charCodeAt(0), 16777619) >>> 0;
  return (most) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * most);
  };
}
