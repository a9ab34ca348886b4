// What stages ask of rules before they hold: that proxies take them, and that their destinations are there.
import type { Reader } from '../../base/collection.ts';
import { routeProblems } from '../generate/route/route-problems.ts';
import { isVisible } from '../model/hosts.ts';
import type { HttpRule, RouteSet } from '../model/route.ts';
import type { Complaint, ComplaintSink } from '../translate/complaint.ts';
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
