// The http_inspector listener filter: finds out whether plain text is HTTP, and which version, for the chain to match.
import { type HttpGuess, HttpInspection } from '../../../wire/http-inspector.ts';
import type { ScopeOf } from '../../../telemetry/metrics.ts';
import {
  type AcceptedSocket,
  defineListenerFilter,
  type ListenerFilter,
  type ListenerFilterStatus,
} from '../filter.ts';

const CONFIG = 'envoy.extensions.filters.listener.http_inspector.v3.HttpInspector';
/** A first line is no longer than that. Source: Envoy Config::MAX_INSPECT_SIZE. */
const MAX_INSPECTED_BYTES = 65_536;

const STATS = {
  read_error: 'counter',
  http10_found: 'counter',
  http11_found: 'counter',
  http2_found: 'counter',
  http_not_found: 'counter',
} as const;

/** Shared by all connections: what the chain matches is compared, never changed. */
const PROTOCOLS = { 'http/1.0': ['http/1.0'], 'http/1.1': ['http/1.1'], h2c: ['h2c'] } as const;

class HttpInspectorFilter implements ListenerFilter {
  readonly maxReadBytes = MAX_INSPECTED_BYTES;
  readonly #stats: ScopeOf<typeof STATS>;
  readonly #inspection = new HttpInspection();

  constructor(stats: ScopeOf<typeof STATS>) {
    this.#stats = stats;
  }

  onAccept(socket: AcceptedSocket): ListenerFilterStatus {
    const { transportProtocol } = socket;
    return transportProtocol === '' || transportProtocol === 'raw_buffer' ? 'more' : 'continue';
  }

  onData(socket: AcceptedSocket, bytes: Buffer): ListenerFilterStatus {
    const stats = this.#stats;
    const isFull = bytes.length >= MAX_INSPECTED_BYTES;
    const guess: HttpGuess = this.#inspection.read(isFull ? bytes.subarray(0, MAX_INSPECTED_BYTES) : bytes);
    if (guess === 'more') {
      if (!isFull) return 'more';
      stats.inc(stats.i.read_error);
      return 'close';
    }
    if (guess === 'none') {
      stats.inc(stats.i.http_not_found);
      return 'continue';
    }
    if (guess === 'h2c') stats.inc(stats.i.http2_found);
    else stats.inc(guess === 'http/1.1' ? stats.i.http11_found : stats.i.http10_found);
    socket.applicationProtocols = PROTOCOLS[guess];
    return 'continue';
  }
}

export const httpInspector = defineListenerFilter<null, object>({
  name: 'envoy.filters.listener.http_inspector',
  configType: CONFIG,
  fields: { [CONFIG]: '' },
  decode: () => null,
  create(_config, context) {
    const stats = context.stats.scope('http_inspector.', STATS);
    return () => new HttpInspectorFilter(stats);
  },
});
