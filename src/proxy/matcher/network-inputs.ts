// What every matcher can look at of a connection: envoy.extensions.matching.common_inputs.network.v3.
import type { Address, CertificateFacts, TlsFacts } from '../../base/byte-stream.ts';
import { hasIp } from '../../base/ip.ts';
import type { FilterStateObject } from '../stream-info.ts';
import type { Input } from './step.ts';

export const NETWORK_INPUTS = 'envoy.extensions.matching.common_inputs.network.v3';
export const SSL_INPUTS = 'envoy.extensions.matching.common_inputs.ssl.v3';
const FILTER_STATE = `${NETWORK_INPUTS}.FilterStateInput`;

/** Supported fields. */
export const NETWORK_INPUT_FIELDS = {
  [`${NETWORK_INPUTS}.DestinationIPInput`]: '',
  [`${NETWORK_INPUTS}.DestinationPortInput`]: '',
  [`${NETWORK_INPUTS}.SourceIPInput`]: '',
  [`${NETWORK_INPUTS}.SourcePortInput`]: '',
  [`${NETWORK_INPUTS}.DirectSourceIPInput`]: '',
  [`${NETWORK_INPUTS}.ServerNameInput`]: '',
  [`${NETWORK_INPUTS}.NetworkNamespaceInput`]: '',
  [FILTER_STATE]: 'key field',
} as const;

/** Of the client's certificate: only where the handshake is over. */
export const SSL_INPUT_FIELDS = {
  [`${SSL_INPUTS}.UriSanInput`]: '',
  [`${SSL_INPUTS}.DnsSanInput`]: '',
  [`${SSL_INPUTS}.SubjectInput`]: '',
} as const;

/** How a subject tells of its connection. */
export type NetworkFacts<S> = {
  destination(subject: S): Address;
  source(subject: S): Address;
  directSource(subject: S): Address;
  serverName(subject: S): string;
  filterState(subject: S, key: string): FilterStateObject | undefined;
};

/** The input of this type; undefined when it is none of the network. */
export function networkInput<S>(facts: NetworkFacts<S>, type: string, message: object): Input<S, unknown> | undefined {
  switch (type) {
    case `${NETWORK_INPUTS}.DestinationIPInput`:
      return (subject) => ipOf(facts.destination(subject));
    case `${NETWORK_INPUTS}.DestinationPortInput`:
      return (subject) => portOf(facts.destination(subject));
    case `${NETWORK_INPUTS}.SourceIPInput`:
      return (subject) => ipOf(facts.source(subject));
    case `${NETWORK_INPUTS}.SourcePortInput`:
      return (subject) => portOf(facts.source(subject));
    case `${NETWORK_INPUTS}.DirectSourceIPInput`:
      return (subject) => ipOf(facts.directSource(subject));
    case `${NETWORK_INPUTS}.ServerNameInput`:
      return (subject) => facts.serverName(subject) || undefined;
    case `${NETWORK_INPUTS}.NetworkNamespaceInput`:
      // Addresses in other network namespaces are refused, and for others there is none.
      return () => undefined;
    case FILTER_STATE: {
      const { key = '', field = '' } = message as { key?: string; field?: string };
      if (field === '') return (subject) => facts.filterState(subject, key)?.value;
      return (subject) => fieldOf(facts.filterState(subject, key), field);
    }
    default:
      return undefined;
  }
}

/** A member of an object that has such; undefined when there is none. */
function fieldOf(object: FilterStateObject | undefined, field: string): string | undefined {
  const value = object?.fields?.[field];
  return value === undefined ? undefined : String(value);
}

/** The input of this type; undefined when it is none of certificates. Several names are one text, as in Envoy. */
export function sslInput<S>(tlsOf: (subject: S) => TlsFacts | null, type: string): Input<S, unknown> | undefined {
  const from = (get: (peer: CertificateFacts) => string): Input<S, unknown> => {
    return (subject) => {
      const peer = tlsOf(subject)?.peerCertificate ?? null;
      return peer === null ? undefined : get(peer) || undefined;
    };
  };
  switch (type) {
    case `${SSL_INPUTS}.UriSanInput`:
      return from((peer) => peer.uriSans.join(','));
    case `${SSL_INPUTS}.DnsSanInput`:
      return from((peer) => peer.dnsSans.join(','));
    case `${SSL_INPUTS}.SubjectInput`:
      return from((peer) => peer.subject);
    default:
      return undefined;
  }
}

function ipOf(address: Address): string | undefined {
  return hasIp(address) ? address.address : undefined;
}

function portOf(address: Address): string | undefined {
  return hasIp(address) ? String(address.port) : undefined;
}
