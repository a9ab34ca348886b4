// Whether a listener filter is left out for a connection (filter_disabled).
import type { ConfigDecoder } from '../config-decoder.ts';
import { hasIp } from '../../base/ip.ts';
import type { AcceptedSocket } from './filter.ts';

type MatchSetPb = { readonly rules?: readonly FilterPredicatePb[] | undefined };
type RangePb = { readonly start?: number | undefined; readonly end?: number | undefined };

/** envoy.config.listener.v3.ListenerFilterChainMatchPredicate */
export type FilterPredicatePb = {
  readonly or_match?: MatchSetPb | undefined;
  readonly and_match?: MatchSetPb | undefined;
  readonly not_match?: FilterPredicatePb | undefined;
  readonly any_match?: boolean | undefined;
  readonly destination_port_range?: RangePb | undefined;
};

export const FILTER_PREDICATE_FIELDS = {
  'envoy.config.listener.v3.ListenerFilterChainMatchPredicate':
    'or_match and_match not_match any_match destination_port_range',
  'envoy.config.listener.v3.ListenerFilterChainMatchPredicate.MatchSet': 'rules',
  'envoy.type.v3.Int32Range': 'start end',
} as const;

export type FilterPredicate = (socket: Pick<AcceptedSocket, 'localAddress'>) => boolean;

const NEVER: FilterPredicate = () => false;

export function decodeFilterPredicate(message: FilterPredicatePb, d: ConfigDecoder): FilterPredicate {
  if (message.or_match !== undefined) {
    const rules = decodeRules(message.or_match, d.at('or_match'));
    return (socket) => rules.some((rule) => rule(socket));
  }
  if (message.and_match !== undefined) {
    const rules = decodeRules(message.and_match, d.at('and_match'));
    return (socket) => rules.every((rule) => rule(socket));
  }
  if (message.not_match !== undefined) {
    const rule = decodeFilterPredicate(message.not_match, d.at('not_match'));
    return (socket) => !rule(socket);
  }
  if (message.destination_port_range !== undefined) {
    const { start = 0, end = 0 } = message.destination_port_range;
    // Envoy takes an address without a port to be in every range.
    return ({ localAddress }) => !hasIp(localAddress) || (localAddress.port >= start && localAddress.port < end);
  }
  if (message.any_match === true) return () => true;
  d.reject('', 'is required: or_match, and_match, not_match, any_match or destination_port_range');
  return NEVER;
}

function decodeRules(message: MatchSetPb, d: ConfigDecoder): readonly FilterPredicate[] {
  return (message.rules ?? []).map((rule, i) => decodeFilterPredicate(rule, d.at('rules', i)));
}
