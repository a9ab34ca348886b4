// Differential cases: HBONE in one process — an internal listener begins a CONNECT tunnel, another one ends it.
import type { Case, Group, RelayStep } from '../case.ts';
import { any, bootstrap, cluster, type Fields, http, textLog } from '../config.ts';
import {
  httpState,
  inner,
  INNER_LOG,
  INTERNAL_EXTENSION,
  outer,
  passing,
  RESTORE,
  tcpProxy,
  toInternal,
} from './internal-config.ts';
import { relay } from './tcp-config.ts';

const DESTINATION = 'envoy.filters.listener.original_dst';
const LOCAL = `${DESTINATION}.local_ip`;
const REMOTE = `${DESTINATION}.remote_ip`;

const HTTP2 = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      { explicit_http_config: { http2_protocol_options: { allow_connect: true } } },
    ),
  },
};

const LOG =
  'terminate %PROTOCOL% %RESPONSE_CODE% flags=%RESPONSE_FLAGS% %REQ(:METHOD)% %REQ(:AUTHORITY)% ' +
  'host=%UPSTREAM_HOST% details=%RESPONSE_CODE_DETAILS% tx=%BYTES_SENT% rx=%BYTES_RECEIVED%\n';

/** Ends the tunnels: where they were going is where the connection of the next listener was going. */
const terminate = http({
  name: 'terminate',
  log: [textLog(LOG)],
  filters: [
    httpState([
      [LOCAL, LOCAL, '%REQ(:AUTHORITY)%', 'ONCE'],
      [REMOTE, REMOTE, '%DOWNSTREAM_REMOTE_ADDRESS%', 'ONCE'],
    ]),
  ],
  hcm: {
    http2_protocol_options: { allow_connect: true },
    upgrade_configs: [{ upgrade_type: 'CONNECT' }],
  },
  virtualHosts: [
    {
      name: 'all',
      domains: ['*'],
      routes: [
        {
          match: { connect_matcher: {} },
          route: { cluster: 'main-internal', upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }] },
        },
      ],
    },
  ],
});

const originate = inner(
  'originate',
  [tcpProxy('originate', 'to-terminate', { tunneling_config: { hostname: '%DOWNSTREAM_LOCAL_ADDRESS%' } })],
  RESTORE,
);

const mainInternal = inner('main-internal', [], {
  ...RESTORE,
  access_log: [textLog(`listener ${INNER_LOG}`)],
  filter_chains: [
    {
      name: 'by port',
      filter_chain_match: { destination_port: '{{backend.a}}' },
      filters: [tcpProxy('main-internal', 'original')],
    },
    {
      name: 'by address',
      filter_chain_match: { prefix_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] },
      filters: [tcpProxy('main-internal', 'b')],
    },
  ],
});

const to = (name: string, local: string): Fields =>
  toInternal(name, 'originate', passing([`host.${DESTINATION}`]), {
    metadata: { filter_metadata: { [DESTINATION]: { local } } },
  });

const config = bootstrap({
  listeners: [
    outer('main', 'to-a'),
    outer('other', 'to-other'),
    outer('nowhere', 'to-nowhere'),
    originate,
    terminate,
    mainInternal,
  ],
  clusters: [
    cluster('b'),
    to('to-a', '127.0.0.1:{{backend.a}}'),
    to('to-other', '10.1.2.3:80'),
    to('to-nowhere', '192.0.2.1:80'),
    cluster('to-terminate', ['listen.terminate'], HTTP2),
    toInternal('main-internal', 'main-internal', passing()),
    { name: 'original', type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED', connect_timeout: '1s' },
  ],
  around: INTERNAL_EXTENSION,
});

const STATS = [
  '^tcp\\.',
  '^cluster\\.[^.]+\\.upstream_(cx|rq)_(total|active|destroy.*)$',
  '^listener\\.envoy_internal',
];

/** Two encoders of HTTP/2 need not find the same bytes for one head. */
const withoutFrames = (line: string): string => (line.startsWith('originate:') ? line.replace(/ up=\S+/, '') : line);

const tunnel = (name: string, steps: readonly RelayStep[]): Case =>
  relay(name, steps, {
    stats: STATS,
    view: ({ relay: seen, stats, log }) => ({
      relay: seen,
      stats: Object.fromEntries(Object.entries(stats).filter(([key]) => !key.includes('.http2.'))),
      log: log.map(withoutFrames).sort(),
    }),
  });

const talk = (listener: string): readonly RelayStep[] => [
  ['c', 'connect', listener],
  ['c', 'send', 'question'],
  ['u', 'gets', 8],
  ['u', 'send', 'answer'],
  ['c', 'gets', 6],
];

const cases: readonly Case[] = [
  tunnel('to where the endpoint says', [
    ...talk('main'),
    ['c', 'fin'],
    ['u', 'sees', 'fin'],
    ['u', 'fin'],
    ['c', 'sees', 'fin'],
  ]),
  tunnel('to the chain of its address', [
    ...talk('other'),
    ['c', 'fin'],
    ['u', 'sees', 'fin'],
    ['u', 'close'],
    ['c', 'sees', 'fin'],
  ]),
  tunnel('to no chain', [
    ['c', 'connect', 'nowhere'],
    ['c', 'sees', 'end'],
    ['wait', 30],
  ]),
  tunnel('much data', [
    ...talk('main'),
    ['c', 'fill', 1_000_000],
    ['u', 'gets', 1_000_008],
    ['u', 'fill', 1_000_000],
    ['c', 'gets', 1_000_006],
    ['c', 'fin'],
    ['u', 'sees', 'fin'],
    ['u', 'fin'],
    ['c', 'sees', 'fin'],
  ]),
  tunnel('the client resets', [...talk('main'), ['c', 'reset'], ['u', 'sees', 'end'], ['wait', 30]]),
  tunnel('the upstream resets', [...talk('main'), ['u', 'reset'], ['c', 'sees', 'end'], ['wait', 30]]),
];

export const internalHboneGroups: readonly Group[] = [{ name: 'internal hbone', config, cases }];
