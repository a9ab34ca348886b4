// Random changes of a mesh's objects, none of which is a reason for a request to fail: services, routes, subsets whose
// names never return, endpoints, policies, scopes, gateways. And a load that must not notice.
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DrivenMesh, HALVES, type Half, slice, within } from './driven-mesh.ts';
import type { Namespace } from './lab.ts';

/** Services of each half that are called while their objects change. */
export const TOUCHED = 4;

export class SeededRandom {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  /** Below `limit`. Source: mulberry32. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit);
  }
  pick<T>(...all: readonly T[]): T {
    return all[this.below(all.length)] as T;
  }
}

export function serviceText(name: string, vip: string, ends: readonly string[], morePorts = ''): string {
  return `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: $NS}
spec:
  clusterIP: ${vip}
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080, protocol: TCP}${morePorts}]
---
${slice(name, '{name: http, port: 8080, protocol: TCP}', ends)}`;
}

const ENDS: readonly (readonly string[])[] = [['web-v1:2', 'web-v2:3'], ['web-v1:2'], ['web-v2:3']];
const BOTH = ENDS[0] as readonly string[];

/** One change of one file of one half, as a name and what to do. */
type Change = (random: SeededRandom, half: Half, count: number) => { readonly file: string; readonly text: string };

const object = (group: string, kind: string, name: string, spec: string): string =>
  `apiVersion: ${group}/v1
kind: ${kind}
metadata: {name: ${name}, namespace: $NS}
spec:
${spec.replaceAll(/^/gm, '  ')}`;
const networking = (kind: string, name: string, spec: string): string =>
  object('networking.istio.io', kind, name, spec);
const security = (kind: string, name: string, spec: string): string => object('security.istio.io', kind, name, spec);

const hostOf = (name: string): string => `${name}.$NS.svc.cluster.local`;
const touched = (random: SeededRandom): string => `touched-${random.below(TOUCHED)}`;

/** Routes to subsets whose names are new: clusters come before them, and go after. */
const subsets: Change = (random, _half, count) => {
  const name = touched(random);
  const [one, two] = [`one-${count}`, `two-${count}`];
  const weight = random.below(101);
  const policy = random.pick(
    '',
    '\ntrafficPolicy: {tls: {mode: ISTIO_MUTUAL}}',
    '\ntrafficPolicy: {loadBalancer: {simple: RANDOM}}',
  );
  return {
    file: `routes-${name}`,
    text: `${networking(
      'DestinationRule',
      name,
      `host: ${hostOf(name)}${policy}
subsets: [{name: ${one}, labels: {app: web}}, {name: ${two}, labels: {app: web}}]`,
    )}
---
${networking(
  'VirtualService',
  name,
  `hosts: [${hostOf(name)}]
http:
- match: [{uri: {prefix: /a}}]
  route: [{destination: {host: ${hostOf(name)}, subset: ${two}}}]
- route:
  - {destination: {host: ${hostOf(name)}, subset: ${one}}, weight: ${weight}}
  - {destination: {host: ${hostOf(name)}, subset: ${two}}, weight: ${100 - weight}}`,
)}`,
  };
};

const routes: Change = (random, _half, count) => {
  const name = touched(random);
  const other = `touched-${random.below(TOUCHED)}`;
  const text = networking(
    'VirtualService',
    name,
    `hosts: [${hostOf(name)}]
http:
- match: [{uri: {prefix: /a}, headers: {x-b: {exact: "${count}"}}}]
  rewrite: {uri: /c}
  route: [{destination: {host: ${hostOf(other)}}}]
- headers: {request: {set: {x-count: "${count}"}}}
  timeout: ${5 + random.below(10)}s
  retries: {attempts: ${random.below(4)}, retryOn: "connect-failure,refused-stream"}
  route: [{destination: {host: ${hostOf(random.pick(name, other))}}}]`,
  );
  return { file: `routes-${name}`, text };
};

const noRoutes: Change = (random) => ({ file: `routes-${touched(random)}`, text: '' });

const endpoints: Change = (random) => {
  const number = random.below(TOUCHED);
  const more = random.pick('', '', ', {name: more, port: 8000, targetPort: 8080, protocol: TCP}');
  return {
    file: `service-${number}`,
    text: serviceText(`touched-${number}`, `10.96.$N.${100 + number}`, random.pick(...ENDS), more),
  };
};

const services: Change = (random, _half, count) => {
  const number = random.below(4);
  const text = random.below(3) === 0 ? '' : serviceText(`passing-${count}`, `10.96.$N.${200 + number}`, BOTH);
  return { file: `passing-${number}`, text };
};

const peers: Change = (random) => ({
  file: 'peers',
  text: random.pick(
    '',
    security('PeerAuthentication', 'default', 'mtls: {mode: STRICT}'),
    security('PeerAuthentication', 'default', 'mtls: {mode: PERMISSIVE}'),
    security(
      'PeerAuthentication',
      'web',
      'selector: {matchLabels: {app: web}}\nmtls: {mode: STRICT}\nportLevelMtls: {9000: {mode: PERMISSIVE}}',
    ),
  ),
});

/** Of the servers alone: whoever calls a gateway has no identity. */
const servers = (name: string, spec: string): string =>
  security('AuthorizationPolicy', name, `selector: {matchLabels: {app: web}}\n${spec}`);

const access: Change = (random, _half, count) => {
  const to = `to: [{operation: {paths: ["/${count}"]}}]`;
  return {
    file: 'access',
    text: random.pick(
      '',
      servers('all', 'rules: [{}]'),
      servers('some', `rules: [{from: [{source: {principals: ["*"]}}]}, {${to}}]`),
      servers('none', `action: DENY\nrules: [{${to}}]`),
    ),
  };
};

const entries: Change = (random, _half, count) => ({
  file: `entry-${random.below(3)}`,
  text: random.pick(
    '',
    networking(
      'ServiceEntry',
      `entry-${count}`,
      `hosts: [entry-${count}.$NS.example]
ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
location: MESH_EXTERNAL
resolution: STATIC
endpoints: [{address: 10.60.$N.5}]`,
    ),
    networking(
      'ServiceEntry',
      `dns-${count}`,
      `hosts: [dns-${count}.$NS.example]
ports: [{number: 443, name: tls, protocol: TLS}, {number: 8888, name: http, protocol: HTTP}]
location: MESH_EXTERNAL
resolution: DNS
endpoints: [{address: localhost}]`,
    ),
  ),
});

const scopes: Change = (random) => ({
  file: 'scope',
  text: random.pick(
    '',
    networking('Sidecar', 'default', 'egress: [{hosts: ["mesh-e/*", "mesh-h/*"]}]'),
    networking(
      'Sidecar',
      'client',
      `workloadSelector: {labels: {app: client}}
egress: [{hosts: ["*/*"]}]
outboundTrafficPolicy: {mode: REGISTRY_ONLY}`,
    ),
  ),
});

const gateways: Change = (random, _half, count) => ({
  file: 'gateway',
  text: random.pick(
    '',
    `${networking(
      'Gateway',
      'front',
      `selector: {istio: edge-$N}
servers: [{port: {number: ${8090 + random.below(3)}, name: http, protocol: HTTP}, hosts: ["a${count}.example"]}]`,
    )}
---
${networking(
  'VirtualService',
  'front',
  `hosts: ["a${count}.example"]
gateways: [front]
http: [{route: [{destination: {host: ${hostOf('web')}}}]}]`,
)}`,
  ),
});

const httpRoutes: Change = (random, _half, count) => {
  const name = touched(random);
  const text = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${name}, namespace: $NS}
spec:
  parentRefs: [{group: "", kind: Service, name: ${name}, port: 80}]
  rules:
  - matches: [{path: {value: /a}}]
    filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-count, value: "${count}"}]}}]
    backendRefs:
    - {name: ${touched(random)}, port: 80, weight: 1}
    - {name: ${name}, port: 80, weight: ${random.below(5)}}
  - backendRefs: [{name: ${name}, port: 80}]`;
  return { file: `api-${name}`, text: random.pick('', text, text) };
};

const CHANGES: readonly Change[] = [
  ...[subsets, subsets, subsets, routes, routes, noRoutes, endpoints, endpoints, services, services],
  ...[peers, access, entries, scopes, gateways, httpRoutes, httpRoutes],
];

/** What is there before anything changes. */
export function writeTouched(mesh: DrivenMesh): void {
  for (const half of HALVES) {
    const route = `http: [{route: [{destination: {host: ${hostOf('web')}}}]}]`;
    const spec = `hosts: [nobody.example]\ngateways: [base]\n${route}`;
    mesh.write(`${half.namespace}-edge.yaml`, within(networking('VirtualService', 'edge', spec), half));
    for (let number = 0; number < TOUCHED; number++) {
      const text = serviceText(`touched-${number}`, `10.96.$N.${100 + number}`, BOTH);
      mesh.write(`${half.namespace}-service-${number}.yaml`, within(text, half));
    }
  }
}

/** Makes one change; the file that was written. */
export function changeOnce(mesh: DrivenMesh, random: SeededRandom, count: number): string {
  const half = random.pick(...HALVES);
  const { file, text } = random.pick(...CHANGES)(random, half, count);
  const name = `${half.namespace}-${file}.yaml`;
  if (text === '') mesh.remove(name);
  else mesh.write(name, within(text, half));
  return name;
}

// ─── The load ───────────────────────────────────────────────────────────────────────────────────────────────────────

const PAUSE_MS = 15;
const LONGEST_MS = 8000;

export type LoadResult = { readonly calls: number; readonly failures: readonly string[] };

type Place = { readonly pod: Namespace; readonly address: string; readonly port: number };

/** Calls of every client to every half, one after the other on connections that stay. */
export class Load {
  #isOver = false;
  readonly #loops: Promise<void>[] = [];
  readonly #agents: Agent[] = [];
  calls = 0;
  readonly failures: string[] = [];

  constructor(mesh: DrivenMesh) {
    for (const source of HALVES) {
      this.#loop({ pod: mesh.lab.home, address: `10.60.${source.number}.4`, port: 8079 }, () => 'nobody.example');
      const pod = mesh.pod(source.namespace, 'client');
      for (const target of HALVES) {
        const at = (address: string, port = 80): Place => ({ pod: pod.place, address, port });
        this.#loop(at(`10.96.${target.number}.1`), () => `web.${target.namespace}`);
        let next = 0;
        for (let number = 0; number < TOUCHED; number += 2) {
          const address = (): number => number + (next++ % 2);
          this.#loop(at(`10.96.${target.number}.100`), () => `touched-${address()}.${target.namespace}`);
        }
      }
    }
  }

  #loop({ pod, address, port }: Place, host: () => string): void {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    agent.createConnection = () => pod.connect({ family: 'ipv4', address, port });
    this.#agents.push(agent);
    this.#loops.push(
      (async () => {
        for (let i = 0; !this.#isOver; i++) {
          const name = host();
          const answer = await call(agent, name, i % 3 === 0 ? '/a' : '/');
          this.calls++;
          if (answer !== '200') this.failures.push(`${address}:${port}, ${name}: ${answer}`);
          await sleep(PAUSE_MS);
        }
      })(),
    );
  }

  async end(): Promise<LoadResult> {
    this.#isOver = true;
    await Promise.all(this.#loops);
    for (const agent of this.#agents) agent.destroy();
    return { calls: this.calls, failures: this.failures };
  }
}

function call(agent: Agent, host: string, path: string): Promise<string> {
  return new Promise((resolve) => {
    const request = get({ agent, path, headers: { host }, timeout: LONGEST_MS }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on('error', (error) => resolve(error.message));
      response.on('end', () =>
        resolve(response.statusCode === 200 ? '200' : `${response.statusCode} ${body.slice(0, 120)}`),
      );
    });
    request.on('timeout', () => request.destroy(new Error('silence')));
    request.on('error', (error) => resolve(error.message));
  });
}
