// What the engine of collections costs: the first build, one change of one key, and the memory of what it remembers.
import { type Collection, Graph } from '../../src/base/collection.ts';

const KEYS = 10_000;
const SERVICES = 1_000;
const CHANGES = 2_000;

type Pod = { readonly name: string; readonly service: string; readonly address: string; readonly isReady: boolean };
type Endpoint = { readonly service: string; readonly address: string };

/** Ten pods for each service: pods → endpoints of ready ones (reads the service) → one list per service → one text. */
function build() {
  const graph = new Graph();
  const services = graph.input<{ readonly port: number }>('services');
  const pods = graph.input<Pod>('pods');
  const endpoints: Collection<Endpoint> = graph.map('endpoints', pods, (_key, pod, read) => {
    const port = read.get(services, pod.service)?.port;
    return pod.isReady && port !== undefined ? { service: pod.service, address: `${pod.address}:${port}` } : undefined;
  });
  const byService = endpoints.index('service', (_key, endpoint) => [endpoint.service]);
  const lists = graph.map('lists', services, (name, _service, read) =>
    read.lookup(byService, name).map((endpoint) => endpoint.address),
  );
  const texts = graph.map('texts', lists, (name, addresses) => `${name} ${addresses.join(' ')}`);
  return { graph, services, pods, texts };
}

const pod = (i: number, address: number): Pod => ({
  name: `pod-${i}`,
  service: `service-${i % SERVICES}`,
  address: `10.${address >>> 16}.${(address >>> 8) & 255}.${address & 255}`,
  isReady: true,
});

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function fill(world: ReturnType<typeof build>): void {
  world.graph.batch(() => {
    for (let i = 0; i < SERVICES; i++) world.services.set(`service-${i}`, { port: 80 });
    for (let i = 0; i < KEYS; i++) world.pods.set(`pod-${i}`, pod(i, i));
  });
}

// The first build is the one that counts: a control plane starts once, with cold code.
const heapBefore = process.memoryUsage().heapUsed;
const begin = cpuUs();
const world = build();
fill(world);
const coldUs = cpuUs() - begin;
const heapMb = (process.memoryUsage().heapUsed - heapBefore) / 1e6;

for (let i = 0; i < CHANGES; i++) change(i);
const beginChanges = cpuUs();
for (let i = 0; i < CHANGES; i++) change(i + CHANGES);
const changeUs = (cpuUs() - beginChanges) / CHANGES;

const beginWarm = cpuUs();
fill(build());
const warmUs = cpuUs() - beginWarm;

function change(i: number): void {
  const at = (i * 7) % KEYS;
  world.graph.batch(() => world.pods.set(`pod-${at}`, pod(at, KEYS + i)));
}

console.log(`${KEYS} keys and ${SERVICES} services through 3 stages: ${world.texts.size} texts`);
console.log(`first build        ${(coldUs / 1000).toFixed(0)} ms CPU cold, ${(warmUs / 1000).toFixed(0)} ms warm`);
console.log(
  `heap               ${heapMb.toFixed(1)} MB (${((heapMb * 1e6) / KEYS).toFixed(0)} bytes per key, all stages)`,
);
console.log(`one key changes    ${changeUs.toFixed(1)} µs CPU (${[...world.graph.recomputed].flat().join(' ')})`);
