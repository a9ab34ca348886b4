// Routes of the Gateway API: what each gives to the hosts it is attached to, merged where several have one host.
import type { Collection } from '../../base/collection.ts';
import { configReference } from '../model/origin.ts';
import type { HttpRule, L4Rule, RouteSet } from '../model/route.ts';
import type { ConfigObject } from '../source/object.ts';
import type { Complaint, ComplaintSink } from '../translate/complaint.ts';
import type { BackendContext } from '../translate/gateway-api/backends.ts';
import { byPrecedence, grpcRules, httpRules, onPort } from '../translate/gateway-api/http-rules.ts';
import { l4Rules, placeTcp, placeTls } from '../translate/gateway-api/l4-rules.ts';
import { GATEWAY_API, isGranted } from '../translate/gateway-api/reference-grant.ts';
import {
  type Attachment,
  gatewayAttachments,
  type GatewayParent,
  meshAttachments,
} from '../translate/gateway-api/route-parents.ts';
import type { GrpcRouteRule, HttpRouteRule, L4RouteRule, RouteSpec } from '../translate/gateway-api/route-spec.ts';
import type { Inputs } from './inputs.ts';
import { soundRules, whyUnusable } from './route-checks.ts';
import { meshOf, type ServicesStage } from './services-stage.ts';

export type GatewayApiRoutes = {
  readonly routeSets: Collection<RouteSet>;
  readonly complaints: Collection<readonly Complaint[]>;
};

/** What one route gives to one host. */
type Share = {
  /** Shares with one key are one set, and that is its name. */
  readonly set: string;
  readonly kind: RouteKind;
  readonly namespace: string;
  readonly name: string;
  readonly creationMs: number;
  readonly host: string;
  readonly parent: string;
  readonly exportTo: ReadonlySet<string>;
  readonly http: readonly HttpRule[];
  readonly l4: readonly L4Rule[];
};
type Made = { readonly shares: readonly Share[]; readonly complaints: readonly Complaint[] };
type RouteKind = 'HTTPRoute' | 'GRPCRoute' | 'TCPRoute' | 'TLSRoute';

const KINDS: readonly RouteKind[] = ['HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute'];

/** `parents`: listeners that take a route, by the route's object key. */
export function gatewayApiRoutesStage(
  inputs: Inputs,
  services: ServicesStage,
  parents: Collection<readonly GatewayParent[]>,
): GatewayApiRoutes {
  const { graph } = inputs;
  const grants = inputs.kind('ReferenceGrant').index('by namespace of grant', (_key, grant) => [grant.namespace]);
  const entries = inputs.kind('ServiceEntry');
  const made = KINDS.map((kind) =>
    graph.map<ConfigObject, Made>(`shares of each ${kind}`, inputs.kind(kind), (key, object, read) => {
      const mesh = meshOf(inputs, read);
      const context: BackendContext = {
        ...{ kind, namespace: object.namespace, clusterDomain: mesh.clusterDomain },
        isGranted: (ref) => {
          const from = { group: GATEWAY_API, kind, namespace: object.namespace };
          return isGranted(read.lookup(grants, ref.namespace), from, ref);
        },
        unusable: (host, port) => whyUnusable(read, services, object.namespace, host, port),
      };
      const hostsOfEntry = (namespace: string, name: string): readonly string[] | undefined =>
        read.get(entries, `ServiceEntry/${namespace}/${name}`)?.spec['hosts'] as string[] | undefined;
      const isService = (namespace: string, host: string): boolean =>
        read.get(services.services, `${namespace}/${host}`) !== undefined;
      const { parentRefs = [], hostnames = [] } = object.spec as RouteSpec<unknown>;
      const complaints: Complaint[] = [];
      const complain: ComplaintSink = (complaint) => complaints.push(complaint);
      const attachments = [
        ...ofMesh(parentRefs, object, key, { clusterDomain: mesh.clusterDomain, hostsOfEntry, isService }, complain),
        ...gatewayAttachments(read.get(parents, key) ?? [], hostnames),
      ];
      const shares = attachments.length === 0 ? [] : sharesOf(kind, key, object, attachments, context, complain);
      return { shares, complaints };
    }),
  );
  const all = graph.union('shares of routes', ...made);
  const shares = graph.flatMap<Made, Share>('shares in sets', all, (key, { shares: found }) =>
    found.map((share, index): [string, Share] => [`${key} ${String(index).padStart(4, '0')}`, share]),
  );
  const bySet = shares.index('by set', (_key, share) => [share.set]);
  return {
    routeSets: graph.flatMap<Share, RouteSet>('routes of the Gateway API', shares, (_key, share, read) => [
      [share.set, merged(share.set, read.lookup(bySet, share.set))],
    ]),
    complaints: graph.map<Made, readonly Complaint[]>('complaints of the Gateway API', all, (_key, { complaints }) =>
      complaints.length === 0 ? undefined : complaints,
    ),
  };
}

function ofMesh(
  refs: Parameters<typeof meshAttachments>[0],
  object: ConfigObject,
  objectKey: string,
  context: Parameters<typeof meshAttachments>[2],
  complain: ComplaintSink,
): Attachment[] {
  return meshAttachments(refs, object.namespace, context).filter((found): found is Attachment => {
    if (!('missing' in found)) return true;
    const remedy = 'Correct the reference, or create what it names.';
    const fieldPath = `spec.parentRefs[${found.index}]`;
    complain({ objectKey, fieldPath, message: found.missing, remedy, severity: 'error' });
    return false;
  });
}

function sharesOf(
  kind: RouteKind,
  key: string,
  object: ConfigObject,
  attachments: readonly Attachment[],
  context: BackendContext,
  complain: ComplaintSink,
): Share[] {
  const { namespace, name, creationMs } = object;
  const { rules = [], hostnames = [] } = object.spec as RouteSpec<unknown>;
  const route = { key, namespace, name };
  const rulesOfHttp =
    kind === 'HTTPRoute'
      ? httpRules(rules as HttpRouteRule[], route, context, complain)
      : kind === 'GRPCRoute'
        ? grpcRules(rules as GrpcRouteRule[], route, context, complain)
        : [];
  const http = soundRules(rulesOfHttp, complain);
  const isTls = kind === 'TLSRoute';
  const isHttp = kind === 'HTTPRoute' || kind === 'GRPCRoute';
  const l4 = isHttp ? [] : l4Rules(rules as L4RouteRule[], isTls, route, context, complain);
  const label = isTls ? 'tls' : 'tcp';
  let count = 0;
  return attachments.flatMap((attachment) => {
    const { parent, scope, exportTo, port } = attachment;
    const hosts = kind === 'TCPRoute' && parent !== 'mesh' ? ['*'] : attachment.hosts;
    return hosts.map((host): Share => {
      const own = `${name}~${label}~${count++}~istio-autogenerated-k8s-gateway`;
      const setName = isHttp ? `${scope}/${host}`.replaceAll('/', '~') : own;
      const setKey = isHttp ? `${kind}s/${setName}` : `${kind}s/${namespace}/${setName}`;
      const placed = isTls ? placeTls(l4, hostnames, attachment, host) : placeTcp(l4, attachment);
      const base = { kind, namespace, name, creationMs, host, parent, exportTo };
      return { ...base, set: setKey, http: onPort(http, port), l4: placed };
    });
  });
}

/** Rules of all shares in the API's order: among equals those of the oldest route first. */
function merged(key: string, shares: readonly Share[]): RouteSet {
  const sorted = [...shares].sort(
    (a, b) => a.creationMs - b.creationMs || compare(a.namespace, b.namespace) || compare(a.name, b.name),
  );
  const [first] = sorted as [Share, ...Share[]];
  const name = key.slice(key.lastIndexOf('/') + 1);
  return {
    ...{ key, namespace: first.namespace, name, creationMs: first.creationMs },
    reference: configReference('networking.istio.io', 'VirtualService', first.namespace, name),
    hosts: [first.host],
    parents: [first.parent],
    exportTo: first.exportTo,
    http: sorted.flatMap(({ http }) => http).sort(byPrecedence),
    l4: sorted.flatMap(({ l4 }) => l4),
    ports: [],
    isStrict: true,
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
