// Dynamic forward proxies with sub clusters, and requests that are mirrored to dynamic forward proxies.
import { makeCertificate } from '../../support/certificates.ts';
import type { Case, Group, Observation } from '../case.ts';
import { any, bootstrap, cluster, type Fields, filter, http, route, textLog } from '../config.ts';
import { get, post } from '../messages.ts';
import type { ConfigCase } from './bad-configs.ts';
import {
  cacheStats,
  cares,
  dnsCache,
  forwardCluster,
  forwardFilter,
  HERE,
  perRoute,
  THERE,
} from './forward-proxy-config.ts';
import { ca, trusted } from './tls-fixtures.ts';

const PORT = '{{backend.a}}';
const LOG = '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% to=%UPSTREAM_CLUSTER% at=%UPSTREAM_HOST%\n';

/** A cluster that makes sub clusters, which ask the group's DNS server. */
export function subCluster(name: string, sub: Fields = {}, around: Fields = {}): Fields {
  return {
    ...forwardCluster(
      name,
      {},
      { dns_lookup_family: 'V4_ONLY', dns_refresh_rate: '60s', typed_dns_resolver_config: cares(), ...around },
      { dns_cache_config: undefined, sub_clusters_config: sub },
    ),
  };
}

export function subFilter(sub: Fields = {}, fields: Fields = {}): Fields {
  return forwardFilter({}, { dns_cache_config: undefined, sub_cluster_config: sub, ...fields });
}

type Sub = {
  readonly name: string;
  readonly sub?: Fields;
  readonly cluster?: Fields;
  readonly filters?: readonly Fields[];
  readonly routes?: readonly Fields[];
  readonly hcm?: Fields;
};

function proxy({ name, sub, cluster: around, filters = [subFilter()], routes = [route('/', name)], hcm = {} }: Sub) {
  const log = [textLog(LOG)];
  return { listener: http({ name, routes, filters, log, hcm }), cluster: subCluster(name, sub, around) };
}

const setState = (key: string, value: string): Fields =>
  filter('state', 'envoy.extensions.filters.http.set_filter_state.v3.Config', {
    on_request_headers: [
      { object_key: key, format_string: { text_format_source: { inline_string: value }, omit_empty_values: true } },
    ],
  });

/** Of the cluster that is named and of all that were made, by names without ports. */
function subStats(name: string): string[] {
  return [
    `^cluster\\.(${name}|DFPCluster_.*)\\.(membership_(change|total)|upstream_cx_(total|none_healthy)|` +
      'upstream_rq_(total|completed|[1-5]xx|retry)|lb_healthy_panic|' +
      'update_(attempt|success|failure|no_rebuild|empty))$',
    '^cluster_manager\\.(active_clusters|cluster_(added|modified|removed)|warming_clusters)$',
  ];
}

function ask(name: string, to: string, host: string, more: Partial<Case> = {}): Case {
  return { name, to, send: get('/', `host: ${host}`), stats: subStats(to), ...more };
}

const connectRoute = (name: string): Fields => ({
  match: { connect_matcher: {} },
  route: { cluster: name, upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }] },
});

const proxies: readonly Sub[] = [
  { name: 'main' },
  { name: 'quick', filters: [subFilter({ cluster_init_timeout: '0.3s' })] },
  { name: 'few', sub: { max_sub_clusters: 2 } },
  { name: 'bare', filters: [] },
  { name: 'other-filter', filters: [forwardFilter(dnsCache('c'))] },
  {
    name: 'rewrite',
    routes: [
      { ...route('/literal', 'rewrite'), ...perRoute({ host_rewrite_literal: `literal.test:${PORT}` }) },
      { ...route('/header', 'rewrite'), ...perRoute({ host_rewrite_header: 'x-host' }) },
      route('/late', 'rewrite', { host_rewrite_literal: `late.test:${PORT}` }),
      route('/auto', 'rewrite', { auto_host_rewrite: true }),
      route('/by-header', '', { cluster: undefined, cluster_header: 'x-cluster' }),
      route('/plain', 'a'),
    ],
  },
  {
    name: 'state',
    filters: [
      setState('envoy.upstream.dynamic_host', '%REQ(X-TO)%'),
      setState('envoy.upstream.dynamic_port', '%REQ(X-PORT)%'),
      subFilter({}, { allow_dynamic_host_from_filter_state: true }),
    ],
  },
  { name: 'turns' },
  { name: 'least', sub: { lb_policy: 'LEAST_REQUEST' } },
  { name: 'random', sub: { lb_policy: 'RANDOM' } },
  { name: 'alt', cluster: { alt_stat_name: 'other' } },
  { name: 'retries', routes: [route('/', 'retries', { retry_policy: { retry_on: '5xx', num_retries: 1 } })] },
  { name: 'saves', filters: [subFilter({}, { save_upstream_address: true })] },
  {
    name: 'breaker',
    cluster: { circuit_breakers: { thresholds: [{ max_requests: 0, max_connections: 0, max_pending_requests: 0 }] } },
  },
  {
    name: 'connect',
    hcm: { upgrade_configs: [{ upgrade_type: 'CONNECT' }] },
    routes: [connectRoute('connect')],
  },
];

const made = proxies.map(proxy);

const names: Group = {
  name: 'forward proxy, sub clusters',
  config: bootstrap({
    listeners: made.map(({ listener }) => listener),
    clusters: [...made.map(({ cluster: own }) => own), cluster('a')],
  }),
  dns: {
    main: {
      'one.test': [HERE],
      'there.test': [THERE],
      'none.test': [],
      'servfail.test': { code: 2 },
      'slow.test': { delayMs: 200, answers: [HERE] },
      'body.test': { delayMs: 150, answers: [HERE] },
      'late-one.test': { delayMs: 600, answers: [HERE] },
      'first.test': [HERE],
      'second.test': [HERE],
      'literal.test': [HERE],
      'header.test': [HERE],
      'late.test': [HERE],
      'orig.test': [HERE],
      'state.test': [HERE],
      'turns.test': [HERE, THERE],
      'least.test': [HERE],
      'random.test': [HERE],
      'alt.test': [HERE],
      'retry.test': [HERE],
      'saved.test': [HERE],
      'closed.test': [HERE],
      'connect.test': [HERE],
    },
  },
  cases: [
    ask('a name', 'main', `one.test:${PORT}`),
    ask('the same name again', 'main', `one.test:${PORT}`),
    ask('letters are kept apart', 'main', `ONE.test:${PORT}`),
    ask('a name with a final dot', 'main', `one.test.:${PORT}`),
    ask('without a port it is 80', 'main', 'there.test'),
    ask('nobody listens', 'main', `there.test:${PORT}`),
    ask('no addresses', 'main', `none.test:${PORT}`),
    ask('no addresses, again', 'main', `none.test:${PORT}`),
    ask('SERVFAIL', 'main', 'servfail.test'),
    ask('NXDOMAIN', 'main', 'missing.test'),
    ask('an IPv4 address', 'main', `${HERE}:${PORT}`),
    ask('an IPv6 address', 'main', '[::1]:1'),
    ask('an IPv6 address without a port', 'main', '[::1]'),
    ask('port 0', 'main', 'one.test:0'),
    ask('a port that is too large', 'main', 'one.test:70000'),
    ask('an empty port', 'main', 'one.test:'),
    ask('an empty label', 'main', 'a..test'),
    ask('a slow answer', 'main', `slow.test:${PORT}`),
    { ...ask('a body waits for the cluster', 'main', 'x'), send: post('/', 'hello', `host: body.test:${PORT}`) },
    { ...ask('an empty host', 'main', 'x'), send: 'GET / HTTP/1.1\r\nhost: \r\n\r\n', timeoutMs: 8000 },
    ask('too slow an answer', 'quick', `late-one.test:${PORT}`, { settleMs: 500 }),
    ask('it came in the end', 'quick', `late-one.test:${PORT}`),
    ask('the first of two', 'few', `first.test:${PORT}`),
    ask('the second of two', 'few', `second.test:${PORT}`),
    ask('the third of two', 'few', 'third.test'),
    ask('one that is there', 'few', `first.test:${PORT}`),
    ask('no filter makes a cluster', 'bare', 'nobody.test'),
    ask('another filter’s cluster is there', 'bare', `one.test:${PORT}`),
    ask('a filter with a cache', 'other-filter', `with-cache.test:${PORT}`),
    { ...ask('a literal host', 'rewrite', 'x'), send: get('/literal', 'host: o.test') },
    {
      ...ask('a host from a header', 'rewrite', 'x'),
      send: get('/header', 'host: o.test', `x-host: header.test:${PORT}`),
    },
    { ...ask('the router rewrites the host later', 'rewrite', 'x'), send: get('/late', `host: orig.test:${PORT}`) },
    { ...ask('the router takes the name of the host', 'rewrite', 'x'), send: get('/auto', `host: orig.test:${PORT}`) },
    {
      ...ask('a cluster that a header names', 'rewrite', 'x'),
      send: get('/by-header', `host: orig.test:${PORT}`, 'x-cluster: rewrite'),
    },
    {
      ...ask('a sub cluster that a header names', 'rewrite', 'x'),
      send: get('/by-header', 'host: o.test', `x-cluster: DFPCluster:one.test:${PORT}`),
    },
    { ...ask('another cluster', 'rewrite', 'x'), send: get('/plain', 'host: missing.test') },
    {
      ...ask('filter state names the same host', 'state', 'x'),
      send: get('/', `host: state.test:${PORT}`, `x-to: state.test:${PORT}`),
    },
    {
      ...ask('filter state names another host', 'state', 'x'),
      send: get('/', 'host: unknown.test', `x-to: state.test:${PORT}`),
    },
    {
      ...ask('filter state names a host that nobody made', 'state', 'x'),
      send: get('/', `host: state.test:${PORT}`, 'x-to: nowhere.test'),
    },
    {
      ...ask('filter state names the port', 'state', 'x'),
      send: get('/', 'host: state.test', `x-port: ${PORT}`),
    },
    {
      ...ask('hosts take turns', 'turns', 'x'),
      send: [1, 2, 3, 4].flatMap(() => [get('/', `host: turns.test:${PORT}`), { read: 1 }] as const),
      // Which one is first is drawn.
      view: ({ log }) => log.sort(),
    },
    ask('fewest requests', 'least', `least.test:${PORT}`),
    ask('at random', 'random', `random.test:${PORT}`),
    ask('another name for statistics', 'alt', `alt.test:${PORT}`, {
      stats: ['^cluster\\.other\\.(upstream_(cx|rq)_total|membership_total|upstream_rq_2xx)$'],
    }),
    ask('a retry', 'retries', `retry.test:${PORT}`, { upstream: ['HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n'] }),
    ask('a retry where nothing was found', 'retries', 'missing-too.test'),
    ask('an address that is not kept', 'saves', `saved.test:${PORT}`),
    ask('limits are those of the sub cluster', 'breaker', `closed.test:${PORT}`, {
      stats: ['^cluster\\.(breaker|DFPCluster_closed.*)\\.upstream_rq_(pending_overflow|503|total)$'],
    }),
    {
      ...ask('CONNECT', 'connect', 'x'),
      send: [
        `CONNECT connect.test:${PORT} HTTP/1.1\r\nhost: connect.test:${PORT}\r\n\r\n`,
        { read: 1 },
        'GET /through HTTP/1.1\r\nhost: inner\r\n\r\n',
        { wait: 100 },
      ],
      settleMs: 50,
      view: (observation) => observation,
    },
    {
      ...ask('the dump of the clusters', 'main', `one.test:${PORT}`),
      admin: ['GET /config_dump?resource=dynamic_active_clusters&name_regex=DFPCluster:(one|least|alt)%5C.test:.*'],
      view: ({ admin }) => dumpOf(admin),
    },
    {
      ...ask('the list of the clusters', 'main', `one.test:${PORT}`),
      admin: ['GET /clusters?filter=DFPCluster:(one|least|alt)'],
      view: ({ admin }) => listOf(admin),
    },
    {
      ...ask('no clusters are dumped that are not asked for', 'main', `one.test:${PORT}`),
      admin: ['GET /config_dump?resource=dynamic_active_clusters&name_regex=x'],
      view: ({ admin }) => Object.values(admin ?? {}).map(({ body }) => body),
    },
  ],
};

/** Without times and ports, in the order of the names. */
function dumpOf(admin: Observation['admin']): unknown {
  const [answer] = Object.values(admin ?? {});
  const { configs } = JSON.parse(answer?.body ?? '{}') as { configs?: Fields[] };
  const texts = (configs ?? []).map(({ last_updated: _, ...rest }) => JSON.stringify(rest).replace(/\d{4,5}/g, 'PORT'));
  return texts.sort();
}

function listOf(admin: Observation['admin']): unknown {
  const lines = Object.values(admin ?? {})[0]?.body.split('\n') ?? [];
  return lines
    .filter((line) => !/::(cx|rq)_/.test(line))
    .map((line) => line.replace(/\d{4,5}/g, 'PORT'))
    .sort();
}

// ─── Times ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const idle = proxy({ name: 'idle', sub: { sub_cluster_ttl: '1s' } });

// Looks of the two proxies for idle clusters begin at other times: only what is certain is compared.
const times: Group = {
  name: 'forward proxy, sub cluster times',
  config: bootstrap({ listeners: [idle.listener], clusters: [idle.cluster, cluster('a')] }),
  dns: { main: { 'idle.test': [HERE] } },
  cases: [
    ask('it is there', 'idle', `idle.test:${PORT}`, { stats: ['^cluster_manager\\.(active_clusters|cluster_added)$'] }),
    {
      ...ask('it is forgotten', 'idle', 'x'),
      send: [{ wait: 2600 }],
      timeoutMs: 6000,
      stats: ['^cluster_manager\\.(active_clusters|cluster_removed)$'],
    },
    ask('it comes again', 'idle', `idle.test:${PORT}`, {
      stats: ['^cluster_manager\\.(active_clusters|cluster_added)$'],
    }),
  ],
};

// ─── Copies ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const copies = { name: 'copies', dns_lookup_family: 'V4_ONLY', typed_dns_resolver_config: cares() };
const mirror = (prefix: string, fields: Fields): Fields =>
  route(prefix, 'a', { request_mirror_policies: [{ cluster: 'copies', ...fields }] });

const mirrored: Group = {
  name: 'forward proxy, mirrors',
  config: bootstrap({
    listeners: [
      http({
        name: 'main',
        filters: [setState('envoy.upstream.dynamic_host', '%REQ(X-TO)%')],
        routes: [
          mirror('/plain', { disable_shadow_host_suffix_append: true }),
          mirror('/sub', { cluster: 'sub', disable_shadow_host_suffix_append: true }),
          mirror('/', {}),
        ],
      }),
    ],
    clusters: [forwardCluster('copies', copies), subCluster('sub'), cluster('a'), cluster('b')],
  }),
  dns: {
    main: {
      'suffix.test-shadow': [HERE],
      'plain.test': [HERE],
      'slow.test': { delayMs: 150, answers: [HERE] },
      'state.test': [HERE],
      'nothing.test': { delayMs: 100, code: 3 },
    },
  },
  cases: [
    copy('a copy goes to a name of its own', get('/', 'host: suffix.test:{{backend.b}}')),
    copy('a copy goes to the same name', get('/plain', 'host: plain.test:{{backend.b}}')),
    copy('and again', get('/plain', 'host: plain.test:{{backend.b}}')),
    copy('a copy waits for its name', get('/plain', 'host: slow.test:{{backend.b}}')),
    copy('a copy with a body waits', post('/plain', 'hello', 'host: SLOW.test:{{backend.b}}')),
    copy('a copy without a name', get('/plain', 'host: nothing.test:1'), 1),
    copy('a copy without a name, known', get('/plain', 'host: nothing.test:1'), 1),
    copy(
      'filter state does not go along',
      get('/plain', 'host: plain.test:{{backend.b}}', 'x-to: state.test:{{backend.b}}'),
    ),
    copy('nobody makes a sub cluster for a copy', get('/sub', 'host: plain.test:{{backend.b}}'), 1),
  ],
};

function copy(name: string, send: string, awaitRequests = 2): Case {
  const stats = [...cacheStats('copies'), '^cluster\\.sub\\.(upstream_(cx_none_healthy|rq_503))$'];
  return { name, send, stats, awaitRequests, settleMs: 250 };
}

// ─── TLS ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const UPSTREAM_TLS = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
const server = makeCertificate({ issuer: ca, subject: [['CN', 's']], sans: [{ dns: 'good.test' }, { ip: HERE }] });
const tls: Fields = {
  transport_socket: {
    name: 'envoy.transport_sockets.tls',
    typed_config: any(UPSTREAM_TLS, { common_tls_context: { validation_context: trusted } }),
  },
};
const secure = proxy({ name: 'main', cluster: tls });

const tlsGroup: Group = {
  name: 'forward proxy, sub cluster tls',
  config: bootstrap({ listeners: [secure.listener], clusters: [secure.cluster, cluster('s')] }),
  upstreamTls: { s: { cert: server.chainPem, key: server.keyPem } },
  dns: { main: { 'good.test': [HERE], 'bad.test': [HERE], 'there.test': [THERE] } },
  cases: [
    askTls('the name is asked for and proved', 'good.test:{{backend.s}}'),
    askTls('another name is not proved', 'bad.test:{{backend.s}}'),
    askTls('an address is proved', `${HERE}:{{backend.s}}`),
    askTls('without a port it is 443', 'there.test'),
  ],
};

function askTls(name: string, host: string): Case {
  const ssl = '^cluster\\.DFPCluster.*\\.ssl\\.(handshake|connection_error|fail_.*)$';
  // What a server sees of a client that does not believe it is a matter of the TLS tables.
  const view: Case['view'] = ({ upstreamTls: _, ...rest }) => rest;
  return ask(name, 'main', host, { stats: [...subStats('main'), ssl], settleMs: 30, view });
}

export const forwardProxySubGroups: readonly Group[] = [names, times, mirrored, tlsGroup];

// ─── What is refused ────────────────────────────────────────────────────────────────────────────────────────────────

function withSub(sub: Fields, around: Fields = {}, own: Fields = {}): Fields {
  const dfp = {
    ...forwardCluster('dfp', {}, around, { dns_cache_config: undefined, sub_clusters_config: sub, ...own }),
  };
  return bootstrap({ listeners: [http({ name: 'main', routes: [route('/', 'dfp')] })], clusters: [dfp] });
}

function withSubFilter(sub: Fields): Fields {
  const listener = http({ name: 'main', routes: [route('/', 'dfp')], filters: [subFilter(sub)] });
  return bootstrap({
    listeners: [listener],
    clusters: [subCluster('dfp', {}, { typed_dns_resolver_config: undefined })],
  });
}

const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

export const forwardProxySubConfigCases: readonly ConfigCase[] = [
  { name: 'sub clusters: plain ones', config: withSub({}), isGood: true },
  {
    name: 'sub clusters: DNS of their own',
    config: withSub({}, { dns_lookup_family: 'V4_ONLY', dns_refresh_rate: '3s', respect_dns_ttl: true }),
    isGood: true,
  },
  {
    name: 'sub clusters: a balancer that there is not',
    config: withSub({ lb_policy: 'CLUSTER_PROVIDED' }),
    mentions: ['cluster "dfp"', 'sub_clusters_config.lb_policy', "unsupported lb_policy 'CLUSTER_PROVIDED'"],
  },
  {
    name: 'sub clusters: none',
    config: withSub({ max_sub_clusters: 0 }),
    mentions: ['max_sub_clusters'],
  },
  { name: 'sub clusters: no time', config: withSub({ sub_cluster_ttl: '0s' }), mentions: ['sub_cluster_ttl'] },
  {
    name: 'sub clusters: named beforehand',
    config: withSub({ preresolve_clusters: [{ address: 'one.test', port_value: 80 }] }),
    isGood: true,
  },
  {
    name: 'sub clusters: options without auto_sni',
    config: withSub(
      {},
      {
        typed_extension_protocol_options: {
          [OPTIONS]: any(OPTIONS, { explicit_http_config: { http_protocol_options: {} } }),
        },
      },
    ),
    mentions: ['cluster "dfp"', 'must have auto_sni and auto_san_validation true'],
  },
  {
    name: 'sub clusters: a filter that does not wait',
    config: withSubFilter({ cluster_init_timeout: '0s' }),
    mentions: ['cluster_init_timeout'],
  },
  { name: 'sub clusters: a filter', config: withSubFilter({ cluster_init_timeout: '3s' }), isGood: true },
];
