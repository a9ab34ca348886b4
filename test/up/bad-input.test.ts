// What `heddle up` refuses: one clear message with the place of the mistake, the right status, and nothing left behind.
import { deepEqual, equal, match } from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { directoryWith, type Files, leftBehind, run, start, stateOf, WEB } from './mesh-rig.ts';

type Refusal = {
  readonly name: string;
  readonly files: Files;
  readonly args?: readonly string[];
  /** What is said, a line each; % stands for the directory. */
  readonly lines: readonly string[];
};

const REFUSALS: readonly Refusal[] = [
  {
    name: 'no heddle.yaml',
    files: { 'mesh.yaml': '' },
    lines: ['there is no %/heddle.yaml: it says what to run; see examples/bookshop/heddle.yaml'],
  },
  {
    name: 'heddle.yaml is no YAML',
    files: { 'heddle.yaml': 'workloads: [' },
    lines: ['%/heddle.yaml:1:13: unexpected end of the stream within a flow collection'],
  },
  {
    name: 'an empty one',
    files: { 'heddle.yaml': '' },
    lines: ['%/heddle.yaml:1:1: there is nothing to run: add workloads'],
  },
  {
    name: 'a list',
    files: { 'heddle.yaml': '- web\n' },
    lines: ['%/heddle.yaml:1:1: heddle.yaml is a map of settings, not a list'],
  },
  {
    name: 'unknown fields',
    files: { 'heddle.yaml': 'workload: {}\nworkloads:\n  web:\n    command: node web.mjs\n    prots: []\n' },
    lines: [
      '%/heddle.yaml:1:1: there is no workload here: external, gateways, name, namespace, try, workloads',
      '%/heddle.yaml:5:5: there is no prots here: command, directory, environment, health, labels, namespace, ' +
        'optional, ports, replicas, service, serviceAccount, user, version',
    ],
  },
  {
    name: 'wrong types',
    files: {
      'heddle.yaml': `workloads:
  web:
    command: { run: x }
    replicas: many
    ports: 80
  db:
    command: [sleep, 9]
    ports: [{ port: 99999, protocol: htp }, 7]
    environment: [A=1]
    health: { http: /x, tcp: true }
gateways: [ingress]
`,
    },
    lines: [
      '%/heddle.yaml:3:5: web needs command: a text for the shell, or a list of words',
      '%/heddle.yaml:4:5: replicas is a number from 1 to 50, not "many"',
      '%/heddle.yaml:5:5: ports is a list, not 80',
      '%/heddle.yaml:8:15: port is a number from 1 to 65535, not 99999',
      '%/heddle.yaml:8:28: "htp" is no protocol: one of http, http2, grpc, tcp, tls, https',
      '%/heddle.yaml:8:45: ports is a map of settings, not 7',
      '%/heddle.yaml:9:5: environment is a map of texts, not a list',
      '%/heddle.yaml:10:5: health has one of http (a path), tcp: true, and command',
      '%/heddle.yaml:11:1: gateways is a map from names to settings, not a list',
    ],
  },
  {
    name: 'a name twice in a map',
    files: { 'heddle.yaml': 'workloads:\n  web: { command: a }\n  web: { command: b }\n' },
    lines: ['%/heddle.yaml:3:3: duplicated mapping key'],
  },
  {
    name: 'a name that is none',
    files: { 'heddle.yaml': 'workloads:\n  Web_3: { command: a }\n' },
    lines: ['%/heddle.yaml:2:3: "Web_3" is no name: up to 40 of a-z, 0-9 and -, as Kubernetes names Services'],
  },
  {
    name: 'names and ports twice',
    files: {
      'heddle.yaml': `workloads:
  web: { command: a, ports: [{ port: 80 }, { port: 80 }, { port: 81, name: http-80 }] }
gateways:
  web: { ports: [{ port: 80, host: 8080 }] }
  other: { ports: [{ port: 80, host: 8080 }] }
  web-1: { ports: [{ port: 80 }] }
`,
    },
    lines: [
      '%/heddle.yaml:2:44: port 80 is there twice',
      '%/heddle.yaml:2:58: two ports are called http-80',
      '%/heddle.yaml:4:3: web is a name in workloads already',
      '%/heddle.yaml:5:32: port 8080 is wanted by web already',
      '%/heddle.yaml:6:3: web-1 is what a process of the workload web is called',
    ],
  },
  {
    name: 'a port that two programs insist on, where they share a network',
    files: {
      'heddle.yaml': `workloads:
  web: { command: node web.mjs, ports: [{ port: 80, listens: 8000 }] }
  other: { command: node web.mjs, ports: [{ port: 90, listens: 8000 }] }
`,
    },
    args: ['--capture', 'explicit'],
    lines: [
      '%/heddle.yaml:3:55: other listens on port 8000 whatever it is told (listens: 8000), and so does web: ' +
        'without network namespaces only one of them can; let it obey $PORT, or give it another port',
    ],
  },
];

for (const { name, files, args = [], lines } of REFUSALS) {
  test(`refused: ${name}`, async (t) => {
    const directory = directoryWith(t, files);
    const { code, stderr, stdout } = await run(t, ['up', directory, ...args]);
    deepEqual(
      stderr.trimEnd().split('\n'),
      lines.map((line) => `heddle: ${line.replaceAll('%', directory)}`),
    );
    equal(stdout, '');
    equal(code, 1);
    deepEqual(await leftBehind(directory), []);
    deepEqual(stateOf(directory), []);
  });
}

test('refused: a user that this system does not have, where programs run as users', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root');
  const text = 'workloads:\n  web:\n    command: node web.mjs\n    user: nobody-has-it\n';
  const directory = directoryWith(t, { 'heddle.yaml': text, 'web.mjs': WEB });
  for (const capture of ['namespaces', 'explicit']) {
    const { code, stderr } = await run(t, ['up', directory, '--capture', capture]);
    equal(
      stderr,
      `heddle: ${directory}/heddle.yaml:4:5: there is no user nobody-has-it on this system: ` +
        'make one, or leave it out\n',
    );
    equal(code, 1);
  }
  deepEqual(await leftBehind(directory), []);
});

test('refused: what is no directory, no mesh, or no option', async (t) => {
  const directory = directoryWith(t, {});
  mkdirSync(join(directory, 'heddle.yaml'));
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['up', join(directory, 'none')], 2, /^heddle: .*\/none is no directory\n/],
    [['up', directory], 1, /^heddle: there is no .*\/heddle\.yaml: it says what to run/],
    [['up', directory, '--capture', 'magic'], 2, /^heddle: --capture magic: expected auto, namespaces, explicit\n/],
    [['up', directory, '--proxy', './none'], 2, /^heddle: --proxy \.\/none: there is no such file\n/],
    [['up', directory, '--page-port', '70000'], 2, /^heddle: --page-port 70000: a number from 0 to 65535\n/],
    [['up', directory, '-d', '--timeout', 'soon'], 2, /^heddle: --timeout soon: a time such as 60s\n/],
    [['down', directory], 1, /^heddle: no mesh runs in .*: start it with heddle up /],
    [['down'], 1, /^heddle: no mesh runs here: start one with heddle up DIR\n/],
    [['status', '--dir', directory], 1, /no mesh runs in .*: start it with heddle up /],
  ];
  for (const [args, status, words] of cases) {
    const { code, stderr } = await run(t, args, { cwd: directory });
    match(stderr, words, args.join(' '));
    equal(code, status, args.join(' '));
  }
  deepEqual(await leftBehind(directory), []);
  deepEqual(stateOf(directory), []);
});

test('a second mesh in the same directory is refused, also by another name of it, and beside -d', async (t) => {
  const directory = directoryWith(t, { 'heddle.yaml': 'workloads:\n  web:\n    command: sleep 1000\n' });
  const mesh = start(t, ['up', directory]);
  await mesh.ready();
  for (const args of [['up'], ['up', '-d'], ['up', '../' + (directory.split('/').at(-1) ?? '')]]) {
    const { code, stderr } = await run(t, args, { cwd: directory });
    match(
      stderr,
      new RegExp(`^heddle: a mesh runs in \\S+ already \\(process ${mesh.pid}\\): heddle down ends it\\n$`),
    );
    equal(code, 1);
  }
  deepEqual(await mesh.stop(), { code: 0, signal: null });
  deepEqual(await leftBehind(directory), []);
});

test('a file that a killed mesh left does not stand for the process that has its number now', async (t) => {
  const directory = directoryWith(t, {
    'heddle.yaml': 'workloads:\n  web:\n    command: sleep 1000\n',
    // This very process: it lives, and is no mesh.
    '.heddle/up.pid': `${process.pid} 1 2`,
    '.heddle/up.json': JSON.stringify({ pid: process.pid, processStart: '1 2', directory: '/', runtime: '/' }),
  });
  const down = await run(t, ['down', directory]);
  match(down.stderr, /^heddle: no mesh runs in /);
  const mesh = start(t, ['up', directory]);
  await mesh.ready();
  equal((await mesh.stop()).code, 0);
  deepEqual(await leftBehind(directory), []);
});
