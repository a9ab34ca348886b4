// What supervisor and worker threads say to each other. All of it is copied; descriptors are numbers of one process.
import type { Address } from '../../base/byte-stream.ts';
import type { RecordBuffers } from '../../base/shared-records.ts';
import type { ConfigSource } from '../../proto/generated/types.d.ts';
import type { LogOptions } from '../../telemetry/log.ts';
import type { StatReport } from '../../telemetry/stat-journal.ts';
import type { ProxyOptions } from '../options.ts';
import type { RuntimeChanges } from '../runtime.ts';
import type { RuntimeEntry } from '../runtime-values.ts';
import type { LoadAnswer, LoadQuestion } from '../xds/load-report/loads.ts';
import type { ConfigUpdate, FirstComing, UpdateOutcome } from './contract.ts';
import type { ClusterStatus, ListenerStatus } from './crew.ts';
import type { Inquiry, ThreadAnswer } from './inquiry.ts';
import type { TapAnswer, TapAttachment } from './taps.ts';

/** A `Want` without what cannot cross threads. */
export type PostedWant = {
  readonly type: string;
  readonly name: string;
  readonly statPrefix: string;
  readonly place: ConfigSource;
};

/** A descriptor for an address of the configuration; addresses that occur twice (port 0) come in order. */
export type SocketGrant = {
  readonly address: Address;
  readonly fd: number;
  /** One shared cell: 1 once the worker has taken the descriptor over. Until then the supervisor closes it. */
  readonly taken: Int32Array;
};

/** What a worker is started with (workerData). */
export type WorkerStart = {
  readonly index: number;
  readonly concurrency: number;
  readonly options: ProxyOptions;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly log: Omit<LogOptions, 'write' | 'clock'>;
  /** Counts of all workers. */
  readonly shared: SharedArrayBuffer;
  /** What outlier detection of all workers knows. */
  readonly records: RecordBuffers;
  /** The bootstrap as binary protobuf. */
  readonly bootstrap: Uint8Array;
  /** What was changed since the start, in order: for a worker that takes a dead one's place. */
  readonly updates: readonly ConfigUpdate[];
  readonly runtime: RuntimeChanges;
  readonly logLevels: readonly string[];
  readonly drain: { readonly isStarted: boolean; readonly isHealthCheckFailed: boolean };
  /** What has come from elsewhere already. */
  readonly came: readonly FirstComing[];
  readonly sockets: readonly SocketGrant[];
  /** That the admin interface has attached now. */
  readonly tap: TapAttachment | null;
};

export type ToWorker =
  | { readonly kind: 'report'; readonly id: number; readonly withHistograms: boolean }
  | { readonly kind: 'clusters'; readonly id: number }
  | { readonly kind: 'inquiry'; readonly id: number; readonly inquiry: Inquiry }
  | { readonly kind: 'loads'; readonly id: number; readonly question: LoadQuestion }
  | {
      readonly kind: 'update';
      readonly id: number;
      readonly update: ConfigUpdate;
      readonly sockets: readonly SocketGrant[];
    }
  | { readonly kind: 'runtime'; readonly values: ReadonlyMap<string, RuntimeEntry | null> }
  | { readonly kind: 'runtime-disks'; readonly disks: RuntimeChanges['disks'] }
  | { readonly kind: 'log-levels'; readonly query: string }
  | { readonly kind: 'adopt'; readonly id: number; readonly key: string; readonly handover: HandOver }
  | { readonly kind: 'health-check'; readonly failed: boolean }
  /** Of hosts: another worker's outlier detection has put some out or back. */
  | { readonly kind: 'health-changed'; readonly cluster: string }
  | { readonly kind: 'first-came'; readonly what: FirstComing }
  /** `id` 0: no answer. */
  | { readonly kind: 'attach-tap'; readonly id: number; readonly attachment: TapAttachment }
  | { readonly kind: 'tap-taken'; readonly number: number; readonly bytes: number }
  | { readonly kind: 'stop-listeners'; readonly id: number; readonly inboundOnly: boolean }
  | { readonly kind: 'end'; readonly id: number }
  | { readonly kind: 'reset-counters' | 'reopen-logs' | 'detach-tap' | 'start-drain' | 'drain-inbound' };

/** An accepted socket on its way to another worker: `fd` belongs to whoever holds the message. */
export type HandOver = { readonly fd: number; readonly family: Address['family'] };

export type FromWorker =
  | { readonly kind: 'started'; readonly cells: SharedArrayBuffer; readonly listeners: readonly ListenerStatus[] }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'health-changed'; readonly cluster: string }
  /** All clusters have had their first answers; connections come in. */
  | { readonly kind: 'initialized' | 'open' }
  /** Something is used by name, or no longer. */
  | { readonly kind: 'want' | 'unwant'; readonly want: PostedWant }
  | { readonly kind: 'report'; readonly id: number; readonly report: StatReport }
  | {
      readonly kind: 'clusters';
      readonly id: number;
      readonly clusters: readonly ClusterStatus[];
      readonly isLast: boolean;
    }
  | { readonly kind: 'loads'; readonly id: number; readonly answer: LoadAnswer; readonly isLast: boolean }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Omit<ThreadAnswer, 'thread'> }
  | {
      readonly kind: 'updated';
      readonly id: number;
      readonly outcome: UpdateOutcome;
      readonly listeners: readonly ListenerStatus[];
    }
  | { readonly kind: 'tap-attached'; readonly id: number; readonly answer: TapAnswer }
  /** A piece of a trace, for which 'tap-taken' is due. */
  | { readonly kind: 'trace'; readonly number: number; readonly piece: Uint8Array }
  | { readonly kind: 'hand-over'; readonly to: number; readonly key: string; readonly handover: HandOver }
  | { readonly kind: 'adopted'; readonly id: number }
  /** To 'stop-listeners' and 'end'. */
  | { readonly kind: 'done'; readonly id: number };
