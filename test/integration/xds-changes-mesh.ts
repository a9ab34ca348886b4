// What the control plane of the test of many changes serves, and every way in which it changes, drawn by a seed.
import { Random } from '../../src/base/clock.ts';
import { AdsServer, type ServedResource } from '../support/ads-server.ts';
import { makeCertificate, type TestCertificate } from '../support/certificates.ts';
import { until, type Json } from './heddle.ts';
import { type Failures, type Lasting, visit } from './xds-changes-load.ts';
import * as made from './xds-changes-resources.ts';
import { ca, issue, SECRET } from './sds-rig.ts';
import { CLUSTER, ENDPOINTS, LISTENER, put, ROUTES } from './xds-types-rig.ts';

const TYPES = [CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET];
/** What a change may take to arrive. */
const PATIENCE_MS = 10_000;
/** Clusters that are always there, besides those that come and go. */
const POOL = ['pool-0', 'pool-1', 'pool-2'];
const MAX_EXTRA_CLUSTERS = 5;
/** Clients of main's side chains come from 127.0.0.2 to 127.0.0.4. */
export const SIDES = [2, 3, 4];
const otherCa = makeCertificate({ isCa: true, subject: 'other root' });

type ClusterState = { look: made.ClusterLook; endpoints: readonly made.Endpoint[]; isUsable: boolean; isBusy: boolean };
type ListenerState = {
  readonly port: number;
  readonly isSecure: boolean;
  look: made.ListenerLook;
  /** Clients may come. */
  isUp: boolean;
  visits: number;
  /** Open for as long as the listener is there, whatever becomes of it. */
  stream: Lasting | null;
};

export type MeshPorts = {
  readonly main: number;
  readonly secure: number;
  /** For listeners that come and go. */
  readonly others: readonly number[];
  readonly upstreams: readonly number[];
};

export type MeshOptions = {
  readonly seed: number;
  readonly sendsEndpointsAgain: boolean;
  /** Opens a stream that lasts through a listener; null where a changed listener may end it. */
  readonly openStream: ((port: number) => Promise<Lasting>) | null;
};

export class Mesh {
  readonly ads = new AdsServer();
  /** What was done, in order, by name. */
  readonly history: string[] = [];
  readonly #options: MeshOptions;
  readonly #random: Random;
  readonly #ports: MeshPorts;
  readonly #failures: Failures;
  readonly #clusters = new Map<string, ClusterState>();
  readonly #routes = new Map<string, made.RoutesLook>();
  readonly #listeners = new Map<string, ListenerState>();
  readonly #freePorts: number[];
  #main = made.PLAIN_LISTENER;
  #server: TestCertificate = issue('server 0');
  #numbers = 0;

  constructor(options: MeshOptions, ports: MeshPorts, failures: Failures) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#ports = ports;
    this.#failures = failures;
    this.#freePorts = [...ports.others];
    for (const name of [...POOL, 'ws', 'grpc']) {
      const look = { ...made.PLAIN, isHttp2: name === 'grpc' };
      this.#clusters.set(name, { look, endpoints: this.#allEndpoints(), isUsable: true, isBusy: false });
      this.#putCluster(name);
    }
    put(this.ads, SECRET, made.SERVER_SECRET, made.serverSecret(this.#server));
    put(this.ads, SECRET, made.TRUST_SECRET, made.trustSecret(ca));
    this.#routes.set('main', this.#baseRoutes());
    this.#putRoutes('main');
    this.#putMain();
    this.#putListener('secure', ports.secure, 'main', { ...made.PLAIN_LISTENER, isSecure: true });
  }

  // ─── Chance ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #chance(one: number): boolean {
    return this.#random.below(one) === 0;
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)] as T;
  }

  #some<T>(from: readonly T[]): readonly T[] {
    const first = this.#random.below(from.length);
    return from.filter((_, i) => i === first || this.#chance(2));
  }

  // ─── What is served ─────────────────────────────────────────────────────────────────────────────────────────────

  #allEndpoints(): readonly made.Endpoint[] {
    return this.#ports.upstreams.map((port) => ({ port, weight: 1, isHealthy: true }));
  }

  #baseRoutes(): made.RoutesLook {
    const weights = POOL.map((name) => [name, 1] as const);
    return { generation: ++this.#numbers, weights, rewrite: null, headers: [], timeoutS: 15, others: 0 };
  }

  #put(type: string, name: string, json: Json): void {
    put(this.ads, type, name, json);
  }

  #putCluster(name: string): void {
    const { look, endpoints } = this.#clusters.get(name)!;
    this.#put(CLUSTER, name, made.clusterOf(name, look));
    this.#put(ENDPOINTS, name, made.endpointsOf(name, endpoints));
  }

  #putRoutes(name: string): void {
    this.#put(ROUTES, name, made.routesOf(name, this.#routes.get(name)!));
  }

  #putMain(): void {
    this.#putListener('main', this.#ports.main, 'main', this.#main);
  }

  #putListener(name: string, port: number, routeName: string, look: made.ListenerLook): void {
    this.#put(LISTENER, name, made.listenerOf(name, port, routeName, look));
  }

  /** Each stream has answered the last that it was sent of these types, with yes or no. */
  async answered(...types: readonly string[]): Promise<void> {
    const isAnswered = (): boolean => {
      const streams = [...this.ads.streams];
      return (
        streams.length > 0 &&
        types.every((type) => {
          const states = streams.map((stream) => stream.types.get(type)).filter((state) => state !== undefined);
          return states.length > 0 && states.every(({ sentNonce, answeredNonce }) => sentNonce === answeredNonce);
        })
      );
    };
    await this.ads.until(isAnswered, PATIENCE_MS, `no answer about ${types.join()}`);
  }

  #endpointsWanted(name: string): Promise<void> {
    const isWanted = (): boolean =>
      [...this.ads.streams].some((stream) => stream.types.get(ENDPOINTS)?.names.has(name) === true);
    return this.ads.until(isWanted, PATIENCE_MS, `nobody wants the endpoints of ${name}`);
  }

  // ─── Clients of what changes ────────────────────────────────────────────────────────────────────────────────────

  /** A visit to one of the listeners that come and go, if there are any. */
  async visitOther(number: number): Promise<void> {
    const up = [...this.#listeners].filter(([, { isUp }]) => isUp);
    const entry = up[number % Math.max(1, up.length)];
    if (entry === undefined) return;
    const [name, state] = entry;
    state.visits++;
    await this.visit(name, { port: state.port, requests: 3, ...(state.isSecure ? { ca: ca.pem } : {}) });
    state.visits--;
  }

  async visit(name: string, what: Parameters<typeof visit>[0]): Promise<void> {
    try {
      await visit(what);
    } catch (error) {
      this.#failures.add(`a visit to ${name}: ${(error as Error).message}; after ${this.history.slice(-8).join(', ')}`);
    }
  }

  // ─── Changes ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** One change, which resolves once the proxy has answered. The first turn of it draws all that is left to chance. */
  change(): Promise<void> {
    let at = this.#random.below(CHANGES_WEIGHT);
    for (const [name, weight, run] of CHANGES) {
      at -= weight;
      if (at >= 0) continue;
      this.history.push(name);
      return run(this);
    }
    throw new Error('the weights of changes do not sum up');
  }

  #look(isHttp2: boolean): made.ClusterLook {
    return {
      lb: this.#pick(['ROUND_ROBIN', 'LEAST_REQUEST', 'RANDOM']),
      isHttp2,
      isSecure: this.#chance(3),
      maxRequests: 500 + this.#random.below(1000),
      requestsPerConnection: this.#chance(3) ? 1 + this.#random.below(50) : 0,
      bufferBytes: this.#pick([65_536, 1 << 20]),
      connectTimeoutS: 1 + this.#random.below(4),
    };
  }

  #someEndpoints(): readonly made.Endpoint[] {
    const some = this.#some(this.#ports.upstreams).map((port) => ({
      ...{ port, weight: 1 + this.#random.below(5) },
      isHealthy: !this.#chance(4),
    }));
    return some.some(({ isHealthy }) => isHealthy) ? some : this.#allEndpoints();
  }

  #idleClusters(): string[] {
    return [...this.#clusters].filter(([, { isUsable, isBusy }]) => isUsable && !isBusy).map(([name]) => name);
  }

  /** Those that any request may be sent to. */
  #targets(): string[] {
    return [...this.#clusters]
      .filter(([name, { isUsable }]) => isUsable && name !== 'ws' && name !== 'grpc')
      .map(([name]) => name);
  }

  async changeRoutes(): Promise<void> {
    const name = this.#pick([...this.#routes.keys()]);
    const targets = this.#targets();
    this.#routes.set(name, {
      generation: ++this.#numbers,
      weights: this.#some(targets).map((to) => [to, 1 + this.#random.below(10)]),
      rewrite: this.#chance(2) ? `/rewritten-${this.#random.below(10)}` : null,
      headers: Array.from({ length: this.#random.below(4) }, (_, i) => `value ${i} of ${this.#numbers}`),
      timeoutS: 10 + this.#random.below(20),
      others: this.#random.below(6),
    });
    const generation = this.#numbers;
    this.#putRoutes(name);
    await this.answered(ROUTES);
    if (name !== 'main') return;
    const { 'x-generation': seen } = await visit({ port: this.#ports.main, requests: 1 });
    if (!(Number(seen) >= generation)) this.#failures.add(`routes ${generation} were taken, ${seen} hold`);
  }

  async moveEndpoints(): Promise<void> {
    const name = this.#pick([...this.#clusters.keys()]);
    const endpoints = this.#someEndpoints();
    this.#clusters.get(name)!.endpoints = endpoints;
    this.#put(ENDPOINTS, name, made.endpointsOf(name, endpoints));
    await this.answered(ENDPOINTS);
  }

  async changeCluster(): Promise<void> {
    const name = this.#pick(this.#idleClusters());
    const state = this.#clusters.get(name)!;
    state.look = this.#look(name === 'grpc' || (name !== 'ws' && this.#chance(2)));
    this.#put(CLUSTER, name, made.clusterOf(name, state.look));
    this.#endpointsAgain();
    await this.answered(CLUSTER);
  }

  /** Envoy waits for endpoints whenever a cluster changes, and asks nobody: control planes send them again. */
  #endpointsAgain(): void {
    if (this.#options.sendsEndpointsAgain) this.#resend(ENDPOINTS);
  }

  async addCluster(): Promise<void> {
    if (this.#clusters.size >= POOL.length + 2 + MAX_EXTRA_CLUSTERS) return this.removeCluster();
    const name = `extra-${++this.#numbers}`;
    const look = this.#look(this.#chance(2));
    const state = { look, endpoints: this.#someEndpoints(), isUsable: false, isBusy: true };
    this.#clusters.set(name, state);
    this.#putCluster(name);
    await this.answered(CLUSTER);
    await this.#endpointsWanted(name);
    await this.answered(ENDPOINTS);
    state.isUsable = true;
    state.isBusy = false;
  }

  async removeCluster(): Promise<void> {
    const extra = this.#idleClusters().filter((name) => name.startsWith('extra-'));
    if (extra.length === 0) return this.addCluster();
    await this.#removeCluster(this.#pick(extra));
  }

  /** No route leads to it any more before it goes. */
  async #removeCluster(name: string): Promise<void> {
    const state = this.#clusters.get(name)!;
    state.isUsable = false;
    for (const [routeName, look] of this.#routes) {
      if (!look.weights.some(([to]) => to === name)) continue;
      const rest = look.weights.filter(([to]) => to !== name);
      const weights = rest.length > 0 ? rest : [['pool-0', 1] as const];
      this.#routes.set(routeName, { ...look, weights });
      this.#putRoutes(routeName);
    }
    await this.answered(ROUTES);
    this.#clusters.delete(name);
    this.ads.remove(CLUSTER, name);
    await this.answered(CLUSTER);
    this.ads.remove(ENDPOINTS, name);
  }

  #chain(): made.ChainLook {
    return {
      statPrefix: `chain-${this.#random.below(5)}`,
      mutations: Array.from({ length: this.#random.below(3) }, () => String(++this.#numbers)),
      requestTimeoutS: 20 + this.#random.below(20),
    };
  }

  async changeSideChains(): Promise<void> {
    const sides = new Map(this.#main.sides);
    const side = this.#pick(SIDES);
    if (sides.has(side) && this.#chance(2)) sides.delete(side);
    else sides.set(side, this.#chain());
    this.#main = { ...this.#main, sides };
    this.#putMain();
    await this.answered(LISTENER);
  }

  #listenerLook(kind: Pick<made.ListenerLook, 'isSecure' | 'isTcp'>): made.ListenerLook {
    return {
      ...kind,
      chain: this.#chain(),
      bufferBytes: this.#pick([65_536, 1 << 20]),
      backlog: this.#pick([128, 512]),
      sides: new Map(this.#chance(2) ? [[9, this.#chain()]] : []),
    };
  }

  async addListener(): Promise<void> {
    const port = this.#freePorts.shift();
    if (port === undefined) return this.removeListener();
    const name = `other-${++this.#numbers}`;
    const isSecure = this.#chance(3);
    const look = this.#listenerLook({ isSecure, isTcp: this.#chance(3) });
    const state = {
      port,
      isSecure,
      look,
      isUp: false,
      visits: 0,
      stream: null as Lasting | null,
    };
    this.#listeners.set(name, state);
    const routeName = look.isTcp || this.#chance(2) ? 'main' : name;
    if (routeName === name) {
      this.#routes.set(name, { ...this.#baseRoutes(), weights: [[this.#pick(this.#targets()), 1]] });
      this.#putRoutes(name);
    }
    this.#putListener(name, port, routeName, state.look);
    await this.answered(LISTENER);
    const first = { port, requests: 1, ...(isSecure ? { ca: ca.pem } : {}) };
    await until(`${name} listens`, async () => (await visit(first).catch(() => null)) !== null, PATIENCE_MS);
    const { openStream } = this.#options;
    if (!isSecure && openStream !== null) state.stream = await openStream(port);
    state.isUp = true;
  }

  #routeNameOf(name: string): string {
    return this.#routes.has(name) ? name : 'main';
  }

  async changeListener(): Promise<void> {
    const up = [...this.#listeners].filter(([, { isUp }]) => isUp);
    if (up.length === 0) return this.addListener();
    const [name, state] = this.#pick(up);
    const look = this.#listenerLook(state.look);
    // Half of the changes are about chains alone.
    state.look = this.#chance(2) ? look : { ...state.look, chain: look.chain, sides: look.sides };
    this.#putListener(name, state.port, this.#routeNameOf(name), state.look);
    await this.answered(LISTENER);
  }

  async removeListener(): Promise<void> {
    const up = [...this.#listeners].filter(([, { isUp }]) => isUp);
    if (up.length === 0) return this.changeSideChains();
    await this.#removeListener(this.#pick(up)[0]);
  }

  /** Nobody is there any more when it goes: what a removed address answers is not what is tested. */
  async #removeListener(name: string): Promise<void> {
    const state = this.#listeners.get(name)!;
    state.isUp = false;
    await until(`nobody visits ${name}`, () => state.visits === 0, PATIENCE_MS);
    await state.stream?.stop();
    this.#listeners.delete(name);
    this.ads.remove(LISTENER, name);
    await this.answered(LISTENER);
    if (this.#routes.delete(name)) this.ads.remove(ROUTES, name);
    this.#freePorts.push(state.port);
  }

  async rotateSecrets(): Promise<void> {
    if (this.#chance(3)) {
      const roots = this.#chance(2) ? [ca] : [otherCa, ca];
      this.#put(SECRET, made.TRUST_SECRET, made.trustSecret(...roots));
    } else {
      this.#server = issue(`server ${++this.#numbers}`);
      this.#put(SECRET, made.SERVER_SECRET, made.serverSecret(this.#server));
    }
    await this.answered(SECRET);
  }

  /** All of a type again, as if it were new. */
  async resend(): Promise<void> {
    const type = this.#pick(TYPES);
    this.#resend(type);
    await this.answered(type);
  }

  #resend(type: string): void {
    const version = `again-${++this.#numbers}`;
    const again: Record<string, ServedResource> = {};
    for (const [name, served] of this.ads.snapshots.get('*')?.get(type)?.resources ?? []) {
      again[name] = { ...served, version };
    }
    this.ads.set(type, again);
  }

  /** Something that is refused, in place of something good or beside it; then all is good again. */
  async misbehave(): Promise<void> {
    const isNew = this.#chance(2);
    const number = ++this.#numbers;
    const [type, name, bad, mend] = this.#pick<() => readonly [string, string, Json, () => void]>([
      () => {
        const name = isNew ? `bad-${number}` : 'pool-1';
        const mend = (): void => this.#putCluster(name);
        return [CLUSTER, name, made.badCluster(name), mend];
      },
      () => {
        const name = isNew ? `bad-${number}` : 'main';
        return [LISTENER, name, made.badListener(name, this.#ports.main), () => this.#putMain()];
      },
      () => [ROUTES, 'main', made.badRoutes('main'), () => this.#putRoutes('main')],
      () => {
        const mend = (): void => this.#put(SECRET, made.SERVER_SECRET, made.serverSecret(this.#server));
        return [SECRET, made.SERVER_SECRET, made.badSecret(made.SERVER_SECRET), mend];
      },
    ])();
    this.#put(type, name, bad);
    await this.answered(type);
    if (name.startsWith('bad-')) this.ads.remove(type, name);
    else mend();
    await this.answered(type);
  }

  async reconnect(): Promise<void> {
    const before = this.ads.streamCount;
    this.ads.closeStreams();
    await this.ads.until(() => this.ads.streamCount > before && this.ads.streams.size > 0, PATIENCE_MS);
    await this.answered(...TYPES);
  }

  // ─── Rest ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** All is as it was at first. */
  async reset(): Promise<void> {
    for (const name of [...this.#listeners.keys()]) await this.#removeListener(name);
    for (const name of [...this.#clusters.keys()]) if (name.startsWith('extra-')) await this.#removeCluster(name);
    for (const [name, state] of this.#clusters) {
      state.look = { ...made.PLAIN, isHttp2: name === 'grpc' };
      state.endpoints = this.#allEndpoints();
      this.#putCluster(name);
    }
    this.#endpointsAgain();
    this.#routes.set('main', this.#baseRoutes());
    this.#putRoutes('main');
    this.#main = made.PLAIN_LISTENER;
    this.#putMain();
    this.#server = issue('server 0');
    this.#put(SECRET, made.SERVER_SECRET, made.serverSecret(this.#server));
    this.#put(SECRET, made.TRUST_SECRET, made.trustSecret(ca));
    await this.answered(...TYPES);
  }
}

type Change = readonly [name: string, weight: number, run: (mesh: Mesh) => Promise<void>];

const CHANGES: readonly Change[] = [
  ['routes', 20, (mesh) => mesh.changeRoutes()],
  ['endpoints', 20, (mesh) => mesh.moveEndpoints()],
  ['cluster', 12, (mesh) => mesh.changeCluster()],
  ['new cluster', 6, (mesh) => mesh.addCluster()],
  ['cluster goes', 5, (mesh) => mesh.removeCluster()],
  ['chains', 10, (mesh) => mesh.changeSideChains()],
  ['new listener', 5, (mesh) => mesh.addListener()],
  ['listener', 6, (mesh) => mesh.changeListener()],
  ['listener goes', 4, (mesh) => mesh.removeListener()],
  ['secrets', 4, (mesh) => mesh.rotateSecrets()],
  ['again', 6, (mesh) => mesh.resend()],
  ['refused', 5, (mesh) => mesh.misbehave()],
  ['reconnect', 1, (mesh) => mesh.reconnect()],
];
const CHANGES_WEIGHT = CHANGES.reduce((sum, [, weight]) => sum + weight, 0);
