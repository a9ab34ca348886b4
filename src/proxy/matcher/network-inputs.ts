// What matchers can look at of a connection: envoy.extensions.matching.common_inputs.network.v3.
import type { Address } from '../../base/byte-stream.ts';
import type { FilterStateObject } from '../stream-info.ts';
import { isSameIpOrLoopback } from './source-type.ts';
import type { Input } from './step.ts';

const PACKAGE = 'envoy.extensions.matching.common_inputs.network.v3';
const FILTER_STATE = `${PACKAGE}.FilterStateInput`;

/** Supported fields. Left out, and so refused: `field` of a filter state object, network namespaces. */
export const NETWORK_INPUT_FIELDS = {
  [`${PACKAGE}.DestinationIPInput`]: '',
  [`${PACKAGE}.DestinationPortInput`]: '',
  [`${PACKAGE}.SourceIPInput`]: '',
  [`${PACKAGE}.SourcePortInput`]: '',
  [`${PACKAGE}.DirectSourceIPInput`]: '',
  [`${PACKAGE}.SourceTypeInput`]: '',
  [`${PACKAGE}.ServerNameInput`]: '',
  [`${PACKAGE}.TransportProtocolInput`]: '',
  [`${PACKAGE}.ApplicationProtocolInput`]: '',
  [FILTER_STATE]: 'key',
} as const;

/** How a subject tells of its connection. */
export type NetworkFacts<S> = {
  destination(subject: S): Address;
  source(subject: S): Address;
  directSource(subject: S): Address;
  serverName(subject: S): string;
  transportProtocol(subject: S): string;
  applicationProtocols(subject: S): readonly string[];
  filterState(subject: S, key: string): FilterStateObject | undefined;
};

/** The input of this type; undefined when it is none of the network. */
export function networkInput<S>(facts: NetworkFacts<S>, type: string, message: object): Input<S, unknown> | undefined {
  switch (type) {
    case `${PACKAGE}.DestinationIPInput`:
      return (subject) => ipOf(facts.destination(subject));
    case `${PACKAGE}.DestinationPortInput`:
      return (subject) => portOf(facts.destination(subject));
    case `${PACKAGE}.SourceIPInput`:
      return (subject) => ipOf(facts.source(subject));
    case `${PACKAGE}.SourcePortInput`:
      return (subject) => portOf(facts.source(subject));
    case `${PACKAGE}.DirectSourceIPInput`:
      return (subject) => ipOf(facts.directSource(subject));
    case `${PACKAGE}.SourceTypeInput`:
      return (subject) => (isSameIpOrLoopback(facts.destination(subject), facts.source(subject)) ? 'local' : undefined);
    case `${PACKAGE}.ServerNameInput`:
      return (subject) => facts.serverName(subject) || undefined;
    case `${PACKAGE}.TransportProtocolInput`:
      return (subject) => facts.transportProtocol(subject) || undefined;
    case `${PACKAGE}.ApplicationProtocolInput`:
      return (subject) => protocolsText(facts.applicationProtocols(subject));
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

/** `'h2','http/1.1'`, as Envoy writes a list. */
function protocolsText(protocols: readonly string[]): string | undefined {
  return protocols.length === 0 ? undefined : `'${protocols.join("','")}'`;
}
