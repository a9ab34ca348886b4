// What both forms of the protocol have in common: one type on one stream.
import type { Node } from '../../proto/generated/types.d.ts';
import type { Batch } from './batch.ts';
import type { Received } from './received.ts';
import type { XdsRefusal } from './types.ts';

export type TypeState = {
  readonly type: string;
  readonly names: ReadonlySet<string>;
  readonly isWildcard: boolean;
  readonly wantsAnything: boolean;
  /** There is something to say. */
  readonly isRequestDue: boolean;
  /** Requests that are still to answer a response, and go one by one. */
  readonly answersDue: number;
  readonly isHeldWhileApplying: boolean;
  /** Attempts that a refusal counts as: Envoy's delta subscription counts the update, and that it failed. */
  readonly refusalAttempts: number;
  /** The next request is the stream's first: it must know what is still being taken on. */
  readonly isFirst: boolean;
  add(name: string): void;
  remove(name: string): void;
  setWildcard(isWildcard: boolean): void;
  /** A new stream stands: everything is to be said again. */
  onStream(): void;
  /** Cuts a response; a text says why it is refused whole. */
  read(message: unknown): Received | string;
  /** The response that could not be read. */
  refuseWhole(message: unknown, reason: string): void;
  /** A response that nobody waits for. */
  unwanted(received: Received): void;
  /**
   * The batch was taken on, but for what was refused and for `anew`: who asked for that since may have forgotten it.
   * `stream` is the number of the stream that stands now.
   */
  finish(batch: Batch, refused: readonly XdsRefusal[], stream: number, anew: ReadonlySet<string>): void;
  /** These are gone by themselves. */
  forget(names: readonly string[]): void;
  /** The next request; `node` null: without one. */
  request(node: Node | null): unknown;
};
