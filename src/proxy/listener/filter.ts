// What a listener filter is: it looks at an accepted socket, or its first bytes, before a filter chain is chosen.
import type { Address, ByteStream } from '../../base/byte-stream.ts';
import type { Clock, Random } from '../../base/clock.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { Runtime } from '../http/filter.ts';
import type { FilterStateObject, UpstreamSource } from '../stream-info.ts';

/**
 * What chooses the filter chain. Listener filters write it; plain fields, filled with what the socket says.
 * Source: Envoy ConnectionSocket, FilterChainManagerImpl.
 */
export type AcceptedSocket = {
  readonly stream: ByteStream;
  /** Where the client wanted to go: the socket's own address until a filter restores another. */
  localAddress: Address;
  /** A filter restored `localAddress` (original destination, PROXY protocol): other listeners may take it over. */
  isLocalAddressRestored: boolean;
  /** The client: the socket's peer until a filter restores another. */
  remoteAddress: Address;
  readonly directLocalAddress: Address;
  readonly directRemoteAddress: Address;
  /** 'tls', 'raw_buffer' or ''. */
  transportProtocol: string;
  /** SNI, lower case; '' when there is none. */
  serverName: string;
  /** ALPN as offered, or what http_inspector found ('http/1.0', 'http/1.1', 'h2c'). */
  applicationProtocols: readonly string[];
  /** Fingerprints of the ClientHello when tls_inspector was asked for them. */
  ja3Hash: string;
  ja4Hash: string;
  /** Why the first bytes are no TLS, as %DOWNSTREAM_TRANSPORT_FAILURE_REASON% tells it; '' when nobody wanted TLS. */
  transportFailureReason: string;
  /** Made when first written. */
  dynamicMetadata: Map<string, Record<string, unknown>> | null;
  filterState: Map<string, FilterStateObject> | null;
  /** Source address for dialling the upstream (original_src); null for none. */
  upstreamSource: UpstreamSource | null;
};

/**
 * 'continue': this filter is done. 'more': it wants further bytes. 'close': the connection ends; whoever closes counts
 * it. 'pause': done only when it calls `resume`.
 */
export type ListenerFilterStatus = 'continue' | 'more' | 'close' | 'pause';

/** One filter of one listener; made anew for each connection if it keeps state. */
export type ListenerFilter = {
  /** Bytes that it may need to see before it can tell; 0: it never asks for data. */
  readonly maxReadBytes: number;
  /** 'more' asks for bytes. `resume` is for 'pause'. */
  onAccept(socket: AcceptedSocket, resume: (isAccepted: boolean) => void): ListenerFilterStatus;
  /**
   * All bytes that are there so far, from the first that no filter consumed; nothing was taken off the stream.
   * Called again with more after 'more'. A filter that consumes (proxy_protocol) returns their number with 'continue'.
   * At `maxReadBytes` it must not ask for more.
   */
  onData?(socket: AcceptedSocket, bytes: Buffer): ListenerFilterStatus | { readonly consumed: number };
  /** The peer ended, or time ran out, before this filter had its bytes; for statistics. */
  onIncomplete?(socket: AcceptedSocket, why: 'remote-close' | 'timeout'): void;
};

export type ListenerFilterContext = {
  readonly stats: StatStore;
  /** 'listener.ADDRESS.' */
  readonly listenerPrefix: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
};

/** A kind of listener filter; `extensions.ts` lists them all. */
export type ListenerFilterFactory = {
  readonly name: string;
  readonly configType: string;
  readonly fields: Readonly<Record<string, string>>;
  decode(message: never, d: ConfigDecoder): unknown;
  /** The returned function is called once per connection; a filter without state returns the same object each time. */
  create(config: never, context: ListenerFilterContext): () => ListenerFilter;
};

export function defineListenerFilter<Config, Message = never>(factory: {
  name: string;
  configType: string;
  fields: Readonly<Record<string, string>>;
  decode(message: Message, d: ConfigDecoder): Config;
  create(config: Config, context: ListenerFilterContext): () => ListenerFilter;
}): ListenerFilterFactory {
  return factory as unknown as ListenerFilterFactory;
}
