// What a worker thread needs of the listeners it runs, and what it gives them: sockets, shared counts, neighbours.
import type { Address, ByteStream } from '../../base/byte-stream.ts';
import type { SharedCells } from '../../base/shared-cells.ts';
import type { Records } from '../../base/shared-records.ts';

/**
 * What one worker is made of besides engine, clock and statistics; a part of `WorkerContext`. With one worker:
 * `singleWorker()` of single.ts, where every method does nothing.
 */
export type WorkerSeams = {
  /** 0…; statistics say 'worker_N'. */
  readonly index: number;
  readonly concurrency: number;
  /** Counts that limit something: breakers, buckets, connection limits, active faults. */
  readonly shared: SharedCells;
  readonly sockets: ListeningSockets;
  readonly balancer: ConnectionBalancer;
  /** What outlier detection of all workers knows. */
  readonly records: Records;
  /** Outlier detection has put hosts of a cluster out or back: the other workers look at them too. */
  healthChanged(cluster: string): void;
};

/**
 * Listening sockets that the supervisor bound and keeps, so that they outlive a worker. Ask once for each address that
 * is bound (by its configured text, port 0 included), with everything that its `ListenOptions` would hold.
 */
export type ListeningSockets = {
  /**
   * A descriptor for `ListenOptions.fd`, bound, with all options of 'prebind' and 'bound' set; the caller's own from
   * now on (the engine closes it with the listener). -1: there is none, bind the address yourself.
   */
  take(address: Address): number;
};

/**
 * `connection_balance_config.exact_balance`: each connection goes to the worker that has the fewest of that listener.
 * A listener without it never calls these. `key` names listener and address in the same way in all workers.
 */
export type ConnectionBalancer = {
  /**
   * Called at accept, before anything is counted. True: another worker has it now, and `stream` is gone. False: it
   * stays, and is counted until `closed`.
   */
  giveAway(key: string, stream: ByteStream): boolean;
  /** A connection that stayed, or that was adopted, is over. */
  closed(key: string): void;
};

/** What the thread's entry calls on the worker's listeners (ListenerManager). */
export type AdoptingListeners = {
  /**
   * A connection that another worker accepted for `key` (as given to `giveAway`); it is already counted by the
   * balancer, and `closed(key)` is due in any case. Not balanced again. Without such a listener the stream is ended.
   */
  adopt(key: string, stream: ByteStream): void;
  /** Connections of all listeners now, for the admin interface. */
  readonly connectionCount: number;
  /** Closes idle connections and ends the others with their exchange (drain of the process). */
  drainConnections(): void;
  stopAccepting(): void;
};

/** One changed resource; `bytes` null removes it. Equal bytes of the same name are no change. */
export type ResourceUpdate = {
  readonly typeUrl: string;
  readonly name: string;
  readonly bytes: Uint8Array | null;
  /** For what is used by name (endpoints, routes, secrets): the key of its place; absent: the ADS stream. */
  readonly place?: string;
  /** The wait for its first answer is over, and none came: `bytes` is null. */
  readonly isTimeout?: boolean;
  /** Names by which it was asked for: whoever waits for one is told, even if nothing changed. */
  readonly aliases?: readonly string[];
  /** Nothing stands behind the aliases: `bytes` is null, and what is there of that name stays. */
  readonly isAbsent?: boolean;
};

/** What a start waits for, once: runtime values, clusters, listeners from elsewhere. */
export type FirstComing = 'runtime' | 'clusters' | 'listeners';

/** A set of changes that one generation brings; what a worker answers when all of it serves. */
export type ConfigUpdate = { readonly generation: number; readonly resources: readonly ResourceUpdate[] };
export type UpdateOutcome = {
  readonly generation: number;
  /** Per refused resource why; the others were applied. */
  readonly refused: readonly { readonly typeUrl: string; readonly name: string; readonly reason: string }[];
};
