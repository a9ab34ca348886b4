// How header_mutation changes heads, trailers and queries; the expectations are what the real Envoy sent.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterHarness, linesOf, reasonsOf, responseHeaders } from '../../../../../test/support/filter-harness.ts';
import { headerMutation } from './header-mutation.ts';
import { parseQuery, percentDecode, percentEncode, withQuery } from './query-mutations.ts';

const put = (key: string, value: string, append_action?: string, more: object = {}) => ({
  append: { header: { key, value }, ...(append_action === undefined ? {} : { append_action }), ...more },
});
const query = (key: string, value: unknown, action?: string) => ({
  append: { record: { key, value }, ...(action === undefined ? {} : { action }) },
});

function requestThrough(mutations: object, path: string, lines: string[] = []): string[] {
  const stream = new FilterHarness(headerMutation, { mutations }).request(path, lines);
  assert.equal(stream.decodeHeaders(), 'continue');
  return linesOf(stream.requestHeaders).slice(1);
}

test('request headers are added, overwritten and removed in order', () => {
  const mutations = {
    request_mutations: [
      put('x-r', 'chain'),
      put('x-m', '%REQ(:method)%', 'OVERWRITE_IF_EXISTS_OR_ADD'),
      put('x-empty', '%REQ(nope)%'),
      put('x-emptyk', '%REQ(nope)%', undefined, { keep_empty_value: true }),
      { remove: 'x-gone' },
      { remove_on_match: { key_matcher: { prefix: 'x-z' } } },
      put('x-abs', 'no', 'ADD_IF_ABSENT'),
      put('x-over', 'new', 'OVERWRITE_IF_EXISTS'),
      put('x-over2', 'new', 'OVERWRITE_IF_EXISTS'),
      put('user-agent', 'ua2'),
      put('x-c', '%REQ(x-r)% %REQ(x-nope)%'),
      put('x-p', '50%%'),
      put('x-u', 'é'),
    ],
  };
  const lines = [
    'x-gone: 1',
    'x-zed: 1',
    'X-Zz: 2',
    'x-over: old',
    'x-over: old2',
    'x-abs: yes',
    'x-m: q',
    'user-agent: ua',
  ];
  assert.deepEqual(requestThrough(mutations, '/hdr', lines), [
    ':path: /hdr',
    ':authority: example.com',
    ':scheme: http',
    'x-over: new',
    'x-abs: yes',
    'x-m: GET',
    'user-agent: ua,ua2',
    'x-r: chain',
    'x-emptyk: ',
    'x-c: chain ',
    'x-p: 50%',
    'x-u: \xc3\xa9',
  ]);
});

test('removing host removes the authority', () => {
  const lines = requestThrough({ request_mutations: [{ remove: 'host' }, { remove: ':scheme' }] }, '/');
  assert.deepEqual(lines, [':path: /']);
});

test('response headers see the response', () => {
  const mutations = {
    response_mutations: [
      put('x-a', '3'),
      put('x-b', 'c', 'OVERWRITE_IF_EXISTS_OR_ADD'),
      put('x-s', '%RESP(:status)% %REQ(:path)%'),
      put('x-o1', '%RESP(x-o2)%'),
      put('vary', 'y'),
    ],
  };
  const stream = new FilterHarness(headerMutation, { mutations }).request('/hdr');
  stream.decodeHeaders();
  const headers = stream.encodeHeaders(responseHeaders(200, ['x-a: 1', 'x-a: 2', 'x-b: up', 'vary: x']));
  assert.deepEqual(linesOf(headers).slice(1), ['x-a: 1', 'x-a: 2', 'x-b: c', 'vary: x,y', 'x-a: 3', 'x-s: 200 /hdr']);
});

test('trailers have mutations of their own', () => {
  const harness = new FilterHarness(headerMutation, {
    mutations: {
      response_trailers_mutations: [
        put('x-t', 'two', 'OVERWRITE_IF_EXISTS_OR_ADD'),
        put('vary', 'a'),
        put('vary', 'b'),
      ],
      request_trailers_mutations: [put('x-q', 'q')],
    },
  });
  const stream = harness.request('/');
  const trailers = responseHeaders(0, ['x-t: one']);
  harness.filter.encodeTrailers?.(stream, trailers);
  harness.filter.decodeTrailers?.(stream, trailers);
  assert.deepEqual(linesOf(trailers), ['x-t: two', 'vary: a', 'vary: b', 'x-q: q']);
});

test('levels apply from the route outwards, or the other way when the most specific wins', () => {
  const level = (name: string) => ({
    mutations: { request_mutations: [put('x-lvl', name, 'OVERWRITE_IF_EXISTS_OR_ADD'), put('x-r', name)] },
  });
  for (const wins of [false, true]) {
    const harness = new FilterHarness(headerMutation, {
      mutations: { request_mutations: [put('x-r', 'chain')] },
      most_specific_header_mutations_wins: wins,
    });
    const levels = ['rc', 'vh', 'route'].map((name) => harness.route(level(name)));
    const stream = harness.request('/', [], levels);
    stream.decodeHeaders();
    assert.equal(stream.requestHeaders.get('x-lvl'), wins ? 'route' : 'rc');
    assert.equal(stream.requestHeaders.getAll('x-r'), wins ? 'chain,rc,vh,route' : 'chain,route,vh,rc');
  }
});

const QUERY = [
  query('a', '1'),
  query('b', 'two words&=', 'OVERWRITE_IF_EXISTS_OR_ADD'),
  { remove: 'c' },
  query('d', '%REQ(:method)%', 'ADD_IF_ABSENT'),
  query('e', 'x', 'OVERWRITE_IF_EXISTS'),
];

for (const [mutations, path, expected] of [
  [QUERY, '/hdr?c=1&b=9&q=%20z&a=0&A=%zz', '/hdr?A=%zz&a=0&a=1&b=two%20words%26%3D&d=GET&q= z'],
  [QUERY, '/q', '/q?a=1&b=two%20words%26%3D&d=GET'],
  [QUERY, '/q?z=1&e=1&a=%41&e=2&y&=v&b=1&b=2&sp=a+b', '/q?=v&a=A&a=1&b=two%20words%26%3D&d=GET&e=x&sp=a+b&y=&z=1'],
  [
    [query('a b&', 'x'), query('emp', '%REQ(nope)%'), query('u', 'é')],
    '/p?x=%2541&k%41=v%26w&n=a=b&%&=&&x',
    '/p?=&=&%=&a b&=x&emp=&kA=v&w&n=a=b&u=%C3%A9&x=%41&x=',
  ],
  [[{ remove: 'gone' }], '/p?b=%20&a=1', '/p?a=1&b= '],
  [[{ remove: 'gone' }], '/p', '/p'],
  [[{ remove: 'gone' }], '/p?', '/p'],
  [[{ remove: 'gone' }], '/p?gone=1', '/p'],
  [[{ remove: 'gone' }], '/p?a=1%23x', '/p?a=1#x'],
  [
    [{ remove: 'a b' }, query('over', 'n', 'OVERWRITE_IF_EXISTS_OR_ADD')],
    '/p?a%20b=1&over=1&z=1&over=2',
    '/p?over=n&z=1',
  ],
] as const) {
  test(`the query of ${path} becomes that of ${expected}`, () => {
    const lines = requestThrough({ query_parameter_mutations: mutations }, path);
    assert.equal(lines[0], `:path: ${expected}`);
  });
}

test('values are encoded as Envoy encodes them', () => {
  const printable = String.fromCharCode(...Array.from({ length: 94 }, (_, i) => i + 33));
  assert.equal(
    percentEncode(printable),
    '%21%22%23%24%25%26%27%28%29*%2B%2C-.%2F0123456789%3A%3B%3C%3D%3E%3F%40ABCDEFGHIJKLMNOPQRSTUVWXYZ' +
      '%5B%5C%5D%5E_%60abcdefghijklmnopqrstuvwxyz%7B%7C%7D%7E',
  );
  assert.equal(percentDecode('%4a%4A%4%zz%'), 'JJ%4%zz%');
  assert.equal(withQuery('/a?b=1&', parseQuery('/a?b=1&')), '/a?b=1');
});

test('what Envoy refuses is refused', () => {
  const reasons = (mutations: object) => reasonsOf((d) => headerMutation.decode({ mutations } as never, d));
  for (const key of [':foo', 'Host']) {
    assert.deepEqual(reasons({ request_mutations: [put(key, 'x')] }), [
      'mutations.request_mutations[0].append.header.key: :-prefixed or host headers may not be modified',
    ]);
  }
  assert.deepEqual(reasons({ response_mutations: [put('x', 'y', 'ADD_IF_ABSENT', { append: false })] }), [
    'mutations.response_mutations[0].append.append: both append and append_action are set',
  ]);
  assert.deepEqual(
    reasons({ query_parameter_mutations: [{ ...query('a', 'b'), remove: 'c' }, {}, query('a', 1), { append: {} }] }),
    [
      'mutations.query_parameter_mutations[0]: only one of append and remove can be set',
      'mutations.query_parameter_mutations[1]: append or remove must be set',
      'mutations.query_parameter_mutations[2].append.record.value: only a string is allowed',
      'mutations.query_parameter_mutations[3].append.record: must be set',
    ],
  );
  assert.equal(reasons({ request_mutations: [put('x', '%NOPE%')] }).length, 1);
});
