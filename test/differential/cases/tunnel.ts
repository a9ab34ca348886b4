// Differential cases: tcp_proxy with tunneling_config — the request it asks with, answers, failures, ends, times.
import type { Case, Group, Observation, RelayStep } from '../case.ts';
import { undated } from './connect-config.ts';
import { ASKED, OK, TALK, tunnel, tunnelConfig } from './tunnel-config.ts';

/** The shortest request. */
const SMALL = 55;

/** The upstream says yes and a word goes each way. */
const talks = (name: string, to: string): Case =>
  tunnel(name, to, [
    ['c', 'connect'],
    ['c', 'send', 'question'],
    ['u', 'gets', SMALL],
    ['wait', 20],
    ['u', 'send', `${OK}answer`],
    ['c', 'gets', 6],
    ['wait', 30],
  ]);

const requests: readonly Case[] = [
  talks('main', 'main'),
  talks('hostname without a port', 'bare-host'),
  talks('hostname from filter state', 'state-host'),
  talks('hostname from SNI that there is not', 'sni-host'),
  talks('hostname from an address', 'address-host'),
  talks('headers', 'headers'),
  talks('switched off for a connection', 'no-tunnel'),
  talks('not switched off for a connection', 'tunnel-after-all'),
  talks('POST', 'post'),
  talks('POST with a path', 'post-path'),
  talks('request id', 'request-id'),
  talks('request id under other names', 'request-id-named'),
  talks('weighted clusters', 'weighted'),
  talks('upstream on data', 'on-data'),
  talks('early data', 'early'),
  talks('moments of the log', 'log-moments'),
];

/** The upstream gives this answer; the client is watched. */
const answered = (name: string, answer: string, to = 'main', more: readonly RelayStep[] = []): Case =>
  tunnel(name, to, [
    ['c', 'connect'],
    ['c', 'send', 'question'],
    ['u', 'gets', SMALL],
    ['u', 'send', answer],
    ...more,
    ['wait', 60],
  ]);

const answers: readonly Case[] = [
  answered('200', OK),
  answered('200 with data', `${OK}hello`),
  answered('200 with a length', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello there'),
  answered('200 with a length of 0', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'),
  answered('200, chunked', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'),
  answered('200, connection: close', 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello'),
  answered('201', 'HTTP/1.1 201 Created\r\n\r\nhello'),
  answered('204', 'HTTP/1.1 204 No Content\r\n\r\nhello'),
  answered('100 first', `HTTP/1.1 100 Continue\r\n\r\n${OK}hello`),
  answered('101', 'HTTP/1.1 101 Switching Protocols\r\n\r\nhello'),
  answered('302', 'HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n'),
  answered('403 with a body', 'HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno'),
  answered('503', 'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n'),
  answered('not HTTP', 'hello\r\n\r\n'),
  answered('403 where a second attempt is allowed', 'HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n', 'twice', [
    ['u2', 'gets', SMALL],
    ['u2', 'send', OK],
    ['u2', 'send', 'hello'],
    ['c', 'gets', 5],
  ]),
  answered('403 twice', 'HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n', 'twice', [
    ['u2', 'gets', SMALL],
    ['u2', 'send', 'HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n'],
    ['c', 'sees', 'end'],
  ]),
  answered('403, then 200 after a back-off', 'HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n', 'twice-backoff', [
    ['u2', 'gets', SMALL],
    ['u2', 'send', `${OK}hello`],
    ['c', 'gets', 5],
  ]),
  answered('200, propagated', 'HTTP/1.1 200 OK\r\nx-a: 1\r\nx-b: 2\r\nx-a: 3\r\n\r\nhello', 'propagate'),
  answered('403, propagated', 'HTTP/1.1 403 Forbidden\r\nx-a: 1\r\ncontent-length: 0\r\n\r\n', 'propagate'),
  answered('POST 200', `${OK}hello`, 'post'),
  answered('POST 404', 'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n', 'post'),
];

const failures: readonly Case[] = [
  ...['refused', 'refused-2', 'empty', 'nobody', 'no-requests', 'no-pending'].map((to) =>
    tunnel(to, to, [
      ['c', 'connect'],
      ['c', 'sees', 'end'],
      ['wait', 20],
    ]),
  ),
  tunnel('full', 'full', [
    ['c', 'connect'],
    ['c', 'sees', 'end'],
    ['wait', 20],
  ]),
  tunnel('no-connections', 'no-connections', [
    ['c', 'connect'],
    ['wait', 150],
  ]),
  tunnel('client leaves before the answer', 'main', [...ASKED, ['c', 'close'], ['wait', 80]]),
  tunnel('client ends before the answer', 'main', [
    ...ASKED,
    ['c', 'send', 'bye'],
    ['c', 'fin'],
    ['wait', 40],
    ['u', 'send', OK],
    ['wait', 80],
  ]),
  tunnel('upstream ends before the answer', 'main', [...ASKED, ['u', 'fin'], ['c', 'sees', 'end'], ['wait', 40]]),
  tunnel('upstream resets before the answer', 'main', [...ASKED, ['u', 'reset'], ['c', 'sees', 'end'], ['wait', 40]]),
  tunnel('upstream resets before the answer, a second attempt', 'twice', [
    ...ASKED,
    ['u', 'reset'],
    ['u2', 'gets', SMALL],
    ['u2', 'send', `${OK}hello`],
    ['c', 'gets', 5],
    ['wait', 40],
  ]),
];

const ENDS = ['fin', 'reset', 'close'] as const;

// Envoy 1.40 crashes where the answer to a tunnel's POST over HTTP/1 ends before the request.
const ends: readonly Case[] = [
  ...ENDS.flatMap((end): Case[] => [
    tunnel(`client ${end}`, 'main', [...TALK, ['c', end], ['u', 'sees', 'end'], ['wait', 60]]),
    tunnel(`upstream ${end}`, 'main', [...TALK, ['u', end], ['c', 'sees', 'end'], ['wait', 60]]),
    tunnel(`upstream ${end}, then client data`, 'main', [
      ...TALK,
      ['u', end],
      ['c', 'sees', 'end'],
      ['c', 'send', 'more'],
      ['wait', 30],
      ['c', 'fin'],
      ['wait', 60],
    ]),
    tunnel(`POST: client ${end}`, 'post', [...TALK, ['c', end], ['u', 'sees', 'end'], ['wait', 60]]),
  ]),
  tunnel('client fin, then upstream data and fin', 'main', [
    ...TALK,
    ['c', 'fin'],
    ['u', 'sees', 'end'],
    ['u', 'send', 'more'],
    ['wait', 20],
    ['u', 'fin'],
    ['c', 'sees', 'end'],
    ['wait', 60],
  ]),
  tunnel('client fin, then upstream reset', 'main', [
    ...TALK,
    ['c', 'fin'],
    ['u', 'sees', 'end'],
    ['u', 'reset'],
    ['c', 'sees', 'end'],
    ['wait', 60],
  ]),
  tunnel('upstream sends and ends at once', 'main', [
    ...TALK,
    ['u', 'send', 'bye'],
    ['u', 'fin'],
    ['c', 'sees', 'end'],
    ['wait', 60],
  ]),
];

/** Heddle has one order of flags. */
const unordered = (seen: Observation): unknown => {
  const log = seen.log.map((line) => line.replace('flags=DT,UF', 'flags=UF,DT'));
  return { ...undated(seen), log };
};

const times: readonly Case[] = [
  tunnel('idle', 'idle', [...TALK, ['c', 'sees', 'end'], ['wait', 40]]),
  tunnel('idle before the answer', 'idle', [...ASKED, ['c', 'sees', 'end'], ['wait', 40]]),
  tunnel('duration', 'duration', [...TALK, ['c', 'sees', 'end'], ['wait', 40]]),
  tunnel('duration before the answer', 'duration', [...ASKED, ['c', 'sees', 'end'], ['wait', 40]], { view: unordered }),
  tunnel('durations of the cluster', 'slow-answer', [...TALK, ['wait', 500]]),
];

export const tunnelGroups: readonly Group[] = [
  { name: 'tunnel requests', config: tunnelConfig, cases: requests },
  { name: 'tunnel answers', config: tunnelConfig, cases: answers },
  { name: 'tunnel failures', config: tunnelConfig, cases: failures },
  { name: 'tunnel ends', config: tunnelConfig, cases: ends },
  { name: 'tunnel times', config: tunnelConfig, cases: times },
];
