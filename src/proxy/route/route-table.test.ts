// Virtual hosts by domain and routes in order: tables seen on Envoy 1.40, and a property against a naive reference.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { H } from '../../wire/header-names.ts';
import { contextOf, decodeTable, oneRoute, requestOf, routeOf, tableOf } from '../config/route-test-table.ts';

const ANY = [{ match: { prefix: '/' }, route: { cluster: 'c' } }];

test('domains: exact, longest suffix, longest prefix, any', () => {
  const table = tableOf({
    name: 'r',
    virtual_hosts: [
      { name: 'e', domains: ['ex.com', '*.ex.com', '*-y.ex.com', 'ex.*', 'e*'], routes: ANY },
      { name: 'f', domains: ['a.ex.com:80', 'ex.com*', 'Upper.Com'], routes: ANY },
      { name: 'any', domains: ['*'], routes: ANY },
    ],
  });
  const rows: readonly (readonly [authority: string, host: string])[] = [
    ['EX.com', 'e'],
    ['a.ex.com', 'e'],
    ['.ex.com', 'any'],
    ['b-y.ex.com', 'e'],
    ['ex.com:80', 'f'],
    ['a.ex.com:80', 'f'],
    ['e', 'any'],
    ['ex.org', 'e'],
    ['ex.com.b', 'f'],
    ['upper.COM', 'f'],
    ['other', 'any'],
  ];
  for (const [authority, host] of rows) {
    assert.equal(table.virtualHost(requestOf('/', authority))?.name, host, authority);
  }
  assert.equal(table.virtualHost(requestOf('/', '')), null);
});

test('ports are ignored when asked, those of IPv6 addresses too', () => {
  const table = tableOf({
    name: 'r',
    ignore_port_in_host_matching: true,
    virtual_hosts: [
      { name: 'a', domains: ['a.com'], routes: ANY },
      { name: 'v6', domains: ['[::1]'], routes: ANY },
      { name: 'kept', domains: ['b.com:80'], routes: ANY },
    ],
  });
  const host = (authority: string): string | undefined => table.virtualHost(requestOf('/', authority))?.name;
  assert.equal(host('a.com:8080'), 'a');
  assert.equal(host('[::1]:8080'), 'v6');
  assert.equal(host('[::1]'), 'v6');
  assert.equal(host('b.com:80'), undefined);
});

test('another header may take the place of the authority', () => {
  const table = tableOf({
    name: 'r',
    vhost_header: 'x-host',
    virtual_hosts: [{ name: 'a', domains: ['a'], routes: ANY }],
  });
  assert.equal(table.virtualHost(requestOf('/', 'b', 'x-host: a'))?.name, 'a');
  assert.equal(table.virtualHost(requestOf('/', 'a'))?.name, undefined);
});

test('a domain that stands twice is refused', () => {
  const reason = (...domains: string[][]): string | undefined => {
    const json = { name: 'r', virtual_hosts: domains.map((each, i) => ({ name: `v${i}`, domains: each })) };
    return decodeTable(json).reasons[0]?.reason;
  };
  const twice = 'Only unique values for domains are permitted. Duplicate entry of domain';
  assert.equal(reason(['a.com', 'A.com']), `${twice} a.com in route r`);
  assert.equal(reason(['*.a'], ['*.A']), `${twice} *.a in route r`);
  assert.equal(reason(['a.*'], ['a.*']), `${twice} a.* in route r`);
  assert.equal(reason(['*'], ['*']), 'Only a single wildcard domain is permitted in route r');
  assert.equal(reason(['a'], ['b']), undefined);
});

/** What Envoy's documentation says, word by word. */
function naiveHost(domains: readonly string[], authority: string): string | null {
  const host = authority.toLowerCase();
  const rank = (domain: string): number => {
    if (domain === '*') return 0;
    const text = domain.replace('*', '');
    const isLonger = host.length > text.length;
    if (domain.startsWith('*')) return isLonger && host.endsWith(text) ? 2000 + text.length : -1;
    if (domain.endsWith('*')) return isLonger && host.startsWith(text) ? 1000 + text.length : -1;
    return domain === host ? 5000 : -1;
  };
  let best: string | null = null;
  for (const domain of domains) if (rank(domain) >= 0 && (best === null || rank(domain) > rank(best))) best = domain;
  return best;
}

test('domain matching agrees with a naive reference', () => {
  const label = fc.constantFrom('a', 'b', 'ab', 'c-a');
  const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
  const domain = fc.oneof(
    name,
    name.map((text) => `*.${text}`),
    name.map((text) => `*-${text}`),
    name.map((text) => `${text}.*`),
    name.map((text) => `${text}*`),
    fc.constant('*'),
  );
  const authority = fc
    .tuple(fc.constantFrom('', 'x-', '.'), name, fc.constantFrom('', '.z', ':80'))
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(
      fc.uniqueArray(domain, { maxLength: 8 }),
      fc.array(authority, { maxLength: 8 }),
      (domains, authorities) => {
        const table = tableOf({
          name: 'r',
          virtual_hosts: domains.map((each) => ({ name: each, domains: [each], routes: ANY })),
        });
        for (const each of authorities) {
          const found = table.virtualHost(requestOf('/', each))?.name ?? null;
          assert.equal(found, naiveHost(domains, each), `${each} in ${domains.join(' ')}`);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('paths', () => {
  const rows: readonly (readonly [match: object, path: string, matches: boolean])[] = [
    [{ path: '/p1' }, '/p1?x', true],
    [{ path: '/p1' }, '/p1#x', true],
    [{ path: '/p1' }, '/p1x', false],
    [{ path: '/p1' }, '/p', false],
    [{ path: '/p3', case_sensitive: false }, '/P3?a', true],
    [{ prefix: '/p4?' }, '/p4?a', false],
    [{ prefix: '' }, '/p4', true],
    [{ prefix: '/P5', case_sensitive: false }, '/p5x', true],
    [{ path_separated_prefix: '/p6' }, '/p6', true],
    [{ path_separated_prefix: '/p6' }, '/p6/', true],
    [{ path_separated_prefix: '/p6' }, '/p6x', false],
    [{ path_separated_prefix: '/p6' }, '/p6?x', true],
    [{ path_separated_prefix: '/p6', case_sensitive: false }, '/P6/x', true],
    [{ safe_regex: { regex: '/p11/.*' } }, '/p11/?x', true],
    [{ safe_regex: { regex: '/P12' }, case_sensitive: false }, '/p12', false],
    [{ safe_regex: { regex: '/p13' } }, '/p13?x', true],
    [{ safe_regex: { regex: '/p13' } }, '/p13x', false],
    [{ path: '/p14;a' }, '/p14;a', true],
    [{ path: '/p15' }, '/p15;a', false],
    [{ connect_matcher: {} }, '/x', false],
  ];
  for (const [match, path, matches] of rows) {
    const table = tableOf(oneRoute(match, { route: { cluster: 'c' } }));
    const headers = requestOf(path);
    assert.equal(table.match(headers, contextOf(headers)) !== null, matches, `${JSON.stringify(match)} on ${path}`);
  }
});

test('path parameters are ignored when asked, CONNECT needs its own matcher', () => {
  const ignoring = tableOf(
    oneRoute({ path: '/a' }, { route: { cluster: 'c' } }, {}, { ignore_path_parameters_in_path_matching: true }),
  );
  assert.equal(routeOf(ignoring, requestOf('/a;b=c?q')).clusterName, 'c');
  const connect = requestOf('');
  connect.method = 'CONNECT';
  const table = tableOf(oneRoute({ connect_matcher: {} }, { route: { cluster: 'c' } }));
  assert.equal(routeOf(table, connect).clusterName, 'c');
  const prefix = tableOf(oneRoute({ prefix: '' }, { route: { cluster: 'c' } }));
  assert.equal(prefix.match(connect, contextOf(connect)), null);
});

test('the first route that matches wins, also among many exact paths', () => {
  const exact = Array.from({ length: 20 }, (_, i) => ({ match: { path: `/e${i}` }, route: { cluster: `e${i}` } }));
  const table = tableOf({
    name: 'r',
    virtual_hosts: [
      {
        name: 'v',
        domains: ['*'],
        routes: [
          { match: { path: '/e3', headers: [{ name: 'x' }] }, route: { cluster: 'header' } },
          { match: { prefix: '/e4' }, route: { cluster: 'before' } },
          { match: { path: '/e5', headers: [{ name: 'x' }] }, route: { cluster: 'header5' } },
          ...exact,
          { match: { prefix: '/e' }, route: { cluster: 'after' } },
          { match: { path: '/E6', case_sensitive: false }, route: { cluster: 'never' } },
        ],
      },
    ],
  });
  const cluster = (path: string, ...fields: string[]): string =>
    routeOf(table, requestOf(path, 'h', ...fields)).clusterName;
  assert.equal(cluster('/e3?q'), 'e3');
  assert.equal(cluster('/e3', 'x: 1'), 'header');
  assert.equal(cluster('/e4'), 'before');
  assert.equal(cluster('/e5', 'x: 1'), 'header5');
  assert.equal(cluster('/e5'), 'e5');
  assert.equal(cluster('/e19'), 'e19');
  assert.equal(cluster('/e20'), 'after');
  assert.equal(routeOf(table, requestOf('/e3')).index, 6);
});

test('regexes in a row keep their order and conditions', () => {
  const regexes = Array.from({ length: 70 }, (_, i) => ({
    match: { safe_regex: { regex: `/r${i}(/.*)?` } },
    route: { cluster: `r${i}` },
  }));
  const first = { match: { safe_regex: { regex: '/r6.*' }, headers: [{ name: 'x' }] }, route: { cluster: 'header' } };
  const last = { match: { safe_regex: { regex: '/r.*' } }, route: { cluster: 'rest' } };
  const table = tableOf({
    name: 'r',
    virtual_hosts: [{ name: 'v', domains: ['*'], routes: [first, ...regexes, last] }],
  });
  const cluster = (path: string, ...fields: string[]): string =>
    routeOf(table, requestOf(path, 'h', ...fields)).clusterName;
  assert.equal(cluster('/r65?q'), 'r65');
  assert.equal(cluster('/r65', 'x: 1'), 'header');
  assert.equal(cluster('/r69/x'), 'r69');
  assert.equal(cluster('/r70'), 'rest');
  const headers = requestOf('/s');
  assert.equal(table.match(headers, contextOf(headers)), null);
});

test('conditions besides the path', () => {
  const matches = (match: object, path: string, ...fields: string[]): boolean => {
    const headers = requestOf(path, 'h', ...fields);
    return (
      tableOf(oneRoute({ prefix: '/', ...match }, { route: { cluster: 'c' } })).match(headers, contextOf(headers)) !==
      null
    );
  };
  assert.equal(matches({ grpc: {} }, '/', 'content-type: application/grpc'), true);
  assert.equal(matches({ grpc: {} }, '/', 'content-type: application/grpc+proto'), true);
  assert.equal(matches({ grpc: {} }, '/', 'content-type: application/grpc-web'), false);
  assert.equal(matches({ grpc: {} }, '/'), false);
  const both = { query_parameters: [{ name: 'a' }], headers: [{ name: 'x', string_match: { exact: '1' } }] };
  assert.equal(matches(both, '/?a', 'x: 1'), true);
  assert.equal(matches(both, '/?b', 'x: 1'), false);
  assert.equal(matches(both, '/?a', 'x: 2'), false);
  const cookies = { cookies: [{ name: 'a', string_match: { exact: '1' } }] };
  assert.equal(matches(cookies, '/', 'cookie: a=1'), true);
  assert.equal(matches(cookies, '/'), false);
  const metadata = { dynamic_metadata: [{ filter: 'f', path: [{ key: 'a' }], value: { bool_match: true } }] };
  assert.equal(matches(metadata, '/'), false);
  const filterState = { filter_state: [{ key: 'k', string_match: { exact: 'v' } }] };
  assert.equal(matches(filterState, '/'), false);
});

test('runtime fractions draw', () => {
  const table = tableOf({
    name: 'r',
    virtual_hosts: [
      {
        name: 'v',
        domains: ['*'],
        routes: [
          {
            match: { prefix: '/', runtime_fraction: { default_value: { numerator: 25 } } },
            route: { cluster: 'some' },
          },
          { match: { prefix: '/' }, route: { cluster: 'rest' } },
        ],
      },
    ],
  });
  const headers = requestOf('/');
  const context = contextOf(headers, 7);
  let some = 0;
  for (let i = 0; i < 4000; i++) if (table.match(headers, context)?.clusterName === 'some') some++;
  assert.ok(some > 880 && some < 1120, `${some} of 4000`);
});

test('require_tls redirects what did not come over TLS', () => {
  const table = tableOf({
    name: 'r',
    virtual_hosts: [
      { name: 'all', domains: ['tls.x'], require_tls: 'ALL', routes: ANY },
      { name: 'external', domains: ['tls.y'], require_tls: 'EXTERNAL_ONLY', routes: ANY },
    ],
  });
  const outcome = (authority: string, proto: string, ...fields: string[]): string => {
    const headers = requestOf('/zz?q', authority, ...fields);
    headers.set(H['x-forwarded-proto'], proto);
    const route = routeOf(table, headers);
    return route.redirect === null ? route.clusterName : `${route.redirect.status} ${route.redirect.location(headers)}`;
  };
  assert.equal(outcome('tls.x', 'http'), '301 https://tls.x/zz?q');
  assert.equal(outcome('tls.x', 'https'), 'c');
  assert.equal(outcome('tls.y', 'http'), '301 https://tls.y/zz?q');
  assert.equal(outcome('tls.y', 'http', 'x-envoy-internal: true'), 'c');
});
