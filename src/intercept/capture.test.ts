// What is said, and what is not done, on machines that lack something or belong to others: on a machine of paper.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planOf } from '../../test/namespaces/intercept-cases.ts';
import { type ApplyRequest, apply, clean } from './capture.ts';
import { CaptureError, type Machine, type Ran } from './machine.ts';

const OK: Ran = { ok: true, isMissing: false, output: '', complaint: '' };
const MISSING: Ran = { ok: false, isMissing: true, output: '', complaint: 'not found' };
const refused = (complaint: string): Ran => ({ ok: false, isMissing: false, output: '', complaint });

type Paper = {
  readonly programs?: Readonly<Record<string, Ran>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
};

/** Answers by the longest beginning of a command; everything else succeeds silently. */
function machineOf({ programs = {}, files = {}, links = {} }: Paper): { machine: Machine; commands: string[] } {
  const commands: string[] = [];
  const machine: Machine = {
    run(program, args, input = '') {
      const command = [program, ...args].join(' ');
      commands.push(input === '' ? command : `${command} <<< ${input}`);
      const known = Object.keys(programs).filter((start) => command.startsWith(start));
      const best = known.sort((a, b) => b.length - a.length)[0];
      return best === undefined ? OK : (programs[best] as Ran);
    },
    read: (path) => ({ '/proc/self/status': 'CapEff:\t000001ffffffffff\n', ...files })[path] ?? null,
    list: (path) =>
      Object.keys(links).flatMap((link) =>
        link.startsWith(`${path}/`) ? [link.slice(path.length + 1).split('/')[0] as string] : [],
      ),
    link: (path) => links[path] ?? null,
  };
  return { machine, commands };
}

function request(flags = '', more: Partial<ApplyRequest> = {}): ApplyRequest {
  return { ...planOf(flags), backend: 'auto', variant: '', force: false, ...more };
}

/** The lines of the failure, after which nothing may have been loaded. */
function failure(paper: Paper, wanted = request()): readonly string[] {
  const { machine, commands } = machineOf(paper);
  try {
    apply(machine, wanted);
  } catch (error) {
    assert.ok(error instanceof CaptureError, String(error));
    assert.deepEqual(left(commands), []);
    return error.lines;
  }
  assert.fail('it succeeded');
}

/** Commands that changed something which no later one took back. */
function left(commands: readonly string[]): string[] {
  const undone = new Set(
    commands.map((command) => command.replace(' del ', ' add ')).filter((_, i) => / del /.test(commands[i] ?? '')),
  );
  return commands.filter((command) => /restore|nft -f| add /.test(command) && !undone.has(command));
}

const chains = (family: string, table: string, chain: string, base = ''): Ran => ({
  ...OK,
  output: `table ${family} ${table} {\n\tchain ${chain} {\n${base}\t}\n}\n`,
});

test('without the privilege', () => {
  const files = { '/proc/self/status': 'CapEff:\t0000000000000000\n' };
  assert.match(failure({ files })[0] ?? '', /^changing rules needs the capability NET_ADMIN: run as root, or give it/);
  assert.throws(() => clean(machineOf({ files }).machine), /NET_ADMIN/);
});

test('nothing to load rules with', () => {
  const programs = { nft: MISSING, iptables: MISSING, ip6tables: MISSING };
  assert.match(
    failure({ programs }, request('', { backend: 'nft' }))[0] ?? '',
    /^nft is not installed; install the package/,
  );
  assert.match(failure({ programs })[0] ?? '', /^iptables-restore is not installed: install the package iptables/);
  const only6 = { nft: MISSING, ip6tables: MISSING };
  assert.match(failure({ programs: only6 })[0] ?? '', /^ip6tables-restore is not installed: .* or pass --ipv6 off$/);
});

test('a kernel without nf_tables: iptables is used, and that is said', () => {
  const complaint = 'netlink: Error: cache initialization failed: Protocol not supported';
  const { machine, commands } = machineOf({ programs: { nft: refused(complaint) } });
  const { notes, backend } = apply(machine, request());
  assert.equal(backend, 'iptables-legacy');
  assert.deepEqual(notes, [`iptables is used, because nft: ${complaint}`]);
  assert.ok(commands.some((command) => command.startsWith('iptables-restore --noflush')));
});

test('a kernel that lacks a part of what rules need', () => {
  const { machine } = machineOf({
    programs: { 'nft -f': refused('Error: Could not process rule: No such file or directory') },
  });
  assert.throws(
    () => apply(machine, request()),
    (error: CaptureError) => {
      assert.match(error.lines[0] ?? '', /^nft refuses the rules: Error: Could not process rule/);
      assert.match(error.lines[1] ?? '', /the kernel lacks a part .*; try --backend iptables/);
      return true;
    },
  );
});

test('no ip, where routes are needed', () => {
  const lines = failure({ programs: { ip: MISSING } }, request('-m TPROXY'));
  assert.match(lines[0] ?? '', /^the program "ip" is not installed, and routes are needed/);
});

test('others who capture, or whose machine it is', () => {
  const rows: readonly (readonly [Ran, RegExp])[] = [
    [
      chains('ip', 'nat', 'ISTIO_OUTPUT'),
      /^Istio's rules are in place \(chain ISTIO_OUTPUT of table ip nat\) and would fight/,
    ],
    [chains('inet', 'istio-proxy-nat', 'output'), /^Istio's rules are in place/],
    [chains('ip', 'nat', 'PROXY_INIT_REDIRECT'), /^Linkerd's rules are in place/],
    [chains('ip', 'nat', 'KUMA_MESH_INBOUND'), /^Kuma's rules are in place/],
    [chains('ip', 'nat', 'DOCKER'), /^Docker's rules are in place .* name the namespace of one with --netns/],
    [chains('ip', 'nat', 'KUBE-SERVICES'), /^Kubernetes's rules are in place/],
  ];
  for (const [seen, message] of rows) {
    const lines = failure({ programs: { 'nft list chains': seen } });
    assert.match(lines[0] ?? '', message);
    assert.match(lines.at(-1) ?? '', /nothing was changed; --force goes on regardless/);
    const { notes } = apply(machineOf({ programs: { 'nft list chains': seen } }).machine, request('', { force: true }));
    assert.match(notes[0] ?? '', message);
  }
  // What Docker has in every container does no harm.
  const inside = machineOf({ programs: { 'nft list chains': chains('ip', 'nat', 'DOCKER_OUTPUT') } });
  assert.deepEqual(apply(inside.machine, request()).notes, []);
});

test('legacy iptables is looked into where the kernel has some', () => {
  const saved = { ...OK, output: '*nat\n:OUTPUT ACCEPT [0:0]\n:ISTIO_OUTPUT - [0:0]\nCOMMIT\n' };
  const files = { '/proc/thread-self/net/ip_tables_names': 'nat\n' };
  const lines = failure({ files, programs: { 'iptables-legacy-save': saved } });
  assert.match(lines[0] ?? '', /^Istio's rules are in place \(chain ISTIO_OUTPUT of table ip nat\)/);
});

test('a firewall is pointed at', () => {
  const wall = chains('inet', 'filter', 'input', '\t\ttype filter hook input priority filter; policy drop;\n');
  const { notes } = apply(machineOf({ programs: { 'nft list chains': wall } }).machine, request());
  assert.match(
    notes[0] ?? '',
    /^a firewall drops what it does not know \(chain input of table inet filter\): .* 15006 and 15001$/,
  );
});

test('somebody else on the port of the proxy', () => {
  const line = (port: string, uid: number): string =>
    `   0: 00000000:${port} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 ${uid} 0 4711 1 0\n`;
  const files = {
    '/proc/thread-self/net/tcp': line('3A99', 1000),
    '/proc/12/status': 'Name:\tnginx\nGid:\t100\t100\t100\t100\n',
  };
  const links = { '/proc/12/fd/5': 'socket:[4711]', '/proc/self/fd/0': 'pipe:[1]' };
  const lines = failure({ files, links });
  assert.match(
    lines[0] ?? '',
    /^tcp port 15001 is held by nginx \(process 12\) of user 1000, who is not the proxy by --proxy-uid 1337: end it/,
  );
  apply(machineOf({ files: { ...files, '/proc/thread-self/net/tcp': line('3A99', 1337) }, links }).machine, request());
  // The proxy by its group.
  const byGroup = { ...files, '/proc/12/status': 'Name:\theddle\nGid:\t1337\t1337\t1337\t1337\n' };
  apply(machineOf({ files: byGroup, links }).machine, request());
});
