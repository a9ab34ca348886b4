// The mesh under measurement as a folder of YAML: N services with an EndpointSlice and two Pods each, one file apiece.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const NAMESPACE = 'mesh';
export const PORT = 80;
const TARGET_PORT = 8080;
export const PODS_PER_SERVICE = 2;

export type PodFacts = { readonly name: string; readonly address: string; readonly app: string };

/** `text` is in the resources of every proxy once the change has arrived; `types` are those that must carry it. */
export type FileChange = {
  readonly text: string;
  readonly types: readonly ('cds' | 'eds' | 'lds' | 'hosts')[];
  readonly apply: () => void;
};

export function serviceName(service: number): string {
  return `svc-${String(service).padStart(4, '0')}`;
}

/** The pods in order: the first `services` are the first ones of each service, so that proxies spread over services. */
export function podOf(index: number, services: number): PodFacts {
  const service = index % services;
  const replica = Math.floor(index / services);
  const app = serviceName(service);
  return { name: `${app}-${replica}`, address: podAddress(service, replica), app };
}

function podAddress(service: number, replica: number): string {
  return `10.${1 + replica}.${service >> 8}.${service & 255}`;
}

/** A folder that `heddle control --config` reads, and the changes that the bench makes in it. */
export class MeshFiles {
  readonly folder: string;
  readonly services: number;
  #changes = 0;

  constructor(folder: string, services: number) {
    this.folder = folder;
    this.services = services;
    for (const name of ['services', 'routes']) mkdirSync(join(folder, name), { recursive: true });
    this.#write('mesh.yaml', 'defaultProviders:\n  metrics:\n  - prometheus\nenablePrometheusMerge: true\n');
    this.#write('namespaces.yaml', document('v1', 'Namespace', NAMESPACE, ''));
    for (let i = 0; i < services; i++) this.#writeService(i, podAddress(i, 0));
    // So that a changed route is a change of one, as in istiod's measurement.
    this.#write('routes/route.yaml', virtualService(serviceName(0), 'none'));
  }

  /** A header that one service's route sets. */
  changeRoute(): FileChange {
    const text = `change-${++this.#changes}-of-route`;
    const apply = (): void => this.#write('routes/route.yaml', virtualService(serviceName(0), text));
    return { text, types: ['hosts'], apply };
  }

  /** The first pod of a service has another address. */
  changeEndpoint(): FileChange {
    const service = ++this.#changes % this.services;
    // The proxies that are measured are pods themselves; those of the second half are not.
    const at = this.services - 1 - (service % Math.max(1, this.services >> 1));
    const address = `10.77.${this.#changes >> 8}.${this.#changes & 255}`;
    return { text: address, types: ['eds'], apply: () => this.#writeService(at, address) };
  }

  addService(): FileChange {
    const service = this.services + this.#changes++;
    const apply = (): void => this.#writeService(service, podAddress(service, 0));
    return { text: `${serviceName(service)}.${NAMESPACE}.`, types: ['cds', 'eds', 'hosts'], apply };
  }

  #writeService(service: number, firstAddress: string): void {
    const name = serviceName(service);
    const addresses = Array.from({ length: PODS_PER_SERVICE }, (_, i) =>
      i === 0 ? firstAddress : podAddress(service, i),
    );
    const documents = [
      serviceText(name, `10.96.${service >> 8}.${service & 255}`),
      sliceText(name, addresses),
      ...addresses.map((address, i) => podText(name, `${name}-${i}`, address)),
    ];
    this.#write(`services/${name}.yaml`, documents.join('---\n'));
  }

  /** In one step, as an editor or a sync tool does it. */
  #write(name: string, text: string): void {
    const path = join(this.folder, name);
    const temporary = join(this.folder, `.${name.replaceAll('/', '-')}.part`);
    writeFileSync(temporary, text);
    renameSync(temporary, path);
  }
}

function document(version: string, kind: string, name: string, rest: string, namespace = ''): string {
  const where = namespace === '' ? '' : `  namespace: ${namespace}\n`;
  return `apiVersion: ${version}\nkind: ${kind}\nmetadata:\n  name: ${name}\n${where}${rest}`;
}

function serviceText(name: string, address: string): string {
  const spec = `spec:
  clusterIP: ${address}
  clusterIPs: [${address}]
  selector: {app: ${name}}
  ports:
  - name: http
    port: ${PORT}
    protocol: TCP
    targetPort: ${TARGET_PORT}
`;
  return document('v1', 'Service', name, spec, NAMESPACE);
}

function sliceText(name: string, addresses: readonly string[]): string {
  const endpoints = addresses.map(
    (address, i) => `- addresses: [${address}]
  conditions: {ready: true}
  targetRef: {kind: Pod, name: ${name}-${i}, namespace: ${NAMESPACE}}
`,
  );
  const rest = `  labels:
    kubernetes.io/service-name: ${name}
addressType: IPv4
ports:
- name: http
  port: ${TARGET_PORT}
  protocol: TCP
endpoints:
${endpoints.join('')}`;
  return document('discovery.k8s.io/v1', 'EndpointSlice', `${name}-slice`, rest, NAMESPACE);
}

function podText(app: string, name: string, address: string): string {
  const rest = `  labels:
    app: ${app}
    security.istio.io/tlsMode: istio
    service.istio.io/canonical-name: ${app}
    service.istio.io/canonical-revision: latest
spec:
  serviceAccountName: ${app}
  nodeName: node1
  containers:
  - name: app
    image: app
status:
  phase: Running
  podIP: ${address}
  podIPs:
  - ip: ${address}
  conditions:
  - {type: Ready, status: "True"}
`;
  return document('v1', 'Pod', name, rest, NAMESPACE);
}

function virtualService(host: string, marker: string): string {
  const spec = `spec:
  hosts: [${host}]
  http:
  - headers:
      request:
        set:
          x-bench: ${marker}
    route:
    - destination:
        host: ${host}
`;
  return document('networking.istio.io/v1', 'VirtualService', 'route', spec, NAMESPACE);
}
