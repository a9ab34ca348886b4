// What a transport socket is: it turns a socket's bytes into a connection's bytes (TLS, PROXY header, tunnel).
import type { Address, ByteStream, TlsFacts } from '../../base/byte-stream.ts';
import type { Clock, Random } from '../../base/clock.ts';
import type { Failure } from '../../base/failure.ts';
import type { SharedCells } from '../../base/shared-cells.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { Runtime } from '../http/filter.ts';
import type { ConnectionInfo, FilterStateObject, Metadata, UpstreamSource } from '../stream-info.ts';
import type { KeyLogFiles } from '../tls/key-log.ts';
import type { SecretStore } from '../tls/tls-config.ts';

/** Exactly one of the two is not null; may be called inside the call that started it. */
export type TransportCallback = (
  stream: ByteStream | null,
  failure: Failure | null,
  /** Of a peer that was refused after the handshake: for logs only. */
  refused?: TlsFacts | null,
) => void;

/** A handshake under way. */
export type PendingTransport = {
  /** Gives up: the stream closes, and the callback will not be called. */
  cancel(): void;
};

/** One per filter chain: serves connections that were accepted. */
export type DownstreamTransport = {
  /**
   * Told once, perhaps now: its secrets are there, or one did not come with the first fetch. Then the listener goes on
   * without it, and whoever connects is refused.
   */
  whenSettled(settled: () => void): void;
  /** Takes an idle socket over; `unread` are bytes of it that were read already, perhaps none. */
  accept(stream: ByteStream, unread: Buffer, callback: TransportCallback): PendingTransport;
  /** Equal where the same peers are trusted. */
  readonly trust?: string;
  /**
   * Whether a connection would be refused that is open already; `tls` is what it was secured with, null for nothing.
   * The peer is judged as of `sinceWallMs` (ms since 1970).
   */
  denies?(tls: TlsFacts | null, sinceWallMs: number): boolean;
  /** The chain is gone. */
  close(): void;
};

/** What the user of a connection wishes of it beyond the configuration. Source: Envoy TransportSocketOptions. */
export type TransportWishes = {
  /** Instead of the configured SNI (auto_sni, filter state envoy.network.upstream_server_name); '' for none. */
  readonly serverName: string;
  /** Names of which the peer's certificate must have one (auto_san_validation …); null: as configured. */
  readonly subjectAltNames: readonly string[] | null;
  /** Instead of the configured ALPN (filter state envoy.network.application_protocols); null: as configured. */
  readonly applicationProtocols: readonly string[] | null;
  /** For whom it is dialled: PROXY headers name its addresses; null for nobody in particular. */
  readonly connection: ConnectionInfo | null;
  /** Filter state that is marked to go along upstream; null for none. */
  readonly sharedState: SharedState | null;
  /** From where it is dialled (original_src); null: as the cluster's connections are. */
  readonly source: UpstreamSource | null;
};

export type SharedState = ReadonlyMap<string, FilterStateObject>;

/** To whom an upstream connection goes, and for whom. */
export type UpstreamTarget = TransportWishes & {
  readonly address: Address;
  readonly hostMetadata?: Metadata | null;
  readonly clusterMetadata?: Metadata | null;
  /** Hostname of the endpoint; '' for none. */
  readonly hostname: string;
  /** ALPN where neither the wishes nor the configuration name any: what an HTTP pool speaks. */
  readonly fallbackProtocols: readonly string[];
};

/** One per cluster, or per entry of its transport_socket_matches. */
export type UpstreamTransport = {
  /**
   * Told once, perhaps now: its secrets are there, or one did not come with the first fetch. Then the cluster goes on
   * without it, and whoever connects is refused.
   */
  whenSettled(settled: () => void): void;
  /** What an internal listener gets to know when it accepts the connection; absent: nothing. */
  leaves?(target: UpstreamTarget): unknown;
  /** Takes a socket over that is just connected. The cluster's connect_timeout runs on: its owner cancels. */
  connect(stream: ByteStream, target: UpstreamTarget, callback: TransportCallback): PendingTransport;
  /** Whether the other end gets to see `sharedState`: then what differs in it is not shared. Absent: no. */
  readonly passesState?: boolean;
  /** Whether `keyOf` looks at the connection. */
  readonly needsConnection: boolean;
  /** Connections for wishes of equal keys may be shared; '' where the wishes change nothing. */
  keyOf(wishes: TransportWishes): string;
  /** The cluster is gone. */
  close(): void;
};

export type TransportContext = {
  readonly stats: StatStore;
  /** 'listener.ADDRESS.' or 'cluster.NAME.' */
  readonly statPrefix: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  readonly shared: SharedCells;
  readonly secrets: SecretStore;
  /** Downstream: ALPN names that nobody behind the transport speaks; it does not agree on them. */
  readonly unspokenProtocols?: readonly string[];
  readonly keyLogFiles: KeyLogFiles;
  /** For the operator: what was refused, and that the last good state stays. */
  readonly warn: (text: string) => void;
};

/** What all transports of a worker have in common. */
export type TransportServices = Omit<TransportContext, 'statPrefix'>;

/** A kind of transport socket; `extensions.ts` lists them all. Upstream and downstream differ in their messages. */
export type TransportFactory<Transport> = {
  /** Envoy's extension name, e.g. 'envoy.transport_sockets.tls'. */
  readonly name: string;
  readonly configType: string;
  readonly fields: Readonly<Record<string, string>>;
  decode(message: never, d: ConfigDecoder): unknown;
  /** Whether it encrypts; absent: no. Source: Envoy implementsSecureTransport. */
  isSecure?(config: never): boolean;
  create(config: never, context: TransportContext): Transport;
};
export type DownstreamTransportFactory = TransportFactory<DownstreamTransport>;
export type UpstreamTransportFactory = TransportFactory<UpstreamTransport>;

/** Null: raw_buffer. */
export function isSecureTransport(transport: TransportConfig<UpstreamTransport> | null): boolean {
  return transport?.factory.isSecure?.(transport.config as never) === true;
}

/** A transport socket as configured. */
export type TransportConfig<Transport> = { readonly factory: TransportFactory<Transport>; readonly config: unknown };
