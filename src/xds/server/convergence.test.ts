// Property: whatever changes and however clients answer, leave and come back, each ends with what it is to have, and
// at no time does one have a route to a cluster that it does not have.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Clock } from '../../base/clock.ts';
import { CLUSTER_URL, ENDPOINT_URL, ROUTE_URL } from './order.ts';
import type { ResourceTable } from './resource.ts';
import { XdsServer } from './server.ts';
import { admission, type Response, ScriptedClient, TestView, textResource, tick } from './testing/scripted-client.ts';

const CLUSTERS = ['c0', 'c1', 'c2', 'c3', 'c4'];
const ROUTES = ['r0', 'r1', 'r2'];
/** In a route's or cluster's text: the client refuses it. */
const BAD = 'bad';

type Step =
  | { readonly kind: 'change'; readonly routes: readonly number[]; readonly extra: number; readonly isBad: boolean }
  | { readonly kind: 'answer' }
  | { readonly kind: 'reconnect' }
  | { readonly kind: 'slow'; readonly isSlow: boolean }
  | { readonly kind: 'wait' };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('change' as const),
        // Of each route the cluster that it names, or −1.
        routes: fc.array(fc.integer({ min: -1, max: CLUSTERS.length - 1 }), { minLength: 3, maxLength: 3 }),
        extra: fc.nat(3),
        isBad: fc.boolean(),
      }),
    },
    { weight: 8, arbitrary: fc.constant({ kind: 'answer' } as const) },
    { weight: 1, arbitrary: fc.constant({ kind: 'reconnect' } as const) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('slow' as const), isSlow: fc.boolean() }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'wait' } as const) },
  ),
  { maxLength: 40 },
);

type Has = Map<string, { text: string; version: string }>;

/** A client that keeps what it takes on, as a proxy does: clusters by wildcard, endpoints and routes by name. */
class Proxy {
  readonly has = new Map<string, Has>([CLUSTER_URL, ENDPOINT_URL, ROUTE_URL].map((type) => [type, new Map()]));
  client: ScriptedClient;
  readonly #server: XdsServer<string>;
  readonly #isDelta: boolean;
  readonly #endpoints = new Set<string>();
  /** In state of the world a server does not hear what routes a client still has from the stream before. */
  #isBlind = false;

  constructor(server: XdsServer<string>, isDelta: boolean) {
    this.#server = server;
    this.#isDelta = isDelta;
    this.client = new ScriptedClient(server, isDelta);
    this.#start();
  }

  reconnect(): void {
    this.client.gone();
    this.#isBlind = !this.#isDelta;
    this.client = new ScriptedClient(this.#server, this.#isDelta);
    this.#start();
  }

  #start(): void {
    const names = (type: string): readonly string[] => (type === ROUTE_URL ? ROUTES : [...this.#endpoints]);
    for (const type of [CLUSTER_URL, ENDPOINT_URL, ROUTE_URL]) {
      if (type === ENDPOINT_URL && this.#endpoints.size === 0) continue;
      const own = [...this.of(type)].map(([name, { version }]) => [name, version]);
      this.client.ask({
        type_url: type,
        ...(type === CLUSTER_URL ? {} : { resource_names: names(type), resource_names_subscribe: [...names(type)] }),
        ...(this.#isDelta ? { initial_resource_versions: Object.fromEntries(own) } : {}),
      } as never);
    }
  }

  of(type: string): Has {
    return this.has.get(type) as Has;
  }

  /** Takes one response on, or refuses it whole. */
  answer(): boolean {
    const response = this.client.next();
    if (response === undefined) return false;
    const type = response.type_url as string;
    const resources = (response.resources ?? []).map((one) => this.#read(one));
    const isBad = resources.some(({ text }) => text.includes(BAD));
    if (!isBad) this.#takeOn(type, response, resources);
    // State of the world says names with each answer: endpoints of clusters that have come are asked for after it.
    const names = type === ROUTE_URL ? ROUTES : type === ENDPOINT_URL ? [...this.#endpoints] : [];
    this.client.answer(response, isBad ? 'what came is bad' : null, names);
    if (type === CLUSTER_URL) this.#followClusters();
    return true;
  }

  #read(one: unknown): { name: string; text: string; version: string } {
    const {
      name,
      resource,
      value,
      version = '',
    } = one as {
      name?: string;
      version?: string;
      resource?: { value?: Uint8Array };
      value?: Uint8Array;
    };
    const text = Buffer.from(resource?.value ?? value ?? []).toString();
    return { name: name ?? (text.split(' ')[0] as string), text, version };
  }

  #takeOn(
    type: string,
    response: Response,
    resources: readonly { name: string; text: string; version: string }[],
  ): void {
    const has = this.of(type);
    if (type === ROUTE_URL && resources.length === ROUTES.length) this.#isBlind = false;
    if (!this.#isDelta && type === CLUSTER_URL) has.clear();
    for (const { name, text, version } of resources) {
      // What was on its way when it was no longer asked for is dropped.
      if (type !== ENDPOINT_URL || this.#endpoints.has(name)) has.set(name, { text, version });
    }
    for (const name of response.removed_resources ?? []) has.delete(name);
  }

  #followClusters(): void {
    const now = [...this.of(CLUSTER_URL).keys()];
    const added = now.filter((name) => !this.#endpoints.has(name));
    const gone = [...this.#endpoints].filter((name) => !now.includes(name));
    for (const name of added) this.#endpoints.add(name);
    for (const name of gone) this.#endpoints.delete(name);
    for (const name of gone) this.of(ENDPOINT_URL).delete(name);
    if (added.length + gone.length === 0) return;
    if (this.#isDelta) {
      const request = { resource_names_subscribe: added, resource_names_unsubscribe: gone };
      this.client.ask({ type_url: ENDPOINT_URL, ...request });
      return;
    }
    const nonce = this.#lastEndpointNonce;
    this.client.ask({ type_url: ENDPOINT_URL, resource_names: [...this.#endpoints], response_nonce: nonce });
  }

  get #lastEndpointNonce(): string {
    for (const stream of this.#server.streams) {
      if (stream.call === (this.client as unknown)) return String(stream.type(ENDPOINT_URL)?.nonce || '');
    }
    return '';
  }

  /** What is wrong with what it has now; null: nothing. */
  get fault(): string | null {
    if (this.#isBlind) return null;
    for (const [name, { text }] of this.of(ROUTE_URL)) {
      const cluster = /→(c\d)/.exec(text)?.[1];
      if (cluster !== undefined && !this.of(CLUSTER_URL).has(cluster)) return `${name} names ${cluster}`;
    }
    return null;
  }
}

function textsOf(table: ResourceTable): Record<string, string> {
  return Object.fromEntries(table.all().map(({ name, body }) => [name, Buffer.from(body).toString()]));
}

for (const isDelta of [true, false]) {
  test(`clients converge, no route is without its cluster (${isDelta ? 'delta' : 'state of the world'})`, async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (run) => {
        const clock = new Clock({ manual: true });
        const view = new TestView();
        const tables = [CLUSTER_URL, ENDPOINT_URL, ROUTE_URL].map((type) => view.table(type));
        const [clusters, endpoints, routes] = tables as [ResourceTable, ResourceTable, ResourceTable];
        const server = new XdsServer<string>({
          clock,
          identifier: '',
          authenticate: () => '',
          admit: () => admission(view),
          // The cap would let routes go ahead of clusters that a slow client has not taken on.
          limits: { orderWaitMs: 1e9, ackWaitMs: 1e9 },
        });
        let count = 0;
        const change = (targets: readonly number[], extra: number, isBad: boolean): void => {
          const names = new Set(targets.filter((target) => target >= 0).map((target) => CLUSTERS[target] as string));
          names.add(CLUSTERS[extra] as string);
          count++;
          const text = (type: string, name: string, more = ''): [string, ReturnType<typeof textResource>] => [
            name,
            textResource(type, name, `${name} ${count % 3}${more}`),
          ];
          clusters.set([...names].map((name) => text(CLUSTER_URL, name)[1]));
          endpoints.set([...names].map((name) => text(ENDPOINT_URL, name)[1]));
          routes.set(
            ROUTES.map((name, index) => {
              const target = targets[index] as number;
              const to = target < 0 ? '' : `→${CLUSTERS[target]}`;
              return text(ROUTE_URL, name, `${to}${isBad && index === 1 ? BAD : ''}`)[1];
            }),
          );
          server.push();
        };
        change([0, 1, 2], 0, false);
        const proxy = new Proxy(server, isDelta);
        for (const step of run) {
          if (step.kind === 'change') change(step.routes, step.extra, step.isBad);
          else if (step.kind === 'answer') proxy.answer();
          else if (step.kind === 'reconnect') proxy.reconnect();
          else if (step.kind === 'wait') clock.advance(500);
          else if (step.isSlow) proxy.client.isAboveWatermark = true;
          else proxy.client.drain();
          await tick(clock, 2);
          assert.equal(proxy.fault, null);
        }
        proxy.client.drain();
        change([2, 3, -1], 4, false);
        for (let idle = 0; idle < 3; ) {
          await tick(clock, 2);
          idle = proxy.answer() ? 0 : idle + 1;
          if (idle > 0) clock.advance(500);
          assert.equal(proxy.fault, null);
        }
        for (const table of tables) {
          const has = Object.fromEntries([...proxy.of(table.typeUrl)].map(([name, { text }]) => [name, text]));
          assert.deepEqual(has, textsOf(table));
        }
        server.close();
      }),
      { numRuns: 300 },
    );
  });
}
