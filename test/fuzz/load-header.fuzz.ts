// Fuzzes reports of load in header fields: whatever an endpoint says, there is a report that LRS can be told, or none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/base/clock.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { registry } from '../../src/proto/registry.ts';
import { readLoadHeader } from '../../src/proxy/cluster/orca/load-header.ts';
import { headerKey } from '../../src/wire/header-names.ts';
import { Headers } from '../../src/wire/headers.ts';
import { fuzzLimits } from './proto-mutator.ts';

const { seconds, seed } = fuzzLimits(2);
const PIECES = [
  ...['TEXT ', 'JSON ', 'BIN ', 'cpu_utilization', 'mem_utilization', 'eps', 'named_metrics.', 'utilization.', 'rps'],
  ...['=', ':', ',', ' ', '\t', '0.5', '1e3', '-1', '0x1p-2', 'inf', 'nan', '{"', '"', '}', '{', '1', '[', 'null'],
  ...['named_metrics', '\xc3\xa9', '\xff', '\0', 'CQAAAAAAAOA/', '=='],
];
const TYPE = registry.message('envoy.config.endpoint.v3.EndpointLoadMetricStats');

function randomReport(random: Random): string {
  const number = (): number => random.below(100) / 10;
  if (random.below(2) === 0) {
    return Array.from({ length: random.below(12) }, () => PIECES[random.below(PIECES.length)] as string).join('');
  }
  const named_metrics = { [`m${random.below(5)}`]: number() };
  const message = { cpu_utilization: number(), eps: number(), named_metrics };
  const type = registry.message('xds.data.orca.v3.OrcaLoadReport');
  const texts = [
    `TEXT cpu_utilization=${number()}, named_metrics.a${random.below(3)}=${number()}`,
    `JSON ${JSON.stringify(message)}`,
    `BIN ${Buffer.from(encodeBinary(type as never, message as never)).toString('base64')}`,
  ];
  const text = texts[random.below(3)] as string;
  const at = random.below(text.length);
  const piece = random.below(2) === 0 ? (PIECES[random.below(PIECES.length)] as string) : '';
  return text.slice(0, at) + piece + text.slice(at + random.below(3));
}

test('a report is one that can be told, or none', () => {
  const random = new Random(seed);
  const until = Date.now() + seconds * 1000;
  const names = ['endpoint-load-metrics', 'endpoint-load-metrics-bin'];
  let read = 0;
  for (let inputs = 1; Date.now() < until; inputs++) {
    const text = randomReport(random);
    const headers = new Headers();
    headers.add(headerKey(names[random.below(8) === 0 ? 1 : 0] as string), text);
    try {
      const load = readLoadHeader(headers);
      if (load === null) continue;
      read++;
      for (const [metric_name, total_metric_value] of load) {
        assert.equal(typeof total_metric_value, 'number');
        if (text.startsWith('TEXT ')) assert.ok(total_metric_value >= 0 && Number.isFinite(total_metric_value));
        assert.ok(metric_name.isWellFormed());
        encodeBinary(TYPE as never, { metric_name, total_metric_value } as never);
      }
    } catch (error) {
      throw new Error(`seed ${seed}, input ${inputs}: ${JSON.stringify(text)}`, { cause: error });
    }
  }
  assert.ok(read > 0);
});
