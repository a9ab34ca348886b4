// Peers in filter state, under the keys by which Istio's telemetry, formats and expressions find them.
import { type FilterStateObject, findFilterState, type StreamInfo } from '../stream-info.ts';
import { fieldsOfPeer, type Peer, stateOfPeer, textOfPeer } from './peer.ts';
import { encodeStruct } from './struct-bytes.ts';

export const DOWNSTREAM_PEER = 'downstream_peer';
export const UPSTREAM_PEER = 'upstream_peer';
/** It is known that nothing will be known. */
export const NO_PEER = 'peer_not_found';

const STRUCT_URL = 'type.googleapis.com/google.protobuf.Struct';

type LifeSpan = FilterStateObject['lifeSpan'];

/** The peer as an expression sees it: a Struct. */
class PeerState implements FilterStateObject {
  readonly peer: Peer;
  readonly isReadOnly = false;
  readonly lifeSpan: LifeSpan;
  readonly sharing?: 'once';
  readonly fields = {};

  constructor(peer: Peer, lifeSpan: LifeSpan, isShared: boolean) {
    this.peer = peer;
    this.lifeSpan = lifeSpan;
    if (isShared) this.sharing = 'once';
  }

  get value(): string {
    return encodeStruct(stateOfPeer(this.peer)).latin1Slice();
  }

  get struct(): Readonly<Record<string, unknown>> {
    return stateOfPeer(this.peer);
  }

  /** An Any as JSON has it. */
  get typed(): unknown {
    return { '@type': STRUCT_URL, value: stateOfPeer(this.peer) };
  }
}

/** The same for formats that ask for fields (`%FILTER_STATE(downstream_peer_obj:FIELD:workload)%`). */
class PeerFields implements FilterStateObject {
  readonly peer: Peer;
  readonly isReadOnly = false;
  readonly lifeSpan: LifeSpan;
  readonly isHashable = true;
  readonly sharing?: 'once';

  constructor(peer: Peer, lifeSpan: LifeSpan, isShared: boolean) {
    this.peer = peer;
    this.lifeSpan = lifeSpan;
    if (isShared) this.sharing = 'once';
  }

  get value(): string {
    return Buffer.from(textOfPeer(this.peer), 'utf8').latin1Slice();
  }
  get typed(): unknown {
    return stateOfPeer(this.peer);
  }
  get fields(): Readonly<Record<string, string>> {
    return fieldsOfPeer(this.peer);
  }
}

const NOT_FOUND: FilterStateObject = Object.freeze({
  value: 'true',
  typed: true,
  isReadOnly: false,
  lifeSpan: 'connection',
});

/** The objects of one peer; they are the same for every exchange with it, so whoever caches the peer caches these. */
export type PeerObjects = {
  readonly peer: Peer;
  readonly state: FilterStateObject;
  readonly fields: FilterStateObject;
};

export function peerObjects(peer: Peer, lifeSpan: LifeSpan, isShared = false): PeerObjects {
  const state = new PeerState(peer, lifeSpan, isShared);
  return { peer, state, fields: new PeerFields(peer, lifeSpan, isShared) };
}

export type PeerKey = typeof DOWNSTREAM_PEER | typeof UPSTREAM_PEER;

/** The first one to say something is believed. */
export function setPeer(info: StreamInfo, key: PeerKey, { state, fields }: PeerObjects): void {
  if (findFilterState(info, key) !== undefined) return;
  info.filterState ??= new Map();
  info.filterState.set(key, state);
  info.filterState.set(key === DOWNSTREAM_PEER ? 'downstream_peer_obj' : 'upstream_peer_obj', fields);
}

/** Source: Istio TCP metadata exchange, which writes the Struct alone and replaces what is there. */
export function peerStates(key: PeerKey, peer: Peer | null): Map<string, FilterStateObject> {
  return peer === null ? new Map([[NO_PEER, NOT_FOUND]]) : new Map([[key, new PeerState(peer, 'connection', false)]]);
}

/** Null: nobody has told. */
export function peerOf(object: FilterStateObject | undefined): Peer | null {
  return object instanceof PeerState ? object.peer : null;
}
