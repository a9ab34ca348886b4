// Differential cases: match_delegate and composite, by every input, early and late, for routes and by name.
import type { Case, Group } from '../case.ts';
import type { Fields } from '../config.ts';
import { any, bootstrap, cluster, direct, filter, http, route, STANDARD_LOG, textLog } from '../config.ts';
import { chunked, get, post, response } from '../messages.ts';

const DELEGATE = 'envoy.extensions.common.matching.v3.ExtensionWithMatcher';
const COMPOSITE = 'envoy.extensions.filters.http.composite.v3';
const MUTATION = 'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation';
const INPUT = 'envoy.type.matcher.v3';

const header = (type: string, name: string): Fields => ({
  name: 'input',
  typed_config: any(`${INPUT}.Http${type}MatchInput`, { header_name: name }),
});
const plain = (type: string, fields: Fields = {}): Fields => ({
  name: 'input',
  typed_config: any(`${INPUT}.Http${type}MatchInput`, fields),
});
const skip: Fields = {
  action: { name: 'skip', typed_config: any('envoy.extensions.filters.common.matcher.action.v3.SkipFilter') },
};
const execute = (fields: Fields): Fields => ({
  action: { name: 'composite-action', typed_config: any(`${COMPOSITE}.ExecuteFilterAction`, fields) },
});

/** Says by headers on both sides that it ran. */
const marked = (name: string): Fields => {
  const append = (key: string): Fields => ({ append: { header: { key, value: name } } });
  return {
    name,
    typed_config: any(MUTATION, {
      mutations: {
        request_mutations: [append('x-ran')],
        response_mutations: [append('x-answered')],
        request_trailers_mutations: [append('x-trailed')],
        response_trailers_mutations: [append('x-answer-trailed')],
      },
    }),
  };
};
const local = (status: string): Fields => ({
  name: 'fault',
  typed_config: any('envoy.extensions.filters.http.fault.v3.HTTPFault', {
    abort: { http_status: Number(status), percentage: { numerator: 100 } },
  }),
});
const delay: Fields = {
  name: 'fault',
  typed_config: any('envoy.extensions.filters.http.fault.v3.HTTPFault', {
    delay: { fixed_delay: '0.01s', percentage: { numerator: 100 } },
  }),
};
const when = (input: Fields, value: Fields, onMatch: Fields): Fields => ({
  predicate: { single_predicate: { input, value_match: value } },
  on_match: onMatch,
});
const list = (...matchers: Fields[]): Fields => ({ matcher_list: { matchers } });
const tree = (input: Fields, map: Record<string, Fields>): Fields => ({
  matcher_tree: { input, exact_match_map: { map } },
});
const yes: Fields = { exact: 'yes' };

function delegate(inner: Fields, matcher: Fields | null, name = 'delegate', field = 'xds_matcher'): Fields {
  return filter(name, DELEGATE, { extension_config: inner, ...(matcher === null ? {} : { [field]: matcher }) });
}
const composite = (fields: Fields = {}, name = 'composite'): Fields => filter(name, `${COMPOSITE}.Composite`, fields);
const innerComposite = (fields: Fields = {}): Fields => ({
  name: 'composite',
  typed_config: any(`${COMPOSITE}.Composite`, fields),
});

const STATE = 'envoy.extensions.filters.http.composite.matched_actions';
const listener = (name: string, filters: readonly Fields[], routes?: readonly Fields[]): Fields =>
  http({
    name,
    filters,
    ...(routes === undefined ? {} : { routes }),
    log: [textLog(STANDARD_LOG.replace('\n', ` state=%FILTER_STATE(${STATE}:PLAIN)%\n`))],
    hcm: { http_protocol_options: { enable_trailers: true } },
  });

const stats = ['composite'];
const trailed = chunked('/', ['body'], ['trailer: x-t'], ['x-t: yes']);
const answer = [[response(200, 'ok', 'x-r: yes')], [response(200, 'ok', 'x-r: yes')]];
const trailedAnswer = [['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: yes\r\n\r\n']];

const skipMatchers: Readonly<Record<string, Fields | null>> = {
  'request header': list(when(header('RequestHeader', 'x-skip'), yes, skip)),
  'request header tree': tree(header('RequestHeader', 'x-skip'), { yes: skip }),
  'request trailer': list(when(header('RequestTrailer', 'x-t'), yes, skip)),
  'response header': list(when(header('ResponseHeader', 'x-r'), yes, skip)),
  'response trailer': list(when(header('ResponseTrailer', 'x-t'), yes, skip)),
  'query parameter': list(when(plain('RequestQueryParam', { query_param: 'skip' }), yes, skip)),
  'status code': list(when(plain('ResponseStatusCode'), { exact: '200' }, skip)),
  'status class': list(when(plain('ResponseStatusCodeClass'), { exact: '2xx' }, skip)),
  'none at all': null,
  'never decides': list(when(header('ResponseHeader', 'x-none'), yes, skip)),
  'skip unless': {
    ...list(when(header('RequestHeader', 'x-skip'), { exact: 'no' }, execute({ typed_config: marked('ignored') }))),
    on_no_match: skip,
  },
  'late first, then early': list(
    when(header('ResponseHeader', 'x-none'), yes, skip),
    when(header('RequestHeader', 'x-skip'), yes, skip),
  ),
  either: list({
    predicate: {
      or_matcher: {
        predicate: [
          { single_predicate: { input: header('ResponseHeader', 'x-r'), value_match: yes } },
          { single_predicate: { input: header('RequestHeader', 'x-skip'), value_match: yes } },
        ],
      },
    },
    on_match: skip,
  }),
  both: list({
    predicate: {
      and_matcher: {
        predicate: [
          { single_predicate: { input: header('RequestHeader', 'x-skip'), value_match: yes } },
          { single_predicate: { input: header('ResponseHeader', 'x-r'), value_match: yes } },
        ],
      },
    },
    on_match: skip,
  }),
  not: list({
    predicate: {
      not_matcher: { single_predicate: { input: header('RequestHeader', 'x-skip'), value_match: yes } },
    },
    on_match: skip,
  }),
  'not late': list({
    predicate: {
      not_matcher: { single_predicate: { input: header('ResponseHeader', 'x-r'), value_match: yes } },
    },
    on_match: skip,
  }),
};
const nameOf = (text: string): string => `d-${text.replaceAll(/\W+/g, '-')}`;
const delegateListeners = Object.entries(skipMatchers).map(([name, matcher]) =>
  listener(nameOf(name), [delegate(marked('one'), matcher)]),
);
const delegateCases = Object.keys(skipMatchers).flatMap((name): Case[] => [
  { name: `${name}: holds`, to: nameOf(name), send: get('/?skip=yes', 'x-skip: yes'), upstream: answer },
  { name: `${name}: does not`, to: nameOf(name), send: get('/?skip=no', 'x-skip: no') },
  {
    name: `${name}: with trailers`,
    to: nameOf(name),
    send: trailed,
    upstream: trailedAnswer,
  },
]);

const executions: Readonly<Record<string, Fields>> = {
  'one filter': execute({ typed_config: marked('one') }),
  'a chain': execute({ filter_chain: { typed_config: [marked('first'), marked('second')] } }),
  'a named chain': execute({ filter_chain_name: 'named' }),
  'a chain that is not there': execute({ filter_chain_name: 'nobody' }),
  'never sampled': execute({ typed_config: marked('one'), sample_percent: { default_value: { numerator: 0 } } }),
  'always sampled': execute({ typed_config: marked('one'), sample_percent: { default_value: { numerator: 100 } } }),
  'a local reply': execute({ typed_config: local('418') }),
  'a reply in a chain': execute({ filter_chain: { typed_config: [marked('first'), local('418'), marked('third')] } }),
  'a chain that waits': execute({ filter_chain: { typed_config: [delay, marked('second')] } }),
  'a composite': execute({
    typed_config: innerComposite({
      matcher: list(when(header('RequestHeader', 'x-inner'), yes, execute({ typed_config: marked('inner') }))),
    }),
  }),
  'a delegate': execute({
    typed_config: {
      name: 'inner-delegate',
      typed_config: any(DELEGATE, {
        extension_config: marked('inner'),
        xds_matcher: list(when(header('RequestHeader', 'x-inner'), yes, skip)),
      }),
    },
  }),
  'chain before one': execute({
    typed_config: marked('one'),
    filter_chain: { typed_config: [marked('chained')] },
    filter_chain_name: 'named',
  }),
};
const chains: Fields = { named_filter_chains: { named: { typed_config: [marked('n1'), marked('n2'), marked('n3')] } } };
const ownName = (text: string): string => `own-${text.replaceAll(/\W+/g, '-')}`;
const byName = (text: string): string => `by-${text.replaceAll(/\W+/g, '-')}`;
const compositeListeners = Object.entries(executions).flatMap(([name, action]) => [
  listener(ownName(name), [
    composite({ ...chains, matcher: list(when(header('RequestHeader', 'x-do'), yes, action)) }),
    marked('after'),
  ]),
  listener(byName(name), [delegate(innerComposite(chains), tree(header('RequestHeader', 'x-do'), { yes: action }))]),
]);
const compositeCases = Object.keys(executions).flatMap((name): Case[] =>
  [ownName(name), byName(name)].flatMap((to) => [
    { name: `${to}: done`, to, send: get('/', 'x-do: yes'), stats },
    { name: `${to}: not done`, to, send: get('/', 'x-do: no'), stats },
    {
      name: `${to}: done with a body and an inner match`,
      to,
      send: post('/', 'body', 'x-do: yes', 'x-inner: yes'),
      stats,
    },
  ]),
);

const late = (input: Fields, value: Fields = yes): Fields =>
  list(when(input, value, execute({ typed_config: marked('late') })));
const lateInputs: Readonly<Record<string, Fields>> = {
  'response header': late(header('ResponseHeader', 'x-r')),
  'status code': late(plain('ResponseStatusCode'), { exact: '200' }),
  'response trailer': late(header('ResponseTrailer', 'x-t')),
  'request trailer': late(header('RequestTrailer', 'x-t')),
};
const lateListeners = Object.entries(lateInputs).flatMap(([name, matcher]) => [
  listener(`late-${name.replaceAll(' ', '-')}`, [delegate(innerComposite(), matcher)]),
  listener(`late-own-${name.replaceAll(' ', '-')}`, [composite({ matcher })]),
]);
const lateCases = Object.keys(lateInputs).flatMap((name): Case[] =>
  [`late-${name.replaceAll(' ', '-')}`, `late-own-${name.replaceAll(' ', '-')}`].flatMap((to) => [
    { name: `${to}: with trailers`, to, send: trailed, upstream: trailedAnswer, stats },
    { name: `${to}: with a header`, to, send: get('/'), upstream: answer, stats },
  ]),
);

const perRoute = (name: string, type: string, fields: Fields): Fields => ({
  typed_per_filter_config: { [name]: any(type, fields) },
});
const routeMatcher = (name: string): Fields =>
  list(when(header('RequestHeader', 'x-do'), yes, execute({ typed_config: marked(name) })));
const WITH_MATCHER = 'envoy.extensions.common.matching.v3.ExtensionWithMatcherPerRoute';
const PER_ROUTE = `${COMPOSITE}.CompositePerRoute`;
const routeListener = listener(
  'routes',
  [
    composite({ ...chains, matcher: routeMatcher('base') }),
    delegate(marked('delegated'), skipMatchers['request header'] as Fields),
    delegate(innerComposite(), routeMatcher('delegated-base'), 'outer'),
    delegate(marked('never'), null, 'bare'),
  ],
  [
    route('/own', 'a', {}, perRoute('composite', PER_ROUTE, { matcher: routeMatcher('of-route') })),
    route(
      '/named',
      'a',
      {},
      perRoute('composite', PER_ROUTE, {
        matcher: list(when(header('RequestHeader', 'x-do'), yes, execute({ filter_chain_name: 'named' }))),
      }),
    ),
    route(
      '/chain',
      'a',
      {},
      perRoute('composite', PER_ROUTE, {
        matcher: list(
          when(
            header('RequestHeader', 'x-do'),
            yes,
            execute({ filter_chain: { typed_config: [marked('r1'), marked('r2')] } }),
          ),
        ),
      }),
    ),
    route(
      '/skip',
      'a',
      {},
      perRoute('delegate', WITH_MATCHER, { xds_matcher: { ...routeMatcher('x'), on_no_match: skip } }),
    ),
    route('/outer', 'a', {}, perRoute('outer', WITH_MATCHER, { xds_matcher: routeMatcher('outer-route') })),
    route(
      '/bare',
      'a',
      {},
      perRoute('bare', WITH_MATCHER, { xds_matcher: list(when(header('RequestHeader', 'x-do'), yes, skip)) }),
    ),
    route('/off', 'a', {}, perRoute('composite', 'envoy.config.route.v3.FilterConfig', { disabled: true })),
    route(
      '/inner',
      'a',
      {},
      perRoute('delegate', 'envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute', {
        mutations: { request_mutations: [{ append: { header: { key: 'x-of-route', value: 'yes' } } }] },
      }),
    ),
    route(
      '/other',
      'a',
      {},
      perRoute('composite', 'envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute', {
        mutations: { request_mutations: [{ append: { header: { key: 'x-of-route', value: 'yes' } } }] },
      }),
    ),
    direct({ prefix: '/direct' }, 200, 'here'),
    route('/', 'a'),
  ],
);
/** ECDS from a file, and names by which nothing comes. */
const named = (name: string, more: Fields = {}): Fields =>
  execute({
    dynamic_config: {
      name,
      config_discovery: {
        config_source: { path_config_source: { path: `{{dir}}/${name}.yaml` }, initial_fetch_timeout: '0.2s' },
        type_urls: [`type.googleapis.com/${MUTATION}`],
        ...more,
      },
    },
  });
const discovered = (name: string): Record<string, string> => ({
  [`${name}.yaml`]: JSON.stringify({
    version_info: '1',
    resources: [{ '@type': 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig', ...marked(name) }],
  }),
});
const discoveredListener = listener('discovered', [
  composite({
    matcher: tree(header('RequestHeader', 'x-do'), {
      here: named('here'),
      gone: named('gone'),
      fallback: named('fallback', {
        default_config: marked('fallen')['typed_config'],
        apply_default_config_without_warming: true,
      }),
    }),
  }),
]);
const discoveredCases: readonly Case[] = ['here', 'gone', 'fallback', 'else'].map((value) => ({
  name: `discovered: ${value}`,
  to: 'discovered',
  send: get('/', `x-do: ${value}`),
  stats: ['composite', 'extension_config_discovery'],
}));

const routeCases = [
  '/own',
  '/named',
  '/chain',
  '/skip',
  '/outer',
  '/bare',
  '/off',
  '/inner',
  '/other',
  '/direct',
  '/',
].flatMap((path): Case[] => [
  { name: `route ${path}, done`, to: 'routes', send: get(path, 'x-do: yes', 'x-skip: no'), stats },
  { name: `route ${path}, skipped`, to: 'routes', send: get(path, 'x-do: no', 'x-skip: yes'), stats },
]);

const oldListener = listener('old', [
  delegate(marked('one'), tree(header('RequestHeader', 'x-skip'), { yes: skip }), 'delegate', 'matcher'),
]);
const oldCases: readonly Case[] = [
  { name: 'deprecated matcher: holds', to: 'old', send: get('/', 'x-skip: yes') },
  { name: 'deprecated matcher: does not', to: 'old', send: get('/', 'x-skip: no') },
];

/** A filter before answers, so that the delegate never sees the request. */
const answeredListener = listener('answered', [
  local('503'),
  delegate(marked('one'), skipMatchers['request header'] as Fields),
  delegate(marked('two'), list(when(plain('ResponseStatusCode'), { exact: '503' }, skip)), 'two'),
  delegate(marked('three'), list(when(plain('ResponseLocalReply'), { exact: 'true' }, skip)), 'three'),
]);
const localListener = listener('local', [
  delegate(marked('three'), list(when(plain('ResponseLocalReply'), { exact: 'true' }, skip)), 'three'),
  delegate(marked('four'), list(when(plain('ResponseLocalReply'), { exact: 'false' }, skip)), 'four'),
]);
const compositeAnswered = listener('composite-answered', [
  local('503'),
  composite({ matcher: routeMatcher('base') }),
  composite({ matcher: late(plain('ResponseStatusCode'), { exact: '503' }) }, 'second'),
  delegate(innerComposite(), late(plain('ResponseStatusCode'), { exact: '503' }), 'third'),
]);
const answeredCases: readonly Case[] = [
  { name: 'an answer before a composite', to: 'composite-answered', send: get('/', 'x-do: yes'), stats },
  { name: 'an answer before a composite without the header', to: 'composite-answered', send: get('/'), stats },
  { name: 'an answer before the filter, header', to: 'answered', send: get('/', 'x-skip: yes') },
  { name: 'an answer before the filter', to: 'answered', send: get('/') },
  { name: 'an answer from the upstream', to: 'local', send: get('/') },
  { name: 'no answer from the upstream', to: 'local', send: get('/'), upstream: [['fin']] },
];

export const compositeGroups: readonly Group[] = [
  {
    name: 'match delegate',
    config: bootstrap({
      listeners: [...delegateListeners, oldListener, answeredListener, localListener, compositeAnswered],
      clusters: [cluster('a')],
    }),
    cases: [...delegateCases, ...oldCases, ...answeredCases],
  },
  {
    name: 'composite',
    config: bootstrap({
      listeners: [...compositeListeners, ...lateListeners, routeListener, discoveredListener],
      clusters: [cluster('a')],
    }),
    files: { ...discovered('here'), 'gone.yaml': '{}', 'fallback.yaml': '{}' },
    cases: [...compositeCases, ...lateCases, ...routeCases, ...discoveredCases],
  },
];
