// Differential cases: internal listeners at layer 4 — ends, what is passed on, limits, and who is not there.
import type { Case, Group, Observation, RelayStep } from '../case.ts';
import { bootstrap, cluster, type Fields, fileLog, filter, textLog } from '../config.ts';
import {
  inner,
  INNER_LOG,
  INTERNAL_EXTENSION,
  listenerFilter,
  networkState,
  outer,
  passing,
  RESTORE,
  tcpProxy,
  toInternal,
} from './internal-config.ts';
import { relay, without } from './tcp-config.ts';

const DESTINATION = 'envoy.filters.listener.original_dst';
const LOCAL = `${DESTINATION}.local_ip`;
const REMOTE = `${DESTINATION}.remote_ip`;

const STATS = [
  '^tcp\\.',
  '^cluster\\.[^.]+\\.(internal_upstream\\..*|upstream_(cx|rq|flow)_.*|circuit_breakers\\..*)$',
  '^listener\\.(?!admin|barrier)[^.]+\\.',
  '^listener_manager\\.',
];

const metadata = {
  metadata: {
    filter_metadata: {
      'of.host': { list: [1, 'two'], yes: true },
      'of.both': { from: 'host', host: 1 },
      [DESTINATION]: { local: '127.0.0.1:{{backend.b}}' },
      'not.passed': { x: 1 },
    },
  },
};
const clusterMetadata = {
  metadata: { filter_metadata: { 'of.cluster': { name: 'of the cluster' }, 'of.both': { from: 'cluster', c: 2 } } },
};

const breakers = (fields: Fields): Fields => ({ circuit_breakers: { thresholds: [fields] } });

const rbac = (prefix: string, permission: Fields): Fields =>
  filter('envoy.filters.network.rbac', 'envoy.extensions.filters.network.rbac.v3.RBAC', {
    stat_prefix: prefix,
    rules: { action: 'ALLOW', policies: { all: { permissions: [permission], principals: [{ any: true }] } } },
  });

const chain = (name: string, match: Fields | null, to: string): Fields => ({
  name,
  ...(match === null ? {} : { filter_chain_match: match }),
  filters: [tcpProxy(name, to)],
});

/** Values of JSON have types. */
const jsonLog: Fields = {
  access_log: [
    fileLog({
      log_format: {
        json_format: {
          who: '%LISTENER_NAME%',
          remote: '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%',
          network: '%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(24)%',
          local: '%DOWNSTREAM_LOCAL_PORT%',
          upstream: '%UPSTREAM_REMOTE_PORT%',
          both: '%DOWNSTREAM_LOCAL_PORT%:%UPSTREAM_REMOTE_PORT%',
          id: '%UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID%',
          own: '%DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID%',
        },
      },
    }),
  ],
};

const listeners: readonly Fields[] = [
  outer('plain', 'to-plain'),
  inner('inner-plain', [tcpProxy('inner-plain', 'a')]),
  outer('main', 'to-inner', [
    networkState(
      ['s.once', 'envoy.string', 'one hop', 'ONCE'],
      ['s.further', 'envoy.string', 'all hops', 'TRANSITIVE'],
      ['s.own', 'envoy.string', 'no hop'],
      ['s.hash', 'envoy.hashable_string', 'hashed', 'ONCE'],
    ),
  ]),
  inner('inner', [tcpProxy('inner', 'to-deeper')], { access_log: [textLog(`listener ${INNER_LOG}`)] }),
  inner('deeper', [networkState(['s.own', 'envoy.string', 'set inside', 'ONCE']), tcpProxy('deeper', 'to-last')]),
  inner('last', [tcpProxy('last', 'a')], { stat_prefix: 'last' }),
  outer('missing', 'to-nobody'),
  outer('missing-3', 'to-nobody', [], {
    filter_chains: [{ filters: [tcpProxy('missing-3', 'to-nobody', { max_connect_attempts: 3 })] }],
  }),
  outer('one', 'to-one'),
  outer('limited', 'to-limited'),
  inner('inner-limited', [tcpProxy('inner-limited', 'a')]),
  outer('echo', 'to-echo'),
  inner('inner-echo', [filter('envoy.filters.network.echo', 'envoy.extensions.filters.network.echo.v3.Echo')]),
  outer('json', 'to-json', [], { filter_chains: [{ filters: [tcpProxy('json', 'to-json', jsonLog)] }] }),
  inner('inner-json', [tcpProxy('inner-json', 'a', jsonLog)]),
  outer('direct', 'to-direct'),
  inner('inner-direct', [
    filter('envoy.filters.network.direct_response', 'envoy.extensions.filters.network.direct_response.v3.Config', {
      response: { inline_string: 'from memory' },
    }),
  ]),
  outer('refused', 'to-refused'),
  inner('inner-refused', [tcpProxy('inner-refused', 'refused')]),
  outer('restored', 'to-restored'),
  inner('inner-restored', [tcpProxy('inner-restored', 'original')], RESTORE),
  outer('restored-state', 'to-restored', [
    networkState([LOCAL, LOCAL, '127.0.0.1:{{backend.a}}', 'ONCE'], [REMOTE, REMOTE, '10.1.2.3:456', 'ONCE']),
  ]),
  outer('restored-bad', 'to-restored-bad'),
  outer('restored-bad-state', 'to-restored-bad', [networkState([LOCAL, LOCAL, '127.0.0.1:{{backend.a}}', 'ONCE'])]),
  outer('restored-only-state', 'to-restored-state', [networkState([LOCAL, LOCAL, '127.0.0.1:{{backend.a}}', 'ONCE'])]),
  inner('inner-restored-state', [tcpProxy('inner-restored-state', 'original')], RESTORE),
  inner('inner-restored-bad', [tcpProxy('inner-restored-bad', 'original')], RESTORE),
  outer('by-key', 'to-by-key'),
  inner('inner-by-key', [tcpProxy('inner-by-key', 'by-key')], RESTORE),
  outer('use-original', 'to-use-original'),
  inner('inner-use-original', [tcpProxy('inner-use-original', 'a')], { use_original_dst: true }),
  outer('chains', 'to-chains'),
  outer('chains-state', 'to-chains', [
    networkState([LOCAL, LOCAL, '10.5.6.7:8080', 'ONCE'], [REMOTE, REMOTE, '10.9.9.9:1', 'ONCE']),
  ]),
  outer('chains-v6', 'to-chains', [networkState([LOCAL, LOCAL, '[fd00::7]:8081', 'ONCE'])]),
  inner('inner-chains', [], {
    ...RESTORE,
    filter_chains: [
      chain('by port', { destination_port: 8080 }, 'a'),
      chain('by network', { prefix_ranges: [{ address_prefix: 'fd00::', prefix_len: 64 }] }, 'a'),
      chain('by source', { source_type: 'SAME_IP_OR_LOOPBACK' }, 'a'),
      chain('external', { source_type: 'EXTERNAL' }, 'b'),
    ],
  }),
  outer('no-chain', 'to-no-chain'),
  inner('inner-no-chain', [], {
    filter_chains: [chain('never', { server_names: ['never.example'] }, 'a')],
    access_log: [textLog(`listener ${INNER_LOG}`)],
  }),
  outer('inspect', 'to-inspect'),
  inner('inner-inspect', [], {
    listener_filters: [listenerFilter('http_inspector', 'HttpInspector')],
    listener_filters_timeout: '0.1s',
    continue_on_listener_filters_timeout: true,
    filter_chains: [chain('http', { application_protocols: ['http/1.1'] }, 'a'), chain('other', null, 'b')],
  }),
  outer('impatient', 'to-impatient'),
  inner('inner-impatient', [tcpProxy('inner-impatient', 'a')], {
    listener_filters: [listenerFilter('http_inspector', 'HttpInspector')],
    listener_filters_timeout: '0.1s',
    access_log: [textLog(`listener ${INNER_LOG}`)],
  }),
  outer('rbac-port', 'to-rbac-port', [networkState([LOCAL, LOCAL, '10.5.6.7:8080', 'ONCE'])]),
  inner('inner-rbac-port', [rbac('port.', { destination_port: 8080 }), tcpProxy('inner-rbac-port', 'a')], RESTORE),
  outer('rbac-other', 'to-rbac-other', [networkState([LOCAL, LOCAL, '10.5.6.7:8081', 'ONCE'])]),
  inner('inner-rbac-other', [rbac('other.', { destination_port: 8080 }), tcpProxy('inner-rbac-other', 'a')], RESTORE),
  outer('no-state', 'to-no-state', [networkState(['s.once', 'envoy.string', 'stays', 'ONCE'])]),
  outer('two-hosts', 'to-two'),
];

const clusters: readonly Fields[] = [
  cluster('a'),
  cluster('b'),
  cluster('refused', ['free.refused']),
  { name: 'original', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '1s' },
  {
    name: 'by-key',
    type: 'ORIGINAL_DST',
    lb_policy: 'CLUSTER_PROVIDED',
    connect_timeout: '1s',
    original_dst_lb_config: {
      metadata_key: { key: DESTINATION, path: [{ key: 'waypoint' }] },
      upstream_port_override: '{{backend.b}}',
    },
  },
  toInternal('to-plain', 'inner-plain'),
  toInternal(
    'to-inner',
    'inner',
    {
      ...clusterMetadata,
      ...passing(['host.of.host', 'cluster.of.cluster', 'cluster.of.both', 'host.of.both', 'host.nowhere']),
    },
    { ...metadata, endpoint_id: '10.0.0.1:80' },
  ),
  toInternal('to-deeper', 'deeper', passing()),
  toInternal('to-last', 'last', passing()),
  toInternal('to-nobody', 'nobody', {}, { endpoint_id: 'at all' }),
  toInternal('to-one', 'inner-plain', breakers({ max_connections: 1 })),
  toInternal('to-limited', 'inner-limited'),
  toInternal('to-echo', 'inner-echo'),
  toInternal('to-json', 'inner-json', {}, { endpoint_id: 'of json' }),
  toInternal('to-direct', 'inner-direct'),
  toInternal('to-refused', 'inner-refused'),
  toInternal('to-restored', 'inner-restored', passing([`host.${DESTINATION}`]), metadata),
  toInternal('to-restored-state', 'inner-restored-state', passing()),
  toInternal('to-restored-bad', 'inner-restored-bad', passing([`host.${DESTINATION}`]), {
    metadata: { filter_metadata: { [DESTINATION]: { local: 'no address' } } },
  }),
  toInternal('to-by-key', 'inner-by-key', passing([`host.${DESTINATION}`]), {
    metadata: { filter_metadata: { [DESTINATION]: { local: '10.1.1.1:80', waypoint: '127.0.0.1:1' } } },
  }),
  toInternal('to-use-original', 'inner-use-original', passing([`host.${DESTINATION}`]), metadata),
  toInternal('to-chains', 'inner-chains', passing()),
  toInternal('to-no-chain', 'inner-no-chain'),
  toInternal('to-inspect', 'inner-inspect'),
  toInternal('to-impatient', 'inner-impatient'),
  toInternal('to-rbac-port', 'inner-rbac-port', passing()),
  toInternal('to-rbac-other', 'inner-rbac-other', passing()),
  toInternal('to-no-state', 'inner'),
  {
    ...cluster('to-two', []),
    load_assignment: {
      cluster_name: 'to-two',
      endpoints: [
        {
          lb_endpoints: ['x', 'y'].map((endpoint_id) => ({
            endpoint: { address: { envoy_internal_address: { server_listener_name: 'inner-plain', endpoint_id } } },
          })),
        },
      ],
    },
  },
];

const config = bootstrap({
  listeners,
  clusters,
  around: {
    ...INTERNAL_EXTENSION,
    layered_runtime: {
      layers: [
        {
          name: 'static',
          static_layer: { envoy: { resource_limits: { listener: { 'inner-limited': { connection_limit: 1 } } } } },
        },
      ],
    },
  },
});

const through = (listener: string): readonly RelayStep[] => [
  ['c', 'connect', listener],
  ['c', 'send', 'question'],
  ['u', 'gets', 8],
  ['u', 'send', 'answer'],
  ['c', 'gets', 6],
  ['c', 'fin'],
  ['u', 'sees', 'fin'],
  ['u', 'fin'],
  ['c', 'sees', 'fin'],
];
const refusedAt = (listener: string): readonly RelayStep[] => [
  ['c', 'connect', listener],
  ['c', 'sees', 'end'],
];

/** Two connections that end at the same moment are logged in either order. */
function sorted(observation: Observation): Observation {
  return { ...observation, log: [...observation.log].sort() };
}
/** What one kind of listener tells, where the other side depends on chance or is known to differ. */
const onlyLog =
  (name: string) =>
  ({ log, relay: seen }: Observation): unknown => ({
    log: log.filter((line) => line.startsWith(`${name}:`)),
    missed: seen?.missed,
  });

const internal = (name: string, steps: readonly RelayStep[], around: Partial<Case> = {}): Case =>
  relay(name, steps, { stats: STATS, view: sorted, ...around });

const joinedAt = (listener: string): readonly RelayStep[] => [
  ['c', 'connect', listener],
  ['u', 'gets', 0],
];
/** What depends on how fast the two sides are. */
const FLOW = ['main', 'inner', 'deeper', 'last'].flatMap((name) =>
  ['paused', 'resumed'].map((what) => `tcp.${name}.downstream_flow_control_${what}_reading_total`),
);

const cases: readonly Case[] = [
  ...[
    'plain',
    'main',
    'restored',
    'restored-state',
    'restored-bad',
    'restored-bad-state',
    'by-key',
    'use-original',
    'chains',
  ].map((name) => internal(`through ${name}`, name.startsWith('restored-bad') ? refusedAt(name) : through(name))),
  ...['restored-only-state', 'chains-state', 'chains-v6', 'no-state'].map((name) =>
    internal(`through ${name}`, through(name)),
  ),
  internal('through json', through('json')),
  ...['missing', 'missing-3', 'no-chain'].map((name) => internal(`refused at ${name}`, refusedAt(name))),
  // Whether the outer connection stood before the inner one failed is a matter of microseconds.
  internal('refused at refused', refusedAt('refused'), { view: onlyLog('inner-refused') }),
  internal('through rbac-port', through('rbac-port')),
  internal(
    'denied by its port',
    [
      ['c', 'connect', 'rbac-other'],
      ['c', 'send', 'x'],
      ['c', 'sees', 'end'],
    ],
    {
      view: ({ stats }) => ({ denied: stats['other.rbac.denied'] }),
      stats: ['^other\\.rbac'],
    },
  ),
  internal(
    'two endpoints of one listener',
    [
      ...through('two-hosts'),
      ['c2', 'connect', 'two-hosts'],
      ['c2', 'send', 'again'],
      ['u2', 'gets', 5],
      ['u2', 'close'],
      ['c2', 'sees', 'end'],
    ],
    { view: ({ log, stats }) => ({ stats, ids: log.map((line) => / id=\S+/.exec(line)?.[0]).sort() }) },
  ),
  internal('one connection at most', [
    ['c', 'connect', 'one'],
    ['u', 'gets', 0],
    ['c2', 'connect', 'one'],
    ['c2', 'sees', 'end'],
    ['c', 'fin'],
    ['u', 'sees', 'fin'],
    ['u', 'fin'],
    ['c', 'sees', 'fin'],
  ]),
  internal('the limit of a listener is for its sockets', [
    ['c', 'connect', 'limited'],
    ['u', 'gets', 0],
    ['c2', 'connect', 'limited'],
    ['c2', 'send', 'me too'],
    ['u2', 'gets', 6],
    ...(['c', 'u', 'c2', 'u2'] as const).flatMap((who): RelayStep[] => [
      [who, 'fin'],
      ['wait', 10],
    ]),
  ]),
  internal('echo', [
    ['c', 'connect', 'echo'],
    ['c', 'send', 'hello'],
    ['c', 'gets', 5],
    ['c', 'fill', 200_000],
    ['c', 'gets', 200_005],
    ['c', 'fin'],
    ['c', 'sees', 'end'],
  ]),
  internal(
    'a response and nothing else',
    [
      ['c', 'connect', 'direct'],
      ['c', 'sees', 'end'],
    ],
    { view: onlyLog('direct') },
  ),
  internal('a protocol that is found', [
    ['c', 'connect', 'inspect'],
    ['c', 'send', 'GET / HTTP/1.1\r\n\r\n'],
    ['u', 'gets', 18],
    ['u', 'fin'],
    ['c', 'fin'],
    ['u', 'sees', 'fin'],
  ]),
  internal('a protocol that is not found', [
    ['c', 'connect', 'inspect'],
    ['c', 'send', 'SSH-2.0-x\r\n'],
    ['u', 'gets', 11],
    ['u', 'fin'],
    ['c', 'fin'],
    ['u', 'sees', 'fin'],
  ]),
  internal('nothing to look at in time', [
    ['c', 'connect', 'inspect'],
    ['u', 'gets', 0],
    ['u', 'send', 'hello'],
    ['c', 'gets', 5],
    ['c', 'close'],
    ['u', 'sees', 'end'],
  ]),
  internal('too slow for a listener filter', [
    ['c', 'connect', 'impatient'],
    ['c', 'sees', 'end'],
  ]),
  internal('gone before a listener filter saw it', [
    ['c', 'connect', 'impatient'],
    ['wait', 20],
    ['c', 'close'],
    ['wait', 50],
  ]),
  internal(
    'much data both ways',
    [
      ...joinedAt('main'),
      ['c', 'fill', 3_000_000],
      ['u', 'fill', 2_000_000],
      ['u', 'gets', 3_000_000],
      ['c', 'gets', 2_000_000],
      ['c', 'fin'],
      ['u', 'sees', 'fin'],
      ['u', 'fin'],
      ['c', 'sees', 'fin'],
    ],
    { view: without(...FLOW) },
  ),
  internal('three at once', [
    ['c', 'connect', 'main'],
    ['c', 'send', 'one'],
    ['u', 'gets', 3],
    ['c2', 'connect', 'main'],
    ['c2', 'send', 'two'],
    ['u2', 'gets', 3],
    ['c3', 'connect', 'plain'],
    ['c3', 'send', 'three'],
    ['u3', 'gets', 5],
    ['u2', 'fin'],
    ['c2', 'sees', 'fin'],
    ['c3', 'reset'],
    ['u3', 'sees', 'end'],
  ]),
  {
    name: 'what the admin interface shows',
    admin: ['GET /listeners', 'GET /listeners?format=json'],
    relay: through('plain'),
    view: ({ admin }) => Object.values(admin ?? {}).map(({ body }) => body.trim()),
  },
];

export const internalListenerGroups: readonly Group[] = [{ name: 'internal listeners', config, cases }];
