// State of the world, one type on one stream: what is asked for, what was taken on, and the requests that say so.
import type { DiscoveryRequest, DiscoveryResponse, Node } from '../../proto/generated/types.d.ts';
import { typeUrlOf } from '../../proto/type-url.ts';
import { GRPC } from '../../wire/grpc/status.ts';
import type { Batch } from './batch.ts';
import { type Received, readSotw } from './received.ts';
import { refusalText } from './refusals.ts';
import type { TypeState } from './type-state.ts';
import type { XdsRefusal } from './types.ts';

/** How often a server is told that a name is wanted anew. */
const MAX_REMINDERS = 3;
/** Names that are remembered beyond those that are wanted. */
const MAX_TOLD = 100_000;

export class SotwState implements TypeState {
  readonly type: string;
  readonly names = new Set<string>();
  isWildcard = false;
  isRequestDue = false;
  readonly isFirst = false;
  /** One request answers all that came before it. */
  readonly answersDue = 0;
  /** Requests say all at once: while one response is taken on, others of the type wait. */
  readonly isHeldWhileApplying = true;
  readonly refusalAttempts = 1;
  /** Of what was taken on last, on any stream. */
  #version = '';
  /** Of what came last on this stream. */
  #nonce = '';
  #error: string | null = null;
  /** Names that the last request of this stream had. */
  #told: ReadonlySet<string> = new Set();
  /** The same as the request had it, while the names are still those; null when they are others. */
  #toldList: string[] | null = null;
  /** Names that any request of this stream had: of those the server may not know that they were let go. */
  readonly #everTold = new Set<string>();
  /** Told names that are to be sent again: a request without them goes first. */
  readonly #again = new Set<string>();
  /** Those for which one went, and how many, until they come. */
  readonly #reminded = new Map<string, number>();
  /** Names of which nothing came since they were asked for: the version does not speak for them. */
  readonly #missing = new Set<string>();

  constructor(type: string) {
    this.type = type;
  }

  get wantsAnything(): boolean {
    return this.isWildcard || this.names.size > 0;
  }

  add(name: string): void {
    this.names.add(name);
    this.#toldList = null;
    this.#missing.add(name);
    if (this.#told.has(name)) this.#again.add(name);
    if (this.#everTold.has(name)) this.#reminded.set(name, 0);
    this.isRequestDue = true;
  }

  remove(name: string): void {
    if (!this.names.delete(name)) return;
    this.#toldList = null;
    this.#missing.delete(name);
    this.#again.delete(name);
    this.#reminded.delete(name);
    this.isRequestDue = true;
  }

  setWildcard(isWildcard: boolean): void {
    if (this.isWildcard === isWildcard) return;
    this.isWildcard = isWildcard;
    this.#toldList = null;
    this.isRequestDue = true;
  }

  onStream(): void {
    this.#nonce = '';
    this.#error = null;
    this.#told = new Set();
    this.#toldList = null;
    this.#everTold.clear();
    this.#again.clear();
    this.#reminded.clear();
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

  finish(batch: Batch, refused: readonly XdsRefusal[], stream: number, anew: ReadonlySet<string>): void {
    const last = batch.parts.at(-1);
    if (last === undefined) return;
    for (const name of batch.resources.keys()) {
      if (anew.has(name)) continue;
      this.#missing.delete(name);
      this.#reminded.delete(name);
    }
    const isGood = refused.length === 0;
    if (isGood) this.#version = last.version;
    if (last.stream !== stream) return;
    this.#nonce = last.nonce;
    this.#error = isGood ? null : refusalText(this.type, refused);
    this.isRequestDue = true;
    // The response may have crossed the reminder, which the server did not heed then: its nonce was old.
    for (const [name, times] of this.#reminded) if (times < MAX_REMINDERS) this.#again.add(name);
  }

  forget(): void {}

  request(node: Node | null): DiscoveryRequest {
    const error = this.#error;
    this.#error = null;
    const names = this.#nextNames();
    // A server that has this version would send nothing of what is missing here.
    const isBehind = this.#nonce === '' && this.#missing.size > 0 && !this.isWildcard;
    return {
      ...(this.#version === '' || isBehind ? {} : { version_info: this.#version }),
      ...(node === null ? {} : { node }),
      ...(names.length === 0 ? {} : { resource_names: names }),
      type_url: typeUrlOf(this.type),
      ...(this.#nonce === '' ? {} : { response_nonce: this.#nonce }),
      ...(error === null ? {} : { error_detail: { code: GRPC.internal, message: error } }),
    };
  }

  /** Servers send again what was left out and came back. */
  #nextNames(): string[] {
    const again = this.#again;
    const isWhole = again.size === 0;
    this.isRequestDue = !isWhole;
    if (isWhole && this.#toldList !== null) return this.#toldList;
    const now = isWhole ? this.names : new Set([...this.names].filter((name) => !again.has(name)));
    for (const name of again) this.#reminded.set(name, (this.#reminded.get(name) ?? 0) + 1);
    again.clear();
    this.#told = new Set(now);
    if (this.#everTold.size > MAX_TOLD) this.#everTold.clear();
    for (const name of now) this.#everTold.add(name);
    const list = this.isWildcard && now.size > 0 ? ['*', ...now] : [...now];
    this.#toldList = isWhole ? list : null;
    return list;
  }
}
