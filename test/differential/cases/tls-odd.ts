// Clients that do not behave: plain text, garbage, pieces, ends in the midst; and ports that take TLS and plain text.
import type { ClientStep } from '../../support/raw-client.ts';
import type { Case, Group } from '../case.ts';
import { bootstrap, direct, type Fields, filter, http, textLog } from '../config.ts';
import { get } from '../messages.ts';
import {
  call, CONNECTION_LOG, client, downstreamTls, REQUEST_LOG, SSL_STATS, strangeClient, tlsListener,
} from './tls-fixtures.ts'; // biome-ignore format: a list.

/** What is known of a client that was not let in. */
const REFUSAL_LOG =
  '%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% peer=%DOWNSTREAM_PEER_SUBJECT% ' +
  'uri=%DOWNSTREAM_PEER_URI_SAN% local=%DOWNSTREAM_LOCAL_SUBJECT% fail=%DOWNSTREAM_TRANSPORT_FAILURE_REASON%\n';

const inspector = filter('tls', 'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector');
const answered = (name: string): Fields =>
  http({ name, routes: [direct({ prefix: '/' }, 200, 'ok')], log: [textLog(REQUEST_LOG)] });
const filtersOf = (name: string): Fields => {
  const [chain] = answered(name)['filter_chains'] as readonly Fields[];
  return { filters: chain?.['filters'] };
};

/** Chains by what the first bytes say. */
const permissive: Fields = {
  ...answered('permissive'),
  listener_filters: [inspector],
  access_log: [textLog(CONNECTION_LOG)],
  filter_chains: [
    {
      name: 'mutual',
      filter_chain_match: { transport_protocol: 'tls', application_protocols: ['istio'] },
      ...filtersOf('mutual'),
      transport_socket: downstreamTls({ requires: true, common: { alpn_protocols: ['istio', 'http/1.1'] } }),
    },
    {
      name: 'named',
      filter_chain_match: { transport_protocol: 'tls', server_names: ['test.example', '*.wild.example'] },
      ...filtersOf('named'),
      transport_socket: downstreamTls({ validation: null }),
    },
    { name: 'raw', filter_chain_match: { transport_protocol: 'raw_buffer' }, ...filtersOf('raw') },
  ],
};
const defaultChain: Fields = {
  ...permissive,
  name: 'default',
  stat_prefix: 'default',
  address: (answered('default') as { address: Fields })['address'],
  filter_chains: (permissive['filter_chains'] as readonly Fields[]).slice(0, 1),
  default_filter_chain: { name: 'rest', ...filtersOf('rest'), transport_socket: downstreamTls({ validation: null }) },
};

const listeners = [
  tlsListener('tls', { validation: null }),
  tlsListener('inspected', { validation: null }, { listener_filters: [inspector] }),
  tlsListener('mutual', { requires: true }),
  tlsListener('refusals', { requires: true }, { access_log: [textLog(REFUSAL_LOG)] }),
  permissive,
  defaultChain,
];

const raw = (name: string, to: string, ...send: ClientStep[]): Case => ({
  name: `${to}: ${name}`,
  to,
  send,
  stats: SSL_STATS,
});
const both = (name: string, ...send: ClientStep[]): Case[] => ['tls', 'inspected'].map((to) => raw(name, to, ...send));

/** The head of a record that says how long it is. */
const record = (type: number, version: number, length: number): string =>
  String.fromCharCode(type, version >> 8, version & 255, length >> 8, length & 255);

const cases: Case[] = [
  ...both('plain text', get('/'), 'read-close'),
  ...both('garbage', '\x00\xff\x00\xffgarbage that is no TLS', 'read-close'),
  ...both('an empty record', record(22, 0x0301, 0), 'read-close'),
  ...both('a record too long', `${record(22, 0x0301, 0xffff)}xxxx`, 'read-close'),
  ...both('an alert', `${record(21, 0x0301, 2)}\x02\x28`, 'read-close'),
  ...both('application data', `${record(23, 0x0303, 5)}hello`, 'read-close'),
  ...both('a hello that is none', `${record(22, 0x0301, 8)}\x01\x00\x00\x04abcd`, 'read-close'),
  ...both('SSL 2', `\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10${'x'.repeat(37)}`, 'read-close'),
  ...both('leaves at once', 'close'),
  ...both('says nothing and ends', 'half-close', 'read-close'),
  ...both('leaves in the hello', `${record(22, 0x0301, 200)}\x01\x00\x00\xc4\x03\x03`, 'half-close', 'read-close'),
  ...both('resets in the hello', `${record(22, 0x0301, 200)}\x01\x00\x00\xc4\x03\x03`, { wait: 20 }, 'reset'),
  ...both('single bytes', { tls: { pieceBytes: 1, serverName: 'test.example' } }, get('/'), { read: 1 }),
  ...both('pieces of 97 bytes', { tls: { pieceBytes: 97 } }, get('/'), { read: 1 }),
  ...both('an address as SNI is none', { tls: {} }, get('/'), { read: 1 }),
  ...both('leaves after the handshake', { tls: {} }, 'close'),
  ...both('ends after the handshake', { tls: {} }, 'half-close', 'read-close'),
  ...both('ends after the request', { tls: {} }, get('/'), { read: 1 }, 'half-close', 'read-close'),
  ...both('asks twice', { tls: {} }, get('/'), { read: 1 }, get('/2'), { read: 2 }),
  ...both('pipelines', { tls: {} }, get('/') + get('/2'), { read: 2 }),
  ...both('asks for a close', { tls: {} }, get('/', 'connection: close'), { read: 1 }, 'read-close'),
  ...both('resets after the handshake', { tls: {} }, get('/'), { read: 1 }, 'reset'),
  ...both('bad HTTP', { tls: {} }, 'NO HTTP AT ALL\r\n\r\n', 'read-close'),
  raw('asks for a close', 'permissive', get('/', 'connection: close'), { read: 1 }, 'read-close'),
  raw('no certificate, and says nothing', 'mutual', { tls: {} }, 'read-close'),
  raw('a stranger, and says nothing', 'mutual', { tls: { certificate: strangeClient } }, 'read-close'),
  raw(
    'a stranger with much to say',
    'mutual',
    { tls: { certificate: strangeClient } },
    get('/').repeat(200),
    'read-close',
  ),
  raw('none', 'refusals', { tls: {} }, 'read-close'),
  raw('a stranger', 'refusals', { tls: { certificate: strangeClient } }, 'read-close'),
  raw('plain text', 'refusals', get('/'), 'read-close'),
  raw('plain text', 'permissive', get('/'), { read: 1 }),
  raw('plain text, byte by byte', 'permissive', 'G', { wait: 5 }, 'E', { wait: 5 }, get('/').slice(2), { read: 1 }),
  raw('mutual', 'permissive', ...call({ certificate: client, alpn: ['istio'] })),
  raw('mutual without certificate', 'permissive', ...call({ alpn: ['istio'] })),
  raw('mutual with others before', 'permissive', ...call({ certificate: client, alpn: ['h2', 'istio'] })),
  raw('by name', 'permissive', ...call({ serverName: 'test.example' })),
  raw('by wildcard', 'permissive', ...call({ serverName: 'x.wild.example', alpn: ['http/1.1'] })),
  raw('by name in upper case', 'permissive', ...call({ serverName: 'TEST.example' })),
  raw('mutual by pieces', 'permissive', ...call({ certificate: client, alpn: ['istio'], pieceBytes: 50 })),
  raw('no chain for the name', 'permissive', ...call({ serverName: 'nobody.example' })),
  raw('no chain without name', 'permissive', ...call({})),
  raw('the default for TLS', 'default', ...call({ serverName: 'nobody.example' })),
  raw('the default gets plain text', 'default', get('/'), 'read-close'),
  raw('mutual', 'default', ...call({ certificate: client, alpn: ['istio'] })),
];

export const tlsOddGroups: readonly Group[] = [
  { name: 'tls odd', config: bootstrap({ listeners, clusters: [] }), cases },
];
