// A scenario: objects for both halves of a mesh and calls; how both are written. `$NS` and `$N` stand for the half that
// is called: its namespace and the third number of its addresses.
import type { Call } from './mesh-client.ts';

export type DrivenCall = Call & {
  /** A client of the mesh, or somebody outside of it who has no proxy. */
  readonly from?: 'client' | 'outside';
  /** The status that it has in both; absent: whatever both say. */
  readonly is?: number | undefined;
  /** Calls of each client; 4 without. */
  readonly repeat?: number;
  /** Which pod answers matters. */
  readonly isExact?: boolean;
  /** How often who saw it matters, too (retries, mirrors). */
  readonly countsHits?: boolean;
  /** Share of answers by pod: between these. */
  readonly share?: Readonly<Record<string, readonly [number, number]>>;
};

export type Scenario = { readonly objects: string; readonly calls: Readonly<Record<string, DrivenCall>> };

const WEB = '10.96.$N.1:80';
const TCP = '10.96.$N.2:9000';

export type Fields = Omit<DrivenCall, 'to'> & { readonly to?: string };

/** To the server, through its service. */
export function web(path: string, { headers = {}, ...more }: Fields = {}): DrivenCall {
  return { to: WEB, path, is: 200, ...more, headers: { host: 'web.$NS', ...headers } };
}

/** Straight to a pod, in plain text, from outside. */
export function direct(path: string, { headers = {}, ...more }: Fields = {}): DrivenCall {
  return { to: '10.60.$N.2:8080', path, from: 'outside', ...more, headers: { host: 'web.$NS', ...headers } };
}

export function edge(path: string, { headers = {}, ...more }: Fields = {}): DrivenCall {
  return { to: '10.60.$N.4:8080', path, from: 'outside', ...more, headers: { host: 'shop.$NS.example', ...headers } };
}

export const bytes = (more: Fields = {}): DrivenCall => ({ to: TCP, bytes: 'hello', ...more });

export function virtualService(name: string, spec: string): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: $NS}
spec:
${spec.replaceAll(/^/gm, '  ')}`;
}

export function destinationRule(name: string, spec: string): string {
  return virtualService(name, spec).replace('VirtualService', 'DestinationRule');
}

export function policy(name: string, spec: string): string {
  return virtualService(name, spec)
    .replace('networking.', 'security.')
    .replace('VirtualService', 'AuthorizationPolicy');
}

export function peers(name: string, spec: string): string {
  return policy(name, spec).replace('AuthorizationPolicy', 'PeerAuthentication');
}

export function gateway(name: string, servers: string): string {
  return virtualService(name, `selector: {istio: edge-$N}\nservers:\n${servers}`).replace('VirtualService', 'Gateway');
}

export const SUBSETS = destinationRule(
  'web',
  `host: web.$NS.svc.cluster.local
subsets:
- {name: v1, labels: {version: v1}}
- {name: v2, labels: {version: v2}}`,
);

export const to = (subset: string): string => `{host: web.$NS.svc.cluster.local, subset: ${subset}}`;
