// What grpc_stats counts, whatever the pieces that messages come in; the names were seen at the real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answer, call, grpcFilter, grpcProxy, message, PATH } from '../../../../../test/support/grpc-rig.ts';
import { type MemoryProxy, post, response } from '../../../../../test/simulation/memory-proxy.ts';
import { MAX_METHODS } from './method-stats.ts';
import { ResponseCounter } from './response-counter.ts';

const TYPE = 'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig';
const CALL = call('application/grpc', message('ping'));
const PONG = answer([message('pong')], ['grpc-status: 0']);

/** Statistics of gRPC that are not 0, without the cluster's part of their names. */
function counts(proxy: MemoryProxy): Record<string, number> {
  const found: Record<string, number> = {};
  for (const scope of proxy.proxy.stats.scopes()) {
    if (scope.prefix !== 'cluster.upstream.') continue;
    for (const stat of scope.stats()) {
      const name = stat.name.replace('cluster.upstream.', '');
      if (!name.startsWith('grpc.')) continue;
      if (stat.kind === 'counter' && stat.value > 0) found[name.replace('grpc.', '')] = stat.value;
      if (stat.kind === 'histogram') found[name.replace('grpc.', '')] = -1;
    }
  }
  return found;
}

function run(config: object, request: string, reply: string, pieceBytes = 65_536): Record<string, number> {
  const proxy = grpcProxy([grpcFilter(TYPE, config)], { nextPieceBytes: () => pieceBytes });
  proxy.upstream.reply = () => reply;
  const client = proxy.exchange(request);
  assert.equal(client.responses[0]?.complete, true);
  const found = counts(proxy);
  proxy.stop();
  return found;
}

for (const pieceBytes of [1, 3, 1000]) {
  test(`messages and outcomes in pieces of ${pieceBytes} bytes`, () => {
    const request = call('application/grpc', message('a') + message('') + message('ccc'));
    const reply = answer([message('x') + message('y')], ['grpc-status: 0']);
    const name = 'pkg.Service.Method.';
    const expected = {
      [`${name}0`]: 1,
      [`${name}success`]: 1,
      [`${name}total`]: 1,
      [`${name}request_message_count`]: 3,
    };
    const all = run({ stats_for_all_methods: true }, request, reply, pieceBytes);
    assert.deepEqual(all, { ...expected, [`${name}response_message_count`]: 2 });
  });
}

test('methods by name, some of them, or none', () => {
  const outcome = ['0', 'request_message_count', 'response_message_count', 'success', 'total'];
  const names = (config: object): string[] => Object.keys(run(config, CALL, PONG)).sort();
  const list = (name: string): object => ({
    individual_method_stats_allowlist: { services: [{ name, method_names: ['Method'] }] },
  });
  assert.deepEqual(names({}), outcome);
  assert.deepEqual(names({ stats_for_all_methods: false }), outcome);
  assert.deepEqual(names(list('other')), outcome);
  assert.deepEqual(
    names(list('pkg.Service')),
    outcome.map((one) => `pkg.Service.Method.${one}`),
  );
  const replaced = { stats_for_all_methods: true, replace_dots_in_grpc_service_name: true };
  assert.deepEqual(
    names(replaced),
    outcome.map((one) => `pkg_Service.Method.${one}`),
  );
});

test('the time at the upstream is recorded when it is asked for', () => {
  assert.equal(run({ enable_upstream_stats: true }, CALL, PONG)['upstream_rq_time'], -1);
  assert.equal(run({}, CALL, PONG)['upstream_rq_time'], undefined);
});

test('other exchanges, and paths of no method, are not counted', () => {
  assert.deepEqual(run({}, post(PATH, 'x', 'content-type: text/plain'), response('x')), {});
  assert.deepEqual(run({}, post('/one', message('x'), 'content-type: application/grpc'), PONG), {});
});

test('a unary call and a stream of the Connect protocol', () => {
  const outcome = { request_message_count: 1, response_message_count: 1, total: 1 };
  const unary = call('application/proto', 'ping', 'connect-protocol-version: 1');
  assert.deepEqual(run({}, unary, response('pong')), { ...outcome, success: 1 });
  assert.deepEqual(run({}, unary, response('no', 404)), { ...outcome, failure: 1 });
  const stream = call('application/connect+proto', message('a'));
  const reply = (end: string): string =>
    response(message('x') + message(end, 2), 200, 'content-type: application/connect+proto');
  assert.deepEqual(run({}, stream, reply('{}')), { ...outcome, success: 1 });
  assert.deepEqual(run({}, stream, reply('{"error":{"code":"internal"}}')), { ...outcome, failure: 1 });
});

test('the access log shows the counts', () => {
  const name = 'envoy.filters.http.grpc_stats';
  const format = `%FILTER_STATE(${name}:PLAIN)% %FILTER_STATE(${name}:TYPED)%\n`;
  const proxy = grpcProxy([grpcFilter(TYPE, { emit_filter_state: true })], {
    hcm: {
      access_log: [],
      local_reply_config: { body_format: { text_format_source: { inline_string: format } } },
    },
    // A reply of the proxy that comes after the upstream's messages is written by the same formats.
    cluster: {},
  });
  proxy.upstream.reply = () => '';
  const client = proxy.exchange(post(PATH, message('a') + message('b'), 'content-type: application/connect+proto'));
  proxy.run(() => proxy.upstream.last.stream.destroy(true));
  assert.match(client.responses[0]?.body ?? '', /^2,0 \{"requestMessageCount":"2"\}/);
  proxy.stop();
});

test('names that clients and upstreams invent come to an end', () => {
  const proxy = grpcProxy([grpcFilter(TYPE, { stats_for_all_methods: true })]);
  proxy.upstream.reply = () => answer([], ['grpc-status: 0']);
  const client = proxy.connect();
  for (let i = 0; i < MAX_METHODS + 5; i++) client.send(post(`/s/m${i}`, '', 'content-type: application/grpc'));
  assert.equal(client.responses.length, MAX_METHODS + 5);
  const found = counts(proxy);
  assert.equal(found['s.m0.total'], 1);
  assert.equal(found['total'], 5);
  proxy.stop();
});

test('the end of a Connect stream, in any pieces', () => {
  const isSuccess = (end: string, step: number): boolean => {
    const counter = new ResponseCounter();
    const body = Buffer.from(message('a') + message(end, 2), 'latin1');
    for (let at = 0; at < body.length; at += step) counter.count(body, at, Math.min(body.length, at + step));
    assert.equal(counter.started, 1);
    return counter.isSuccess;
  };
  for (const step of [1, 4, 1000]) {
    assert.ok(isSuccess('{"metadata":{}}', step));
    for (const end of ['', '[]', 'null', '{', '{"error":null}', `{"a":"${'x'.repeat(70_000)}"}`]) {
      assert.ok(!isSuccess(end, step), end.slice(0, 20));
    }
  }
  assert.ok(!new ResponseCounter().isSuccess);
});
