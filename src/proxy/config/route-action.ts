// Decodes the action that forwards: clusters, timeouts, rewriting of the host, mirrors, upgrades.
import { bytesOf } from '../../base/matcher-text.ts';
import type { HeaderKey } from '../../wire/header-names.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { compileFormat } from '../formatter/text-formatter.ts';
import { type ClusterSpecifier, HeaderSpecifier, ABSENT_PLUGIN } from '../route/cluster-specifier.ts';
import { Forward, type ForwardSettings, Mirror } from '../route/forward.ts';
import type { HashPolicy } from '../route/hash-policy.ts';
import {
  FormatHostRewrite,
  HeaderHostRewrite,
  type HostRewrite,
  LiteralHostRewrite,
  PathRegexHostRewrite,
} from '../route/rewrite.ts';
import type { ConnectConfig, ForwardAction, MirrorPolicy, RetryPolicy } from '../route/route.ts';
import { decodeFieldMutations } from '../http/filters/header-mutation/field-mutations.ts';
import { decodeClusterSpecifier } from './cluster-specifiers.ts';
import { decodeRegexRewrite, decodeRuntimeFraction, matchedHeaderKey } from './matcher.ts';
import { routeEnvironment } from './route-environment.ts';
import { decodeHashPolicies } from './route-hash.ts';
import type { HedgePolicy } from '../../proto/generated/types.d.ts';
import type { ClusterWeightPb, DurationPb, MetadataPb, MirrorPolicyPb, RouteActionPb } from './route-messages.ts';
import { decodeInternalRedirects } from './route-redirects.ts';
import { decodeOwnRetries } from './route-retry.ts';

/** Source: Envoy RouteEntryImplBase::DEFAULT_ROUTE_TIMEOUT_MS. */
const DEFAULT_TIMEOUT_MS = 15_000;
const NOT_FOUND_CODES: Readonly<Record<string, number>> = { NOT_FOUND: 404, INTERNAL_SERVER_ERROR: 500 };
const MAX_WEIGHT_SUM = 0xffff_ffff;

/** What a route takes from the levels above it. */
export type ActionDefaults = {
  /** Of the route itself. */
  readonly routeName: string;
  readonly hedge: HedgePolicy | undefined;
  readonly retry: RetryPolicy | null;
  readonly mirrors: readonly MirrorPolicy[];
  readonly validateClusters: boolean;
  readonly plugins: ReadonlyMap<string, ClusterSpecifier>;
};

/** One leaf: the forwarding to one cluster; `message` is the weighted cluster's, or null when there is just one. */
export type Leaf = {
  readonly forwardTo: (cluster: string) => ForwardAction;
  readonly clusterName: string;
  /** What names the cluster of each request, or null. */
  readonly specifier: ClusterSpecifier | null;
  readonly weight: number;
  readonly runtimeKey: string;
  readonly message: ClusterWeightPb | null;
  readonly d: ConfigDecoder;
};

export type DecodedAction = {
  readonly leaves: readonly Leaf[];
  /** What the hash policies make of a request. */
  readonly hasher: ForwardAction;
  /** Set when the leaves are weighted clusters. */
  readonly weighted: { readonly header: HeaderKey | null; readonly useHashPolicy: boolean } | null;
  readonly hostRewrite: HostRewrite | null;
  readonly appendForwardedHost: boolean;
};

/** `isNowhere`: of a route without a cluster, which then is as missing as one that there is not. */
export function decodeRouteAction(
  message: RouteActionPb,
  defaults: ActionDefaults,
  d: ConfigDecoder,
  isNowhere = false,
): DecodedAction {
  const settings = decodeSettings(message, defaults, d);
  const hashPolicies = decodeHashPolicies(message.hash_policy, d);
  const { weighted_clusters: weighted } = message;
  return {
    leaves: isNowhere ? [] : decodeClusters(message, settings, hashPolicies, defaults, d),
    hasher: new Forward(settings, '', null, hashPolicies),
    weighted:
      weighted === undefined
        ? null
        : {
            header: weighted.header_name ? matchedHeaderKey(weighted.header_name) : null,
            useHashPolicy: weighted.use_hash_policy === true,
          },
    hostRewrite: decodeHostRewrite(message, d),
    appendForwardedHost: message.append_x_forwarded_host === true,
  };
}

function decodeSettings(message: RouteActionPb, defaults: ActionDefaults, d: ConfigDecoder): ForwardSettings {
  const duration = message.max_stream_duration;
  const mirrors = decodeMirrors(message.request_mirror_policies, defaults.validateClusters, d);
  return {
    clusterNotFoundCode: NOT_FOUND_CODES[message.cluster_not_found_response_code ?? ''] ?? 503,
    timeoutMs: positive('timeout', message.timeout, d) ?? DEFAULT_TIMEOUT_MS,
    idleTimeoutMs: positive('idle_timeout', message.idle_timeout, d),
    flushTimeoutMs: positive('flush_timeout', message.flush_timeout, d),
    hasStreamDuration: duration !== undefined,
    maxStreamDurationMs: positive('max_stream_duration', duration?.max_stream_duration, d),
    grpcTimeoutHeaderMaxMs: positive('max_stream_duration', duration?.grpc_timeout_header_max, d),
    grpcTimeoutHeaderOffsetMs: positive('max_stream_duration', duration?.grpc_timeout_header_offset, d) ?? 0,
    maxGrpcTimeoutMs: positive('max_grpc_timeout', message.max_grpc_timeout, d),
    grpcTimeoutOffsetMs: positive('grpc_timeout_offset', message.grpc_timeout_offset, d) ?? 0,
    priority: message.priority === 'HIGH' ? 'HIGH' : 'DEFAULT',
    retry: decodeOwnRetries(message, d) ?? defaults.retry,
    mirrors: mirrors.length > 0 ? mirrors : defaults.mirrors,
    autoHostRewrite: message.auto_host_rewrite === true,
    appendXForwardedHost: message.append_x_forwarded_host === true,
    upgrades: decodeUpgrades(message, d),
    redirects: decodeInternalRedirects(redirectPolicyOf(message), defaults.routeName, d.at('internal_redirect_policy')),
    hedges: (message.hedge_policy ?? defaults.hedge)?.hedge_on_per_try_timeout === true,
    connect: decodeConnect(message, d),
    metadataMatch: lbMetadata(message.metadata_match),
  };
}

/** The policy, or the deprecated fields that came before it. */
function redirectPolicyOf(message: RouteActionPb): RouteActionPb['internal_redirect_policy'] {
  if (message.internal_redirect_policy !== undefined) return message.internal_redirect_policy;
  if (message.internal_redirect_action !== 'HANDLE_INTERNAL_REDIRECT') return undefined;
  return { max_internal_redirects: message.max_internal_redirects };
}

function positive(field: string, value: DurationPb | undefined, d: ConfigDecoder): number | undefined {
  const ms = d.durationMs(value);
  if (ms !== undefined && ms < 0) d.reject(field, 'must not be negative');
  return ms;
}

/** The criteria of the subset load balancer. */
function lbMetadata(metadata: MetadataPb | undefined): Readonly<Record<string, unknown>> | null {
  return metadata?.filter_metadata?.['envoy.lb'] ?? null;
}

function decodeUpgrades(message: RouteActionPb, d: ConfigDecoder): ReadonlyMap<string, boolean> {
  const upgrades = new Map<string, boolean>();
  for (const [i, { upgrade_type: given = '', enabled = true }] of (message.upgrade_configs ?? []).entries()) {
    const type = given.toLowerCase();
    if (upgrades.has(type)) d.at('upgrade_configs', i).reject('', `Duplicate upgrade ${given}`);
    upgrades.set(type, enabled);
  }
  return upgrades;
}

/** What a route says of the CONNECT that it ends. */
function decodeConnect(message: RouteActionPb, d: ConfigDecoder): ConnectConfig | null {
  let connect: ConnectConfig | null = null;
  for (const [i, { upgrade_type: type = '', connect_config: config }] of (message.upgrade_configs ?? []).entries()) {
    if (config === undefined) continue;
    const at = d.at('upgrade_configs', i);
    if (type.toUpperCase() !== 'CONNECT') {
      at.reject('connect_config', `Non-CONNECT upgrade type ${type} has ConnectConfig`);
      continue;
    }
    const proxy = config.proxy_protocol_config;
    for (const field of ['pass_through_tlvs', 'added_tlvs'] as const) {
      const isSet = proxy?.[field] !== undefined;
      if (isSet) at.at('connect_config').at('proxy_protocol_config').reject(field, 'has no effect behind CONNECT');
    }
    const version = proxy?.version === 'V2' ? 2 : 1;
    connect = Object.freeze({ proxyHeader: proxy === undefined ? 0 : version, allowPost: config.allow_post === true });
  }
  return connect;
}

function decodeClusters(
  message: RouteActionPb,
  settings: ForwardSettings,
  hashPolicies: readonly HashPolicy[],
  defaults: ActionDefaults,
  d: ConfigDecoder,
): Leaf[] {
  const leaf = (choice: Target, own: ForwardSettings): Leaf => ({
    forwardTo: (cluster) => new Forward(own, cluster, choice.isPlugin ? choice.specifier : null, hashPolicies),
    clusterName: choice.name,
    specifier: choice.specifier,
    weight: 1,
    runtimeKey: '',
    message: null,
    d,
  });
  if (message.cluster !== undefined) {
    if (defaults.validateClusters) requireCluster(message.cluster, 'unknown cluster', 'cluster', d);
    return [leaf(targetOf(message.cluster), settings)];
  }
  if (message.cluster_header !== undefined) {
    return [leaf(targetOf('', message.cluster_header), settings)];
  }
  const plugin = decodePlugin(message, defaults, d);
  if (plugin !== null) return [leaf({ name: '', specifier: plugin, isPlugin: true }, settings)];
  const weighted = message.weighted_clusters;
  if (weighted === undefined) {
    d.reject('', 'cluster_specifier is required');
    return [];
  }
  const prefix = weighted.runtime_key_prefix ?? '';
  const leaves = (weighted.clusters ?? []).map((each, i) => {
    const at = d.at('weighted_clusters').at('clusters', i);
    const own = lbMetadata(each.metadata_match);
    const merged = own === null ? settings : { ...settings, metadataMatch: { ...settings.metadataMatch, ...own } };
    return {
      ...leaf(decodeWeightedCluster(each, defaults.validateClusters, at), merged),
      weight: each.weight ?? 0,
      runtimeKey: prefix === '' ? '' : `${prefix}.${each.name ?? ''}`,
      message: each,
      d: at,
    };
  });
  const sum = leaves.reduce((total, { weight }) => total + weight, 0);
  if (sum <= 0) d.reject('weighted_clusters', 'Sum of weights in the weighted_cluster must be greater than 0.');
  if (sum > MAX_WEIGHT_SUM) {
    d.reject('weighted_clusters', `The sum of weights of all weighted clusters exceeds ${MAX_WEIGHT_SUM}`);
  }
  return leaves;
}

function decodeWeightedCluster(message: ClusterWeightPb, validate: boolean, d: ConfigDecoder): Target {
  const { name = '', cluster_header: header = '' } = message;
  if (name !== '' && header !== '') d.reject('', 'Only one of name or cluster_header can be specified');
  else if (name === '' && header === '') d.reject('', 'At least one of name or cluster_header need to be specified');
  else if (name !== '' && validate) requireCluster(name, 'unknown weighted cluster', 'name', d);
  return targetOf(name, header);
}

/** Where a leaf leads: to a cluster by name, or to one that is named for each request. */
type Target = { readonly name: string; readonly specifier: ClusterSpecifier | null; readonly isPlugin: boolean };

function targetOf(name: string, header = ''): Target {
  const specifier = header === '' ? null : new HeaderSpecifier(matchedHeaderKey(header));
  return { name: header === '' ? name : '', specifier, isPlugin: false };
}

function decodePlugin(message: RouteActionPb, defaults: ActionDefaults, d: ConfigDecoder): ClusterSpecifier | null {
  const inline = message.inline_cluster_specifier_plugin;
  if (inline !== undefined) return decodeClusterSpecifier(inline, d.at('inline_cluster_specifier_plugin'));
  const name = message.cluster_specifier_plugin;
  if (name === undefined) return null;
  const plugin = defaults.plugins.get(name);
  if (plugin !== undefined) return plugin;
  d.reject('cluster_specifier_plugin', `unknown cluster specifier plugin name '${name}'`);
  return ABSENT_PLUGIN;
}

function requireCluster(name: string, what: string, field: string, d: ConfigDecoder): void {
  if (routeEnvironment(d).hasCluster?.(name) === false) d.reject(field, `${what} '${name}'`);
}

export function decodeMirrors(
  messages: readonly MirrorPolicyPb[] | undefined,
  validate: boolean,
  d: ConfigDecoder,
): Mirror[] {
  return (messages ?? []).map((message, i) => {
    const at = d.at('request_mirror_policies', i);
    const { cluster = '', cluster_header: header = '' } = message;
    if (cluster !== '' && header !== '') {
      at.reject(
        '',
        `Only one of cluster '${cluster}' or cluster_header '${header}' in request mirror policy can be specified`,
      );
    } else if (cluster === '' && header === '') {
      at.reject('', 'Exactly one of cluster or cluster_header in request mirror policy need to be specified');
    } else if (cluster !== '' && validate) requireCluster(cluster, 'unknown shadow cluster', 'cluster', at);
    const { fraction, runtimeKey } = decodeRuntimeFraction(message.runtime_fraction, at.at('runtime_fraction'));
    return new Mirror(
      {
        fraction,
        runtimeKey,
        disableShadowHostSuffix: message.disable_shadow_host_suffix_append === true,
        hostRewriteLiteral: bytesOf(message.host_rewrite_literal ?? ''),
        mutations: decodeFieldMutations(message.request_headers_mutations, 'request', at, 'request_headers_mutations'),
      },
      header === '' ? { name: cluster, header: null } : { name: '', header: matchedHeaderKey(header) },
    );
  });
}

function decodeHostRewrite(message: RouteActionPb, d: ConfigDecoder): HostRewrite | null {
  if (message.host_rewrite_literal) return new LiteralHostRewrite(bytesOf(message.host_rewrite_literal));
  if (message.host_rewrite_header) return new HeaderHostRewrite(matchedHeaderKey(message.host_rewrite_header));
  if (message.host_rewrite_path_regex !== undefined) {
    const rewrite = decodeRegexRewrite(message.host_rewrite_path_regex, d.at('host_rewrite_path_regex'));
    return rewrite === null ? null : new PathRegexHostRewrite(rewrite.regex, rewrite.substitution);
  }
  if (message.host_rewrite) {
    // Unlike path_rewrite this shows what is missing as '-'.
    return new FormatHostRewrite(compileFormat(message.host_rewrite, d.at('host_rewrite')));
  }
  return null;
}
