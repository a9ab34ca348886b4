// Peers by what they said of themselves: a workload sends the same text with every request, and is read once.
import type { FilterStateObject } from '../stream-info.ts';
import { peerOfMetadata } from './peer.ts';
import { type PeerObjects, peerObjects } from './peer-state.ts';
import { decodeStruct } from './struct-bytes.ts';

/** Source: Istio max_peer_cache_size; beyond it a quarter goes, the oldest first. */
const MAX_PEERS = 500;

type Known = { readonly id: string; readonly text: string; readonly peer: PeerObjects | null };

export class PeerCache {
  readonly #known = new Map<string, Known>();
  readonly #additional: ReadonlySet<string>;
  readonly #lifeSpan: FilterStateObject['lifeSpan'];
  readonly #isShared: boolean;
  /** Of the request before. */
  #last: Known | null = null;

  constructor(additional: ReadonlySet<string>, lifeSpan: FilterStateObject['lifeSpan'], isShared: boolean) {
    this.#additional = additional;
    this.#lifeSpan = lifeSpan;
    this.#isShared = isShared;
  }

  /**
   * The peer of that id that says so of itself in base64; null when the text cannot be read. Whoever takes another's id
   * does not become that one: unlike in Envoy, the text has to be the same too.
   */
  find(id: string, text: string): PeerObjects | null {
    const last = this.#last;
    if (last !== null && last.text === text && last.id === id) return last.peer;
    const before = id === '' ? undefined : this.#known.get(id);
    const known = before?.text === text ? before : { id, text, peer: this.#read(text) };
    this.#last = known;
    if (id !== '' && known !== before) this.#keep(known);
    return known.peer;
  }

  #keep(known: Known): void {
    if (this.#known.size >= MAX_PEERS) {
      let excess = MAX_PEERS / 4;
      for (const id of this.#known.keys()) {
        this.#known.delete(id);
        if (--excess === 0) break;
      }
    }
    this.#known.set(known.id, known);
  }

  /** What is no base64 is an empty Struct, as in Envoy. */
  #read(text: string): PeerObjects | null {
    const bytes = BASE64.test(text) ? Buffer.from(text, 'base64') : Buffer.alloc(0);
    const metadata = decodeStruct(bytes);
    return metadata === null
      ? null
      : peerObjects(peerOfMetadata(metadata, this.#additional), this.#lifeSpan, this.#isShared);
  }
}
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
