// Differential cases: CONNECT and POST that the proxy ends, CONNECT that it forwards, and how it refuses them.
import type { Case, Group, RelayStep } from '../case.ts';
import { CONNECT, connectConfig, OK_BYTES, POST, relay, TUNNEL, without } from './connect-config.ts';

/** A client that asks and waits until the answer's head, or its whole, is there. */
function asks(name: string, to: string, request: string, bytes = OK_BYTES, more: readonly RelayStep[] = []): Case {
  return relay(name, to, [['c', 'connect'], ['c', 'send', request], ['c', 'gets', bytes], ...more]);
}

/** The answer is the connection's end. */
const refused = (name: string, to: string, request = CONNECT): Case =>
  asks(name, to, request, 1, [['c', 'sees', 'end']]);

/** As TUNNEL, with a PROXY header before the question. */
const TOLD: readonly RelayStep[] = [
  ['c', 'connect'],
  ['c', 'send', `${CONNECT}question`],
  ['u', 'gets', 40],
  ['u', 'send', 'answer'],
  ['c', 'gets', OK_BYTES + 6],
];

const connectTo = (target: string, ...fields: string[]): string =>
  `CONNECT ${target} HTTP/1.1\r\n${[...fields, ''].join('\r\n')}\r\n`;

const answers: readonly Case[] = [
  relay('a word each way', 'term', TUNNEL),
  relay('a word each way, enabled on the route alone', 'route-only', TUNNEL),
  relay('data with the head', 'term', [
    ['c', 'connect'],
    ['c', 'send', `${CONNECT}early`],
    ['u', 'gets', 5],
    ['c', 'gets', OK_BYTES],
  ]),
  relay('the server speaks first', 'term', [
    ['c', 'connect'],
    ['c', 'send', CONNECT],
    ['u', 'send', 'hello'],
    ['c', 'gets', OK_BYTES + 5],
  ]),
  relay('by a header', 'term', [
    ['c', 'connect'],
    ['c', 'send', connectTo('one.example:443', 'host: one.example', 'x-to: b')],
    ['c', 'gets', OK_BYTES],
    ['u', 'send', 'hello'],
    ['c', 'gets', OK_BYTES + 5],
  ]),
  relay('PROXY header of version 1', 'plain', TOLD),
  relay('PROXY header of version 1 by default', 'v1-default', TOLD),
  relay('response headers of the route', 'response-headers', TUNNEL),
  relay('filters of the chain', 'mutations', TUNNEL),
  relay('a port that is stripped', 'strip', [
    ['c', 'connect'],
    ['c', 'send', CONNECT],
    ['u', 'gets', 40],
    ['u', 'send', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['c', 'gets', OK_BYTES],
  ]),
  relay('twice', 'term', [
    ...TUNNEL,
    ['c2', 'connect'],
    ['c2', 'send', CONNECT],
    ['u2', 'send', 'second'],
    ['c2', 'gets', OK_BYTES + 6],
    ['c2', 'fin'],
    ['u2', 'sees', 'fin'],
  ]),
  relay('a plain request before', 'term', [
    ['c', 'connect'],
    ['c', 'send', 'GET / HTTP/1.1\r\nhost: one.example\r\n\r\n'],
    ['u', 'gets', 30],
    ['u', 'send', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'],
    ['c', 'gets', 80],
    ['c', 'send', CONNECT],
    ['u2', 'send', 'second'],
    ['c', 'gets', 200],
  ]),
];

const ends: readonly Case[] = [
  ...(['fin', 'reset', 'close'] as const).flatMap((end): Case[] => [
    relay(`client ${end}`, 'term', [...TUNNEL, ['c', end], ['u', 'sees', 'end'], ['wait', 40]]),
    relay(`upstream ${end}`, 'term', [...TUNNEL, ['u', end], ['c', 'sees', 'end'], ['wait', 40]]),
    relay(`upstream ${end} before any byte`, 'term', [
      ['c', 'connect'],
      ['c', 'send', CONNECT],
      ['c', 'gets', OK_BYTES],
      ['u', end],
      ['c', 'sees', 'end'],
      ['wait', 40],
    ]),
  ]),
  relay('upstream sends and ends', 'term', [
    ...TUNNEL,
    ['u', 'send', 'bye'],
    ['u', 'fin'],
    ['c', 'gets', OK_BYTES + 9],
    ['c', 'sees', 'end'],
    ['wait', 40],
  ]),
  relay('client sends and ends', 'term', [
    ...TUNNEL,
    ['c', 'send', 'bye'],
    // Envoy throws away what it reads together with the end.
    ['u', 'gets', 11],
    ['c', 'fin'],
    ['u', 'sees', 'end'],
    ['u', 'send', 'late'],
    ['wait', 40],
  ]),
  relay('client gone before the answer', 'full', [
    ['c', 'connect'],
    ['c', 'send', CONNECT],
    ['wait', 30],
    ['c', 'close'],
    ['wait', 300],
  ]),
];

const admission: readonly Case[] = [
  refused('not enabled', 'disabled', CONNECT),
  asks('enabled by the connection manager alone', 'hcm-only', CONNECT, 1),
  refused('switched off on the route', 'route-off', CONNECT),
  refused('no route for it', 'prefix-only', CONNECT),
  refused('prefix route that enables it', 'prefix-upgrade', CONNECT),
  refused('regex route', 'regex', CONNECT),
  refused('direct response', 'direct', CONNECT),
  refused('redirect', 'redirect', CONNECT),
  asks('authority with a port, matched', 'host', connectTo('one.example:443', 'host: other.example')),
  asks('without host', 'term', connectTo('one.example:443')),
  asks('host of another name', 'term', connectTo('one.example:443', 'host: other.example')),
  refused('target without a port', 'term', connectTo('one.example', 'host: one.example')),
  refused('target with a path', 'term', connectTo('one.example:443/path', 'host: one.example')),
  refused('target is a path', 'term', connectTo('/path', 'host: one.example')),
  refused('target is a URL', 'term', connectTo('http://one.example:443/', 'host: one.example')),
  refused('target with user information', 'term', connectTo('me@one.example:443', 'host: one.example')),
  asks('target is an IPv6 address', 'term', connectTo('[::1]:443', 'host: [::1]:443')),
  asks('port 0', 'term', connectTo('one.example:0', 'host: one.example')),
  refused('port too large', 'term', connectTo('one.example:65536', 'host: one.example')),
  refused('port is a word', 'term', connectTo('one.example:https', 'host: one.example')),
  refused('empty port', 'term', connectTo('one.example:', 'host: one.example')),
  refused('target is *', 'term', connectTo('*', 'host: one.example')),
  refused('with a length', 'term', connectTo('one.example:443', 'host: one.example', 'content-length: 5')),
  asks('with a length of 0', 'term', connectTo('one.example:443', 'host: one.example', 'content-length: 0'), OK_BYTES, [
    ['c', 'send', 'hello'],
    ['u', 'gets', 5],
  ]),
  refused('chunked', 'term', connectTo('one.example:443', 'host: one.example', 'transfer-encoding: chunked')),
  refused(
    'with an upgrade',
    'term',
    connectTo('one.example:443', 'host: one.example', 'connection: upgrade', 'upgrade: websocket'),
  ),
  asks('connection: close', 'term', connectTo('one.example:443', 'host: one.example', 'connection: close'), OK_BYTES, [
    ['c', 'send', 'hello'],
    ['u', 'gets', 5],
  ]),
  refused('version 1.0', 'term', CONNECT.replace('1.1', '1.0')),
  asks('expect: 100-continue', 'term', connectTo('one.example:443', 'host: one.example', 'expect: 100-continue')),
  asks('a plain request to the listener', 'term', 'GET /x HTTP/1.1\r\nhost: one.example\r\n\r\n', 0, [
    ['u', 'gets', 30],
  ]),
];

const failures: readonly Case[] = [
  refused('connection refused', 'refused', CONNECT),
  refused('connect timeout', 'full', CONNECT),
  refused('no host', 'empty', CONNECT),
  refused('unknown cluster', 'nobody'),
  asks('no requests allowed', 'no-requests', CONNECT),
  asks('no connections allowed', 'no-connections', CONNECT),
  { name: 'none may wait', to: 'no-pending', send: [CONNECT, { read: 1 }] },
  asks('another host after one that refused', 'retry', CONNECT),
  refused('every attempt refused', 'retry-refused', CONNECT),
  refused('refused, with data', 'refused', `${CONNECT}early`),
];

const times: readonly Case[] = [
  ...['timeout', 'route-idle', 'duration', 'stream-idle', 'request-timeout', 'cluster-duration'].map((to) =>
    relay(`${to} of an open tunnel`, to, [...TUNNEL, ['wait', 500]]),
  ),
];

const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

const posts: readonly Case[] = [
  relay('a word each way', 'post', [
    ['c', 'connect'],
    ['c', 'send', POST],
    ['c', 'gets', OK_BYTES],
    ['c', 'send', chunk('question')],
    ['u', 'gets', 8],
    ['u', 'send', 'answer'],
    ['c', 'gets', OK_BYTES + 10],
    ['c', 'send', '0\r\n\r\n'],
    ['u', 'sees', 'fin'],
    ['u', 'send', 'late'],
    ['wait', 20],
    ['u', 'fin'],
    ['wait', 40],
  ]),
  relay('the upstream ends first', 'post', [
    ['c', 'connect'],
    ['c', 'send', POST],
    ['c', 'gets', OK_BYTES],
    ['u', 'send', 'answer'],
    ['u', 'fin'],
    ['c', 'gets', OK_BYTES + 15],
    ['wait', 40],
  ]),
  relay('a complete request', 'post', [
    ['c', 'connect'],
    ['c', 'send', 'POST / HTTP/1.1\r\nhost: one.example\r\ncontent-length: 4\r\n\r\nbody'],
    ['u', 'sees', 'fin'],
    ['u', 'send', 'answer'],
    ['u', 'fin'],
    ['c', 'gets', OK_BYTES + 15],
    ['wait', 40],
  ]),
  relay('a request without a body', 'post', [
    ['c', 'connect'],
    ['c', 'send', 'POST / HTTP/1.1\r\nhost: one.example\r\ncontent-length: 0\r\n\r\n'],
    ['u', 'sees', 'fin'],
    ['u', 'send', 'answer'],
    ['u', 'fin'],
    ['c', 'gets', OK_BYTES + 15],
    ['wait', 40],
  ]),
  relay('with trailers', 'post', [
    ['c', 'connect'],
    ['c', 'send', `${POST}${chunk('body')}0\r\nx-trailer: 1\r\n\r\n`],
    ['u', 'sees', 'fin'],
    ['u', 'fin'],
    ['c', 'gets', OK_BYTES],
    ['wait', 40],
  ]),
  relay(
    'PROXY header',
    'post-v2',
    [
      ['c', 'connect'],
      ['c', 'send', POST],
      ['u', 'gets', 28],
      ['wait', 40],
    ],
    { view: (seen) => ({ ...without()(seen), relay: null }) },
  ),
  refused('refused', 'post-refused', POST),
  relay('not allowed', 'post-not', [
    ['c', 'connect'],
    ['c', 'send', POST],
    ['u', 'gets', 40],
    ['wait', 40],
  ]),
];

const OK = 'HTTP/1.1 200 OK\r\n\r\n';
const forwarded = (name: string, answer: string, more: readonly RelayStep[], request = CONNECT): Case =>
  relay(name, 'forward', [
    ['c', 'connect'],
    ['c', 'send', request],
    ['u', 'gets', 60],
    ['u', 'send', answer],
    ...more,
    ['wait', 30],
  ]);

const forwards: readonly Case[] = [
  forwarded('a word each way', OK, [
    ['c', 'gets', OK_BYTES],
    ['c', 'send', 'question'],
    ['wait', 30],
    ['u', 'send', 'answer'],
    ['c', 'gets', OK_BYTES + 6],
  ]),
  forwarded('data with the head waits for the answer', OK, [['c', 'gets', OK_BYTES]], `${CONNECT}early`),
  forwarded('client ends', OK, [
    ['c', 'gets', OK_BYTES],
    ['c', 'fin'],
    ['u', 'sees', 'end'],
  ]),
  forwarded('client resets', OK, [
    ['c', 'gets', OK_BYTES],
    ['c', 'reset'],
    ['u', 'sees', 'end'],
  ]),
  forwarded('upstream ends', OK, [
    ['c', 'gets', OK_BYTES],
    ['u', 'send', 'bye'],
    ['u', 'fin'],
    ['c', 'sees', 'end'],
  ]),
  forwarded('upstream resets', OK, [
    ['c', 'gets', OK_BYTES],
    ['u', 'reset'],
    ['c', 'sees', 'end'],
  ]),
  forwarded('answered 201', 'HTTP/1.1 201 Created\r\n\r\n', [
    ['c', 'gets', 60],
    ['c', 'send', 'q'],
    ['wait', 20],
  ]),
  forwarded('answered 204', 'HTTP/1.1 204 No Content\r\n\r\n', [
    ['c', 'gets', 50],
    ['c', 'send', 'q'],
    ['wait', 20],
  ]),
  forwarded('answered 200 with a length', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello', [
    ['c', 'gets', 60],
    ['c', 'send', 'q'],
    ['wait', 20],
  ]),
  forwarded('answered 200, chunked', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n', [
    ['c', 'gets', 60],
    ['wait', 20],
  ]),
  forwarded('answered 407', 'HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 2\r\n\r\nno', [
    ['c', 'gets', 80],
  ]),
  forwarded('answered 502 without a length', 'HTTP/1.1 502 Bad Gateway\r\n\r\nno', [
    // Envoy tells a FIN read together with the answer apart from one read later.
    ['wait', 30],
    ['u', 'fin'],
    ['c', 'gets', 80],
  ]),
  forwarded('answered 101', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', [['wait', 20]]),
  forwarded('answered 100 first', `HTTP/1.1 100 Continue\r\n\r\n${OK}`, [['c', 'gets', OK_BYTES]]),
  forwarded('data in the same segment as the answer', `${OK}hello`, [['c', 'gets', OK_BYTES + 5]]),
  relay('through a second listener that ends it', 'forward-term', [
    ['c', 'connect'],
    ['c', 'send', CONNECT],
    ['c', 'gets', OK_BYTES],
    ['c', 'send', 'question'],
    ['u', 'gets', 8],
    ['u', 'send', 'answer'],
    ['c', 'gets', OK_BYTES + 6],
    ['c', 'fin'],
    ['u', 'sees', 'end'],
    ['wait', 40],
  ]),
];

export const connectGroups: readonly Group[] = [
  { name: 'connect', config: connectConfig, cases: [...answers, ...ends] },
  { name: 'connect admission', config: connectConfig, cases: [...admission, ...failures] },
  { name: 'connect times', config: connectConfig, cases: times },
  { name: 'connect by post', config: connectConfig, cases: posts },
  { name: 'connect forwarded', config: connectConfig, cases: forwards },
];
