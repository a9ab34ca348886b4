// Chunks of responses that are kept a while: hundreds of clients ask for the same resources one after the other.
import { type Chunk, deltaChunk, sotwChunk } from './framing.ts';
import type { EncodedResource } from './resource.ts';

/** Bytes of all chunks that are kept; the one that was not used for the longest goes first. */
export const MAX_KEPT_BYTES = 48 * 1024 * 1024;
/** Lists with the same ends that are told apart. */
const MAX_ALIKE = 8;

type Kept = Chunk & { readonly key: string };

export class ChunkCache {
  /** Without keeping it. */
  readonly make: (resources: readonly EncodedResource[]) => Chunk;
  #byList = new WeakMap<readonly EncodedResource[], Kept>();
  /** By what is easily seen of a list; the ones used last at the end. */
  readonly #byKey = new Map<string, Kept[]>();
  #bytes = 0;
  hits = 0;
  misses = 0;

  constructor(isDelta: boolean) {
    this.make = isDelta ? deltaChunk : sotwChunk;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The resources in framed form; a list that was asked for before, or an equal one, gives the same memory. */
  get(resources: readonly EncodedResource[]): Chunk {
    const own = this.#byList.get(resources);
    const beside = own === undefined ? undefined : this.#byKey.get(own.key);
    if (own !== undefined && beside !== undefined) {
      this.hits++;
      this.#byKey.delete(own.key);
      this.#byKey.set(own.key, beside);
      return own;
    }
    const first = resources[0] as EncodedResource;
    const last = resources[resources.length - 1] as EncodedResource;
    const key = `${first.typeUrl} ${resources.length} ${first.name} ${first.version} ${last.name} ${last.version}`;
    const alike = this.#byKey.get(key) ?? [];
    const equal = alike.find((chunk) => hasSame(chunk.resources, resources));
    if (equal === undefined) this.misses++;
    else this.hits++;
    const kept = equal ?? { ...this.make(resources), key };
    this.#byList.set(resources, kept);
    this.#keep(key, alike, kept, equal === undefined);
    return kept;
  }

  #keep(key: string, alike: Kept[], kept: Kept, isNew: boolean): void {
    this.#byKey.delete(key);
    if (isNew) {
      alike.push(kept);
      this.#bytes += kept.bytes.length;
      if (alike.length > MAX_ALIKE) this.#bytes -= (alike.shift() as Kept).bytes.length;
    }
    this.#byKey.set(key, alike);
    for (const [oldest, chunks] of this.#byKey) {
      if (this.#bytes <= MAX_KEPT_BYTES || oldest === key) break;
      this.#byKey.delete(oldest);
      for (const chunk of chunks) {
        this.#bytes -= chunk.bytes.length;
        this.#byList.delete(chunk.resources);
      }
    }
  }

  /** Lets go of everything: nobody has asked for a while. */
  clear(): void {
    this.#byKey.clear();
    this.#byList = new WeakMap();
    this.#bytes = 0;
  }
}

function hasSame(a: readonly EncodedResource[], b: readonly EncodedResource[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}
