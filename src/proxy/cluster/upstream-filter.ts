// Network filters of a cluster: each looks at every connection to its hosts before anybody uses it.
import type { ByteStream } from '../../base/byte-stream.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { FilterStateObject } from '../stream-info.ts';

/** Filter state of one upstream connection. */
export type UpstreamState = Map<string, FilterStateObject>;

/** One filter of one cluster. */
export type UpstreamFilter = {
  /** A connection stands: returns its stream, or one in front of it. What is learned goes to `state`, now or later. */
  onConnected(stream: ByteStream, state: UpstreamState): ByteStream;
};

export type UpstreamFilterContext = { readonly stats: StatStore };

/** A kind of upstream network filter; `extensions.ts` lists them all. */
export type UpstreamFilterFactory = {
  /** Envoy's extension name; for messages only: the type URL decides. */
  readonly name: string;
  readonly configType: string;
  readonly fields: Readonly<Record<string, string>>;
  /** Protobuf object (snake_case) → frozen runtime configuration; reasons go to `d.reject`. */
  decode(message: never, d: ConfigDecoder): unknown;
  create(config: never, context: UpstreamFilterContext): UpstreamFilter;
};

/** One filter as configured. */
export type UpstreamFilterConfig = { readonly factory: UpstreamFilterFactory; readonly config: unknown };

/** By the stream that the connection's user has. */
const states = new WeakMap<ByteStream, UpstreamState>();

/** Lets the filters look at a connection, the first one next to the socket. */
export function filterUpstream(stream: ByteStream, filters: readonly UpstreamFilter[]): ByteStream {
  const state: UpstreamState = new Map();
  let filtered = stream;
  for (const filter of filters) filtered = filter.onConnected(filtered, state);
  states.set(filtered, state);
  return filtered;
}

/** What filters know of an upstream connection; null where there are none. */
export function upstreamStateOf(stream: ByteStream): ReadonlyMap<string, FilterStateObject> | null {
  return states.get(stream) ?? null;
}
