// Dynamic forward proxies: which names are looked up, what they become, and what is answered when they are nothing.
import type { Case, Group, Observation } from '../case.ts';
import { any, bootstrap, cluster, type Fields, filter, match, route } from '../config.ts';
import { get, post } from '../messages.ts';
import { cacheStats, cares, type Forward, forwardProxy, HERE, perRoute, THERE } from './forward-proxy-config.ts';

const PORT = '{{backend.a}}';

function group(name: string, proxies: readonly Forward[], rest: Omit<Group, 'name' | 'config'>, more: Fields[] = []) {
  const made = proxies.map(forwardProxy);
  const config = bootstrap({
    listeners: made.map(({ listener }) => listener),
    clusters: [...made.map(({ cluster: own }) => own), ...more],
  });
  return { name, config, ...rest } satisfies Group;
}

/** A request for the host, on the proxy of that name. */
function ask(name: string, to: string, host: string, more: Partial<Case> = {}): Case {
  return { name, to, send: get('/', `host: ${host}`), stats: cacheStats(to), ...more };
}

// ─── Names ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const setState = (key: string, value: string): Fields =>
  filter('state', 'envoy.extensions.filters.http.set_filter_state.v3.Config', {
    on_request_headers: [
      { object_key: key, format_string: { text_format_source: { inline_string: value }, omit_empty_values: true } },
    ],
  });

const SHARED = { host_ttl: '300s' };

const names: Group = group(
  'forward proxy, names',
  [
    { name: 'main', cache: SHARED },
    { name: 'bare', hasFilter: false },
    {
      name: 'rewrite',
      routes: [
        { ...route('/literal', 'rewrite'), ...perRoute({ host_rewrite_literal: `one.test:${PORT}` }) },
        { ...route('/header', 'rewrite'), ...perRoute({ host_rewrite_header: 'X-Host' }) },
        route('/late', 'rewrite', { host_rewrite_literal: `two.test:${PORT}` }),
        route('/auto', 'rewrite', { auto_host_rewrite: true }),
        route('/plain', 'a'),
        route('/by-header', '', { cluster: undefined, cluster_header: 'x-cluster' }),
        route('/weighted', '', {
          cluster: undefined,
          weighted_clusters: { clusters: [{ name: 'rewrite', weight: 1 }] },
        }),
        { match: { prefix: '/direct' }, direct_response: { status: 200 } },
      ],
    },
    {
      name: 'state',
      filter: { allow_dynamic_host_from_filter_state: true },
      before: [
        setState('envoy.upstream.dynamic_host', '%REQ(X-TO)%'),
        setState('envoy.upstream.dynamic_port', '%REQ(X-PORT)%'),
      ],
    },
    {
      name: 'ignored-state',
      before: [setState('envoy.upstream.dynamic_port', `%REQ(X-NONE)%${PORT}`)],
    },
    { name: 'auto', cache: { dns_lookup_family: 'AUTO' } },
    { name: 'all', cache: { dns_lookup_family: 'ALL' } },
    { name: 'v6', cache: { dns_lookup_family: 'V6_ONLY' } },
    {
      name: 'saves',
      filter: { save_upstream_address: true },
      log: 'at=%FILTER_STATE(envoy.stream.upstream_address)%\n',
    },
    {
      name: 'retries',
      routes: [route('/', 'retries', { retry_policy: { retry_on: '5xx', num_retries: 1 } })],
    },
    {
      name: 'retries-bare',
      hasFilter: false,
      routes: [route('/', 'retries-bare', { retry_policy: { retry_on: '5xx', num_retries: 1 } })],
    },
    {
      name: 'connect',
      hcm: { upgrade_configs: [{ upgrade_type: 'CONNECT' }] },
      routes: [
        {
          match: { connect_matcher: {} },
          route: { cluster: 'connect', upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }] },
        },
        match({ prefix: '/' }, 'connect'),
      ],
    },
    {
      name: 'two-caches',
      filterCache: { name: 'other', dns_lookup_family: 'V4_ONLY', typed_dns_resolver_config: cares() },
    },
  ],
  {
    dns: {
      main: {
        'one.test': [HERE],
        'two.test': [THERE, HERE],
        'there.test': [THERE],
        'none.test': [],
        'servfail.test': { code: 2 },
        'refused.test': { code: 5 },
        'alias.test': ['CNAME end.test', { owner: 'end.test', data: HERE }],
        'slow.test': { delayMs: 150, answers: [HERE] },
        'slow-none.test': { delayMs: 150, code: 3 },
        'late.test': [HERE],
        'body.test': { delayMs: 150, answers: [HERE] },
        'body2.test': { delayMs: 150, answers: [HERE] },
        'auto.test': [HERE],
        'all.test/A': [HERE],
        'all.test/AAAA': ['::1'],
        'silent.test': { silent: true },
      },
    },
    cases: [
      ask('a name', 'main', `one.test:${PORT}`),
      ask('the same name again', 'main', `one.test:${PORT}`),
      ask('letters are kept apart', 'main', `ONE.test:${PORT}`),
      ask('a name with a final dot', 'main', `one.test.:${PORT}`),
      ask('without a port it is 80', 'main', 'there.test'),
      ask('several addresses are tried in turn', 'main', `two.test:${PORT}`),
      ask('nobody listens', 'main', `there.test:${PORT}`),
      ask('no addresses', 'main', `none.test:${PORT}`),
      ask('no addresses, again', 'main', `none.test:${PORT}`),
      ask('NXDOMAIN', 'main', 'missing.test'),
      ask('SERVFAIL', 'main', 'servfail.test'),
      ask('SERVFAIL, again', 'main', 'servfail.test'),
      ask('REFUSED', 'main', 'refused.test'),
      ask('an alias', 'main', `alias.test:${PORT}`),
      ask('an IPv4 address', 'main', `${HERE}:${PORT}`),
      ask('an IPv6 address where only IPv4 is wanted', 'main', '[::1]:80'),
      ask('localhost', 'main', `localhost:${PORT}`),
      ask('port 0', 'main', 'one.test:0'),
      ask('a port that is too large', 'main', 'one.test:70000'),
      ask('an empty port', 'main', 'one.test:'),
      ask('an empty label', 'main', 'a..test'),
      ask('a very long name', 'main', `${'x'.repeat(64)}.test`),
      ask('an underscore', 'main', 'a_b.test'),
      ask('silence', 'main', 'silent.test', { timeoutMs: 8000 }),
      ask('a slow answer', 'main', `slow.test:${PORT}`),
      ask('a slow refusal', 'main', 'slow-none.test'),
      {
        ...ask('a body waits for the answer', 'main', 'x'),
        send: post('/', 'hello', `host: body.test:${PORT}`),
      },
      {
        ...ask('an absolute URL', 'main', 'x'),
        send: `GET http://one.test:${PORT}/path HTTP/1.1\r\nhost: ignored.test\r\n\r\n`,
      },
      { ...ask('an empty host', 'main', 'x'), send: 'GET / HTTP/1.1\r\nhost: \r\n\r\n' },
      ask('the cluster looks up itself', 'bare', `late.test:${PORT}`),
      ask('the cluster looks up itself, nothing', 'bare', 'missing.test'),
      ask('the cluster looks up itself, nothing again', 'bare', 'missing.test'),
      {
        ...ask('the cluster looks up itself while a body waits', 'bare', 'x'),
        send: post('/', 'hello', `host: body2.test:${PORT}`),
      },
      { ...ask('the cluster looks up itself, no host', 'bare', 'x'), send: 'GET / HTTP/1.1\r\nhost: \r\n\r\n' },
      {
        ...ask('a literal host', 'rewrite', 'x'),
        send: get('/literal', 'host: other.test'),
      },
      {
        ...ask('a host from a header', 'rewrite', 'x'),
        send: get('/header', 'host: o.test', `x-host: one.test:${PORT}`),
      },
      {
        ...ask('a host from a header twice', 'rewrite', 'x'),
        send: get('/header', 'host: o.test', `x-host: one.test:${PORT}`, 'x-host: other.test'),
      },
      { ...ask('a header that is empty', 'rewrite', 'x'), send: get('/header', `host: one.test:${PORT}`, 'x-host:') },
      { ...ask('a header that is missing', 'rewrite', 'x'), send: get('/header', `host: one.test:${PORT}`) },
      { ...ask('the router rewrites the host later', 'rewrite', 'x'), send: get('/late', `host: one.test:${PORT}`) },
      { ...ask('the router takes the name of the host', 'rewrite', 'x'), send: get('/auto', `host: one.test:${PORT}`) },
      { ...ask('another cluster', 'rewrite', 'x'), send: get('/plain', 'host: missing.test') },
      {
        ...ask('a cluster that a header names', 'rewrite', 'x'),
        send: get('/by-header', `host: one.test:${PORT}`, 'x-cluster: rewrite'),
      },
      {
        ...ask('a cluster of several', 'rewrite', 'x'),
        send: get('/weighted', `host: one.test:${PORT}`),
      },
      { ...ask('a route that answers itself', 'rewrite', 'x'), send: get('/direct', 'host: missing.test') },
      {
        ...ask('a host from filter state', 'state', 'x'),
        send: get('/', 'host: no.test', 'x-to: one.test', `x-port: ${PORT}`),
      },
      {
        ...ask('a host with a port from filter state', 'state', 'x'),
        send: get('/', 'host: no.test', `x-to: one.test:${PORT}`, 'x-port: 1'),
      },
      {
        ...ask('a port that is none from filter state', 'state', 'x'),
        send: get('/', 'host: no.test', 'x-to: one.test', 'x-port: 0'),
      },
      ask('filter state that the filter ignores', 'ignored-state', 'one.test'),
      ask('AUTO', 'auto', `auto.test:${PORT}`),
      ask('ALL', 'all', `all.test:${PORT}`),
      ask('an IPv6 address', 'v6', '[::1]:1'),
      ask('an IPv6 address without a port', 'v6', '[::1]'),
      ask('the address is kept', 'saves', `one.test:${PORT}`),
      ask('a retry', 'retries', `one.test:${PORT}`, { upstream: ['HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n'] }),
      ask('a retry where nothing was found', 'retries', 'missing.test'),
      ask('a retry where the cluster found nothing', 'retries-bare', 'missing.test'),
      {
        ...ask('CONNECT', 'connect', 'x'),
        send: [
          `CONNECT one.test:${PORT} HTTP/1.1\r\nhost: one.test:${PORT}\r\n\r\n`,
          { read: 1 },
          'GET /through HTTP/1.1\r\nhost: inner\r\n\r\n',
          { wait: 100 },
        ],
        settleMs: 50,
        view: (observation) => observation,
      },
      {
        ...ask('CONNECT to nothing', 'connect', 'x'),
        send: 'CONNECT missing.test:443 HTTP/1.1\r\nhost: missing.test:443\r\n\r\n',
      },
      ask('a filter and a cluster with a cache each', 'two-caches', `one.test:${PORT}`, {
        stats: [...cacheStats('two-caches'), ...cacheStats('other')],
      }),
    ],
  },
  [cluster('a')],
);

// ─── Limits and times of the cache ──────────────────────────────────────────────────────────────────────────────────

/** Lines of /clusters that say which hosts there are. */
function hosts(observation: Observation): unknown {
  const body = observation.admin?.['GET /clusters']?.body ?? '';
  const { clients, log, stats } = observation;
  const lines = body.split('\n').filter((line) => /::hostname::|::health_flags::/.test(line));
  return { responses: clients.map((client) => client.responses), log, stats, hosts: lines.sort() };
}

const withHosts: Partial<Case> = { admin: ['GET /clusters'], view: hosts };

const limits: Group = group(
  'forward proxy, limits',
  [
    { name: 'few', cache: { max_hosts: 2 } },
    { name: 'few-bare', cache: { max_hosts: 1 }, hasFilter: false },
    { name: 'closed', cache: { dns_cache_circuit_breaker: { max_pending_requests: 0 } } },
    { name: 'closed-bare', cache: { dns_cache_circuit_breaker: { max_pending_requests: 0 } }, hasFilter: false },
    { name: 'one-waits', cache: { dns_cache_circuit_breaker: { max_pending_requests: 1 } } },
    { name: 'quick', cache: { dns_query_timeout: '0.2s', dns_failure_refresh_rate: { base_interval: '60s' } } },
    { name: 'patient', cache: { dns_query_timeout: '0s' } },
    { name: 'no-refresh', cache: { disable_dns_refresh_on_failure: true } },
    {
      name: 'tcp',
      cache: { typed_dns_resolver_config: cares({ dns_resolver_options: { use_tcp_for_dns_lookups: true } }) },
    },
    { name: 'before', cache: { preresolve_hostnames: [{ address: 'one.test', port_value: PORT }] } },
    {
      name: 'denied',
      cache: { resolved_address_filter: { ranges: [{ address_prefix: '127.0.0.2', prefix_len: 32 }] } },
    },
    {
      name: 'allowed',
      cache: {
        resolved_address_filter: { ranges: [{ address_prefix: '127.0.0.0', prefix_len: 31 }], invert_match: true },
      },
    },
    {
      name: 'older',
      cache: {
        typed_dns_resolver_config: undefined,
        dns_resolution_config: {
          resolvers: [{ socket_address: { address: HERE, port_value: '{{dns.main}}' } }],
          dns_resolver_options: { no_default_search_domain: true },
        },
      },
    },
  ],
  {
    dns: {
      main: {
        'one.test': [HERE],
        'two.test': [HERE],
        'three.test': [HERE],
        'there.test': [THERE],
        'mixed.test': [THERE, HERE, '127.0.0.3'],
        'slow.test': { delayMs: 300, answers: [HERE] },
        'silent.test': { silent: true },
        'servfail.test': { code: 2 },
      },
    },
    cases: [
      ask('preresolved', 'before', `one.test:${PORT}`, withHosts),
      ask('the first of two', 'few', `one.test:${PORT}`),
      ask('the second of two', 'few', `two.test:${PORT}`),
      ask('the third of two', 'few', `three.test:${PORT}`),
      ask('one that is there', 'few', `one.test:${PORT}`),
      ask('the cluster alone is full', 'few-bare', `one.test:${PORT}`),
      ask('the cluster alone is too full', 'few-bare', `two.test:${PORT}`),
      ask('nobody may wait', 'closed', `one.test:${PORT}`),
      ask('nobody may wait for the cluster', 'closed-bare', `one.test:${PORT}`),
      {
        ...ask('only one may wait', 'one-waits', 'x'),
        send: undefined as never,
        clients: [
          { steps: [get('/', `host: slow.test:${PORT}`), { read: 1 }] },
          { steps: [{ wait: 120 }, get('/', `host: one.test:${PORT}`), { read: 1 }] },
        ],
      },
      ask('one waits again', 'one-waits', `one.test:${PORT}`),
      ask('a time-out', 'quick', 'silent.test', { settleMs: 100 }),
      ask("no time-out but the resolver's", 'patient', 'silent.test', { timeoutMs: 8000 }),
      ask('a failure that is not refreshed', 'no-refresh', 'servfail.test'),
      ask('a failure that is asked for again', 'no-refresh', 'servfail.test'),
      ask('by TCP', 'tcp', `one.test:${PORT}`),
      ask('older settings of the resolver', 'older', `one.test:${PORT}`),
      ask('no address but a denied one', 'denied', `there.test:${PORT}`),
      ask('a denied address among others', 'denied', `mixed.test:${PORT}`, withHosts),
      ask('a denied address as a number', 'denied', `${THERE}:${PORT}`),
      ask('an allowed address', 'allowed', `one.test:${PORT}`),
      ask('addresses that are not allowed', 'allowed', `there.test:${PORT}`),
      ask('addresses of which one is allowed', 'allowed', `mixed.test:${PORT}`, withHosts),
    ],
  },
);

// ─── Rules about where a name leads ─────────────────────────────────────────────────────────────────────────────────

const RBAC = 'envoy.extensions.filters.http.rbac.v3.RBAC';
const UPSTREAM_ADDRESS = 'envoy.extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher';

/** Denies what goes there. */
function denying(name: string, matcher: Fields, saves = true): Forward {
  const permission = { matcher: { name: 'upstream', typed_config: any(UPSTREAM_ADDRESS, matcher) } };
  const policies = { there: { permissions: [permission], principals: [{ any: true }] } };
  return {
    name,
    filter: { save_upstream_address: saves },
    after: [filter('rbac', RBAC, { rules: { action: 'DENY', policies } })],
  };
}

const HERE_RANGE = { address_prefix: HERE, prefix_len: 32 };

const rules: Group = group(
  'forward proxy, rules',
  [
    denying('ip', { upstream_ip: HERE_RANGE }),
    denying('port', { upstream_port_range: { start: 80, end: 81 } }),
    denying('both', { upstream_ip: HERE_RANGE, upstream_port_range: { start: 81, end: 82 } }),
    denying('nothing-saved', { upstream_ip: HERE_RANGE }, false),
  ],
  {
    dns: { main: { 'one.test': [HERE], 'there.test': [THERE] } },
    cases: [
      ask('an address that is denied', 'ip', `one.test:${PORT}`),
      ask('an address that is not', 'ip', `there.test:${PORT}`),
      ask('a port below', 'port', 'there.test:79'),
      ask('the first port', 'port', 'there.test:80'),
      ask('the last port', 'port', 'there.test:81'),
      ask('a port beyond', 'port', 'there.test:82'),
      ask('both', 'both', 'one.test:81'),
      ask('the address alone', 'both', 'one.test:1'),
      ask('the port alone', 'both', 'there.test:81'),
      ask('nobody said where it goes', 'nothing-saved', `one.test:${PORT}`),
    ],
  },
  [cluster('a')],
);

// The hosts of this group change with time: its cases wait for the refreshes.
const times: Group = group(
  'forward proxy, times',
  [
    { name: 'short', cache: { dns_min_refresh_rate: '1s', host_ttl: '1s' } },
    { name: 'moving', cache: { dns_min_refresh_rate: '1s' } },
  ],
  {
    dns: { main: { 'short.test': [{ data: HERE, ttl: 1 }], 'moving.test': [{ data: HERE, ttl: 1 }] } },
    cases: [
      ask('a host that will be forgotten', 'short', `short.test:${PORT}`, withHosts),
      {
        ...ask('it is forgotten', 'short', 'x'),
        send: [{ wait: 3600 }],
        timeoutMs: 6000,
        stats: ['^dns_cache\\.short\\.(host_removed|num_hosts)$', '^cluster\\.short\\.membership_(change|total)$'],
        ...withHosts,
      },
      ask('a host that will move', 'moving', `moving.test:${PORT}`, withHosts),
      {
        ...ask('it has moved', 'moving', 'x'),
        dns: { main: { 'moving.test': [{ data: THERE, ttl: 1 }] } },
        send: [{ wait: 1800 }, get('/', `host: moving.test:${PORT}`), { read: 1 }],
        timeoutMs: 6000,
        stats: [
          '^dns_cache\\.moving\\.(host_address_changed|num_hosts)$',
          '^cluster\\.moving\\.membership_(change|total)$',
        ],
        ...withHosts,
      },
      {
        ...ask('an address stays when there is none any more', 'moving', 'x'),
        dns: { main: { 'moving.test': { code: 3 } } },
        send: [{ wait: 1800 }, get('/', `host: moving.test:${PORT}`), { read: 1 }],
        timeoutMs: 6000,
        stats: ['^dns_cache\\.moving\\.(host_address_changed|num_hosts)$'],
        ...withHosts,
      },
    ],
  },
  [cluster('a')],
);

export const forwardProxyGroups: readonly Group[] = [names, limits, rules, times];
