// What an xDS client is to its users: subscriptions by type and name over one source, whatever the transport.
import type { Failure } from '../../base/failure.ts';

/** One resource as it came. */
export type XdsResource = {
  readonly name: string;
  /** Of the resource itself (delta) or of the whole response (state of the world). */
  readonly version: string;
  /** Full name of the message in `bytes`: always that of the response. */
  readonly type: string;
  readonly bytes: Uint8Array;
  /** Other names by which it was asked for (virtual hosts). */
  readonly aliases: readonly string[];
  /**
   * What came of that name just before, the newest first, and was not handed on: a server takes each for taken on that
   * was not refused, so if this one is refused the newest good one of those serves.
   */
  readonly former?: readonly XdsResource[];
};

/** What one response says of one type. */
export type XdsResponse = {
  /** Full name of the message: 'envoy.config.cluster.v3.Cluster'. */
  readonly type: string;
  /** system_version_info (delta) or version_info. */
  readonly version: string;
  readonly resources: readonly XdsResource[];
  /** Names that the server says do not exist (any more), and those whose time to live is over. */
  readonly removed: readonly string[];
  /** What is no resource of the type at all, with its name where that could be told; refused already. */
  readonly broken: readonly XdsRefusal[];
  /** Listeners and clusters in state of the world: what is not in it is gone. */
  readonly isComplete: boolean;
};

export type XdsRefusal = { readonly name: string; readonly reason: string };

/** Who asked. */
export type XdsListener = {
  /**
   * Takes the response on and calls `done` once, perhaps later, with what was refused: then it is acknowledged, or
   * refused with all reasons (NACK). The type's next response waits until then; what comes meanwhile is made one.
   * Requests for what clusters and listeners need (endpoints, routes, secrets) are held until then, too, and so travel
   * together: `done` must not wait for their answers.
   */
  onResponse(response: XdsResponse, done: (refused: readonly XdsRefusal[]) => void): void;
  /**
   * Nothing has come for these names ('*' for all there are), and initial_fetch_timeout is over, or what came could not
   * even be handed over: there is no use in waiting longer. It may still come.
   */
  onFetchTimeout(names: readonly string[]): void;
  /** The stream could not be opened, or ended: null once it stands again. Resources stay as they are. */
  onConnection(failure: Failure | null): void;
};

/** Counts how it goes with one question: all resources of a type, or one name. */
export type UpdateCounts = {
  attempted(): void;
  succeeded(version: string, durationMs: number): void;
  /** Nothing could be fetched. */
  failed(): void;
  rejected(): void;
  timedOut(): void;
  /** The stream behind it, where it is not shared with other types; null: its stream is counted elsewhere. */
  readonly stream: StreamCounts | null;
  /** The question is over, or others count it. */
  release(): void;
};

/** Counts how it goes with a stream. */
export type StreamCounts = {
  connected(isConnected: boolean): void;
  rateLimited(): void;
  /** Requests that wait. */
  pending(requests: number): void;
  identifier(controlPlane: string): void;
  release(): void;
};

/** The names of one type that are wanted; changes of a turn travel together. */
export type XdsSubscription = {
  /**
   * Wants a name, for the first time or again: then the server is asked to send it even if it has not changed, and
   * the time to wait begins anew (`initialFetchTimeoutMs`: its own). `counts` are the name's own, and the
   * subscription's from now on.
   */
  add(name: string, counts?: UpdateCounts | null, initialFetchTimeoutMs?: number): void;
  remove(name: string): void;
  close(): void;
};

/** One source: an aggregated stream, a stream per type, a directory, a REST server. */
export type XdsSource = {
  /**
   * `isWildcard`: all resources of the type there are (listeners and clusters); `counts` are of this question. One
   * subscription for each type. An `initialFetchTimeoutMs` of 0 waits for ever.
   */
  subscribe(
    type: string,
    isWildcard: boolean,
    initialFetchTimeoutMs: number,
    listener: XdsListener,
    counts?: UpdateCounts | null,
  ): XdsSubscription;
  close(): void;
};
