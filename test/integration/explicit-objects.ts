// The objects of a small shop: a caller, reviews and a gRPC counter in two versions, stores over TCP, hosts outside.
import type { Workload } from './explicit-rig.ts';

export type Shop = {
  readonly caller: Workload;
  readonly one: Workload;
  readonly two: Workload;
  /** Where an external server is. */
  readonly externalPort: number;
  readonly split: readonly [number, number];
};

export function shopObjects(shop: Shop): string {
  return [settings(), accounts(shop), services(), routes(shop), rules(), external(shop)].join('\n---\n');
}

/** Requests are counted by Istio's metrics. */
function settings(): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    defaultProviders: {metrics: [prometheus]}`;
}

function accounts({ caller, one, two }: Shop): string {
  const documents = ['apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}'];
  for (const { name, address, labels: own } of [caller, one, two]) {
    const labels = { ...own, 'security.istio.io/tlsMode': 'istio' };
    documents.push(
      `apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: ${name}, namespace: shop}`,
      `apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: shop, labels: ${JSON.stringify(labels)}}
spec: {serviceAccountName: ${name}, containers: [{name: app, image: app}]}
status: {phase: Running, podIP: ${address}, podIPs: [{ip: ${address}}], conditions: [{type: Ready, status: "True"}]}`,
    );
  }
  for (const { name, port, portName, target, version } of SERVICES) {
    const pods = [one, two].filter(({ labels }) => version === '' || labels['version'] === version);
    const endpoints = pods.map(({ name: pod, address }) => {
      const targetRef = `{kind: Pod, name: ${pod}, namespace: shop}`;
      return `- {addresses: [${address}], conditions: {ready: true}, targetRef: ${targetRef}}`;
    });
    documents.push(`apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-1, namespace: shop, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
ports: [{name: ${portName}, port: ${target ?? port}, protocol: TCP}]
endpoints:
${endpoints.join('\n')}`);
  }
  return documents.join('\n---\n');
}

type TestService = {
  readonly name: string;
  readonly port: number;
  readonly portName: string;
  readonly target?: number;
  /** Of the pods behind it; '' for all. */
  readonly version: string;
};

/** Without addresses: who has a name needs none. */
const SERVICES: readonly TestService[] = [
  { name: 'reviews', port: 9080, portName: 'http', version: '' },
  { name: 'plain', port: 80, portName: 'http', target: 8080, version: 'v2' },
  { name: 'counter', port: 9090, portName: 'grpc', version: '' },
  { name: 'store', port: 6379, portName: 'tcp', version: 'v1' },
  { name: 'other-store', port: 6379, portName: 'tcp', version: 'v2' },
  { name: 'unknown', port: 7000, portName: 'data', version: 'v2' },
];

function services(): string {
  const texts = SERVICES.map(({ name, port, portName, target, version }) => {
    const selector = version === '' ? '{app: reviews}' : `{app: reviews, version: ${version}}`;
    return `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {selector: ${selector}, ports: [{name: ${portName}, port: ${port}, targetPort: ${target ?? port}}]}`;
  });
  return texts.join('\n---\n');
}

function routes({ split: [first, second] }: Shop): string {
  const subsets = ['reviews', 'counter'].map(
    (name) => `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}, namespace: shop}
spec:
  host: ${name}
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
`,
  );
  return `${subsets.join('---\n')}---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: counter, namespace: shop}
spec:
  hosts: [counter.shop.svc.cluster.local]
  http:
  - route:
    - {destination: {host: counter, subset: v1}, weight: ${first}}
    - {destination: {host: counter, subset: v2}, weight: ${second}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - match: [{headers: {x-user: {exact: jason}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - match: [{uri: {prefix: /fault}}]
    fault: {abort: {httpStatus: 418, percentage: {value: 100}}}
    route: [{destination: {host: reviews, subset: v1}}]
  - match: [{port: 9080}]
    route:
    - {destination: {host: reviews, subset: v1}, weight: ${first}}
    - {destination: {host: reviews, subset: v2}, weight: ${second}}`;
}

function rules(): string {
  return `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-admin, namespace: shop}
spec:
  action: DENY
  rules: [{to: [{operation: {paths: ["/admin*"], ports: ["9080"]}}]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: caller-only, namespace: shop}
spec:
  selector: {matchLabels: {version: v1}}
  rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/caller]}}]}]`;
}

function external({ externalPort }: Shop): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: external, namespace: shop}
spec:
  hosts: [external.example]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 8443, name: tls, protocol: TLS}]
  endpoints: [{address: 127.0.0.1, ports: {tls: ${externalPort}}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: anywhere, namespace: shop}
spec:
  hosts: ["*.anywhere.example"]
  location: MESH_EXTERNAL
  resolution: NONE
  ports: [{number: 443, name: tls, protocol: TLS}, {number: 80, name: http, protocol: HTTP}]`;
}

/** A service that comes when the others are there. */
export function lateService({ one }: Pick<Shop, 'one'>): string {
  return `apiVersion: v1
kind: Service
metadata: {name: late, namespace: shop}
spec: {selector: {version: v1}, ports: [{name: tcp, port: 5000, targetPort: 6379}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: late-1, namespace: shop, labels: {kubernetes.io/service-name: late}}
addressType: IPv4
ports: [{name: tcp, port: 6379, protocol: TCP}]
endpoints:
- {addresses: [${one.address}], conditions: {ready: true}, targetRef: {kind: Pod, name: ${one.name}, namespace: shop}}`;
}

/** An ingress gateway before the reviews. */
export function edgeObjects({ name, address }: Workload): string {
  return `apiVersion: v1
kind: ServiceAccount
metadata: {name: ${name}, namespace: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: shop, labels: {istio: edge}}
spec: {serviceAccountName: ${name}, containers: [{name: proxy, image: proxy}]}
status: {phase: Running, podIP: ${address}, podIPs: [{ip: ${address}}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: edge}
  servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: shop}
spec:
  hosts: ["*"]
  gateways: [edge]
  http: [{route: [{destination: {host: plain.shop.svc.cluster.local, port: {number: 80}}}]}]`;
}

export function registryOnly(): string {
  return `apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: shop}
spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}`;
}
