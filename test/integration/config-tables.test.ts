// What `heddle config` prints of Heddle's proxy is what it prints of the real Envoy on the same configuration.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { brotliCompressSync, constants } from 'node:zlib';
import { makeIdentities } from '../captures/serve.ts';
import { arePeersRequired, findEnvoy, PROJECT_ROOT } from '../support/find-envoy.ts';
import type { ProxyKind } from '../support/proxy-process.ts';
import { startOnCapture } from './config-tables-rig.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-tables-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const identities = makeIdentities();
const own = identities.of('ns/bookinfo/sa/bookinfo-productpage');
const ROLES = ['client', 'server', 'gateway'];
/** Whose dumps the tests of the writers read; made anew with UPDATE_GOLDEN=1. */
const STORED = ['client', 'gateway'];
const COMMANDS = [
  ['listeners'],
  ['routes'],
  ['clusters'],
  ['endpoints'],
  ['secrets'],
  ['all'],
  ['listeners', '--type', 'HTTP+TCP'],
  ['clusters', '--fqdn', 'reviews', '--direction', 'outbound'],
  ['endpoints', '--status', 'healthy', '--port', '9080'],
  ['routes', '-o', 'json'],
  ['routes', '-o', 'yaml', '--name', '9080'],
];

type Told = { readonly tables: ReadonlyMap<string, string>; readonly dump: string; readonly clusters: string };

function heddle(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(join(PROJECT_ROOT, 'bin/heddle'), [...args], { maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(`${args.join(' ')}: ${stderr}`)),
    );
  });
}

async function tellOf(kind: ProxyKind, role: string): Promise<Told> {
  const { proxy, stop } = await startOnCapture(kind, `40-stock-envoy-flags/${role}`, { identities, own }, folder);
  try {
    const tables = new Map<string, string>();
    for (const words of COMMANDS) {
      const text = await heddle(['config', ...words, '--admin', `127.0.0.1:${proxy.adminPort}`]);
      tables.set(words.join(' '), plain(text));
    }
    const certificate = await heddle(['certificate', '--admin', `127.0.0.1:${proxy.adminPort}`]);
    tables.set('certificate', certificate.replace(/, [^,]* left/g, ''));
    const [dump, clusters] = await Promise.all(
      ['/config_dump?include_eds', '/clusters?format=json'].map((path) => proxy.admin(path)),
    );
    return { tables, dump: dump?.body ?? '', clusters: clusters?.body ?? '' };
  } finally {
    await stop();
  }
}

/** Without what belongs to one process: the port of the test's server, and the proxy's version. */
function plain(text: string): string {
  return text.replace(/127\.0\.0\.1:\d+ +/g, '127.0.0.1:PORT ').replace(/^\w+ Version:.*$/gm, 'VERSION');
}

/** Both lines of the first place that differs. */
function difference(theirs: string, ours: string | undefined): readonly string[] {
  const [left, right] = [theirs.split('\n'), (ours ?? '').split('\n')];
  const at = left.findIndex((line, i) => line !== right[i]);
  if (at < 0) return left.length === right.length ? [] : [`${left.length} lines`, `${right.length} lines`];
  return [left[at] ?? '', right[at] ?? ''];
}

function store(kind: ProxyKind, told: ReadonlyMap<string, Told>): void {
  const of = STORED.map((role) => {
    const { dump, clusters } = told.get(role) as Told;
    const parsed = JSON.parse(dump.replaceAll(join(folder, 'access.log'), '/dev/stdout')) as {
      configs: { bootstrap?: { node: { extensions?: unknown } } }[];
    };
    // Envoy names its 500 extensions there.
    for (const { bootstrap } of parsed.configs) if (bootstrap !== undefined) delete bootstrap.node.extensions;
    return [role, { dump: parsed, clusters: JSON.parse(clusters) as unknown }];
  });
  const bytes = brotliCompressSync(JSON.stringify(Object.fromEntries(of)), {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 },
  });
  writeFileSync(join(PROJECT_ROOT, 'src/cli/config/testdata', `${kind}.json.br`), bytes);
}

test('both proxies give the same tables', { timeout: 240_000 }, async (t) => {
  const envoy = findEnvoy();
  if (envoy.path === null && !arePeersRequired()) {
    t.skip(envoy.reason);
    return;
  }
  const all: Record<string, Map<string, Told>> = { envoy: new Map(), heddle: new Map() };
  for (const role of ROLES) {
    for (const kind of ['envoy', 'heddle'] as const) all[kind]?.set(role, await tellOf(kind, role));
    const [theirs, ours] = ['envoy', 'heddle'].map((kind) => all[kind]?.get(role)?.tables);
    for (const [command, text] of theirs ?? []) {
      assert.deepEqual(difference(text, ours?.get(command)), [], `${role}: ${command}`);
      assert.ok(
        text.split('\n').length > (command.startsWith('routes -o yaml') ? 0 : 1),
        `${role}: ${command} is empty`,
      );
    }
  }
  if (process.env['UPDATE_GOLDEN'] === '1')
    for (const kind of ['envoy', 'heddle'] as const) store(kind, all[kind] as Map<string, Told>);
});
