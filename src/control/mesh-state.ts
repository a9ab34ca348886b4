// The mesh as one value: objects in, what each proxy sees out. No sockets, no files, no clock.
import { Graph, type InputCollection } from '../base/collection.ts';
import type { Mesh } from './model/mesh.ts';
import type { ConnectedProxy } from './stages/plans-stage.ts';
import { KINDS } from './source/kinds.ts';
import type { ConfigObject } from './source/object.ts';
import { type Pipeline, pipeline } from './stages/pipeline.ts';
import { type MeshPlace, translateMeshConfig } from './translate/istio/mesh-config.ts';
import { type ProxyView, type TableChange, Views } from './views.ts';

/** What one batch did to what proxies see. */
export type Settled = {
  /** Object keys that were changed. */
  readonly causes: readonly string[];
  readonly changes: readonly TableChange[];
  /** Proxies that see other tables now. */
  readonly replanned: readonly string[];
};

const GATEWAY_API = 'gateway.networking.k8s.io';

export class MeshState {
  readonly graph = new Graph();
  readonly stages: Pipeline;
  readonly #kinds = new Map<string, InputCollection<ConfigObject>>();
  readonly #meshConfig: InputCollection<ConfigObject>;
  readonly #proxies: InputCollection<ConnectedProxy>;
  readonly #views: Views;
  readonly #users = new Map<string, number>();

  constructor(place: MeshPlace) {
    const { graph } = this;
    // All inputs come first: a collection reads only what was made before it.
    for (const { group, kind } of KINDS) {
      const name = kindName(group, kind);
      this.#kinds.set(name, graph.input<ConfigObject>(name));
    }
    this.#proxies = graph.input<ConnectedProxy>('proxies');
    this.#meshConfig = this.kind('MeshConfig');
    const always = graph.input<true>('one mesh');
    graph.batch(() => always.set('', true));
    const mesh = graph.map<true, Mesh>('mesh', always, (_key, _value, read) => {
      const [config] = read.all(this.#meshConfig).values();
      return translateMeshConfig(config?.spec ?? null, place);
    });
    const kind = (name: string): InputCollection<ConfigObject> => this.kind(name);
    this.stages = pipeline({ graph, kind, mesh }, this.#proxies);
    this.#views = new Views(this.stages.plans);
  }

  /** Objects of a kind; Gateways of the Gateway API are 'gateway.networking.k8s.io:Gateway'. */
  kind(name: string): InputCollection<ConfigObject> {
    const found = this.#kinds.get(name);
    if (found === undefined) throw new Error(`objects of kind ${name} are not read`);
    return found;
  }

  get mesh(): Mesh {
    const [config] = this.#meshConfig.entries();
    return this.stages.mesh.get('') ?? translateMeshConfig(config?.[1].spec ?? null, NO_PLACE);
  }

  /** Takes changed objects (null: gone) by their keys. */
  apply(changes: ReadonlyMap<string, ConfigObject | null>): Settled {
    const causes: string[] = [];
    this.graph.batch(() => {
      for (const [key, object] of changes) {
        const kind = this.#kinds.get(key.slice(0, key.indexOf('/')));
        if (kind === undefined) continue;
        causes.push(key);
        if (object === null) kind.delete(key);
        else kind.set(key, object);
      }
    });
    return this.settled(causes);
  }

  /** Brings the tables up to date with the graph: part of `apply`, and what is left to do when that threw. */
  settled(causes: readonly string[]): Settled {
    return { causes, ...this.#views.settle() };
  }

  /** Which resources would be other ones without the object: it is taken away and put back, and nobody hears of it. */
  impactOf(key: string, object: ConfigObject): readonly TableChange[] {
    const kind = this.#kinds.get(key.slice(0, key.indexOf('/')));
    if (kind?.get(key) === undefined) return [];
    this.graph.batch(() => kind.delete(key));
    const changes = this.#views.peek();
    this.graph.batch(() => kind.set(key, object));
    this.#views.settle();
    return changes;
  }

  /** A proxy is here; `key` names it among all. Several streams of one proxy share what it sees. */
  connect(key: string, node: ConnectedProxy): ProxyView {
    const users = this.#users.get(key) ?? 0;
    this.#users.set(key, users + 1);
    if (users === 0) {
      this.graph.batch(() => this.#proxies.set(key, node));
      this.#views.settle();
    }
    return this.#views.open(key);
  }

  disconnect(key: string): void {
    const users = (this.#users.get(key) ?? 1) - 1;
    if (users > 0) {
      this.#users.set(key, users);
      return;
    }
    this.#users.delete(key);
    this.#views.close(key);
    this.graph.batch(() => this.#proxies.delete(key));
    this.#views.settle();
  }

  get views(): Views {
    return this.#views;
  }

  get proxies(): InputCollection<ConnectedProxy> {
    return this.#proxies;
  }
}

const NO_PLACE: MeshPlace = { cluster: '', clusterDomain: 'cluster.local', network: '' };

function kindName(group: string, kind: string): string {
  return group === GATEWAY_API && kind === 'Gateway' ? `${group}:${kind}` : kind;
}
