// What every matcher can look at of a connection: envoy.extensions.matching.common_inputs.network.v3.
import type { Address } from '../../base/byte-stream.ts';
import type { FilterStateObject } from '../stream-info.ts';
import type { Input } from './step.ts';

export const NETWORK_INPUTS = 'envoy.extensions.matching.common_inputs.network.v3';
const FILTER_STATE = `${NETWORK_INPUTS}.FilterStateInput`;

/** Supported fields. Left out, and so refused: `field` of a filter state object. */
export const NETWORK_INPUT_FIELDS = {
  [`${NETWORK_INPUTS}.DestinationIPInput`]: '',
  [`${NETWORK_INPUTS}.DestinationPortInput`]: '',
  [`${NETWORK_INPUTS}.SourceIPInput`]: '',
  [`${NETWORK_INPUTS}.SourcePortInput`]: '',
  [`${NETWORK_INPUTS}.DirectSourceIPInput`]: '',
  [`${NETWORK_INPUTS}.ServerNameInput`]: '',
  [`${NETWORK_INPUTS}.NetworkNamespaceInput`]: '',
  [FILTER_STATE]: 'key',
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
      const { key = '' } = message as { key?: string };
      return (subject) => facts.filterState(subject, key)?.value;
    }
    default:
      return undefined;
  }
}

function ipOf(address: Address): string | undefined {
  return address.family === 'unix' ? undefined : address.address;
}

function portOf(address: Address): string | undefined {
  return address.family === 'unix' ? undefined : String(address.port);
}
