// Forwarding: one cluster or several by weight, with what is rewritten, mirrored, retried and hashed.
import type { MessageTypes } from '../../../proto/generated/types.d.ts';
import { durationMs, protoDuration } from '../../model/duration.ts';
import type { HttpRule, Mirror, WeightedBackend } from '../../model/route.ts';
import { authorityOf, headerFields } from './header-changes.ts';
import { meshRetries, retryPolicy } from './retries.ts';
import { clusterOf, type RouteContext } from './route-context.ts';

type RouteAction = MessageTypes['envoy.config.route.v3.RouteAction'];
type RouteMatch = MessageTypes['envoy.config.route.v3.RouteMatch'];
type HashPolicy = MessageTypes['envoy.config.route.v3.RouteAction.HashPolicy'];
type ClusterWeight = MessageTypes['envoy.config.route.v3.WeightedCluster.ClusterWeight'];
type Fields = Readonly<Record<string, unknown>>;

/** Null: no backend has a weight. `authority`: what the rule's headers make of it, '' for nothing. */
export function forwardAction(
  rule: HttpRule,
  backends: readonly WeightedBackend[],
  match: RouteMatch,
  authority: string,
  context: RouteContext,
): RouteAction | null {
  const used = backends.length === 1 ? backends : backends.filter((backend) => backend.weight > 0);
  if (used.length === 0) return null;
  const only = backends.length === 1 ? backends[0]! : null;
  const hashes = used.map((backend) => context.hashOf(backend.destination)).filter((hash) => hash !== null);
  const policies = hashes.map(hashPolicy).filter((policy) => policy !== null);
  const host = rule.rewrite?.authority || authority || (only?.headers == null ? '' : authorityOf(only.headers));
  const mirrors = rule.mirrors.map((mirror) => mirrorPolicy(mirror, context));
  const retries = retryPolicy(rule.retries ?? meshRetries(context.mesh), only !== null && hashes.length > 0);
  return {
    ...(only === null
      ? { weighted_clusters: { clusters: used.map((backend) => clusterWeight(backend, context)) } }
      : { cluster: clusterOf(only.destination, context) }),
    ...(rule.notFoundStatus === 500 && { cluster_not_found_response_code: 'INTERNAL_SERVER_ERROR' as const }),
    ...(context.isLibrary ? streamTimeouts(rule.timeoutMs ?? 0) : timeouts(rule.timeoutMs ?? 0)),
    ...pathRewrite(rule, match),
    ...(host !== '' && { host_rewrite_literal: host }),
    ...(mirrors.length > 0 && { request_mirror_policies: mirrors }),
    ...(policies.length > 0 && { hash_policy: policies }),
    ...(retries !== undefined && { retry_policy: retries }),
  };
}

/** 0: none. The deprecated field is the one that Istio sets. */
export function timeouts(ms: number): Pick<RouteAction, 'timeout' | 'max_grpc_timeout'> {
  return { timeout: protoDuration(ms), max_grpc_timeout: protoDuration(ms) };
}

function streamTimeouts(ms: number): Pick<RouteAction, 'timeout' | 'max_stream_duration'> {
  return { timeout: protoDuration(ms), max_stream_duration: { max_stream_duration: protoDuration(ms) } };
}

/** Istio's ConsistentHashLB as what the route hashes; null for what routes know nothing of, and for empty names. */
export function hashPolicy(hash: Fields): HashPolicy | null {
  const { httpHeaderName: header, httpQueryParameterName: parameter } = hash;
  if (typeof header === 'string') return header === '' ? null : { header: { header_name: header } };
  if (typeof parameter === 'string') return parameter === '' ? null : { query_parameter: { name: parameter } };
  const cookie = hash['httpCookie'] as { name?: string; path?: string; ttl?: string } | undefined;
  if (cookie !== undefined) {
    const ttlMs = cookie.ttl === undefined ? null : durationMs(cookie.ttl);
    const { name = '', path = '' } = cookie;
    if (name === '') return null;
    return { cookie: { name, path, ...(ttlMs !== null && ttlMs >= 0 && { ttl: protoDuration(ttlMs) }) } };
  }
  if (hash['useSourceIp'] !== undefined) return { connection_properties: { source_ip: hash['useSourceIp'] === true } };
  return null;
}

function clusterWeight(backend: WeightedBackend, context: RouteContext): ClusterWeight {
  const { headers } = backend;
  const authority = headers === null ? '' : authorityOf(headers);
  return {
    name: clusterOf(backend.destination, context),
    weight: backend.weight,
    ...(headers !== null && headerFields(headers)),
    ...(authority !== '' && { host_rewrite_literal: authority }),
  };
}

/** A prefix of whole segments that is taken away leaves one slash: no prefix rewrite can say that. */
function pathRewrite({ rewrite }: HttpRule, match: RouteMatch): RouteAction {
  if (rewrite === null) return {};
  if (rewrite.regex !== null) {
    return { regex_rewrite: { pattern: { regex: rewrite.regex.match }, substitution: rewrite.regex.rewrite } };
  }
  if (rewrite.path === null) return {};
  const { kind, value } = rewrite.path;
  if (kind === 'full') return { regex_rewrite: { pattern: { regex: '/.*' }, substitution: value } };
  const prefix = match.path_separated_prefix;
  if (value !== '/' || prefix === undefined) return { prefix_rewrite: value };
  return { regex_rewrite: { pattern: { regex: `^${quoteRegex(prefix)}(/?)(.*)` }, substitution: '/\\2' } };
}

/** As Go's regexp.QuoteMeta. */
function quoteRegex(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&');
}

function mirrorPolicy(mirror: Mirror, context: RouteContext): NonNullable<RouteAction['request_mirror_policies']>[0] {
  return {
    cluster: clusterOf(mirror.destination, context),
    runtime_fraction: { default_value: mirror.fraction },
    trace_sampled: false,
    disable_shadow_host_suffix_append: true,
  };
}
