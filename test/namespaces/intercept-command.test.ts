// The command itself: it says what it does, proves capture, names the rule that fails, and leaves nothing behind.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { apply, clean } from '../../src/intercept/capture.ts';
import { realMachine } from '../../src/intercept/machine.ts';
import { planOf } from './intercept-cases.ts';
import { Lab, type Namespace } from './lab.ts';

/** The bundle, where it is built of these sources. */
const HEDDLE = join(import.meta.dirname, '../../bin/heddle');
/** The long form is run by hand. */
const ROUNDS = process.env['HEDDLE_LONG'] === '1' ? 300 : 6;

const lab = Lab.make();
const machine = realMachine(process.env['PATH'] ?? '');
const folder = mkdtempSync(join(tmpdir(), 'heddle-command-'));
after(() => rmSync(folder, { recursive: true }));

if (typeof lab === 'string') {
  test('namespaces are refused, so nothing can be captured', () => assert.match(lab, /unshare/));
} else {
  after(() => lab.close());
  afterEach(() => clean(machine));
  test('plan prints rules and changes nothing', () => plan());
  for (const backend of ['nft', 'iptables']) {
    test(`${backend}: apply, check, clean`, () => checked(lab, backend));
  }
  test('check names what fails', () => failing(lab));
  test('the example of the guide', () => example(lab));
  test('what cannot be is said', () => refused(lab));
  test('--netns goes to another namespace', () => elsewhere(lab));
  test('--fail-open takes the rules away while nobody listens', () => failOpen());
  test(`${ROUNDS} times applied and cleaned, nothing is left`, () => rounds());
}

type Answer = { readonly status: number | null; readonly out: string; readonly said: string };

function heddle(...args: string[]): Answer {
  const { status, stdout, stderr } = spawnSync(HEDDLE, ['intercept', ...args], { encoding: 'utf8' });
  return { status, out: stdout, said: stderr };
}

/** What is in place of ours, by any back-end, and the routes. */
function inPlace(): string {
  const show = 'nft list ruleset; iptables-save; ip6tables-save; ip rule; ip -6 rule; ip address show dev lo';
  const { output } = machine.run('sh', ['-c', show]);
  return output
    .split('\n')
    .filter((line) => /heddle|HEDDLE|157|::6/i.test(line))
    .join('\n');
}

function plan(): void {
  const nft = heddle('plan', '-b', '80');
  assert.deepEqual([nft.status, nft.said], [0, '']);
  assert.match(nft.out, /tcp dport 80 counter redirect to :15006 comment "inbound to the proxy"/);
  const { out } = heddle('plan', '--backend', 'iptables');
  assert.match(out, /^# iptables-restore --noflush\n\*nat\n/);
  assert.match(out, /^# ip6tables-restore --noflush\n/m);
  const json = JSON.parse(heddle('plan', '--json').out) as { plan: { chains: unknown[] }; texts: { nft: string } };
  assert.equal(json.plan.chains.length, 2);
  assert.match(json.texts.nft, /^table inet heddle_intercept\n/);
  assert.equal(inPlace(), '');
}

function checked(lab: Lab, backend: string): void {
  const before = lab.home.command('nft', ['list', 'ruleset']);
  const tproxy = ['-m', 'TPROXY', '--redirect-dns', '--capture-all-dns'];
  const rows = backend === 'nft' ? [[], ['-i', '10.0.0.0/8,fd00::/8', '-b', '8443'], tproxy] : [tproxy];
  for (const flags of rows) {
    const applied = heddle('apply', '--backend', backend, ...flags);
    assert.equal(applied.status, 0, applied.said);
    assert.match(applied.said, /captured by \S+: ipv4 and ipv6/);
    assert.match(applied.said, /fail closed: when the proxy ends, the rules stay and connections fail/);
    const proof = heddle('check', ...flags);
    assert.equal(proof.status, 0, proof.out);
    for (const way of ['outbound', 'inbound', 'proxy']) {
      for (const family of ['ipv4', 'ipv6'])
        assert.match(proof.out, new RegExp(`^ok    ${way} ${family}: `, 'm'), proof.out);
    }
    assert.match(proof.out, /its destination is known/);
  }
  assert.equal(heddle('clean').said, 'heddle: capture was taken away\n');
  assert.equal(heddle('clean').said, 'heddle: there was nothing to take away\n');
  assert.equal(lab.home.command('nft', ['list', 'ruleset']), before);
  assert.equal(inPlace(), '');
}

function failing(lab: Lab): void {
  assert.match(heddle('check').out, /^FAIL {2}no rules are in place: run heddle intercept apply/);
  heddle('apply', '-m', 'TPROXY');
  const other = heddle('check', '-m', 'TPROXY', '-x', '10.0.0.0/8');
  assert.match(
    other.out,
    /FAIL {2}rules \(nft\): nat output: where "outbound destinations excluded" should be is: meta l4proto/,
  );
  lab.home.command('nft', [
    'insert',
    'rule',
    'inet',
    'heddle_intercept',
    'nat_output',
    'tcp dport 80 counter return comment "a hole"',
  ]);
  lab.home.command('ip', ['rule', 'del', 'fwmark', '1337', 'lookup', '133']);
  const { status, out } = heddle('check', '-m', 'TPROXY');
  assert.equal(status, 1);
  assert.match(out, /^FAIL {2}rules \(nft\): nat output: .* is: tcp dport 80 counter return comment "a hole"$/m);
  assert.match(out, /^FAIL {2}routes: missing: ip -4 rule add fwmark 1337 lookup 133/m);
  assert.match(
    out,
    /^FAIL {2}outbound ipv4: .* should be taken by "outbound to the proxy": refused; .*"a hole" in nat output$/m,
  );
  assert.match(out, /^ok {4}inbound ipv6: /m);
}

async function example(lab: Lab): Promise<void> {
  const config = join(import.meta.dirname, '../../examples/capture/pod.yaml');
  const args = ['proxy', '-c', config, '-l', 'error', '--file-flush-interval-msec', '50'];
  const proxy = spawn(HEDDLE, args, { uid: 1337, gid: 1337, stdio: ['ignore', 'pipe', 'inherit'] });
  let log = '';
  proxy.stdout.on('data', (chunk) => {
    log += chunk;
  });
  try {
    const listens = (): boolean =>
      / 0A /.test(machine.read('/proc/thread-self/net/tcp6')?.match(/^.*:3A99 .*$/m)?.[0] ?? '');
    for (let i = 0; i < 200 && !listens(); i++) await sleep(50);
    assert.equal(heddle('apply').status, 0);
    // From here and from afar; the test's own process is the application.
    for (const [from, to, answer] of [
      [lab.home, '10.99.0.2', 'captured on its way out'],
      [lab.home, '[fd99::2]', 'captured on its way out'],
      [lab.far, '10.99.0.1', 'captured on its way in'],
    ] as const) {
      assert.equal(await curl(from, `http://${to}:8000/`), `${answer}\n`);
    }
    for (let i = 0; i < 100 && log.split('\n').length < 4; i++) await sleep(50);
    const lines = [
      '10.99.0.1 was going to 10.99.0.2:8000',
      'fd99::1 was going to [fd99::2]:8000',
      '10.99.0.2 was going to 10.99.0.1:8000',
    ];
    assert.equal(log, `${lines.join('\n')}\n`);
    assert.match(
      heddle('check').out,
      /^ok {4}outbound ipv4: "outbound to the proxy"; who listens on port 15001 accepted it$/m,
    );
  } finally {
    await ended(proxy);
  }
  // Closed: the rules are there, the proxy is not.
  assert.match(await curl(lab.home, 'http://10.99.0.2:8000/'), /^curl: \(7\)/);
}

/** What it prints; asynchronous, since the proxy's log is read meanwhile. */
function curl(from: Namespace, url: string): Promise<string> {
  const child = from.run(() =>
    spawn('curl', ['-sS', '--max-time', '5', '-g', url], { stdio: ['ignore', 'pipe', 'pipe'] }),
  );
  return new Promise((resolve) => {
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        text += chunk;
      });
    }
    child.on('close', () => resolve(text));
  });
}

function refused(lab: Lab): void {
  const rows: readonly (readonly [readonly string[], RegExp])[] = [
    [['apply', '-u', 'nobody-here'], /there is no "nobody-here" in \/etc\/passwd/],
    [['apply', '--netns', join(folder, 'gone')], /--netns .*gone: it is not there; did its last process end\?/],
    [['apply', '--netns', HEDDLE], /--netns .*: it is no network namespace/],
    [['apply', '--annotations', join(folder, 'gone')], /--annotations: ENOENT/],
    [['apply', '--annotations', annotations('x')], /the line "x" is not key="value"/],
    [
      ['begin'],
      /no action "begin": one of plan, apply, clean, check\nheddle: heddle intercept --help lists the options/,
    ],
  ];
  for (const [args, message] of rows) {
    const { status, said } = heddle(...args);
    assert.equal(status, 1, args.join(' '));
    assert.match(said, message);
  }
  lab.home.command('iptables-nft', ['-t', 'nat', '-N', 'ISTIO_OUTPUT']);
  assert.match(heddle('apply').said, /Istio's rules are in place \(chain ISTIO_OUTPUT of table ip nat\)/);
  lab.home.command('iptables-nft', ['-t', 'nat', '-X', 'ISTIO_OUTPUT']);
  assert.equal(inPlace(), '');
  const said = heddle('apply', '--annotations', annotations('sidecar.istio.io/interceptionMode="NONE"\n')).said;
  assert.match(said, /nothing is captured by these options/);
}

function annotations(text: string): string {
  const path = join(folder, 'annotations');
  writeFileSync(path, text);
  return path;
}

function elsewhere(lab: Lab): void {
  const path = `/proc/${process.pid}/fd/${lab.far.fd}`;
  assert.match(heddle('apply', '--netns', path).said, /captured by nft/);
  assert.match(lab.far.command('nft', ['list', 'tables']), /heddle_intercept/);
  assert.equal(inPlace(), '');
  assert.equal(heddle('check', '--netns', path).status, 0);
  assert.match(heddle('clean', '--netns', path).said, /taken away/);
  assert.equal(lab.far.command('nft', ['list', 'tables']), '');
}

async function failOpen(): Promise<void> {
  const child = spawn(HEDDLE, ['intercept', 'apply', '--fail-open', '-u', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const wait = async (for_: RegExp): Promise<void> => {
    for (let i = 0; i < 200 && !for_.test(said); i++) await sleep(50);
    assert.match(said, for_);
  };
  await wait(/fail open: while no proxy listens, the rules are away and connections leave unencrypted/);
  await wait(/the proxy does not listen: the rules are away/);
  assert.equal(inPlace(), '');
  const proxy = net.createServer().listen(15001);
  await wait(/the proxy listens: the rules are back/);
  assert.match(inPlace(), /heddle_intercept/);
  proxy.close();
  await ended(child);
  assert.match(said, /capture was taken away\n$/);
  assert.equal(inPlace(), '');
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.on('close', () => resolve());
    child.kill('SIGTERM');
  });
}

function rounds(): void {
  const list = 'nft list ruleset; ip rule; ip -6 rule; ip address show dev lo; ls /proc/self/ns';
  const show = (): string => machine.run('sh', ['-c', list]).output;
  const before = show();
  for (let i = 0; i < ROUNDS; i++) {
    const backend = i % 2 === 0 ? 'nft' : 'iptables';
    apply(machine, { ...planOf(i % 3 === 0 ? '-m TPROXY' : '--redirect-dns'), backend, variant: '', force: false });
    assert.equal(clean(machine), true);
  }
  assert.equal(show(), before);
}
