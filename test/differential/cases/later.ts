// Differential cases of features that come after the foundation: one small group each, so that a refusal costs only it.
import type { Case, Group } from '../case.ts';
import type { Fields } from '../config.ts';
import { any, bootstrap, cluster, http, route } from '../config.ts';
import { get } from '../messages.ts';

function later(
  name: string,
  listener: Partial<Parameters<typeof http>[0]>,
  cases: readonly Case[],
  fields: Fields = {},
): Group {
  return {
    name: `later ${name}`,
    config: bootstrap({
      listeners: [http({ name: 'main', ...listener })],
      clusters: [cluster('a', ['a', 'b'], fields)],
    }),
    cases,
  };
}

const one: Fields = { metadata: { filter_metadata: { 'envoy.lb': { version: 'one' } } } };
const two: Fields = { metadata: { filter_metadata: { 'envoy.lb': { version: 'two' } } } };
function endpoint(backend: string, around: Fields): Fields {
  return {
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: `{{backend.${backend}}}` } } },
    ...around,
  };
}

export const laterGroups: readonly Group[] = [
  later(
    'connect',
    {
      routes: [
        {
          match: { connect_matcher: {} },
          route: { cluster: 'a', upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }] },
        },
      ],
      hcm: { upgrade_configs: [{ upgrade_type: 'CONNECT' }] },
    },
    [
      {
        name: 'connect terminated',
        send: [
          'CONNECT test.example:443 HTTP/1.1\r\nhost: test.example:443\r\n\r\n',
          { readHead: 1 },
          'raw bytes',
          { readBytes: 4 },
        ],
        upstream: {
          a: { replies: [], onConnect: [{ wait: 30 }, 'pong'] },
          b: { replies: [], onConnect: [{ wait: 30 }, 'pong'] },
        },
        view: ({ clients }) => clients,
      },
    ],
  ),
  later(
    'address detection',
    {
      hcm: {
        original_ip_detection_extensions: [
          {
            name: 'envoy.http.original_ip_detection.custom_header',
            typed_config: any('envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig', {
              header_name: 'x-real-ip',
              reject_with_status: { code: 'Forbidden' },
            }),
          },
        ],
      },
    },
    [
      { name: 'header present', send: get('/', 'x-real-ip: 203.0.113.77'), view: ({ clients }) => clients[0]?.fate },
      { name: 'header missing', send: get('/') },
      { name: 'header malformed', send: get('/', 'x-real-ip: x') },
    ],
  ),
  later('proxy status', { hcm: { proxy_status_config: {} } }, [
    {
      name: 'local reply',
      send: get('/'),
      upstream: { a: [['fin']], b: [['fin']] },
      view: ({ clients }) => clients,
    },
  ]),
  later(
    'early header mutation',
    {
      hcm: {
        early_header_mutation_extensions: [
          {
            name: 'envoy.http.early_header_mutation.header_mutation',
            typed_config: any('envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation', {
              mutations: [{ append: { header: { key: 'x-early', value: 'yes' } } }],
            }),
          },
        ],
      },
    },
    [
      {
        name: 'request',
        send: get('/'),
        view: ({ upstream }) =>
          Object.values(upstream).flatMap((seen) => seen.map(({ headers }) => headers['x-early'])),
      },
    ],
  ),
  later(
    'upgrade ignored by list',
    { hcm: { http_protocol_options: { ignore_http_11_upgrade: [{ prefix: 'TLS/' }] } } },
    [
      {
        name: 'upgrade to TLS',
        send: get('/', 'connection: upgrade', 'upgrade: TLS/1.2'),
        view: ({ clients }) => clients[0]?.fate,
      },
    ],
  ),
  later(
    'fully qualified url to the upstream',
    {},
    [
      {
        name: 'request',
        send: get('/x?y=1'),
        view: ({ upstream }) => Object.values(upstream).flatMap((seen) => seen.map(({ line }) => line)),
      },
    ],
    {
      typed_extension_protocol_options: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
          { explicit_http_config: { http_protocol_options: { send_fully_qualified_url: true } } },
        ),
      },
    },
  ),
  later(
    'per-request state',
    {
      routes: [
        {
          ...route('/', 'a'),
          response_headers_to_add: [{ header: { key: 'x-s', value: '<%PER_REQUEST_STATE(x)%>' } }],
        },
      ],
    },
    [{ name: 'request', send: get('/'), view: ({ clients }) => clients[0]?.responses[0]?.headers['x-s'] }],
  ),
  later('random balancing', {}, [{ name: 'request', send: get('/'), view: ({ clients }) => clients[0]?.fate }], {
    lb_policy: 'RANDOM',
  }),
  later(
    'subsets',
    { routes: [route('/', 'a', { metadata_match: two['metadata'] as Fields })] },
    [{ name: 'metadata_match', send: [get('/1'), { read: 1 }, get('/2'), { read: 2 }] }],
    {
      load_assignment: { cluster_name: 'a', endpoints: [{ lb_endpoints: [endpoint('a', one), endpoint('b', two)] }] },
      lb_subset_config: { fallback_policy: 'NO_FALLBACK', subset_selectors: [{ keys: ['version'] }] },
    },
  ),
];
