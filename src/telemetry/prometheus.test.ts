// Tests of the metrics with labels: text format, buckets, limits of label sets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_CELLS, MetricRegistry } from './prometheus.ts';

test('metrics are written by name with help, type and escaped labels', () => {
  const registry = new MetricRegistry();
  registry.counter('b_total', 'Second.', ['type']).cell('a"b\\c\nd').add(2);
  registry.gauge('a', 'First\nline.').cell().set(1.5);
  assert.equal(
    registry.text(),
    '# HELP a First\\nline.\n# TYPE a gauge\na 1.5\n' +
      '# HELP b_total Second.\n# TYPE b_total counter\nb_total{type="a\\"b\\\\c\\nd"} 2\n',
  );
});

test('a histogram counts each value in its bucket and all above', () => {
  const histogram = new MetricRegistry().histogram('h', 'H.', [0.1, 1], ['type']);
  for (const value of [0.05, 0.1, 0.5, 7]) histogram.cell('cds').observe(value);
  assert.equal(
    histogram.write(),
    '# HELP h H.\n# TYPE h histogram\nh_bucket{type="cds",le="0.1"} 2\nh_bucket{type="cds",le="1"} 3\n' +
      'h_bucket{type="cds",le="+Inf"} 4\nh_sum{type="cds"} 7.65\nh_count{type="cds"} 4\n',
  );
});

test('a name gives the same metric, label values the same cell', () => {
  const registry = new MetricRegistry();
  assert.equal(registry.counter('c', 'C.', ['l']).cell('x'), registry.counter('c', 'C.', ['l']).cell('x'));
});

test('label sets beyond the limit are counted together', () => {
  const counter = new MetricRegistry().counter('c', 'C.', ['l']);
  for (let index = 0; index < MAX_CELLS + 5; index++) counter.cell(`v${index}`).add(1);
  assert.equal(counter.cell('other').value, 5);
});

test('a gauge may be read when it is written, and forgotten', () => {
  const gauge = new MetricRegistry().gauge('g', 'G.', ['version']);
  gauge.cell('1').from(() => 3);
  gauge.cell('2').set(4);
  gauge.drop('2');
  assert.equal(gauge.write(), '# HELP g G.\n# TYPE g gauge\ng{version="1"} 3\n');
});
