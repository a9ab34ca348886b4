// Options of clusters: where sockets come from and go to, socket options, keep-alive, further addresses.
import type { Case, Group } from '../case.ts';
import { address, any, bootstrap, cluster, type Fields, http, route, textLog } from '../config.ts';

const LOG =
  'code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% cluster=%UPSTREAM_CLUSTER% host=%UPSTREAM_HOST% ' +
  'remote=%UPSTREAM_REMOTE_ADDRESS% local=%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% ' +
  'failure=%UPSTREAM_TRANSPORT_FAILURE_REASON%\n';

const SOURCE = { address: '127.0.0.9', port_value: 0 };
const SOURCE_V6 = { address: '::1', port_value: 0 };
/** Not this machine's (TEST-NET-1 of RFC 5737). */
const FOREIGN = { address: '192.0.2.1', port_value: 0 };

const TCP_NODELAY = { level: 6, name: 1, int_value: 1 };
const NONSENSE = { description: 'nonsense', level: 6, name: 9999, int_value: 1 };

function bound(name: string, bind: Fields, endpoint = 'a'): Fields {
  return cluster(name, [endpoint], { upstream_bind_config: bind });
}

/** One endpoint of several addresses. */
function several(name: string, first: string, others: readonly string[], fields: Fields = {}): Fields {
  const endpoint = {
    address: address(first),
    additional_addresses: others.map((other) => ({ address: address(other) })),
  };
  return cluster(name, [], {
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
    ...fields,
  });
}

/** policy.drop_overloads. */
function dropping(name: string, numerator: number, denominator = 'HUNDRED'): Fields {
  const { load_assignment, ...rest } = cluster(name, ['a']);
  const policy = { drop_overloads: [{ category: 'rain', drop_percentage: { numerator, denominator } }] };
  return { ...rest, load_assignment: { ...(load_assignment as Fields), policy } };
}

const v6 = { socket_address: { address: '::1', port_value: '{{free.x}}' } };

const CLUSTERS: readonly Fields[] = [
  cluster('plain', ['a']),
  bound('source', { source_address: SOURCE }),
  bound('extra', { source_address: SOURCE_V6, extra_source_addresses: [{ address: SOURCE }] }),
  bound('options', { source_address: SOURCE, socket_options: [TCP_NODELAY] }),
  bound('options-alone', { socket_options: [TCP_NODELAY] }),
  bound('own-options', {
    source_address: SOURCE_V6,
    socket_options: [NONSENSE],
    extra_source_addresses: [{ address: SOURCE, socket_options: { socket_options: [TCP_NODELAY] } }],
  }),
  bound('for-others', { source_address: SOURCE, socket_options: [{ ...NONSENSE, type: { datagram: {} } }] }),
  bound('freebind-here', { source_address: SOURCE, freebind: true }),
  bound('foreign', { source_address: FOREIGN }),
  bound('nonsense', { source_address: SOURCE, socket_options: [NONSENSE] }),
  cluster('alive', ['a'], {
    upstream_connection_options: { tcp_keepalive: { keepalive_time: 30, keepalive_interval: 5, keepalive_probes: 3 } },
  }),
  several('first', 'backend.a', ['free.x']),
  several('second', 'free.x', ['backend.a']),
  several('third', 'free.x', ['free.y', 'backend.a']),
  several('nowhere', 'free.x', ['free.y']),
  several('turns', 'free.x', [], {
    load_assignment: {
      cluster_name: 'turns',
      endpoints: [
        {
          lb_endpoints: [
            { endpoint: { address: v6, additional_addresses: [{ address: v6 }, { address: address('backend.a') }] } },
          ],
        },
      ],
    },
  }),
  several('slow', 'full.x', ['backend.a']),
  dropping('drops-all', 1_000_000, 'MILLION'),
  dropping('drops-none', 0),
  cluster('scan', ['a'], {
    load_balancing_policy: {
      policies: [
        {
          typed_extension_config: {
            name: 'envoy.load_balancing_policies.least_request',
            typed_config: any('envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest', {
              selection_method: 'FULL_SCAN',
            }),
          },
        },
      ],
    },
  }),
];

const DROP_STATS = ['^cluster\\.drops.*\\.upstream_rq'];

function about(name: string, to: string, more: Partial<Case> = {}): Case {
  return {
    name,
    send: `GET /${to} HTTP/1.1\r\nhost: example.com\r\n\r\n`,
    stats: ['^cluster\\.[^.]+\\.(bind_errors|upstream_cx_connect_fail|upstream_cx_total)$'],
    ...more,
  };
}

const group: Group = {
  name: 'cluster options',
  config: bootstrap({
    listeners: [
      http({
        name: 'main',
        routes: [...CLUSTERS]
          .map((one) => one['name'] as string)
          .sort((a, b) => b.length - a.length)
          .map((name) => route(`/${name}`, name)),
        log: [textLog(LOG)],
      }),
    ],
    clusters: CLUSTERS,
  }),
  cases: [
    about('no source', 'plain'),
    about('a source', 'source'),
    about('the source of the right family', 'extra'),
    about('socket options', 'options'),
    about('socket options without a source', 'options-alone'),
    about('a source with socket options of its own', 'own-options'),
    about('socket options for other sockets', 'for-others'),
    about('freebind with an address that is here', 'freebind-here'),
    about('a source that is not of this machine', 'foreign'),
    about('a socket option that there is not', 'nonsense'),
    about('keep-alive', 'alive'),
    about('the first of several addresses', 'first'),
    about('the second of several addresses', 'second'),
    about('the third of several addresses', 'third'),
    about('none of several addresses', 'nowhere'),
    about('families take turns', 'turns'),
    about('an address that does not answer', 'slow', { elapsedToleranceMs: 250 }),
    about('a full scan of one host', 'scan'),
    about('all requests are dropped', 'drops-all', { stats: DROP_STATS }),
    about('all requests of gRPC are dropped', 'drops-all', {
      send: 'POST /drops-all HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n',
      stats: DROP_STATS,
    }),
    about('no requests are dropped', 'drops-none', { stats: DROP_STATS }),
  ],
};

export const clusterOptionGroups: readonly Group[] = [group];
