// Differential cases: the admin interface of a plain proxy.
import type { Case, Group, Observation } from '../case.ts';
import { bootstrap, cluster, http, route } from '../config.ts';
import { get, request } from '../messages.ts';
import { adminEndpointGroups } from './admin-endpoints.ts';

function admin(
  name: string,
  requests: readonly string[],
  view?: (answers: NonNullable<Observation['admin']>) => unknown,
): Case {
  return {
    name: `admin ${name}`,
    admin: requests,
    view: (seen) => (view === undefined ? seen.admin : view(seen.admin!)),
    standardStats: false,
  };
}
type Answers = NonNullable<Observation['admin']>;
function only(answers: Answers): Answers[string] {
  return Object.values(answers)[0]!;
}
/** The names in a plain statistics dump that the listeners and clusters of the tables give rise to. */
function statNames(answers: Answers): unknown {
  return only(answers)
    .body.split('\n')
    .map((line) => line.slice(0, line.lastIndexOf(': ')))
    .filter((name) => /^(http\.main\.|cluster\.a\.|listener\.main\.|vhost\.|http1\.)/.test(name))
    .toSorted();
}
function keysOf(value: unknown, depth: number): unknown {
  if (depth === 0 || typeof value !== 'object' || value === null) return typeof value;
  if (Array.isArray(value)) return value.length === 0 ? [] : [keysOf(value[0], depth - 1)];
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, keysOf(child, depth - 1)]));
}
function jsonShape(depth: number): (answers: Answers) => unknown {
  return (answers) => {
    const { status, headers, body } = only(answers);
    return { status, type: headers['content-type'], shape: keysOf(JSON.parse(body) as unknown, depth) };
  };
}
function prometheusTypes(answers: Answers): unknown {
  return only(answers)
    .body.split('\n')
    .filter((line) => /^# TYPE envoy_(http|cluster|listener|vhost)_/.test(line))
    .toSorted();
}
function prometheusLines(answers: Answers): unknown {
  return only(answers)
    .body.split('\n')
    .filter(
      (line) =>
        /^envoy_(http_downstream_rq|cluster_upstream_rq)[a-z_]*\{.*(main|"a")/.test(line) &&
        !/_bucket|_sum|_count|time/.test(line),
    )
    .map((line) => line.replace(/ \d+$/, ''))
    .toSorted();
}
function clusterLines(answers: Answers): unknown {
  return only(answers)
    .body.split('\n')
    .filter((line) => line.startsWith('a::') || line.startsWith('empty::'))
    .toSorted();
}
/** A name that leads nowhere else. */
const OWN = 'host: localhost';
const adminCases: readonly Case[] = [
  { name: 'traffic before the dumps', settleMs: 300, send: [get('/a'), { read: 1 }, get('/none'), { read: 2 }] },
  admin('ready', ['GET /ready']),
  admin('unknown path', ['GET /nothing-here'], (answers) => ({
    status: only(answers).status,
    first: only(answers).body.split('\n')[0],
  })),
  admin('home', ['GET /'], (answers) => [only(answers).status, only(answers).headers['content-type']]),
  admin('help', ['GET /help'], (answers) =>
    only(answers)
      .body.split('\n')
      .map((line) => line.match(/^ {2}(\/\S*)/)?.[1])
      .filter(Boolean),
  ),
  {
    name: 'admin head of ready',
    to: 'admin',
    send: [request('HEAD', '/ready', [OWN]), { read: 1 }],
    standardStats: false,
  },
  ...[
    '/quitquitquit',
    '/reset_counters',
    '/drain_listeners',
    '/healthcheck/fail',
    '/healthcheck/ok',
    '/logging',
    '/runtime_modify',
    '/cpuprofiler',
    '/heapprofiler',
    '/reopen_logs',
  ].map((path) =>
    admin(`GET of ${path}`, [`GET ${path}`], (answers) => ({
      status: only(answers).status,
      body: only(answers).body.split('\n')[0],
    })),
  ),
  admin('POST of ready', ['POST /ready']),
  admin('PUT of stats', ['PUT /stats'], (answers) => only(answers).status),
  admin('server_info', ['GET /server_info'], jsonShape(1)),
  admin(
    'server_info state',
    ['GET /server_info'],
    (answers) => (JSON.parse(only(answers).body) as { state: string }).state,
  ),
  admin('server_info options', ['GET /server_info'], (answers) =>
    Object.keys((JSON.parse(only(answers).body) as { command_line_options: object }).command_line_options).toSorted(),
  ),
  admin('stats names', ['GET /stats'], statNames),
  admin('stats usedonly names', ['GET /stats?usedonly'], statNames),
  admin('stats filter', ['GET /stats?filter=^http\\.main\\.downstream_rq_(total|2xx|4xx)$']),
  admin('stats filter invalid', ['GET /stats?filter=(']),
  admin('stats type counters', ['GET /stats?type=Counters&filter=^cluster\\.a\\.upstream_rq_(total|active)$']),
  admin('stats type gauges', ['GET /stats?type=Gauges&filter=^cluster\\.a\\.upstream_(rq_active|cx_active)$']),
  admin('stats type invalid', ['GET /stats?type=Nothing']),
  admin('stats json', ['GET /stats?format=json&filter=^http\\.main\\.downstream_rq_(total|2xx|4xx)$']),
  admin('stats json histogram shape', ['GET /stats?format=json&filter=^cluster\\.a\\.upstream_rq_time$'], jsonShape(7)),
  admin('stats text histogram shape', ['GET /stats?filter=^cluster\\.a\\.upstream_rq_time$'], (answers) =>
    only(answers)
      .body.replace(/[\d.]+(e[+-]\d+)?/g, 'n')
      .replaceAll('nan', 'n'),
  ),
  admin('stats format invalid', ['GET /stats?format=nonsense']),
  admin('prometheus types', ['GET /stats/prometheus'], prometheusTypes),
  admin('prometheus lines', ['GET /stats/prometheus'], prometheusLines),
  admin('prometheus by format', ['GET /stats?format=prometheus&usedonly&filter=^cluster\\.a\\.upstream_rq_total$']),
  admin('prometheus content type', ['GET /stats/prometheus'], (answers) => [
    only(answers).status,
    only(answers).headers['content-type'],
  ]),
  admin('clusters', ['GET /clusters'], clusterLines),
  admin('clusters json', ['GET /clusters?format=json'], (answers) => {
    const statuses = (JSON.parse(only(answers).body) as { cluster_statuses: { name: string }[] }).cluster_statuses;
    return statuses.toSorted((one, two) => one.name.localeCompare(two.name)).map((status) => keysOf(status, 5));
  }),
  admin('listeners', ['GET /listeners'], (answers) => only(answers).body.split('\n').toSorted()),
  admin('listeners json', ['GET /listeners?format=json'], jsonShape(6)),
  admin('config_dump shape', ['GET /config_dump'], (answers) => {
    const { configs } = JSON.parse(only(answers).body) as { configs: Record<string, unknown>[] };
    return configs.map((config) => [
      config['@type'],
      Object.keys(config)
        .filter((key) => key !== '@type')
        .toSorted(),
    ]);
  }),
  admin('config_dump by resource', ['GET /config_dump?resource=static_clusters'], jsonShape(4)),
  admin(
    'config_dump by name',
    ['GET /config_dump?resource=static_clusters&name_regex=^empty$'],
    (answers) => (JSON.parse(only(answers).body) as { configs: unknown[] }).configs.length,
  ),
  admin('config_dump by mask', ['GET /config_dump?resource=static_clusters&mask=cluster.name'], (answers) =>
    keysOf(JSON.parse(only(answers).body), 5),
  ),
  admin('config_dump unknown resource', ['GET /config_dump?resource=nothing']),
  admin('config_dump routes', ['GET /config_dump?resource=static_route_configs'], jsonShape(4)),
  admin('certs', ['GET /certs']),
  admin('runtime', ['GET /runtime'], (answers) => keysOf(JSON.parse(only(answers).body), 2)),
  admin('memory', ['GET /memory'], jsonShape(1)),
  admin('hot_restart_version', ['GET /hot_restart_version'], (answers) => only(answers).status),
  admin('contention', ['GET /contention'], (answers) => only(answers).status),
  admin('init_dump', ['GET /init_dump'], (answers) => [only(answers).status, only(answers).body]),
  admin('logging levels', ['POST /logging'], (answers) => [only(answers).status, only(answers).body.split('\n')[0]]),
  admin('logging level of all', ['POST /logging?level=error'], (answers) => [
    only(answers).status,
    only(answers).body.split('\n')[0],
  ]),
  admin('logging unknown level', ['POST /logging?level=loud'], (answers) => only(answers).status),
  admin('logging unknown component', ['POST /logging?nothing=debug'], (answers) => only(answers).status),
  admin('reset_counters', ['POST /reset_counters']),
  { ...admin('counters after the reset', ['GET /stats?filter=^cluster\\.a\\.upstream_rq_total$']) },
  admin('reopen_logs', ['POST /reopen_logs']),
  admin('healthcheck fail', ['POST /healthcheck/fail', 'GET /ready', 'POST /healthcheck/ok']),
  { name: 'admin answer to a raw request', to: 'admin', send: [get('/ready', OWN), { read: 1 }], standardStats: false },
  {
    name: 'admin raw with a body',
    to: 'admin',
    send: [request('POST', '/healthcheck/ok', [OWN, 'content-length: 3'], 'abc'), { read: 1 }],
    standardStats: false,
  },
  { name: 'healthcheck fail changes answers', admin: ['POST /healthcheck/fail'] },
  { name: 'answer while failed', timeoutMs: 500, send: [get('/a'), { read: 1 }] },
  { name: 'healthcheck ok again', admin: ['POST /healthcheck/ok', 'GET /ready'] },
  { name: 'answer while ok again', send: [get('/a'), { read: 1 }] },
  admin('drain_listeners graceful', ['POST /drain_listeners?graceful&skip_exit'], (answers) => only(answers)),
  {
    name: 'answer while draining',
    timeoutMs: 500,
    send: [get('/a'), { read: 1 }],
    view: (seen) => seen.clients[0]!.responses.map(({ line }) => line),
  },
];
const adminConfig = bootstrap({
  listeners: [http({ name: 'main', routes: [route('/a', 'a')] })],
  clusters: [cluster('a'), cluster('empty', [])],
  around: {
    node: { id: 'node-id', cluster: 'node-cluster', locality: { region: 'r', zone: 'z' } },
    // Histograms show what was flushed.
    stats_flush_interval: '0.1s',
  },
});

export const adminGroups: readonly Group[] = [
  { name: 'admin', config: adminConfig, cases: adminCases },
  ...adminEndpointGroups,
];
