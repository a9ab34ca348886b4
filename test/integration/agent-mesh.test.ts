// The whole mesh as processes: our control plane and CA, agents that join by tokens, real Envoys and Heddle's proxies.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, test } from 'node:test';
import { arePeersRequired } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import { canRunEnvoy, type TestAgent } from './agent-rig.ts';
import { TestMesh } from './agent-mesh-rig.ts';

const missing = canRunEnvoy() || arePeersRequired() ? false : 'the real Envoy is not installed';
const agents: TestAgent[] = [];
const meshes: TestMesh[] = [];
const application = createServer((request, response) => {
  response.end(JSON.stringify({ url: request.url, peer: request.headers['x-forwarded-client-cert'] ?? '' }));
});
after(async () => {
  for (const agent of agents) await agent.stop('SIGKILL');
  for (const mesh of meshes) await mesh.stop();
  application.close();
});

type Ports = { readonly edge: number; readonly server: number; readonly app: number };

/** A gateway, and behind it a workload whose sidecar takes nothing but mutual TLS. */
function objects(ports: Ports, prefix = '/'): string {
  return `${workloads(ports)}---${rules(ports, prefix)}`;
}

function workloads({ server }: Ports): string {
  return `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: edge, namespace: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: server, namespace: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: edge, namespace: shop, labels: {istio: edge}}
spec: {serviceAccountName: edge, containers: [{name: proxy, image: proxy}]}
status: {phase: Running, podIP: 127.0.0.1, podIPs: [{ip: 127.0.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: server, namespace: shop, labels: {app: server, security.istio.io/tlsMode: istio}}
spec: {serviceAccountName: server, containers: [{name: app, image: app}]}
status: {phase: Running, podIP: 127.0.0.2, podIPs: [{ip: 127.0.0.2}]}
---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: shop}
spec:
  clusterIP: 10.96.0.10
  selector: {app: server}
  ports: [{name: http, port: 8000, targetPort: ${server}, protocol: TCP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: server-1, namespace: shop, labels: {kubernetes.io/service-name: server}}
addressType: IPv4
ports: [{name: http, port: ${server}, protocol: TCP}]
endpoints:
- addresses: [127.0.0.2]
  conditions: {ready: true}
  targetRef: {kind: Pod, name: server, namespace: shop}
`;
}

/** How they may speak with each other. */
function rules({ edge, server, app }: Ports, prefix: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: server, namespace: shop}
spec:
  workloadSelector: {labels: {app: server}}
  ingress:
  - port: {number: ${server}, protocol: HTTP, name: http}
    bind: 127.0.0.2
    captureMode: NONE
    defaultEndpoint: 127.0.0.1:${app}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: edge}
  servers:
  - port: {number: ${edge}, name: http, protocol: HTTP}
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: server, namespace: shop}
spec:
  hosts: ["*"]
  gateways: [edge]
  http:
  - match: [{uri: {prefix: ${prefix}}}]
    route: [{destination: {host: server.shop.svc.cluster.local, port: {number: 8000}}}]
`;
}

for (const [edgeKind, serverKind] of [
  ['envoy', 'envoy'],
  ['heddle', 'envoy'],
  ['envoy', 'heddle'],
] as const) {
  const needs = edgeKind === 'envoy' || serverKind === 'envoy' ? missing : false;
  test(`${edgeKind} before ${serverKind}, driven by heddle control`, { skip: needs, timeout: 90_000 }, async () => {
    if (!application.listening) await new Promise<void>((done) => application.listen(0, '127.0.0.1', done));
    const app = (application.address() as { readonly port: number }).port;
    const ports = { edge: await freePort(), server: await freePort(), app };
    const mesh = await TestMesh.start(objects(ports));
    meshes.push(mesh);
    const server = await mesh.agent('server', {
      ...(serverKind === 'heddle' ? { envoy: null } : {}),
      variables: {
        INSTANCE_IP: '127.0.0.2',
        ISTIO_META_INTERCEPTION_MODE: 'NONE',
        ISTIO_METAJSON_LABELS: '{"app": "server", "security.istio.io/tlsMode": "istio"}',
      },
    });
    const edge = await mesh.agent('edge', {
      ...(edgeKind === 'heddle' ? { envoy: null } : {}),
      role: 'router',
      variables: { ISTIO_METAJSON_LABELS: '{"istio": "edge"}' },
    });
    agents.push(server, edge);
    await server.answers(server.ports.status, '/healthz/ready');
    await edge.answers(edge.ports.status, '/healthz/ready');
    await edge.answers(ports.edge, '/one');
    const { body } = await edge.get(ports.edge, '/one');
    assert.match(body, /URI=spiffe:\/\/cluster\.local\/ns\/shop\/sa\/edge/);
    // Without a certificate of the mesh nobody gets through.
    const direct = await fetch(`http://127.0.0.2:${ports.server}/`).catch(() => null);
    assert.equal(direct, null);
    // A changed route is live soon, and a control plane that dies and comes again changes nothing.
    mesh.write(objects(ports, '/two'));
    await edge.until('the changed route', async () => (await edge.get(ports.edge, '/one')).status === 404);
    assert.equal((await edge.get(ports.edge, '/two')).status, 200);
    await mesh.stopControl('SIGKILL');
    assert.equal((await edge.get(ports.edge, '/two')).status, 200);
    await mesh.startControl();
    mesh.write(objects(ports, '/three'));
    await edge.until('the route after', async () => (await edge.get(ports.edge, '/three')).status === 200, 40_000);
    assert.deepEqual(await Promise.all([edge.stop(), server.stop()]), [0, 0]);
  });
}
