// Delta, one type on one stream: subscriptions, versions of what is here, and an answer to each response.
import type { DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node } from '../../proto/generated/types.d.ts';
import { typeUrlOf } from '../../proto/type-url.ts';
import { GRPC } from '../../wire/grpc/status.ts';
import type { Batch } from './batch.ts';
import { type Received, readDelta } from './received.ts';
import { refusalText } from './refusals.ts';
import type { TypeState } from './type-state.ts';
import type { XdsRefusal } from './types.ts';

/** All resources there are. Source: xDS protocol, "How the client specifies what resources to return". */
export const WILDCARD = '*';

/** `error` null: all was taken on. */
type Answer = { readonly nonce: string; readonly error: string | null };

export class DeltaState implements TypeState {
  readonly type: string;
  readonly names = new Set<string>();
  isWildcard = false;
  readonly isHeldWhileApplying = false;
  readonly refusalAttempts = 2;
  /** Of resources that were taken on, on any stream. */
  readonly #versions = new Map<string, string>();
  /** Of names that the server of this stream was told of. */
  readonly #told = new Set<string>();
  readonly #subscribe = new Set<string>();
  readonly #unsubscribe = new Set<string>();
  #answers: Answer[] = [];
  isFirst = true;

  constructor(type: string) {
    this.type = type;
  }

  get wantsAnything(): boolean {
    return this.isWildcard || this.names.size > 0;
  }

  get answersDue(): number {
    return this.#answers.length;
  }

  get isRequestDue(): boolean {
    if (this.#answers.length > 0) return true;
    return this.isFirst ? this.wantsAnything : this.#subscribe.size > 0 || this.#unsubscribe.size > 0;
  }

  add(name: string): void {
    this.names.add(name);
    // Whoever asks again wants it sent again.
    this.#versions.delete(name);
    this.#unsubscribe.delete(name);
    this.#subscribe.add(name);
  }

  remove(name: string): void {
    if (!this.names.delete(name)) return;
    this.#leave(name);
    if (!this.isWildcard) this.#versions.delete(name);
  }

  #leave(name: string): void {
    this.#subscribe.delete(name);
    if (this.#told.has(name)) this.#unsubscribe.add(name);
  }

  setWildcard(isWildcard: boolean): void {
    if (this.isWildcard === isWildcard) return;
    this.isWildcard = isWildcard;
    if (isWildcard) {
      this.#unsubscribe.delete(WILDCARD);
      this.#subscribe.add(WILDCARD);
      return;
    }
    this.#leave(WILDCARD);
    for (const name of this.#versions.keys()) if (!this.names.has(name)) this.#versions.delete(name);
  }

  onStream(): void {
    this.isFirst = true;
    this.#answers = [];
    this.#told.clear();
    this.#subscribe.clear();
    this.#unsubscribe.clear();
  }

  read(message: unknown): Received | string {
    return readDelta(message as DeltaDiscoveryResponse, this.type, this.#versions);
  }

  refuseWhole(message: unknown, reason: string): void {
    const { nonce = '' } = message as DeltaDiscoveryResponse;
    this.#answers.push({ nonce, error: refusalText(this.type, [{ name: '', reason }]) });
  }

  unwanted({ nonce }: Received): void {
    this.#answers.push({ nonce, error: null });
  }

  finish(batch: Batch, refused: readonly XdsRefusal[], stream: number, anew: ReadonlySet<string>): void {
    const bad = new Set(refused.map(({ name }) => name));
    for (const { name, version } of batch.resources.values()) {
      // What was refused is not here: a server that is asked anew is to send it again.
      if (!bad.has(name) && !anew.has(name) && this.#isWanted(name)) this.#versions.set(name, version);
    }
    this.forget([...batch.removed]);
    const refusedOf = Map.groupBy(refused, (refusal) => batch.partOf(refusal));
    for (const part of batch.parts) {
      if (part.stream !== stream) continue;
      const own = refusedOf.get(part);
      const error = own === undefined ? null : refusalText(this.type, own);
      this.#answers.push({ nonce: part.nonce, error });
    }
  }

  #isWanted(name: string): boolean {
    return this.isWildcard || this.names.has(name);
  }

  forget(names: readonly string[]): void {
    for (const name of names) this.#versions.delete(name);
  }

  request(node: Node | null): DeltaDiscoveryRequest {
    const answer = this.#answers.shift();
    const isFirst = this.isFirst;
    this.isFirst = false;
    const subscribe = isFirst ? this.#allNames() : [...this.#subscribe].sort();
    const unsubscribe = [...this.#unsubscribe].sort();
    const has = isFirst ? [...this.#versions] : [];
    for (const name of subscribe) this.#told.add(name);
    if (isFirst && this.isWildcard) this.#told.add(WILDCARD);
    for (const name of unsubscribe) this.#told.delete(name);
    this.#subscribe.clear();
    this.#unsubscribe.clear();
    const error = answer?.error ?? null;
    return {
      ...(node === null ? {} : { node }),
      type_url: typeUrlOf(this.type),
      ...(subscribe.length === 0 ? {} : { resource_names_subscribe: subscribe }),
      ...(unsubscribe.length === 0 ? {} : { resource_names_unsubscribe: unsubscribe }),
      ...(has.length === 0 ? {} : { initial_resource_versions: Object.fromEntries(has) }),
      ...(answer === undefined ? {} : { response_nonce: answer.nonce }),
      ...(error === null ? {} : { error_detail: { code: GRPC.internal, message: error } }),
    };
  }

  /** A first request without names asks for all there are: what servers of all ages understand. */
  #allNames(): string[] {
    const names = [...this.names].sort();
    return this.isWildcard && names.length > 0 ? [WILDCARD, ...names] : names;
  }
}
