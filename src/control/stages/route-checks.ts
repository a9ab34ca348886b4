// What stages ask of rules before they hold: that proxies take them, and that their destinations are there.
import type { Reader } from '../../base/collection.ts';
import { routeProblems } from '../generate/route/route-problems.ts';
import { byAge, isVisible } from '../model/hosts.ts';
import type { HttpRule, RouteSet } from '../model/route.ts';
import type { Complaint, ComplaintSink } from '../translate/complaint.ts';
import { type LookupParts, policyOfHost } from './route-lookups.ts';
import type { ServicesStage } from './services-stage.ts';

/** `routes` is null where a proxy would refuse them. */
export type CheckedRoutes = { readonly routes: RouteSet | null; readonly complaints: readonly Complaint[] };

/** A set of which a proxy would refuse anything is left out as a whole: it would take everybody's hosts with it. */
export function checkRoutes(made: {
  readonly routes: RouteSet;
  readonly complaints: readonly Complaint[];
}): CheckedRoutes {
  const problems = routeProblems(made.routes);
  if (problems.length === 0) return made;
  const refusals = problems.map(({ objectKey, ruleIndex, message }): Complaint => {
    const remedy = 'Correct the field; until then the object has no effect.';
    return { objectKey, fieldPath: `spec.http[${ruleIndex}]`, message, remedy, severity: 'error' };
  });
  return { routes: null, complaints: [...refusals, ...made.complaints] };
}

/** Rules of routes that are merged with others': one that a proxy would refuse answers 500, or is left out. */
export function soundRules(rules: readonly HttpRule[], complain: ComplaintSink): HttpRule[] {
  return rules.flatMap((rule) => {
    const problems = routeProblems({ name: '', reference: '', http: [rule] });
    if (problems.length === 0) return [rule];
    for (const { objectKey, ruleIndex, message } of problems) {
      const remedy = 'Correct the field; until then the rule answers 500, or never matches.';
      complain({ objectKey, fieldPath: `spec.rules[${ruleIndex}]`, message, remedy, severity: 'error' });
    }
    const closed: HttpRule = {
      ...rule,
      action: { kind: 'direct', response: { status: 500, body: null } },
      ...{ rewrite: null, headers: null, fault: null, cors: null, mirrors: [] },
    };
    return routeProblems({ name: '', reference: '', http: [closed] }).length === 0 ? [closed] : [];
  });
}

/** Hosts in the mesh that an older object has: callers who see both follow that one alone. */
export function shadowed(routes: RouteSet, rivalsOf: (host: string) => readonly RouteSet[]): Complaint[] {
  if (routes.http.length === 0 || !routes.parents.includes('mesh')) return [];
  return routes.hosts.flatMap((host, index): Complaint[] => {
    const older = rivalsOf(host).find(
      (other) => other.key !== routes.key && byAge(other, routes) < 0 && hasItsCallers(other, routes),
    );
    if (older === undefined) return [];
    const message = `requests to ${host} follow ${older.key}, which is older`;
    const remedy = 'Keep the rules for a host in one object, or let one delegate to the other.';
    return [{ objectKey: routes.key, fieldPath: `spec.hosts[${index}]`, message, remedy, severity: 'warning' }];
  });
}

/** Whether all callers of `own` have the other too, and not after it: what is for few goes before what is for all. */
function hasItsCallers(other: RouteSet, own: RouteSet): boolean {
  if (other.exportTo.has('*') || own.exportTo.has('*')) return other.exportTo.has('*') && own.exportTo.has('*');
  return [...own.exportTo].every((namespace) => namespace !== '~' && other.exportTo.has(namespace));
}

/** Subsets that no DestinationRule makes, as callers in the namespace of the rules see it. */
export function missingSubsets(read: Reader, parts: LookupParts, routes: RouteSet): Complaint[] {
  const caller = { namespace: routes.namespace, labels: {} };
  const forwarded = routes.http.flatMap(({ origin, action, mirrors }) => {
    const backends = action.kind === 'forward' ? action.backends : [];
    return [...backends, ...mirrors].map(({ destination }) => ({ origin, destination, list: 'http' }));
  });
  const passed = routes.l4.flatMap(({ origin, isTls, backends }) =>
    backends.map(({ destination }) => ({ origin, destination, list: isTls ? 'tls' : 'tcp' })),
  );
  const found = new Map<string, Complaint>();
  for (const { origin, destination, list } of [...forwarded, ...passed]) {
    const { host, subset, unresolved } = destination;
    if (subset === '' || unresolved !== null) continue;
    if (policyOfHost(read, parts, caller, host)?.subsets.some(({ name }) => name === subset)) continue;
    const message = `there is no subset ${subset} of ${host}`;
    const remedy = 'Add it to the DestinationRule of that host; until then its share of requests fails.';
    const fieldPath = `spec.${list}[${origin.index ?? 0}]`;
    found.set(`${fieldPath} ${message}`, { objectKey: origin.key, fieldPath, message, remedy, severity: 'warning' });
  }
  return [...found.values()];
}

/** Null: rules of the namespace can send requests there. */
export function whyUnusable(
  read: Reader,
  services: Pick<ServicesStage, 'servicesByHost'>,
  namespace: string,
  host: string,
  port: number,
): string | null {
  const seen = read.lookup(services.servicesByHost, host).filter((s) => isVisible(s.exportTo, s.namespace, namespace));
  if (seen.length === 0) return `there is no service ${host} that ${namespace} may use`;
  if (port === 0 || seen.some((service) => service.ports.some(({ number }) => number === port))) return null;
  return `${host} has no port ${port}`;
}
