// Streams that clients give up before an answer: when that is an attack, and when it is not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertQuiet,
  connectHttp2,
  http2Cluster,
  type Http2MemoryClient,
  Http2MemoryUpstream,
} from '../../../test/simulation/http2-memory.ts';
import { MemoryProxy } from '../../../test/simulation/memory-proxy.ts';
import { StreamInfo } from '../stream-info.ts';
import type { Runtime } from './filter.ts';
import { PrematureResets } from './premature-resets.ts';

const HTTP = 'http.test.';

/** Runtime with values of its own for the two keys. */
function runtimeOf(values: Readonly<Record<string, number>> = {}): Runtime {
  return { number: (key: string, fallback: number) => values[key] ?? fallback } as unknown as Runtime;
}

function infoOf(lifetimeMs: number, responseCode = 0): StreamInfo {
  const info = Object.create(StreamInfo.prototype) as StreamInfo;
  return Object.assign(info, { startMs: 0, endMs: lifetimeMs, responseCode });
}

/** After how many streams of that kind the connection is to go; 0 for never. */
function streamsUntilLimit(runtime: Runtime, next: (nth: number) => [StreamInfo, boolean]): number {
  const resets = new PrematureResets(runtime);
  for (let nth = 1; nth <= 2000; nth++) if (resets.isTooMany(...next(nth))) return nth;
  return 0;
}

test('half of the total, once', () => {
  assert.equal(
    streamsUntilLimit(runtimeOf(), () => [infoOf(0), true]),
    250,
  );
  const total = 'overload.premature_reset_total_stream_count';
  assert.equal(
    streamsUntilLimit(runtimeOf({ [total]: 10 }), () => [infoOf(0), true]),
    5,
  );
  const resets = new PrematureResets(runtimeOf({ [total]: 2 }));
  assert.deepEqual(
    [1, 2, 3, 4].map(() => resets.isTooMany(infoOf(0), true)),
    [true, false, false, false],
  );
});

test('neither old streams nor answered nor complete ones count', () => {
  assert.equal(
    streamsUntilLimit(runtimeOf(), () => [infoOf(2_000), true]),
    0,
  );
  assert.equal(
    streamsUntilLimit(runtimeOf(), () => [infoOf(0, 200), true]),
    0,
  );
  assert.equal(
    streamsUntilLimit(runtimeOf(), () => [infoOf(0), false]),
    0,
  );
  // A second and a half is one second.
  assert.equal(
    streamsUntilLimit(runtimeOf(), () => [infoOf(1_500), true]),
    250,
  );
  const lifetime = 'overload.premature_reset_min_stream_lifetime_seconds';
  assert.equal(
    streamsUntilLimit(runtimeOf({ [lifetime]: 5 }), () => [infoOf(5_500), true]),
    250,
  );
});

test('on a long connection it is half of all streams', () => {
  assert.equal(
    streamsUntilLimit(runtimeOf(), (nth) => [infoOf(0), nth % 3 === 0]),
    0,
  );
  assert.equal(
    streamsUntilLimit(runtimeOf(), (nth) => [infoOf(0), nth % 2 === 0]),
    500,
  );
});

test('a connection on which most streams are given up is closed at once, and another is not', () => {
  const runtime = { layers: [{ name: 'l', static_layer: { 'overload.premature_reset_total_stream_count': 20 } }] };
  const rig = new MemoryProxy({
    cluster: http2Cluster(),
    bootstrap: { layered_runtime: runtime },
    route: { timeout: '0s' },
  });
  try {
    const upstream = new Http2MemoryUpstream(rig);
    upstream.reply = () => undefined;
    const giveUp = (client: Http2MemoryClient): void => client.request('/').reset();
    const attacker = connectHttp2(rig);
    const polite = connectHttp2(rig);
    const waiting = attacker.request('/waiting');
    for (let i = 0; i < 9; i++) {
      giveUp(attacker);
      giveUp(polite);
    }
    assert.equal(attacker.isGone, false);
    giveUp(attacker);
    assert.equal(attacker.isGone, true);
    assert.equal(waiting.resetBy, 'gone');
    assert.equal(rig.stat(`${HTTP}downstream_rq_too_many_premature_resets`), 1);
    assert.equal(rig.stat(`${HTTP}downstream_cx_destroy_local`), 1);
    const late = polite.request('/late');
    rig.advance(2_100);
    late.reset();
    assert.equal(polite.isGone, false);
    upstream.reply = (exchange) => exchange.respond(200, 'ok');
    assert.equal(polite.request('/').text, '200 ok');
    const log = rig.takeLog();
    assert.equal(log.length, 22);
    assert.equal(log.filter((line) => line === 'GET / 0 DR http2.remote_reset').length, 19);
    assertQuiet(rig);
    assert.deepEqual(rig.problems, []);
  } finally {
    rig.stop();
  }
});
