// The proxy's xDS client over real sockets, and users of it that follow what a server says as a proxy would.
import { Clock, Random } from '../../src/base/clock.ts';
import type { Failure } from '../../src/base/failure.ts';
import { createEngine, type Engine } from '../../src/net/engine.ts';
import { decodeBinary } from '../../src/proto/binary-decode.ts';
import type { Cluster, Listener, Node } from '../../src/proto/generated/types.d.ts';
import { registry } from '../../src/proto/registry.ts';
import { ClusterTable } from '../../src/proxy/cluster/cluster-manager.ts';
import type { GrpcTarget } from '../../src/proxy/cluster/upstream-client/grpc-call.ts';
import { HttpClient } from '../../src/proxy/cluster/upstream-client/http-client.ts';
import { xxHash64 } from '../../src/proxy/route/xxhash64.ts';
import { LayeredRuntime } from '../../src/proxy/runtime.ts';
import type { GrpcPlace } from '../../src/proxy/xds/place.ts';
import { grpcSource } from '../../src/proxy/xds/sources/grpc-source.ts';
import { StatStore } from '../../src/telemetry/metrics.ts';
import { ScopeStreamCounts, ScopeUpdateCounts } from '../../src/xds/client/counts.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../../src/xds/client/services.ts';
import type {
  UpdateCounts,
  XdsListener,
  XdsRefusal,
  XdsResponse,
  XdsSource,
  XdsSubscription,
} from '../../src/xds/client/types.ts';
import { decodedCluster } from './cluster-decoding.ts';

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** A cluster of one host of this machine. */
export function localCluster(name: string, port: number, isHttp2: boolean): object {
  const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: port } } };
  const explicit_http_config = isHttp2 ? { http2_protocol_options: {} } : { http_protocol_options: {} };
  return {
    ...{ name, type: 'STATIC', connect_timeout: '1s' },
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
    typed_extension_protocol_options: {
      [HTTP_OPTIONS]: { '@type': `type.googleapis.com/${HTTP_OPTIONS}`, explicit_http_config },
    },
  };
}

/** What a proxy has besides its configuration: sockets, clusters, statistics. */
export class XdsClientRig {
  readonly clock = new Clock();
  readonly engine: Engine;
  readonly stats = new StatStore();
  readonly clusters: ClusterTable;
  readonly http: HttpClient;
  readonly lines: string[] = [];
  readonly sources: XdsSource[] = [];
  readonly node: Node = { id: 'n1', cluster: 'c1', user_agent_name: 'heddle' };

  constructor(port: number, isHttp2 = true) {
    const { clock, stats } = this;
    const onBug = (error: unknown): never => {
      throw error;
    };
    this.engine = createEngine({ clock, onBug });
    clock.wrap = (run) => this.engine.run(run);
    const random = new Random();
    this.clusters = new ClusterTable({
      ...{ dialer: this.engine, clock, random, stats, runtime: new LayeredRuntime() },
      makeResolver: () => {
        throw new Error('no cluster here has names');
      },
    });
    this.clusters.set(decodedCluster(localCluster('xds', port, isHttp2)));
    this.http = new HttpClient({ clusters: this.clusters, clock, random, stats, zone: '', localAddress: '' });
  }

  get parts() {
    const log = (level: string, text: string): void => void this.lines.push(`${level}: ${text}`);
    return { clock: this.clock, http: this.http, node: () => this.node, log };
  }

  grpc(place: Partial<GrpcPlace>): XdsSource {
    const target: GrpcTarget = {
      ...{
        clusterName: 'xds',
        authority: 'xds',
        timeoutMs: 0,
        addMetadata: null,
        callCredentials: null,
        skipsEnvoyHeaders: false,
      },
      ...{ maxMessageBytes: Number.POSITIVE_INFINITY, retry: null, ownCluster: null, counts: null },
      streamBackOff: { baseMs: 20, maxMs: 200 },
    };
    const all: GrpcPlace = {
      ...{ kind: 'grpc', isDelta: false, isAggregated: true, target, setsNodeOnFirstOnly: false, rateLimit: null },
      ...place,
    };
    return this.keep(grpcSource(this.parts, all, new ScopeStreamCounts(this.stats, '')));
  }

  keep(source: XdsSource): XdsSource {
    this.sources.push(source);
    return source;
  }

  counts(prefix: string): ScopeUpdateCounts {
    const { stats, clock } = this;
    const stream = new ScopeStreamCounts(stats, prefix);
    return new ScopeUpdateCounts({ stats, clock, hash: xxHash64 }, prefix, stream);
  }

  /** Of a question on an aggregated stream. */
  sharedCounts(prefix: string): ScopeUpdateCounts {
    const { stats, clock } = this;
    return new ScopeUpdateCounts({ stats, clock, hash: xxHash64 }, prefix);
  }

  /** 'name: value' of all statistics but histograms. */
  statLines(): string[] {
    const lines: string[] = [];
    for (const scope of this.stats.scopes()) {
      for (const stat of scope.stats()) {
        if (stat.kind === 'text-readout') lines.push(`${stat.name}: "${stat.text}"`);
        else if (stat.kind !== 'histogram') lines.push(`${stat.name}: ${stat.value}`);
      }
    }
    return lines;
  }

  stat(name: string): number {
    return this.stats.find(name) ?? 0;
  }

  close(): void {
    for (const source of this.sources) source.close();
    this.clusters.remove('xds');
  }
}

/** Keeps what it is told, and says of each resource whether it is good. */
export class Follower implements XdsListener {
  /** Bytes by name. */
  readonly has = new Map<string, Uint8Array>();
  readonly versions: string[] = [];
  readonly timeouts: string[] = [];
  connection: Failure | null = null;
  responses = 0;
  /** Why a resource will not do; null: it will. */
  check: (name: string, bytes: Uint8Array) => string | null = () => null;
  onChange: (response: XdsResponse) => void = () => {};
  /** Puts the answer off. */
  delay: ((answer: () => void) => void) | null = null;

  onResponse(response: XdsResponse, done: (refused: readonly XdsRefusal[]) => void): void {
    this.responses++;
    this.versions.push(response.version);
    const refused: XdsRefusal[] = [];
    const seen = new Set<string>();
    for (const { name, bytes } of response.resources) {
      seen.add(name);
      const reason = this.check(name, bytes);
      if (reason === null) this.has.set(name, bytes);
      else refused.push({ name, reason });
    }
    if (response.isComplete) for (const name of this.has.keys()) if (!seen.has(name)) this.has.delete(name);
    for (const name of response.removed) this.has.delete(name);
    this.onChange(response);
    if (this.delay === null) done(refused);
    else this.delay(() => done(refused));
  }

  onFetchTimeout(names: readonly string[]): void {
    this.timeouts.push(...names);
  }

  onConnection(failure: Failure | null): void {
    this.connection = failure;
  }
}

/** Wants what clusters and listeners name, as a proxy does: listeners once clusters and their endpoints are there. */
export class MiniProxy {
  readonly clusters = new Follower();
  readonly endpoints = new Follower();
  readonly listeners = new Follower();
  readonly routes = new Follower();
  readonly #source: XdsSource;
  #endpointNames: XdsSubscription | null = null;
  #routeNames: XdsSubscription | null = null;
  readonly #wantedEndpoints = new Set<string>();
  readonly #wantedRoutes = new Set<string>();
  #hasListeners = false;
  readonly #countsOf: (prefix: string) => UpdateCounts | null;

  constructor(source: XdsSource, countsOf: (prefix: string) => UpdateCounts | null = () => null) {
    this.#source = source;
    this.#countsOf = countsOf;
    this.clusters.onChange = () => this.#clustersChanged();
    this.endpoints.onChange = () => this.#startListeners();
    this.listeners.onChange = () => this.#listenersChanged();
    source.subscribe(CLUSTER_TYPE, true, 0, this.clusters, countsOf('cluster_manager.cds.'));
  }

  #clustersChanged(): void {
    const names = [...this.clusters.has].flatMap(([name, bytes]) => {
      const cluster = decodeBinary(registry.message(CLUSTER_TYPE), bytes) as Cluster;
      return cluster.type === 'EDS' ? [name] : [];
    });
    this.#endpointNames ??= this.#source.subscribe(ENDPOINT_TYPE, false, 0, this.endpoints);
    follow(this.#endpointNames, this.#wantedEndpoints, names, (name) => this.#countsOf(`cluster.${name}.`));
    this.#startListeners();
  }

  #startListeners(): void {
    if (this.#hasListeners || [...this.#wantedEndpoints].some((name) => !this.endpoints.has.has(name))) return;
    this.#hasListeners = true;
    this.#source.subscribe(LISTENER_TYPE, true, 0, this.listeners, this.#countsOf('listener_manager.lds.'));
  }

  #listenersChanged(): void {
    const names = [...this.listeners.has.values()].flatMap((bytes) => {
      const listener = decodeBinary(registry.message(LISTENER_TYPE), bytes) as Listener;
      return [...JSON.stringify(listener.metadata ?? {}).matchAll(/"route":"(\w+)"/g)].map(
        (match) => match[1] as string,
      );
    });
    this.#routeNames ??= this.#source.subscribe(ROUTE_TYPE, false, 0, this.routes);
    follow(this.#routeNames, this.#wantedRoutes, names, (name) => this.#countsOf(`http.in.rds.${name}.`));
  }
}

function follow(
  subscription: XdsSubscription,
  wanted: Set<string>,
  names: readonly string[],
  countsOf: (name: string) => UpdateCounts | null,
): void {
  for (const name of wanted) {
    if (names.includes(name)) continue;
    wanted.delete(name);
    subscription.remove(name);
  }
  for (const name of names) {
    if (wanted.has(name)) continue;
    wanted.add(name);
    subscription.add(name, countsOf(name));
  }
}
