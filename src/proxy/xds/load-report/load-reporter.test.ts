// The reporter on a stream of the test's own: what it asks and tells, lost streams, slow servers, late answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from '../../../base/clock.ts';
import type { LoadStatsRequest, LoadStatsResponse } from '../../../proto/generated/types.d.ts';
import { StatStore } from '../../../telemetry/metrics.ts';
import type { GrpcHandler } from '../../cluster/upstream-client/grpc-call.ts';
import { LoadReporter } from './load-reporter.ts';
import type { ClusterLoad, LoadAnswer, LoadQuestion } from './loads.ts';

type Asked = {
  readonly question: LoadQuestion;
  readonly took: (answer: LoadAnswer, isLate: boolean) => void;
  readonly done: () => void;
};

class Stream {
  readonly sent: LoadStatsRequest[] = [];
  readonly handler: GrpcHandler<LoadStatsResponse>;
  isAboveWatermark = false;
  isCancelled = false;

  constructor(handler: GrpcHandler<LoadStatsResponse>) {
    this.handler = handler;
  }

  send(message: LoadStatsRequest): void {
    this.sent.push(message);
  }

  cancel(): void {
    this.isCancelled = true;
  }

  end(status: number): void {
    this.handler.onClose(status, status === 0 ? '' : 'gone', null);
  }
}

class Bed {
  readonly clock = new Clock({ manual: true });
  readonly stats = new StatStore();
  readonly streams: Stream[] = [];
  readonly asked: Asked[] = [];
  readonly logs: string[] = [];
  isDown = false;
  readonly reporter: LoadReporter;

  constructor() {
    this.reporter = new LoadReporter({
      clock: this.clock,
      stats: this.stats,
      client: {
        stream: (_method: unknown, handler: unknown) => {
          if (this.isDown) (handler as GrpcHandler<unknown>).onClose(14, 'no healthy upstream', null);
          const stream = new Stream(handler as GrpcHandler<LoadStatsResponse>);
          this.streams.push(stream);
          return stream as never;
        },
      },
      node: { id: 'me', locality: { region: 'r' } },
      log: (level, text) => this.logs.push(`${level} ${text}`),
      ask: (question, took, done) => this.asked.push({ question, took, done }),
    });
    this.reporter.start();
  }

  get stream(): Stream {
    return this.streams.at(-1) as Stream;
  }

  wish(wishes: LoadStatsResponse): void {
    this.stream.handler.onMessage(wishes);
  }

  /** Answers the last question, if it is open. */
  answer(answer: Partial<LoadAnswer> = {}): LoadQuestion {
    const asked = this.asked.pop();
    assert.ok(asked, 'nothing was asked');
    asked.took({ loads: [], begun: [], ...answer }, false);
    asked.done();
    return asked.question;
  }

  counts(): Record<string, number | undefined> {
    const names = ['errors', 'requests', 'responses', 'retries'];
    return Object.fromEntries(names.map((name) => [name, this.stats.find(`load_reporter.${name}`)]));
  }

  /** Of the last report: 'cluster: successes after seconds'. */
  get last(): string[] {
    return (this.stream.sent.at(-1)?.cluster_stats ?? []).map((stats) => {
      const { seconds, nanos } = stats.load_report_interval ?? { seconds: 0, nanos: 0 };
      const successes = (stats.upstream_locality_stats ?? []).map((one) => one.total_successful_requests);
      return `${stats.cluster_name}: ${successes.join(' ') || 'nothing'} after ${Number(seconds) + nanos / 1e9} s`;
    });
  }
}

function load(name: string, success: number, active = 0): ClusterLoad {
  const counts = { success, error: 0, active, issued: success };
  const locality = { region: '', zone: '', subZone: '' };
  const localities = [{ priority: 0, locality, counts, metrics: [], hosts: [] }];
  return { name, serviceName: '', dropped: 0, droppedByPolicy: 0, category: '', localities };
}

const SECOND = { seconds: 1, nanos: 0 };

test('a stream begins with the node, and reports what is wished for', () => {
  const bed = new Bed();
  assert.deepEqual(bed.stream.sent, [
    { node: { id: 'me', locality: { region: 'r' }, client_features: ['envoy.lrs.supports_send_all_clusters'] } },
  ]);
  bed.wish({ clusters: ['a', 'b'], load_reporting_interval: SECOND, report_endpoint_granularity: true });
  assert.deepEqual(bed.answer({ begun: ['a'] }), {
    ...{ tracked: [], isReport: false, begins: ['a', 'b'], withHosts: true },
  });
  bed.clock.advance(1004);
  const question = { tracked: ['a', 'b'], isReport: true, begins: [], withHosts: true };
  assert.deepEqual(bed.answer({ loads: [load('a', 3)] }), question);
  assert.deepEqual(bed.last, ['a: 3 after 1.004 s']);
  bed.clock.advance(1004);
  // 'b' has come by now.
  assert.deepEqual(bed.answer({ loads: [load('a', 0), load('b', 2)] }), question);
  assert.deepEqual(bed.last, ['a: nothing after 1.004 s', 'b: 2 after 2.008 s']);
  assert.deepEqual(bed.counts(), { errors: 0, requests: 1, responses: 3, retries: 0 });
});

test('other wishes do not begin anew what is reported already', () => {
  const bed = new Bed();
  bed.wish({ clusters: ['a', 'b'], load_reporting_interval: SECOND });
  bed.answer();
  bed.clock.advance(500);
  bed.wish({ clusters: ['b', 'c'], load_reporting_interval: SECOND });
  assert.deepEqual(bed.answer().begins, ['c']);
  bed.clock.advance(500);
  assert.equal(bed.asked.length, 0, 'the interval begins with the wish');
  bed.clock.advance(504);
  assert.deepEqual(bed.answer({ loads: [load('b', 1), load('c', 1)] }).tracked, ['b', 'c']);
  assert.deepEqual(bed.last, ['b: 1 after 1.504 s', 'c: 1 after 1.004 s']);
  bed.wish({ load_reporting_interval: SECOND });
  bed.clock.advance(1004);
  assert.deepEqual(bed.stream.sent.at(-1), { node: bed.stream.sent[0]?.node });
});

test('of all clusters those that come begin, and those that go are forgotten', () => {
  const bed = new Bed();
  bed.wish({ send_all_clusters: true, load_reporting_interval: SECOND });
  assert.deepEqual(bed.answer({ begun: ['a', 'b'] }), {
    ...{ tracked: [], isReport: false, begins: null, withHosts: false },
  });
  bed.clock.advance(1004);
  const question = bed.answer({ loads: [load('a', 1)], begun: ['c'] });
  assert.deepEqual(question, { tracked: ['a', 'b'], isReport: true, begins: null, withHosts: false });
  assert.deepEqual(bed.last, ['a: 1 after 1.004 s']);
  bed.clock.advance(1004);
  assert.deepEqual(bed.answer({ loads: [load('a', 1), load('c', 1)] }).tracked, ['a', 'c']);
});

test('a lost stream is opened again after five seconds, and reports at once', () => {
  const bed = new Bed();
  bed.wish({ clusters: ['a'], load_reporting_interval: SECOND });
  bed.answer();
  bed.stream.end(14);
  bed.clock.advance(4996);
  assert.equal(bed.streams.length, 1);
  bed.clock.advance(8);
  assert.equal(bed.streams.length, 2);
  assert.deepEqual(bed.stream.sent, []);
  bed.answer({ loads: [load('a', 4)] });
  assert.deepEqual(bed.last, ['a: 4 after 5.004 s']);
  bed.clock.advance(1004);
  bed.answer({ loads: [load('a', 1)] });
  assert.deepEqual(bed.last, ['a: 1 after 1.004 s']);
  // A server that ends its stream in good order made no error.
  bed.stream.end(0);
  assert.deepEqual(bed.counts(), { errors: 1, requests: 1, responses: 3, retries: 1 });
  assert.deepEqual(bed.logs, [
    'warning StreamLoadStats gRPC config stream closed: 14, gone',
    'info Load reporter stats stream/connection will retry in 5000 ms.',
    'info Load reporter stats stream/connection will retry in 5000 ms.',
  ]);
});

test('a stream that cannot be opened counts twice, as in Envoy', () => {
  const bed = new Bed();
  bed.isDown = true;
  bed.stream.end(14);
  bed.clock.advance(5004);
  assert.deepEqual(bed.counts(), { errors: 3, requests: 0, responses: 1, retries: 1 });
  assert.equal(bed.logs.at(-2), 'warning Unable to establish new stream');
});

test('what was told to nobody is told later', () => {
  const bed = new Bed();
  bed.wish({ clusters: ['a'], load_reporting_interval: SECOND });
  bed.answer();
  bed.clock.advance(1004);
  bed.stream.end(14);
  // Asked for the stream that is gone.
  bed.answer({ loads: [load('a', 2)] });
  bed.clock.advance(5004);
  bed.answer({ loads: [load('a', 3)] });
  assert.deepEqual(bed.last, ['a: 5 after 6.008 s']);
});

test('late answers count, but not what was on its way then', () => {
  const bed = new Bed();
  bed.wish({ clusters: ['a'], load_reporting_interval: SECOND });
  bed.answer();
  bed.clock.advance(1004);
  const { took } = bed.asked[0] as Asked;
  bed.answer({ loads: [load('a', 1)] });
  took({ loads: [load('a', 10, 7)], begun: [] }, true);
  bed.clock.advance(1004);
  bed.answer({ loads: [load('a', 1, 2)] });
  assert.equal(bed.stream.sent.at(-1)?.cluster_stats?.[0]?.upstream_locality_stats?.[0]?.total_requests_in_progress, 2);
  assert.deepEqual(bed.last, ['a: 11 after 1.004 s']);
});

test('a server that does not read gets fewer reports, one that names no interval ten in a second', () => {
  const bed = new Bed();
  bed.wish({ clusters: ['a'] });
  bed.answer();
  bed.clock.advance(96);
  assert.equal(bed.asked.length, 0);
  bed.clock.advance(8);
  bed.answer({ loads: [load('a', 1)] });
  bed.stream.isAboveWatermark = true;
  bed.clock.advance(1000);
  assert.equal(bed.asked.length, 0);
  bed.stream.isAboveWatermark = false;
  bed.clock.advance(104);
  bed.answer({ loads: [load('a', 2)] });
  assert.deepEqual(bed.last, ['a: 2 after 1.104 s']);
});

test('one question at a time; the last wish counts', () => {
  const bed = new Bed();
  bed.wish({ clusters: ['a'], load_reporting_interval: SECOND });
  bed.wish({ clusters: ['b'], load_reporting_interval: SECOND });
  bed.wish({ clusters: ['c'], load_reporting_interval: SECOND });
  assert.equal(bed.asked.length, 1);
  assert.deepEqual(bed.answer().begins, ['a']);
  assert.deepEqual(bed.answer().begins, ['c']);
  assert.equal(bed.asked.length, 0);
});

test('the end', () => {
  const bed = new Bed();
  bed.wish({ clusters: ['a'], load_reporting_interval: SECOND });
  bed.answer();
  bed.reporter.stop();
  bed.clock.advance(10_000);
  assert.ok(bed.stream.isCancelled);
  assert.equal(bed.asked.length, 0);
  assert.equal(bed.streams.length, 1);
});
