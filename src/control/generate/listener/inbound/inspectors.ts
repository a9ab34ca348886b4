// Which inbound ports are looked into before a chain is chosen: only those where something depends on it.
import type {
  FilterChain,
  ListenerFilter,
  ListenerFilterChainMatchPredicate,
} from '../../../../proto/generated/types.d.ts';
import { httpInspector, tlsInspector } from '../filters.ts';

/** Inspectors of a listener with these chains, in order: what is TLS is no longer looked at for HTTP. */
export function inspectors(chains: readonly FilterChain[]): ListenerFilter[] {
  const tls = new Map<number, boolean>();
  const http = new Map<number, boolean>();
  for (const { filter_chain_match: match = {} } of chains) {
    const port = match.destination_port ?? 0;
    const needsHttp = match.application_protocols?.some((name) => name === 'http/1.1' || name === 'h2c') === true;
    tls.set(port, match.transport_protocol === 'tls' || tls.get(port) === true);
    http.set(port, needsHttp || http.get(port) === true);
  }
  const filters: ListenerFilter[] = [];
  if ([...tls.values()].includes(true)) filters.push(tlsInspectorFor(tls));
  if ([...http.values()].includes(true)) filters.push(limited(httpInspector(), ports(http, false), false));
  return filters;
}

/** Port 0 stands for all that are not named: if they are looked into, the others are exceptions, else the rule. */
function tlsInspectorFor(needs: ReadonlyMap<number, boolean>): ListenerFilter {
  const isRule = needs.get(0) === true;
  const named = new Map([...needs].filter(([port]) => port !== 0));
  return limited(tlsInspector(), ports(named, !isRule), !isRule);
}

function ports(needs: ReadonlyMap<number, boolean>, needed: boolean): number[] {
  return [...needs]
    .filter(([, isNeeded]) => isNeeded === needed)
    .map(([port]) => port)
    .sort((a, b) => a - b);
}

/** `only`: the filter runs on these ports alone; otherwise on all but these. */
function limited(filter: ListenerFilter, of: readonly number[], only: boolean): ListenerFilter {
  if (of.length === 0) return filter;
  const ranges = of.map((port) => ({ destination_port_range: { start: port, end: port + 1 } }));
  const [first] = ranges;
  const match: ListenerFilterChainMatchPredicate =
    ranges.length === 1 && first !== undefined ? first : { or_match: { rules: ranges } };
  return { ...filter, filter_disabled: only ? { not_match: match } : match };
}
