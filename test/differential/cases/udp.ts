// UDP listeners and udp_proxy: sessions, sizes, silence, refusals, limits, balancing, logs.
import type { DatagramStep } from '../../support/udp-script.ts';
import type { Case, Group, Observation } from '../case.ts';
import { any, bootstrap, cluster, type Fields, textLog } from '../config.ts';

const UDP_PROXY = 'envoy.extensions.filters.udp.udp_proxy.v3';
const NETWORK_INPUT = 'envoy.extensions.matching.common_inputs.network.v3';

const STATS = [
  '^udp\\.',
  '^listener\\..*\\.udp\\.',
  '^cluster\\..*\\.udp\\.',
  '^cluster\\..*\\.upstream_cx_(overflow|none_healthy|total|active|[rt]x_bytes_total)$',
  '^cluster\\..*\\.circuit_breakers\\.default\\.cx_open$',
];

const LOG =
  '%ACCESS_LOG_TYPE% rx=%BYTES_RECEIVED% tx=%BYTES_SENT% flags=%RESPONSE_FLAGS% host=%UPSTREAM_HOST% ' +
  'local=%UPSTREAM_LOCAL_ADDRESS% cluster=%UPSTREAM_CLUSTER% from=%DOWNSTREAM_REMOTE_ADDRESS% ' +
  'direct=%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% to=%DOWNSTREAM_LOCAL_ADDRESS% proto=%PROTOCOL% id=%CONNECTION_ID% ' +
  'up=%UPSTREAM_CONNECTION_ID% code=%RESPONSE_CODE% det=%RESPONSE_CODE_DETAILS% route=%ROUTE_NAME% ' +
  'chain=%FILTER_CHAIN_NAME% stream=%STREAM_ID% ms=%DURATION% %DYNAMIC_METADATA(udp.proxy.session)% ' +
  '%DYNAMIC_METADATA(udp.proxy.session:cluster_name)%\n';

function toCluster(name: string): Fields {
  return { action: { name: 'route', typed_config: any(`${UDP_PROXY}.Route`, { cluster: name }) } };
}

type Listener = { readonly name?: string; readonly to?: string; readonly proxy?: Fields; readonly listener?: Fields };

function udpAddress(placeholder: string): Fields {
  return { socket_address: { protocol: 'UDP', address: '127.0.0.1', port_value: `{{${placeholder}}}` } };
}

/** A listener with one udp_proxy; its statistics prefix is its name. */
function udp({ name = 'main', to = 'a', proxy = {}, listener = {} }: Listener = {}): Fields {
  return {
    name,
    address: udpAddress(`listen.${name}`),
    stat_prefix: name,
    listener_filters: [
      {
        name: 'envoy.filters.udp_listener.udp_proxy',
        typed_config: any(`${UDP_PROXY}.UdpProxyConfig`, {
          stat_prefix: name,
          matcher: { on_no_match: toCluster(to) },
          access_log: [textLog(LOG)],
          ...proxy,
        }),
      },
    ],
    ...listener,
  };
}

function to(name: string, endpoints: readonly string[] = [name], fields: Fields = {}): Fields {
  const named = endpoints.map((endpoint) => (endpoint.includes('.') ? endpoint : `udp.${endpoint}`));
  return cluster(name, named, fields);
}

function rx(bytes: number): Fields {
  return { max_rx_datagram_size: bytes };
}

const say = (client: string, send = 'hello'): DatagramStep => ({ client, send });
const hear = (client: string, expect = 1): DatagramStep => ({ client, expect });

/** Sessions that end in one turn of the clock are logged in any order. */
function withSortedLog(observation: Observation): unknown {
  return { ...observation, log: observation.log.toSorted() };
}

function test(name: string, datagrams: readonly DatagramStep[], fields: Partial<Case> = {}): Case {
  return { name, datagrams, stats: STATS, view: withSortedLog, ...fields };
}

const sessions: Group = {
  name: 'udp sessions',
  config: bootstrap({
    listeners: [
      udp(),
      udp({ name: 'second', to: 'b', listener: { additional_addresses: [{ address: udpAddress('listen.third') }] } }),
      udp({ name: 'refused', to: 'refused' }),
      udp({ name: 'unknown', to: 'nobody' }),
      udp({ name: 'old', proxy: { matcher: undefined, cluster: 'a' } }),
      udp({ name: 'marked', to: 'marked' }),
      udp({ name: 'source', proxy: { use_original_src_ip: true } }),
    ],
    clusters: [
      to('a'),
      to('b'),
      to('refused', ['free.x']),
      {
        ...to('marked'),
        load_assignment: {
          cluster_name: 'marked',
          endpoints: [{ lb_endpoints: [{ endpoint: { address: udpAddress('udp.a') } }] }],
        },
      },
    ],
  }),
  cases: [
    test('a datagram and its answer', [say('c'), hear('c')]),
    test('many datagrams, one session', [
      say('c', '1'),
      hear('c', 1),
      say('c', '2'),
      hear('c', 2),
      say('c', '3'),
      hear('c', 3),
    ]),
    test('a burst', [{ client: 'c', send: 'x', times: 50 }, { backend: 'a', expect: 50 }, hear('c', 50)]),
    test('three clients, three sessions', [
      ...['c', 'd', 'e'].flatMap((client) => [say(client, client), hear(client)]),
      ...['c', 'd', 'e'].flatMap((client) => [say(client, `${client}2`), hear(client, 2)]),
    ]),
    test('one client, two listeners', [
      say('c'),
      hear('c'),
      { client: 'c', send: 'other', to: 'second' },
      hear('c', 2),
    ]),
    test('a further address', [
      { client: 'c', send: 'one', to: 'second' },
      hear('c'),
      { client: 'c', send: 'two', to: 'third' },
      hear('c', 2),
    ]),
    test('an empty datagram', [say('c', ''), { backend: 'a', expect: 1 }, hear('c')]),
    test('an empty answer', [
      { backend: 'a', is: 'silent' },
      say('c'),
      { backend: 'a', expect: 1 },
      { backend: 'a', send: '', peer: 0 },
      hear('c'),
    ]),
    test('no answer', [{ backend: 'a', is: 'silent' }, say('c'), { backend: 'a', expect: 1 }, { wait: 20 }]),
    test('answers that nobody asked for', [
      { backend: 'a', is: 'silent' },
      say('c'),
      { backend: 'a', expect: 1 },
      ...['1', '2', '3'].map((send): DatagramStep => ({ backend: 'a', send, peer: 0 })),
      hear('c', 3),
    ]),
    test('1500 bytes, the largest', [
      { client: 'c', send: { bytes: 1500 } },
      { backend: 'a', expect: 1 },
      { wait: 20 },
    ]),
    test('1501 bytes', [{ client: 'c', send: { bytes: 1501 } }, { wait: 20 }, say('c'), hear('c')]),
    test('an answer of 1500 bytes', [{ client: 'c', send: { bytes: 1498 } }, hear('c')]),
    test('an answer of 1501 bytes', [{ client: 'c', send: { bytes: 1499 } }, { wait: 20 }, say('c'), hear('c')]),
    test('nobody listens', [
      { client: 'c', send: '1', to: 'refused' },
      { wait: 30 },
      { client: 'c', send: '2', to: 'refused' },
      { wait: 30 },
    ]),
    test('the backend comes back', [
      { backend: 'a', is: 'down' },
      say('c', 'lost'),
      { wait: 30 },
      { backend: 'a', is: 'up' },
      say('c', 'found'),
      hear('c'),
    ]),
    test('no such cluster', [
      { client: 'c', send: '1', to: 'unknown' },
      { client: 'c', send: '2', to: 'unknown' },
      { wait: 20 },
    ]),
    test('the field cluster', [{ client: 'c', send: '1', to: 'old' }, hear('c')]),
    test('clients of several addresses', [say('c'), hear('c'), say('d@127.0.0.7'), hear('d@127.0.0.7')]),
    ...(process.getuid?.() === 0
      ? [
          test('the address of the client', [
            { client: 'd@127.0.0.7', send: 'x', to: 'source' },
            hear('d@127.0.0.7'),
            { client: 'd@127.0.0.7', send: 'y', to: 'source' },
            hear('d@127.0.0.7', 2),
          ]),
        ]
      : []),
    test('endpoints that say UDP', [{ client: 'c', send: '1', to: 'marked' }, hear('c')]),
    test('admin lists the listeners', [say('c'), hear('c')], {
      admin: ['GET /listeners'],
      view: ({ admin }) => admin?.['GET /listeners']?.body.split('\n').toSorted(),
    }),
  ],
};

const sizes: Group = {
  name: 'udp sizes',
  config: bootstrap({
    listeners: [
      udp({
        proxy: { upstream_socket_config: rx(65_535) },
        listener: { udp_listener_config: { downstream_socket_config: rx(65_535) } },
      }),
      udp({
        name: 'small',
        proxy: { upstream_socket_config: rx(50) },
        listener: { udp_listener_config: { downstream_socket_config: rx(100) } },
      }),
      udp({ name: 'up', proxy: { upstream_socket_config: rx(9000) } }),
      udp({
        name: 'gro',
        proxy: { upstream_socket_config: { ...rx(100), prefer_gro: false } },
        listener: { udp_listener_config: { downstream_socket_config: { ...rx(100), prefer_gro: true } } },
      }),
      udp({ name: 'down', listener: { udp_listener_config: { downstream_socket_config: rx(9000) } } }),
    ],
    clusters: [to('a')],
  }),
  cases: [
    test('65507 bytes there', [
      { backend: 'a', is: 'silent' },
      { client: 'c', send: { bytes: 65_507 } },
      { backend: 'a', expect: 1 },
    ]),
    test('65507 bytes back', [
      { backend: 'a', is: 'silent' },
      say('c'),
      { backend: 'a', expect: 1 },
      { backend: 'a', send: { bytes: 65_507 }, peer: 0 },
      hear('c'),
    ]),
    test('9000 bytes both ways', [{ client: 'c', send: { bytes: 9000 } }, hear('c')]),
    ...[48, 49, 50, 99, 100, 101, 102].map((bytes) =>
      test(`limits of 100 and 50, ${bytes} bytes`, [
        { client: 'c', send: { bytes }, to: 'small' },
        { wait: 15 },
        { client: 'c', send: '-', to: 'small' },
        { wait: 15 },
      ]),
    ),
    test('a large answer to a small question', [
      { backend: 'a', is: 'silent' },
      { client: 'c', send: 'x', to: 'up' },
      { backend: 'a', expect: 1 },
      { backend: 'a', send: { bytes: 9000 }, peer: 0 },
      hear('c'),
      { backend: 'a', send: { bytes: 9001 }, peer: 0 },
      { wait: 20 },
    ]),
    ...[97, 98, 99, 101, 3000, 60_000].map((bytes) =>
      test(`GRO towards clients only, ${bytes} bytes`, [
        { client: 'c', send: { bytes }, to: 'gro' },
        { backend: 'a', expect: 1 },
        { wait: 15 },
      ]),
    ),
    test('a large question with a large answer', [{ client: 'c', send: { bytes: 9000 }, to: 'down' }, { wait: 20 }]),
  ],
};

const idle: Group = {
  name: 'udp idle',
  config: bootstrap({
    listeners: [
      udp({ proxy: { idle_timeout: '0.45s' } }),
      udp({ name: 'refused', to: 'refused', proxy: { idle_timeout: '0.45s' } }),
      udp({
        name: 'each',
        // It ends half-way between two lines.
        proxy: { idle_timeout: '0.65s', access_log_options: { access_log_flush_interval: '0.5s' } },
      }),
    ],
    clusters: [to('a'), to('refused', ['free.x'])],
  }),
  cases: [
    test('a session ends', [say('c'), hear('c'), { wait: 650 }]),
    test('and another begins', [say('c'), hear('c'), { wait: 650 }, say('c'), hear('c', 2), { wait: 650 }]),
    test('an answer that comes too late', [
      { backend: 'a', is: 'silent' },
      say('c'),
      { backend: 'a', expect: 1 },
      { wait: 650 },
      { backend: 'a', send: 'late', peer: 0 },
      { wait: 30 },
    ]),
    test('the client keeps it open', [
      ...[1, 2, 3, 4, 5].flatMap((n): DatagramStep[] => [say('c', `${n}`), hear('c', n), { wait: 120 }]),
      { wait: 650 },
    ]),
    test('the backend keeps it open', [
      { backend: 'a', is: 'silent' },
      say('c'),
      { backend: 'a', expect: 1 },
      ...[1, 2, 3, 4, 5].flatMap((n): DatagramStep[] => [
        { backend: 'a', send: `${n}`, peer: 0 },
        hear('c', n),
        { wait: 120 },
      ]),
      { wait: 650 },
    ]),
    test('refused, then silent', [{ client: 'c', send: '1', to: 'refused' }, { wait: 700 }]),
    test('too large, so there was no session', [{ client: 'c', send: { bytes: 2000 } }, { wait: 650 }]),
    test('logged from time to time', [
      { client: 'c', send: '1', to: 'each' },
      hear('c', 1),
      { wait: 120 },
      { client: 'c', send: '22', to: 'each' },
      hear('c', 2),
      { wait: 1000 },
    ]),
    test('many clients at once', [
      ...Array.from({ length: 20 }, (_, i): DatagramStep[] => [say(`c${i}`, `${i}`), hear(`c${i}`)]).flat(),
      { wait: 700 },
    ]),
  ],
};

/** How many datagrams each backend got; which of them was first is chance. */
function shares(observation: Observation): unknown {
  const { clients, backends, timedOut } = observation.datagrams ?? { clients: {}, backends: {}, timedOut: [] };
  const counts = Object.values(backends).map((received) => received.length);
  const peers = Object.values(backends).map((received) => new Set(received.map((line) => line.split(' ')[0])).size);
  const answers = Object.values(clients).map((received) => received.length);
  const stats = Object.entries(observation.stats).filter(
    ([name]) => !name.includes('udp.b') && !name.includes('udp.a'),
  );
  return { counts: counts.sort(), peers: peers.sort(), answers, timedOut, stats: Object.fromEntries(stats) };
}

const each = (n: number): DatagramStep[] =>
  Array.from({ length: n }, (_, i) => [say('c', `${i}`), hear('c', i + 1)]).flat();
const clients = (n: number): DatagramStep[] =>
  Array.from({ length: n }, (_, i) => [say(`c${i}`, `${i}`), hear(`c${i}`)]).flat();

const balancing: Group = {
  name: 'udp balancing',
  config: bootstrap({
    listeners: [
      udp({ to: 'two' }),
      udp({ name: 'packets', to: 'two', proxy: { use_per_packet_load_balancing: true } }),
      udp({ name: 'hashed', to: 'two', proxy: { hash_policies: [{ source_ip: true }] } }),
      udp({ name: 'keyed', to: 'two', proxy: { hash_policies: [{ key: 'k' }] } }),
      udp({ name: 'empty', to: 'empty' }),
      udp({ name: 'ill', to: 'ill' }),
      udp({ name: 'half', to: 'half' }),
      udp({ name: 'packets-empty', to: 'empty', proxy: { use_per_packet_load_balancing: true } }),
      udp({ name: 'packets-unknown', to: 'nobody', proxy: { use_per_packet_load_balancing: true } }),
    ],
    clusters: [
      to('two', ['a', 'b']),
      to('empty', []),
      withHealth(to('ill', ['a']), ['UNHEALTHY']),
      withHealth(to('half', ['a', 'b']), ['UNHEALTHY', 'HEALTHY']),
    ],
  }),
  cases: [
    test('sessions go round', clients(6), { view: shares }),
    test('a session stays', each(5), { view: shares }),
    test(
      'datagrams go round',
      each(6).map((step) => on(step, 'packets')),
      { view: shares },
    ),
    test(
      'datagrams of two clients go round',
      [...clients(2), ...clients(0)].map((step) => on(step, 'packets')),
      {
        view: shares,
      },
    ),
    test(
      'hash of the source',
      clients(4).map((step) => on(step, 'hashed')),
      { view: shares },
    ),
    test(
      'hash of a key',
      clients(4).map((step) => on(step, 'keyed')),
      { view: shares },
    ),
    test(
      'no endpoints',
      [say('c'), say('c'), { wait: 20 }].map((step) => on(step, 'empty')),
    ),
    test(
      'only ill endpoints',
      [say('c'), say('c'), { wait: 20 }].map((step) => on(step, 'ill')),
    ),
    test(
      'one is well',
      clients(4).map((step) => on(step, 'half')),
    ),
    test(
      'datagrams without endpoints',
      [say('c'), say('c'), { wait: 20 }].map((step) => on(step, 'packets-empty')),
    ),
    test(
      'datagrams without cluster',
      [say('c'), say('c'), { wait: 20 }].map((step) => on(step, 'packets-unknown')),
    ),
  ],
};

function on(step: DatagramStep, listener: string): DatagramStep {
  return 'client' in step && 'send' in step ? { ...step, to: listener } : step;
}

/** Panic would use ill hosts too. */
function withHealth(fields: Fields, states: readonly string[]): Fields {
  const assignment = fields['load_assignment'] as { endpoints: { lb_endpoints: Fields[] }[] };
  const endpoints = assignment.endpoints[0]?.lb_endpoints ?? [];
  return {
    ...fields,
    common_lb_config: { healthy_panic_threshold: { value: 0 } },
    load_assignment: {
      ...assignment,
      endpoints: [{ lb_endpoints: endpoints.map((endpoint, i) => ({ ...endpoint, health_status: states[i] })) }],
    },
  };
}

function breaker(max: number): Fields {
  return { circuit_breakers: { thresholds: [{ max_connections: max, track_remaining: true }] } };
}

const limits: Group = {
  name: 'udp limits',
  config: bootstrap({
    listeners: [
      udp({ to: 'narrow', proxy: { idle_timeout: '0.2s' } }),
      udp({ name: 'shut', to: 'shut' }),
      udp({ name: 'packets', to: 'pair', proxy: { use_per_packet_load_balancing: true, idle_timeout: '0.2s' } }),
    ],
    clusters: [to('narrow', ['a'], breaker(2)), to('shut', ['a'], breaker(0)), to('pair', ['a', 'b'], breaker(1))],
  }),
  cases: [
    test('two sessions and no third', [
      ...clients(2),
      say('c3'),
      say('c3'),
      { wait: 20 },
      say('c0'),
      hear('c0', 2),
      { wait: 300 },
    ]),
    test('room again', [...clients(2), { wait: 350 }, say('c3'), hear('c3'), { wait: 350 }]),
    test('room for none', [{ client: 'c', send: 'x', to: 'shut' }, { wait: 20 }], {
      admin: ['GET /stats?filter=shut.*breakers.*default.*cx(_open)?$'],
    }),
    test(
      'one host has room',
      [...[1, 2, 3, 4].map((n): DatagramStep => ({ client: 'c', send: `${n}`, to: 'packets' })), { wait: 350 }],
      { view: shares },
    ),
  ],
};

function input(name: string): Fields {
  return { name, typed_config: any(`${NETWORK_INPUT}.${name}`) };
}

function tree(name: string, map: Fields): Fields {
  return { matcher_tree: { input: input(name), exact_match_map: { map } }, on_no_match: toCluster('b') };
}

const matching: Group = {
  name: 'udp matching',
  config: bootstrap({
    listeners: [
      udp({ proxy: { matcher: tree('SourceIPInput', { '127.0.0.1': toCluster('a') }) } }),
      udp({ name: 'other', proxy: { matcher: tree('SourceIPInput', { '127.0.0.2': toCluster('a') }) } }),
      udp({ name: 'port', proxy: { matcher: tree('DestinationPortInput', { '{{listen.port}}': toCluster('a') }) } }),
      udp({ name: 'ip', proxy: { matcher: tree('DestinationIPInput', { '127.0.0.1': toCluster('a') }) } }),
      udp({ name: 'from', proxy: { matcher: tree('SourcePortInput', { '1': toCluster('a') }) } }),
      udp({ name: 'space', proxy: { matcher: tree('NetworkNamespaceInput', { '': toCluster('a') }) } }),
      udp({
        name: 'none',
        proxy: {
          matcher: {
            matcher_tree: { input: input('SourceIPInput'), exact_match_map: { map: { '127.0.0.2': toCluster('a') } } },
          },
        },
      }),
      udp({
        name: 'list',
        proxy: {
          matcher: {
            matcher_list: {
              matchers: [
                {
                  predicate: {
                    or_matcher: {
                      predicate: [
                        { single_predicate: { input: input('SourceIPInput'), value_match: { prefix: '10.' } } },
                        { single_predicate: { input: input('SourceIPInput'), value_match: { prefix: '127.' } } },
                      ],
                    },
                  },
                  on_match: toCluster('a'),
                },
              ],
            },
            on_no_match: toCluster('b'),
          },
        },
      }),
    ],
    clusters: [to('a'), to('b')],
  }),
  cases: ['main', 'other', 'port', 'ip', 'from', 'list', 'space']
    .map((listener) => test(`by ${listener}`, [{ client: 'c', send: 'x', to: listener }, hear('c')]))
    .concat([test('nothing matches', [{ client: 'c', send: 'x', to: 'none' }, { wait: 20 }])]),
};

export const udpGroups: readonly Group[] = [sessions, sizes, idle, balancing, limits, matching];
