// What two sidecars say to each other before the bytes of a TCP connection: magic, length, and an Any with a Struct.
import { type LocalNode, objectAt } from './node.ts';
import { metadataOfPeer, type Peer, peerOfMetadata } from './peer.ts';
import { decodeStructAny, encodeStructAny } from './struct-bytes.ts';

/** Source: Istio MetadataExchangeInitialHeader. */
const MAGIC = 0x3d230467;
const HEAD_BYTES = 8;
/** A peer that says more than this of itself is none. */
export const MAX_PEER_BYTES = 64 * 1024;
const MAX_KNOWN = 500;
const EMPTY = Buffer.alloc(0);

const PEER = 'x-envoy-peer-metadata';
const PEER_ID = 'x-envoy-peer-metadata-id';

/** What this proxy says of itself. */
export function exchangeBytes(node: LocalNode, additional: ReadonlySet<string>): Buffer {
  const own = metadataOfPeer(peerOfMetadata(node.metadata, additional));
  const any = encodeStructAny(node.id === '' ? { [PEER]: own } : { [PEER]: own, [PEER_ID]: node.id });
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(MAGIC, 0);
  head.writeUInt32BE(any.length, 4);
  return Buffer.concat([head, any]);
}

/**
 * 'more' bytes are awaited; 'found': the peer said something of itself, perhaps nothing of use; 'no-head': it does not
 * speak so; 'no-peer': it does, but what it said cannot be read; 'too-long'.
 */
export type ExchangeOutcome = 'more' | 'found' | 'no-head' | 'no-peer' | 'too-long';

/** Peers by what they said: a workload says the same on each of its connections, and is read once. */
export class KnownPeers {
  readonly #additional: ReadonlySet<string>;
  /** Null: an Any that says nothing of a peer. */
  readonly #peers = new Map<string, Peer | null>();

  constructor(additional: ReadonlySet<string>) {
    this.#additional = additional;
  }

  /** Undefined when the bytes are no Any. */
  find(any: Buffer): Peer | null | undefined {
    const text = any.latin1Slice();
    const known = this.#peers.get(text);
    if (known !== undefined) return known;
    const struct = decodeStructAny(any);
    if (struct === null) return undefined;
    const metadata = objectAt(struct, PEER);
    const peer = metadata === undefined ? null : peerOfMetadata(metadata, this.#additional);
    if (this.#peers.size >= MAX_KNOWN) this.#peers.clear();
    this.#peers.set(text, peer);
    return peer;
  }
}

/** Reads what the peer says; the connection's own bytes follow. */
export class PeerReader {
  outcome: ExchangeOutcome = 'more';
  /** Who said something; null as long as nobody did. */
  peer: Peer | null = null;
  /** Fewer bytes than a head. */
  isHeadMissing = true;
  readonly #known: KnownPeers;
  #kept: Buffer = EMPTY;

  constructor(known: KnownPeers) {
    this.#known = known;
  }

  /** Returns what of the bytes, and of those before, is the connection's; borrowed like the chunk, or owned. */
  read(chunk: Buffer, start: number, end: number): Buffer {
    const fresh = chunk.subarray(start, end);
    const bytes = this.#kept.length === 0 ? fresh : Buffer.concat([this.#kept, fresh]);
    this.outcome = this.#parse(bytes);
    if (this.outcome === 'more') {
      this.#kept = bytes === fresh ? Buffer.from(fresh) : bytes;
      return EMPTY;
    }
    this.#kept = EMPTY;
    if (this.outcome === 'no-head') return bytes;
    return this.outcome === 'too-long' ? EMPTY : bytes.subarray(HEAD_BYTES + bytes.readUInt32BE(4));
  }

  /** No more bytes come: returns those that were kept for a head that is none. */
  end(): Buffer {
    const kept = this.isHeadMissing ? this.#kept : EMPTY;
    this.#kept = EMPTY;
    this.outcome = 'no-head';
    return kept;
  }

  #parse(bytes: Buffer): ExchangeOutcome {
    if (bytes.length < HEAD_BYTES) return 'more';
    if (bytes.readUInt32BE(0) !== MAGIC) return 'no-head';
    this.isHeadMissing = false;
    const length = bytes.readUInt32BE(4);
    if (length > MAX_PEER_BYTES) return 'too-long';
    if (bytes.length < HEAD_BYTES + length) return 'more';
    const peer = this.#known.find(bytes.subarray(HEAD_BYTES, HEAD_BYTES + length));
    if (peer === undefined) return 'no-peer';
    this.peer = peer;
    return 'found';
  }
}
