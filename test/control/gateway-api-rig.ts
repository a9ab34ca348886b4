// A mesh with gateways of the Gateway API, from texts of objects; and what a proxy that plays one sees.
import assert from 'node:assert/strict';
import { makeCa, makeCertificate } from '../support/certificates.ts';
import { MeshState } from '../../src/control/mesh-state.ts';
import type { ProxyNode } from '../../src/control/model/proxy.ts';
import { readNode } from '../../src/control/model/node.ts';
import { MemorySource } from '../../src/control/source/config-source.ts';
import { shown } from './stage-rig.ts';

export const CA = makeCa('ca');
const LEAF = makeCertificate({ issuer: CA });
export const API = 'apiVersion: gateway.networking.k8s.io/v1\n';
const TYPES = 'type.googleapis.com/envoy.';
export const LISTENERS = `${TYPES}config.listener.v3.Listener`;
export const ROUTES = `${TYPES}config.route.v3.RouteConfiguration`;
export const SECRETS = `${TYPES}extensions.transport_sockets.tls.v3.Secret`;

export type Files = Record<string, string | null>;
export type Mesh = { readonly state: MeshState; write(files: Files): void };

export function meshOf(files: Files): Mesh {
  const source = new MemorySource(files as Record<string, string>);
  const state = new MeshState({ cluster: 'Kubernetes', clusterDomain: 'cluster.local', network: '' });
  source.onChange((changes) => void state.apply(changes));
  source.start();
  const errors = (): string[] =>
    source.findings().flatMap(({ severity, message }) => (severity === 'error' ? [message] : []));
  assert.deepEqual(errors(), []);
  return {
    state,
    write: (changed) => {
      source.write(changed);
      assert.deepEqual(errors(), []);
    },
  };
}

export function proxy(namespace: string, labels: Record<string, string>, address = '10.0.0.1'): ProxyNode {
  const metadata = { NAMESPACE: namespace, LABELS: labels, INSTANCE_IPS: address, ISTIO_VERSION: '1.32.0' };
  const id = `router~${address}~gw.${namespace}~${namespace}.svc.cluster.local`;
  const node = readNode({ id, metadata, locality: { region: '', zone: '' } });
  assert.ok(!('error' in node));
  return node;
}

export const EDGE = proxy('edge', { 'gateway.networking.k8s.io/gateway-name': 'gw' });

/** 'NAME' → the resource's bytes as text, in which names and clusters can be looked for. */
export function seen({ state }: Mesh, typeUrl: string, node = EDGE): Map<string, string> {
  const key = `${node.id} ${JSON.stringify(node.labels)}`;
  const view = state.connect(key, { ...node, isProved: true });
  const found = new Map<string, string>();
  for (const table of view.tables(typeUrl)) {
    for (const name of table.names()) found.set(name, Buffer.from(table.get(name)!.body).toString('latin1'));
  }
  state.disconnect(key);
  return found;
}

export function complaints({ state }: Mesh, key: string): string[] {
  const all = state.stages.complaints.flatMap((one) => [...one.entries()].flatMap(([, found]) => found));
  return all.flatMap(({ objectKey, fieldPath, message }) => (objectKey === key ? [`${fieldPath}: ${message}`] : []));
}

export const SERVICE = (name: string, namespace: string): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: ${namespace}}\n` +
  'spec: {clusterIP: 10.1.0.9, clusterIPs: [10.1.0.9], ports: [{name: http, port: 80, targetPort: 80}]}\n';
export const GATEWAY = (listeners: string, more = '', namespace = 'edge'): string =>
  `${API}kind: Gateway\nmetadata: {name: gw, namespace: ${namespace}}\n` +
  `spec: {gatewayClassName: istio, ${more} listeners: [${listeners}]}\n`;
export const LISTENER = (name: string, rest: string): string => `{name: ${name}, ${rest}}`;
export const ROUTE = (namespace: string, name: string, rest = '', parent = ''): string =>
  `${API}kind: HTTPRoute\nmetadata: {name: ${name}, namespace: ${namespace}}\n` +
  `spec: {parentRefs: [{name: gw, namespace: edge${parent}}], ${rest}` +
  `rules: [{backendRefs: [{name: ${name}, port: 80}]}]}\n`;
export const SECRET = (namespace: string, name: string): string => {
  const text = (value: string): string => Buffer.from(value).toString('base64');
  const data = `{tls.crt: ${text(LEAF.pem)}, tls.key: ${text(LEAF.keyPem)}, ca.crt: ${text(CA.pem)}}`;
  return (
    `apiVersion: v1\nkind: Secret\nmetadata: {name: ${name}, namespace: ${namespace}}\n` +
    `type: kubernetes.io/tls\ndata: ${data}\n`
  );
};
export const NAMESPACE = (name: string, labels: string): string =>
  `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}, labels: {${labels}}}\n`;
export const CLUSTER = (name: string, namespace = 'shop'): string =>
  `outbound|80||${name}.${namespace}.svc.cluster.local`;

export const FROM_ALL = 'allowedRoutes: {namespaces: {from: All}}';
export const HTTP = (from = 'All', more = ''): string =>
  LISTENER('http', `port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: ${from}${more}}}`);
export const SHOP: Files = { 's.yaml': SERVICE('shop', 'shop'), 'r.yaml': ROUTE('shop', 'shop') };

/** A resource as `seen` gives it. */
export function decoded(typeUrl: string, text: string | undefined): unknown {
  return shown(typeUrl, Buffer.from(text ?? '', 'latin1'));
}

/** Each domain of a table with the cluster to which its first route goes. */
export function hostsOf(mesh: Mesh, name: string): [string, string][] {
  type Host = { domains: string[]; routes?: { route?: { cluster?: string } }[] };
  const { virtual_hosts: hosts } = decoded(ROUTES, seen(mesh, ROUTES).get(name)) as { virtual_hosts: Host[] };
  return hosts.flatMap(({ domains, routes = [] }) =>
    domains.map((domain): [string, string] => [domain, routes[0]?.route?.cluster ?? '']),
  );
}
