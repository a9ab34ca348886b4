// The commands in bin/ find a Node that is new enough, become it, and explain themselves when there is none.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import test, { after } from 'node:test';

const scratch = mkdtempSync(join(tmpdir(), 'heddle bin '));
after(() => rmSync(scratch, { recursive: true, force: true }));

let packages = 0;

/** Lays out a package whose bundle prints its process id and arguments; `PATH` has a Node of the given version only. */
function makePackage(versionOnPath: string): { root: string; env: NodeJS.ProcessEnv } {
  packages += 1;
  const root = join(scratch, `package ${packages}`);
  const path = join(root, 'path');
  mkdirSync(join(root, 'dist'), { recursive: true });
  mkdirSync(path);
  cpSync(join(dirname(import.meta.dirname), 'bin'), join(root, 'bin'), { recursive: true });
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
  writeFileSync(
    join(root, 'dist/heddle.js'),
    "console.log(JSON.stringify([process.pid, 'bundle', ...process.argv.slice(2)]));",
  );
  const node = `#!/bin/sh\n[ "$1" = --version ] && echo ${versionOnPath} || exec '${process.execPath}' "$@"\n`;
  writeFileSync(join(path, 'node'), node, { mode: 0o755 });
  const env: NodeJS.ProcessEnv = { ...process.env, PATH: [path, '/usr/bin', '/bin'].join(delimiter) };
  delete env.HEDDLE_NODE;
  return { root, env };
}

async function run(file: string, args: string[], env: NodeJS.ProcessEnv) {
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const [code] = await once(child, 'close');
  return { pid: child.pid, code, stdout, stderr };
}

test('heddle becomes Node: one process, arguments untouched, also through a symbolic link', async () => {
  const { root, env } = makePackage('v24.0.0');
  const link = join(root, 'linked');
  symlinkSync('bin/heddle', link);
  for (const file of [join(root, 'bin/heddle'), link]) {
    const { pid, stdout, stderr } = await run(file, ['proxy', 'a b', "it's", ''], env);
    assert.deepEqual(JSON.parse(stdout), [pid, 'bundle', 'proxy', 'a b', "it's", ''], stderr);
  }
});

test('a Node that npm installed beside the package is preferred', async () => {
  const { root, env } = makePackage('v18.0.0');
  const platform = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin');
  mkdirSync(platform, { recursive: true });
  symlinkSync(process.execPath, join(platform, 'node'));
  const { pid, stdout, stderr } = await run(join(root, 'bin/heddle'), ['x'], env);
  assert.deepEqual(JSON.parse(stdout), [pid, 'bundle', 'x'], stderr);
});

test('without a Node that is new enough it says what to do', async () => {
  const { root, env } = makePackage('v18.0.0');
  const { code, stdout, stderr } = await run(join(root, 'bin/heddle'), [], env);
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /needs Node 24 or later, and found v18\.0\.0/);
  assert.match(stderr, /npm ci/);
});

test('HEDDLE_NODE names the Node to use', async () => {
  const { root, env } = makePackage('v18.0.0');
  const { stdout } = await run(join(root, 'bin/heddle'), [], { ...env, HEDDLE_NODE: process.execPath });
  assert.match(stdout, /bundle/);
});

test('node bin/heddle works as well', async () => {
  const { root, env } = makePackage('v24.0.0');
  const { pid, stdout, stderr } = await run(process.execPath, [join(root, 'bin/heddle'), 'a b'], env);
  assert.deepEqual(JSON.parse(stdout), [pid, 'bundle', 'a b'], stderr);
});

test('in a clone, sources that are newer than the bundle win', async () => {
  const { root, env } = makePackage('v24.0.0');
  const source = join(root, 'src/main.ts');
  mkdirSync(join(root, 'src'));
  writeFileSync(source, "const name: string = 'source'; console.log(JSON.stringify([process.pid, name]));");
  utimesSync(join(root, 'dist/heddle.js'), 1000, 1000);
  assert.match((await run(join(root, 'bin/heddle'), [], env)).stdout, /source/);
  utimesSync(source, 0, 0);
  assert.match((await run(join(root, 'bin/heddle'), [], env)).stdout, /bundle/);
});

test('heddle-node puts its Node first for what it starts', () => {
  const { root, env } = makePackage('v24.0.0');
  const script = "process.stdout.write(require('child_process').execFileSync('node', ['-p', '6 * 7']))";
  const result = spawnSync(join(root, 'bin/heddle-node'), ['-e', script], { env, encoding: 'utf8' });
  assert.equal(result.stdout, '42\n', result.stderr);
});
