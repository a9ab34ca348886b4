// Differential cases: scripts of the Lua filter, each on a route of its own.
import type { Case, Group } from '../case.ts';
import type { Fields } from '../config.ts';
import { any, bootstrap, cluster, direct, filter, http, route } from '../config.ts';
import { chunk, chunked, get, head, lastChunk, post, request, response } from '../messages.ts';

const LUA = 'envoy.extensions.filters.http.lua.v3.Lua';
const PER_ROUTE = 'envoy.extensions.filters.http.lua.v3.LuaPerRoute';
const NAME = 'envoy.filters.http.lua';
const STATS = ['^http\\..*\\.lua\\.'];

type Script = Omit<Case, 'name' | 'to'> & {
  /** Text of envoy_on_request(h), or of both. */
  readonly onRequest?: string;
  readonly onResponse?: string;
  readonly more?: string;
  readonly route?: Fields;
  readonly perRoute?: Fields;
};

/** Every script may use `show(h, …)`, which puts what it is given into a header of the message. */
const PRELUDE = `local function show(h, ...)
  local t = {}
  for i = 1, select('#', ...) do t[i] = tostring((select(i, ...))) end
  h:headers():add('x-show', (table.concat(t, ' '):gsub('[%c]', '~')))
end
local function try(...) return (select(2, pcall(...))) end
local function sorted(t, sep)
  local lines = {}
  for k, v in pairs(t) do lines[#lines + 1] = tostring(k) .. '=' .. tostring(v) end
  table.sort(lines)
  return table.concat(lines, sep or ',')
end
`;

function sourceOf({ onRequest, onResponse, more = '' }: Script): string {
  const parts = [PRELUDE, more];
  if (onRequest !== undefined) parts.push(`function envoy_on_request(h)\n${onRequest}\nend`);
  if (onResponse !== undefined) parts.push(`function envoy_on_response(h)\n${onResponse}\nend`);
  return parts.join('\n');
}

const CALL = "{[':method'] = 'POST', [':path'] = '/called', [':authority'] = 'b.example', ['x-one'] = {'1', '2'}}";
const BODY = post('{{path}}', 'hello body');

const SCRIPTS: Readonly<Record<string, Script>> = {
  // Headers.
  'sets and reads headers': {
    onRequest: "h:headers():add('x-new', 'a') h:headers():replace('x-old', 'b') h:headers():remove('x-gone')",
    onResponse: "h:headers():add('x-back', h:headers():get(':status')) h:headers():remove('server')",
    send: get('{{path}}', 'x-old: 1', 'x-old: 2', 'x-gone: 3'),
  },
  'several values': {
    onRequest: `local hs = h:headers()
      show(h, hs:get('x-a'), hs:getAtIndex('x-a', 0), hs:getAtIndex('x-a', 1), hs:getAtIndex('x-a', 2),
      hs:getNumValues('x-a'))
      show(h, hs:get('X-A'), hs:getNumValues('none'), hs:get('none'), hs:getAtIndex('x-a', -1))`,
    send: get('{{path}}', 'x-a: 1', 'x-a: 2'),
  },
  'adds to a header that is there once': {
    onRequest: `h:headers():add('user-agent', 'b') h:headers():add('x-forwarded-for', '9.9.9.9')
        h:headers():add('cookie', 'c=d')`,
    send: get('{{path}}', 'user-agent: a', 'cookie: a=b'),
  },
  'pairs of headers': {
    onRequest: `local n = {} for k, v in pairs(h:headers()) do if k:sub(1, 4) ~= 'x-re' then n[#n + 1] = k
      .. '=' .. v end end
      table.sort(n) show(h, table.concat(n, ';'))`,
    send: get('{{path}}', 'x-b: 2', 'x-a: 1'),
  },
  'changes while iterating': {
    onRequest: `local e = try(function() for k in pairs(h:headers()) do h:headers():add('x', 'y') end end)
      pcall(function() show(h, e) end)`,
    onResponse: `local hs = h:headers()
      for k, v in pairs(hs) do end
      hs:add('x-after', 'ok') local it = pairs(hs)
      local a, b = pcall(pairs, hs)
      it()`,
  },
  'path, method and authority': {
    onRequest: `local hs = h:headers() show(h, hs:get(':path'), hs:get(':method'), hs:get(':authority'), hs:get('host'))
      hs:replace(':path', '/changed?x=1') hs:replace(':authority', 'other.example') hs:replace(':method', 'PUT')`,
    send: get('{{path}}?q'),
  },
  'host is the authority': { onRequest: "h:headers():replace('host', 'by-host.example')" },
  'numbers as values': {
    onRequest: "h:headers():add('x-n', 12) h:headers():add('x-f', 1.5) h:headers():add('x-e', 1e20)",
  },
  'changes the status': { onResponse: "h:headers():replace(':status', '418')" },
  'a reason phrase': { onResponse: "h:headers():setHttp1ReasonPhrase('Because')" },
  'a reason phrase with a status': {
    onResponse: "h:headers():replace(':status', '555') h:headers():setHttp1ReasonPhrase('Slow & sure')",
  },
  'a reason phrase of a request': { onRequest: "show(h, pcall(function() h:headers():setHttp1ReasonPhrase('x') end))" },
  'request headers in the response': {
    onResponse: `show(h, h:requestHeaders():get(':path'), h:requestHeaders():get('x-a'), pcall(function()
        h:requestHeaders():add('x', 'y') end))`,
    send: get('{{path}}', 'x-a: seen'),
  },
  'wrong arguments': {
    onRequest: `show(h, try(function() h:headers():get() end))
      show(h, try(function() h:headers():add('x') end))
      show(h, try(function() h:headers():replace('x', {}) end))
      show(h, try(function() h:headers():getAtIndex('x', 'y') end))
      show(h, try(function() h:nope() end))
      show(h, try(function() h:headers():nope() end))
      show(h, try(function() h:logInfo() end))
      show(h, try(function() h:body(1) end))
      show(h, try(function() h:respond(1) end))
      show(h, try(function() h:timestamp(9) end))
      show(h, try(function() h:timestampString('x') end))`,
  },
  // Bodies.
  'reads a body': {
    onRequest: 'local b = h:body() show(h, b:length(), b:getBytes(0, 5), b:getBytes(6, 4), b:getBytes(10, 0))',
    send: BODY,
  },
  'reads beyond a body': {
    onRequest: `local b = h:body() show(h, try(function() b:getBytes(0, 11) end)) show(h, try(function()
        b:getBytes(-1, 1) end))`,
    send: BODY,
  },
  'changes a body': { onRequest: "show(h, h:body():setBytes('changed'))", send: BODY },
  'empties a body': { onRequest: "h:body():setBytes('')", send: BODY },
  'changes the body of a response': {
    onResponse: "show(h, h:body():setBytes('<b>' .. h:body():getBytes(0, h:body():length()) .. '</b>'))",
    upstream: [response(200, 'inner')],
  },
  'changes a chunked body': { onRequest: "h:body():setBytes('one piece')", send: chunked('{{path}}', ['abc', 'def']) },
  'bytes of a body': {
    onResponse: 'h:body():setBytes(string.char(0, 255, 128, 10, 13) .. h:body():getBytes(0, 2))',
    upstream: [response(200, 'xy')],
  },
  'no body': {
    onRequest: 'local b = h:body() show(h, b == nil)',
    onResponse: 'local b = h:body() show(h, b == nil)',
    upstream: [response(204)],
  },
  'a body where there is none': { onRequest: "show(h, h:body(true):length(), h:body(true):setBytes('made'))" },
  'a wrapped body that stays empty': { onRequest: 'show(h, h:body(true):length())' },
  'a body for a response without one': { onResponse: "show(h, h:body(true):setBytes('made'))", upstream: [head(204)] },
  'the body twice': { onRequest: 'show(h, rawequal(h:body(), h:body()), h:body():length())', send: BODY },
  'the body of a response to HEAD': {
    onResponse: 'show(h, h:body())',
    send: request('HEAD', '{{path}}'),
    upstream: [head(200, 'content-length: 9')],
  },
  'pieces of a body': {
    onRequest: `local n = 0 for c in h:bodyChunks() do n = n + c:length() end pcall(function()
        h:headers():add('x-late', 'x') end) N = n`,
    onResponse: 'show(h, N)',
    send: chunked('{{path}}', ['abc', 'defg']),
  },
  'changes pieces': {
    onResponse: 'for c in h:bodyChunks() do c:setBytes(c:getBytes(0, c:length()):upper()) end',
    upstream: [`${head(200, 'transfer-encoding: chunked')}${chunk('abc')}${chunk('de')}${lastChunk()}`],
  },
  'pieces and then the body': {
    onRequest: 'for c in h:bodyChunks() do end E = try(function() h:body() end)',
    onResponse: 'show(h, E)',
    send: BODY,
  },
  'the body and then pieces': { onRequest: 'h:body() show(h, try(function() h:bodyChunks() end))', send: BODY },
  'answers while the body comes': {
    onRequest: "for c in h:bodyChunks() do E = try(function() h:respond({[':status'] = '403'}, 'no') end) end",
    onResponse: 'show(h, E)',
    send: BODY,
  },
  'a body that is too large': { onRequest: 'h:body() show(h, 1)', send: post('{{path}}', 'x'.repeat(3000)) },
  'a response that is too large': { onResponse: 'h:body() show(h, 1)', upstream: [response(200, 'y'.repeat(3000))] },
  // Trailers.
  'reads trailers': {
    onRequest: "h:body() local t = h:trailers() show(h, t and t:get('x-t'))",
    send: chunked('{{path}}', ['abc'], [], ['x-t: end']),
  },
  'changes trailers': {
    onRequest: `for c in h:bodyChunks() do end local t = h:trailers() t:add('x-more', '1') t:replace('x-t', '2')
        t:remove('x-gone')`,
    send: chunked('{{path}}', ['abc'], [], ['x-t: end', 'x-gone: 1']),
  },
  'no trailers': { onRequest: 'local b = h:body() show(h, h:trailers())', send: BODY },
  'trailers without a look at the body': {
    onRequest: "local t = h:trailers() if t then t:add('x-seen', 'yes') end E = tostring(t ~= nil)",
    onResponse: 'show(h, E)',
    send: chunked('{{path}}', ['abc', 'def'], [], ['x-t: end']),
  },
  'trailers of a response': {
    onResponse: "for c in h:bodyChunks() do end local t = h:trailers() if t then t:add('x-added', 'yes') end",
    upstream: [`${head(200, 'transfer-encoding: chunked')}${chunk('abc')}${lastChunk(['x-t: 1'])}`],
  },
  'the body with trailers behind it': {
    onRequest: "local b = h:body() b:setBytes('changed') show(h, b:length())",
    send: chunked('{{path}}', ['abc'], [], ['x-t: end']),
  },
  // Answers.
  answers: { onRequest: "h:respond({[':status'] = '403', ['x-why'] = 'because'}, 'nope') show(h, 'never')" },
  'answers without a body': { onRequest: "h:respond({[':status'] = '204'})" },
  'answers with an empty body': { onRequest: "h:respond({[':status'] = '200'}, '')" },
  'answers with a type': {
    onRequest: `h:respond({[':status'] = '200', ['content-type'] = 'application/json'}, '{"a":1}')`,
  },
  'answers with several values': { onRequest: "h:respond({[':status'] = '200', ['x-a'] = {'1', '2'}}, 'x')" },
  'answers after the body': {
    onRequest: "local b = h:body() h:respond({[':status'] = '200'}, 'got ' .. b:length())",
    send: BODY,
  },
  'answers to HEAD': { onRequest: "h:respond({[':status'] = '200'}, 'text')", send: request('HEAD', '{{path}}') },
  'answers a gRPC request': {
    onRequest: "h:respond({[':status'] = '403'}, 'denied')",
    send: post('{{path}}', 'x', 'content-type: application/grpc'),
  },
  'answers with a status that is none': {
    onRequest: `show(h, try(function() h:respond({[':status'] = '100'}) end)) show(h, try(function()
      h:respond({[':status'] = '600'}) end))
      show(h, try(function() h:respond({}) end)) show(h, try(function() h:respond({[':status'] = 'abc'}) end))
      show(h, try(function() h:respond({[':status'] = '200', x = print}) end))`,
  },
  'answers in the response': { onResponse: "show(h, try(function() h:respond({[':status'] = '200'}, 'x') end))" },
  'answers go through the response function': {
    onRequest: "h:respond({[':status'] = '200'}, 'text')",
    onResponse: "show(h, 'through', h:headers():get(':status'), h:body():length())",
  },
  'answers in a pcall': {
    onRequest: "pcall(function() h:respond({[':status'] = '200'}, 'in') end) error('not reached')",
  },
  // Errors.
  'an error': { onRequest: "h:headers():add('x-before', '1') error('boom') h:headers():add('x-after', '2')" },
  'an error in the response': { onResponse: "h:headers():add('x-before', '1') local x = nil .. 'x'" },
  'an error with the body': { onRequest: "h:body() error('late')", send: BODY },
  'an error that is no text': { onRequest: 'error({})' },
  'an error in a piece': {
    onResponse: "for c in h:bodyChunks() do error('piece') end",
    upstream: [response(200, 'text')],
  },
  'an error in both': { onRequest: "error('one')", onResponse: "error('two')" },
  'an error caught': {
    onRequest: `show(h, pcall(error, 'x')) show(h, try(function() error('y') end)) show(h, xpcall(function()
        error('z') end, function(m) return '<' .. m .. '>' end))`,
  },
  'a yield of its own': { onRequest: 'coroutine.yield()' },
  'a global that is kept': {
    more: 'count = 0',
    onRequest: 'count = count + 1 show(h, count)',
    send: [get('{{path}}'), { read: 1 }, get('{{path}}'), { read: 2 }],
  },
  'a handle that is kept': {
    onRequest: 'if OLD then show(h, try(function() OLD:headers() end)) end OLD = h',
    onResponse: 'show(h, try(function() OLD:headers() end))',
  },
  'headers that are kept while it waits': {
    onRequest: "local hs = h:headers() h:body() show(h, try(function() hs:get('x') end))",
    send: BODY,
  },
  'headers from the request in the response': {
    onRequest: 'HS = h:headers()',
    onResponse: "show(h, try(function() HS:get('x') end))",
  },
  'only a response function': { onResponse: "show(h, 'here')" },
  'no function at all': { more: 'x = 1' },
  'coroutines of its own': {
    onRequest:
      'local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end) show(h, co(1), co(10))',
  },
  'waits in a coroutine of its own': {
    onRequest: 'local co = coroutine.wrap(function() return h:body() end) E = tostring(co())',
    onResponse: 'show(h, E)',
    send: BODY,
  },
  'waits in an iterator and a pcall': {
    onRequest: `local ok, n = pcall(function() local n = 0 for c in h:bodyChunks() do n = n + c:length() end return n
        end) E = tostring(ok) .. tostring(n)`,
    onResponse: 'show(h, E)',
    send: BODY,
  },
  // Calls.
  calls: {
    onRequest: `local hs, b = h:httpCall('b', ${CALL}, 'ping', 1000) show(h, hs[':status'], hs['x-b'], b)`,
    upstream: { b: [response(201, 'pong', 'x-b: 1', 'x-b: 2')], a: [response(200, 'a')] },
  },
  'calls with options': {
    onRequest: `local hs, b = h:httpCall('b', ${CALL}, nil, {timeout_ms = 1000, return_duplicate_headers =
      true, send_xff = false, trace_sampled = false})
      show(h, hs[':status'], type(hs['x-b']), table.concat(hs['x-b'], '+'), b)`,
    upstream: { b: [response(200, '', 'x-b: 1', 'x-b: 2')], a: [response(200, 'a')] },
  },
  'calls with the body at hand': {
    onRequest: `local b = h:body() local hs, answer = h:httpCall('b', ${CALL}, b:getBytes(0, 5), 1000)
      h:body():setBytes(answer) show(h, #answer)`,
    send: BODY,
    upstream: { b: [response(200, 'from b')], a: [response(200, 'a')] },
  },
  'calls and answers': {
    onRequest: `local hs, b = h:httpCall('b', ${CALL}, 'x', 1000) h:respond({[':status'] = hs[':status']},
      'b said ' .. b)`,
    upstream: { b: [response(403, 'no')], a: [response(200, 'a')] },
  },
  'calls in the response': {
    onResponse: `local hs, b = h:httpCall('b', ${CALL}, 'x', 1000) show(h, hs[':status'], b)`,
    upstream: { b: [response(200, 'yes')], a: [response(200, 'a body')] },
  },
  'calls and waits for the body then': {
    onRequest: `h:httpCall('b', ${CALL}, 'x', 1000) E = try(function() return h:body():length() end)`,
    onResponse: 'show(h, E)',
    upstream: { b: [response(200, 'yes')], a: [response(200, 'a')] },
    send: get('{{path}}'),
  },
  'calls twice': {
    onRequest: `local _, one = h:httpCall('b', ${CALL}, 'x', 1000) local _, two = h:httpCall('b', ${CALL},
      'y', 1000) show(h, one, two)`,
    upstream: { b: [response(200, 'one'), response(200, 'two')], a: [response(200, 'a')] },
  },
  'calls in a pcall': {
    onRequest: `local ok, hs, b = pcall(h.httpCall, h, 'b', ${CALL}, 'x', 1000) show(h, ok, hs[':status'], b)`,
    upstream: { b: [response(200, 'yes')], a: [response(200, 'a')] },
  },
  'calls nobody': { onRequest: `show(h, try(function() h:httpCall('nope', ${CALL}, 'x', 1000) end))` },
  'calls in vain': { onRequest: `local hs, b = h:httpCall('gone', ${CALL}, 'x', 1000) show(h, sorted(hs), b)` },
  'calls a cluster without hosts': {
    onRequest: `local hs, b = h:httpCall('empty', ${CALL}, 'x', 1000) show(h, hs[':status'], b)`,
  },
  'calls that take too long': {
    onRequest: `local hs, b = h:httpCall('b', ${CALL}, 'x', 50) show(h, hs[':status'], b)`,
    upstream: { b: [[{ wait: 400 }, response(200, 'late')]], a: [response(200, 'a')] },
  },
  'calls and goes on': {
    onRequest: `show(h, select('#', h:httpCall('b', ${CALL}, 'x', 1000, true)))`,
    upstream: { b: [response(200, 'yes')], a: [response(200, 'a')] },
    settleMs: 100,
  },
  'calls with wrong arguments': {
    onRequest: `show(h, try(function() h:httpCall('b', {}, 'x', 100) end)) show(h, try(function()
      h:httpCall('b', ${CALL}, 'x', -1) end))
      show(h, try(function() h:httpCall('b', ${CALL}, 'x', 'y') end)) show(h, try(function() h:httpCall('b',
      ${CALL}, 'x', 1, 'y') end))
      show(h, try(function() h:httpCall('b', ${CALL}, 'x', {nope = 1}) end)) show(h, try(function()
      h:httpCall('b', ${CALL}, 'x', {timeout_ms = -1}) end))
      show(h, try(function() h:httpCall('b', 5, 'x', 1) end)) show(h, try(function() h:httpCall({}, {}, 'x', 1) end))
      show(h, try(function() h:httpCall('b', {[':path'] = print}, 'x', 1) end))`,
  },
  // What is known of the exchange.
  'stream info': {
    onRequest: `local i = h:streamInfo() show(h, i:protocol(), i:routeName(), i:virtualClusterName(),
      i:requestedServerName(), i:downstreamSslConnection())
      show(h, (i:downstreamRemoteAddress():gsub(':%d+$', '')), (i:downstreamDirectRemoteAddress():gsub(':%d+$', '')))
      show(h, (i:downstreamLocalAddress():gsub(':%d+$', '')), (i:downstreamDirectLocalAddress():gsub(':%d+$', '')))`,
    onResponse: 'show(h, h:streamInfo():routeName())',
    route: { name: 'named-route' },
  },
  'dynamic metadata': {
    onRequest: `local m = h:streamInfo():dynamicMetadata() m:set('one', 'a', 1) m:set('one', 'b', {x = {y =
      true}}) m:set('one', 'l', {1, 'two', false}) m:set('two', 's', 'text')
      show(h, m:get('one').a, m:get('one').b.x.y, #m:get('one').l, m:get('two').s, m:get('none'))
      local names = {} for k, v in pairs(m) do names[#names + 1] = k .. type(v) end table.sort(names)
      show(h, table.concat(names, ' '))
      show(h, try(function() m:set('x', 'y', print) end)) show(h, try(function() m:set('x', 'y', {[{}] = 1})
      end)) show(h, try(function() m:set('x') end))
      m:set('one', 'a', nil) show(h, m:get('one').a)`,
    onResponse: "show(h, h:streamInfo():dynamicMetadata():get('two').s)",
  },
  'metadata of the route': {
    onRequest: `local m = h:metadata() show(h, m:get('text'), m:get('n'), m:get('yes'), m:get('list')[2],
      m:get('deep').a.b, m:get('none'))
      local t = {} for k, v in pairs(m) do t[#t + 1] = k .. ':' .. type(v) end table.sort(t) show(h,
      table.concat(t, ' '))
      show(h, type(m:get('n')), type(m:get('i')), type(m:get('z')))
      show(h, h:route():metadata():get('text'), h:virtualHost():metadata():get('host'))`,
    route: {
      metadata: {
        filter_metadata: {
          [NAME]: { text: 'é', n: -3, i: 7, z: 0, yes: true, list: ['a', 'b'], deep: { a: { b: 'c' } } },
        },
      },
    },
  },
  'no metadata': { onRequest: "show(h, h:metadata():get('x'), h:route():metadata():get('x'), sorted(h:metadata()))" },
  'filter context': {
    onRequest: "show(h, h:filterContext():get('k'), h:filterContext():get('none'), sorted(h:filterContext()))",
    perRoute: { filter_context: { k: 'v', n: 3 } },
  },
  'the context of the filter': { onRequest: "show(h, h:filterContext():get('own'))" },
  'filter state': {
    onRequest: `local s = h:streamInfo():filterState() s:set('my.key', 'envoy.string', 'value') show(h,
      s:get('my.key'), s:get('none'), s:get('my.key', 'field'))
      s:set('ip', 'envoy.network.transport_socket.original_dst_address', '1.2.3.4:5') show(h, s:get('ip'),
      s:get('ip', 'ip'), s:get('ip', 'port'))
      show(h, try(function() s:set('x', 'nope', 'y') end)) show(h, try(function() s:set('x',
      'envoy.network.ip', 'y') end)) show(h, try(function() s:set('x') end))`,
  },
  connection: {
    onRequest: `show(h, h:connection():ssl(), h:connectionStreamInfo():dynamicMetadata():get('x'),
        h:connectionStreamInfo():dynamicTypedMetadata('x'), h:streamInfo():dynamicTypedMetadata('x'))`,
  },
  'drains the connection': { onRequest: 'h:streamInfo():drainConnectionUponCompletion()' },
  statistics: {
    onRequest: `local s = h:stats() s:counter('seen'):inc() s:counter('seen'):add(4) s:gauge('level'):set(7)
      s:gauge('level'):sub(2) s:gauge('level'):inc()
      show(h, s:counter('seen'):value() >= 5, s:gauge('level'):value(), select('#', s:histogram('h'):recordValue(5)))`,
  },
  'base64 and times': {
    onRequest: `show(h, h:base64Escape('a' .. string.char(0, 255)), h:base64Decode('YWJj'),
      h:base64Decode('!'), h:base64Decode('YQ'))
      show(h, type(h:timestamp()), #h:timestampString(),
      #h:timestampString(EnvoyTimestampResolution.MICROSECOND), h:timestamp() > 1.7e12)`,
  },
  logs: {
    onRequest: `h:logTrace('a') h:logDebug('b') h:logInfo('c') h:logWarn('d') h:logErr('e') h:logCritical('f')
        h:headers():logInfo('g') show(h, 1)`,
  },
  // Routes.
  'changes the path and the route with it': {
    onRequest: "h:headers():replace(':path', '/elsewhere')",
  },
  'clears the route cache by itself': { onRequest: "h:headers():add('x-to', 'elsewhere') h:clearRouteCache()" },
  'asks for a host': {
    onRequest: "h:setUpstreamOverrideHost('127.0.0.1:{{backend.b}}')",
    route: { route: { cluster: 'both' } },
    upstream: { a: [response(200, 'a')], b: [response(200, 'b')] },
  },
  'asks for a host that is not there': { onRequest: "h:setUpstreamOverrideHost('127.0.0.9:1', true)" },
  'asks for a host that is no address': {
    onRequest: `show(h, try(function() h:setUpstreamOverrideHost('name') end)) show(h, try(function()
      h:setUpstreamOverrideHost('') end))
      show(h, try(function() h:setUpstreamOverrideHost('1.2.3.4', 1) end)) show(h, pcall(function()
      h:setUpstreamOverrideHost('127.0.0.9') end))`,
  },
  'disabled for the route': { perRoute: { disabled: true }, send: get('{{path}}') },
  'a script by its name': { perRoute: { name: 'named.lua' }, send: get('{{path}}') },
  'a name that is not there': { perRoute: { name: 'none.lua' }, send: get('{{path}}') },
  'nothing but a context': { perRoute: { filter_context: { k: 'mine' } }, send: get('{{path}}') },
};

function pathOf(name: string): string {
  return `/${name.replace(/\W+/g, '-')}`;
}

function perRouteOf(script: Script): Fields {
  const isScript = script.onRequest !== undefined || script.onResponse !== undefined || script.more !== undefined;
  const source = isScript ? { source_code: { inline_string: sourceOf(script) } } : {};
  return { [NAME]: any(PER_ROUTE, { ...source, ...script.perRoute }) };
}

const routes = Object.entries(SCRIPTS).map(([name, script]): Fields => {
  const { route: own = {}, ...around } = (script.route ?? {}) as { route?: Fields };
  const { cluster: to = 'a', ...action } = own as { cluster?: string };
  return route(pathOf(name), to, action, { ...around, typed_per_filter_config: perRouteOf(script) });
});

const CONTEXT_LIMITS = { per_connection_buffer_limit_bytes: 2048 };
const listener = http({
  name: 'lua',
  listener: CONTEXT_LIMITS,
  hcm: { http_protocol_options: { enable_trailers: true } },
  filters: [
    filter(NAME, LUA, {
      default_source_code: {
        inline_string: `${PRELUDE}function envoy_on_request(h) show(h, 'default', h:filterContext():get('k')) end`,
      },
      source_codes: { 'named.lua': { inline_string: `${PRELUDE}function envoy_on_response(h) show(h, 'named') end` } },
      filter_context: { own: 'of the filter' },
    }),
  ],
  virtualHosts: [
    {
      name: 'all',
      domains: ['*'],
      metadata: { filter_metadata: { [NAME]: { host: 'of the host' } } },
      routes: [
        direct({ path: '/elsewhere' }, 207, 'elsewhere'),
        direct({ prefix: '/', headers: [{ name: 'x-to', string_match: { exact: 'elsewhere' } }] }, 208, 'by header'),
        ...routes,
        route('/', 'a'),
      ],
    },
  ],
});

const TRAILERS: Fields = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      { explicit_http_config: { http_protocol_options: { enable_trailers: true } } },
    ),
  },
};

const cases = Object.entries(SCRIPTS).map(([name, script]): Case => {
  const { onRequest: _1, onResponse: _2, more: _3, route: _4, perRoute: _5, send = get('{{path}}'), ...rest } = script;
  const filled = JSON.parse(JSON.stringify(send).replaceAll('{{path}}', pathOf(name))) as Case['send'] & string;
  return { name, to: 'lua', stats: STATS, send: filled, ...rest };
});

export const luaGroups: readonly Group[] = [
  {
    name: 'lua',
    config: bootstrap({
      listeners: [listener],
      clusters: [
        cluster('a', ['a'], TRAILERS),
        cluster('b'),
        cluster('both', ['a', 'b']),
        cluster('gone', ['free.x']),
        cluster('empty', []),
      ],
    }),
    cases,
  },
];
