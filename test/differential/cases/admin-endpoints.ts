// Differential cases: endpoints of the admin interface, their queries and forms, paths that are allowed, TLS contexts.
import type { Case, Group, Observation } from '../case.ts';
import { bootstrap, cluster, http, route } from '../config.ts';
import { request } from '../messages.ts';

type Answers = NonNullable<Observation['admin']>;

/** All of the answers, save what tells of the process. */
function asked(requests: readonly string[], view?: (answers: Answers) => unknown): Case {
  return {
    name: requests.join(', '),
    admin: requests,
    view: ({ admin = {} }) => (view === undefined ? admin : view(admin)),
    standardStats: false,
  };
}

const only = (answers: Answers): Answers[string] => Object.values(answers)[0] as Answers[string];
const jsonOf = (answers: Answers): unknown => JSON.parse(only(answers).body);
const type = (answers: Answers): unknown => [only(answers).status, only(answers).headers['content-type']];

/** One request of its own form, from a client of the raw interface. */
function raw(name: string, method: string, target: string, headers: readonly string[] = [], body = ''): Case {
  const length = body === '' ? [] : [`content-length: ${body.length}`];
  const text = request(method, target, ['host: localhost', ...headers, ...length], body);
  return { name, to: 'admin', send: [text, { read: 1 }], standardStats: false };
}

const FORM = 'content-type: application/x-www-form-urlencoded';

/** Without what each of the two builds has of its own. */
function helpOf(answers: Answers): unknown {
  return only(answers)
    .body.split('\n')
    .filter((line) => !line.startsWith('  /dns:'));
}

const sorted = (answers: Answers): unknown => {
  const { layers, entries } = jsonOf(answers) as { layers: unknown; entries: Record<string, object> };
  const unmarked = JSON.stringify(entries).replaceAll(/goo\.gle\/debug\w+ */g, 'MARK ');
  return { layers, entries: JSON.parse(unmarked) as unknown };
};

const plain: readonly Case[] = [
  asked(['GET /help'], helpOf),
  asked(['GET /nothing'], helpOf),
  asked(['GET /'], type),
  asked(['GET /?x=y'], type),
  asked(['POST /'], type),
  asked(['GET /certs']),
  asked(['GET /contention']),
  asked(['GET /memory/tcmalloc'], type),
  asked(['GET /memory'], (answers) => Object.keys(jsonOf(answers) as object)),
  ...['', '?mask=listener', '?mask=nothing'].map((query) => asked([`GET /init_dump${query}`])),
  ...['GET', 'PUT', 'DELETE', 'OPTIONS', 'POST', 'PATCH'].map((method) =>
    asked([`${method} /cpuprofiler`], (answers) => [only(answers).status, only(answers).headers]),
  ),
  ...['', '?enable', '?enable=', '?enable=Y', '?enable=yes', '?x=y', '?enable=n'].map((query) =>
    asked([`POST /cpuprofiler${query}`]),
  ),
  // Where profiles would be written there is no directory.
  asked(['POST /cpuprofiler?enable=y']),
  asked(['POST /allocprofiler', 'POST /allocprofiler?enable=n', 'POST /allocprofiler?enable=x']),
  asked(['POST /allocprofiler?enable=y']),
  asked(['POST /allocprofiler?enable=y&x=y']),
  asked(['POST /allocprofiler?enable=n'], ({ 'POST /allocprofiler?enable=n': answer }) => answer?.status),
  asked(['GET /stats/recentlookups'], (answers) => only(answers).body.replace(/\d+/, 'N')),
  asked(['GET /stats/recentlookups/enable', 'POST /stats/recentlookups/enable']),
  asked(['GET /stats/recentlookups'], (answers) => [only(answers).body.split('\n')[0], type(answers)]),
  asked(['POST /stats/recentlookups/clear', 'POST /stats/recentlookups/disable']),
  ...['/ready/', '/READY', '/ready;x', '/ready%2f', '/ready?x=y', '/%72eady', '/a/../ready', '/./ready', '//ready'].map(
    (path) => asked([`GET ${path}`], (answers) => [only(answers).status, only(answers).body.split('\n')[0]]),
  ),
  ...['json', 'text', 'nonsense', ''].map((format) => asked([`GET /listeners?format=${format}`])),
  ...['(', '[', '*', 'a{1001}', '(?<n>a)', '\\1'].map((filter) =>
    asked([`GET /clusters?filter=${encodeURIComponent(filter)}`]),
  ),
  asked(['GET /clusters?filter=nothing&format=json']),
  asked(['GET /clusters?filter=%61&format=json'], (answers) =>
    (jsonOf(answers) as { cluster_statuses: { name: string }[] }).cluster_statuses.map(({ name }) => name),
  ),
];

const dumps: readonly Case[] = [
  ...[
    'mask=nothing',
    'mask=static_clusters.cluster',
    'mask=static_listeners,static_clusters',
    'resource=nothing',
    'resource=bootstrap',
    'resource=static_endpoint_configs',
    'resource=static_clusters&mask=nothing',
    'resource=static_route_configs&mask=route_config',
    'mask=bootstrap.nothing,bootstrap',
    'resource=static_secrets',
    'resource=dynamic_listeners',
    'resource=static_clusters&name_regex=nothing',
    'name_regex=(',
    'name_regex=[',
  ].map((query) =>
    asked([`GET /config_dump?${query}`], (answers) => {
      const { status, headers, body } = only(answers);
      return [status, headers['content-type'], body.replaceAll(/goo\.gle\/debug\w+ */g, 'MARK ').trimEnd()];
    }),
  ),
  ...[
    'mask=bootstrap.node.id',
    'mask=bootstrap.node.id,bootstrap.node.cluster',
    'mask=bootstrap.static_resources.clusters',
    'mask=bootstrap.node.locality',
    'resource=static_clusters',
    'resource=static_clusters&mask=cluster.name,cluster.load_assignment.cluster_name',
    'resource=static_route_configs&mask=route_config.name',
    'resource=static_listeners&mask=listener.name',
    'resource=static_clusters&name_regex=emp.*',
    'resource=static_endpoint_configs&include_eds&name_regex=a',
    'resource=static_endpoint_configs&include_eds&mask=endpoint_config.cluster_name',
  ].map((query) => asked([`GET /config_dump?${query}`], withoutTimes)),
];

function withoutTimes(answers: Answers): unknown {
  if (only(answers).status !== 200) return only(answers);
  const without = (_: string, value: unknown): unknown => {
    if (!Array.isArray(value)) return value;
    // Clusters lie in a table of hashes there.
    return value.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  };
  const text = only(answers).body.replaceAll(/"last_updated": "[^"]*"/g, '"last_updated": "NOW"');
  return JSON.parse(text, without);
}

/** Beginnings of what both count, or one of them. */
const COMMON = ['http', 'listener', 'server', 'cluster', 'runtime', 'workers', 'main_thread', 'thread_local'];

const stats: readonly Case[] = [
  ...['hidden=include', 'hidden=only', 'hidden=exclude'].map((query) =>
    asked([`GET /stats?${query}&filter=^cluster\\.a\\.(bind_errors|upstream_rq_total)$`]),
  ),
  asked(['GET /stats?hidden=bad']),
  asked(['GET /stats?filter=^((?!cluster).)*$'], type),
  asked(['GET /stats?invert_filter&filter=.']),
  // What waits to be written to the log is a matter of time.
  asked([`GET /stats?invert_filter&type=Gauges&filter=^(${COMMON.join('|')}|filesystem.write_total_buffered)`]),
  asked(['GET /stats?histogram_buckets=prometheusnative']),
  asked(['GET /stats/prometheus?histogram_buckets=prometheusnative']),
  asked(['GET /stats/prometheus?histogram_buckets=detailed']),
  asked(['GET /stats?histogram_buckets=nonsense']),
  asked(['GET /stats?format=html&filter=nothing'], type),
  asked(['GET /stats?format=active-html'], type),
  asked(['GET /stats?type=TextReadouts&filter=nothing']),
  asked(['GET /stats?filter=%5Ecluster.a.bind_errors%24']),
  asked(['GET /stats?filter=cluster.a.bind+_err']),
];

const logging: readonly Case[] = [
  ...[
    'level=',
    'paths=',
    'nothing',
    'level=warn',
    'level=loud',
    'level=error&paths=a:b',
    'admin=info&http=debug',
    'group=admin:info',
    'nosuch=info',
    'paths=admin:info,nosuch:info',
    'paths=admin',
    'admin=loud',
  ].map((query) =>
    asked([`POST /logging?${query}`], (answers) => [only(answers).status, only(answers).body.split('active')[0]]),
  ),
];

const drains: readonly Case[] = [
  asked(['POST /drain_listeners?skip_exit']),
  asked(['POST /drain_listeners?graceful&skip_exit&inboundonly']),
];

const forms: readonly Case[] = [
  raw('a form', 'POST', '/runtime_modify', [FORM], 'form.a=1&form.b=%2B+x&form.c=x%zzy'),
  raw('a form beside a query', 'POST', '/runtime_modify?query.a=2', [FORM], 'form.d=1'),
  raw('a body that is no form', 'POST', '/runtime_modify', ['content-type: text/plain'], 'form.e=1'),
  raw('a form of another type', 'POST', '/runtime_modify', [`${FORM}; charset=utf-8`], 'form.f=1'),
  raw('a form for the profiler', 'POST', '/cpuprofiler', [FORM], 'enable=n'),
  asked(['GET /runtime'], sorted),
  asked(['POST /runtime_modify']),
  asked(['POST /runtime_modify?flag']),
  asked(['POST /runtime_modify?=x']),
  asked(['POST /runtime_modify?a=1&a=2&b=&layers.0=x&q=a%20b']),
  asked(['POST /runtime_modify?static.number=6']),
  asked(['GET /runtime'], sorted),
  asked(['GET /stats?filter=^runtime\\.(admin|num|load)']),
  asked(['POST /runtime_modify?static.number=']),
  asked(['GET /runtime'], sorted),
];

/** What a page that somebody reads in a browser could send. */
const pages: readonly Case[] = [
  raw('a page of another origin', 'POST', '/healthcheck/ok', ['origin: http://evil.example']),
  raw('a page of another site', 'POST', '/healthcheck/ok', ['sec-fetch-site: cross-site']),
  raw('a page of its own', 'POST', '/healthcheck/ok', ['origin: http://localhost', 'sec-fetch-site: same-origin']),
  raw('a page of another origin that reads', 'GET', '/ready', ['origin: http://evil.example']),
  {
    name: 'a name of elsewhere',
    to: 'admin',
    send: [request('GET', '/ready', ['host: evil.example']), { read: 1 }],
    standardStats: false,
  },
];

const around = {
  node: { id: 'node-id', cluster: 'node-cluster', locality: { region: 'r', zone: 'z' } },
  stats_flush_interval: '0.1s',
  layered_runtime: {
    layers: [
      {
        name: 'first',
        static_layer: {
          static: { number: 5, text: 'hello', negative: -3, flag: true, off: false, deep: { er: { x: 'y' } } },
          'dotted.key': 1,
          fraction: { numerator: 5, denominator: 'TEN_THOUSAND' },
          only_denominator: { denominator: 'MILLION' },
          odd_fraction: { numerator: 3, foo: 'bar' },
          empty: {},
          blank: '',
          spaces: ' 12 ',
          number_text: '12',
          hexadecimal: '0x10',
          exponent: '1e3',
        },
      },
      { name: 'second', static_layer: { static: { number: 7 }, more: 1 } },
      { name: 'third', admin_layer: {} },
    ],
  },
};

const allowed = {
  address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
  // What the rig asks, and what is asked for here.
  allow_paths: [
    { prefix: '/listeners' },
    { prefix: '/stats?filter' },
    { prefix: '/server_info' },
    { exact: '/ready' },
    { suffix: '/memory' },
    { safe_regex: { regex: '/runtime\\?x=[0-9]' } },
    { contains: 'RESET', ignore_case: true },
  ],
};

const listeners = [http({ name: 'main', routes: [route('/a', 'a')] })];
const clusters = [cluster('a'), cluster('empty', [])];

export const adminEndpointGroups: readonly Group[] = [
  {
    name: 'admin endpoints',
    config: bootstrap({ listeners, clusters, around }),
    cases: [...plain, ...dumps, ...stats, ...logging, ...forms, ...pages, ...drains],
  },
  {
    name: 'admin allowed paths',
    config: bootstrap({ listeners, clusters, around: { ...around, admin: allowed } }),
    cases: [
      ...['/ready', '/ready?x', '/memory', '/memory?x', '//memory', '/x/../memory', '/stats?filter=^nothing$'].map(
        (path) => asked([`GET ${path}`], (answers) => [only(answers).status, type(answers)]),
      ),
      ...['/stats', '/runtime', '/runtime?x=12', '/', '/help', '/none', '/n%C3%BCll', '/a%20b?c%20d'].map((path) =>
        asked([`GET ${path}`]),
      ),
      asked(['GET /runtime?x=1'], type),
      asked(['POST /reset_counters', 'GET /reset_counters', 'POST /quitquitquit']),
    ],
  },
];
