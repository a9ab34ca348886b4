// What routes do to requests and responses, as seen on Envoy 1.40: rewriting, mutations, redirects, direct responses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { H } from '../../wire/header-names.ts';
import { Headers } from '../../wire/headers.ts';
import { contextOf, decodeTable, linesOf, oneRoute, requestOf, routeOf, tableOf } from './route-test-table.ts';

/** What reaches the upstream: authority, path and headers. */
function forwarded(
  match: object,
  action: object,
  path: string,
  host = 'h',
  fields: string[] = [],
  level: object = {},
): string[] {
  const headers = requestOf(path, host, ...fields);
  const table = tableOf(oneRoute(match, { route: { cluster: 'a', ...action }, ...level }));
  routeOf(table, headers).finalizeRequest(headers, contextOf(headers).format, true);
  return [`${headers.authority} ${headers.path}`, ...linesOf(headers)];
}

test('rewrites paths', () => {
  const regex = (pattern: string, substitution: string): object => ({
    regex_rewrite: { pattern: { regex: pattern }, substitution },
  });
  const rows: readonly (readonly [match: object, action: object, path: string, result: string])[] = [
    [{ prefix: '/foo' }, { prefix_rewrite: '/bar' }, '/foo/x?q=1', '/bar/x?q=1'],
    [{ path: '/foo' }, { prefix_rewrite: '/bar' }, '/foo?q=1', '/bar?q=1'],
    [{ safe_regex: { regex: '/f.*' } }, { prefix_rewrite: '/bar' }, '/foo;a?q=1', '/bar?q=1'],
    [{ path_separated_prefix: '/foo' }, { prefix_rewrite: '/bar' }, '/foo/x?q=1', '/bar/x?q=1'],
    [{ prefix: '/FOO', case_sensitive: false }, { prefix_rewrite: '/bar' }, '/foo/x', '/bar/x'],
    [{ prefix: '/foo/' }, { prefix_rewrite: '/' }, '/foo/x', '/x'],
    [{ prefix: '/' }, regex('^/s/([^/]+)(/.*)$', '\\2/i/\\1'), '/s/foo/v1/api?q=/a', '/v1/api/i/foo?q=/a'],
    [{ prefix: '/' }, { path_rewrite: '/new%REQ(x-a)%' }, '/foo?q=1', '/new5?q=1'],
    [{ prefix: '/' }, { path_rewrite: '/p-%REQ(none)%' }, '/foo', '/p-'],
  ];
  for (const [match, action, path, result] of rows) {
    assert.deepEqual(
      forwarded(match, action, path, 'h', ['x-a: 5']),
      [`h ${result}`, 'x-a: 5', `x-envoy-original-path: ${path}`],
      JSON.stringify(action),
    );
  }
  // What matched nothing is still noted; what came out empty is not.
  assert.deepEqual(forwarded({ prefix: '/' }, regex('zzz', 'a'), '/foo'), ['h /foo', 'x-envoy-original-path: /foo']);
  assert.deepEqual(forwarded({ prefix: '/' }, { path_rewrite: '%REQ(none)%' }, '/foo'), ['h /foo']);
});

test('rewrites hosts', () => {
  const pathRegex = (pattern: string, substitution: string): object => ({
    host_rewrite_path_regex: { pattern: { regex: pattern }, substitution },
  });
  const xfh = { append_x_forwarded_host: true };
  const literal = { host_rewrite_literal: 'new.h' };
  const original = 'x-envoy-original-host: old';
  const rows: readonly (readonly [action: object, fields: string[], result: string[]])[] = [
    [literal, [], ['new.h', original]],
    [{ ...literal, ...xfh }, [], ['new.h', original, 'x-forwarded-host: old']],
    [{ ...literal, ...xfh }, ['x-forwarded-host: a'], ['new.h', 'x-forwarded-host: a,old', original]],
    [{ ...literal, ...xfh }, ['x-forwarded-host: a, old'], ['new.h', 'x-forwarded-host: a, old,old', original]],
    [{ ...literal, ...xfh }, ['x-forwarded-host: a,old'], ['new.h', 'x-forwarded-host: a,old', original]],
    [{ ...xfh }, [], ['old']],
    [{ host_rewrite_literal: 'old', ...xfh }, [], ['old', original, 'x-forwarded-host: old']],
    [{ host_rewrite_header: 'x-h' }, ['x-h: n1', 'x-h: n2'], ['n1', 'x-h: n1', 'x-h: n2', original]],
    [{ host_rewrite_header: 'x-h', ...xfh }, [], ['old']],
    [pathRegex('^/p/(.+)/.+$', '\\1'), [], ['foo', original]],
    [pathRegex('^(zzz)$', '\\1'), [], ['/p/foo/x', original]],
    [pathRegex('^.*$', ''), [], ['old']],
    [{ host_rewrite: 'p-%REQ(x-h)%' }, ['x-h: 1'], ['p-1', 'x-h: 1', original]],
    [{ host_rewrite: '%REQ(x-h)%' }, [], ['-', original]],
  ];
  for (const [action, fields, [host, ...lines]] of rows) {
    const result = forwarded({ prefix: '/' }, action, '/p/foo/x?q=/a', 'old', fields);
    assert.deepEqual(result, [`${host} /p/foo/x?q=/a`, ...lines], JSON.stringify(action));
  }
});

test('mutations come before rewriting, and see the request as it was', () => {
  const level = {
    request_headers_to_add: [
      { header: { key: 'x-p', value: '%REQ(:path)% %REQ(:authority)%' } },
      { header: { key: 'x-h', value: 'added' } },
    ],
  };
  const action = { host_rewrite_header: 'x-h', prefix_rewrite: '/z/' };
  assert.deepEqual(forwarded({ prefix: '/a/' }, action, '/a/foo', 'old', [], level), [
    'added /z/foo',
    'x-p: /a/foo old',
    'x-h: added',
    'x-envoy-original-host: old',
    'x-envoy-original-path: /a/foo',
  ]);
});

test('adds, overwrites and removes headers', () => {
  const add = (key: string, value: string, append_action?: string, more: object = {}): object => ({
    header: { key, value },
    ...(append_action === undefined ? {} : { append_action }),
    ...more,
  });
  const level = {
    request_headers_to_remove: ['x-rm'],
    request_headers_to_add: [
      add('x-a', '2'),
      add('x-b', '2', 'OVERWRITE_IF_EXISTS_OR_ADD'),
      add('x-c', '2', 'ADD_IF_ABSENT'),
      add('x-d', '2', 'OVERWRITE_IF_EXISTS'),
      add('accept', '2'),
      add('x-e', ''),
      add('x-f', '', undefined, { keep_empty_value: true }),
      add('x-g', '%REQ(nope)%'),
      add('x-i', '%REQ(nope)%', undefined, { keep_empty_value: true }),
      add('x-j', 'a%%b'),
      add('x-k', 'é'),
      add('x-l', 'x%REQ(nope)%'),
      add('X-Up', '1', undefined, { append: false }),
      add('x-rm', 'new'),
      add('x-a', '3'),
      add('x-m', '1', 'ADD_IF_ABSENT'),
      add('x-m', '2', 'ADD_IF_ABSENT'),
    ],
  };
  const fields = ['x-a: 1', 'x-b: 1', 'x-c: 1', 'accept: 1', 'x-rm: 1'];
  assert.deepEqual(forwarded({ prefix: '/' }, {}, '/', 'h', fields, level).sort(), [
    'accept: 1,2',
    'h /',
    'x-a: 1',
    'x-a: 2',
    'x-a: 3',
    'x-b: 2',
    'x-c: 1',
    'x-f: ',
    'x-i: ',
    'x-j: a%b',
    'x-k: \xc3\xa9',
    'x-l: x',
    'x-m: 1',
    'x-m: 2',
    'x-rm: new',
    'x-up: 1',
  ]);
  // Values are computed before any is written; overwriting precedes adding.
  const swap = {
    request_headers_to_add: [
      add('x-n', '1'),
      add('x-n', '2', 'OVERWRITE_IF_EXISTS_OR_ADD'),
      add('x-a', '%REQ(x-z)%', 'OVERWRITE_IF_EXISTS_OR_ADD'),
      add('x-z', '%REQ(x-a)%', 'OVERWRITE_IF_EXISTS'),
    ],
  };
  const swapped = forwarded({ prefix: '/' }, {}, '/', 'h', ['x-a: 1', 'x-z: 2'], swap);
  assert.deepEqual(swapped, ['h /', 'x-a: 2', 'x-z: 1', 'x-n: 2', 'x-n: 1']);
});

test('levels are evaluated in order, a weighted cluster first', () => {
  const level = (name: string): object => ({
    request_headers_to_add: [{ header: { key: 'x-l', value: `${name} %REQ(:authority)%` } }],
    response_headers_to_add: [{ header: { key: 'x-l', value: name } }],
  });
  for (const wins of [false, true]) {
    const cluster = { name: 'a', weight: 1, host_rewrite_literal: 'wl', ...level('cl') };
    const route = { host_rewrite_literal: 'lit', weighted_clusters: { clusters: [cluster] } };
    const json = oneRoute({ prefix: '/' }, { route, ...level('rt') }, level('vh'), {
      ...level('rc'),
      most_specific_header_mutations_wins: wins,
    });
    const headers = requestOf('/', 'old');
    const { format } = contextOf(headers);
    const leaf = routeOf(tableOf(json), headers);
    leaf.finalizeRequest(headers, format, true);
    const order = wins ? ['rc', 'vh', 'rt'] : ['rt', 'vh', 'rc'];
    assert.deepEqual(linesOf(headers), [
      'x-l: cl old',
      ...order.map((each) => `x-l: ${each} wl`),
      'x-envoy-original-host: wl',
    ]);
    assert.equal(headers.authority, 'lit');
    const response = new Headers();
    leaf.finalizeResponse(response, format);
    assert.deepEqual(linesOf(response), ['x-l: cl', ...order.map((each) => `x-l: ${each}`)]);
  }
});

test('a response header of one value is joined', () => {
  const keys = ['content-type', 'etag', 'location', 'x-b', 'set-cookie', 'retry-after'];
  const add = keys.map((key) => ({ header: { key, value: 'ADDED' } }));
  const table = tableOf(oneRoute({ prefix: '/' }, { route: { cluster: 'a' }, response_headers_to_add: add }));
  const headers = requestOf('/');
  const response = new Headers();
  for (const key of keys) response.add(H[key as keyof typeof H] ?? key, 'ORIG');
  routeOf(table, headers).finalizeResponse(response, contextOf(headers).format);
  assert.deepEqual(linesOf(response), [
    'content-type: ORIG,ADDED',
    'etag: ORIG,ADDED',
    'location: ORIG,ADDED',
    'x-b: ORIG',
    'set-cookie: ORIG',
    'retry-after: ORIG',
    'x-b: ADDED',
    'set-cookie: ADDED',
    'retry-after: ADDED',
  ]);
});

test('redirects', () => {
  const v6 = '[::1]';
  const rows: readonly (readonly [redirect: object, path: string, host: string, location: string])[] = [
    [{ https_redirect: true }, '/foo?q', 'h:80', 'https://h/foo?q'],
    [{ https_redirect: true }, '/foo?q', 'h:443', 'https://h:443/foo?q'],
    [{ https_redirect: true }, '/foo?q', 'h:8080', 'https://h:8080/foo?q'],
    [{ https_redirect: true }, '/foo?q', `${v6}:80`, 'https://[::1]/foo?q'],
    [{ https_redirect: true }, '/foo?q', v6, 'https://[::1]/foo?q'],
    [{ port_redirect: 8443 }, '/foo?q', 'h:8080', 'http://h:8443/foo?q'],
    [{ port_redirect: 8443 }, '/foo?q', `${v6}:8080`, 'http://[::1]:8443/foo?q'],
    [{ port_redirect: 8443, host_redirect: 'n:1' }, '/foo?q', 'h', 'http://n:1:8443/foo?q'],
    [{ host_redirect: 'n' }, '/foo?q', 'h:8080', 'http://n/foo?q'],
    [{ path_redirect: '/new' }, '/foo?q=1', 'h', 'http://h/new?q=1'],
    [{ path_redirect: '/new?z=2' }, '/foo?q=1', 'h', 'http://h/new?z=2'],
    [{ path_redirect: '/new?z=2', strip_query: true }, '/foo?q=1', 'h', 'http://h/new?z=2'],
    [{ path_redirect: '/new', strip_query: true }, '/foo?q=1', 'h', 'http://h/new'],
    [{ path_redirect: 'new' }, '/foo?q=1', 'h:80', 'http://h:80/new?q=1'],
    [{ strip_query: true }, '/foo?q=1', 'h', 'http://h/foo'],
    [{ prefix_rewrite: '/bar' }, '/foo/x?q=1', 'h', 'http://h/bar/x?q=1'],
    [{ prefix_rewrite: 'bar' }, '/foo/x?q=1', 'h', 'http://h/bar/x?q=1'],
    [{ prefix_rewrite: '/bar', strip_query: true }, '/foo/x?q=1', 'h', 'http://h/bar/x'],
    [{ prefix_rewrite: '/bar?a=b' }, '/foo?q=1', 'h', 'http://h/bar?a=b?q=1'],
    [
      { regex_rewrite: { pattern: { regex: '^/foo/(.*)$' }, substitution: '/r/\\1' } },
      '/foo/x?q=1',
      'h',
      'http://h/r/x?q=1',
    ],
    [{ path_rewrite: '/pr%REQ(x-a)%' }, '/foo?q=1', 'h', 'http://h/pr5?q=1'],
    [{ path_rewrite: '/pr%REQ(x-a)%', strip_query: true }, '/foo?q=1', 'h', 'http://h/pr5'],
    [{ path_rewrite: '%REQ(none)%' }, '/foo', 'h', 'http://h/foo'],
    [{ scheme_redirect: 'ftp' }, '/foo', 'h:80', 'ftp://h/foo'],
    [{ scheme_redirect: 'HTTPS' }, '/foo', 'h:80', 'HTTPS://h/foo'],
    [{}, '/foo?q=1', 'h:80', 'http://h:80/foo?q=1'],
  ];
  for (const [redirect, path, host, location] of rows) {
    const headers = requestOf(path, host, 'x-a: 5');
    const route = routeOf(tableOf(oneRoute({ prefix: '/foo' }, { redirect })), headers);
    assert.equal(route.redirect?.location(headers, contextOf(headers).format), location, JSON.stringify(redirect));
    assert.equal(route.redirect?.status, 301);
  }
  const codes = { FOUND: 302, SEE_OTHER: 303, TEMPORARY_REDIRECT: 307, PERMANENT_REDIRECT: 308 };
  for (const [response_code, status] of Object.entries(codes)) {
    const route = routeOf(tableOf(oneRoute({ prefix: '/' }, { redirect: { response_code } })), requestOf('/'));
    assert.equal(route.redirect?.status, status);
  }
});

test('a redirect over TLS drops :443 when the scheme changes', () => {
  const headers = requestOf('/x', 'h:443');
  headers.set(H['x-forwarded-proto'], 'https');
  headers.scheme = 'https';
  const route = routeOf(tableOf(oneRoute({ prefix: '/' }, { redirect: { scheme_redirect: 'http' } })), headers);
  assert.equal(route.redirect?.location(headers), 'http://h/x');
});

test('direct responses', () => {
  const environment = {
    variables: { BODY: 'from é' },
    readFile: (path: string) => (path === '/b' ? Buffer.from('from file') : { error: `file ${path} does not exist` }),
  };
  const direct = (action: object, host: object = {}) => {
    const { table, reasons } = decodeTable(
      oneRoute({ prefix: '/' }, { direct_response: action }, {}, host),
      environment,
    );
    const headers = requestOf('/x?q');
    return {
      direct: routeOf(table, headers).direct,
      headers,
      reasons: reasons.map(({ path, reason }) => `${path}: ${reason}`),
    };
  };
  assert.equal(direct({ status: 200, body: { inline_string: 'é' } }).direct?.body, '\xc3\xa9');
  assert.equal(direct({ status: 200, body: { inline_bytes: '/w==' } }).direct?.body, '\xff');
  assert.equal(direct({ status: 200, body: { filename: '/b' } }).direct?.body, 'from file');
  assert.equal(direct({ status: 200, body: { environment_variable: 'BODY' } }).direct?.body, 'from \xc3\xa9');
  for (const [status, location] of [
    [200, ''],
    [201, 'http://h/x?q'],
    [302, 'http://h/x?q'],
    [404, ''],
  ] as const) {
    const { direct: action, headers } = direct({ status });
    assert.equal(action?.location(headers), location);
  }
  const where = 'virtual_hosts[0].routes[0].direct_response.body';
  assert.deepEqual(direct({ status: 200, body: { filename: '/no' } }).reasons, [
    `${where}.filename: file /no does not exist`,
  ]);
  assert.deepEqual(direct({ status: 200, body: { environment_variable: 'NOPE' } }).reasons, [
    `${where}.environment_variable: Environment variable doesn't exist: NOPE`,
  ]);
  const big = { status: 200, body: { inline_string: 'a'.repeat(5000) } };
  assert.deepEqual(direct(big).reasons, [`${where}: response body size is 5000 bytes; maximum is 4096`]);
  assert.deepEqual(direct(big, { max_direct_response_body_size_bytes: 6000 }).reasons, []);
  const { direct: formatted, headers } = direct({
    status: 200,
    body_format: { text_format: '<%LOCAL_REPLY_BODY%|%REQ(:path)%>' },
  });
  const { format } = contextOf(headers);
  assert.equal(formatted?.format?.text.format({ ...format, localReplyBody: 'b' }), '<b|/x?q>');
  assert.equal(formatted?.format?.contentType, 'text/plain');
});
