// The router: ends the filter chain, answers redirects and direct responses itself, and forwards everything else.
import type { Clock, Random } from '../../../../base/clock.ts';
import type { Headers } from '../../../../wire/headers.ts';
import { H, headerKey } from '../../../../wire/header-names.ts';
import type { Scope } from '../../../../telemetry/metrics.ts';
import type { Cluster, ClusterManager } from '../../../cluster/cluster.ts';
import type { FormatContext } from '../../../formatter/format-context.ts';
import type { DirectResponseAction, RedirectAction, Route } from '../../../route/route.ts';
import { Flag } from '../../../stream-info.ts';
import {
  type BodyData,
  defineHttpFilter,
  type FilterContext,
  type FilterStream,
  type HttpFilter,
  type HttpFilterFactory,
  type Runtime,
  type TerminalStream,
} from '../../filter.ts';
import type { UpstreamChain, UpstreamChainConfig } from '../../upstream-chain.ts';
import { noteCluster } from './attempt-info.ts';
import { chargeCode, chargeDropped } from './charge.ts';
import { CompanionPool } from './companion.ts';
import { Forward } from './forward.ts';
import { PASSED_ON, type PassedOn } from './internal-redirect.ts';
import { parseRetryGrpcOn, parseRetryOn } from './retry.ts';
import { RouteStatsTable } from './route-stats.ts';
import { decodeRouter, ROUTER_FIELDS, type RouterConfig, type RouterMessage } from './router-config.ts';

/** A stream as the router sees it: the HTTP engine's own. */
export type RouterStream = TerminalStream & Omit<FormatContext, 'requestHeaders'> & { readonly route: Route | null };

export type RouterDependencies = {
  readonly clusters: ClusterManager;
  /** Zone of this node (node.locality.zone), for zone statistics; '' for none. */
  readonly zone?: string;
  /** An address of this machine, which mirrored requests name in x-forwarded-for. */
  readonly localAddress?: string;
};

/** Under 'http.STAT_PREFIX.'; most of them are those of the connection manager's own table. */
const ROUTER_STATS = `
  no_cluster no_route rq_direct_response rq_overload_local_reply rq_redirect
  rq_reset_after_downstream_response_started rq_total`
  .trim()
  .split(/\s+/);

/** Makes the router of a worker out of its clusters. */
export function makeRouter(dependencies: RouterDependencies): HttpFilterFactory {
  return defineHttpFilter<RouterConfig, unknown, RouterMessage>({
    name: 'envoy.filters.http.router',
    configType: 'envoy.extensions.filters.http.router.v3.Router',
    fields: ROUTER_FIELDS,
    isTerminal: true,
    decode: decodeRouter,
    create: (config, context) => new Router(config, context, dependencies),
  });
}

export class Router implements HttpFilter {
  readonly config: RouterConfig;
  readonly clusters: ClusterManager;
  readonly zone: string;
  readonly localAddress: string;
  readonly slot: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  readonly companions: CompanionPool;
  /** For clusters that have none of their own; null: attempts have no filters. */
  readonly upstreamChain: UpstreamChain | null;
  readonly routeStats: RouteStatsTable;
  /** The connection manager's scope, and the router's counters in it. */
  readonly stats: Scope;
  readonly cells: {
    readonly noCluster: number;
    readonly noRoute: number;
    readonly directResponse: number;
    readonly total: number;
    readonly resetAfterStart: number;
  };
  /** Cells of redirects that were not followed, by the reason. */
  readonly passedOn: Readonly<Record<PassedOn, number>>;

  constructor(config: RouterConfig, context: FilterContext, dependencies: RouterDependencies) {
    this.config = config;
    this.clusters = dependencies.clusters;
    this.zone = dependencies.zone ?? '';
    this.localAddress = dependencies.localAddress ?? '';
    this.slot = context.slot;
    this.clock = context.clock;
    this.random = context.random;
    this.runtime = context.runtime;
    this.companions = new CompanionPool(context.clock);
    this.upstreamChain = config.upstreamFilters === null ? null : makeUpstreamChain(config.upstreamFilters, context);
    this.routeStats = new RouteStatsTable(context.stats);
    this.stats = context.scope;
    for (const name of ROUTER_STATS) context.scope.dynamicCounter(name);
    this.cells = {
      noCluster: context.scope.dynamicCounter('no_cluster'),
      noRoute: context.scope.dynamicCounter('no_route'),
      directResponse: context.scope.dynamicCounter('rq_direct_response'),
      total: context.scope.dynamicCounter('rq_total'),
      resetAfterStart: context.scope.dynamicCounter('rq_reset_after_downstream_response_started'),
    };
    const counted = PASSED_ON.map((why) => [why, context.scope.dynamicCounter(`passthrough_internal_redirect_${why}`)]);
    this.passedOn = Object.fromEntries(counted) as Router['passedOn'];
  }

  decodeHeaders(filterStream: FilterStream, headers: Headers, endStream: boolean): 'stop' {
    const stream = filterStream as RouterStream;
    const { stats, cells } = this;
    stats.inc(cells.total);
    const route = stream.route;
    if (route === null) {
      stats.inc(cells.noRoute);
      stream.sendLocalReply({ status: 404, body: '', details: 'route_not_found', flags: Flag.NR });
      return 'stop';
    }
    const forward = route.forward;
    if (forward === null) {
      this.#answer(stream, route, headers);
      return 'stop';
    }
    const name = forward.clusterName;
    const cluster = this.clusters.get(name);
    if (cluster === null) {
      stats.inc(cells.noCluster);
      stream.info.clusterName = '';
      stream.sendLocalReply({
        status: forward.clusterNotFoundCode,
        body: '',
        details: 'cluster_not_found',
        flags: Flag.NC,
      });
      return 'stop';
    }
    noteCluster(stream.info, cluster);
    if (this.config.strictCheckHeaders.length > 0 && !this.#checkHeaders(stream, headers)) return 'stop';
    const request = new Forward(this, stream, route, forward, cluster, headers);
    stream.slot[this.slot] = request;
    if (cluster.isInMaintenance()) this.#refuse(stream, request);
    else if (cluster.dropRatio === 0 || !this.#drops(stream, request)) request.start(endStream);
    return 'stop';
  }

  decodeData(stream: FilterStream, data: BodyData, endStream: boolean): 'stop-no-buffer' {
    (stream.slot[this.slot] as Forward | undefined)?.sendData(data, endStream);
    return 'stop-no-buffer';
  }

  decodeTrailers(stream: FilterStream, trailers: Headers): 'stop' {
    (stream.slot[this.slot] as Forward | undefined)?.sendTrailers(trailers);
    return 'stop';
  }

  onDestroy(stream: FilterStream): void {
    (stream.slot[this.slot] as Forward | undefined)?.destroy();
  }

  #answer(stream: RouterStream, route: Route, headers: Headers): void {
    this.stats.inc(this.cells.directResponse);
    if (route.redirect !== null) this.#redirect(stream, route, route.redirect, headers);
    else if (route.direct !== null) this.#respond(stream, route, route.direct, headers);
    else stream.sendLocalReply({ status: 404, body: '', details: 'route_not_found', flags: Flag.NR });
  }

  #redirect(stream: RouterStream, route: Route, redirect: RedirectAction, headers: Headers): void {
    const location = redirect.location(headers, stream, !this.config.suppressEnvoyHeaders);
    stream.sendLocalReply({
      status: redirect.status,
      body: '',
      details: 'direct_response',
      modifyHeaders: (response) => {
        if (location !== '') response.add(H.location, location);
        changeResponse(route, response, stream);
      },
    });
  }

  #respond(stream: RouterStream, route: Route, direct: DirectResponseAction, headers: Headers): void {
    const location = direct.location(headers);
    let body = direct.body;
    if (direct.format !== null) {
      const { info, requestHeaders, responseHeaders, requestTrailers, responseTrailers, accessLogType } = stream;
      const head = { info, requestHeaders, responseHeaders, requestTrailers, responseTrailers, accessLogType };
      body = direct.format.text.format({ ...head, localReplyBody: body });
    }
    stream.sendLocalReply({
      status: direct.status,
      body: Buffer.from(body, 'latin1').toString('utf8'),
      details: 'direct_response',
      modifyHeaders: (response) => {
        if (direct.format !== null) response.set(H['content-type'], direct.format.contentType);
        if (location !== '') response.add(H.location, location);
        changeResponse(route, response, stream);
      },
    });
  }

  /** Maintenance mode. */
  #refuse(stream: RouterStream, request: Forward): void {
    const { scope } = request.cluster;
    chargeCode(request, 503, null, null);
    chargeDropped(request);
    scope.inc(scope.i.upstream_rq_maintenance_mode);
    request.destroy();
    stream.sendLocalReply({
      status: 503,
      body: 'maintenance mode',
      details: 'maintenance_mode',
      flags: Flag.UO,
      modifyHeaders: (response) => {
        if (!this.config.suppressEnvoyHeaders) response.add(H['x-envoy-overloaded'], 'true');
      },
    });
  }

  /** drop_overloads. True when the request was one of those that are refused. */
  #drops(stream: RouterStream, request: Forward): boolean {
    const { dropRatio = 0, codes } = request.cluster;
    if (this.random.below(1_000_000) >= dropRatio * 1_000_000) return false;
    const isAlways = dropRatio === 1;
    chargeCode(request, 503, null, null);
    chargeDropped(request);
    codes.droppedByPolicy++;
    request.destroy();
    const details = isAlways ? 'unconditional_drop_overload' : 'drop_overload';
    stream.sendLocalReply({
      status: 503,
      body: isAlways ? 'unconditional drop overload' : 'drop overload',
      details,
      flags: isAlways ? Flag.UDO : Flag.DO,
      modifyHeaders: (response) => {
        if (!this.config.suppressEnvoyHeaders)
          response.add(headerKey(`x-envoy-${details.replaceAll('_', '-')}`), 'true');
      },
    });
    return true;
  }

  /** strict_check_headers: malformed x-envoy-* request headers are refused instead of ignored. */
  #checkHeaders(stream: RouterStream, headers: Headers): boolean {
    for (const name of this.config.strictCheckHeaders) {
      const value = headers.get(H[name as keyof typeof H]);
      if (value === undefined || isWellFormed(name, value)) continue;
      stream.sendLocalReply({
        status: 400,
        body: `invalid header '${name}' with value '${value}'`,
        details: `request_headers_failed_strict_check{${name}}`,
        flags: Flag.IH,
      });
      return false;
    }
    return true;
  }

  /** The cluster as it is now: it may have been replaced since the request began. */
  clusterNamed(name: string): Cluster | null {
    return this.clusters.get(name);
  }
}

function makeUpstreamChain(config: UpstreamChainConfig, context: FilterContext): UpstreamChain {
  const { slot: _slot, name: _name, follow: _follow, atEnd, ...rest } = context;
  // Envoy takes the prefix as it stands in the scope's name, which has no dot at its end.
  const chain = config.create({ ...rest, statPrefix: context.statPrefix.replace(/\.$/, '') });
  atEnd?.(
    () => chain.close(),
    (settled) => chain.whenSettled(settled),
  );
  return chain;
}

/** Header changes of a route that answers itself; those of forwarding routes are made to every local reply. */
function changeResponse(route: Route, response: Headers, stream: RouterStream): void {
  if (route.hasResponseMutations) route.finalizeResponse(response, stream);
}

function isWellFormed(name: string, value: string): boolean {
  if (name === 'x-envoy-retry-on') return parseRetryOn(value).isValid;
  if (name === 'x-envoy-retry-grpc-on') return parseRetryGrpcOn(value).isValid;
  return /^\d+$/.test(value);
}
