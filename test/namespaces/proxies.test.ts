// Whole proxies under redirection: Heddle and the real Envoy with one configuration must tell the same story.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address } from '../../src/base/byte-stream.ts';
import { arePeersRequired, findEnvoy } from '../support/find-envoy.ts';
import { type ProxyKind, type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { hasSysAdmin, Lab } from './lab.ts';
import { INBOUND_PORT, LOCAL_MARK, loadRules, OUTBOUND_MARK, OUTBOUND_PORT, TRANSPARENT_PORT } from './rules.ts';

const lab = Lab.make();
const folder = mkdtempSync(join(tmpdir(), 'heddle-namespaces-'));
after(() => rmSync(folder, { recursive: true }));

if (typeof lab === 'string') {
  test('namespaces are refused for want of CAP_SYS_ADMIN, so redirection cannot be tried', () => {
    assert.equal(lab, 'unshare: error 1');
    assert.equal(hasSysAdmin(), false);
  });
} else {
  loadRules(lab);
  after(() => lab.close());
  test('Heddle under redirection', () => underRedirection(lab, 'heddle'));
  const envoy = findEnvoy();
  if (envoy.path !== null || arePeersRequired()) {
    test('Envoy under redirection', () => underRedirection(lab, 'envoy'));
  }
  test('an original destination that is the proxy itself is refused', () => itself(lab));
}

const TYPE = 'type.googleapis.com/envoy.extensions';
const LOG = [
  '%DOWNSTREAM_LOCAL_ADDRESS%',
  '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  '%UPSTREAM_REMOTE_ADDRESS%',
  '%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%',
  '%UPSTREAM_CLUSTER%',
  '%RESPONSE_FLAGS%',
].join(' ');

const relay = (cluster: string, path: string): object => ({
  name: 'tcp',
  typed_config: {
    '@type': `${TYPE}.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: cluster,
    cluster,
    access_log: [
      {
        name: 'file',
        typed_config: {
          '@type': `${TYPE}.access_loggers.file.v3.FileAccessLog`,
          path,
          log_format: { text_format_source: { inline_string: `${LOG}\n` } },
        },
      },
    ],
  },
});

const say = (text: string): object => ({
  name: 'say',
  typed_config: {
    '@type': `${TYPE}.filters.network.direct_response.v3.Config`,
    response: { inline_string: text },
  },
});

const virtual = (name: string, address: string, port: number): object => ({
  name,
  address: { socket_address: { address, port_value: port } },
  bind_to_port: false,
  filter_chains: [{ filters: [say(name)] }],
});

const cluster = (name: string, mark: number | null): object => ({
  name,
  type: 'ORIGINAL_DST',
  lb_policy: 'CLUSTER_PROVIDED',
  connect_timeout: '2s',
  ...(mark === null
    ? {}
    : {
        upstream_bind_config: { socket_options: [{ level: 1, name: 36, int_value: mark, state: 'STATE_PREBIND' }] },
      }),
});

function config(logPath: string): string {
  const any = (port: number): object => ({
    socket_address: { address: '::', port_value: port, ipv4_compat: true },
  });
  const original = {
    name: 'envoy.filters.listener.original_dst',
    typed_config: { '@type': `${TYPE}.filters.listener.original_dst.v3.OriginalDst` },
  };
  const source = {
    name: 'envoy.filters.listener.original_src',
    typed_config: { '@type': `${TYPE}.filters.listener.original_src.v3.OriginalSrc`, mark: LOCAL_MARK },
  };
  return JSON.stringify({
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    static_resources: {
      listeners: [
        {
          name: 'out',
          address: any(OUTBOUND_PORT),
          use_original_dst: true,
          filter_chains: [{ filters: [relay('outbound', logPath)] }],
        },
        virtual('virtual far', '10.99.0.2', 7002),
        virtual('virtual any', '0.0.0.0', 7003),
        virtual('virtual far v6', 'fd99::2', 7002),
        {
          name: 'in',
          address: any(INBOUND_PORT),
          listener_filters: [original],
          filter_chains: [
            { filter_chain_match: { destination_port: 8001 }, filters: [say('port 8001')] },
            { filters: [relay('inbound', logPath)] },
          ],
        },
        {
          name: 'transparent',
          address: any(TRANSPARENT_PORT),
          transparent: true,
          listener_filters: [original, source],
          filter_chains: [{ filters: [relay('inbound', logPath)] }],
        },
      ],
      clusters: [cluster('outbound', OUTBOUND_MARK), cluster('inbound', null)],
    },
  });
}

const ipv4 = (address: string, port: number): Address => ({ family: 'ipv4', address, port });
const ipv6 = (address: string, port: number): Address => ({ family: 'ipv6', address, port });

/** What a client hears that says nothing, or how it ends. */
function hear(socket: net.Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.setTimeout(3000, () => resolve('silence'));
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.on('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? 'error'));
    socket.on('end', () => resolve(text));
  }).finally(() => socket.destroy()) as Promise<string>;
}

async function underRedirection(lab: Lab, kind: ProxyKind): Promise<void> {
  const logPath = join(folder, `${kind}.log`);
  // Servers of the tests: each tells its client whom it sees.
  const tell = (socket: net.Socket): unknown => socket.end(`I see ${socket.remoteAddress}`);
  const places = [
    [lab.far, ipv4('10.99.0.2', 7001)],
    [lab.far, ipv6('fd99::2', 7001)],
    [lab.home, ipv4('10.99.0.1', 8005)],
    [lab.home, ipv4('10.99.0.1', 9001)],
    [lab.home, ipv6('fd99::1', 9001)],
  ] as const;
  const servers = await Promise.all(places.map(([where, address]) => where.listen(address, tell)));
  const proxy = await startProxy(kind, config(logPath), folder);
  try {
    const heard: Record<string, string> = {};
    const dial = async (what: string, socket: net.Socket): Promise<void> => {
      heard[what] = await hear(socket);
    };
    await dial('outbound', lab.home.connect(ipv4('10.99.0.2', 7001)));
    await dial('outbound v6', lab.home.connect(ipv6('fd99::2', 7001)));
    await dial('outbound, nobody there', lab.home.connect(ipv4('10.99.0.2', 7009)));
    await dial('handed to the listener of the address', lab.home.connect(ipv4('10.99.0.2', 7002)));
    await dial('handed to the listener of the address, v6', lab.home.connect(ipv6('fd99::2', 7002)));
    await dial('handed to the listener of any address', lab.home.connect(ipv4('10.99.0.3', 7003)));
    await dial('inbound, chain of the port', lab.far.connect(ipv4('10.99.0.1', 8001)));
    await dial('inbound, chain of the port, v6', lab.far.connect(ipv6('fd99::1', 8001)));
    await dial('inbound', lab.far.connect(ipv4('10.99.0.1', 8005)));
    await dial('transparent', lab.far.connect(ipv4('10.99.0.1', 9001), ipv4('10.99.0.3', 0)));
    await dial('transparent v6', lab.far.connect(ipv6('fd99::1', 9001)));
    assert.deepEqual(heard, {
      outbound: 'I see 10.99.0.1',
      'outbound v6': 'I see fd99::1',
      'outbound, nobody there': '',
      'handed to the listener of the address': 'virtual far',
      'handed to the listener of the address, v6': 'virtual far v6',
      'handed to the listener of any address': 'virtual any',
      'inbound, chain of the port': 'port 8001',
      'inbound, chain of the port, v6': 'port 8001',
      inbound: 'I see 10.99.0.1',
      transparent: 'I see 10.99.0.3',
      'transparent v6': 'I see fd99::2',
    });
    assert.deepEqual(await logLines(logPath, 6), [
      '10.99.0.2:7001 10.99.0.1 10.99.0.2:7001 10.99.0.1 outbound -',
      '[fd99::2]:7001 fd99::1 [fd99::2]:7001 fd99::1 outbound -',
      '10.99.0.2:7009 10.99.0.1 - - outbound UF,URX',
      '10.99.0.1:8005 10.99.0.2 10.99.0.1:8005 10.99.0.1 inbound -',
      '10.99.0.1:9001 10.99.0.3 10.99.0.1:9001 10.99.0.3 inbound -',
      '[fd99::1]:9001 fd99::2 [fd99::1]:9001 fd99::2 inbound -',
    ]);
  } finally {
    await proxy.stop();
    for (const server of servers) server.close();
  }
}

async function logLines(path: string, count: number): Promise<string[]> {
  for (let tries = 0; tries < 200; tries++) {
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    if (lines.length >= count) return lines;
    await sleep(10);
  }
  return readFileSync(path, 'utf8').split('\n');
}

/** Only Heddle: Envoy dials itself until it has no descriptors left. */
async function itself(lab: Lab): Promise<void> {
  const proxy = await startProxy('heddle', config(join(folder, 'itself.log')), folder);
  try {
    for (const port of [OUTBOUND_PORT, INBOUND_PORT, TRANSPARENT_PORT]) {
      for (const address of [ipv4('10.99.0.1', port), ipv6('fd99::1', port)]) {
        assert.equal(await hear(lab.far.connect(address)), '', `${address.address}:${port}`);
      }
    }
    assert.equal(await counter(proxy, 'cluster.outbound.upstream_cx_total'), 0);
    assert.equal(await counter(proxy, 'cluster.inbound.upstream_cx_total'), 0);
  } finally {
    await proxy.stop();
  }
}

async function counter(proxy: ProxyProcess, name: string): Promise<number> {
  const { body } = await proxy.admin(`/stats?filter=^${name}$`);
  return Number(/: (\d+)/.exec(body)?.[1]);
}
