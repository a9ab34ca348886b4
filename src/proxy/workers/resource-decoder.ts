// One resource of an update: bytes → runtime object, checked as static configuration is.
import type { Clock } from '../../base/clock.ts';
import { decodeBinary } from '../../proto/binary-decode.ts';
import type { MessageType } from '../../proto/message-type.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import { validateRules } from '../../proto/rules.ts';
import { FieldCursor } from '../../proto/wire-reader.ts';
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
import type { TypedExtensionConfig } from '../../proto/generated/types.d.ts';
import { decodeSecret, secretKind } from '../tls/decode-secret.ts';
import type { NamedSecret } from '../tls/tls-config.ts';
import type { HttpExtension } from '../http/filter-discovery.ts';
import type { ListenerExtension } from '../listener/filter-discovery.ts';
import type { NetworkExtension } from '../network/filter-discovery.ts';
import {
  CLUSTER_TYPE,
  ENDPOINTS_TYPE,
  EXTENSION_TYPE,
  LISTENER_TYPE,
  ROUTE_TYPE,
  RUNTIME_TYPE,
  SECRET_TYPE,
} from '../xds/types.ts';
import type { ResourceUpdate } from './contract.ts';

const VIRTUAL_HOST_TYPE = 'envoy.config.route.v3.VirtualHost';
/** Number of RouteConfiguration.virtual_hosts. */
const VIRTUAL_HOSTS_FIELD = 2;

const TYPES: ReadonlySet<string> = new Set([
  CLUSTER_TYPE,
  ENDPOINTS_TYPE,
  EXTENSION_TYPE,
  LISTENER_TYPE,
  ROUTE_TYPE,
  RUNTIME_TYPE,
  SECRET_TYPE,
]);

export type Resource =
  | { readonly kind: 'cluster'; readonly config: ClusterConfig }
  | { readonly kind: 'listener'; readonly config: ListenerConfig }
  | { readonly kind: 'routes'; readonly table: RouteTable }
  | { readonly kind: 'endpoints'; readonly endpoints: EndpointsConfig }
  | { readonly kind: 'secret'; readonly secret: NamedSecret }
  | { readonly kind: 'extension'; readonly extension: HttpExtension }
  | { readonly kind: 'network-extension'; readonly extension: NetworkExtension }
  | { readonly kind: 'listener-extension'; readonly extension: ListenerExtension }
  | { readonly kind: 'runtime'; readonly values: Readonly<Record<string, unknown>> };

export class ResourceDecoder {
  readonly #decoded: Decoded;
  readonly #support: ReadonlyMap<string, ReadonlySet<string> | '*'>;
  /** 'TYPE NAME' of what the bootstrap has; updates leave it alone, as Envoy does. */
  readonly #static: ReadonlySet<string>;
  /** Clusters that were decoded and do not serve yet: what comes with them may name them. */
  readonly pendingClusters = new Set<string>();

  constructor(decoded: Decoded) {
    const { clusters, listeners } = decoded.config;
    this.#decoded = decoded;
    this.#support = supportedFields(decoded.extensions);
    this.#static = new Set([
      ...clusters.map(({ name }) => `${CLUSTER_TYPE} ${name}`),
      ...listeners.map(({ name }) => `${LISTENER_TYPE} ${name}`),
    ]);
  }

  /** Why an update must not touch the resource, or null. */
  refusal({ typeUrl, name }: ResourceUpdate): string | null {
    const type = typeName(typeUrl);
    if (!TYPES.has(type)) return `resources of type ${type} are not supported yet`;
    return this.#static.has(`${type} ${name}`) ? 'is static configuration, which no update changes' : null;
  }

  /** Yields between steps; a text says why the bytes cannot be served. */
  *decode(resource: ResourceUpdate, generation: number): Generator<void, Resource | string> {
    const { name } = resource;
    const { hasCluster } = this.#decoded.environment;
    const type = typeName(resource.typeUrl);
    const environment: Decoded['environment'] = {
      ...this.#decoded.environment,
      version: `${type} ${name} ${generation}`,
      // What came by itself knows whom to ask.
      hasAds: true,
      hasCluster: (cluster) => hasCluster(cluster) || this.pendingClusters.has(cluster),
    };
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
    const reasons = dropNested(d.reasons).map(({ path, reason }) => (path === '' ? reason : `${path}: ${reason}`));
    return reasons.join('\n') || 'cannot be decoded';
  }

  *#decodeAs(type: string, { name, bytes }: ResourceUpdate, d: ConfigDecoder): Generator<void, Resource | null> {
    if (bytes === null) return null;
    if (type === ROUTE_TYPE) return yield* this.#decodeRoutes(name, bytes, d);
    const message = this.#read(type, bytes, d);
    if (message === null) return null;
    yield;
    if (type === ENDPOINTS_TYPE) {
      const { cluster_name: found } = message as { cluster_name?: string };
      if (found !== name) d.reject('cluster_name', `Unexpected EDS cluster (expecting ${name}): ${found ?? ''}`);
      return { kind: 'endpoints', endpoints: decodeEndpoints(message as never, d) };
    }
    checkName(message, name, d);
    if (type === SECRET_TYPE) return decodeNamedSecret(message, d);
    if (type === EXTENSION_TYPE) return decodeExtension(message, d, this.#decoded);
    if (type === RUNTIME_TYPE)
      return { kind: 'runtime', values: (message as { layer?: Record<string, unknown> }).layer ?? {} };
    if (type === CLUSTER_TYPE) {
      const config = decodeCluster(message as never, d);
      return config === null ? null : { kind: 'cluster', config: { ...config, addedViaApi: true } };
    }
    const config = decodeListener(message as never, d, this.#decoded.listenerEnvironment);
    return config === null ? null : { kind: 'listener', config };
  }

  /** A route configuration may have thousands of virtual hosts: each is a step. */
  *#decodeRoutes(name: string, bytes: Uint8Array, d: ConfigDecoder): Generator<void, Resource | null> {
    const { head, hosts } = cutVirtualHosts(bytes);
    const message = this.#read(ROUTE_TYPE, head, d);
    if (message === null) return null;
    checkName(message, name, d);
    const table = yield* decodeRouteConfigurationInSteps(message, this.#readHosts(hosts, d), d, false);
    return { kind: 'routes', table };
  }

  *#readHosts(hosts: readonly Uint8Array[], d: ConfigDecoder): Generator<object> {
    for (const [i, bytes] of hosts.entries()) {
      const host = this.#read(VIRTUAL_HOST_TYPE, bytes, d.at('virtual_hosts', i));
      if (host !== null) yield host;
    }
  }

  /** Bytes → message, with its rules and fields checked; null when it cannot be decoded. */
  #read(typeFullName: string, bytes: Uint8Array, d: ConfigDecoder): object | null {
    const type = registry.message(typeFullName) as MessageType<object>;
    const report = new Report();
    const message = decodeBinary(type, bytes, report);
    // Unknown fields of dynamic configuration are let through.
    for (const { kind, path, reason } of report.problems) if (kind !== 'unknown-field') d.reject(path, reason);
    if (message === undefined) return null;
    const before = d.reasons.length;
    const rules = new Report();
    validateRules(type, message, rules);
    for (const violation of rules.problems) d.reject(violation.path, violation.reason);
    if (d.reasons.length > before) return null;
    for (const { path, reason } of findUnsupported(type as never, message, this.#support)) d.reject(path, reason);
    return message;
  }
}

function decodeNamedSecret(message: object, d: ConfigDecoder): Resource | null {
  const kind = secretKind(message as never);
  if (kind === null) {
    d.reject('', 'is of a kind that is not supported: a certificate, a validation context or ticket keys');
    return null;
  }
  const value = decodeSecret(message as never, kind, d);
  return value === null ? null : { kind: 'secret', secret: { kind, value } as NamedSecret };
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

/** A route configuration without its virtual hosts, and those one by one. */
function cutVirtualHosts(bytes: Uint8Array): { readonly head: Uint8Array; readonly hosts: readonly Uint8Array[] } {
  const cursor = new FieldCursor(bytes);
  const rest: Uint8Array[] = [];
  const hosts: Uint8Array[] = [];
  let start = 0;
  while (cursor.next()) {
    // Whatever does not end within the message is the decoder's to complain of.
    if (cursor.valueEnd > bytes.length) return { head: bytes, hosts: [] };
    if (cursor.number === VIRTUAL_HOSTS_FIELD) hosts.push(bytes.subarray(cursor.valueStart, cursor.valueEnd));
    else rest.push(bytes.subarray(start, cursor.valueEnd));
    start = cursor.valueEnd;
  }
  return { head: Buffer.concat(rest), hosts };
}
