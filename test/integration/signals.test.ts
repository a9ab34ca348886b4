// Signals and the admin interface's mutations, on a running process.
import assert from 'node:assert/strict';
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/free-ports.ts';
import {
  bootstrap,
  ended,
  get,
  RawConnection,
  scratchFolder,
  spawnHeddle,
  startHeddle,
  startUpstream,
  stat,
  stopHeddle,
  until,
  writeConfig,
} from './heddle.ts';

const FILE_LOG = 'envoy.extensions.access_loggers.file.v3.FileAccessLog';

function logTo(path: string): Record<string, unknown> {
  const log_format = { text_format_source: { inline_string: '%REQ(:PATH)%\n' } };
  return {
    access_log: [{ name: 'f', typed_config: { '@type': `type.googleapis.com/${FILE_LOG}`, path, log_format } }],
  };
}

test('SIGTERM and SIGINT end it at once, with requests in progress, and the access log is complete', async () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const upstream = await startUpstream();
    const port = await freePort();
    const path = join(scratchFolder(), 'access.log');
    const child = spawnHeddle(['-c', writeConfig(bootstrap({ listener: port, upstream: upstream.port }, logTo(path)))]);
    const end = ended(child);
    let client = new RawConnection(port);
    await until('the listener', async () => {
      if (client.isClosed) client = new RawConnection(port);
      await sleep(20);
      return client.socket.readyState === 'open';
    });
    client.send(get('/one'));
    await until('an answer', () => client.text.endsWith('/one'));
    client.send(get('/slow'));
    await sleep(50);
    const started = performance.now();
    child.kill(signal);
    const { code } = await end;
    assert.equal(code, 0, signal);
    assert.ok(performance.now() - started < 2_000, `${signal} took ${performance.now() - started} ms`);
    assert.match(readFileSync(path, 'utf8'), /^\/one\n/);
    await until('the connection to end', () => client.isClosed);
    await upstream.stop();
  }
});

test('SIGHUP is ignored, SIGUSR1 opens the access logs anew', async () => {
  const path = join(scratchFolder(), 'access.log');
  const running = await startHeddle(logTo(path));
  const { proxy, port } = running;
  process.kill(proxy.pid, 'SIGHUP');
  const client = new RawConnection(port);
  client.send(get('/before'));
  await until('a first line', () => readFileSync(path, 'utf8') === '/before\n');
  const rotated = `${path}.1`;
  renameSync(path, rotated);
  process.kill(proxy.pid, 'SIGUSR1');
  await until('the new file', () => {
    try {
      return readFileSync(path, 'utf8') === '';
    } catch {
      return false;
    }
  });
  client.send(get('/after'));
  await until('a line in the new file', () => readFileSync(path, 'utf8') === '/after\n');
  assert.equal(readFileSync(rotated, 'utf8'), '/before\n');
  assert.match(proxy.output, /SIGHUP/);
  client.reset();
  await stopHeddle(running);
});

test('what changes something answers to POST alone', async () => {
  const running = await startHeddle();
  const { proxy, port } = running;
  const mutations = [
    '/quitquitquit',
    '/reset_counters',
    '/drain_listeners',
    '/healthcheck/fail',
    '/healthcheck/ok',
    '/logging',
  ];
  for (const path of mutations) {
    const refused = await proxy.admin(path);
    assert.equal(refused.status, 405, path);
  }
  assert.equal((await proxy.admin('/ready')).status, 200);
  assert.equal(proxy.hasExited, false);

  assert.equal((await proxy.admin('/healthcheck/fail', 'POST')).status, 200);
  assert.equal((await proxy.admin('/ready')).status, 503);
  const client = new RawConnection(port);
  client.send(get('/draining'));
  await until('an answer', () => client.text.endsWith('/draining'));
  assert.match(client.text, /\r\nconnection: close\r\n/);
  assert.equal((await proxy.admin('/healthcheck/ok', 'POST')).status, 200);
  assert.equal((await proxy.admin('/ready')).status, 200);

  assert.ok((await stat(proxy, 'http.test.downstream_rq_total')) > 0);
  assert.equal((await proxy.admin('/reset_counters', 'POST')).status, 200);
  assert.equal(await stat(proxy, 'http.test.downstream_rq_total'), 0);

  assert.equal((await proxy.admin('/logging?level=debug', 'POST')).status, 200);
  assert.equal((await proxy.admin('/drain_listeners', 'POST')).status, 200);
  await until('the listener to be closed', async () => {
    const late = new RawConnection(port);
    await sleep(30);
    const isRefused = late.isClosed;
    late.reset();
    return isRefused;
  });
  assert.equal((await proxy.admin('/ready')).status, 200);

  assert.equal((await proxy.admin('/quitquitquit', 'POST')).status, 200);
  await until('the end of the process', () => proxy.hasExited);
  await running.upstream.stop();
});
