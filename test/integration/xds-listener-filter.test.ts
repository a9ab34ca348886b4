// Listener filters and last network filters that are only named: waited for, followed, missed; by Envoy and by Heddle.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { AdsServer } from '../support/ads-server.ts';
import { findEnvoy } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import type { ProxyKind } from '../support/proxy-process.ts';
import { type Json, stat, until } from './heddle.ts';
import { ADS, answer, EXTENSION, LISTENER, listener, put, type Rig, routes, startRig, typed } from './xds-types-rig.ts';

const NETWORK = 'envoy.extensions.filters.network';
const PROXY_PROTOCOL = 'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol';
const TLS_INSPECTOR = 'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector';
const DIRECT = `${NETWORK}.direct_response.v3.Config`;
const HCM = `${NETWORK}.http_connection_manager.v3.HttpConnectionManager`;
const RBAC = `${NETWORK}.rbac.v3.RBAC`;

const KINDS = findEnvoy().path === null ? (['heddle'] as const) : (['envoy', 'heddle'] as const);

const named = (name: string, types: readonly string[], more: Json = {}): Json => ({
  name,
  config_discovery: { config_source: ADS, type_urls: types.map((type) => `a/${type}`), ...more },
});
const END: Json = { name: 'end', typed_config: typed(`${NETWORK}.echo.v3.Echo`) };
const PLAIN = 'hello, this is no header of a proxy at all';
const TOLD = `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n${PLAIN}`;
const direct = (text: string): Json => typed(DIRECT, { response: { inline_string: text } });
const chain = (port: number, filters: readonly Json[], listenerFilters: readonly Json[] = [], name = 'main'): Json => ({
  name,
  address: { socket_address: { address: '127.0.0.1', port_value: port } },
  listener_filters: listenerFilters,
  filter_chains: [{ filters }],
});

/** What comes back of one connection that sends `text`, or why nothing does. */
function tell(port: number, text = ''): Promise<string> {
  return new Promise((resolve) => {
    let got = '';
    const socket = connect(port, '127.0.0.1', () => text !== '' && socket.write(text));
    socket.on('data', (bytes) => {
      got += bytes.toString();
      if (text.endsWith(got)) socket.destroy();
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED' ? 'refused' : 'closed'));
    socket.on('close', () => resolve(got === '' ? 'closed' : got));
    setTimeout(() => resolve('silence'), 1000).unref();
  });
}

const becomes = (what: string, port: number, text?: string): Promise<void> =>
  until(`a connection is told: ${what}`, async () => (await tell(port, text)) === what, 10_000);

async function listenerFilter(kind: ProxyKind, form: string, args: readonly string[] = []): Promise<void> {
  const filter = named('first', [PROXY_PROTOCOL]);
  const prepare = (ads: AdsServer, port: number): void => {
    const inspector = { name: 'inspector', typed_config: typed(TLS_INSPECTOR) };
    put(ads, LISTENER, 'main', chain(port, [END], [inspector, filter]));
    put(ads, EXTENSION, 'first', { name: 'first', typed_config: typed(PROXY_PROTOCOL) });
  };
  const { ads, proxy, port, stop } = await startRig(kind, form, prepare, {}, args);
  const configure = (more: Json): void =>
    put(ads, EXTENSION, 'first', { name: 'first', typed_config: typed(PROXY_PROTOCOL, more) });
  try {
    await becomes(PLAIN, port, TOLD);
    assert.equal(await tell(port, PLAIN), 'closed');
    configure({ allow_requests_without_proxy_protocol: true });
    await becomes(PLAIN, port, PLAIN);
    assert.equal(ads.nacks.length, 0);
    put(ads, EXTENSION, 'first', { name: 'first', typed_config: typed(TLS_INSPECTOR) });
    await ads.until(() => ads.nacks.length > 0);
    const reason = `Error: filter config has type URL ${TLS_INSPECTOR} but expect ${PROXY_PROTOCOL}.`;
    assert.ok(ads.nacks[0]?.error?.includes(reason), ads.nacks[0]?.error ?? '');
    const prefix = 'extension_config_discovery.tcp_listener_filter.first.';
    assert.deepEqual([await stat(proxy, `${prefix}config_reload`), await stat(proxy, `${prefix}config_fail`)], [2, 1]);
    assert.equal(await tell(port, PLAIN), PLAIN);
    if (form !== 'DELTA_GRPC') return;
    const missing = `listener.127.0.0.1_${port}.extension_config_missing`;
    assert.equal(await stat(proxy, missing), 0);
    ads.remove(EXTENSION, 'first');
    await becomes('closed', port, PLAIN);
    assert.ok((await stat(proxy, missing)) > 0);
    configure({ allow_requests_without_proxy_protocol: true });
    await becomes(PLAIN, port, PLAIN);
  } finally {
    await stop();
  }
}

async function fallBack(kind: ProxyKind): Promise<void> {
  const more = { default_config: typed(PROXY_PROTOCOL), apply_default_config_without_warming: true };
  const prepare = (ads: AdsServer, port: number): void => {
    put(ads, LISTENER, 'main', chain(port, [END], [named('first', [PROXY_PROTOCOL], more)]));
  };
  const { ads, port, stop } = await startRig(kind, 'GRPC', prepare);
  try {
    await becomes(PLAIN, port, TOLD);
    assert.equal(await tell(port, PLAIN), 'closed');
    const open = typed(PROXY_PROTOCOL, { allow_requests_without_proxy_protocol: true });
    put(ads, EXTENSION, 'first', { name: 'first', typed_config: open });
    await becomes(PLAIN, port, PLAIN);
  } finally {
    await stop();
  }
}

/** Envoy does not ask for routes that such a manager names. */
const manager = (): Json => {
  const { filter_chains } = listener('http', 1, [], { rds: undefined, route_config: routes('own') }) as {
    filter_chains: [{ filters: [{ typed_config: Json }] }];
  };
  return filter_chains[0].filters[0].typed_config;
};

async function lastFilter(kind: ProxyKind, form: string, args: readonly string[] = []): Promise<void> {
  const prepare = (ads: AdsServer, port: number): void => {
    put(ads, LISTENER, 'main', chain(port, [named('end', [DIRECT, HCM, RBAC])]));
    put(ads, EXTENSION, 'end', { name: 'end', typed_config: direct('one') });
  };
  const rig: Rig = await startRig(kind, form, prepare, {}, args);
  const { ads, proxy, port, stop } = rig;
  const configure = (typed_config: Json): void => put(ads, EXTENSION, 'end', { name: 'end', typed_config });
  try {
    await becomes('one', port);
    configure(direct('two'));
    await becomes('two', port);
    configure(manager());
    await until('the requests are served', async () => (await answer(port)) === 'none');
    assert.equal(ads.nacks.length, 0);
    const kept = connect(port, '127.0.0.1');
    const told: string[] = [];
    kept.on('data', (text) => told.push(text.toString()));
    kept.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await until('it is answered', () => told.join('').includes('200 OK'));
    configure(direct('three'));
    await becomes('three', port);
    told.length = 0;
    kept.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await until('who came before is served as before', () => told.join('').includes('200 OK'));
    kept.destroy();
    const rules = { action: 'ALLOW', policies: { all: { permissions: [{ any: true }], principals: [{ any: true }] } } };
    configure(typed(RBAC, { stat_prefix: 'a.', rules }));
    await ads.until(() => ads.nacks.length > 0);
    const name = 'non-terminal filter named end of type envoy.filters.network.rbac';
    const reason = `Error: ${name} is the last filter in a network filter chain.`;
    assert.ok(ads.nacks[0]?.error?.includes(reason), ads.nacks[0]?.error ?? '');
    assert.equal(await tell(port), 'three');
    if (form !== 'DELTA_GRPC') return;
    ads.remove(EXTENSION, 'end');
    await becomes('closed', port);
    assert.ok((await stat(proxy, `listener.127.0.0.1_${port}.network_extension_config_missing`)) > 0);
  } finally {
    await stop();
  }
}

/** Servers of the state of the world do not say that there is none. */
async function warm(kind: ProxyKind): Promise<void> {
  const prepare = (ads: AdsServer, port: number): void => put(ads, LISTENER, 'main', chain(port, [END]));
  const { ads, port, stop } = await startRig(kind, 'GRPC', prepare);
  try {
    await becomes(PLAIN, port, PLAIN);
    const [first, last] = [await freePort(), await freePort()];
    put(ads, LISTENER, 'first', chain(first, [END], [named('first', [PROXY_PROTOCOL])], 'first'));
    put(ads, LISTENER, 'last', chain(last, [named('last', [DIRECT])], [], 'last'));
    await ads.until(() => ads.of(EXTENSION).some(({ names }) => names.length === 2));
    // The sockets of Heddle are bound, and who comes waits, too.
    const early = kind === 'envoy' ? 'refused' : 'silence';
    assert.deepEqual(await Promise.all([tell(first, PLAIN), tell(last)]), [early, early]);
    const open = typed(PROXY_PROTOCOL, { allow_requests_without_proxy_protocol: true });
    put(ads, EXTENSION, 'first', { name: 'first', typed_config: open });
    put(ads, EXTENSION, 'last', { name: 'last', typed_config: direct('last') });
    await becomes(PLAIN, first, PLAIN);
    await becomes('last', last);
  } finally {
    await stop();
  }
}

for (const kind of KINDS) {
  test(`listeners wait for what they name (${kind})`, () => warm(kind));
  for (const form of ['GRPC', 'DELTA_GRPC']) {
    test(`a listener filter follows what it is named for (${kind}, ${form})`, () => listenerFilter(kind, form));
    test(`a last filter follows what it is named for (${kind}, ${form})`, () => lastFilter(kind, form));
  }
  test(`a listener filter has a fallback (${kind})`, () => fallBack(kind));
}
test('both follow in two workers', async () => {
  await listenerFilter('heddle', 'DELTA_GRPC', ['--concurrency', '2']);
  await lastFilter('heddle', 'DELTA_GRPC', ['--concurrency', '2']);
});
