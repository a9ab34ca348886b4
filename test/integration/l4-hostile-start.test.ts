// Addresses that cannot be had: the proxy says which and why, ends with 1, and leaves what was there as it was.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { existsSync, lstatSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../support/free-ports.ts';
import { startProxy } from '../support/proxy-process.ts';
import { type Json, runHeddle, scratchFolder, writeConfig } from './heddle.ts';

function typed(type: string, fields: Json = {}): Json {
  return { '@type': `type.googleapis.com/envoy.extensions.filters.${type}`, ...fields };
}

const echo = [{ filters: [{ name: 'echo', typed_config: typed('network.echo.v3.Echo') }] }];

function config(address: Json, fields: Json = { filter_chains: echo }): Json {
  return {
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    static_resources: { listeners: [{ name: 'front', address, ...fields }] },
  };
}

async function refusal(address: Json, fields?: Json): Promise<string> {
  const { code, stdout, stderr } = await runHeddle('-c', writeConfig(config(address, fields)));
  assert.equal(code, 1);
  return stdout + stderr;
}

const pipe = (path: string): Json => ({ pipe: { path } });

test('a file where the unix socket should be is left alone', async () => {
  const path = join(scratchFolder(), 'precious');
  writeFileSync(path, 'data');
  assert.ok((await refusal(pipe(path))).includes(`listener "front": cannot bind '${path}': Address already in use`));
  assert.equal(readFileSync(path, 'utf8'), 'data');
});

test('so is a link, whatever it leads to', async () => {
  const folder = scratchFolder();
  const path = join(folder, 'link');
  writeFileSync(join(folder, 'precious'), 'data');
  symlinkSync(join(folder, 'precious'), path);
  assert.ok((await refusal(pipe(path))).includes('Address already in use'));
  assert.ok(lstatSync(path).isSymbolicLink());
});

test('a socket that nobody serves any more is replaced', async () => {
  const path = join(scratchFolder(), 'stale');
  const first = await startProxy('heddle', JSON.stringify(config(pipe(path))), scratchFolder());
  process.kill(first.pid, 'SIGKILL');
  await first.stop();
  assert.ok(lstatSync(path).isSocket());
  const second = await startProxy('heddle', JSON.stringify(config(pipe(path))), scratchFolder());
  const heard = await new Promise((resolve, reject) => {
    const client = connect(path, () => client.write('hello'));
    client.once('data', (chunk) => {
      client.destroy();
      resolve(String(chunk));
    });
    client.once('error', reject);
  });
  assert.equal(heard, 'hello');
  await second.stop();
});

test('a folder that is not there, and a path that is too long', async () => {
  const path = join(scratchFolder(), 'nowhere', 'socket');
  const missing = await refusal(pipe(path));
  assert.match(missing, /cannot bind '.*nowhere.*': (No such file or directory|Permission denied)/);
  assert.equal(existsSync(path), false);
  assert.ok((await refusal(pipe(`/tmp/${'x'.repeat(200)}`))).includes('File name too long'));
});

test('a port that another process has', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const text = await refusal({ socket_address: { address: '127.0.0.1', port_value: port } });
  assert.ok(text.includes(`listener "front": cannot bind '127.0.0.1:${port}': Address already in use`));
  server.close();
});

test('a datagram port that another process has', async () => {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  const udp = typed('udp.udp_proxy.v3.UdpProxyConfig', { stat_prefix: 'u', cluster: 'none' });
  const text = await refusal(
    { socket_address: { protocol: 'UDP', address: '127.0.0.1', port_value: port } },
    { listener_filters: [{ name: 'udp', typed_config: udp }] },
  );
  assert.ok(text.includes(`listener "front": cannot bind '127.0.0.1:${port}': Address already in use`));
  socket.close();
});

test('an address that is not of this machine', async () => {
  const text = await refusal({ socket_address: { address: '192.0.2.1', port_value: await freePort() } });
  assert.ok(text.includes('Cannot assign requested address'), text);
});
