// One type of a source that is asked for all it has, again and again: what is asked for, and what was taken on.
import type { DiscoveryRequest, DiscoveryResponse, Node } from '../../proto/generated/types.d.ts';
import { typeUrlOf } from '../../proto/type-url.ts';
import type { Batch } from './batch.ts';
import { type Received, readSotw } from './received.ts';
import type { TypeState } from './type-state.ts';
import type { XdsRefusal } from './types.ts';

export class PollState implements TypeState {
  readonly type: string;
  readonly names = new Set<string>();
  isWildcard = false;
  /** Somebody wants something new: it is asked for before its time. */
  isRequestDue = false;
  readonly isHeldWhileApplying = false;
  readonly refusalAttempts = 1;
  readonly isFirst = false;
  readonly answersDue = 0;
  /** Of all that is wanted; '' while something new is: a server that has no newer version sends nothing at all. */
  #version = '';
  /** Wishes so far, as many of them as the last request had, and as many as what was read last answers. */
  #wishes = 0;
  #asked = 0;
  #answered = 0;

  constructor(type: string) {
    this.type = type;
  }

  get wantsAnything(): boolean {
    return this.isWildcard || this.names.size > 0;
  }

  add(name: string): void {
    this.names.add(name);
    this.isRequestDue = true;
    this.#wishes += 1;
    this.#version = '';
  }

  remove(name: string): void {
    this.names.delete(name);
  }

  setWildcard(isWildcard: boolean): void {
    this.isWildcard = isWildcard;
    this.isRequestDue = isWildcard;
  }

  onStream(): void {}

  read(message: unknown): Received {
    this.#answered = this.#asked;
    return readSotw(message as DiscoveryResponse, this.type, this.#version);
  }

  refuseWhole(): void {}
  unwanted(): void {}

  finish(batch: Batch, refused: readonly XdsRefusal[]): void {
    const isAll = this.#answered === this.#wishes;
    if (isAll && refused.length === 0 && batch.parts.length > 0) this.#version = batch.version;
  }

  forget(): void {}

  /** Names are sorted, as Envoy's HttpSubscriptionImpl does. */
  request(node: Node | null): DiscoveryRequest {
    this.isRequestDue = false;
    this.#asked = this.#wishes;
    const names = [...this.names].sort();
    return {
      ...(this.#version === '' ? {} : { version_info: this.#version }),
      ...(node === null ? {} : { node }),
      ...(names.length === 0 ? {} : { resource_names: names }),
      type_url: typeUrlOf(this.type),
    };
  }
}
