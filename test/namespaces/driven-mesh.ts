// Two halves of one mesh under `heddle control`, alike but for their proxies: in one all are the real Envoy, in the
// other Heddle's. Each has a client, two versions of a server, a gateway, and a server without a proxy.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Clock } from '../../src/base/clock.ts';
import { JoinTokens } from '../../src/ca/authenticate/join-tokens.ts';
import { PROJECT_ROOT } from '../support/find-envoy.ts';
import type { ProxyKind } from '../support/proxy-process.ts';
import { Application, type Hits, Pod, Program } from './driven-pods.ts';
import type { Lab } from './lab.ts';

const HEDDLE = join(PROJECT_ROOT, 'bin', 'heddle');
const HOME = '10.60.0.1';
const SECURE_PORT = 15_012;
const CONTROL = 'http://127.0.0.1:15014';

/** In objects and calls `$NS` is its namespace, and `$N` the third number of its addresses. */
export type Half = { readonly namespace: string; readonly number: number; readonly kind: ProxyKind };

export const HALVES: readonly Half[] = [
  { namespace: 'mesh-e', number: 1, kind: 'envoy' },
  { namespace: 'mesh-h', number: 2, kind: 'heddle' },
];

export function within(text: string, { namespace, number }: Half): string {
  return text.replaceAll('$NS', namespace).replaceAll('$N', String(number));
}

const PODS = [
  { name: 'client', account: 'client', labels: { app: 'client' }, last: 1, role: 'sidecar' },
  { name: 'web-v1', account: 'web', labels: { app: 'web', version: 'v1' }, last: 2, role: 'sidecar' },
  { name: 'web-v2', account: 'web', labels: { app: 'web', version: 'v2' }, last: 3, role: 'sidecar' },
  { name: 'edge', account: 'edge', labels: { istio: 'edge-$N' }, last: 4, role: 'router' },
] as const;

/** Where the server without a proxy is. */
const PLAIN = 5;

export const MESH_YAML = `accessLogFile: /dev/stdout
accessLogFormat: "LOG %RESPONSE_CODE% %RESPONSE_FLAGS% %REQ(:AUTHORITY)% %UPSTREAM_CLUSTER%\\n"
`;

const NAMESPACE = `
apiVersion: v1
kind: Namespace
metadata: {name: $NS}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: $NS}
spec:
  clusterIP: 10.96.$N.1
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: 8080, protocol: TCP}
---
apiVersion: v1
kind: Service
metadata: {name: tcp, namespace: $NS}
spec:
  clusterIP: 10.96.$N.2
  selector: {app: web, version: v2}
  ports:
  - {name: tcp, port: 9000, targetPort: 9000, protocol: TCP}
---
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: $NS}
spec:
  clusterIP: 10.96.$N.3
  selector: {istio: edge-$N}
  ports:
  - {name: http, port: 80, targetPort: 8080, protocol: TCP}
  - {name: https, port: 443, targetPort: 8443, protocol: TCP}
---
apiVersion: v1
kind: Service
metadata: {name: plain, namespace: $NS}
spec:
  clusterIP: 10.96.$N.4
  ports:
  - {name: http, port: 80, targetPort: 8080, protocol: TCP}
---
${slice('web', '{name: http, port: 8080, protocol: TCP}', ['web-v1:2', 'web-v2:3'])}
---
${slice('tcp', '{name: tcp, port: 9000, protocol: TCP}', ['web-v2:3'])}
---
${slice('edge', '{name: http, port: 8080, protocol: TCP}, {name: https, port: 8443, protocol: TCP}', ['edge:4'])}
---
${slice('plain', '{name: http, port: 8080, protocol: TCP}', [`:${PLAIN}`])}
---
# A proxy is let in as a gateway only where a Gateway selects its workload.
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: base, namespace: $NS}
spec:
  selector: {istio: edge-$N}
  servers:
  - {port: {number: 8079, name: http, protocol: HTTP}, hosts: ["nobody.example"]}
${['client', 'web', 'edge'].map(accountText).join('')}${PODS.map(podText).join('')}`;

function podText({ name, account, labels, last, role }: (typeof PODS)[number]): string {
  const mesh = role === 'sidecar' ? { 'security.istio.io/tlsMode': 'istio' } : {};
  return `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: $NS, labels: ${JSON.stringify({ ...labels, ...mesh })}}
spec: {serviceAccountName: ${account}, containers: [{name: app, image: app}]}
status: {phase: Running, podIP: 10.60.$N.${last}, podIPs: [{ip: 10.60.$N.${last}}]}
`;
}

function accountText(name: string): string {
  return `---
apiVersion: v1
kind: ServiceAccount
metadata: {name: ${name}, namespace: $NS}
`;
}

/** `ends`: 'POD:LAST NUMBER OF ITS ADDRESS'. */
export function slice(service: string, ports: string, ends: readonly string[]): string {
  const endpoints = ends.map((end) => {
    const [pod = '', last] = end.split(':');
    const target = pod === '' ? '' : `, targetRef: {kind: Pod, name: ${pod}, namespace: $NS}`;
    return `{addresses: [10.60.$N.${last}], conditions: {ready: true}${target}}`;
  });
  return `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${service}-1, namespace: $NS, labels: {kubernetes.io/service-name: ${service}}}
addressType: IPv4
ports: [${ports}]
endpoints: [${endpoints.join(', ')}]`;
}

export class DrivenMesh {
  readonly folder = mkdtempSync(join(tmpdir(), 'heddle-driven-'));
  readonly hits: Hits = new Map();
  readonly pods = new Map<string, Pod>();
  readonly #applications: Application[] = [];
  readonly lab: Lab;
  readonly #config = join(this.folder, 'config');
  readonly #state = join(this.folder, 'state');
  control: Program | null = null;

  private constructor(lab: Lab) {
    this.lab = lab;
    // The proxies are another user.
    chmodSync(this.folder, 0o755);
    mkdirSync(this.#config);
  }

  static async start(lab: Lab, halves: readonly Half[] = HALVES): Promise<DrivenMesh> {
    const mesh = new DrivenMesh(lab);
    lab.addBridge(HOME);
    lab.home.ip(halves.map(({ number }) => `address add 10.60.${number}.${PLAIN}/32 dev lo`).join('\n'));
    mesh.write('mesh.yaml', MESH_YAML);
    for (const half of halves) mesh.write(`base-${half.namespace}.yaml`, within(NAMESPACE, half));
    const started = mesh.startControl();
    for (const half of halves) await mesh.#makePods(half);
    await started;
    for (const pod of mesh.pods.values()) pod.start(mesh.#join());
    await Promise.all([...mesh.pods.values()].map((pod) => pod.ready()));
    return mesh;
  }

  async #makePods(half: Half): Promise<void> {
    for (const { name, account, labels, last, role } of PODS) {
      const address = `10.60.${half.number}.${last}`;
      const { namespace, kind } = half;
      const own = JSON.parse(within(JSON.stringify(labels), half)) as Record<string, string>;
      const mesh = role === 'sidecar' ? { 'security.istio.io/tlsMode': 'istio' } : {};
      const pod = new Pod(this.lab, { name, namespace, account, address, role, kind, labels: { ...own, ...mesh } });
      this.pods.set(`${namespace}/${name}`, pod);
      const application = this.#application(name);
      if (role === 'sidecar') await application.listen(pod.place, address, { http: 8080, bytes: 9000 });
      // Somebody of this pod's own, whom a ServiceEntry may name.
      if (name === 'client') await this.#application('localhost').listen(pod.place, '127.0.0.1', { http: 8090 });
    }
    const plain = this.#application('plain');
    await plain.listen(this.lab.home, `10.60.${half.number}.${PLAIN}`, { http: 8080, bytes: 9000 });
  }

  #join() {
    const tokens = new JoinTokens(join(this.#state, 'join-tokens'), 'cluster.local', new Clock());
    return {
      folder: this.folder,
      rootPath: this.#rootPath(),
      discovery: `${HOME}:${SECURE_PORT}`,
      token(namespace: string, account: string): string {
        const made = tokens.create({ namespace, account, workload: null });
        if (typeof made === 'string') throw new Error(made);
        return made.reveal();
      },
    };
  }

  /** The state folder is closed to others. */
  #rootPath(): string {
    return join(this.folder, 'root-cert.pem');
  }

  pod(namespace: string, name: string): Pod {
    const pod = this.pods.get(`${namespace}/${name}`);
    if (pod === undefined) throw new Error(`no pod ${namespace}/${name}`);
    return pod;
  }

  /** In one step, as a sync tool does. */
  write(name: string, text: string): void {
    const path = join(this.#config, name);
    writeFileSync(join(this.folder, 'part'), text);
    renameSync(join(this.folder, 'part'), path);
  }

  remove(name: string): void {
    rmSync(join(this.#config, name), { force: true });
  }

  /** Writes a file and waits until it is in effect everywhere. */
  async apply(name: string, text: string): Promise<void> {
    this.write(name, text);
    if (text.trim() === '') return;
    const { status, said } = await this.heddle('wait', '--for=live', '--timeout', '20s', join(this.#config, name));
    if (status !== 0) throw new Error(`${name} is not live: ${said.slice(0, 3000)}`);
  }

  heddle(...args: string[]): Promise<{ status: number | null; said: string }> {
    const child = new Program(spawn(HEDDLE, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
    return new Promise((resolve) => child.child.once('close', (status) => resolve({ status, said: child.output })));
  }

  async startControl(): Promise<void> {
    const args = [
      ...['control', '--config', this.#config, '--state-dir', this.#state, '--grpc-address', '127.0.0.1:15010'],
      ...['--secure-address', `${HOME}:${SECURE_PORT}`, '--http-address', CONTROL.slice('http://'.length)],
    ];
    this.control = new Program(spawn(HEDDLE, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
    const root = join(this.#state, 'root-cert.pem');
    for (let i = 0; !existsSync(root) || (await this.page('/ready')).status !== 200; i++) {
      if (i > 400 || this.control.hasExited) throw new Error(`heddle control does not start\n${this.control.output}`);
      await sleep(25);
    }
    spawnSync('install', ['-m', '644', root, this.#rootPath()]);
  }

  async page(path: string): Promise<{ status: number; body: string }> {
    try {
      const response = await fetch(`${CONTROL}${path}`);
      return { status: response.status, body: await response.text() };
    } catch (error) {
      return { status: 0, body: String(error) };
    }
  }

  /** The sum of a metric of the control plane over its labels. */
  async metric(name: string): Promise<number> {
    const { body } = await this.page('/metrics');
    const lines = body.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  #application(name: string): Application {
    const application = new Application(name, this.hits);
    this.#applications.push(application);
    return application;
  }

  async stop(): Promise<void> {
    for (const application of this.#applications) application.close();
    await Promise.all([...this.pods.values()].map(({ agent }) => agent.stop('SIGKILL')));
    await this.control?.stop('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}
