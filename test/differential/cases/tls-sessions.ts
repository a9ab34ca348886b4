// Sessions: tickets and ids, resumed where and by whom.
import { randomBytes } from 'node:crypto';
import type { TlsClientOptions, TlsVersion } from '../../support/tls-client.ts';
import type { Case, Group } from '../case.ts';
import { bootstrap, type Fields } from '../config.ts';
import { get } from '../messages.ts';
import {
  client,
  otherCa,
  plainClient,
  SSL_STATS,
  strangeClient,
  tlsListener,
  type TlsContext,
  trusted,
} from './tls-fixtures.ts';

const key = (): string => randomBytes(80).toString('base64');
const [first, second] = [key(), key()];
const keys = (...list: string[]): Fields => ({
  session_ticket_keys: { keys: list.map((inline_bytes) => ({ inline_bytes })) },
});

const LISTENERS: Readonly<Record<string, TlsContext>> = {
  plain: { validation: null },
  'plain-too': { validation: null },
  mutual: { requires: true },
  'mutual-too': { requires: true },
  'mutual-optional': {},
  'other-ca': { requires: true, validation: { trusted_ca: { inline_string: otherCa.pem } } },
  'no-tickets': { validation: null, fields: { disable_stateless_session_resumption: true } },
  'no-ids': { validation: null, fields: { disable_stateful_session_resumption: true } },
  none: {
    validation: null,
    fields: { disable_stateless_session_resumption: true, disable_stateful_session_resumption: true },
  },
  'keys-1': { validation: null, fields: keys(first) },
  'keys-1-too': { validation: null, fields: keys(first) },
  'keys-2-1': { validation: null, fields: keys(second, first) },
  'keys-2': { validation: null, fields: keys(second) },
  short: { validation: null, fields: { session_timeout: '1s' } },
  untrusted: { validation: { ...trusted, trust_chain_verification: 'ACCEPT_UNTRUSTED' }, requires: true },
};

const VERSIONS: readonly TlsVersion[] = ['TLSv1.2', 'TLSv1.3'];
type Pair = readonly [from: string, to: string, certificate?: TlsClientOptions['certificate']];
const PAIRS: readonly Pair[] = [
  ['plain', 'plain'],
  ['plain', 'plain-too'],
  ['plain', 'mutual', client],
  ['plain', 'mutual-optional', client],
  ['mutual', 'mutual', client],
  ['mutual', 'mutual-too', client],
  ['mutual', 'mutual-optional', client],
  ['mutual', 'plain', client],
  ['mutual', 'other-ca', client],
  ['other-ca', 'mutual', strangeClient],
  ['mutual-optional', 'mutual', plainClient],
  ['no-tickets', 'no-tickets'],
  ['no-ids', 'no-ids'],
  ['none', 'none'],
  ['keys-1', 'keys-1'],
  ['keys-1', 'keys-1-too'],
  ['keys-1', 'keys-2-1'],
  ['keys-1', 'keys-2'],
  ['keys-2-1', 'keys-2'],
  ['untrusted', 'untrusted', strangeClient],
];

const cases: Case[] = PAIRS.flatMap(([from, to, certificate]) =>
  VERSIONS.map((version): Case => {
    const options: TlsClientOptions = {
      versions: [version, version],
      ...(certificate === undefined ? {} : { certificate }),
    };
    const name = `${from}-${to}-${version}`;
    return {
      name: `${version}: from ${from} to ${to}`,
      clients: [
        // What saves a session waits for its tickets, which TLS 1.3 sends behind the handshake.
        { to: from, steps: [{ tls: { ...options, save: name } }, get('/'), { read: 1 }, { wait: 20 }] },
        { to, steps: [{ awaitClients: 1 }, { tls: { ...options, resume: name } }, get('/'), { read: 1 }] },
      ],
      stats: SSL_STATS,
    };
  }),
);

const SHORT: readonly Case[] = VERSIONS.map((version) => ({
  name: `${version}: a session that is too old`,
  clients: [
    {
      to: 'short',
      steps: [{ tls: { versions: [version, version], save: `s${version}` } }, get('/'), { read: 1 }, { wait: 2200 }],
    },
    {
      to: 'short',
      steps: [
        { awaitClients: 1 },
        { tls: { versions: [version, version], resume: `s${version}` } },
        get('/'),
        { read: 1 },
      ],
    },
  ],
  stats: SSL_STATS,
}));

const listeners = Object.entries(LISTENERS).map(([name, context]) => tlsListener(name, context));

export const tlsSessionGroups: readonly Group[] = [
  { name: 'tls sessions', config: bootstrap({ listeners, clusters: [] }), cases: [...cases, ...SHORT] },
];
