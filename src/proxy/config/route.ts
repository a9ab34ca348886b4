// Decodes a RouteConfiguration into a compiled route table.
import { bytesOf } from '../../base/matcher-text.ts';
import { headerKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { HeaderMutations } from '../route/header-mutation.ts';
import { LeafRoute, type LeafSettings } from '../route/leaf-route.ts';
import type { PathRewrite } from '../route/rewrite.ts';
import type { RedirectAction, Route, RouteMetadata, RouteTable, VirtualHost } from '../route/route.ts';
import { OpenTable } from '../route/open-table.ts';
import type { RouteEntry } from '../route/route-list.ts';
import { type HostEntry, RouteTableBuilder, type TableSettings } from '../route/route-table.ts';
import { ABSENT_PLUGIN, SpecifiedRoute } from '../route/cluster-specifier.ts';
import { type RouteChoice, SingleRoute, WeightedRoutes } from '../route/weighted-clusters.ts';
import type { RouteRateLimits } from '../http/filter.ts';
import { type DescriptorSource, decodeRateLimits } from '../http/filters/local-rate-limit/rate-limit-actions.ts';
import { decodeClusterSpecifiers } from './cluster-specifiers.ts';
import { decodeHeaderMatchers } from './matcher.ts';
import {
  type ActionDefaults,
  type DecodedAction,
  decodeMirrors,
  decodeRouteAction,
  type Leaf,
} from './route-action.ts';
import { decodeLevelFilters, type LevelFilters, mergeFilters } from './route-filters.ts';
import { decodeLevelMutations, type LevelMutations } from './route-headers.ts';
import { decodeRouteMatch } from './route-match.ts';
import type { MetadataPb, RouteActionPb, RouteConfigurationPb, RoutePb, VirtualHostPb } from './route-messages.ts';
import { decodeDirectResponse, decodePathRewrite, decodeRedirect } from './route-response.ts';
import { decodeOwnRetries } from './route-retry.ts';
import { decodeRouteTree } from './route-tree.ts';
import { decodeRouteTracing } from './tracing.ts';

/** Source: Envoy DEFAULT_MAX_DIRECT_RESPONSE_BODY_SIZE_BYTES. */
const DEFAULT_MAX_DIRECT_BODY_BYTES = 4096;

/** Levels above a route, the least specific first. */
type Levels = {
  readonly mutations: readonly LevelMutations[];
  readonly filters: readonly LevelFilters[];
  readonly defaults: ActionDefaults;
  readonly bufferLimit: BufferLimit;
  /** rate_limits of the virtual host. */
  readonly hostLimits: readonly DescriptorSource[];
  readonly mostSpecificWins: boolean;
  readonly maxDirectBodyBytes: number;
};

type BufferLimit = { readonly bytes: number | undefined; readonly isCapped: boolean };

/**
 * Decodes a route configuration; reasons why not go to `d`, and what is returned then must not be used.
 * `validateClusters` is the default of validate_clusters: true for static configuration, false for RDS.
 */
export function decodeRouteConfiguration(message: object, d: ConfigDecoder, validateClusters = true): RouteTable {
  const hosts = (message as RouteConfigurationPb).virtual_hosts ?? [];
  return atOnce(decodeRouteConfigurationInSteps(message, hosts, d, validateClusters));
}

function atOnce<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Routes that are decoded at once. */
const ROUTES_PER_STEP = 32;

/** The same with the virtual hosts apart, perhaps still to be read; yields after each, and between many routes. */
export function* decodeRouteConfigurationInSteps(
  message: object,
  messages: Iterable<object>,
  d: ConfigDecoder,
  validateClusters: boolean,
): Generator<void, RouteTable> {
  const config = message as RouteConfigurationPb;
  const validate = config.validate_clusters ?? validateClusters;
  const levels: Levels = {
    mutations: [decodeLevelMutations(config, d)],
    filters: [decodeLevelFilters(config.typed_per_filter_config, undefined, d)],
    defaults: {
      routeName: '',
      hedge: undefined,
      retry: null,
      mirrors: decodeMirrors(config.request_mirror_policies, validate, d),
      validateClusters: validate,
      plugins: decodeClusterSpecifiers(config.cluster_specifier_plugins, d),
    },
    bufferLimit: { bytes: undefined, isCapped: false },
    hostLimits: [],
    mostSpecificWins: config.most_specific_header_mutations_wins === true,
    maxDirectBodyBytes: config.max_direct_response_body_size_bytes ?? DEFAULT_MAX_DIRECT_BODY_BYTES,
  };
  const settings = {
    name: config.name ?? '',
    internalOnlyHeaders: (config.internal_only_headers ?? []).map((name) => name.toLowerCase()),
    ignorePort: config.ignore_port_in_host_matching === true,
    ignorePathParameters: config.ignore_path_parameters_in_path_matching === true,
    hostHeader: config.vhost_header ? headerKey(config.vhost_header) : null,
  };
  const open = config.vhds === undefined ? null : decodeOpenTable(config.vhds, settings, levels, d.at('vhds'));
  const builder = new RouteTableBuilder({ ...settings, open });
  let count = 0;
  let error: string | null = null;
  for (const host of messages) {
    const entry = yield* decodeVirtualHost(host as VirtualHostPb, levels, d.at('virtual_hosts', count++));
    error ??= builder.add(entry);
    open?.addOwn(entry);
    yield;
  }
  if (error !== null) d.reject('virtual_hosts', error);
  return builder.finish();
}

/** Source of the texts: Envoy VhdsSubscription::createVhdsSubscription. */
function decodeOpenTable(
  message: NonNullable<RouteConfigurationPb['vhds']>,
  settings: TableSettings,
  levels: Levels,
  d: ConfigDecoder,
): OpenTable | null {
  const place = d.environment.configPlace?.(message.config_source, d.at('config_source')) ?? null;
  if (place === null) return null;
  const { source } = place;
  const isDelta = source.kind === 'grpc' && source.isDelta && !source.isAggregated;
  if (source.kind === 'ads' && d.environment.isAdsDelta === false) {
    d.reject('', 'vhds: ADS must use DELTA_GRPC api_type when used as VHDS config source.');
  } else if (source.kind !== 'ads' && !isDelta) {
    d.reject('', "vhds: only 'DELTA_GRPC' or 'ADS' (which uses Delta xDS) is supported as a config source.");
  }
  return new OpenTable(settings, place, (host, dh) => atOnce(decodeVirtualHost(host as VirtualHostPb, levels, dh)));
}

function* decodeVirtualHost(message: VirtualHostPb, above: Levels, d: ConfigDecoder): Generator<void, HostEntry> {
  const mirrors = decodeMirrors(message.request_mirror_policies, above.defaults.validateClusters, d);
  const retry = decodeOwnRetries(message, d);
  const requireTls = message.require_tls;
  const host: VirtualHost = {
    name: message.name ?? '',
    domains: (message.domains ?? []).map(bytesOf),
    requireTls: requireTls === 'ALL' || requireTls === 'EXTERNAL_ONLY' ? requireTls : 'NONE',
    includeRequestAttemptCount: message.include_request_attempt_count === true,
    includeAttemptCountInResponse: message.include_attempt_count_in_response === true,
    includeIsTimeoutRetryHeader: message.include_is_timeout_retry_header === true,
    retry,
    metadata: decodeMetadata(message.metadata),
    virtualCluster: decodeVirtualClusters(message, d),
  };
  const levels: Levels = {
    ...above,
    mutations: [...above.mutations, decodeLevelMutations(message, d)],
    filters: [...above.filters, decodeLevelFilters(message.typed_per_filter_config, message.cors, d)],
    defaults: {
      ...above.defaults,
      retry,
      hedge: message.hedge_policy,
      mirrors: mirrors.length > 0 ? mirrors : above.defaults.mirrors,
    },
    bufferLimit: decodeBufferLimit(message, above.bufferLimit),
    hostLimits: decodeRateLimits(message.rate_limits, d),
  };
  const entries: RouteEntry[] = [];
  let index = 0;
  for (const route of message.routes ?? []) {
    const entry = route === null ? null : decodeRoute(route, host, index, levels, d.at('routes', index));
    if (entry !== null) entries.push(entry);
    if (++index % ROUTES_PER_STEP === 0) yield;
  }
  const { matcher } = message;
  if (matcher !== undefined && index > 0) d.reject('', 'cannot set both matcher and routes on virtual host');
  const inTree = (route: RoutePb, at: ConfigDecoder): RouteEntry | null =>
    decodeRoute(route, host, index++, levels, at);
  const tree = matcher === undefined ? null : decodeRouteTree(matcher, inTree, d.at('matcher'));
  return { host, entries, tree, tlsRedirect: host.requireTls === 'NONE' ? null : makeTlsRedirect(host) };
}

/** Envoy's own route for require_tls: to https, same host and port, same path. */
function makeTlsRedirect(host: VirtualHost): Route {
  return new LeafRoute({ ...EMPTY_LEAF, virtualHost: host, redirect: TO_HTTPS });
}

/** Source: Envoy Http::Utility::createSslRedirectPath. */
const TO_HTTPS: RedirectAction = {
  status: 301,
  location: ({ authority, path }) => `https://${authority}${path}`,
};

const EMPTY_LEAF: Omit<LeafSettings, 'virtualHost'> = {
  name: '',
  index: -1,
  forward: null,
  redirect: null,
  direct: null,
  statPrefix: '',
  clusterName: '',
  filterConfigs: new Map(),
  metadata: null,
  decorator: null,
  tracing: null,
  rateLimits: null,
  requestBufferLimitBytes: undefined,
  requestBufferLimitIsCapped: false,
  requestMutations: [],
  responseMutations: [],
  hostRewrite: null,
  appendForwardedHost: false,
  pathRewrite: null,
  weightedRequest: null,
  weightedResponse: null,
  weightedHost: '',
};

function decodeVirtualClusters(message: VirtualHostPb, d: ConfigDecoder): VirtualHost['virtualCluster'] {
  const clusters = (message.virtual_clusters ?? []).map((each, i) => {
    const at = d.at('virtual_clusters', i);
    if (each.headers === undefined || each.headers.length === 0) {
      at.reject('headers', "virtual clusters must define 'headers'");
    }
    return { name: each.name ?? '', matchers: decodeHeaderMatchers(each.headers, at, 'headers') };
  });
  if (clusters.length === 0) return () => null;
  return (headers: Headers) => {
    for (const { name, matchers } of clusters) if (matchers.every((matcher) => matcher.matches(headers))) return name;
    return 'other';
  };
}

function decodeBufferLimit(
  message: { per_request_buffer_limit_bytes?: number; request_body_buffer_limit?: number | bigint },
  above: BufferLimit,
): BufferLimit {
  const { per_request_buffer_limit_bytes: old, request_body_buffer_limit: limit } = message;
  if (limit !== undefined) return { bytes: Number(limit), isCapped: false };
  return old === undefined ? above : { bytes: old, isCapped: true };
}

/** Null where neither has any. */
function decodeRouteLimits(
  action: RouteActionPb | undefined,
  virtualHost: readonly DescriptorSource[],
  d: ConfigDecoder,
): RouteRateLimits | null {
  if (action === undefined) return null;
  const own = decodeRateLimits(action.rate_limits, d.at('route'));
  if (own.length === 0 && virtualHost.length === 0) return null;
  return { own, virtualHost, includesVirtualHost: action.include_vh_rate_limits === true };
}

function decodeMetadata(message: MetadataPb | undefined): RouteMetadata | null {
  const entries = Object.entries(message?.filter_metadata ?? {});
  return entries.length === 0 ? null : new Map(entries);
}

function decodeRoute(
  message: RoutePb,
  host: VirtualHost,
  index: number,
  levels: Levels,
  d: ConfigDecoder,
): RouteEntry | null {
  const { path, conditions } = decodeRouteMatch(message.match, d.at('match'));
  const mutations = [...levels.mutations, decodeLevelMutations(message, d)];
  const cors = message.route?.cors;
  const filters = [...levels.filters, decodeLevelFilters(message.typed_per_filter_config, cors, d, d.at('route'))];
  const limit = decodeBufferLimit(message, levels.bufferLimit);
  const base: LeafSettings = {
    ...EMPTY_LEAF,
    name: message.name ?? '',
    virtualHost: host,
    index,
    statPrefix: message.stat_prefix ?? '',
    filterConfigs: mergeFilters(filters),
    metadata: decodeMetadata(message.metadata),
    decorator:
      message.decorator === undefined
        ? null
        : { operation: bytesOf(message.decorator.operation ?? ''), propagate: message.decorator.propagate ?? true },
    tracing: decodeRouteTracing(message.tracing, d),
    rateLimits: decodeRouteLimits(message.route, levels.hostLimits, d),
    requestBufferLimitBytes: limit.bytes,
    requestBufferLimitIsCapped: limit.isCapped,
    ...orderMutations(mutations, levels.mostSpecificWins),
  };
  const entry = (choice: RouteChoice): RouteEntry => ({ path, conditions, choice });
  if (message.redirect !== undefined) {
    const redirect = decodeRedirect(message.redirect, path, d.at('redirect'));
    return entry(new SingleRoute(new LeafRoute({ ...base, redirect, requestMutations: [] })));
  }
  if (message.direct_response !== undefined) {
    const direct = decodeDirectResponse(message.direct_response, levels.maxDirectBodyBytes, d.at('direct_response'));
    return entry(new SingleRoute(new LeafRoute({ ...base, direct, requestMutations: [] })));
  }
  if (message.non_forwarding_action !== undefined || message.filter_action !== undefined) {
    const { hasher: forward } = decodeRouteAction({}, levels.defaults, d.at('route'), true);
    return entry(new SingleRoute(new LeafRoute({ ...base, forward })));
  }
  if (message.route === undefined) {
    d.reject('', 'action is required');
    return null;
  }
  const at = d.at('route');
  const action = decodeRouteAction(message.route, { ...levels.defaults, routeName: base.name }, at);
  const pathRewrite = decodePathRewrite(message.route, path, at);
  return entry(chooseLeaf(action, base, pathRewrite, filters));
}

/** What takes no request. */
const NO_ROUTE: RouteChoice = { pick: () => null };

/** In the order of evaluation: the most specific level first, unless it shall win; empty levels left out. */
function orderMutations(
  levels: readonly LevelMutations[],
  mostSpecificWins: boolean,
): { requestMutations: HeaderMutations[]; responseMutations: HeaderMutations[] } {
  const ordered = mostSpecificWins ? levels : levels.toReversed();
  const present = (of: (level: LevelMutations) => HeaderMutations | null): HeaderMutations[] =>
    ordered.map(of).filter((mutations) => mutations !== null);
  return { requestMutations: present((level) => level.request), responseMutations: present((level) => level.response) };
}

function chooseLeaf(
  action: DecodedAction,
  base: LeafSettings,
  pathRewrite: PathRewrite | null,
  levels: readonly LevelFilters[],
): RouteChoice {
  const { hostRewrite, appendForwardedHost } = action;
  const choiceOf = (leaf: Leaf): RouteChoice => {
    if (leaf.specifier === ABSENT_PLUGIN) return NO_ROUTE;
    const settings = settingsOf(leaf);
    const make = (clusterName: string): LeafRoute =>
      new LeafRoute({ ...settings, clusterName, forward: leaf.forwardTo(clusterName) });
    return leaf.specifier === null ? new SingleRoute(make(leaf.clusterName)) : new SpecifiedRoute(leaf.specifier, make);
  };
  const settingsOf = (leaf: Leaf): LeafSettings => {
    const { message } = leaf;
    const settings = { ...base, hostRewrite, appendForwardedHost, pathRewrite };
    if (message === null) return settings;
    const own = decodeLevelMutations(message, leaf.d);
    const filters = decodeLevelFilters(message.typed_per_filter_config, undefined, leaf.d);
    return {
      ...settings,
      weightedRequest: own.request,
      weightedResponse: own.response,
      filterConfigs: filters.size === 0 ? base.filterConfigs : mergeFilters([...levels, filters]),
      weightedHost: bytesOf(message.host_rewrite_literal ?? ''),
    };
  };
  if (action.weighted === null) {
    const [leaf] = action.leaves;
    return leaf === undefined ? NO_ROUTE : choiceOf(leaf);
  }
  const routes = action.leaves.map((leaf) => ({
    choice: choiceOf(leaf),
    weight: leaf.weight,
    runtimeKey: leaf.runtimeKey,
  }));
  return new WeightedRoutes(routes, action.weighted.header, action.weighted.useHashPolicy ? action.hasher : null);
}
