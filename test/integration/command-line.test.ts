// The command line: flags, checks of configurations, and what a start that fails says and leaves behind.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../support/free-ports.ts';
import {
  bootstrap,
  ended,
  type Finished,
  RawConnection,
  runHeddle,
  scratchFolder,
  spawnHeddle,
  startUpstream,
  stat,
  startHeddle,
  stopHeddle,
  until,
  writeConfig,
  get,
} from './heddle.ts';

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

/** Exit code 1, nothing on standard output, and all of standard error is messages of the program. */
function checkRefused({ code, stdout, stderr }: Finished, expected: RegExp): void {
  assert.equal(code, 1, stderr);
  assert.equal(stdout, '');
  assert.match(stderr, expected);
  assert.doesNotMatch(stderr, /\n\s+at |node:internal/, 'a stack trace');
  for (const line of stderr.trim().split('\n')) assert.match(line, /^heddle: |^\[/, 'who says it');
}

test('--version and --help', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const shown = await runHeddle('--version');
  assert.equal(shown.code, 0);
  assert.ok(shown.stdout.includes(version), shown.stdout);
  const help = await runHeddle('--help');
  assert.equal(help.code, 0);
  assert.match(help.stdout, /--config-path PATH/);
});

test('bad flags are refused with one message', async () => {
  // The others have their own test beside the parser of flags.
  const path = writeConfig(bootstrap({ listener: 1, upstream: 2 }));
  const cases: readonly (readonly [string[], RegExp])[] = [
    [['--nonsense'], /--nonsense/],
    [['--component-log-level', 'upstream:loud', '-c', path], /loud/],
    [['--log-path', join(scratchFolder(), 'no', 'such', 'folder.log'), '-c', path], /folder\.log/],
    [[], /config/],
  ];
  for (const [args, expected] of cases) {
    checkRefused(await runHeddle(...args), expected);
  }
});

test('--mode validate reads everything and binds nothing', async () => {
  const port = await freePort();
  const server = await listen(port);
  const path = writeConfig(bootstrap({ listener: port, upstream: 1 }));
  const good = await runHeddle('--mode', 'validate', '-c', path);
  assert.deepEqual([good.code, good.stdout], [0, `configuration '${path}' OK\n`]);
  const bad = bootstrap({ listener: port, upstream: 1 }, { codec_type: 'HTTP9' });
  checkRefused(await runHeddle('--mode', 'validate', '-c', writeConfig(bad)), /codec_type/);
  server.close();
});

test('--mode init_only binds and ends', async () => {
  const path = writeConfig(bootstrap({ listener: await freePort(), upstream: 1 }));
  const { code, stderr } = await runHeddle('--mode', 'init_only', '-c', path);
  assert.equal(code, 0, stderr);
});

test('a configuration that cannot be read names the file and the place', async () => {
  const missing = join(scratchFolder(), 'missing.yaml');
  checkRefused(await runHeddle('-c', missing), /missing\.yaml.*no such file/i);
  const broken = writeConfig('static_resources:\n  listeners:\n  - name: a\n   address: {\n');
  checkRefused(await runHeddle('-c', broken), /envoy\.yaml:4:\d+/);
  const unknown = writeConfig({ static_resources: { clusters: [{ name: 'c', connect_timeouts: '1s' }] } });
  checkRefused(await runHeddle('-c', unknown), /envoy\.yaml.*connect_timeouts/);
  const wrong = writeConfig({ static_resources: { clusters: [{ name: 'c', connect_timeout: 'soon' }] } });
  checkRefused(await runHeddle('-c', wrong), /connect_timeout/);
  checkRefused(await runHeddle('-c', scratchFolder()), /heddle-integration/);
  const json = writeConfig('{"static_resources": {]}', 'envoy.json');
  checkRefused(await runHeddle('-c', json), /envoy\.json:1:\d+/);
  checkRefused(await runHeddle('--config-yaml', 'admin: ['), /--config-yaml.*1:\d+/);
});

test('a port in use stops the start: listener and address are named, nothing stays bound', async () => {
  const free = await freePort();
  const taken = await freePort();
  const server = await listen(taken);
  const config = bootstrap({ listener: free, upstream: 1 });
  const { listeners } = config['static_resources'] as { listeners: Record<string, unknown>[] };
  const [first] = listeners;
  assert.ok(first !== undefined);
  listeners.push({
    ...first,
    name: 'second',
    address: { socket_address: { address: '127.0.0.1', port_value: taken } },
  });
  const child = spawnHeddle(['-c', writeConfig(config)]);
  const refused = await ended(child);
  checkRefused(
    refused,
    new RegExp(`listener "second": cannot bind '127\\.0\\.0\\.1:${taken}': Address already in use`),
  );
  (await listen(free)).close();
  server.close();

  const admin = await listen(taken);
  const busy = bootstrap({ listener: free, upstream: 1, admin: taken });
  checkRefused(await runHeddle('-c', writeConfig(busy)), new RegExp(`admin: .*:${taken}'`));
  (await listen(free)).close();
  admin.close();
});

test('--config-yaml is merged over the file, --admin-address-path tells where admin is', async () => {
  const upstream = await startUpstream();
  const port = await freePort();
  const addressPath = join(scratchFolder(), 'admin.txt');
  const config = bootstrap({ listener: port, upstream: upstream.port });
  const overlay = JSON.stringify({
    node: { id: 'from-flag' },
    static_resources: { clusters: [{ name: 'added', connect_timeout: '2s' }] },
  });
  const child = spawnHeddle(['-c', writeConfig(config), '--config-yaml', overlay, '--admin-address-path', addressPath]);
  const end = ended(child);
  await until('the admin address', () => existsSync(addressPath) && readFileSync(addressPath, 'utf8').includes(':'));
  const address = readFileSync(addressPath, 'utf8');
  assert.match(address, /^127\.0\.0\.1:\d+$/);
  const info = (await (await fetch(`http://${address}/server_info`)).json()) as { node: { id: string } };
  assert.equal(info.node.id, 'from-flag');
  const clusters = await (await fetch(`http://${address}/clusters`)).text();
  assert.match(clusters, /^up::/m);
  assert.match(clusters, /^added::/m);
  const client = new RawConnection(port);
  client.send(get('/merged'));
  await until('an answer', () => client.text.endsWith('/merged'));
  client.reset();
  child.kill('SIGTERM');
  assert.equal((await end).code, 0);
  await upstream.stop();
});

test('-l and --log-path: the process log goes where it is told', async () => {
  const logPath = join(scratchFolder(), 'heddle.log');
  const running = await startHeddle({}, '--log-path', logPath, '-l', 'info');
  assert.ok((await stat(running.proxy, 'server.live')) === 1);
  await stopHeddle(running);
  const log = readFileSync(logPath, 'utf8');
  assert.match(log, /\[info\]\[main\] /);
  assert.equal(running.proxy.output, '');
  const quiet = await startHeddle({}, '-l', 'off');
  await stopHeddle(quiet);
  assert.equal(quiet.proxy.output, '');
});
