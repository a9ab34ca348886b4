// One resource of an update: bytes → runtime object, checked as static configuration is, and how it comes to serve.
import { decodeBinary } from '../../proto/binary-decode.ts';
import type { MessageType } from '../../proto/message-type.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import { validateRules } from '../../proto/rules.ts';
import { FieldCursor } from '../../proto/wire-reader.ts';
import { supportedFields } from '../config/bootstrap.ts';
import { decodeCluster } from '../config/cluster.ts';
import { decodeListener } from '../config/listener.ts';
import { decodeRouteConfigurationInSteps } from '../config/route.ts';
import { dropNested, findUnsupported } from '../config/support.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import type { Decoded } from '../core.ts';
import type { Worker } from '../worker.ts';

export const CLUSTER_TYPE = 'envoy.config.cluster.v3.Cluster';
export const LISTENER_TYPE = 'envoy.config.listener.v3.Listener';
export const ROUTE_TYPE = 'envoy.config.route.v3.RouteConfiguration';
const VIRTUAL_HOST_TYPE = 'envoy.config.route.v3.VirtualHost';
/** Number of RouteConfiguration.virtual_hosts. */
const VIRTUAL_HOSTS_FIELD = 2;

/** What only updates may say. */
const DYNAMIC_FIELDS = {
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager': 'rds',
  'envoy.extensions.filters.network.http_connection_manager.v3.Rds': 'config_source route_config_name',
  'envoy.config.core.v3.ConfigSource': 'ads resource_api_version',
  'envoy.config.core.v3.AggregatedConfigSource': '',
};

/** Makes what was decoded serve; says why it cannot, or null. */
export type Swap = () => string | null;

export class ResourceDecoder {
  readonly #worker: Worker;
  readonly #decoded: Decoded;
  readonly #support: ReadonlyMap<string, ReadonlySet<string> | '*'>;

  constructor(worker: Worker, decoded: Decoded) {
    this.#worker = worker;
    this.#decoded = decoded;
    this.#support = supportedFields(decoded.extensions, DYNAMIC_FIELDS);
  }

  /** Yields between steps; returns how the resource comes to serve, or why it cannot. */
  *decode(typeUrl: string, name: string, bytes: Uint8Array, generation: number): Generator<void, Swap | string> {
    const type = typeName(typeUrl);
    const { routes } = this.#decoded.environment;
    const environment = {
      ...this.#decoded.environment,
      version: `${type} ${name} ${generation}`,
      routeHolder: (route: string) => routes.holder(route),
    };
    const d = new ConfigDecoder(environment);
    const swap = yield* this.#decodeAs(type, name, bytes, generation, d);
    if (swap !== null && d.reasons.length === 0) return swap;
    const reasons = dropNested(d.reasons).map(({ path, reason }) => (path === '' ? reason : `${path}: ${reason}`));
    return reasons.join('\n') || 'cannot be decoded';
  }

  remove(typeUrl: string, name: string): void {
    const type = typeName(typeUrl);
    if (type === CLUSTER_TYPE) this.#worker.clusters.remove(name);
    else if (type === LISTENER_TYPE) this.#worker.listeners.remove(name);
    else if (type === ROUTE_TYPE) this.#decoded.environment.routes.set(name, null);
  }

  *#decodeAs(
    type: string,
    name: string,
    bytes: Uint8Array,
    generation: number,
    d: ConfigDecoder,
  ): Generator<void, Swap | null> {
    const { clusters, listeners } = this.#worker;
    if (type === ROUTE_TYPE) return yield* this.#decodeRoutes(name, bytes, d);
    if (type !== CLUSTER_TYPE && type !== LISTENER_TYPE) {
      d.reject('', `resources of type ${type} are not supported yet`);
      return null;
    }
    const message = this.#read(type, bytes, d);
    if (message === null) return null;
    if ((message as { name?: string }).name !== name) d.reject('name', `is not ${JSON.stringify(name)}`);
    if (type === CLUSTER_TYPE) {
      const config = decodeCluster(message as never, d);
      if (config === null) return null;
      return () => {
        clusters.set({ ...config, addedViaApi: true }, generation);
        return null;
      };
    }
    const config = decodeListener(message as never, d, this.#decoded.listenerEnvironment);
    if (config === null) return null;
    return () => {
      const outcome = listeners.set(config);
      return typeof outcome === 'string' ? null : outcome.error;
    };
  }

  /** A route configuration may have thousands of virtual hosts: each is a step. */
  *#decodeRoutes(name: string, bytes: Uint8Array, d: ConfigDecoder): Generator<void, Swap | null> {
    const { head, hosts } = cutVirtualHosts(bytes);
    const message = this.#read(ROUTE_TYPE, head, d);
    if (message === null) return null;
    const table = yield* decodeRouteConfigurationInSteps(message, this.#readHosts(hosts, d), d, false);
    return () => {
      this.#decoded.environment.routes.set(name, table);
      return null;
    };
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

function typeName(typeUrl: string): string {
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
