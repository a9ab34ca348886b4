// What the fleet makes of resources: each distinct one is decoded once and whole, and all others must be equal to it.
import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { typeUrlName } from '../../src/proto/type-url.ts';
import { Fields, type WireResource } from './delta-wire.ts';

export const TYPES = {
  cds: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  eds: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  lds: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  rds: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  vhds: 'type.googleapis.com/envoy.config.route.v3.VirtualHost',
} as const;

/** One for all proxies that have it. */
export type KnownResource = {
  readonly name: string;
  readonly version: string;
  readonly body: Buffer;
  /** Names of resources that it refers to: endpoints of a cluster, routes of a listener. */
  readonly refersTo: readonly string[];
  /** Virtual hosts come by themselves. */
  readonly hasVhds: boolean;
  /** Virtual hosts that it has in it. */
  readonly hosts: number;
};

type Json = Readonly<Record<string, unknown>>;

export class ResourceChecks {
  /** The newest of each type, name and version; a version that differs in its bytes is a problem. */
  readonly #known = new Map<string, KnownResource>();
  readonly problems: string[] = [];
  #undecoded: (readonly [string, KnownResource])[] = [];
  distinctBytes = 0;

  /** The shared form of a resource that came. */
  take(typeUrl: string, resource: WireResource): KnownResource {
    const key = `${typeUrl} ${resource.name} ${resource.version}`;
    const known = this.#known.get(key);
    if (known !== undefined) {
      if (!known.body.equals(resource.body)) this.problem(`${key}: two bodies of one version`);
      return known;
    }
    const made = this.#make(typeUrl, resource);
    this.#known.set(key, made);
    this.distinctBytes += made.body.length;
    return made;
  }

  problem(text: string): void {
    if (this.problems.length < 20) this.problems.push(text);
  }

  /** Decodes what came since the last time: not while somebody measures how fast the fleet acknowledges. */
  decodeNew(): void {
    for (const [typeUrl, resource] of this.#undecoded) this.#decode(typeUrl, resource);
    this.#undecoded = [];
  }

  #make(typeUrl: string, { name, version, body }: WireResource): KnownResource {
    // A copy: the buffer that it came in holds much else.
    const bare = { name, version, body: Buffer.from(body), refersTo: NOTHING, hasVhds: false, hosts: 0 };
    if (typeUrl === TYPES.rds) {
      const made = { ...bare, ...outlineOf(bare.body) };
      this.#undecoded.push([typeUrl, made]);
      return made;
    }
    if (typeUrl === TYPES.eds || typeUrl === TYPES.vhds) {
      this.#undecoded.push([typeUrl, bare]);
      return bare;
    }
    const message = this.#decode(typeUrl, bare);
    const refersTo = new Set<string>();
    if (typeUrl === TYPES.cds && message?.['type'] === 'EDS') {
      const eds = message['eds_cluster_config'] as Json | undefined;
      refersTo.add(String(eds?.['service_name'] || name));
    }
    if (typeUrl === TYPES.lds) collectRoutes(message, refersTo);
    return { ...bare, refersTo: [...refersTo] };
  }

  #decode(typeUrl: string, { name, body }: Pick<KnownResource, 'name' | 'body'>): Json | undefined {
    const report = new Report();
    const type = registry.find(typeUrlName(typeUrl));
    const message = type === undefined ? undefined : (decodeBinary(type, body, report) as Json | undefined);
    if (message === undefined) this.problem(`${typeUrl} ${name} cannot be decoded`);
    for (const one of report.problems.slice(0, 3)) this.problem(`${typeUrl} ${name}: ${JSON.stringify(one)}`);
    return message;
  }
}

const NOTHING: readonly string[] = [];
/** Field numbers of envoy.config.route.v3.RouteConfiguration. */
const ROUTES = { virtualHosts: 2, vhds: 9 };

/** What a proxy needs of a route configuration to go on, without decoding a thousand virtual hosts. */
function outlineOf(body: Buffer): Pick<KnownResource, 'hasVhds' | 'hosts'> {
  const fields = new Fields(body, 0, body.length);
  let hosts = 0;
  let hasVhds = false;
  while (fields.next()) {
    if (fields.number === ROUTES.virtualHosts) hosts++;
    if (fields.number === ROUTES.vhds) hasVhds = true;
  }
  return { hasVhds, hosts };
}

/** Names of route configurations that come by RDS, wherever a connection manager stands. */
function collectRoutes(value: unknown, names: Set<string>): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  if (Array.isArray(value)) {
    for (const item of value) collectRoutes(item, names);
    return;
  }
  const { type_url: typeUrl, value: bytes } = value as { readonly type_url?: unknown; readonly value?: unknown };
  if (typeof typeUrl === 'string' && bytes instanceof Uint8Array) {
    const type = registry.find(typeUrlName(typeUrl));
    if (type !== undefined) collectRoutes(decodeBinary(type, bytes), names);
    return;
  }
  for (const [field, item] of Object.entries(value)) {
    if (field === 'rds') names.add(String((item as Json)['route_config_name']));
    else collectRoutes(item, names);
  }
}
