// What is handed to a listener at once: one response, or several that came while it was busy, made one.
import type { CutResource, Received } from './received.ts';
import type { XdsRefusal, XdsResource, XdsResponse } from './types.ts';

/** A response of the batch: what its answer needs. */
export type BatchPart = {
  readonly nonce: string;
  readonly version: string;
  /** Numbers the stream that it came on. */
  readonly stream: number;
  readonly broken: readonly XdsRefusal[];
};

/** What a response without resources may take. */
const PART_BYTES = 256;
/** So many versions of a resource are kept besides the newest. */
const MAX_FORMER = 4;

export class Batch {
  readonly type: string;
  /** The newest of each name. */
  readonly resources = new Map<string, CutResource>();
  readonly removed = new Set<string>();
  parts: BatchPart[] = [];
  /** Held by it, more or less. */
  bytes = 0;
  /** The response that each resource is of. */
  readonly #partOf = new Map<string, BatchPart>();
  #isComplete = false;

  constructor(type: string) {
    this.type = type;
  }

  /** Takes what of a response is wanted. */
  take(received: Received, stream: number, isWanted: (resource: CutResource) => boolean): void {
    const { nonce, version, broken } = received;
    const before = received.isComplete ? new Map(this.resources) : this.resources;
    if (received.isComplete) this.#forgetAll();
    const part: BatchPart = { nonce, version, stream, broken };
    this.parts.push(part);
    this.bytes += PART_BYTES * (1 + broken.length);
    for (const resource of received.resources) {
      if (!isWanted(resource)) continue;
      const { name } = resource;
      const former = formerOf(resource, before.get(name));
      const kept = former.length === 0 ? resource : { ...resource, former };
      this.drop(name);
      this.bytes += bytesOf(kept);
      this.resources.set(name, kept);
      this.#partOf.set(name, part);
    }
  }

  /** What is complete leaves nothing of what was before. */
  #forgetAll(): void {
    this.resources.clear();
    this.#partOf.clear();
    this.removed.clear();
    this.parts = [];
    this.bytes = 0;
    this.#isComplete = true;
  }

  remove(name: string): void {
    this.drop(name);
    this.removed.add(name);
    this.bytes += name.length;
  }

  /** Nobody wants it any more. */
  drop(name: string): void {
    const known = this.resources.get(name);
    if (known !== undefined) {
      this.bytes -= bytesOf(known);
      this.resources.delete(name);
      this.#partOf.delete(name);
    }
    if (this.removed.delete(name)) this.bytes -= name.length;
  }

  get isEmpty(): boolean {
    return this.resources.size === 0 && this.removed.size === 0;
  }

  /** Refused before any listener saw it. */
  get broken(): XdsRefusal[] {
    return this.parts.flatMap(({ broken }) => broken);
  }

  get version(): string {
    return this.parts.at(-1)?.version ?? '';
  }

  /** The response that a refusal is of; what names nothing that was sent is of the newest one. */
  partOf(refusal: XdsRefusal): BatchPart | null {
    const own = this.#partOf.get(refusal.name) ?? this.parts.find(({ broken }) => broken.includes(refusal));
    return own ?? this.parts.at(-1) ?? null;
  }

  get response(): XdsResponse {
    const { type, version, broken } = this;
    const resources = [...this.resources.values()];
    return { type, version, resources, removed: [...this.removed], broken, isComplete: this.#isComplete };
  }
}

/** What is left to serve if the resource is refused, of that which it replaces. */
function formerOf({ bytes }: CutResource, replaced: CutResource | undefined): readonly XdsResource[] {
  if (replaced === undefined) return [];
  const { former = [] } = replaced;
  const isSame = Buffer.compare(bytes, replaced.bytes) === 0;
  return isSame ? former : [{ ...replaced, former: [] }, ...former].slice(0, MAX_FORMER);
}

function bytesOf({ bytes, former = [] }: XdsResource): number {
  return former.reduce((sum, one) => sum + one.bytes.length, bytes.length);
}
