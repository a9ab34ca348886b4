// The bookshop of examples/ with a caller and a second version of ratings beside it, as a mesh of one mode.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseYaml } from '../../src/control/source/yaml.ts';
import { arePeersRequired, findEnvoy, PROJECT_ROOT } from '../support/find-envoy.ts';
import { MeshCaller } from './mesh-caller.ts';
import { environmentOf, treeOf } from './process-tree.ts';
import { copyMesh, isRoot, type MeshUser, UpMesh, whyNotNobody } from './up-rig.ts';

export const BOOKSHOP = join(PROJECT_ROOT, 'examples/bookshop');
export const ISBN = '9780141439754';
export const REVIEWS_URL = `http://reviews:9080/reviews/${ISBN}`;

export type Mode = {
  readonly name: string;
  readonly capture: 'namespaces' | 'explicit';
  readonly user: MeshUser;
  readonly proxy: 'heddle' | 'envoy';
};

export const MODES = {
  namespaces: { name: 'namespaces as root', capture: 'namespaces', user: 'self', proxy: 'heddle' },
  rootless: { name: 'namespaces without root', capture: 'namespaces', user: 'nobody', proxy: 'heddle' },
  explicit: { name: 'explicit mode', capture: 'explicit', user: 'nobody', proxy: 'heddle' },
  envoy: { name: 'namespaces with the real Envoy', capture: 'namespaces', user: 'self', proxy: 'envoy' },
  explicitEnvoy: { name: 'explicit mode with the real Envoy', capture: 'explicit', user: 'nobody', proxy: 'envoy' },
} as const satisfies Record<string, Mode>;

/** Why this mode cannot be tried here, or false. */
export function skipOf(mode: Mode): string | false {
  if (process.platform !== 'linux') return 'only Linux has /proc and namespaces';
  const envoy = findEnvoy();
  if (mode.proxy === 'envoy' && envoy.path === null && !arePeersRequired()) return envoy.reason;
  if (mode.name === MODES.namespaces.name && !isRoot) return 'needs root';
  return (mode.user === 'nobody' ? whyNotNobody() : null) ?? false;
}

const WORKLOADS = `
  caller: # calls the others as the tests say
    command: node caller.ts
    directory: apps
    environment: { CALLER_SOCKET: '@SOCKET@' }
    health: { command: "test -S '@SOCKET@'" }

  ratings-v2: # gives fewer stars
    command: node ratings-v2.ts
    directory: apps
    service: ratings
    version: v2
    labels: { tier: back }
    ports: [{ port: 9090, protocol: grpc }]

gateways:
`;

/** The usual 80 to 20, for gRPC. */
const RATINGS = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ratings, namespace: bookshop }
spec:
  host: ratings
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ratings, namespace: bookshop }
spec:
  hosts: [ratings]
  http:
    - route:
        - { destination: { host: ratings, subset: v1 }, weight: 80 }
        - { destination: { host: ratings, subset: v2 }, weight: 20 }
`;

const allow = (app: string): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: caller-of-${app}, namespace: bookshop }
spec:
  selector: { matchLabels: { app: ${app} } }
  rules: [{ from: [{ source: { principals: [cluster.local/ns/bookshop/sa/caller] } }] }]
`;

export class BookshopMesh extends UpMesh {
  readonly mode: Mode;
  readonly caller: MeshCaller;

  private constructor(directory: string, mode: Mode) {
    super(directory, mode.user);
    this.mode = mode;
    this.caller = new MeshCaller(join(directory, 'drive/caller.sock'));
  }

  static async start(mode: Mode, args: readonly string[] = []): Promise<BookshopMesh> {
    const mesh = new BookshopMesh(makeCopy(mode.user), mode);
    const envoy = findEnvoy();
    const proxy = mode.proxy === 'envoy' ? ['--proxy', envoy.path ?? 'envoy'] : [];
    try {
      await mesh.start(['--no-traffic', '--capture', mode.capture, ...proxy, ...args]);
    } catch (error) {
      await mesh.dispose();
      throw error;
    }
    return mesh;
  }

  get reviewsFile(): string {
    return join(this.directory, 'mesh/reviews.yaml');
  }

  /** Weights of the split of reviews, as an editor saves them. */
  writeWeights(v1: number, v2: number): void {
    const text = readFileSync(this.reviewsFile, 'utf8');
    const weights = [v1, v2];
    writeFileSync(
      this.reviewsFile,
      text.replaceAll(/weight: \d+/g, () => `weight: ${weights.shift()}`),
    );
  }

  /** Lines of a proxy's access log. */
  accessLog(name: string): readonly Readonly<Record<string, unknown>>[] {
    return this.log(`${name}.proxy`)
      .split('\n')
      .filter((line) => line.startsWith('{') && line.includes('"start_time"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  pidOf(what: 'inner' | 'control' | { readonly proxy: string } | { readonly app: string }): number {
    const tree = treeOf(this.location.pid);
    const { runtime } = this.location;
    const found = tree.find(({ pid, command }) => {
      if (what === 'inner') return command.endsWith(' up --inner') && !command.includes('unshare ');
      if (what === 'control') return command.includes(' control --config ');
      if ('proxy' in what) {
        return command.includes(` --uds ${runtime}/agents/${what.proxy} `) && !command.includes('unshare ');
      }
      const isApp = environmentOf(pid).includes(`\0HOME=${runtime}/home/${what.app}\0`);
      return isApp && /(?:^|\/)node /.test(command);
    });
    if (found === undefined) throw new Error(`there is no process of ${JSON.stringify(what)}`);
    return found.pid;
  }

  /** Address and port where the mesh calls a workload. */
  endpointOf(workload: string, portName: string): { readonly address: string; readonly port: number } {
    const parsed = parseYaml(readFileSync(join(this.directory, '.heddle/generated/endpoints.yaml'), 'utf8'));
    if ('error' in parsed) throw new Error(parsed.error);
    for (const slice of parsed.values as EndpointSlice[]) {
      const endpoint = slice.endpoints?.find(({ targetRef }) => targetRef?.name === workload);
      const port = slice.ports?.find(({ name }) => name === portName);
      if (endpoint !== undefined && port !== undefined) return { address: endpoint.addresses[0]!, port: port.port };
    }
    throw new Error(`no endpoint of ${workload} has a port ${portName}`);
  }
}

type EndpointSlice = {
  readonly endpoints?: readonly {
    readonly addresses: readonly [string, ...string[]];
    readonly targetRef?: { readonly name: string };
  }[];
  readonly ports?: readonly { readonly name: string; readonly port: number }[];
};

function makeCopy(user: MeshUser): string {
  const directory = copyMesh(BOOKSHOP, user);
  const manifest = join(directory, 'heddle.yaml');
  const socket = join(directory, 'drive/caller.sock');
  // Whatever user the caller runs as.
  mkdirSync(join(directory, 'drive'));
  chmodSync(join(directory, 'drive'), 0o777);
  const added = WORKLOADS.replaceAll('@SOCKET@', socket);
  writeFileSync(
    manifest,
    readFileSync(manifest, 'utf8').replace('\ngateways:\n', () => added),
  );
  copyFileSync(join(import.meta.dirname, 'testdata/callers/caller.ts'), join(directory, 'apps/caller.ts'));
  const ratings = readFileSync(join(directory, 'apps/ratings.ts'), 'utf8');
  // Its second is too short for a machine that others load.
  const client = join(directory, 'apps/ratings-client.ts');
  writeFileSync(client, readFileSync(client, 'utf8').replace('DEADLINE_MS = 1000', 'DEADLINE_MS = 20_000'));
  writeFileSync(join(directory, 'apps/ratings-v2.ts'), ratings.replace("'Dolly', stars: 5", "'Dolly', stars: 1"));
  writeFileSync(join(directory, 'mesh/ratings.yaml'), RATINGS);
  writeFileSync(join(directory, 'mesh/caller.yaml'), ['reviews', 'ratings'].map(allow).join('---'));
  return directory;
}
