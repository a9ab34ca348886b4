// Cases of the HTTP/1.1 codec: what an upstream may answer.
import type { Case } from '../case.ts';
import { chunk, get, head, lastChunk, request, response } from '../messages.ts';

export const responseCases: readonly Case[] = [
  ...[
    200, 201, 202, 203, 205, 206, 226, 299, 300, 301, 302, 400, 401, 403, 404, 405, 409, 410, 418, 451, 500, 501, 599,
  ].map((status): Case => ({ name: `status ${status}`, send: get('/'), upstream: [response(status, 'body')] })),
  { name: 'status 204', send: get('/'), upstream: [head(204)] },
  { name: 'status 204 with content-length 0', send: get('/'), upstream: [head(204, 'content-length: 0')] },
  { name: 'status 204 with content-length 5', send: get('/'), upstream: [head(204, 'content-length: 5')] },
  { name: 'status 204 with chunked', send: get('/'), upstream: [head(204, 'transfer-encoding: chunked')] },
  { name: 'status 304', send: get('/'), upstream: [head(304, 'etag: "x"')] },
  { name: 'status 304 with content-length', send: get('/'), upstream: [head(304, 'content-length: 100')] },
  { name: 'status 205 without length', send: get('/'), upstream: [[head(205), 'fin']] },
  { name: 'status 600', send: get('/'), upstream: [response(600, 'x')] },
  { name: 'status 99', send: get('/'), upstream: ['HTTP/1.1 99 X\r\ncontent-length: 0\r\n\r\n'] },
  { name: 'status of four digits', send: get('/'), upstream: ['HTTP/1.1 2000 X\r\ncontent-length: 0\r\n\r\n'] },
  {
    name: 'reason phrase of its own',
    send: get('/'),
    upstream: ['HTTP/1.1 200 Fine Day\r\ncontent-length: 0\r\n\r\n'],
  },
  { name: 'no reason phrase', send: get('/'), upstream: ['HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n'] },
  {
    name: 'chunked response',
    send: get('/'),
    upstream: [[head(200, 'transfer-encoding: chunked'), chunk('hello'), { wait: 5 }, chunk(' world'), lastChunk()]],
  },
  {
    name: 'chunked response with extension',
    send: get('/'),
    upstream: [[head(200, 'transfer-encoding: chunked'), '5;x=y\r\nhello\r\n0\r\n\r\n']],
  },
  {
    name: 'chunked response with trailers, trailers off',
    send: get('/'),
    upstream: [[head(200, 'transfer-encoding: chunked'), chunk('hello'), lastChunk(['x-t: 1'])]],
  },
  {
    name: 'chunked response with trailers, trailers on',
    to: 'trailers',
    send: get('/', 'te: trailers'),
    upstream: [
      [head(200, 'transfer-encoding: chunked', 'trailer: x-t'), chunk('hello'), lastChunk(['x-t: 1', 'X-U: 2'])],
    ],
  },
  {
    name: 'response body until close',
    send: get('/'),
    upstream: [[head(200), 'hello ', { wait: 10 }, 'world', 'fin']],
  },
  {
    name: 'response body until close, then another request',
    send: [get('/1'), { read: 1 }, get('/2'), { read: 2 }],
    upstream: [[head(200), 'hello', 'fin']],
  },
  { name: 'response body until reset', send: get('/'), upstream: [[head(200), 'hello', { wait: 20 }, 'rst']] },
  {
    name: 'upstream connection close',
    send: [get('/1'), { read: 1 }, get('/2'), { read: 2 }],
    upstream: [[response(200, 'x', 'connection: close'), 'fin']],
  },
  {
    name: 'upstream says close but keeps open',
    send: [get('/1'), { read: 1 }, get('/2'), { read: 2 }],
    upstream: [response(200, 'x', 'connection: close')],
    upstreamFate: true,
  },
  {
    name: 'upstream keep-alive headers',
    send: get('/'),
    upstream: [response(200, 'x', 'connection: keep-alive', 'keep-alive: timeout=5')],
  },
  {
    name: 'upstream connection lists a header',
    send: get('/'),
    upstream: [response(200, 'x', 'connection: x-drop', 'x-drop: 1')],
  },
  {
    name: 'upstream HTTP/1.0 response with length',
    send: [get('/1'), { read: 1 }, get('/2'), { read: 2 }],
    upstream: ['HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok'],
  },
  {
    name: 'upstream HTTP/1.0 keep-alive',
    send: [get('/1'), { read: 1 }, get('/2'), { read: 2 }],
    upstream: ['HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok'],
  },
  { name: 'upstream HTTP/1.0 until close', send: get('/'), upstream: [['HTTP/1.0 200 OK\r\n\r\nold', 'fin']] },
  {
    name: 'upstream repeats headers',
    send: get('/'),
    upstream: [response(200, 'x', 'set-cookie: a=1', 'set-cookie: b=2', 'vary: a', 'Vary: b')],
  },
  {
    name: 'upstream sends server and date',
    send: get('/'),
    upstream: [response(200, 'x', 'server: own', 'date: Mon, 01 Jan 2024 00:00:00 GMT')],
  },
  {
    name: 'upstream sends x-envoy headers',
    send: get('/'),
    upstream: [
      response(200, 'x', 'x-envoy-upstream-service-time: 99999', 'x-envoy-overloaded: true', 'x-request-id: abc'),
    ],
  },
  {
    name: 'upstream sends a 103',
    send: get('/'),
    upstream: [['HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n', response(200, 'x')]],
  },
  {
    name: 'upstream sends two 103',
    send: get('/'),
    upstream: [
      [
        'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </b>\r\n\r\n',
        response(200, 'x'),
      ],
    ],
  },
  { name: 'upstream sends a 102', send: get('/'), upstream: [['HTTP/1.1 102 Processing\r\n\r\n', response(200, 'x')]] },
  {
    name: 'upstream sends 101 unasked',
    send: get('/'),
    upstream: [['HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n']],
  },
  {
    name: 'upstream obs-fold',
    send: get('/'),
    upstream: ['HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\ncontent-length: 0\r\n\r\n'],
  },
  { name: 'upstream bare LF', send: get('/'), upstream: ['HTTP/1.1 200 OK\nx-a: b\ncontent-length: 2\n\nok'] },
  {
    name: 'upstream invalid header character',
    send: get('/'),
    upstream: ['HTTP/1.1 200 OK\r\nx-a: b\x00c\r\ncontent-length: 0\r\n\r\n'],
  },
  {
    name: 'upstream header name with space',
    send: get('/'),
    upstream: ['HTTP/1.1 200 OK\r\nx a: b\r\ncontent-length: 0\r\n\r\n'],
  },
  {
    name: 'upstream both lengths',
    send: get('/'),
    upstream: [[head(200, 'content-length: 3', 'transfer-encoding: chunked'), chunk('hello'), lastChunk()]],
  },
  {
    name: 'upstream duplicate content-length',
    send: get('/'),
    upstream: [[head(200, 'content-length: 2', 'content-length: 2'), 'ok']],
  },
  {
    name: 'upstream conflicting content-length',
    send: get('/'),
    upstream: [[head(200, 'content-length: 2', 'content-length: 3'), 'okk']],
  },
  {
    name: 'upstream unknown transfer-encoding',
    send: get('/'),
    upstream: [[head(200, 'transfer-encoding: gzip'), 'x', 'fin']],
  },
  { name: 'upstream garbage', send: get('/'), upstream: ['garbage\r\n\r\n'] },
  { name: 'upstream HTTP/2 preface answer', send: get('/'), upstream: ['HTTP/2 200\r\n\r\n'] },
  {
    name: 'upstream bad chunk size',
    send: get('/'),
    upstream: [[head(200, 'transfer-encoding: chunked'), 'zz\r\nhello\r\n']],
  },
  {
    name: 'upstream bytes after the response',
    send: [get('/1'), { read: 1 }, { wait: 10 }, get('/2'), { read: 2 }],
    upstream: [response(200, 'ok') + 'extra'],
    upstreamFate: true,
  },
  {
    name: 'upstream second response unasked',
    send: [get('/1'), { read: 1 }, { wait: 10 }, get('/2'), { read: 2 }],
    upstream: [response(200, 'ok') + response(200, 'stolen')],
  },
  { name: 'upstream closes before any byte', send: get('/'), upstream: [['fin']] },
  { name: 'upstream resets before any byte', send: get('/'), upstream: [['rst']] },
  { name: 'upstream closes in the head', send: get('/'), upstream: [['HTTP/1.1 200 OK\r\nx-a: ', { wait: 5 }, 'fin']] },
  {
    name: 'upstream closes in a length body',
    send: get('/'),
    upstream: [[head(200, 'content-length: 10'), 'half', { wait: 10 }, 'fin']],
  },
  {
    name: 'upstream resets in a length body',
    send: get('/'),
    upstream: [[head(200, 'content-length: 10'), 'half', { wait: 10 }, 'rst']],
  },
  {
    name: 'upstream closes in a chunked body',
    send: get('/'),
    upstream: [[head(200, 'transfer-encoding: chunked'), chunk('half'), { wait: 10 }, 'fin']],
  },
  {
    name: 'upstream resets in a chunked body',
    send: get('/'),
    upstream: [[head(200, 'transfer-encoding: chunked'), chunk('half'), { wait: 10 }, 'rst']],
  },
  {
    name: 'upstream closes while a request body is sent',
    send: [request('POST', '/', ['content-length: 10'], 'abc'), { read: 1 }],
    upstream: [{ on: 'head', actions: ['fin'] }],
  },
  {
    name: 'upstream resets while a request body is sent',
    send: [request('POST', '/', ['content-length: 10'], 'abc'), { read: 1 }],
    upstream: [{ on: 'head', actions: [{ wait: 5 }, 'rst'] }],
  },
  { name: 'upstream response of 300000 bytes', send: get('/'), upstream: [response(200, 'y'.repeat(300_000))] },
  {
    name: 'upstream response header of 59 KiB',
    send: get('/'),
    upstream: [response(200, 'x', `x-big: ${'v'.repeat(59 * 1024)}`)],
  },
  {
    name: 'upstream response header of 61 KiB',
    send: get('/'),
    upstream: [response(200, 'x', `x-big: ${'v'.repeat(61 * 1024)}`)],
  },
  {
    name: 'upstream response of 101 headers',
    send: get('/'),
    upstream: [response(200, 'x', ...Array.from({ length: 101 }, (_, i) => `x-h-${i}: v`))],
  },
  {
    name: 'upstream header names in upper case',
    send: get('/'),
    upstream: [response(200, 'x', 'X-UPPER: v', 'Content-Type: text/plain')],
  },
  { name: 'upstream alt-svc', send: get('/'), upstream: [response(200, 'x', 'alt-svc: h2=":443"')] },
];
