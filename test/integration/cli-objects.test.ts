// The verbs about objects against a real control plane: get, apply, delete, wait and export, with an overlay and files.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadAll } from 'js-yaml';
import { freePort } from '../support/free-ports.ts';
import { PROJECT_ROOT } from '../support/find-envoy.ts';

const HEDDLE = join(PROJECT_ROOT, 'bin/heddle');
const folder = mkdtempSync(join(tmpdir(), 'heddle-cli-objects-'));
const mesh = join(folder, 'mesh');
const state = join(mesh, '.heddle');
const overlay = join(state, 'objects');
const TOKEN = 'a-token-of-the-test';
let control: ChildProcess;

const SERVICE = `apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec: {ports: [{name: http, port: 9080}]}
`;
const virtualService = (name: string, weight = 100): string => `# what people wrote about ${name}
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - route: [{destination: {host: reviews}, weight: ${weight}}]
`;

type Ran = { readonly code: number; readonly out: string; readonly err: string };

function heddle(args: readonly string[], input = '', directory = mesh): Promise<Ran> {
  const environment = { ...process.env, XDG_RUNTIME_DIR: folder };
  const child = spawn(HEDDLE, [...args], { cwd: directory, env: environment });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk));
  child.stdin.end(input);
  return new Promise((resolve) => child.on('close', (code) => resolve({ code: code ?? -1, out, err })));
}

before(async () => {
  mkdirSync(join(state, 'generated'), { recursive: true });
  writeFileSync(join(state, 'generated/objects.yaml'), SERVICE);
  writeFileSync(join(mesh, 'reviews.yaml'), `${SERVICE.replace('reviews', 'other')}---\n${virtualService('written')}`);
  const http = await freePort();
  const any = ['--grpc-address', `127.0.0.1:${await freePort()}`, '--secure-address', `127.0.0.1:${await freePort()}`];
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, TOKEN);
  const roots = ['--config', join(state, 'generated'), '--config-application', mesh, '--config-overlay', overlay];
  const more = [
    '--state-dir',
    join(state, 'control'),
    '--http-address',
    `127.0.0.1:${http}`,
    '--page-token-file',
    tokenFile,
  ];
  control = spawn(HEDDLE, ['control', ...roots, ...any, ...more], {
    stdio: 'ignore',
  });
  const url = `http://127.0.0.1:${http}`;
  for (let tries = 0; tries < 400; tries++) {
    if (
      await fetch(`${url}/ready`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      break;
    assert.ok(control.exitCode === null, 'the control plane ended');
    await sleep(25);
  }
  const location = { pid: control.pid, directory: mesh, control: url, token: TOKEN, runtime: join(folder, 'run') };
  writeFileSync(join(state, 'up.json'), JSON.stringify({ ...location, startedMs: 0 }));
});
after(async () => {
  control.kill();
  await new Promise((resolve) => control.on('close', resolve));
  rmSync(folder, { recursive: true, force: true });
});

test('get: of the control plane, with places, by kind, name and namespace', async () => {
  const all = await heddle(['get', 'all']);
  assert.equal(all.code, 0, all.err);
  assert.match(all.out, /^NAMESPACE +NAME +LIVE +WRITTEN IN\n/);
  assert.match(all.out, /shop +virtualservice\.networking\.istio\.io\/written +- +reviews\.yaml:7\n/);
  const names = await heddle(['get', 'vs,svc', '-n', 'shop', '-o', 'name']);
  assert.equal(names.out, 'service/other\nservice/reviews\nvirtualservice.networking.istio.io/written\n');
  const one = await heddle(['get', 'vs', 'written', '-o', 'json']);
  assert.deepEqual((JSON.parse(one.out) as { spec: { hosts: string[] } }).spec.hosts, ['reviews']);
  const none = await heddle(['get', 'vs/nobody']);
  assert.deepEqual([none.code, none.out], [1, '']);
  assert.match(none.err, /there is no vs nobody/);
  assert.deepEqual([(await heddle(['get', 'vrtualservices'])).code, (await heddle(['get'])).code], [2, 2]);
});

test('apply: created, unchanged, configured, each live when it returns', async () => {
  const file = join(folder, 'canary.yaml');
  writeFileSync(file, virtualService('canary'));
  const created = await heddle(['apply', '-f', file]);
  assert.deepEqual([created.code, created.err], [0, '']);
  assert.match(created.out, /^virtualservice\.networking\.istio\.io\/canary created: concerns no connected proxy/);
  const kept = join(overlay, 'VirtualService_shop_canary.yaml');
  assert.equal(statSync(kept).mode & 0o777, 0o600);
  assert.equal(readFileSync(kept, 'utf8'), virtualService('canary'));
  assert.match((await heddle(['get', 'vs', 'canary', '-o', 'yaml'])).out, /host: reviews/);
  assert.match((await heddle(['apply', '-f', file])).out, /canary unchanged/);
  writeFileSync(file, virtualService('canary', 90));
  assert.match((await heddle(['apply', '-f', file])).out, /canary configured: /);
  assert.match((await heddle(['get', 'vs', 'canary', '-o', 'yaml'])).out, /weight: 90/);
  assert.deepEqual(readdirSync(overlay), ['VirtualService_shop_canary.yaml']);
});

test('apply: lists, several documents and JSON from stdin; a namespace for those that say none', async () => {
  const account = (name: string): object => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } });
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [account('a'), account('b')] });
  const ran = await heddle(['apply', '-f', '-', '-n', 'shop'], `${list}\n---\n${JSON.stringify(account('c'))}\n`);
  assert.deepEqual([ran.code, ran.err], [0, '']);
  assert.deepEqual(
    ran.out.split('\n').map((line) => line.split(':')[0]),
    [...['serviceaccount/a created', 'serviceaccount/b created', 'serviceaccount/c created', '']],
  );
  assert.equal((await heddle(['get', 'sa', '-n', 'shop', '-o', 'name'])).out.split('\n').length, 4);
  const gone = await heddle(['delete', 'sa', 'a', 'b', 'c', '-n', 'shop']);
  assert.deepEqual(
    [gone.code, gone.out],
    [0, 'serviceaccount/a deleted\nserviceaccount/b deleted\nserviceaccount/c deleted\n'],
  );
});

test('apply: what is wrong, or belongs to a file, is refused with its place, and nothing is written', async () => {
  const file = join(folder, 'bad.yaml');
  const before = readdirSync(overlay);
  writeFileSync(file, `${virtualService('good')}---\n${virtualService('bad').replace('hosts:', 'hosst:')}`);
  const wrong = await heddle(['apply', '-f', file]);
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /bad\.yaml:15:3: VirtualService\/shop\/bad: spec\.hosst: unknown field "hosst"; /);
  assert.match(wrong.err, /nothing was applied/);
  writeFileSync(file, virtualService('written', 1));
  const taken = await heddle(['apply', '-f', file]);
  assert.equal(taken.code, 1);
  assert.match(
    taken.err,
    /VirtualService\/shop\/written is defined in reviews\.yaml:7: edit that file, or delete it there/,
  );
  writeFileSync(file, SERVICE);
  assert.match(
    (await heddle(['apply', '-f', file])).err,
    /Service\/shop\/reviews is made of heddle\.yaml: change it there/,
  );
  writeFileSync(file, 'a: [\n');
  assert.match((await heddle(['apply', '-f', file])).err, /bad\.yaml:\d+:\d+: the document is no YAML/);
  assert.match((await heddle(['apply', '-f', join(folder, 'none.yaml')])).err, /there is no such file/);
  assert.deepEqual(readdirSync(overlay), before);
});

test('delete: of the overlay only, by name or by file', async () => {
  const written = await heddle(['delete', 'vs', 'written', '-n', 'shop']);
  assert.equal(written.code, 1);
  assert.match(written.err, /VirtualService\/shop\/written is defined in reviews\.yaml:7/);
  assert.match((await heddle(['delete', 'vs', 'nobody'])).err, /there is no VirtualService\/default\/nobody/);
  assert.equal((await heddle(['delete', 'vs', 'nobody', '--ignore-not-found'])).code, 0);
  const file = join(folder, 'canary.yaml');
  const gone = await heddle(['delete', '-f', file]);
  assert.deepEqual([gone.code, gone.out], [0, 'virtualservice.networking.istio.io/canary deleted\n']);
  assert.equal((await heddle(['get', 'vs', 'canary'])).code, 1);
});

test('wait finds the mesh; a wrong token, URL or directory is told', async () => {
  const waited = await heddle(['wait', 'vs/written', '-n', 'shop']);
  assert.deepEqual([waited.code, waited.err], [0, '']);
  const tokenFile = join(folder, 'wrong');
  writeFileSync(tokenFile, 'wrong');
  assert.match((await heddle(['get', 'vs', '--token', tokenFile])).err, /does not take this token/);
  assert.match((await heddle(['get', 'vs', '--control', 'http://127.0.0.1:1'])).err, /127\.0\.0\.1:1 does not answer/);
  assert.match((await heddle(['wait', 'vs/a', '--dir', folder])).err, /no mesh runs in/);
});

test('export: every object, plain, with its place; or only those of heddle.yaml', async () => {
  writeFileSync(join(mesh, 'mesh.yaml'), 'trustDomain: a.example\n');
  const ran = await heddle(['export']);
  assert.deepEqual([ran.code, ran.err], [0, '']);
  const documents = loadAll(ran.out) as { kind: string; metadata: { name: string }; data?: { mesh: string } }[];
  assert.deepEqual(
    documents.map(({ kind, metadata }) => `${kind}/${metadata.name}`),
    [...['Service/reviews', 'ConfigMap/istio', 'Service/other', 'VirtualService/written']],
  );
  assert.match(documents[1]?.data?.mesh ?? '', /trustDomain: a\.example/);
  assert.match(ran.out, /^# reviews\.yaml:7$/m);
  const generated = await heddle(['export', '--generated']);
  assert.deepEqual(loadAll(generated.out).length, 1);
  rmSync(join(mesh, 'mesh.yaml'));
});

test('a mesh that rests is a directory with files', async () => {
  const resting = join(folder, 'resting');
  mkdirSync(resting);
  writeFileSync(join(resting, 'reviews.yaml'), SERVICE);
  const file = join(folder, 'canary.yaml');
  const applied = await heddle(['apply', '-f', file, '--dir', resting]);
  assert.deepEqual([applied.code, applied.out], [0, 'virtualservice.networking.istio.io/canary created\n']);
  assert.ok(existsSync(join(resting, '.heddle/objects/VirtualService_shop_canary.yaml')));
  const listed = await heddle(['get', 'all', '--dir', resting, '-o', 'name']);
  assert.equal(listed.out, 'service/reviews\nvirtualservice.networking.istio.io/canary\n');
  assert.match((await heddle(['apply', '-f', join(resting, 'reviews.yaml'), '--dir', resting])).err, /is defined in/);
  assert.equal((await heddle(['delete', '-f', file, '--dir', resting])).code, 0);
});

test('a reader that goes is no mistake', async () => {
  const command = `"${HEDDLE}" export | head -c 1; echo " \${PIPESTATUS[0]}"`;
  const child = spawn('bash', ['-c', command], { cwd: mesh });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk));
  await new Promise((resolve) => child.on('close', resolve));
  assert.deepEqual([out, err], ['- 0\n', '']);
});
