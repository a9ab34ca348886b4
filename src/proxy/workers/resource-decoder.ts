// One resource of an update: bytes → runtime object, checked as static configuration is.
import type { Clock } from '../../base/clock.ts';
import { decodeBinary, MAX_FIELDS } from '../../proto/binary-decode.ts';
import type { MessageType } from '../../proto/message-type.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import { validateRules } from '../../proto/rules.ts';
import { FieldCursor, WIRE } from '../../proto/wire-reader.ts';
import type { ClusterConfig, EndpointsConfig } from '../cluster/cluster-config.ts';
import { supportedFields } from '../config/bootstrap.ts';
import { decodeCluster } from '../config/cluster.ts';
import { decodeEndpoints } from '../config/endpoint.ts';
import { BUFFER_LIMIT_BYTES, decodeListener } from '../config/listener.ts';
import { decodeRouteConfigurationInSteps } from '../config/route.ts';
import { dropNested, findUnsupported } from '../config/support.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import type { Decoded } from '../core.ts';
import type { ListenerConfig } from '../listener/listener-config.ts';
import type { RouteTable } from '../route/route.ts';
import { flattenLayer } from '../runtime-values.ts';
import type { TypedExtensionConfig } from '../../proto/generated/types.d.ts';
import type { JudgeUnknown } from '../xds/judge-unknown.ts';
import { decodeNamedSecret } from '../tls/server-secret.ts';
import type { NamedSecret } from '../tls/tls-config.ts';
import type { HttpExtension } from '../http/filter-discovery.ts';
import type { ListenerExtension } from '../listener/filter-discovery.ts';
import type { NetworkExtension } from '../network/filter-discovery.ts';
import {
  APPLIED_TYPES,
  CLUSTER_TYPE,
  ENDPOINTS_TYPE,
  EXTENSION_TYPE,
  LISTENER_TYPE,
  ROUTE_TYPE,
  RUNTIME_TYPE,
  SCOPE_TYPE,
  SECRET_TYPE,
  VIRTUAL_HOST_TYPE,
} from '../xds/types.ts';
import type { OpenTable } from '../route/open-table.ts';
import type { HostEntry } from '../route/route-table.ts';
import type { ScopeConfig } from '../xds/scope-sets.ts';
import type { HostEntries, HostResource } from '../xds/virtual-hosts.ts';
import { decodeScope } from '../config/scoped-routes.ts';
import type { ResourceUpdate } from './contract.ts';

/** Number of RouteConfiguration.virtual_hosts. */
const VIRTUAL_HOSTS_FIELD = 2;
const ROUTE_OF_HOST_TYPE = 'envoy.config.route.v3.Route';
/** Number of VirtualHost.routes. */
const ROUTES_FIELD = 3;
/** Virtual hosts, or routes of one of them, that are cut out: more are read at once, as far as they may be. */
const MAX_PARTS = 250_000;
/** The routes of a longer one are read one by one: all at once would hold up what is on its way. */
const LARGE_HOST_BYTES = 32 * 1024;

export type Resource =
  | { readonly kind: 'cluster'; readonly config: ClusterConfig }
  | { readonly kind: 'listener'; readonly config: ListenerConfig }
  /** `hosts`: those that came by themselves, where the table has such. */
  | { readonly kind: 'routes'; readonly table: RouteTable; readonly hosts: HostEntries }
  | { readonly kind: 'scope'; readonly scope: ScopeConfig }
  | { readonly kind: 'endpoints'; readonly endpoints: EndpointsConfig }
  | { readonly kind: 'secret'; readonly secret: NamedSecret }
  | { readonly kind: 'extension'; readonly extension: HttpExtension }
  | { readonly kind: 'network-extension'; readonly extension: NetworkExtension }
  | { readonly kind: 'listener-extension'; readonly extension: ListenerExtension }
  | { readonly kind: 'runtime'; readonly values: Readonly<Record<string, unknown>> };

export class ResourceDecoder {
  readonly #decoded: Decoded;
  readonly #judgeUnknown: JudgeUnknown;
  readonly #support: ReadonlyMap<string, ReadonlySet<string> | '*'>;
  /** 'TYPE NAME' of what the bootstrap has; updates leave it alone, as Envoy does. */
  readonly #static: ReadonlySet<string>;
  /** Clusters that were decoded and do not serve yet: what comes with them may name them. */
  readonly pendingClusters = new Set<string>();

  constructor(decoded: Decoded) {
    const { clusters, listeners } = decoded.config;
    this.#decoded = decoded;
    this.#judgeUnknown = decoded.unknownFields.judge;
    this.#support = supportedFields(decoded.extensions);
    this.#static = new Set([
      ...clusters.map(({ name }) => `${CLUSTER_TYPE} ${name}`),
      ...listeners.map(({ name }) => `${LISTENER_TYPE} ${name}`),
    ]);
  }

  /** Why an update must not touch the resource, or null. */
  refusal({ typeUrl, name }: ResourceUpdate): string | null {
    const type = typeName(typeUrl);
    if (!APPLIED_TYPES.includes(type)) return `resources of type ${type} are not supported yet`;
    return this.#static.has(`${type} ${name}`) ? 'is static configuration, which no update changes' : null;
  }

  /** Yields between steps; a text says why the bytes cannot be served. */
  *decode(resource: ResourceUpdate, generation: number): Generator<void, Resource | string> {
    const { name } = resource;
    const type = typeName(resource.typeUrl);
    const environment = this.#environmentOf(type, name, generation);
    const d = new ConfigDecoder(environment);
    let decoded: Resource | null;
    try {
      decoded = yield* this.#decodeAs(type, resource, d);
    } catch (bug) {
      return bugRefusal(environment.clock, bug);
    }
    if (decoded !== null && d.reasons.length === 0) {
      if (decoded.kind === 'cluster') this.pendingClusters.add(name);
      return decoded;
    }
    return textOf(d);
  }

  /** A virtual host that came by itself, for a table; a text says why it cannot be. */
  decodeHost(open: OpenTable, { name, bytes, generation }: HostResource): HostEntry | string {
    const environment = this.#environmentOf(VIRTUAL_HOST_TYPE, name, generation);
    const d = new ConfigDecoder(environment);
    try {
      const message = this.#read(VIRTUAL_HOST_TYPE, bytes, d, name);
      const entry = message === null ? null : open.decodeHost(message, d);
      return entry !== null && d.reasons.length === 0 ? entry : textOf(d);
    } catch (bug) {
      return bugRefusal(environment.clock, bug);
    }
  }

  #environmentOf(type: string, name: string, generation: number): Decoded['environment'] {
    const { hasCluster } = this.#decoded.environment;
    return {
      ...this.#decoded.environment,
      version: `${type} ${name} ${generation}`,
      // What came by itself knows whom to ask.
      hasAds: true,
      hasCluster: (cluster) => hasCluster(cluster) || this.pendingClusters.has(cluster),
    };
  }

  *#decodeAs(type: string, { name, bytes }: ResourceUpdate, d: ConfigDecoder): Generator<void, Resource | null> {
    if (bytes === null) return null;
    if (type === ROUTE_TYPE) return yield* this.#decodeRoutes(name, bytes, d);
    const message = this.#read(type, bytes, d, name);
    if (message === null) return null;
    yield;
    if (type === ENDPOINTS_TYPE) {
      const { cluster_name: found } = message as { cluster_name?: string };
      if (found !== name) d.reject('cluster_name', `Unexpected EDS cluster (expecting ${name}): ${found ?? ''}`);
      return { kind: 'endpoints', endpoints: decodeEndpoints(message as never, d) };
    }
    checkName(message, name, d);
    if (type === SECRET_TYPE) {
      const secret = decodeNamedSecret(message, d);
      return secret === null ? null : { kind: 'secret', secret };
    }
    if (type === SCOPE_TYPE) return { kind: 'scope', scope: decodeScope(message as never, d) };
    if (type === EXTENSION_TYPE) return decodeExtension(message, d, this.#decoded);
    if (type === RUNTIME_TYPE) {
      const { layer: values = {} } = message as { layer?: Record<string, unknown> };
      const problem = flattenLayer(values);
      if (typeof problem !== 'string') return { kind: 'runtime', values };
      d.reject('layer', problem);
      return null;
    }
    if (type === CLUSTER_TYPE) {
      const config = decodeCluster(message as never, d);
      return config === null ? null : { kind: 'cluster', config: { ...config, addedViaApi: true } };
    }
    const config = decodeListener(message as never, d, this.#decoded.listenerEnvironment);
    return config === null ? null : { kind: 'listener', config };
  }

  /** A route configuration may have thousands of virtual hosts: each is a step. */
  *#decodeRoutes(name: string, bytes: Uint8Array, d: ConfigDecoder): Generator<void, Resource | null> {
    const { rest, parts: hosts } = cutField(bytes, VIRTUAL_HOSTS_FIELD);
    const message = this.#read(ROUTE_TYPE, rest, d, name);
    if (message === null) return null;
    checkName(message, name, d);
    const table = yield* decodeRouteConfigurationInSteps(message, this.#readHosts(hosts, d, name), d, false);
    const { open = null } = table;
    if (open === null) return { kind: 'routes', table, hosts: NO_HOSTS };
    const entries = yield* this.#decoded.holders.virtualHosts.entriesFor(open);
    if (typeof entries !== 'string') return { kind: 'routes', table, hosts: entries };
    d.reject('', entries);
    return null;
  }

  *#readHosts(hosts: readonly Uint8Array[], d: ConfigDecoder, name: string): Generator<object> {
    for (const [i, bytes] of hosts.entries()) {
      const dh = d.at('virtual_hosts', i);
      const isLarge = bytes.length > LARGE_HOST_BYTES;
      const { rest, parts } = isLarge ? cutField(bytes, ROUTES_FIELD) : { rest: bytes, parts: [] };
      const host = this.#read(VIRTUAL_HOST_TYPE, rest, dh, name);
      if (host !== null) yield parts.length === 0 ? host : { ...host, routes: this.#readRoutes(parts, dh, name) };
    }
  }

  *#readRoutes(routes: readonly Uint8Array[], d: ConfigDecoder, name: string): Generator<object | null> {
    for (const [i, bytes] of routes.entries()) yield this.#read(ROUTE_OF_HOST_TYPE, bytes, d.at('routes', i), name);
  }

  /** Bytes → message, with its rules and fields checked; null when it cannot be decoded. */
  #read(typeFullName: string, bytes: Uint8Array, d: ConfigDecoder, name: string): object | null {
    const type = registry.message(typeFullName) as MessageType<object>;
    const report = new Report();
    const message = decodeBinary(type, bytes, report);
    // Unknown fields are judged when all is known of what is around them.
    for (const { kind, path, reason } of report.problems) if (kind !== 'unknown-field') d.reject(path, reason);
    if (message === undefined) return null;
    const before = d.reasons.length;
    const rules = new Report();
    validateRules(type, message, rules);
    for (const { kind, path, reason } of rules.problems) if (kind !== 'unknown-field') d.reject(path, reason);
    if (d.reasons.length > before) return null;
    const unsupported = findUnsupported(type as never, message, this.#support, undefined, report);
    const unknown = this.#judgeUnknown(type as never, message, report, `${typeFullName} ${JSON.stringify(name)}`);
    for (const { path, reason } of [...unsupported, ...unknown]) d.reject(path, reason);
    return message;
  }
}

const NO_HOSTS: HostEntries = new Map();

function textOf(d: ConfigDecoder): string {
  const reasons = dropNested(d.reasons).map(({ path, reason }) => (path === '' ? reason : `${path}: ${reason}`));
  return reasons.join('\n') || 'cannot be decoded';
}

/** Source: Envoy's texts in source/common/config and source/common/filter/config_discovery_impl. */
function decodeExtension(
  { name = '', typed_config }: TypedExtensionConfig,
  d: ConfigDecoder,
  { environment, listenerEnvironment }: Decoded,
): Resource | null {
  const dc = d.at('typed_config');
  const unpacked = typed_config === undefined ? null : d.environment.unpack(typed_config, dc);
  if (unpacked === null) {
    if (typed_config === undefined) dc.reject('', 'is required');
    return null;
  }
  const { type } = unpacked;
  const network = listenerEnvironment.networkFilterFactory(type);
  if (network !== null) {
    const config = network.decode(unpacked.message as never, dc, { bufferLimitBytes: BUFFER_LIMIT_BYTES });
    return { kind: 'network-extension', extension: { name, type, factory: network, config } };
  }
  const listener = listenerEnvironment.listenerFilterFactory(type);
  if (listener !== null) {
    const config = listener.decode(unpacked.message as never, dc);
    return { kind: 'listener-extension', extension: { name, type, factory: listener, config } };
  }
  const factory = environment.filterFactory(type);
  if (factory === null) {
    const text = `Didn't find a registered implementation for '${name}' with type URL: '${type}'`;
    dc.reject('', text);
    return null;
  }
  const config = factory.decode(unpacked.message as never, dc);
  return { kind: 'extension', extension: { name, type, factory, config } };
}

/** A mistake of ours must not keep everything else from being taken on: it is reported, and refuses one resource. */
export function bugRefusal(clock: Clock, bug: unknown): string {
  clock.defer(() => {
    throw bug;
  });
  return `cannot be taken on: ${bug instanceof Error ? bug.message : String(bug)}`;
}

function checkName(message: object, name: string, d: ConfigDecoder): void {
  if ((message as { name?: string }).name !== name) d.reject('name', `is not ${JSON.stringify(name)}`);
}

export function typeName(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}

/** A message without a field that repeats, and what that holds one by one. */
function cutField(
  bytes: Uint8Array,
  number: number,
): { readonly rest: Uint8Array; readonly parts: readonly Uint8Array[] } {
  const cursor = new FieldCursor(bytes);
  const rest: Uint8Array[] = [];
  const parts: Uint8Array[] = [];
  let start = 0;
  let restStart = 0;
  let fields = 0;
  while (cursor.next()) {
    // Whatever does not end within the message, or never ends, is the decoder's to complain of.
    const isTooMuch = ++fields > MAX_FIELDS || parts.length > MAX_PARTS;
    if (isTooMuch || cursor.valueEnd > bytes.length) return { rest: bytes, parts: [] };
    if (cursor.number === number && cursor.wireType === WIRE.bytes) {
      parts.push(bytes.subarray(cursor.valueStart, cursor.valueEnd));
      if (start > restStart) rest.push(bytes.subarray(restStart, start));
      restStart = cursor.valueEnd;
    }
    start = cursor.valueEnd;
  }
  rest.push(bytes.subarray(restStart, start));
  return { rest: Buffer.concat(rest), parts };
}
