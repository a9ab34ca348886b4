// Chains for TLS that is passed through and for plain TCP: from rules of routes, or one to the service itself.
import { hostsMeet } from '../../../model/hosts.ts';
import type { L4Rule, RouteSet, TlsMatch } from '../../../model/route.ts';
import { isTls, type Protocol, type Service } from '../../../model/service.ts';
import type { OutboundChain } from './chain.ts';
import { ruleTarget, serviceTarget, type TargetLookup } from './l4-target.ts';

/** The part of a route set that concerns connections. */
export type L4Routes = Pick<
  RouteSet,
  'key' | 'namespace' | 'name' | 'reference' | 'hosts' | 'parents' | 'l4' | 'ports'
>;

export type L4Input = {
  readonly service: Service;
  /** Where the listener stands; port 0 on a unix socket. */
  readonly port: { readonly number: number; readonly name: string; readonly protocol: Protocol };
  /** The service's range, where the listener is bound to the wildcard for it. */
  readonly cidr: string;
  /** Whether only the name can tell the service from others on the listener. */
  readonly needsSni: boolean;
  readonly aliases: readonly string[];
  /** Route sets of the mesh, in order of precedence. */
  readonly routes: readonly L4Routes[];
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly lookup: TargetLookup;
};

export function l4Chains(input: L4Input): OutboundChain[] {
  const { service, port } = input;
  const routes = input.routes.filter(
    (set) => set.hosts.some((host) => hostsMeet(host, service.hostname)) && takesPort(set, port.number),
  );
  return isTls(port.protocol) ? tlsChains(input, routes) : tcpChains(input, routes);
}

/** A chain per match; where two matches say the same, the first has it, as the proxy would not reach the second. */
function tlsChains(input: L4Input, routes: readonly L4Routes[]): OutboundChain[] {
  const chains: OutboundChain[] = [];
  const seen = new Set<string>();
  for (const { set, rule, match } of matchesOf(input, routes, true)) {
    const subnets = match.destinationSubnets.length > 0 && input.port.number > 0;
    const cidrs = subnets ? match.destinationSubnets : input.cidr === '' ? [] : [input.cidr];
    const condition = `${match.sniHosts.join()}|${match.destinationSubnets.join()}`;
    if (seen.has(condition)) continue;
    seen.add(condition);
    chains.push(ruleChain(input, set, rule, { sniHosts: match.sniHosts, cidrs }));
  }
  if (chains.length > 0) return chains;
  const sniHosts = input.needsSni || input.cidr !== '' ? [input.service.hostname, ...input.aliases] : [];
  return [serviceChain(input, sniHosts)];
}

/** Until a rule takes every address: nothing behind it is ever reached, the service itself included. */
function tcpChains(input: L4Input, routes: readonly L4Routes[]): OutboundChain[] {
  const chains: OutboundChain[] = [];
  const own = input.cidr === '' ? [] : [input.cidr];
  let isOwnTaken = false;
  for (const set of routes) {
    for (const rule of set.l4) {
      if (rule.isTls) continue;
      const matches = rule.matches.filter((match) => holds(match, input));
      const takesAll = rule.matches.length === 0 || matches.some((match) => isForAll(match, input));
      if (takesAll) return [...chains, ruleChain(input, set, rule, { sniHosts: [], cidrs: own })];
      const cidrs = matches.flatMap((match) => match.destinationSubnets);
      if (cidrs.length === 0) continue;
      chains.push({ ...ruleChain(input, set, rule, { sniHosts: [], cidrs }), reference: '' });
      isOwnTaken ||= [...cidrs].sort().join() === own.join();
    }
  }
  return isOwnTaken ? chains : [...chains, serviceChain(input, [])];
}

function* matchesOf(
  input: L4Input,
  routes: readonly L4Routes[],
  areTls: boolean,
): Generator<{ set: L4Routes; rule: L4Rule; match: TlsMatch }> {
  for (const set of routes) {
    for (const rule of set.l4) {
      if (rule.isTls !== areTls) continue;
      for (const match of rule.matches) if (holds(match, input)) yield { set, rule, match };
    }
  }
}

function isForAll(match: TlsMatch, input: L4Input): boolean {
  return match.destinationSubnets.length === 0 || input.port.number === 0;
}

/** What is known of the caller now; names and addresses are the proxy's to look at. */
function holds(match: TlsMatch, { port, labels, namespace }: L4Input): boolean {
  return (
    (match.parents.length === 0 || match.parents.includes('mesh')) &&
    (match.port === 0 || match.port === port.number) &&
    (match.sourceNamespace === '' || match.sourceNamespace === namespace) &&
    Object.entries(match.sourceLabels).every(([name, value]) => labels[name] === value)
  );
}

function takesPort(set: L4Routes, port: number): boolean {
  return set.ports.length === 0 || set.ports.includes(port);
}

function ruleChain(
  input: L4Input,
  set: L4Routes,
  rule: L4Rule,
  match: { readonly sniHosts: readonly string[]; readonly cidrs: readonly string[] },
): OutboundChain {
  return {
    ...match,
    applicationProtocols: [],
    transportProtocol: '',
    reference: set.reference,
    target: ruleTarget(rule.backends, set, input.port, input.lookup),
  };
}

function serviceChain(input: L4Input, sniHosts: readonly string[]): OutboundChain {
  return {
    sniHosts,
    cidrs: input.cidr === '' ? [] : [input.cidr],
    applicationProtocols: [],
    transportProtocol: '',
    reference: '',
    target: serviceTarget(input.service, input.port, input.lookup),
  };
}
