// The admin interface of a running proxy: profiles, layers on disk, and requests that are none of its business.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { scratchFolder, stat, until } from './heddle.ts';

const folder = scratchFolder();
const running: ProxyProcess[] = [];
after(async () => {
  for (const proxy of running) await proxy.stop();
});

const address = { socket_address: { address: '127.0.0.1', port_value: 0 } };

async function start(bootstrap: object, ...args: string[]): Promise<ProxyProcess> {
  const proxy = await startProxy('heddle', JSON.stringify(bootstrap), folder, args);
  running.push(proxy);
  return proxy;
}

async function post(proxy: ProxyProcess, path: string): Promise<string> {
  const { status, body } = await proxy.admin(path, 'POST');
  return `${status} ${body.slice(0, 200)}`;
}

for (const workers of ['1', '2']) {
  test(`profiles of ${workers} workers`, async () => {
    const profiles = join(folder, `profiles-${workers}`);
    mkdirSync(profiles);
    const path = join(profiles, 'envoy.prof');
    const proxy = await start({ admin: { address, profile_path: path } }, '--concurrency', workers);
    assert.equal(await post(proxy, '/cpuprofiler?enable=y'), '200 OK\n');
    assert.equal(await post(proxy, '/cpuprofiler?enable=y'), '500 failure to start the profiler');
    for (let i = 0; i < 20; i++) await proxy.admin('/stats');
    assert.equal(await post(proxy, '/cpuprofiler?enable=n'), '200 OK\n');
    const shown = JSON.parse(readFileSync(path, 'utf8')) as { nodes: unknown[]; samples: unknown[] };
    assert.ok(shown.nodes.length > 1 && shown.samples.length > 1);
    const files = workers === '1' ? ['envoy.prof'] : ['envoy.prof', 'envoy.prof.worker_0', 'envoy.prof.worker_1'];
    assert.deepEqual(readdirSync(profiles).sort(), files);

    assert.equal((await proxy.admin('/heap_dump')).status, 501);
    assert.equal(await post(proxy, '/heapprofiler?enable=y'), '200 Starting heap profiler');
    assert.match(await post(proxy, '/allocprofiler?enable=y'), /^400 The heap profiler runs/);
    const dump = JSON.parse((await proxy.admin('/heap_dump')).body) as Record<string, { head?: object }>;
    assert.ok(workers === '1' ? 'head' in dump : ['main', 'worker_0', 'worker_1'].every((name) => dump[name]?.head));
    assert.match(await post(proxy, '/heapprofiler?enable=n'), /^200 Heap profiler stopped and data written to /);
    assert.ok('head' in JSON.parse(readFileSync(path, 'utf8')));
    assert.equal(await post(proxy, '/heapprofiler?enable=n'), '400 Fail to stop heap profiler: not started');

    assert.equal(await post(proxy, '/allocprofiler?enable=y'), '200 OK\n');
    assert.match(await post(proxy, '/allocprofiler?enable=n'), /^200 \{/);

    // A disk that takes nothing any more.
    assert.equal(await post(proxy, '/cpuprofiler?enable=y'), '200 OK\n');
    rmSync(profiles, { recursive: true });
    assert.match(await post(proxy, '/cpuprofiler?enable=n'), /^500 The profile cannot be written: ENOENT/);
    assert.equal(await post(proxy, '/cpuprofiler?enable=y'), '500 failure to start the profiler');
    assert.equal((await proxy.admin('/ready')).body, 'LIVE\n');
  });

  test(`layers on disk, ${workers} workers`, async () => {
    const root = join(folder, `disk-${workers}`);
    const layer = (version: string, files: Readonly<Record<string, string>>): void => {
      for (const [name, text] of Object.entries(files)) {
        const path = join(root, version, 'envoy', name);
        mkdirSync(join(path, '..'), { recursive: true });
        writeFileSync(path, text);
      }
    };
    const use = (version: string): void => {
      symlinkSync(version, join(root, 'next'));
      renameSync(join(root, 'next'), join(root, 'current'));
    };
    layer('v1', { 'a/b': '1\n', c: '# nothing\n' });
    layer('v2', { 'a/b': '2', d: 'yes' });
    layer('v3', { 'a/b': '{broken' });
    use('v1');
    const disk_layer = { symlink_root: join(root, 'current'), subdirectory: 'envoy' };
    const layers = [
      { name: 'static', static_layer: { a: { b: 0 }, e: 5 } },
      { name: 'disk', disk_layer },
      { name: 'admin', admin_layer: {} },
    ];
    const proxy = await start({ admin: { address }, layered_runtime: { layers } }, '--concurrency', workers);
    const values = async (): Promise<Record<string, string>> => {
      const { entries } = JSON.parse((await proxy.admin('/runtime')).body) as {
        entries: Record<string, { final_value: string }>;
      };
      return Object.fromEntries(Object.entries(entries).map(([key, { final_value }]) => [key, final_value]));
    };
    assert.deepEqual(await values(), { 'a.b': '1', c: '', e: '5' });
    use('v2');
    await until('the second version', async () => (await values())['d'] === 'yes');
    assert.deepEqual(await values(), { 'a.b': '2', d: 'yes', e: '5' });
    use('v3');
    await until('the broken version', async () => (await stat(proxy, 'runtime.load_error')) === 1);
    assert.deepEqual(await values(), { 'a.b': '2', d: 'yes', e: '5' }, 'what was good stays');
    assert.equal(await post(proxy, '/runtime_modify?a.b=9'), '200 OK\n');
    use('gone');
    await until('no version', async () => (await values())['d'] === undefined);
    assert.deepEqual(await values(), { 'a.b': '9', e: '5' });
  });
}

test('switches of Envoy’s own changes are taken, named and counted', async () => {
  const static_layer = { 'envoy.reloadable_features.x': true, envoy: { restart_features: { y: false } } };
  const proxy = await start({ admin: { address }, layered_runtime: { layers: [{ name: 's', static_layer }] } });
  assert.equal(await stat(proxy, 'heddle.runtime_features_without_effect'), 2);
  assert.match((await proxy.admin('/runtime')).body, /envoy\.reloadable_features\.x/);
});

test('pages of elsewhere, hostile queries and large bodies change nothing', async () => {
  const proxy = await start({ admin: { address }, layered_runtime: { layers: [{ name: 'a', admin_layer: {} }] } });
  const ask = (method: string, path: string, headers: string, body = ''): Promise<number> =>
    new Promise((resolve, reject) => {
      const socket = connect(proxy.adminPort, '127.0.0.1');
      socket.on('error', reject);
      socket.on('data', (bytes) => {
        resolve(Number(bytes.toString('latin1').split(' ')[1]));
        socket.destroy();
      });
      socket.write(`${method} ${path} HTTP/1.1\r\n${headers}content-length: ${body.length}\r\n\r\n${body}`);
    });
  const own = 'host: 127.0.0.1:1\r\n';
  assert.equal(await ask('POST', '/healthcheck/fail', `${own}origin: http://evil.example\r\n`), 403);
  assert.equal(await ask('POST', '/healthcheck/fail', `${own}sec-fetch-site: cross-site\r\n`), 403);
  assert.equal(await ask('POST', '/quitquitquit', 'host: evil.example\r\n'), 403);
  assert.equal(await ask('GET', '/config_dump', 'host: rebound.evil.example:9901\r\n'), 403);
  assert.equal(await ask('POST', '/runtime_modify', own, 'x'.repeat(2_000_000)), 413);
  assert.equal((await proxy.admin('/ready')).body, 'LIVE\n');
  const nested = '('.repeat(5000) + ')'.repeat(5000);
  for (const filter of [nested, '(a*)*b'.repeat(500), 'a{1000}{1000}', '[', '\\', 'x'.repeat(20_000)]) {
    const started = performance.now();
    const { status } = await proxy.admin(`/stats?filter=${encodeURIComponent(filter)}`);
    assert.ok(status === 200 || status === 400 || status === 414 || status === 431, `${status}`);
    assert.ok(performance.now() - started < 5_000, filter.slice(0, 20));
  }
  const pairs = Array.from({ length: 1000 }, (_, i) => `k${i}=%${i}`).join('&');
  assert.ok((await proxy.admin(`/runtime_modify?${pairs}`, 'POST')).status >= 200);
  assert.equal(await ask('GET', '/ready?%00%ff%zz&&&==', own), 200);
  assert.equal((await proxy.admin('/ready')).body, 'LIVE\n');
});
