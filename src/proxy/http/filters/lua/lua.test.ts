// What the Lua filter does with scripts that fail, run on or hold too much, and what it lets them do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  get,
  MemoryProxy,
  type MemoryProxyOptions,
  post,
  response,
} from '../../../../../test/simulation/memory-proxy.ts';
import { grpcFilter, onlyResponse } from '../../../../../test/support/grpc-rig.ts';

const LUA = 'envoy.extensions.filters.http.lua.v3.Lua';

function proxyWith(source: string, more: MemoryProxyOptions = {}, fields: object = {}): MemoryProxy {
  return new MemoryProxy({
    httpFilters: [grpcFilter(LUA, { default_source_code: { inline_string: source }, ...fields })],
    ...more,
  });
}

function runtime(values: object): MemoryProxyOptions {
  return { bootstrap: { layered_runtime: { layers: [{ name: 'static', static_layer: values }] } } };
}

type Seen = {
  readonly line: string;
  readonly body: string;
  readonly header: (name: string) => string | undefined;
  readonly stat: (name: string) => number;
  readonly problems: readonly string[];
};

function run(source: string, request = get('/'), more: MemoryProxyOptions = {}, fields: object = {}): Seen {
  const proxy = proxyWith(source, more, fields);
  const got = onlyResponse(proxy.exchange(request));
  const { stats } = proxy.proxy;
  const stat = (name: string): number =>
    stats.find(`http.test.lua.${name}`) ?? stats.find(`http.main.lua.${name}`) ?? 0;
  const seen: Seen = {
    line: got.startLine,
    body: got.body,
    header: (name) => got.headers.find(([key]) => key.toLowerCase() === name)?.[1],
    stat,
    problems: [...proxy.problems],
  };
  proxy.stop();
  return seen;
}

const LOOP = 'function envoy_on_request(h) while true do end end';

test('a script that runs for ever ends, is counted, and the request goes on', () => {
  const seen = run(LOOP);
  assert.match(seen.line, / 200 /);
  assert.deepEqual([seen.stat('errors'), seen.stat('executions')], [1, 1]);
  assert.match(seen.problems.join('\n'), /script log: .*:1: script ran for too long \(limit is 1000000 instructions\)/);
});

test('the limit of instructions is the runtime’s', () => {
  const seen = run(LOOP, get('/'), runtime({ 'lua.max_instructions': 5000 }));
  assert.match(seen.problems.join('\n'), /limit is 5000 instructions/);
});

test('a script that holds too much fails, and the next one finds a new machine', () => {
  const proxy = proxyWith(
    `local kept = {}
     function envoy_on_request(h)
       if h:headers():get('x-fill') then while true do kept[#kept + 1] = ('x'):rep(100000) .. #kept end end
       h:headers():add('x-kept', #kept)
     end`,
    runtime({ 'lua.max_memory_bytes': 1_000_000 }),
  );
  for (const lines of [['x-fill: 1'], []]) proxy.exchange(get('/', ...lines));
  assert.match(proxy.problems.join('\n'), /not enough memory \(limit is 1000000 bytes\)/);
  const last = proxy.upstream.requests.at(-1);
  assert.deepEqual(last?.headers.find(([name]) => name.toLowerCase() === 'x-kept')?.[1], '0');
  proxy.stop();
});

const CLOSED = runtime({ 'lua.fail_closed': true });

for (const [what, source] of [
  ['request', "function envoy_on_request(h) error('boom') end"],
  ['request, at its body', "function envoy_on_request(h) h:body() error('boom') end"],
  ['response', "function envoy_on_response(h) error('boom') end"],
  ['response, at its body', "function envoy_on_response(h) h:body() error('boom') end"],
] as const) {
  test(`fails closed where that is wanted: ${what}`, () => {
    const seen = run(source, post('/', 'body'), CLOSED);
    assert.match(seen.line, / 500 /);
    assert.equal(seen.body, 'Internal Server Error');
    assert.equal(seen.stat('errors') >= 1, true);
    assert.match(run(source, post('/', 'body')).line, / 200 /);
  });
}

for (const call of [
  "h:headers():add('x', 'a\\r\\nx-smuggled: 1')",
  "h:headers():replace('x', 'a\\nb')",
  "h:headers():add('a b', 'c')",
]) {
  test(`no script breaks a message: ${call}`, () => {
    const seen = run(`function envoy_on_response(h) ${call} end`);
    assert.equal(seen.header('x-smuggled'), undefined);
    assert.equal(seen.header('x'), undefined);
    assert.equal(seen.stat('errors'), 1);
  });
}

test('nor does one with an answer, a call or a reason phrase', () => {
  for (const call of [
    "h:respond({[':status'] = '200', x = 'a\\r\\nx-smuggled: 1'})",
    "h:httpCall('c', {[':method'] = 'GET', [':path'] = '/ HTTP/1.1\\r\\nx: y', [':authority'] = 'a'}, '', 10)",
  ]) {
    const seen = run(`function envoy_on_request(h) ${call} end`);
    assert.equal(seen.header('x-smuggled'), undefined);
    assert.equal(seen.stat('errors'), 1);
  }
  assert.equal(run("function envoy_on_response(h) h:headers():setHttp1ReasonPhrase('a\\r\\nb') end").stat('errors'), 1);
});

test('log lines are lines', () => {
  const seen = run("function envoy_on_request(h) h:logErr('one\\ntwo') end");
  assert.match(seen.problems.join('\n'), /script log: one\\x0atwo/);
});

test('statistics have an end', () => {
  const seen = run("function envoy_on_request(h) for i = 1, 2000 do h:stats():counter('n' .. i):inc() end end");
  assert.match(seen.problems.join('\n'), /scripts of a filter may keep 1000 statistics/);
});

for (const [what, fields, reason] of [
  [
    'no Lua',
    { default_source_code: { inline_string: 'function x(' } },
    /default_source_code: script load error: .*:1: <name> or '\.\.\.' expected near '<eof>'/,
  ],
  [
    'a script that fails as it is loaded',
    { default_source_code: { inline_string: 'error("no")' } },
    /script load error: .*: no/,
  ],
  [
    'a script that never ends as it is loaded',
    { source_codes: { a: { inline_string: 'while true do end' } } },
    /source_codes\["a"\]: script load error: .*ran for too long/,
  ],
  [
    'a script that waits as it is loaded',
    { inline_code: 'coroutine.yield()' },
    /inline_code: script load error: attempt to yield/,
  ],
  [
    'two default scripts',
    { inline_code: 'x = 1', default_source_code: { inline_string: '' } },
    /Only one of `inline_code` or `default_source_code`/,
  ],
  ['package paths', { package_paths: ['/x/?.lua'] }, /package_paths: is not supported/],
  ['a shared machine', { shared_vm_id: 'x' }, /shared_vm_id: is not supported/],
] as const) {
  test(`refused: ${what}`, () => {
    assert.throws(() => new MemoryProxy({ httpFilters: [grpcFilter(LUA, fields)] }), reason);
  });
}

test('counts under its own prefix', () => {
  const proxy = proxyWith('function envoy_on_request(h) end', {}, { stat_prefix: 'mine' });
  proxy.exchange(get('/'));
  const names = [...proxy.proxy.stats.scopes()].map(({ prefix }) => prefix).filter((prefix) => prefix.includes('lua'));
  assert.equal(names.length, 1);
  assert.match(names[0] ?? '', /\.lua\.mine\.$/);
  proxy.stop();
});

test('variables of the environment can be read, files cannot', () => {
  const seen = run(`function envoy_on_response(h)
      h:headers():add('x-env', tostring(os.getenv('NO_SUCH_VARIABLE')))
      h:headers():add('x-io', (select(2, pcall(io.open, '/etc/passwd'))))
    end`);
  assert.equal(seen.header('x-env'), 'nil');
  assert.match(seen.header('x-io') ?? '', /^io\.open is not available: /);
});

test('a response that goes away while its script waits ends the run', () => {
  const proxy = proxyWith('function envoy_on_response(h) local b = h:body() h:logErr("went on") end');
  proxy.upstream.reply = () => 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf';
  const client = proxy.connect();
  client.send(get('/'));
  proxy.run(() => client.stream.destroy());
  assert.deepEqual(
    proxy.problems.filter((line) => line.includes('went on')),
    [],
  );
  proxy.stop();
});

test('responses of several requests do not mix', () => {
  const proxy = proxyWith(
    `function envoy_on_request(h) local n = h:headers():get('x-n') h:body() h:headers():add('x-m', n) end`,
  );
  proxy.upstream.reply = (request) =>
    response(request.headers.find(([name]) => name.toLowerCase() === 'x-m')?.[1] ?? '');
  const clients = [1, 2, 3].map((n) => ({ n, client: proxy.connect() }));
  for (const { n, client } of clients)
    client.send(`POST / HTTP/1.1\r\nhost: a\r\nx-n: ${n}\r\ncontent-length: 2\r\n\r\na`);
  for (const { client } of clients.toReversed()) client.send('b');
  assert.deepEqual(
    clients.map(({ client }) => client.responses[0]?.body),
    ['1', '2', '3'],
  );
  proxy.stop();
});
