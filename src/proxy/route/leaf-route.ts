// The route that a request ends up with: one per route, or one per weighted cluster of a route.
import type { Headers } from '../../wire/headers.ts';
import type { FormatContext } from '../formatter/format-context.ts';
import type { HeaderMutations } from './header-mutation.ts';
import { type HostRewrite, type PathRewrite, rewritePath, updateAuthority } from './rewrite.ts';
import type {
  DirectResponseAction,
  ForwardAction,
  RedirectAction,
  Route,
  RouteFilterConfig,
  RouteMetadata,
  RouteTracing,
  VirtualHost,
} from './route.ts';

export type LeafSettings = {
  readonly name: string;
  readonly virtualHost: VirtualHost;
  readonly index: number;
  readonly forward: ForwardAction | null;
  readonly redirect: RedirectAction | null;
  readonly direct: DirectResponseAction | null;
  readonly statPrefix: string;
  readonly clusterName: string;
  readonly filterConfigs: ReadonlyMap<string, RouteFilterConfig>;
  readonly metadata: RouteMetadata | null;
  readonly decorator: { readonly operation: string; readonly propagate: boolean } | null;
  readonly tracing: RouteTracing | null;
  readonly rateLimits: Route['rateLimits'];
  readonly requestBufferLimitBytes: number | undefined;
  readonly requestBufferLimitIsCapped: boolean;
  /** In the order in which they are evaluated. */
  readonly requestMutations: readonly HeaderMutations[];
  readonly responseMutations: readonly HeaderMutations[];
  readonly hostRewrite: HostRewrite | null;
  readonly appendForwardedHost: boolean;
  readonly pathRewrite: PathRewrite | null;
  /** A weighted cluster's own mutations come before all others, whichever level wins. */
  readonly weightedRequest: HeaderMutations | null;
  readonly weightedResponse: HeaderMutations | null;
  /** Its host_rewrite_literal follows them and leaves no trace of the old authority. */
  readonly weightedHost: string;
};

export class LeafRoute implements Route {
  readonly name: string;
  readonly virtualHost: VirtualHost;
  readonly virtualHostName: string;
  readonly index: number;
  readonly forward: ForwardAction | null;
  readonly redirect: RedirectAction | null;
  readonly direct: DirectResponseAction | null;
  readonly statPrefix: string;
  readonly clusterName: string;
  readonly filterConfigs: ReadonlyMap<string, RouteFilterConfig>;
  readonly metadata: RouteMetadata | null;
  readonly decorator: { readonly operation: string; readonly propagate: boolean } | null;
  readonly tracing: RouteTracing | null;
  readonly rateLimits: Route['rateLimits'];
  readonly requestBufferLimitBytes: number | undefined;
  readonly requestBufferLimitIsCapped: boolean;
  readonly hasRequestMutations: boolean;
  readonly hasResponseMutations: boolean;
  readonly #requestMutations: readonly HeaderMutations[];
  readonly #responseMutations: readonly HeaderMutations[];
  readonly #hostRewrite: HostRewrite | null;
  readonly #appendForwardedHost: boolean;
  readonly #pathRewrite: PathRewrite | null;
  readonly #weightedRequest: HeaderMutations | null;
  readonly #weightedResponse: HeaderMutations | null;
  readonly #weightedHost: string;

  constructor(settings: LeafSettings) {
    this.name = settings.name;
    this.virtualHost = settings.virtualHost;
    this.virtualHostName = settings.virtualHost.name;
    this.index = settings.index;
    this.forward = settings.forward;
    this.redirect = settings.redirect;
    this.direct = settings.direct;
    this.statPrefix = settings.statPrefix;
    this.clusterName = settings.clusterName;
    this.filterConfigs = settings.filterConfigs;
    this.metadata = settings.metadata;
    this.decorator = settings.decorator;
    this.tracing = settings.tracing;
    this.rateLimits = settings.rateLimits;
    this.requestBufferLimitBytes = settings.requestBufferLimitBytes;
    this.requestBufferLimitIsCapped = settings.requestBufferLimitIsCapped;
    this.#requestMutations = settings.requestMutations;
    this.#responseMutations = settings.responseMutations;
    this.#hostRewrite = settings.hostRewrite;
    this.#appendForwardedHost = settings.appendForwardedHost;
    this.#pathRewrite = settings.pathRewrite;
    this.#weightedRequest = settings.weightedRequest;
    this.#weightedResponse = settings.weightedResponse;
    this.#weightedHost = settings.weightedHost;
    this.hasRequestMutations =
      this.#requestMutations.length > 0 ||
      this.#hostRewrite !== null ||
      this.#pathRewrite !== null ||
      this.#weightedRequest !== null ||
      this.#weightedHost !== '';
    this.hasResponseMutations = this.#responseMutations.length > 0 || this.#weightedResponse !== null;
  }

  finalizeRequest(headers: Headers, format: FormatContext, insertOriginalPath: boolean): void {
    if (!this.hasRequestMutations) return;
    if (this.#weightedRequest !== null) this.#weightedRequest.apply(headers, format);
    if (this.#weightedHost !== '') headers.authority = this.#weightedHost;
    const mutations = this.#requestMutations;
    for (let i = 0; i < mutations.length; i++) (mutations[i] as HeaderMutations).apply(headers, format);
    if (this.#hostRewrite !== null) {
      const host = this.#hostRewrite.host(headers, format);
      if (host !== '') updateAuthority(headers, host, this.#appendForwardedHost, insertOriginalPath);
    }
    if (this.#pathRewrite !== null) rewritePath(headers, this.#pathRewrite, format, insertOriginalPath);
  }

  finalizeResponse(headers: Headers, format: FormatContext): void {
    if (this.#weightedResponse !== null) this.#weightedResponse.applyToResponse(headers, format);
    const mutations = this.#responseMutations;
    for (let i = 0; i < mutations.length; i++) (mutations[i] as HeaderMutations).applyToResponse(headers, format);
  }
}
