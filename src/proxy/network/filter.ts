// What a network filter is: the interface between a connection and everything that reads or ends it.
import type { ByteStream } from '../../base/byte-stream.ts';
import type { Clock, Random } from '../../base/clock.ts';
import type { SharedCells } from '../../base/shared-cells.ts';
import type { Failure } from '../../base/failure.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { Runtime } from '../http/filter.ts';
import type { ConnectionInfo, StreamInfo } from '../stream-info.ts';

/** 'stop' holds what follows until `continueReading`; reading from the socket is paused meanwhile. */
export type NetworkFilterStatus = 'continue' | 'stop';

/**
 * 'flush': after what is queued has left; 'no-flush': at once; 'reset': at once, with RST.
 */
export type CloseKind = 'flush' | 'no-flush' | 'reset';

/** A downstream connection after its filter chain was chosen, as network filters see it. */
export type NetworkConnection = {
  /** The bytes, after the transport socket. The terminal filter puts its own handler here in `start`. */
  readonly stream: ByteStream;
  /** Who speaks with whom: cheap, always there. */
  readonly connection: ConnectionInfo;
  /** Of the connection as a whole (flags, filter state, metadata, times); made when first asked for. */
  readonly info: StreamInfo;
  /** One slot per filter of the chain, for what it keeps of this connection. */
  readonly slot: unknown[];
  /** All filters let it in: the terminal one has it. */
  readonly isStarted: boolean;
  /** Set by a terminal filter that can do more with a connection than serve it; null for others. */
  owner: ConnectionOwner | null;
  /** The listener logs it, or a filter reads it: `info` is worth completing. */
  readonly isLogged: boolean;
  /** Goes on after a filter stopped; does nothing once the connection is closed. */
  continueReading(): void;
  /** Writes what is a filter's own: the peer's filter takes it out again, and nobody else counts it. */
  writeOwn(bytes: Buffer): void;
  /**
   * Ends the connection. `reason` becomes %DOWNSTREAM_LOCAL_CLOSE_REASON%, `details` (when given) the connection's
   * termination details: Envoy keeps the two apart. Before the terminal filter started the chain handles what follows;
   * afterwards the terminal filter's handler gets `onClose` as for any other end.
   */
  close(kind: CloseKind, reason: string, details?: string): void;
  /**
   * The terminal filter calls it once, from its handler's `onClose`, after it has finished `info`: the connection is
   * gone. Runs `onDestroy` of all filters, the listener's access logs and its statistics.
   */
  closed(failure: Failure | null): void;
  /** A policy that came after it turns it away. */
  deny(): void;
};

/** Details of what began under other policies, and which those of now deny. */
export const POLICY_CHANGED = 'policy_changed';

/** What serves a connection. */
export type ConnectionOwner = {
  /** Its next exchange is its last; until then it stays open, for a request may be on its way. */
  startDrain(): void;
  /** Ends it now if it carries nothing, else with its exchange. */
  drainNow(): void;
  closeAtOnce(reason: string): void;
};

/** One filter of one chain: an object made once per (chain, configuration). Absent methods cost nothing. */
export type NetworkFilter = {
  /** Before any byte was read, in the chain's order. */
  onNewConnection?(connection: NetworkConnection): NetworkFilterStatus;
  /**
   * Bytes on their way to the terminal filter; borrowed, and not to be changed. `endStream`: the peer sent FIN (the
   * range may be empty). After 'stop' the bytes are kept and given to the *next* filter once reading continues. A
   * Buffer goes on instead of them: what of them is not the filter's own. A chain of which no filter has this method
   * hands the socket itself to the terminal filter.
   */
  onData?(
    connection: NetworkConnection,
    chunk: Buffer,
    start: number,
    end: number,
    endStream: boolean,
  ): NetworkFilterStatus | Buffer;
  /** Protocols of ALPN that the filter speaks before the connection's own bytes. */
  readonly speaks?: readonly string[];
  /** It reads `info`, which is completed for it. */
  readonly readsInfo?: boolean;
  /**
   * The connection is over, and the listener has logged it; called once for every filter that heard of the connection,
   * and for the terminal one even if it did not `start`: it counts and logs connections that others turned away too.
   */
  onDestroy?(connection: NetworkConnection): void;
  /** Terminal filters only: all filters before let the connection in. It takes `connection.stream.handler` over. */
  start?(connection: NetworkConnection): void;
  /** Calls back once, perhaps now: what the filter needs from elsewhere is there, or it goes on without. */
  whenSettled?(settled: () => void): void;
  /** The chain is gone. */
  close?(): void;
  /** Of a filter that guards: whether it would turn the open connection away. Counts only when it would. */
  denies?(connection: NetworkConnection): boolean;
  /**
   * Terminal filters only: serves from now on what the terminal filter of another version of the chain has served.
   * False when it cannot: the other one goes on.
   */
  takeOver?(connection: NetworkConnection): boolean;
  /** Terminal filters only: the process is about to end; connections that carry nothing close now. */
  drainConnections?(): void;
};

/** Whether connections should come to an end: of the process, of the listener or of the chain. */
export type DrainDecision = {
  readonly isDraining: boolean;
  /** Somebody told the whole proxy to fail its health checks (`/healthcheck/fail`). */
  readonly healthCheckFailed?: boolean;
  /** Whether the exchange that ends now should be its connection's last (gradual: by chance and time). */
  shouldDrainClose(): boolean;
};

/** What a filter gets when its chain is built. */
export type NetworkFilterContext = {
  /** The filter's slot in `connection.slot`. */
  readonly slot: number;
  readonly stats: StatStore;
  /** 'listener.ADDRESS.' */
  readonly listenerPrefix: string;
  readonly listenerName: string;
  /** Names the chain alike in all workers and versions of the listener: for `shared`. */
  readonly chainKey: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  readonly drain: DrainDecision;
  readonly bufferLimitBytes: number;
  /** The Date header's value for now. */
  readonly dateText: () => string;
  /** Counts of all workers; absent where there is one. */
  readonly shared: SharedCells;
  /** The chain speaks TLS. */
  readonly isSecure?: boolean;
};

/** A filter that was accepted although it is not built: 'inert' passes everything on, 'deny' lets nobody in. */
export type StandIn = { readonly name: string; readonly effect: 'inert' | 'deny' };

/** A kind of network filter; `extensions.ts` lists them all. */
export type NetworkFilterFactory = {
  /** Envoy's extension name, e.g. 'envoy.filters.network.tcp_proxy'; for messages only: the type URL decides. */
  readonly name: string;
  /** Full protobuf name of its configuration. */
  readonly configType: string;
  /** Fields that take effect, per message full name: 'field field …'. Everything else that is set gets refused. */
  readonly fields: Readonly<Record<string, string>>;
  /** It must end its chain, and a chain must end with such a one. */
  readonly isTerminal?: boolean;
  /** Only observes and is not built: accepted, listed as inert, passes everything on. */
  readonly isInert?: boolean;
  /** Itself, or filters inside of it, of which something else stands in their place. */
  standIns?(config: never): readonly StandIn[];
  /** Protobuf object (snake_case) → frozen runtime configuration; reasons go to `d.reject`. */
  decode(message: never, d: ConfigDecoder, chain: ChainDecodeContext): unknown;
  /** Null when the configuration does nothing. */
  create(config: never, context: NetworkFilterContext): NetworkFilter | null;
};

/** What a filter's decoding may need of the listener around it. */
export type ChainDecodeContext = { readonly bufferLimitBytes: number };

/** Types a factory while keeping its own configuration types. */
export function defineNetworkFilter<Config, Message = never>(factory: {
  name: string;
  configType: string;
  fields: Readonly<Record<string, string>>;
  isTerminal?: boolean;
  standIns?(config: Config): readonly StandIn[];
  decode(message: Message, d: ConfigDecoder, chain: ChainDecodeContext): Config;
  create(config: Config, context: NetworkFilterContext): NetworkFilter | null;
}): NetworkFilterFactory {
  return factory as unknown as NetworkFilterFactory;
}
