// What a UDP listener filter is: the interface between a listening socket and what its datagrams mean.
import type { Address } from '../../base/byte-stream.ts';
import type { Clock, Random } from '../../base/clock.ts';
import type { Engine } from '../../net/engine.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
import type { ClusterManager } from '../cluster/cluster.ts';
import type { ConfigDecoder } from '../config-decoder.ts';

/** One filter on one listening socket. */
export type UdpFilter = {
  /** Sessions now. */
  readonly sessionCount: number;
  /** A datagram that fits max_rx_datagram_size; borrowed. `to` is the socket's own address. */
  onDatagram(chunk: Buffer, start: number, end: number, from: Address, to: Address): void;
  onReceiveError(): void;
  /** The listener is gone: ends all sessions. */
  close(): void;
};

/** What a filter gets of the process, and of the socket it stands behind. */
export type UdpFilterContext = {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatStore;
  readonly clusters: ClusterManager;
  readonly listenerName: string;
  /** Answers from the listening socket. False: the datagram is lost. */
  send(chunk: Uint8Array, start: number, end: number, to: Address): boolean;
};

export type UdpFilterFactory<Config = never> = {
  /** Full name of the configuration's message. */
  readonly configType: string;
  /** Message full name → fields that take effect. */
  readonly fields: Readonly<Record<string, string>>;
  /** Null after rejecting. */
  decode(message: object, d: ConfigDecoder): Config | null;
  /** Why this machine cannot serve the configuration, or null. Asked before a listener starts. */
  check?(config: Config, engine: Engine): string | null;
  make(config: Config, context: UdpFilterContext): UdpFilter;
};
