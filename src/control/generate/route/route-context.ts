// For whom routes are made: the caller, the listener's port, and what names of hosts mean there.
import type { Mesh } from '../../model/mesh.ts';
import type { Destination, HttpMatch } from '../../model/route.ts';
import { outboundCluster, UNKNOWN_SERVICE } from './cluster-names.ts';

/** What a name of a host stands for, as the listener sees it. */
export type SeenService = {
  /** Host for which it is another name; '' if it is a service itself. */
  readonly externalName: string;
  readonly ports: readonly number[];
};

export type Caller = {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
};

export type RouteContext = {
  readonly mesh: Pick<Mesh, 'raw'>;
  /** Of the service or of the gateway's server; 0 where one listener is for all ports. */
  readonly port: number;
  /** 'mesh', or the gateways by which requests come. */
  readonly parents: ReadonlySet<string>;
  readonly isTls: boolean;
  /** The caller is a library for gRPC: it knows time limits of whole streams only. */
  readonly isLibrary: boolean;
  readonly caller: Caller;
  readonly serviceOf: (host: string) => SeenService | undefined;
  /** The consistent hash (Istio's ConsistentHashLB) by which a destination is balanced; null for none. */
  readonly hashOf: (destination: Destination) => Readonly<Record<string, unknown>> | null;
};

/** The part of a match that is decided here and not by the proxy. */
export function concerns(
  match: Pick<HttpMatch, 'port' | 'parents' | 'sourceLabels' | 'sourceNamespace'>,
  context: Pick<RouteContext, 'port' | 'parents' | 'caller'>,
): boolean {
  if (match.port !== 0 && match.port !== context.port) return false;
  if (match.parents.length > 0) return match.parents.some((parent) => context.parents.has(parent));
  const { labels, namespace } = context.caller;
  if (Object.entries(match.sourceLabels).some(([name, value]) => labels[name] !== value)) return false;
  return match.sourceNamespace === '' || match.sourceNamespace === namespace;
}

/** Without a port it is the only one of the service, else the one by which the request came. */
export function clusterOf(destination: Destination, context: Pick<RouteContext, 'port' | 'serviceOf'>): string {
  if (destination.host === '') return UNKNOWN_SERVICE;
  const service = context.serviceOf(destination.host);
  const only = service?.ports.length === 1 ? service.ports[0]! : context.port;
  const port = destination.port === 0 ? only : destination.port;
  return outboundCluster(port, destination.subset, service?.externalName || destination.host);
}
