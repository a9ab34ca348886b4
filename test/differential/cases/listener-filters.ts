// Listener filters that look at the first bytes or at the clock: TLS and HTTP inspection, timeouts, rate limits.
import { clientHello } from '../../support/client-hello.ts';
import type { Case, Group } from '../case.ts';
import { bootstrap } from '../config.ts';
import type { Fields } from '../config.ts';
import {
  bytesCase,
  INSPECTED_CHAINS,
  inSingleBytes,
  listenerFilter,
  piecesCase,
  waitingCase,
  watchedListener,
} from './listener-client.ts';

const HELLO = clientHello({ serverName: 'Named.Example', alpn: ['http/1.1'] });
const MESSAGE = HELLO.subarray(5);
const REQUEST = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

const record = (content: Buffer, type = 22, version = 0x0301): Buffer => {
  const header = Buffer.from([type, version >> 8, version & 0xff, content.length >> 8, content.length & 0xff]);
  return Buffer.concat([header, content]);
};
const emptyRecords = (count: number): Buffer[] => Array.from({ length: count }, () => record(Buffer.alloc(0)));

const hellos: readonly Case[] = [
  bytesCase('a hello with a name', 'tls', HELLO),
  piecesCase('a hello in single bytes', 'tls', inSingleBytes(HELLO)),
  piecesCase('a hello cut in the record header', 'tls', [HELLO.subarray(0, 3), HELLO.subarray(3)]),
  bytesCase('application protocols', 'tls', clientHello({ alpn: ['h2', 'http/1.1'] })),
  bytesCase('neither name nor protocols', 'tls', clientHello()),
  bytesCase('a name that needs cleaning', 'tls', clientHello({ serverName: 'A b"\xff_.' })),
  bytesCase('an address as name', 'tls', clientHello({ serverName: '1.2.3.4' })),
  bytesCase('a name of 255 bytes', 'tls', clientHello({ serverName: 'a'.repeat(255) })),
  bytesCase('a name of 256 bytes', 'tls', clientHello({ serverName: 'a'.repeat(256) })),
  bytesCase('an empty name', 'tls', clientHello({ serverName: '' })),
  bytesCase('a name with NUL', 'tls', clientHello({ serverName: 'a\0b' })),
  bytesCase('an empty protocol', 'tls', clientHello({ alpn: ['h2', ''] })),
  bytesCase('no protocol in the list', 'tls', clientHello({ alpn: [] })),
  bytesCase('binary protocols', 'tls', clientHello({ alpn: ['\x02x\xff'] })),
  bytesCase(
    'GREASE everywhere',
    'tls',
    clientHello({
      ...{ ciphers: [0x0a0a, 0x1302, 0x1301], groups: [0x1a1a, 29] },
      ...{ versions: [0x2a2a, 0x304], extensions: [[0x3a3a, Buffer.alloc(0)]] },
    }),
  ),
  bytesCase('120 ciphers', 'tls', clientHello({ ciphers: Array.from({ length: 120 }, (_, i) => i + 1) })),
  bytesCase('TLS 1.2', 'tls', clientHello({ versions: [] })),
  bytesCase('TLS 1.0', 'tls', clientHello({ versions: [], legacyVersion: 0x0301 })),
  bytesCase('SSL 3', 'tls', clientHello({ versions: [], legacyVersion: 0x0300, serverName: 'a' })),
  bytesCase('a version to come', 'tls', clientHello({ versions: [], legacyVersion: 0x0305 })),
  bytesCase('only unknown versions', 'tls', clientHello({ versions: [0x0305] })),
  bytesCase('an extension twice', 'tls', clientHello({ extensions: [[10, Buffer.alloc(0)]] })),
  bytesCase('a key share of post-quantum size', 'tls', clientHello({ extensions: [[51, Buffer.alloc(1263)]] })),
  bytesCase('15 KiB', 'tls', clientHello({ extensions: [[21, Buffer.alloc(15_000)]] })),
  bytesCase('more than 16 KiB', 'tls', clientHello({ extensions: [[21, Buffer.alloc(17_000)]], recordBytes: 8000 })),
];

const records: readonly Case[] = [
  bytesCase('records of one byte', 'tls', clientHello({ serverName: 'a', recordBytes: 1 })),
  bytesCase('32 empty records', 'tls', Buffer.concat([...emptyRecords(32), HELLO])),
  bytesCase('33 empty records', 'tls', Buffer.concat([...emptyRecords(33), HELLO])),
  bytesCase('a record version of 3.255', 'tls', record(MESSAGE, 22, 0x03ff)),
  bytesCase('a record version of 4.0', 'tls', record(MESSAGE, 22, 0x0400)),
  bytesCase('application data', 'tls', record(Buffer.from('ab'), 23)),
  bytesCase('a warning before', 'tls', Buffer.concat([record(Buffer.from([1, 90]), 21), HELLO])),
  bytesCase('a goodbye', 'tls', record(Buffer.from([1, 0]), 21)),
  bytesCase('another message', 'tls', record(Buffer.concat([Buffer.from([2]), MESSAGE.subarray(1)]))),
  bytesCase('a byte too many', 'tls', record(Buffer.concat([MESSAGE, Buffer.from([0])]))),
  bytesCase('a message beyond 16 KiB', 'tls', record(Buffer.from([1, 0, 0x40, 1]))),
  bytesCase('a record beyond 16 KiB', 'tls', '\x16\x03\x01\x41\x41'),
  bytesCase('a body of zeros', 'tls', record(Buffer.from([1, 0, 0, 40, ...new Array<number>(40).fill(0)]))),
];

const notTls: readonly Case[] = [
  bytesCase('HTTP', 'tls', REQUEST),
  bytesCase('a CONNECT', 'tls', 'CONNECT a:1 HTTP/1.1\r\n\r\n'),
  bytesCase('OPTIONS', 'tls', 'OPTIONS * HTTP/1.1\r\n\r\n'),
  piecesCase('five bytes, one by one', 'tls', inSingleBytes('abcde')),
  waitingCase('four bytes', 'tls', 'abcd'),
  waitingCase('nothing', 'tls', ''),
  waitingCase('nothing, then a reset', 'tls', '', 'reset'),
  waitingCase('half a hello', 'tls', HELLO.subarray(0, 100)),
  waitingCase('the header of a hello', 'tls', HELLO.subarray(0, 5)),
];

const limited: readonly Case[] = [
  bytesCase('a hello within its limit', 'tls-small', clientHello({ serverName: 'a' })),
  bytesCase('a hello beyond its limit', 'tls-small', clientHello({ extensions: [[21, Buffer.alloc(400)]] })),
  bytesCase('plain text beyond the limit', 'tls-small', REQUEST + 'x'.repeat(400)),
  bytesCase('plain text where TLS must be', 'tls-strict', REQUEST),
  bytesCase('much plain text where TLS must be', 'tls-strict', REQUEST + 'x'.repeat(400)),
  bytesCase('a hello where TLS must be', 'tls-strict', clientHello({ serverName: 'a' })),
  bytesCase('SSL 3 where TLS must be', 'tls-strict', clientHello({ versions: [], legacyVersion: 0x0300 })),
];

const LINES: readonly string[] = [
  ...['GET / HTTP/1.1\r\n', 'GET / HTTP/1.0\r\n', 'GET / HTTP/1.2\r\n', 'GET /\r\n', 'GET / HTTP/1.1\n', PREFACE],
  ...['PRI * HTTP/2.0\r\nx', 'FOO / HTTP/1.1\r\n', 'get / HTTP/1.1\r\n', '\r\nGET / HTTP/1.1\r\n', 'GET\r\n', 'GE('],
  ...['GET  /  HTTP/1.1\r\n', 'GET\t/\tHTTP/1.1\r\n', 'GET / http/1.1\r\n', 'GET / HTTP/1.10\r\n', '\0\x01', 'a b\n'],
  ...['GET http://a/ HTTP/1.1\r\n', 'GET foo HTTP/1.1\r\n', 'CONNECT a:1 HTTP/1.1\r\n', 'GET /\x7f HTTP/1.1\r\n'],
  ...['GET / HTTP/1.1\0\r\n', 'GET\0/ HTTP/1.1\r\n', 'SSH-2.0-x\r\n', '{"a":1}\n', 'GET h://a"b/ HTTP/1.1\r\n'],
];
const http: readonly Case[] = [
  ...LINES.map((line) => bytesCase(`http ${JSON.stringify(line)}`, 'http', line)),
  piecesCase('http/1.1 in single bytes', 'http', inSingleBytes('GET / HTTP/1.1\r\n')),
  piecesCase('the preface in single bytes', 'http', inSingleBytes(PREFACE)),
  bytesCase('a target of 60,000 bytes', 'http', `GET /${'x'.repeat(60_000)} HTTP/1.1\r\n`),
  bytesCase('a target of 66,000 bytes', 'http', `GET /${'x'.repeat(66_000)} HTTP/1.1\r\n`),
  waitingCase('a line without an end', 'http', 'GET / HTTP/1.1'),
  waitingCase('half a preface', 'http', PREFACE.slice(0, 20)),
  bytesCase('both: TLS', 'both', HELLO),
  bytesCase('both: TLS with h2', 'both', clientHello({ alpn: ['h2'] })),
  bytesCase('both: HTTP', 'both', REQUEST),
  bytesCase('both: h2c', 'both', PREFACE),
  bytesCase('both: something else', 'both', 'SSH-2.0-x\r\n'),
  bytesCase('a PROXY header, then TLS', 'all', `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n${HELLO.toString('latin1')}`),
  bytesCase('a PROXY header, then HTTP', 'all', `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n${REQUEST}`),
  piecesCase('all of it in single bytes', 'all', inSingleBytes(`PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n${REQUEST}`)),
  waitingCase('a PROXY header and nothing', 'all', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n'),
];

/** Filters that are left out by the port that the PROXY header names, in the forms that istiod writes. */
const skips: readonly Case[] = [1999, 2000, 2001, 3000, 4000].flatMap((port) => [
  bytesCase(`TLS to port ${port}`, 'skips', `PROXY TCP4 1.2.3.4 5.6.7.8 1 ${port}\r\n${HELLO.toString('latin1')}`),
  bytesCase(`HTTP to port ${port}`, 'skips', `PROXY TCP4 1.2.3.4 5.6.7.8 1 ${port}\r\n${REQUEST}`),
]);
const portRange = (start: number): Fields => ({ destination_port_range: { start, end: start + 1 } });
const skipping: readonly Fields[] = [
  listenerFilter('proxy_protocol'),
  listenerFilter('tls_inspector', {}, { filter_disabled: portRange(2000) }),
  listenerFilter(
    'http_inspector',
    {},
    { filter_disabled: { or_match: { rules: [portRange(2000), portRange(3000)] } } },
  ),
];

const inspectors: Fields[] = [listenerFilter('tls_inspector'), listenerFilter('http_inspector')];
const fingerprints = { enable_ja3_fingerprinting: true, enable_ja4_fingerprinting: true };
const inspection = (name: string, filters: readonly Fields[]): Fields =>
  watchedListener(name, filters, INSPECTED_CHAINS);

const late: readonly Case[] = ['ends', 'goes-on', 'proxy-goes-on'].flatMap((to) => [
  piecesCase(`${to}: nothing`, to, ['']),
  piecesCase(`${to}: a byte`, to, ['G']),
  piecesCase(`${to}: part of a line`, to, ['GET /']),
  piecesCase(`${to}: part of a hello`, to, [HELLO.subarray(0, 100)]),
  piecesCase(`${to}: part of a PROXY header`, to, ['PROXY TCP4']),
]);

const limits: readonly Case[] = [
  bytesCase('the first connection', 'rate', ''),
  bytesCase('the second', 'rate', ''),
  bytesCase('the third is one too many', 'rate', ''),
  bytesCase('another one with bytes', 'rate', ''),
  bytesCase('no tokens at all', 'no-tokens', ''),
  bytesCase('switched off', 'rate-off', ''),
  bytesCase('switched on at run time', 'rate-on', ''),
];

const bucket = (max_tokens: number): Fields => ({ max_tokens, fill_interval: '1000s' });
const rate = (name: string, fields: Fields): Fields =>
  watchedListener(name, [listenerFilter('local_ratelimit', { stat_prefix: name, ...fields })]);
const soon = { listener_filters_timeout: '0.05s' };
const soonGoesOn = { ...soon, continue_on_listener_filters_timeout: true };
const runtime = { layered_runtime: { layers: [{ name: 'static', static_layer: { 'limit.on': true } }] } };

export const listenerFilterGroups: readonly Group[] = [
  {
    name: 'tls_inspector',
    config: bootstrap({
      listeners: [
        inspection('tls', [listenerFilter('tls_inspector', fingerprints)]),
        inspection('tls-small', [listenerFilter('tls_inspector', { max_client_hello_size: 300 })]),
        inspection('tls-strict', [
          listenerFilter('tls_inspector', {
            close_connection_on_client_hello_parsing_errors: true,
            max_client_hello_size: 300,
            initial_read_buffer_size: 512,
          }),
        ]),
      ],
      clusters: [],
    }),
    cases: [...hellos, ...records, ...notTls, ...limited],
  },
  {
    name: 'http_inspector',
    config: bootstrap({
      listeners: [
        inspection('http', [listenerFilter('http_inspector')]),
        inspection('both', inspectors),
        inspection('all', [listenerFilter('proxy_protocol'), ...inspectors]),
        inspection('skips', skipping),
      ],
      clusters: [],
    }),
    cases: [...http, ...skips],
  },
  {
    name: 'listener filter timeouts and limits',
    config: bootstrap({
      listeners: [
        watchedListener('ends', inspectors, INSPECTED_CHAINS, soon),
        watchedListener('goes-on', inspectors, INSPECTED_CHAINS, soonGoesOn),
        watchedListener('proxy-goes-on', [listenerFilter('proxy_protocol')], INSPECTED_CHAINS, soonGoesOn),
        rate('rate', { token_bucket: bucket(2) }),
        rate('no-tokens', { token_bucket: bucket(0) }),
        rate('rate-off', { token_bucket: bucket(0), runtime_enabled: { default_value: false } }),
        rate('rate-on', {
          token_bucket: bucket(0),
          runtime_enabled: { default_value: false, runtime_key: 'limit.on' },
        }),
      ],
      clusters: [],
      around: runtime,
    }),
    cases: [...late, ...limits],
  },
];
