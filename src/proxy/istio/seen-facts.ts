// Gathers from an exchange or connection what labels are made of: peers, principals, and where it went.
import type { TlsFacts } from '../../base/byte-stream.ts';
import { type FilterStateObject, findFilterState, type StreamInfo } from '../stream-info.ts';
import type { SeenFacts } from './label-table.ts';
import { textAt } from './node.ts';
import { type Peer, peerOfEndpoint } from './peer.ts';
import { DOWNSTREAM_PEER, NO_PEER, peerOf, UPSTREAM_PEER } from './peer-state.ts';
import type { Reporter } from './telemetry-labels.ts';

/** Which side this proxy is on. Source: Istio, struct Config. */
export function reporterOf({ connection }: StreamInfo, isGateway: boolean): Reporter {
  if (isGateway) return 'waypoint';
  return connection.trafficDirection === 'INBOUND' ? 'destination' : 'source';
}

/** Whether there is, or will be, nothing more to learn of the peer. */
export function isPeerKnown(info: StreamInfo, reporter: Reporter): boolean {
  const state = reporter === 'source' ? info.upstreamFilterState : null;
  const key = reporter === 'source' ? UPSTREAM_PEER : DOWNSTREAM_PEER;
  if (state !== null) return state.has(key) || state.has(NO_PEER);
  return findFilterState(info, key) !== undefined || findFilterState(info, NO_PEER) !== undefined;
}

/** `host`: of the request, where it counts. */
export function seenFacts(info: StreamInfo, reporter: Reporter, host: string): SeenFacts {
  return reporter === 'source' ? sourceFacts(info, host) : serverFacts(info, reporter, host);
}

function sourceFacts(info: StreamInfo, host: string): SeenFacts {
  const { upstreamTls, upstreamFilterState } = info;
  const told = peerOf(
    upstreamFilterState === null ? findFilterState(info, UPSTREAM_PEER) : upstreamFilterState.get(UPSTREAM_PEER),
  );
  return {
    reporter: 'source',
    clusterName: info.clusterName,
    routeName: info.routeName,
    host,
    peer: told ?? endpointPeer(info),
    endpoint: null,
    peerPrincipal: peerSan(upstreamTls) || (told?.identity ?? ''),
    localPrincipal: localSan(upstreamTls),
  };
}

function serverFacts(info: StreamInfo, reporter: Reporter, host: string): SeenFacts {
  let peerPrincipal = stateText(findFilterState(info, 'io.istio.peer_principal'));
  let localPrincipal = stateText(findFilterState(info, 'io.istio.local_principal'));
  if (peerPrincipal === '' && localPrincipal === '') {
    const { tls } = info.connection;
    peerPrincipal = peerSan(tls);
    localPrincipal = localSan(tls);
  }
  return {
    reporter,
    clusterName: info.clusterName,
    routeName: info.routeName,
    host,
    peer: peerOf(findFilterState(info, DOWNSTREAM_PEER)),
    endpoint: reporter === 'waypoint' ? peerOf(findFilterState(info, UPSTREAM_PEER)) : null,
    peerPrincipal,
    localPrincipal,
  };
}

function peerSan(tls: TlsFacts | null): string {
  return tls?.peerCertificate?.uriSans[0] ?? '';
}

function localSan(tls: TlsFacts | null): string {
  return tls?.localCertificate?.uriSans[0] ?? '';
}

function stateText(object: FilterStateObject | undefined): string {
  return object?.value ?? '';
}

/** Texts of endpoint metadata, so that equal ones are one peer. */
const endpointPeers = new Map<string, Peer | null>();
const MAX_ENDPOINT_PEERS = 10_000;

function endpointPeer({ upstreamHostMetadata }: StreamInfo): Peer | null {
  const text = textAt(upstreamHostMetadata?.get('istio'), 'workload');
  if (text === '') return null;
  let peer = endpointPeers.get(text);
  if (peer === undefined) {
    if (endpointPeers.size >= MAX_ENDPOINT_PEERS) endpointPeers.clear();
    peer = peerOfEndpoint(text);
    endpointPeers.set(text, peer);
  }
  return peer;
}
