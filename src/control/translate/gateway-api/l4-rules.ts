// Rules of TCPRoutes and TLSRoutes → rules of the model.
import { hostsMeet, isHostWithin } from '../../model/hosts.ts';
import type { L4Rule, TlsMatch, WeightedBackend } from '../../model/route.ts';
import type { ComplaintSink } from '../complaint.ts';
import { type BackendContext, backendDestination, NO_SHARE, weighted } from './backends.ts';
import type { RouteObject } from './http-rules.ts';
import type { Attachment } from './route-parents.ts';
import type { L4RouteRule } from './route-spec.ts';

/** Matches come with the place where the rules are attached: `placeTcp`, `placeTls`. */
export function l4Rules(
  rules: readonly L4RouteRule[],
  isTls: boolean,
  object: RouteObject,
  context: BackendContext,
  complain: ComplaintSink,
): L4Rule[] {
  return rules.map((rule, index) => {
    const found = weighted(rule.backendRefs).map(({ ref, weight }): WeightedBackend => {
      return { destination: backendDestination(ref, context), weight, headers: null, filters: null };
    });
    for (const { destination } of found) {
      if (destination.unresolved === null) continue;
      const fieldPath = `spec.rules[${index}].backendRefs`;
      const message = `${destination.unresolved}; its share of connections ends`;
      const remedy = 'Correct the backend, create the Service, or let its namespace grant the reference.';
      complain({ objectKey: object.key, fieldPath, message, remedy, severity: 'warning' });
    }
    const nobody: WeightedBackend = { destination: NO_SHARE, weight: 0, headers: null, filters: null };
    return { origin: { key: object.key, index }, isTls, matches: [], backends: found.length === 0 ? [nobody] : found };
  });
}

/** The rules for connections by one port; all, where the attachment says none. */
export function placeTcp(rules: readonly L4Rule[], { port }: Attachment): L4Rule[] {
  return rules.map((rule) => ({ ...rule, matches: port === 0 ? [] : [matchOf([], port)] }));
}

/** In the mesh, names in the handshake are by default the service's own; on a gateway they are the listener's. */
export function placeTls(
  rules: readonly L4Rule[],
  hostnames: readonly string[],
  { parent, port, hosts, hostname }: Attachment,
  host: string,
): L4Rule[] {
  if (parent !== 'mesh') {
    const own = hostname === '' ? '*' : hostname;
    if (!hostsMeet(host, own)) return [];
    // What the listener is not for would take connections from listeners of others.
    const name = isHostWithin(host, own) ? host : own;
    return rules.map((rule) => ({ ...rule, matches: [matchOf([name], 0)] }));
  }
  const names = hostnames.length > 0 ? hostnames : hosts;
  const sniHosts = names.length > 1 ? names.filter((name) => hostsMeet(host, name)) : names;
  return rules.map((rule) => ({ ...rule, matches: [matchOf(sniHosts, port)] }));
}

function matchOf(sniHosts: readonly string[], port: number): TlsMatch {
  return { sniHosts, port, destinationSubnets: [], sourceLabels: {}, sourceNamespace: '', parents: [] };
}
