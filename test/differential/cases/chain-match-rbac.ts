// The same matcher trees where rbac reads them: of connections, and of requests behind a PROXY header.
import type { Case, Group, Observation } from '../case.ts';
import { any, bootstrap, direct, filter, http } from '../config.ts';
import type { Fields } from '../config.ts';
import { bytesOfConnection, inspectingListener, proxyProtocol } from './chain-match-client.ts';
import type { Connection } from './chain-match-client.ts';
import { customTree, exactMap, input } from './chain-match-trees.ts';

const act = (name: string, action = 'ALLOW'): Fields => ({
  action: { name: 'action', typed_config: any('envoy.config.rbac.v3.Action', { name, action }) },
});
const range = (address_prefix: string, prefix_len: number, on_match: Fields, exclusive = false): Fields => ({
  ranges: [{ address_prefix, prefix_len }],
  on_match,
  exclusive,
});
const on443 = (name: string): Fields => ({ matcher: exactMap(input('DestinationPortInput'), { 443: act(name) }) });
const ranges = (...range_matchers: readonly Fields[]): Fields =>
  customTree(input('SourceIPInput'), 'IPMatcher', { range_matchers });

type Row = { readonly name: string; readonly matcher: Fields; readonly connections: readonly Connection[] };

const SOURCES: readonly Connection[] = [
  { from: '10.1.9.9:1', to: '10.0.0.1:443' },
  { from: '10.1.9.9:1', to: '10.0.0.1:80' },
  { from: '10.9.9.9:1', to: '10.0.0.1:443' },
  { from: '10.0.0.1:1', to: '10.0.0.1:443' },
  { from: '192.0.2.7:1', to: '10.0.0.1:443' },
  { from: '127.0.0.1:1', to: '10.0.0.1:443', direct: '127.0.0.2' },
];

/** What both know of. */
const common: readonly Row[] = [
  {
    name: 'the direct source',
    matcher: exactMap(input('DirectSourceIPInput'), { '127.0.0.2': act('two') }),
    connections: SOURCES,
  },
  {
    name: 'ranges',
    matcher: ranges(range('10.0.0.0', 8, act('ten', 'DENY')), range('10.1.0.0', 16, on443('inner'))),
    connections: SOURCES,
  },
  {
    name: 'exclusive ranges',
    matcher: ranges(
      range('10.0.0.0', 8, act('ten'), true),
      range('10.1.0.0', 16, on443('inner')),
      range('0.0.0.0', 0, act('all', 'LOG')),
    ),
    connections: SOURCES,
  },
  {
    name: 'no network namespace',
    matcher: exactMap(input('NetworkNamespaceInput'), { '/n': act('namespace') }, { on_no_match: act('none') }),
    connections: SOURCES.slice(0, 1),
  },
  {
    name: 'filter state that nobody set',
    matcher: exactMap(input('FilterStateInput', { key: 'k' }), { v: act('state') }, { on_no_match: act('none') }),
    connections: SOURCES.slice(0, 1),
  },
];

const CONNECTION_ONLY: readonly Row[] = [
  {
    name: 'domains',
    matcher: customTree(input('ServerNameInput'), 'ServerNameMatcher', {
      domain_matchers: [
        { domains: ['a.x.com'], on_match: on443('a') },
        { domains: ['*.x.com'], on_match: act('x') },
        { domains: ['*'], on_match: act('rest', 'DENY') },
      ],
    }),
    connections: ['a.x.com', 'b.x.com', 'com']
      .flatMap((name) => ['443', '80'].map((port) => ({ to: `10.0.0.1:${port}`, tls: { name } })))
      .concat([{ to: '10.0.0.1:443', tls: {} as { name: string } }]),
  },
];

const NETWORK = 'envoy.extensions.filters.network';
const ofConnections = [...common, ...CONNECTION_ONLY];

/** Denied connections are closed, others get back what they sent. */
function connectionListener({ matcher }: Row, i: number): Fields {
  const filters = [
    filter('envoy.filters.network.rbac', `${NETWORK}.rbac.v3.RBAC`, { stat_prefix: `rule${i}.`, matcher }),
    filter('envoy.filters.network.echo', `${NETWORK}.echo.v3.Echo`),
  ];
  return inspectingListener(`connection${i}`, [{ filters }]);
}

function connectionCase({ name, connections }: Row, i: number): Case {
  return {
    name: `connections: ${name}`,
    clients: connections.map((connection) => ({
      to: `connection${i}`,
      // A FIN that arrives while listener filters look at the bytes ends the connection.
      steps: [bytesOfConnection(connection), { wait: 60 }, 'half-close', 'read-close'],
      ...(connection.direct === undefined ? {} : { from: connection.direct }),
    })),
    stats: ['^rule\\d+\\.rbac\\.'],
    view: ({ clients, stats }: Observation) => ({
      answers: clients.map(({ rest, responses }) => rest.length > 0 || responses.length > 0),
      stats,
    }),
  };
}

const REQUEST = 'GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n';

function requestListener({ matcher }: Row, i: number): Fields {
  const rbac = filter('envoy.filters.http.rbac', 'envoy.extensions.filters.http.rbac.v3.RBAC', { matcher });
  return http({
    name: `request${i}`,
    routes: [direct({ prefix: '/' }, 200, 'in')],
    filters: [rbac],
    listener: { listener_filters: [proxyProtocol] },
  });
}

function requestCase({ name, connections }: Row, i: number): Case {
  return {
    name: `requests: ${name}`,
    clients: connections.map((connection) => ({
      to: `request${i}`,
      steps: [bytesOfConnection({ ...connection, tls: null }).replace(/\r\n.*/s, `\r\n${REQUEST}`), 'read-close'],
      ...(connection.direct === undefined ? {} : { from: connection.direct }),
    })),
  };
}

export const rbacTreeGroup: Group = {
  name: 'rbac by matcher trees',
  config: bootstrap({
    listeners: [...ofConnections.map(connectionListener), ...common.map(requestListener)],
    clusters: [],
  }),
  cases: [...ofConnections.map(connectionCase), ...common.map(requestCase)],
};
