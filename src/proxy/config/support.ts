// Which fields take effect: every message is checked against one table, so that nothing is ignored in silence.
import type { Message, MessageType } from '../../proto/message-type.ts';
import { type Any, unpackAny } from '../../proto/any.ts';
import { Report } from '../../proto/report.ts';
import { walk } from '../../proto/walk.ts';
import type { Reason } from '../config-decoder.ts';
import { type Support, SupportCheck } from './support-check.ts';

/**
 * Message full name → its fields that take effect, separated by spaces; '*' for all, '**' for all and what is below
 * them, whatever it is: nothing of such a message is looked at.
 */
export type SupportTable = Readonly<Record<string, string>>;

/**
 * Fields that are accepted although they change nothing here, because they tune Envoy's internals and nothing that a
 * user can observe depends on them. Each with its reason.
 */
export const TUNING_FIELDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'envoy.config.listener.v3.Listener': {
    max_connections_to_accept_per_socket_event: 'pacing of the accept loop',
  },
  'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector': {
    initial_read_buffer_size: 'how much is read at once cannot be observed',
  },
  'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig': {
    udp_max_queries: 'limits the queries of one socket; here each query has one of its own',
    max_udp_channel_duration: 'how long c-ares keeps its UDP sockets; here each query has one of its own',
    reinit_channel_on_timeout: 'renews the sockets of c-ares; here each query has one of its own',
  },
  'envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig': {
    num_resolver_threads: 'lookups do not block a thread here',
  },
  'envoy.extensions.filters.http.set_metadata.v3.Metadata': {
    typed_value: 'typed metadata, which only services that are asked about requests read, and there are none',
  },
  'envoy.config.tap.v3.OutputConfig': {
    min_streamed_sent_bytes:
      'is of taps of transport sockets: Envoy 1.40 does nothing with it in the HTTP filter either',
  },
  'envoy.extensions.compression.gzip.compressor.v3.Gzip': {
    chunk_size: 'the size of the pieces that the output is made in, which are put together again',
  },
  'envoy.extensions.compression.brotli.compressor.v3.Brotli': {
    chunk_size: 'the size of the pieces that the output is made in, which are put together again',
  },
  'envoy.extensions.compression.brotli.decompressor.v3.Brotli': {
    disable_ring_buffer_reallocation: 'how the decoder gets its memory',
  },
  'envoy.extensions.compression.zstd.compressor.v3.Zstd': {
    chunk_size: 'the size of the pieces that the output is made in, which are put together again',
  },
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager': {
    append_local_overload: 'marks answers of the overload manager, and a bootstrap with one is refused',
  },
  'envoy.extensions.filters.http.router.v3.Router': {
    start_child_span: 'tracing is off, so there is no span to start',
  },
  'envoy.extensions.clusters.dynamic_forward_proxy.v3.SubClustersConfig': {
    preresolve_clusters: 'Envoy 1.40 makes no clusters of them either',
  },
  'envoy.config.cluster.v3.Cluster': {
    lrs_server: 'Envoy 1.40 does nothing with it either: cluster_manager.load_stats_config says who is told',
  },
  'envoy.config.cluster.v3.OutlierDetection': {
    successful_active_health_check_uneject_host: 'is about health checks, and a cluster with health checks is refused',
  },
  'envoy.config.route.v3.RouteAction': {
    early_data_policy: 'which requests may go in TLS 1.3 early data, which no upstream connection here has',
    metadata_match: 'chooses among subsets of a cluster, and a cluster with subsets is refused',
  },
  'envoy.config.route.v3.HedgePolicy': {
    initial_requests: 'Envoy 1.40 does nothing with it either: the first attempt is alone',
    additional_request_chance: 'Envoy 1.40 does nothing with it either: the first attempt is alone',
  },
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy': {
    metadata_match: 'chooses among subsets of a cluster, and a cluster with subsets is refused',
  },
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight': {
    metadata_match: 'chooses among subsets of a cluster, and a cluster with subsets is refused',
  },
  'envoy.config.route.v3.WeightedCluster.ClusterWeight': {
    metadata_match: 'chooses among subsets of a cluster, and a cluster with subsets is refused',
  },
  'envoy.config.route.v3.RouteAction.RequestMirrorPolicy': {
    trace_sampled: 'is about spans of copies, and there is no tracer to send them to',
  },
  'envoy.config.route.v3.RateLimit.Action.GenericKey': {
    default_value: 'stands for values that come out empty, and Envoy 1.40 takes them as they are written',
  },
  'envoy.config.route.v3.RateLimit.Action.HeaderValueMatch': {
    default_value: 'stands for values that come out empty, and Envoy 1.40 takes them as they are written',
  },
  'envoy.config.route.v3.RateLimit.Action.QueryParameterValueMatch': {
    default_value: 'stands for values that come out empty, and Envoy 1.40 takes them as they are written',
  },
  'envoy.config.route.v3.RateLimit': {
    limit: 'of a rate limit service; a local rate limit has the limits of its descriptors',
  },
  'envoy.config.route.v3.Tracing': {
    custom_tags: 'are written into spans, and there is no tracer to send them to',
    operation: 'names spans, and there is no tracer to send them to',
    upstream_operation: 'names spans, and there is no tracer to send them to',
  },
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing': {
    verbose: 'adds to spans, and there is no tracer to send them to',
    max_path_tag_length: 'cuts what is written into spans, and there is no tracer to send them to',
    custom_tags: 'are written into spans, and there is no tracer to send them to',
    spawn_upstream_span: 'there is no span to start',
    no_context_propagation: 'there is no tracer to write its headers',
    operation: 'names spans, and there is no tracer to send them to',
    upstream_operation: 'names spans, and there is no tracer to send them to',
  },
  'stats.PluginConfig': {
    debug: 'of the extension in Wasm that came before; Istio’s filter reserves it',
    max_peer_cache_size: 'of the extension in Wasm that came before; Istio’s filter reserves it',
    stat_prefix: 'of the extension in Wasm that came before; Istio’s filter reserves it',
    field_separator: 'of the extension in Wasm that came before; Istio’s filter reserves it',
    value_separator: 'of the extension in Wasm that came before; Istio’s filter reserves it',
  },
  'stats.MetricConfig': {
    match: 'is not implemented by Istio’s filter either',
  },
  'envoy.config.bootstrap.v3.Admin': {
    profile_path: 'where Envoy’s CPU profiler writes, which is not here',
  },
  'envoy.config.bootstrap.v3.Bootstrap': {
    watchdogs: 'watches Envoy’s own threads',
    watchdog: 'watches Envoy’s own threads',
    enable_dispatcher_stats: 'adds statistics of libevent, which is not here',
  },
};

/** One table out of several; the same message may appear in more than one. */
export function mergeSupport(...tables: readonly SupportTable[]): Map<string, ReadonlySet<string> | '*'> {
  const merged = new Map<string, Set<string> | '*'>();
  for (const table of tables) {
    for (const [message, text] of Object.entries(table)) {
      const known = merged.get(message);
      if (text === '*' || known === '*') {
        merged.set(message, '*');
        continue;
      }
      const names = known ?? new Set<string>();
      for (const name of text.split(/\s+/)) if (name !== '') names.add(name);
      merged.set(message, names);
    }
  }
  return merged;
}

/**
 * Returns a reason for every field that is set in `message`, or below it, and takes no effect. `report` gets what was
 * found wrong in Anys.
 */
export function findUnsupported(
  type: MessageType,
  message: object,
  support: ReadonlyMap<string, ReadonlySet<string> | '*'>,
  because: ReadonlyMap<string, string> = new Map(),
  report = new Report(),
): Reason[] {
  if (checkOf(support).holds(type, message)) return [];
  const reasons: Reason[] = [];
  const tuned: string[] = [];
  walk(
    type,
    message as Message,
    (visited, at, where) => {
      const fields = support.get(visited.fullName);
      if (fields !== '*' && fields?.has('**') === true) return false;
      if (fields === '*' || isSkipped(at, support)) return fields === '*' ? undefined : false;
      const tuning = TUNING_FIELDS[visited.fullName];
      if (fields === undefined && tuning === undefined) {
        reasons.push({
          path: where,
          reason: because.get(visited.fullName) ?? `${visited.fullName} is not supported yet`,
        });
        return false;
      }
      for (const field of visited.fields) {
        if (at[field.name] === undefined || fields?.has(field.name) === true) continue;
        const below = where === '' ? field.name : `${where}.${field.name}`;
        if (tuning?.[field.name] !== undefined) tuned.push(below);
        else reasons.push({ path: below, reason: 'is not supported yet' });
      }
      return undefined;
    },
    report,
  );
  return dropNested(reasons.filter((reason) => !tuned.some((path) => isWithin(reason.path, path))));
}

/** By the table of what takes effect. */
const checks = new WeakMap<Support, SupportCheck>();

function checkOf(support: Support): SupportCheck {
  let check = checks.get(support);
  if (check === undefined) {
    check = new SupportCheck({ support, tuning: TUNING_FIELDS, isSkipped: (message) => isSkipped(message, support) });
    checks.set(support, check);
  }
  return check;
}

/** An optional filter that there is not: whoever configured it can do without. */
function isSkipped(message: Message, support: ReadonlyMap<string, unknown>): boolean {
  if (message['is_optional'] !== true) return false;
  const extension = message['extension'] as Message | undefined;
  const any = (message['typed_config'] ?? message['config'] ?? extension?.['typed_config']) as Any | undefined;
  const unpacked = any === undefined ? undefined : unpackAny(any);
  return unpacked !== undefined && !support.has(unpacked.type.fullName);
}

export function isWithin(path: string, outer: string): boolean {
  return path === outer || path.startsWith(`${outer}.`) || path.startsWith(`${outer}[`);
}

/** A refused field makes reasons about what is inside it superfluous, and so does a first reason a second one. */
export function dropNested(reasons: readonly Reason[]): Reason[] {
  const kept: Reason[] = [];
  for (const reason of reasons) {
    const isInside = reason.path !== '' && kept.some((outer) => outer.path !== '' && isWithin(reason.path, outer.path));
    if (!isInside) kept.push(reason);
  }
  return kept;
}
