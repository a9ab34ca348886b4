// VirtualService → RouteSet: names in full, delegates merged, every rule with its origin.
import type { Mesh } from '../../model/mesh.ts';
import { configReference } from '../../model/origin.ts';
import type { HttpRule, L4Rule, RouteSet, TlsMatch } from '../../model/route.ts';
import type { ConfigObject } from '../../source/object.ts';
import type { Complaint, ComplaintSink } from '../complaint.ts';
import { mergeDelegated } from './delegate.ts';
import { backendOf, type DestinationCheck, httpRule } from './http-rule.ts';
import { fullGateway, fullHost, isVisibleIn, visibility } from './names.ts';
import type {
  DestinationSpec,
  HttpRouteSpec,
  L4RouteSpec,
  RouteDestinationSpec,
  VirtualServiceSpec,
} from './virtual-service-spec.ts';

export type VirtualService = ConfigObject<VirtualServiceSpec>;

export type VirtualServiceContext = {
  readonly mesh: Pick<Mesh, 'defaultVirtualServiceExportTo'>;
  /** Another one, its names in full. */
  readonly delegate: (namespace: string, name: string) => VirtualService | undefined;
  /** Why rules of that namespace cannot use a destination; null if they can. */
  readonly check: (namespace: string, host: string, subset: string, port: number) => string | null;
};

const KEY_PREFIX = 'VirtualService';
/** Delegates say no hosts: only others refer to them. */
export function isDelegate(object: VirtualService): boolean {
  return (object.spec.hosts ?? []).length === 0;
}

/** The same object with hosts, gateways and delegates in full. */
export function resolveNames(object: VirtualService, clusterDomain: string): VirtualService {
  const { spec, namespace } = object;
  const hostOf = (host: string): string => fullHost(host, namespace, clusterDomain).toLowerCase();
  const gatewaysOf = (gateways: readonly string[]): string[] => gateways.map((name) => fullGateway(name, namespace));
  const destinationOf = <D extends DestinationSpec | undefined>(destination: D): D =>
    destination?.host === undefined
      ? destination
      : { ...destination, host: fullHost(destination.host, namespace, clusterDomain) };
  const routesOf = (routes: readonly RouteDestinationSpec[] | undefined): RouteDestinationSpec[] =>
    (routes ?? []).map((route) => ({ ...route, ...given('destination', destinationOf(route.destination)) }));
  const matchesOf = <M extends { gateways?: readonly string[] }>(matches: readonly M[] | undefined): M[] =>
    (matches ?? []).map((match) =>
      match.gateways === undefined ? match : { ...match, gateways: gatewaysOf(match.gateways) },
    );
  const l4Of = (rules: readonly L4RouteSpec[] | undefined): L4RouteSpec[] =>
    (rules ?? []).map((rule) => ({ match: matchesOf(rule.match), route: routesOf(rule.route) }));
  const httpOf = (rule: HttpRouteSpec): HttpRouteSpec => ({
    ...rule,
    match: matchesOf(rule.match),
    ...given('route', rule.route === undefined ? undefined : routesOf(rule.route)),
    ...given('mirror', destinationOf(rule.mirror)),
    ...given(
      'mirrors',
      rule.mirrors?.map((mirror) => ({ ...mirror, ...given('destination', destinationOf(mirror.destination)) })),
    ),
  });
  const resolved: VirtualServiceSpec = {
    ...spec,
    hosts: (spec.hosts ?? []).map(hostOf),
    gateways: gatewaysOf(spec.gateways === undefined || spec.gateways.length === 0 ? ['mesh'] : spec.gateways),
    http: (spec.http ?? []).map(httpOf),
    tls: l4Of(spec.tls),
    tcp: l4Of(spec.tcp),
  };
  return { ...object, spec: resolved };
}

function given<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}

/** Of an object with hosts, its names in full. */
export function translateVirtualService(
  object: VirtualService,
  context: VirtualServiceContext,
): { readonly routes: RouteSet; readonly complaints: readonly Complaint[] } {
  const { spec, namespace, name } = object;
  const key = `${KEY_PREFIX}/${namespace}/${name}`;
  const complaints: Complaint[] = [];
  const complain: ComplaintSink = (complaint) => complaints.push(complaint);
  complainOfWeights(spec, key, complain);
  const hosts = (spec.hosts ?? []).filter((host, index) => isHost(host, index, object, key, complain));
  const routes: RouteSet = {
    key,
    namespace,
    name,
    reference: configReference('networking.istio.io', KEY_PREFIX, namespace, name),
    creationMs: object.creationMs,
    hosts,
    parents: spec.gateways ?? [],
    exportTo: visibility(spec.exportTo, context.mesh.defaultVirtualServiceExportTo, namespace),
    http: httpRules(object, key, context, complain),
    l4: [...l4Rules(object, key, 'tls', context, complain), ...l4Rules(object, key, 'tcp', context, complain)],
    ports: [],
    isStrict: false,
  };
  return { routes, complaints };
}

/** Istio's webhook refuses these; proxies answer 500 where no share is above 0. */
function complainOfWeights(spec: VirtualServiceSpec, objectKey: string, complain: ComplaintSink): void {
  for (const part of ['http', 'tls', 'tcp'] as const) {
    for (const [i, { route = [] }] of (spec[part] ?? []).entries()) {
      const fieldPath = `spec.${part}[${i}].route`;
      const weights = route.map(({ weight = 0 }) => weight);
      const negative = weights.findIndex((weight) => weight < 0);
      if (negative >= 0) {
        const message = `${weights[negative]} is no share of requests`;
        const remedy = 'write 0 or more';
        complain({ objectKey, fieldPath: `${fieldPath}[${negative}].weight`, message, remedy, severity: 'error' });
      } else if (route.length > 1 && weights.every((weight) => weight === 0)) {
        const message = 'no destination has a weight above 0: requests are answered with 500';
        complain({ objectKey, fieldPath, message, remedy: 'give the destinations weights', severity: 'error' });
      }
    }
  }
}

/** Names with one wildcard in front, and addresses. Others would make proxies refuse the table. */
const HOST = /^(?:\*|(?:\*\.)?[a-zA-Z0-9_](?:[-\w.]*[a-zA-Z0-9_.])?|[\da-fA-F:.]+)$/;

function isHost(
  host: string,
  index: number,
  { spec }: VirtualService,
  objectKey: string,
  complain: ComplaintSink,
): boolean {
  const fieldPath = `spec.hosts[${index}]`;
  if (!HOST.test(host)) {
    const remedy = "Write a name, '*.' and a name, or an address.";
    complain({ objectKey, fieldPath, message: `'${host}' is no host`, remedy, severity: 'error' });
    return false;
  }
  if (host === '*' && spec.gateways?.includes('mesh')) {
    const message = "in the mesh, '*' stands for the services there are, not for hosts that nobody knows";
    const remedy = 'Name the hosts, or bind the rules to a gateway alone.';
    complain({ objectKey, fieldPath, message, remedy, severity: 'warning' });
  }
  return true;
}

function httpRules(
  root: VirtualService,
  key: string,
  context: VirtualServiceContext,
  complain: ComplaintSink,
): HttpRule[] {
  return (root.spec.http ?? []).flatMap((spec, index): HttpRule[] => {
    const path = `spec.http[${index}]`;
    if (spec.delegate === undefined) {
      return [httpRule(spec, { key, index }, checked(root.namespace, key, path, context, complain))];
    }
    const delegate = delegateOf(root, spec.delegate, context);
    if (typeof delegate === 'string') {
      const remedy = 'Create the VirtualService, without hosts, and export it to this namespace.';
      complain({ objectKey: key, fieldPath: `${path}.delegate`, message: delegate, remedy, severity: 'error' });
      return [];
    }
    const delegateKey = `${KEY_PREFIX}/${delegate.namespace}/${delegate.name}`;
    return (delegate.spec.http ?? []).flatMap((leaf, leafIndex): HttpRule[] => {
      const merged = mergeDelegated(spec, leaf);
      if (merged === null) {
        const full = `${delegate.namespace}/${delegate.name}`;
        const message = `http[${leafIndex}] of ${full} takes requests that this rule does not pass on`;
        const remedy =
          'Let each match of the delegate be narrower than one of this rule; expressions cannot be compared.';
        complain({ objectKey: key, fieldPath: `${path}.delegate`, message, remedy, severity: 'warning' });
        return [];
      }
      const leafPath = `spec.http[${leafIndex}]`;
      const check = checked(delegate.namespace, delegateKey, leafPath, context, complain);
      return [httpRule(merged, { key: delegateKey, index: leafIndex }, check)];
    });
  });
}

/** The object, or why there is none. */
function delegateOf(
  root: VirtualService,
  reference: { namespace?: string; name?: string },
  context: VirtualServiceContext,
): VirtualService | string {
  const namespace =
    reference.namespace === undefined || reference.namespace === '' ? root.namespace : reference.namespace;
  const full = `${namespace}/${reference.name ?? ''}`;
  const delegate = context.delegate(namespace, reference.name ?? '');
  if (delegate === undefined || !isDelegate(delegate)) return `there is no VirtualService ${full} without hosts`;
  const exportTo = visibility(delegate.spec.exportTo, context.mesh.defaultVirtualServiceExportTo, namespace);
  if (!isVisibleIn(exportTo, root.namespace)) return `${full} is not exported to ${root.namespace}`;
  return delegate;
}

/** Each destination is complained of once per object. */
function checked(
  namespace: string,
  objectKey: string,
  fieldPath: string,
  context: VirtualServiceContext,
  complain: ComplaintSink,
): DestinationCheck {
  const known = new Set<string>();
  return (host, subset, port) => {
    const reason = context.check(namespace, host, subset, port);
    const id = `${host} ${subset} ${port}`;
    if (reason !== null && !known.has(id)) {
      known.add(id);
      const remedy = 'Correct the host, or create the Service or ServiceEntry; until then its share of requests fails.';
      complain({ objectKey, fieldPath, message: reason, remedy, severity: 'warning' });
    }
    return reason;
  };
}

function l4Rules(
  object: VirtualService,
  key: string,
  field: 'tls' | 'tcp',
  context: VirtualServiceContext,
  complain: ComplaintSink,
): L4Rule[] {
  return (object.spec[field] ?? []).map((rule, index) => {
    const check = checked(object.namespace, key, `spec.${field}[${index}]`, context, complain);
    return {
      origin: { key, index },
      isTls: field === 'tls',
      matches: (rule.match ?? []).map(
        (match): TlsMatch => ({
          sniHosts: match.sniHosts ?? [],
          destinationSubnets: match.destinationSubnets ?? [],
          port: match.port ?? 0,
          sourceLabels: match.sourceLabels ?? {},
          sourceNamespace: match.sourceNamespace ?? '',
          parents: match.gateways ?? [],
        }),
      ),
      backends: (rule.route ?? []).map((route) => backendOf(route, check)),
    };
  });
}
