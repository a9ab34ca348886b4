// Rules of routing from all objects that give some, as one collection.
import type { Collection, Index, Reader } from '../../base/collection.ts';
import { routeProblems } from '../generate/route/route-problems.ts';
import { isVisible } from '../model/hosts.ts';
import type { RouteSet } from '../model/route.ts';
import type { ConfigObject } from '../source/object.ts';
import type { Complaint } from '../translate/complaint.ts';
import {
  isDelegate,
  resolveNames,
  translateVirtualService,
  type VirtualService,
} from '../translate/istio/virtual-service.ts';
import type { VirtualServiceSpec } from '../translate/istio/virtual-service-spec.ts';
import type { Inputs } from './inputs.ts';
import { meshOf, type ServicesStage } from './services-stage.ts';

export type RoutesStage = {
  /** By the key of the object, or of the merged objects. */
  readonly routeSets: Collection<RouteSet>;
  /** By each host as it is written, wildcards too. */
  readonly routesByHost: Index<RouteSet>;
  /** By 'mesh' and keys of gateways. */
  readonly routesByParent: Index<RouteSet>;
  /** By the key of the object that is complained of. */
  readonly complaints: Collection<readonly Complaint[]>;
};

/** `routes` is null where a proxy would refuse them. */
type Translated = { readonly routes: RouteSet | null; readonly complaints: readonly Complaint[] };

export function routesStage(inputs: Inputs, services: ServicesStage): RoutesStage {
  const { graph } = inputs;
  const named = graph.map<ConfigObject, VirtualService>(
    'virtual services',
    inputs.kind('VirtualService'),
    (_key, object, read) =>
      resolveNames(object as ConfigObject<VirtualServiceSpec>, meshOf(inputs, read).clusterDomain),
  );
  const translated = graph.map<VirtualService, Translated>('virtual services as routes', named, (_key, object, read) =>
    isDelegate(object)
      ? undefined
      : checkRoutes(
          translateVirtualService(object, {
            mesh: meshOf(inputs, read),
            delegate: (namespace, name) => read.get(named, `VirtualService/${namespace}/${name}`),
            check: (namespace, host, _subset, port) => whyUnusable(read, services, namespace, host, port),
          }),
        ),
  );
  const routeSets = graph.map<Translated, RouteSet>('routes', translated, (_key, one) => one.routes ?? undefined);
  const complaints = graph.map<Translated, readonly Complaint[]>('complaints of routes', translated, (_key, one) =>
    one.complaints.length === 0 ? undefined : one.complaints,
  );
  return {
    routeSets,
    routesByHost: routeSets.index('by host', (_key, set) => new Set(set.hosts)),
    routesByParent: routeSets.index('by parent', (_key, set) => new Set(set.parents)),
    complaints,
  };
}

/** A set of which a proxy would refuse anything is left out as a whole: it would take everybody else's hosts with it. */
export function checkRoutes(made: {
  readonly routes: RouteSet;
  readonly complaints: readonly Complaint[];
}): Translated {
  const problems = routeProblems(made.routes);
  if (problems.length === 0) return made;
  const refusals = problems.map(({ objectKey, ruleIndex, message }): Complaint => {
    const remedy = 'Correct the field; until then the object has no effect.';
    return { objectKey, fieldPath: `spec.http[${ruleIndex}]`, message, remedy, severity: 'error' };
  });
  return { routes: null, complaints: [...refusals, ...made.complaints] };
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
