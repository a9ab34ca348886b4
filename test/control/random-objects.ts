// A pool of small objects of all kinds that change each other's effect, in several versions each.
import { GATEWAY_POOL } from './random-gateway-objects.ts';

/** Files by name; each has some versions of its text, and may be absent. */
export const POOL: Readonly<Record<string, readonly string[]>> = {
  'mesh.yaml': [
    'trustDomain: cluster.local\nrootNamespace: istio-system\n',
    'rootNamespace: istio-system\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\n',
  ],
  'a.yaml': [
    service('a', 'one', '10.0.0.1', '{name: http, port: 80, targetPort: 8080}'),
    service('a', 'one', '10.0.0.1', '{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 9000}'),
    service('a', 'one', '10.0.0.9', '{name: http, port: 81, targetPort: 8080}'),
  ],
  'b.yaml': [
    service('b', 'one', '10.0.0.2', '{name: http, port: 80}'),
    service('b', 'two', '10.0.0.2', '{name: grpc, port: 80}'),
    service('b', 'one', 'None', '{name: tcp, port: 7000}'),
  ],
  'slice-a.yaml': [slice('a', 'one', ['10.1.0.1']), slice('a', 'one', ['10.1.0.1', '10.1.0.2']), slice('a', 'one', [])],
  'slice-b.yaml': [slice('b', 'one', ['10.1.1.1']), slice('b', 'one', ['10.1.1.2'])],
  'pod.yaml': [pod('one', 'a-1', '10.1.0.1', 'a'), pod('one', 'a-1', '10.1.0.1', 'other')],
  'routes.yaml': [
    virtualService('r', 'one', 'a', '{destination: {host: a}}'),
    virtualService('r', 'one', 'a', '{destination: {host: a}, weight: 60}, {destination: {host: b}, weight: 40}'),
    virtualService('r', 'one', 'b.one.svc.cluster.local', '{destination: {host: a, subset: v1}}'),
  ],
  'private.yaml': [
    virtualService('p', 'two', 'a.one.svc.cluster.local', '{destination: {host: b.one.svc.cluster.local}}', ' ["."]'),
  ],
  'rule.yaml': [
    'apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: d, namespace: one}\n' +
      'spec: {host: a, subsets: [{name: v1, labels: {version: v1}}]}\n',
    'apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: d, namespace: one}\n' +
      'spec: {host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}}\n',
    'apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: d, namespace: one}\n' +
      'spec: {host: "*.one.svc.cluster.local", trafficPolicy: {tls: {mode: DISABLE}}}\n',
  ],
  'entry.yaml': [
    'apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: e, namespace: one}\n' +
      'spec: {hosts: [ext.example.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}\n',
    'apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: e, namespace: one}\n' +
      'spec: {hosts: [ext.example.com, a.one.svc.cluster.local], ports: [{number: 80, name: http, protocol: HTTP}], ' +
      'resolution: STATIC, location: MESH_INTERNAL, endpoints: [{address: 10.9.0.1}]}\n',
  ],
  'sidecar.yaml': [
    'apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: default, namespace: one}\n' +
      'spec: {egress: [{hosts: ["./*"]}]}\n',
    'apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: default, namespace: istio-system}\n' +
      'spec: {egress: [{hosts: ["one/a.one.svc.cluster.local"]}], outboundTrafficPolicy: {mode: REGISTRY_ONLY}}\n',
  ],
  'peers.yaml': [peers('istio-system', 'STRICT'), peers('one', 'DISABLE'), peers('one', 'PERMISSIVE')],
  'access.yaml': [
    'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: x, namespace: one}\n' +
      'spec: {selector: {matchLabels: {app: a}}, rules: [{to: [{operation: {methods: [GET]}}]}]}\n',
    'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n' +
      'metadata: {name: x, namespace: istio-system}\nspec: {}\n',
  ],
  'gateway.yaml': [
    'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: one}\n' +
      'spec: {selector: {istio: gw}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}\n' +
      '---\n' +
      'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: g, namespace: one}\n' +
      'spec: {hosts: ["*"], gateways: [g], http: [{route: [{destination: {host: a}}]}]}\n',
  ],
  ...GATEWAY_POOL,
};

function service(name: string, namespace: string, address: string, ports: string): string {
  return (
    `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: ${namespace}}\n` +
    `spec: {clusterIP: ${address}, selector: {app: ${name}}, ports: [${ports}]}\n`
  );
}

function slice(service: string, namespace: string, addresses: readonly string[]): string {
  const endpoints = addresses.map((address) => `{addresses: ["${address}"], conditions: {ready: true}}`).join(', ');
  return (
    `apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n` +
    `metadata: {name: ${service}-1, namespace: ${namespace}, labels: {kubernetes.io/service-name: ${service}}}\n` +
    `endpoints: [${endpoints}]\nports: [{name: http, port: 8080, protocol: TCP}]\n`
  );
}

function pod(namespace: string, name: string, address: string, app: string): string {
  const labels = `{app: ${app}, version: v1, security.istio.io/tlsMode: istio}`;
  const conditions = '[{type: Ready, status: "True"}]';
  return (
    `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: ${namespace}, labels: ${labels}}\n` +
    `spec: {serviceAccountName: ${app}, containers: [{name: c, image: i}]}\n` +
    `status: {phase: Running, podIP: ${address}, podIPs: [{ip: ${address}}], conditions: ${conditions}}\n`
  );
}

function virtualService(name: string, namespace: string, host: string, route: string, exportTo = ''): string {
  return (
    `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: ${name}, namespace: ${namespace}}\n` +
    `spec:\n  hosts: [${host}]\n  http: [{route: [${route}]}]\n${exportTo === '' ? '' : `  exportTo:${exportTo}\n`}`
  );
}

function peers(namespace: string, mode: string): string {
  return (
    `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: ${namespace}}\n` +
    `spec: {mtls: {mode: ${mode}}}\n`
  );
}
