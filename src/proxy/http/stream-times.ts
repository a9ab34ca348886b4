// How long a stream may last: the whole of it, until its request is complete, and without anything happening.
import { Flag } from '../stream-info.ts';
import type { HttpScope } from './stats.ts';
import type { HttpStream } from './stream.ts';

/** Source: gRPC status codes. */
const DEADLINE_EXCEEDED = 4;

/** Ends a stream that lasts too long, or says when to look again (time of the clock); 0: never. */
export function checkTimes(stream: HttpStream, now: number, stats: HttpScope): number {
  const { durationDueMs, idleTimeoutMs, requestDueMs } = stream;
  let due = Number.POSITIVE_INFINITY;
  if (durationDueMs > 0) {
    if (durationDueMs <= now) return durationReached(stream, stats);
    due = durationDueMs;
  }
  if (requestDueMs > 0 && !stream.isRequestComplete && !stream.isResponseStarted) {
    if (requestDueMs <= now) return requestTimedOut(stream, stats);
    due = Math.min(due, requestDueMs);
  }
  if (idleTimeoutMs > 0) {
    const idleDueMs = stream.lastActivityMs + idleTimeoutMs;
    if (idleDueMs <= now) return idleTimedOut(stream, stats);
    due = Math.min(due, idleDueMs);
  }
  if (stream.logDueMs > 0) {
    if (stream.logDueMs <= now) {
      stream.connection.logStage(stream, 'DownstreamPeriodic');
      stream.logDueMs = now + stream.connection.config.logStages.intervalMs;
    }
    due = Math.min(due, stream.logDueMs);
  }
  return due === Number.POSITIVE_INFINITY ? 0 : due;
}

function idleTimedOut(stream: HttpStream, stats: HttpScope): 0 {
  stats.inc(stats.i.downstream_rq_idle_timeout);
  stream.info.flags |= Flag.SI;
  if (stream.isResponseStarted) stream.resetStream('stream_idle_timeout');
  else {
    const status = stream.isRequestComplete ? 504 : 408;
    stream.sendLocalReply({ status, body: 'stream timeout', details: 'stream_idle_timeout' });
  }
  return 0;
}

function requestTimedOut(stream: HttpStream, stats: HttpScope): 0 {
  stream.requestDueMs = 0;
  stats.inc(stats.i.downstream_rq_timeout);
  stream.sendLocalReply({ status: 408, body: 'request timeout', details: 'request_overall_timeout' });
  return 0;
}

function durationReached(stream: HttpStream, stats: HttpScope): 0 {
  stream.durationDueMs = 0;
  stats.inc(stats.i.downstream_rq_max_duration_reached);
  if (stream.isResponseStarted) stream.resetStream('max_duration_timeout');
  else {
    const status = stream.isRequestComplete ? 504 : 408;
    const body = 'downstream duration timeout';
    stream.sendLocalReply({ status, body, details: 'max_duration_timeout', grpcStatus: DEADLINE_EXCEEDED });
  }
  return 0;
}
