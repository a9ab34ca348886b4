// Differential cases: bytes that two HTTP implementations may read differently.
import type { Case, ClientStep, Group } from '../case.ts';
import { bootstrap, cluster, http } from '../config.ts';
import { head } from '../messages.ts';

const HOST = 'Host: test.example\r\n';
const NEXT = 'GET /next HTTP/1.1\r\nHost: test.example\r\n\r\n';
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: test.example\r\n\r\n';
const CHUNKED = 'Transfer-Encoding: chunked\r\n';

/** Waits for the answers that come within a moment; how many there are is what is compared. */
const SETTLE: ClientStep = { wait: 40 };

/** A POST with these header lines and body; what follows shows how the message was framed. */
function posted(name: string, lines: string, body: string, after = ''): Case {
  const end: ClientStep = after === '' ? SETTLE : { read: 2 };
  return { name, send: [`POST / HTTP/1.1\r\n${HOST}${lines}\r\n${body}${after}`, { read: 1 }, end] };
}

function raw(name: string, bytes: string): Case {
  return { name, send: [bytes, { read: 1 }, SETTLE] };
}

function withHeader(name: string, lines: string): Case {
  return raw(name, `GET / HTTP/1.1\r\n${HOST}${lines}\r\n`);
}

const lengthAndCoding: readonly Case[] = [
  posted('CL.TE', `Content-Length: 6\r\n${CHUNKED}`, '0\r\n\r\nX'),
  posted(
    'CL.TE with a smuggled request',
    `Content-Length: ${5 + SMUGGLED.length}\r\n${CHUNKED}`,
    `0\r\n\r\n${SMUGGLED}`,
  ),
  posted('TE.CL', `${CHUNKED}Content-Length: 4\r\n`, '5c\r\nGPOST / HTTP/1.1\r\n\r\n0\r\n\r\n'),
  posted('TE before CL, equal', `${CHUNKED}Content-Length: 5\r\n`, '0\r\n\r\n', NEXT),
  posted(
    'TE.TE identity then chunked',
    'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n',
    '0\r\n\r\n',
    NEXT,
  ),
  posted(
    'TE.TE chunked then identity',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n',
    '0\r\n\r\n',
    NEXT,
  ),
  posted('TE chunked twice', `${CHUNKED}${CHUNKED}`, '0\r\n\r\n', NEXT),
  posted('TE chunked, chunked', 'Transfer-Encoding: chunked, chunked\r\n', '0\r\n\r\n', NEXT),
  posted('TE gzip, chunked', 'Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n', NEXT),
  posted('TE chunked, gzip', 'Transfer-Encoding: chunked, gzip\r\n', '0\r\n\r\n', NEXT),
  posted('TE identity', 'Transfer-Encoding: identity\r\n', '', NEXT),
  posted('TE identity with CL', 'Transfer-Encoding: identity\r\nContent-Length: 3\r\n', 'abc', NEXT),
  posted('TE xchunked', 'Transfer-Encoding: xchunked\r\n', '0\r\n\r\n', NEXT),
  posted('TE chunkedx', 'Transfer-Encoding: chunkedx\r\n', '0\r\n\r\n', NEXT),
  posted('TE cow', 'Transfer-Encoding: cow\r\nContent-Length: 5\r\n', '0\r\n\r\n', NEXT),
  posted('TE with leading tab', 'Transfer-Encoding:\tchunked\r\n', '0\r\n\r\n', NEXT),
  posted('TE with trailing space', 'Transfer-Encoding: chunked \r\n', '0\r\n\r\n', NEXT),
  posted('TE with vertical tab', 'Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n', NEXT),
  posted('TE in quotes', 'Transfer-Encoding: "chunked"\r\n', '0\r\n\r\n', NEXT),
  posted('TE with space before the colon', 'Transfer-Encoding : chunked\r\n', '0\r\n\r\n', NEXT),
  posted('TE with leading space in the line', ' Transfer-Encoding: chunked\r\n', '0\r\n\r\n', NEXT),
  posted('TE folded', 'Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n', NEXT),
  posted('TE after LF in a value', 'X: x\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n', NEXT),
  posted('TE with parameter', 'Transfer-Encoding: chunked;q=1\r\n', '0\r\n\r\n', NEXT),
  posted('TE empty', 'Transfer-Encoding:\r\n', '', NEXT),
  posted('TE empty with CL', 'Transfer-Encoding:\r\nContent-Length: 3\r\n', 'abc', NEXT),
  posted('TE empty element', 'Transfer-Encoding: , chunked\r\n', '0\r\n\r\n', NEXT),
  posted('TE underscore name', 'Transfer_Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n', NEXT),
  posted('TE mixed case', 'tRANSFER-eNCODING: cHuNkEd\r\n', '0\r\n\r\n', NEXT),
  raw('TE in HTTP/1.0', `POST / HTTP/1.0\r\n${HOST}${CHUNKED}\r\n0\r\n\r\n`),
  raw('TE on GET', `GET / HTTP/1.1\r\n${HOST}${CHUNKED}\r\n3\r\nabc\r\n0\r\n\r\n${NEXT}`),
];

const lengths: readonly Case[] = [
  posted('CL twice, equal', 'Content-Length: 3\r\nContent-Length: 3\r\n', 'abc', NEXT),
  posted('CL twice, different', 'Content-Length: 3\r\nContent-Length: 4\r\n', 'abcd', NEXT),
  posted('CL list, equal', 'Content-Length: 3, 3\r\n', 'abc', NEXT),
  posted('CL list, different', 'Content-Length: 3, 4\r\n', 'abcd', NEXT),
  posted('CL negative', 'Content-Length: -3\r\n', 'abc', NEXT),
  posted('CL with plus', 'Content-Length: +3\r\n', 'abc', NEXT),
  posted('CL hexadecimal', 'Content-Length: 0x3\r\n', 'abc', NEXT),
  posted('CL empty', 'Content-Length:\r\n', '', NEXT),
  posted('CL of spaces', 'Content-Length:   \r\n', '', NEXT),
  posted('CL with inner space', 'Content-Length: 1 2\r\n', 'abc', NEXT),
  posted('CL with trailing letter', 'Content-Length: 3a\r\n', 'abc', NEXT),
  posted('CL with leading zeros', 'Content-Length: 0003\r\n', 'abc', NEXT),
  posted('CL decimal point', 'Content-Length: 3.0\r\n', 'abc', NEXT),
  posted('CL exponent', 'Content-Length: 3e0\r\n', 'abc', NEXT),
  posted('CL 2^63', 'Content-Length: 9223372036854775808\r\n', 'abc'),
  posted('CL 2^64', 'Content-Length: 18446744073709551616\r\n', 'abc'),
  posted('CL 2^64 + 3', 'Content-Length: 18446744073709551619\r\n', 'abc', NEXT),
  posted('CL of thirty digits', `Content-Length: ${'9'.repeat(30)}\r\n`, 'abc'),
  posted('CL folded', 'Content-Length:\r\n 3\r\n', 'abc', NEXT),
  posted('CL with space before the colon', 'Content-Length : 3\r\n', 'abc', NEXT),
  posted('CL trailing tab', 'Content-Length: 3\t\r\n', 'abc', NEXT),
  posted('CL with full-width digits', 'Content-Length: \xef\xbc\x93\r\n', 'abc', NEXT),
  posted('CL zero with body bytes', 'Content-Length: 0\r\n', '', SMUGGLED),
  raw(
    'GET with CL and a smuggled request',
    `GET / HTTP/1.1\r\n${HOST}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  ),
  raw('HEAD with CL', `HEAD / HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc${NEXT}`),
];

const lines: readonly Case[] = [
  withHeader('obs-fold with space', 'X: a\r\n b\r\n'),
  withHeader('obs-fold with tab', 'X: a\r\n\tb\r\n'),
  withHeader('fold on the first header', ' X: a\r\n'),
  raw('bare LF everywhere', 'GET / HTTP/1.1\nHost: test.example\n\n'),
  raw('bare LF after the request line', `GET / HTTP/1.1\n${HOST}\r\n`),
  withHeader('bare LF in headers', 'X: a\nY: b\r\n'),
  raw('bare LF ends the head', `GET / HTTP/1.1\r\n${HOST}\n`),
  withHeader('bare CR in a value', 'X: a\rb\r\n'),
  withHeader('bare CR in a name', 'X\rY: b\r\n'),
  raw('bare CR as line end', 'GET / HTTP/1.1\rHost: test.example\r\r'),
  withHeader('CR CR LF', 'X: a\r\r\n'),
  withHeader('NUL in a value', 'X: a\x00b\r\n'),
  withHeader('NUL in a name', 'X\x00Y: b\r\n'),
  raw('NUL in the path', `GET /a\x00b HTTP/1.1\r\n${HOST}\r\n`),
  withHeader('space before the colon', 'X : a\r\n'),
  withHeader('tab before the colon', 'X\t: a\r\n'),
  withHeader('no colon', 'JustText\r\n'),
  withHeader('empty name', ': value\r\n'),
  withHeader('name with space inside', 'X Y: a\r\n'),
  withHeader('name with slash', 'X/Y: a\r\n'),
  withHeader('name with parenthesis', 'X(Y): a\r\n'),
  withHeader('name with high byte', 'X\xe9: a\r\n'),
  withHeader('name with quotes', '"X": a\r\n'),
  withHeader('value with high bytes', 'X: \xff\xfe\r\n'),
  withHeader('value with emoji bytes', 'X: \xf0\x9f\x98\x80\r\n'),
  withHeader('pseudo-header as a name', ':path: /evil\r\n'),
  raw('leading CRLF', `\r\n${NEXT}`),
  raw('many leading CRLF', `${'\r\n'.repeat(8)}${NEXT}`),
  raw('leading LF', `\n${NEXT}`),
  raw('leading space', ` ${NEXT}`),
  raw('CRLF between pipelined requests', `${NEXT}\r\n${NEXT}`),
  raw('garbage between pipelined requests', `${NEXT}garbage\r\n${NEXT}`),
  raw('extra CRLF after a body', `POST / HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc\r\n${NEXT}`),
];

const requestLines: readonly Case[] = [
  ...(
    [
      ['version 1.2', 'GET / HTTP/1.2'],
      ['version 2.0', 'GET / HTTP/2.0'],
      ['version 0.9', 'GET / HTTP/0.9'],
      ['version 1.10', 'GET / HTTP/1.10'],
      ['version 1', 'GET / HTTP/1'],
      ['version 1.', 'GET / HTTP/1.'],
      ['version with letters', 'GET / HTTP/x.y'],
      ['lower-case http', 'GET / http/1.1'],
      ['version missing', 'GET /'],
      ['version with trailing space', 'GET / HTTP/1.1 '],
      ['two spaces before the target', 'GET  / HTTP/1.1'],
      ['two spaces before the version', 'GET /  HTTP/1.1'],
      ['tab as separator', 'GET\t/\tHTTP/1.1'],
      ['space in the target', 'GET /a b HTTP/1.1'],
      ['no target', 'GET HTTP/1.1'],
      ['target without slash', 'GET path HTTP/1.1'],
      ['target with scheme only', 'GET http:// HTTP/1.1'],
      ['target http:/path', 'GET http:/path HTTP/1.1'],
      ['target of two slashes', 'GET //evil.example/x HTTP/1.1'],
      ['target with high bytes', 'GET /\xc3\xa9 HTTP/1.1'],
      ['target with DEL', 'GET /\x7f HTTP/1.1'],
      ['target with control character', 'GET /\x01 HTTP/1.1'],
      ['target with backslash', 'GET /a\\b HTTP/1.1'],
      ['target with angle brackets and quotes', 'GET /<">{}|^` HTTP/1.1'],
      ['target with bad percent', 'GET /%zz%1 HTTP/1.1'],
      ['target with encoded NUL', 'GET /%00 HTTP/1.1'],
      ['target of a question mark', 'GET ? HTTP/1.1'],
      ['target authority form', 'GET test.example:80 HTTP/1.1'],
      ['target absolute with bad port', 'GET http://other.example:99999/ HTTP/1.1'],
      ['target absolute with letters as port', 'GET http://other.example:abc/ HTTP/1.1'],
      ['target absolute with empty port', 'GET http://other.example:/ HTTP/1.1'],
      ['target absolute IPv6', 'GET http://[::1]:80/ HTTP/1.1'],
      ['target absolute with space in host', 'GET http://other example/ HTTP/1.1'],
      ['method with slash', 'GE/T / HTTP/1.1'],
      ['method with high byte', 'G\xc9T / HTTP/1.1'],
      ['method empty', ' / HTTP/1.1'],
      ['method PRI', 'PRI * HTTP/2.0'],
      ['method very long', `${'A'.repeat(200)} / HTTP/1.1`],
      ['method with prefix', 'XGET / HTTP/1.1'],
      ['connect with a path', 'CONNECT /path HTTP/1.1'],
      ['connect without port', 'CONNECT test.example HTTP/1.1'],
      ['connect with absolute form', 'CONNECT http://test.example/ HTTP/1.1'],
    ] as const
  ).map(([name, line]) => raw(name, `${line}\r\n${HOST}\r\n`)),
  raw('HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  raw('TLS ClientHello', '\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n'),
  raw('plain text', 'hello\r\n\r\n'),
];

const hosts: readonly Case[] = [
  raw('no Host', 'GET / HTTP/1.1\r\nX: a\r\n\r\n'),
  raw('empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n'),
  raw('Host twice, equal', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`),
  raw('Host twice, different', `GET / HTTP/1.1\r\n${HOST}Host: other.example\r\n\r\n`),
  raw('Host with a comma', 'GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n'),
  raw('Host with space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'),
  raw('Host with slash', 'GET / HTTP/1.1\r\nHost: a.example/path\r\n\r\n'),
  raw('Host with at sign', 'GET / HTTP/1.1\r\nHost: user@a.example\r\n\r\n'),
  raw('Host with percent', 'GET / HTTP/1.1\r\nHost: a%2eexample\r\n\r\n'),
  raw('Host with high byte', 'GET / HTTP/1.1\r\nHost: \xe9.example\r\n\r\n'),
  raw('Host with question mark', 'GET / HTTP/1.1\r\nHost: a?b\r\n\r\n'),
  raw('Host with angle brackets', 'GET / HTTP/1.1\r\nHost: <a>\r\n\r\n'),
  raw('Host with bad port', 'GET / HTTP/1.1\r\nHost: a.example:abc\r\n\r\n'),
  raw('Host IPv6', 'GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n'),
  raw('Host with leading spaces', 'GET / HTTP/1.1\r\nHost:    test.example  \r\n\r\n'),
  raw('Host with space before the colon', 'GET / HTTP/1.1\r\nHost : test.example\r\n\r\n'),
  raw('Host folded', 'GET / HTTP/1.1\r\nHost:\r\n test.example\r\n\r\n'),
  raw('absolute form with another Host', 'GET http://other.example/ HTTP/1.1\r\nHost: test.example\r\n\r\n'),
  raw('absolute form without Host', 'GET http://other.example/ HTTP/1.1\r\n\r\n'),
  raw('absolute form with two Hosts', `GET http://other.example/ HTTP/1.1\r\n${HOST}Host: third.example\r\n\r\n`),
];

function chunks(name: string, body: string): Case {
  return posted(name, CHUNKED, body, NEXT);
}

const chunkedBodies: readonly Case[] = [
  chunks('chunk size not hexadecimal', 'xyz\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk size negative', '-1\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk size with plus', '+3\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk size with 0x', '0x3\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk size empty', '\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk size with leading space', ' 3\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk size with trailing space', '3 \r\nabc\r\n0\r\n\r\n'),
  chunks('chunk size with trailing tab', '3\t\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk size of 17 digits', 'fffffffffffffffff\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk size 2^64 + 3', '10000000000000003\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk size 2^63', '8000000000000000\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk size of many zeros', `${'0'.repeat(30)}3\r\nabc\r\n0\r\n\r\n`),
  chunks('chunk size underscore', '1_0\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk longer than its size', '3\r\nabcdef\r\n0\r\n\r\n'),
  chunks('chunk shorter than its size', '5\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk without line end', '3\r\nabc0\r\n\r\n'),
  chunks('chunk ended by LF', '3\r\nabc\n0\r\n\r\n'),
  chunks('chunk size ended by LF', '3\nabc\r\n0\r\n\r\n'),
  chunks('chunk size ended by CR', '3\rabc\r\n0\r\n\r\n'),
  chunks('last chunk ended by LF', '3\r\nabc\r\n0\n\n'),
  chunks('chunk extension', '3;a=b\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk extension with quotes', '3;a="b;c"\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk extension with quoted CRLF', '3;a="\r\n"\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk extension with LF', '3;a\nb\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk extension with CR', '3;a\rb\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk extension empty', '3;\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk extension without semicolon', '3 a\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk extension with NUL', '3;\x00\r\nabc\r\n0\r\n\r\n'),
  chunks('chunk extension of 20 KiB', `3;${'e'.repeat(20_000)}\r\nabc\r\n0\r\n\r\n`),
  chunks('last chunk 000', '3\r\nabc\r\n000\r\n\r\n'),
  chunks('trailer with bad name', '3\r\nabc\r\n0\r\nX Y: a\r\n\r\n'),
  chunks('trailer with transfer-encoding', '3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n'),
  chunks('trailer without colon', '3\r\nabc\r\n0\r\nnothing\r\n\r\n'),
  chunks('trailer folded', '3\r\nabc\r\n0\r\nX: a\r\n b\r\n\r\n'),
  chunks('trailers of 100 KiB', `3\r\nabc\r\n0\r\nX: ${'t'.repeat(100_000)}\r\n\r\n`),
];

const upstreamReplies: readonly (readonly [string, string])[] = [
  ['upstream CL.TE', `${head(200, 'content-length: 5', 'transfer-encoding: chunked')}0\r\n\r\n`],
  ['upstream TE.TE', `${head(200, 'transfer-encoding: identity', 'transfer-encoding: chunked')}0\r\n\r\n`],
  ['upstream TE chunked, chunked', `${head(200, 'transfer-encoding: chunked, chunked')}0\r\n\r\n`],
  ['upstream CL negative', `${head(200, 'content-length: -1')}a`],
  ['upstream CL huge', `${head(200, 'content-length: 99999999999999999999')}a`],
  ['upstream CL with plus', `${head(200, 'content-length: +1')}a`],
  ['upstream CL list', `${head(200, 'content-length: 1, 1')}a`],
  ['upstream space before the colon', 'HTTP/1.1 200 OK\r\ncontent-length : 1\r\n\r\na'],
  ['upstream bare CR', 'HTTP/1.1 200 OK\r\nx: a\rb\r\ncontent-length: 0\r\n\r\n'],
  ['upstream leading CRLF', '\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'],
  ['upstream version 1.2', 'HTTP/1.2 200 OK\r\ncontent-length: 0\r\n\r\n'],
  ['upstream version 2.0', 'HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n'],
  ['upstream status not a number', 'HTTP/1.1 abc OK\r\ncontent-length: 0\r\n\r\n'],
  ['upstream status of two digits', 'HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n'],
  ['upstream status 000', 'HTTP/1.1 000 OK\r\ncontent-length: 0\r\n\r\n'],
  ['upstream reason with control characters', 'HTTP/1.1 200 O\x01K\r\ncontent-length: 0\r\n\r\n'],
  ['upstream reason with high bytes', 'HTTP/1.1 200 \xe9\r\ncontent-length: 0\r\n\r\n'],
  ['upstream pseudo-header', 'HTTP/1.1 200 OK\r\n:status: 500\r\ncontent-length: 0\r\n\r\n'],
];

const upstream: readonly Case[] = upstreamReplies.map(([name, reply]) => ({
  name,
  send: [NEXT, { read: 1 }, SETTLE],
  upstream: [[reply, { wait: 5 }, 'fin']],
}));

export const smugglingGroups: readonly Group[] = [
  {
    name: 'smuggling',
    config: bootstrap({ listeners: [http({ name: 'main' })], clusters: [cluster('a')] }),
    cases: [...lengthAndCoding, ...lengths, ...lines, ...requestLines, ...hosts, ...chunkedBodies, ...upstream].map(
      (test): Case => ({ timeoutMs: 1200, ...test }),
    ),
  },
];
