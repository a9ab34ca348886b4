// Which faults the fault filter injects and how it accounts for them; expectations were seen at the real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterHarness, reasonsOf } from '../../../../../test/support/filter-harness.ts';
import type { FakeStream } from '../../../../../test/support/filter-harness.ts';
import { Flag } from '../../../stream-info.ts';
import { BodyData } from '../../filter.ts';
import { fault } from './fault.ts';

const ALL = { percentage: { numerator: 100 } };
const NONE = { percentage: { numerator: 0 } };
const S = (ms: number) => ({ seconds: 0, nanos: ms * 1e6 });

function run(config: object, lines: string[] = [], status = 'stop'): { harness: FilterHarness; stream: FakeStream } {
  const harness = new FilterHarness(fault, config);
  const stream = harness.request('/', lines);
  assert.equal(stream.decodeHeaders(), status);
  return { harness, stream };
}

const metadata = (stream: FakeStream) => stream.info.dynamicMetadata?.get('envoy.filters.http.fault');

test('an abort answers with the status, its flag, details and counters', () => {
  const lines = ['x-envoy-downstream-service-cluster: dc'];
  const { harness, stream } = run({ abort: { http_status: 503, ...ALL } }, lines);
  assert.deepEqual(stream.reply, {
    status: 503,
    body: 'fault filter abort',
    details: 'fault_filter_abort',
    flags: Flag.FI,
  });
  assert.deepEqual(metadata(stream), {});
  assert.equal(harness.stat('http.test.fault.aborts_injected'), 1);
  assert.equal(harness.stat('http.test.fault.dc.aborts_injected'), 1);
  assert.equal(harness.stat('http.test.fault.active_faults'), 1);
  stream.destroy();
  assert.equal(harness.stat('http.test.fault.active_faults'), 0);
});

test('an abort may have a body, metadata and a gRPC status', () => {
  const { stream } = run({ abort: { http_status: 418, response_body: 'teapot', ...ALL }, filter_metadata: { k: 'v' } });
  assert.equal(stream.reply?.body, 'teapot');
  assert.deepEqual(metadata(stream), { k: 'v' });
  const grpc = run({ abort: { grpc_status: 14, ...ALL } }).stream;
  assert.equal(grpc.reply?.status, 200);
  assert.equal(grpc.reply?.grpcStatus, 14);
});

test('nothing happens at 0 %, on other clusters, nodes and headers', () => {
  const abort = { http_status: 503, ...ALL };
  run({}, [], 'continue');
  run({ abort: { http_status: 503, ...NONE } }, [], 'continue');
  run({ abort, upstream_cluster: 'other' }, [], 'continue');
  run({ abort, upstream_cluster: 'up' }, [], 'stop');
  run({ abort, downstream_nodes: ['n1'] }, [], 'continue');
  run({ abort, downstream_nodes: ['n1'] }, ['x-envoy-downstream-service-node: n1'], 'stop');
  run({ abort, headers: [{ name: 'x-t', string_match: { exact: '1' } }] }, ['x-t: 2'], 'continue');
  run({ abort, headers: [{ name: 'x-t', string_match: { exact: '1' } }] }, ['x-t: 1'], 'stop');
});

test('headers choose the abort where the configuration lets them', () => {
  const config = { abort: { header_abort: {}, ...ALL } };
  run(config, [], 'continue');
  const status = (lines: string[]) => run(config, lines).stream.reply?.status;
  assert.equal(status(['x-envoy-fault-abort-request: 504']), 504);
  assert.equal(status(['x-envoy-fault-abort-request: +504']), 504);
  run(config, ['x-envoy-fault-abort-request: 99'], 'continue');
  run(config, ['x-envoy-fault-abort-request: x'], 'continue');
  run(config, ['x-envoy-fault-abort-request: 504', 'x-envoy-fault-abort-request-percentage: 0'], 'continue');
  assert.equal(run(config, ['x-envoy-fault-abort-grpc-request: 99']).stream.reply?.grpcStatus, 99);
});

test('a delay holds the request, then lets it go', () => {
  const { harness, stream } = run({ delay: { fixed_delay: S(200), ...ALL } });
  const filter = harness.filter;
  assert.equal(filter.decodeData?.(stream, new BodyData(), false), 'stop-and-watermark');
  assert.equal(filter.decodeTrailers?.(stream, stream.requestHeaders), 'stop');
  harness.clock.advance(196);
  assert.equal(stream.continuedDecoding, 0);
  harness.clock.advance(8);
  assert.equal(stream.continuedDecoding, 1);
  assert.equal(filter.decodeData?.(stream, new BodyData(), true), 'continue');
  assert.equal(stream.info.flags, Flag.DI);
  assert.equal(harness.stat('http.test.fault.delays_injected'), 1);
  assert.equal(harness.stat('http.test.fault.active_faults'), 0);
});

test('a delay may be followed by an abort, and ends with the stream', () => {
  const config = { delay: { fixed_delay: S(200), ...ALL }, abort: { http_status: 500, ...ALL } };
  const { harness, stream } = run(config);
  harness.clock.advance(204);
  assert.equal(stream.reply?.status, 500);
  assert.equal(stream.info.flags, Flag.DI | Flag.FI);
  const other = harness.request('/');
  other.decodeHeaders();
  other.destroy();
  harness.clock.advance(500);
  assert.equal(other.continuedDecoding, 0);
  assert.equal(other.reply, null);
});

test('a header sets the delay', () => {
  const config = { delay: { header_delay: {}, ...ALL } };
  run(config, [], 'continue');
  const { harness, stream } = run(config, ['x-envoy-fault-delay-request: 152']);
  harness.clock.advance(152);
  assert.equal(stream.continuedDecoding, 1);
});

test('no more faults are active than allowed', () => {
  const { harness } = run({ abort: { http_status: 503, ...ALL }, max_active_faults: 0 }, [], 'continue');
  assert.equal(harness.stat('http.test.fault.faults_overflow'), 1);
  assert.equal(harness.stat('http.test.fault.aborts_injected'), 0);
});

test('runtime overrides, and keys of the downstream cluster stand alone', () => {
  const harness = new FilterHarness(fault, {
    abort: { http_status: 503, ...NONE },
    delay: { fixed_delay: S(9), ...NONE },
  });
  const dc = ['x-envoy-downstream-service-cluster: dc'];
  const status = (lines: string[]) => {
    const stream = harness.request('/', lines);
    stream.decodeHeaders();
    return stream.reply?.status;
  };
  assert.equal(status([]), undefined);
  harness.runtime.values.set('fault.http.abort.abort_percent', 100);
  assert.equal(status([]), 503);
  assert.equal(status(dc), undefined);
  harness.runtime.values.set('fault.http.dc.abort.abort_percent', 100);
  harness.runtime.values.set('fault.http.abort.http_status', 504);
  assert.equal(status([]), 504);
  assert.equal(status(dc), 503);
  harness.runtime.values.set('fault.http.dc.abort.http_status', 418);
  assert.equal(status(dc), 418);
});

test('a route has its own faults', () => {
  const harness = new FilterHarness(fault, { abort: { http_status: 503, ...ALL } });
  const stream = harness.request('/', [], [harness.route({})]);
  assert.equal(stream.decodeHeaders(), 'continue');
});

test('the response trickles at the set rate', () => {
  const { harness, stream } = run({ response_rate_limit: { fixed_limit: { limit_kbps: 1 }, ...ALL } }, [], 'continue');
  const startMs = harness.clock.nowMs;
  const body = new BodyData().set(Buffer.alloc(1000, 'x'), 0, 1000, false);
  assert.equal(harness.filter.encodeData?.(stream, body, true), 'stop-no-buffer');
  harness.clock.advance(2000);
  const sent = stream.injected;
  assert.equal(
    sent.reduce((sum, part) => sum + part.text.length, 0),
    1000,
  );
  assert.equal(sent[0]?.text.length, 55);
  assert.deepEqual(sent.map((part) => part.endStream).filter(Boolean), [true]);
  assert.equal(sent.at(-1)?.endStream, true);
  // The real Envoy took 936 ms.
  assert.ok(Math.abs(sent.at(-1)!.atMs - startMs - 936) < 60);
  assert.equal(harness.stat('http.test.fault.response_rl_injected'), 1);
});

test('trailers wait for the slowed body, and a full hold stops the sender', () => {
  const config = { response_rate_limit: { header_limit: {}, ...ALL } };
  const { harness, stream } = run(config, ['x-envoy-fault-throughput-response: 1024'], 'continue');
  const body = new BodyData().set(Buffer.alloc(2 * 1024 * 1024), 0, 2 * 1024 * 1024, true);
  harness.filter.encodeData?.(stream, body, false);
  assert.equal(stream.pauses, 1);
  assert.equal(harness.filter.encodeTrailers?.(stream, stream.requestHeaders), 'stop');
  harness.clock.advance(4000);
  assert.equal(stream.resumes, 1);
  assert.equal(stream.continuedEncoding, 1);
  assert.ok(stream.injected.every((part) => !part.endStream));
  stream.destroy();
  assert.equal(harness.stat('http.test.fault.active_faults'), 0);
});

test('a fault of no kind is refused', () => {
  const reasons = reasonsOf((d) => fault.decode({ abort: {}, delay: {}, response_rate_limit: {} } as never, d));
  assert.deepEqual(reasons, [
    'delay: fixed_delay or header_delay must be set',
    'abort: http_status, grpc_status or header_abort must be set',
    'response_rate_limit: fixed_limit or header_limit must be set',
  ]);
});
