// Completion in real shells, and what they are told: verbs, options, kinds, and the workloads of a mesh.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { freePort } from '../support/free-ports.ts';
import { PROJECT_ROOT } from '../support/find-envoy.ts';
import { complete } from '../../src/cli/completion/complete.ts';
import { VERBS } from '../../src/cli/run.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-completion-'));
const mesh = join(folder, 'mesh');
const servers: Server[] = [];

before(async () => {
  mkdirSync(join(mesh, '.heddle'), { recursive: true });
  mkdirSync(join(folder, 'run'));
  mkdirSync(join(folder, 'bin'));
  symlinkSync(join(PROJECT_ROOT, 'bin/heddle'), join(folder, 'bin/heddle'));
  writeFileSync(join(mesh, 'rules.yaml'), '');
  for (const name of ['reviews-v1-1', 'reviews-v1-2', 'shop-1'])
    writeFileSync(join(folder, 'run', `${name}.admin`), '');
  const port = await freePort();
  const objects = [
    { kind: 'VirtualService', namespace: 'shop', name: 'reviews' },
    { kind: 'VirtualService', namespace: 'other', name: 'ratings' },
  ];
  const control = createServer((request, response) => {
    const kind = new URL(request.url ?? '', 'http://x').searchParams.get('kind');
    response.end(JSON.stringify({ objects: objects.filter((one) => kind === null || one.kind === kind) }));
  });
  servers.push(control);
  await new Promise<void>((resolve) => control.listen(port, '127.0.0.1', resolve));
  const location = { pid: process.pid, directory: mesh, control: `http://127.0.0.1:${port}`, token: 'x' };
  writeFileSync(
    join(mesh, '.heddle/up.json'),
    JSON.stringify({ ...location, runtime: join(folder, 'run'), startedMs: 0 }),
  );
});
after(() => {
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function words(...line: string[]): Promise<string[]> {
  return (await complete([...line, ''], VERBS)).map((candidate) => candidate.split('\t')[0] as string);
}
async function beginning(...line: string[]): Promise<string[]> {
  return (await complete(line, VERBS)).map((candidate) => candidate.split('\t')[0] as string);
}

test('candidates come from the tables of the verbs', async () => {
  const verbs = await words();
  for (const verb of ['up', 'get', 'config', 'proxy', 'completion']) assert.ok(verbs.includes(verb), verb);
  assert.ok(!verbs.includes('__complete'));
  assert.deepEqual(await beginning('ce'), ['certificate']);
  assert.deepEqual(await words('config'), [
    'listeners',
    'routes',
    'clusters',
    'endpoints',
    'secrets',
    'bootstrap',
    'all',
  ]);
  assert.deepEqual(await beginning('config', 'routes', 'x', '--o'), ['--output']);
  assert.deepEqual(await words('config', 'routes', 'x', '--output'), ['short', 'json', 'yaml']);
  assert.deepEqual(await words('config', 'routes', 'x', '-o'), ['short', 'json', 'yaml']);
  assert.deepEqual(await beginning('config', 'routes', '--output=y'), ['--output=yaml']);
  assert.deepEqual(await beginning('config', 'routes', '--output', '='), ['short', 'json', 'yaml']);
  assert.deepEqual(await words('apply', '-f'), [':files']);
  assert.deepEqual(await words('get', '--dir'), [':directories']);
  assert.deepEqual(await beginning('get', 'virt'), ['virtualservices']);
  assert.ok((await beginning('control', '--conf')).includes('--config-overlay'));
  assert.ok((await beginning('proxy', '--conc')).includes('--concurrency'));
  assert.deepEqual(await words('nothing', 'x'), []);
});

test('names of workloads and objects come from the mesh', async () => {
  const dir = ['--dir', mesh];
  assert.deepEqual(await words('config', 'routes', ...dir), [
    'reviews-v1',
    'reviews-v1-1',
    'reviews-v1-2',
    'shop',
    'shop-1',
  ]);
  assert.deepEqual(await words('certificate', ...dir), [
    'reviews-v1',
    'reviews-v1-1',
    'reviews-v1-2',
    'shop',
    'shop-1',
  ]);
  assert.deepEqual(await words('get', ...dir, 'vs'), ['reviews', 'ratings']);
  assert.deepEqual(await words('get', ...dir, '-n', 'shop', 'vs'), ['reviews']);
  assert.deepEqual(await beginning('wait', ...dir, 'vs/re'), ['vs/reviews']);
  assert.deepEqual(await words('get', ...dir, 'vs', '-n'), ['shop', 'other']);
  assert.deepEqual(await words('config', 'routes', '--dir', folder), []);
});

function script(shell: string): string {
  return execFileSync(process.execPath, [join(PROJECT_ROOT, 'src/main.ts'), 'completion', shell], { encoding: 'utf8' });
}

function bash(line: readonly string[]): string[] {
  const set = `COMP_WORDS=(${line.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${line.length - 1}`;
  const commands = `source "$1"; ${set}; _heddle; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const file = join(folder, 'heddle.bash');
  writeFileSync(file, script('bash'));
  const environment = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env['PATH']}` };
  const ran = spawnSync('bash', ['-c', commands, 'bash', file], { cwd: mesh, env: environment, encoding: 'utf8' });
  assert.equal(ran.stderr, '');
  return ran.stdout.split('\n').filter((word) => word !== '');
}

test('a real bash completes', () => {
  const registered = spawnSync('bash', ['-c', 'source <(cat); complete -p heddle'], {
    input: script('bash'),
    encoding: 'utf8',
  });
  assert.match(registered.stdout, /complete -F _heddle heddle/);
  assert.deepEqual(bash(['heddle', 'conf']), ['config']);
  assert.deepEqual(bash(['heddle', 'config', 'routes', 're']), ['reviews-v1', 'reviews-v1-1', 'reviews-v1-2']);
  assert.deepEqual(bash(['heddle', 'apply', '-f', 'ru']), ['rules.yaml']);
  assert.deepEqual(bash(['heddle', 'config', 'routes', '--output', '=', 'j']), ['json']);
  assert.deepEqual(bash(['heddle', 'config', 'routes', '--output', '=']), ['short', 'json', 'yaml']);
});

for (const shell of ['zsh', 'fish']) {
  test(`${shell} takes its script`, (t) => {
    const text = script(shell);
    assert.match(text, /__complete --/);
    const ran = spawnSync(shell, ['-n'], { input: text, encoding: 'utf8' });
    if (ran.error !== undefined) t.diagnostic(`no ${shell} here: only the text was looked at`);
    else assert.deepEqual([ran.status, ran.stderr], [0, '']);
  });
}
