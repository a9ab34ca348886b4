// Odd places to run a mesh in: directories, networks, kernels and disks that are not as they should be.
import { deepEqual, doesNotMatch, equal, match } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { freePort } from '../support/free-ports.ts';
import {
  directoryWith,
  type Files,
  get,
  leftBehind,
  run,
  start,
  stateOf,
  TO_WEB,
  WEB,
  webManifest,
} from './mesh-rig.ts';

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;
const AS_NOBODY = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
const ONE = { 'heddle.yaml': 'workloads:\n  web: { command: sleep 1000 }\n' };

async function web(t: TestContext, name = ''): Promise<{ directory: string; port: number; files: Files }> {
  const port = await freePort();
  const files = { 'heddle.yaml': webManifest(port), 'web.mjs': WEB, 'mesh/web.yaml': TO_WEB };
  return { directory: directoryWith(t, files, name), port, files };
}

test('two meshes at once, in a directory with spaces and a long one behind a link, from elsewhere', async (t) => {
  const long = `${'long-'.repeat(40)}/${'ü'.repeat(60)}`;
  const first = await web(t, "a 'mesh' with spaces $HOME");
  const second = await web(t, long);
  const link = join(dirname(first.directory), 'link');
  symlinkSync(second.directory, link);
  const meshes = [
    start(t, ['up', '.'], { cwd: first.directory }),
    start(t, ['up', link, '--capture', 'explicit'], { cwd: '/', stdin: 'closed' }),
  ];
  await Promise.all(meshes.map((mesh) => mesh.ready()));
  equal((await get(first.port)).status, 200);
  equal((await get(second.port)).status, 200);
  const which = await run(t, ['status'], { cwd: '/' });
  equal(which.code, 1);
  match(which.stderr, /2 meshes run; say which with --dir DIR: /);
  const second2 = await run(t, ['up', second.directory]);
  match(second2.stderr, /a mesh runs in .* already \(process \d+\): heddle down ends it/);
  for (const directory of [first.directory, link]) {
    const down = await run(t, ['down', directory], { cwd: '/' });
    equal(down.stdout, `the mesh of ${directory} is down\n`);
  }
  for (const mesh of meshes) deepEqual(await mesh.end, { code: 0, signal: null });
  deepEqual(await leftBehind(first.directory), []);
  deepEqual(await leftBehind(second.directory), []);
});

test('a long TMPDIR, which leaves no room for names of sockets', async (t) => {
  const { directory, port } = await web(t);
  const temporary = join(dirname(directoryWith(t, {})), 'temporary-'.repeat(12));
  mkdirSync(temporary, { recursive: true, mode: 0o777 });
  const mesh = start(t, ['up', directory], { environment: { TMPDIR: temporary } });
  await mesh.ready();
  equal((await get(port)).status, 200);
  equal((await mesh.stop()).code, 0);
  deepEqual(readdirSync(join(temporary, readdirSync(temporary)[0] ?? '', 'heddle-meshes')), []);
});

test('without any network but the loopback, and without that one', async (t) => {
  if (!isRoot) return t.skip('needs root, for a network of its own');
  const { directory } = await web(t);
  const alone = start(t, ['up', directory], {
    wrap: ['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'],
  });
  await alone.ready();
  equal((await alone.stop()).code, 0);
  // Networks of its own need nothing of this one.
  const none = start(t, ['up', directory], { wrap: ['unshare', '--net'] });
  await none.ready();
  equal((await none.stop()).code, 0);
  const explicit = await run(t, ['up', directory, '--capture', 'explicit'], { wrap: ['unshare', '--net'] });
  equal(explicit.code, 1);
  match(
    explicit.stderr,
    /^heddle: 127\.0\.0\.1 cannot be called \(ENETUNREACH\): bring the loopback interface up, ip link set lo up\n$/,
  );
  deepEqual(await leftBehind(directory), []);
});

test('as a user without rights: namespaces of its own; a directory of somebody else is refused', async (t) => {
  if (!isRoot) return t.skip('needs root, to be another user');
  const { directory, port } = await web(t);
  const refused = await run(t, ['up', directory], { wrap: AS_NOBODY });
  equal(refused.code, 1);
  match(
    refused.stderr,
    /^heddle: \S+\/\.heddle cannot be written \(EACCES\): .* objects there; copy \S+ to where you may write\n$/,
  );
  chownSync(directory, NOBODY, NOBODY);
  const mesh = start(t, ['up', directory], { wrap: AS_NOBODY });
  await mesh.ready();
  await mesh.said(/caught by +(?:namespaces of your own, without root|explicit: .*\(the system refuses namespaces: )/);
  equal((await get(port)).status, 200);
  deepEqual(await mesh.stop(), { code: 0, signal: null });
  deepEqual(await leftBehind(directory), []);
});

const NO_NAMESPACES =
  'echo 0 >/proc/sys/user/max_user_namespaces && echo 0 >/proc/sys/user/max_net_namespaces && exec "$@"';

test('a kernel that gives no namespaces: explicit mode, and why; or no mesh where they were asked for', async (t) => {
  const wrap = ['unshare', '--user', '--map-root-user', 'sh', '-c', NO_NAMESPACES, 'sh'];
  if (spawnSync(wrap[0] as string, [...wrap.slice(1), 'true']).status !== 0) return t.skip('needs user namespaces');
  const { directory, port } = await web(t);
  const mesh = start(t, ['up', directory], { wrap });
  await mesh.ready();
  await mesh.said(
    /explicit: .*\(the system refuses namespaces: .*max_user_namespaces.*\); all run as root, as it may become/,
  );
  equal((await get(port)).status, 200);
  equal((await mesh.stop()).code, 0);
  const asked = await run(t, ['up', directory, '--capture', 'namespaces'], { wrap });
  equal(asked.code, 1);
  match(
    asked.stderr,
    /^heddle: --capture namespaces is not possible here: the system refuses namespaces: .*max_user_namespaces/,
  );
  deepEqual(await leftBehind(directory), []);
});

test('without the programs that make networks: explicit mode, with the reason', async (t) => {
  if (!isRoot) return t.skip('needs root, to take programs away in a mount namespace');
  const { directory, port } = await web(t);
  const nft = (process.env['PATH'] ?? '')
    .split(delimiter)
    .concat('/usr/sbin', '/sbin')
    .map((path) => join(path, 'nft'));
  const hide = nft.map((path) => `[ ! -e ${path} ] || mount --bind /dev/null ${path}`).join('; ');
  const wrap = ['unshare', '--mount', 'sh', '-c', `${hide}; exec "$@"`, 'sh'];
  const mesh = start(t, ['up', directory], { wrap });
  await mesh.ready();
  await mesh.said(/caught by +explicit: .*\(nft is not installed; /);
  equal((await get(port)).status, 200);
  equal((await mesh.stop()).code, 0);
});

/** A file system of its own in the directory, for the command alone. */
const onDisk = (directory: string, before: string): string[] => {
  const made = 'mount -t tmpfs -o size=2m,mode=755 tmpfs "$0" && cp -r "$1"/. "$0"';
  return ['unshare', '--mount', 'sh', '-c', `${made} && ${before} && shift && exec "$@"`, directory];
};

test('a read-only directory, and a full disk: refused, with the reason, on the terminal', async (t) => {
  if (!isRoot) return t.skip('needs root, to mount');
  const files = directoryWith(t, ONE);
  const directory = directoryWith(t, {});
  const cases: readonly (readonly [string, RegExp])[] = [
    [
      'mount -o remount,ro "$0"',
      /^heddle: (\S+)\/\.heddle cannot be written \(EROFS\): .*; copy \1 to where you may write\n$/,
    ],
    ['! head -c 3m /dev/zero >"$0"/large 2>/dev/null', /^heddle: \S+\/\.heddle: the disk is full; free some of it\n$/],
  ];
  for (const [before, words] of cases) {
    for (const more of [[], ['-d']]) {
      const refused = await run(t, ['up', directory, ...more], { wrap: [...onDisk(directory, before), files] });
      match(refused.stderr, words);
      equal(refused.code, 1);
    }
  }
  deepEqual(stateOf(directory), []);
  deepEqual(await leftBehind(directory), []);
});

test('a disk that fills up while the mesh runs: said once, and requests go on', async (t) => {
  if (!isRoot) return t.skip('needs root, to mount');
  const { directory: files, port } = await web(t);
  const noise = "while :; do head -c 20000 /dev/zero | tr '\\0' x; echo; sleep 0.02; done";
  const noisy = `  noisy: { command: [sh, -c, ${JSON.stringify(noise)}] }\n`;
  writeFileSync(join(files, 'heddle.yaml'), webManifest(port, noisy));
  const directory = directoryWith(t, {});
  const mesh = start(t, ['up', directory], { wrap: [...onDisk(directory, 'true'), files] });
  await mesh.said(/heddle +\| \S+\/noisy-1\.log: .*ENOSPC.*; lines are lost meanwhile/);
  for (let round = 0; round < 20; round++) equal((await get(port)).status, 200);
  const told = mesh.printed.split('\n').filter((line) => /noisy-1\.log: /.test(line));
  equal(told.length, 1, told.join('\n'));
  doesNotMatch(mesh.printed, /it is started again/);
  deepEqual(await mesh.stop(), { code: 0, signal: null });
  deepEqual(await leftBehind(directory), []);
});
