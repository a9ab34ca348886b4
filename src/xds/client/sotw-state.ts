// State of the world, one type on one stream: what is asked for, what was taken on, and the requests that say so.
import type { DiscoveryRequest, DiscoveryResponse, Node } from '../../proto/generated/types.d.ts';
import { typeUrlOf } from '../../proto/type-url.ts';
import { GRPC } from '../../wire/grpc/status.ts';
import type { Batch } from './batch.ts';
import { type Received, readSotw } from './received.ts';
import { refusalText } from './refusals.ts';
import type { TypeState } from './type-state.ts';
import type { XdsRefusal } from './types.ts';

export class SotwState implements TypeState {
  readonly type: string;
  readonly names = new Set<string>();
  isWildcard = false;
  isRequestDue = false;
  /** Requests say all at once: while one response is taken on, others of the type wait. */
  readonly isHeldWhileApplying = true;
  /** Of what was taken on last, on any stream. */
  #version = '';
  /** Of what came last on this stream. */
  #nonce = '';
  #error: string | null = null;

  constructor(type: string) {
    this.type = type;
  }

  get wantsAnything(): boolean {
    return this.isWildcard || this.names.size > 0;
  }

  add(name: string): void {
    this.names.add(name);
    this.isRequestDue = true;
  }

  remove(name: string): void {
    if (this.names.delete(name)) this.isRequestDue = true;
  }

  setWildcard(isWildcard: boolean): void {
    if (this.isWildcard === isWildcard) return;
    this.isWildcard = isWildcard;
    this.isRequestDue = true;
  }

  onStream(): void {
    this.#nonce = '';
    this.#error = null;
    this.isRequestDue = this.wantsAnything;
  }

  read(message: unknown): Received {
    return readSotw(message as DiscoveryResponse, this.type, this.#version);
  }

  refuseWhole(): void {}

  /** Nobody wants the type: what is sent all the same is refused, unless it is nothing. */
  unwanted({ nonce, version, resources, broken }: Received): void {
    this.#nonce = nonce;
    if (resources.length === 0 && broken.length === 0) this.#version = version;
    else this.isRequestDue = true;
  }

  finish(batch: Batch, refused: readonly XdsRefusal[], stream: number): void {
    const last = batch.parts.at(-1);
    if (last === undefined) return;
    const isGood = refused.length === 0;
    if (isGood) this.#version = last.version;
    if (last.stream !== stream) return;
    this.#nonce = last.nonce;
    this.#error = isGood ? null : refusalText(this.type, refused);
    this.isRequestDue = true;
  }

  forget(): void {}

  request(node: Node | null): DiscoveryRequest {
    const error = this.#error;
    this.#error = null;
    this.isRequestDue = false;
    const names = this.isWildcard && this.names.size > 0 ? ['*', ...this.names] : [...this.names];
    return {
      ...(this.#version === '' ? {} : { version_info: this.#version }),
      ...(node === null ? {} : { node }),
      ...(names.length === 0 ? {} : { resource_names: names }),
      type_url: typeUrlOf(this.type),
      ...(this.#nonce === '' ? {} : { response_nonce: this.#nonce }),
      ...(error === null ? {} : { error_detail: { code: GRPC.internal, message: error } }),
    };
  }
}
