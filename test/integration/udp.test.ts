// UDP on real sockets: several workers, both IP versions, addresses that are not there yet, and the end of the process.
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/free-ports.ts';
import { type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { type Json, runHeddle, scratchFolder, stat, until, writeConfig } from './heddle.ts';

const FILTERS = 'type.googleapis.com/envoy.extensions.filters';
const STDOUT = 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog';

let backend: Socket;
/** Ports that sessions came from, by what they said. */
const heard = new Map<string, number>();

before(async () => {
  backend = createSocket('udp4');
  backend.on('message', (chunk, { port, address }) => {
    heard.set(String(chunk), port);
    backend.send(`re ${String(chunk)}`, port, address);
  });
  await new Promise<void>((resolve) => backend.bind(0, '127.0.0.1', resolve));
});

after(() => backend.close());

function address(ip: string, port: number, fields: Json = {}): Json {
  return { socket_address: { protocol: 'UDP', address: ip, port_value: port, ...fields } };
}

function config(listen: Json, fields: Json = {}, proxy: Json = {}): Json {
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: address('127.0.0.1', backend.address().port) } }] }];
  const udpProxy = { '@type': `${FILTERS}.udp.udp_proxy.v3.UdpProxyConfig`, stat_prefix: 'u', cluster: 'up', ...proxy };
  return {
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    static_resources: {
      listeners: [
        {
          name: 'front',
          address: listen,
          listener_filters: [{ name: 'udp', typed_config: udpProxy }],
          ...fields,
        },
      ],
      clusters: [{ name: 'up', connect_timeout: '1s', load_assignment: { cluster_name: 'up', endpoints } }],
    },
  };
}

function start(text: Json, ...args: string[]): Promise<ProxyProcess> {
  return startProxy('heddle', JSON.stringify(text), scratchFolder(), args);
}

class Client {
  readonly answers: string[] = [];
  readonly #socket: Socket;
  readonly #to: { readonly port: number; readonly ip: string };

  constructor(port: number, ip = '127.0.0.1') {
    this.#socket = createSocket(ip.includes(':') ? 'udp6' : 'udp4');
    this.#socket.on('message', (chunk) => this.answers.push(String(chunk)));
    this.#to = { port, ip };
  }

  async ask(text: string): Promise<void> {
    this.#socket.send(text, this.#to.port, this.#to.ip);
    await until(`an answer to ${text}`, () => this.answers.includes(`re ${text}`));
  }

  close(): void {
    this.#socket.close();
  }
}

test('two workers share the clients, and each client stays with one', async () => {
  const port = await freePort();
  const proxy = await start(config(address('127.0.0.1', port)), '--concurrency', '2');
  const clients = Array.from({ length: 40 }, () => new Client(port));
  await Promise.all(clients.map((client, i) => client.ask(`${i} first`)));
  await Promise.all(clients.map((client, i) => client.ask(`${i} second`)));
  for (const i of clients.keys()) assert.equal(heard.get(`${i} first`), heard.get(`${i} second`));
  await until('all sessions to be counted', async () => (await stat(proxy, 'udp.u.downstream_sess_active')) === 40);
  assert.equal(await stat(proxy, 'udp.u.downstream_sess_rx_datagrams'), 80);
  assert.equal(await stat(proxy, 'cluster.up.udp.sess_rx_datagrams'), 80);
  for (const client of clients) client.close();
  await proxy.stop();
});

test('several workers need a socket each', async () => {
  const port = await freePort();
  const alone = config(address('127.0.0.1', port), { enable_reuse_port: false });
  const { code, stdout, stderr } = await runHeddle('-c', writeConfig(alone), '--concurrency', '2');
  assert.equal(code, 1);
  assert.match(stdout + stderr, /Listening on UDP when concurrency is > 1 without the SO_REUSEPORT socket option/);
  const proxy = await start(alone, '--concurrency', '1');
  const client = new Client(port);
  await client.ask('alone');
  client.close();
  await proxy.stop();
});

test('one socket serves both IP versions', async () => {
  const port = await freePort();
  const proxy = await start(config(address('::', port, { ipv4_compat: true })));
  const clients = [new Client(port, '::1'), new Client(port, '127.0.0.1')];
  await Promise.all(clients.map((client, i) => client.ask(`version ${i}`)));
  for (const client of clients) client.close();
  await proxy.stop();
});

test('an address need not be there yet', async () => {
  const port = await freePort();
  const proxy = await start(config(address('192.0.2.1', port), { freebind: true }));
  assert.equal((await proxy.admin('/listeners')).body, `front::192.0.2.1:${port}\n`);
  await proxy.stop();
});

test('the end of the process ends sessions and writes what they did', async () => {
  const port = await freePort();
  const log = (text: string): Json => ({
    name: 'stdout',
    typed_config: { '@type': STDOUT, log_format: { text_format_source: { inline_string: `${text}\n` } } },
  });
  const proxy = await start(
    config(
      address('127.0.0.1', port),
      {},
      {
        access_log: [log('SESSION %BYTES_RECEIVED% %DYNAMIC_METADATA(udp.proxy.session:datagrams_sent)%')],
        proxy_access_log: [log('PROXY %BYTES_SENT% %DYNAMIC_METADATA(udp.proxy.proxy:session_total)%')],
      },
    ),
  );
  const client = new Client(port);
  await client.ask('last words');
  client.close();
  await sleep(50);
  await proxy.stop();
  assert.match(proxy.output, /^SESSION 10 1$/m);
  assert.match(proxy.output, /^PROXY 13 1$/m);
});
