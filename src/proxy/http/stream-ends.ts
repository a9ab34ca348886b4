// Streams of a connection in progress, and what their ends leave in logs and statistics.
import type { Failure } from '../../base/failure.ts';
import { Flag, type StreamInfo } from '../stream-info.ts';
import type { HttpScope, RouteResolutionScope } from './stats.ts';
import type { HttpStream } from './stream.ts';

/** The streams are the links. */
export class StreamList {
  first: HttpStream | null = null;

  add(stream: HttpStream): void {
    stream.next = this.first;
    if (this.first !== null) this.first.previous = stream;
    this.first = stream;
  }

  remove(stream: HttpStream): void {
    const { next, previous } = stream;
    if (previous === null) this.first = next;
    else previous.next = next;
    if (next !== null) next.previous = previous;
    stream.next = stream.previous = null;
  }
}

/** Why a stream ended before its answer did. */
export function noteReset(info: StreamInfo, reason: Failure): void {
  if (reason.code === 'downstream_reset' && reason.scope === 'stream') {
    info.flags |= Flag.DR;
    info.responseCodeDetails = reason.detail;
  } else if (reason.code === 'downstream_closed' || reason.code === 'downstream_reset') {
    info.flags |= Flag.DC;
    info.responseCodeDetails = reason.side === 'local' ? reason.detail : 'downstream_remote_disconnect';
  } else if (reason.code === 'drain' || reason.code === 'local_close') {
    info.responseCodeDetails = reason.detail;
  } else {
    info.flags |= Flag.DPE;
    info.responseCodeDetails = reason.detail;
  }
}

export function recordTimes(
  { info, routeResolutions, routeResolutionMs }: HttpStream,
  stats: HttpScope,
  resolutionStats: RouteResolutionScope | null,
): void {
  stats.record(stats.i.downstream_rq_time, Math.round(info.endMs - info.startMs));
  if (resolutionStats === null) return;
  resolutionStats.record(resolutionStats.i.downstream_rq_route_resolution_time_us, routeResolutionMs * 1000);
  resolutionStats.record(resolutionStats.i.downstream_rq_route_resolutions, routeResolutions);
}
