// Clusters that are known only when a request has come: by a header, a tree of matchers, a script.
import type { HeaderKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import type { MatchContext, Route } from './route.ts';
import type { RouteChoice } from './weighted-clusters.ts';

/** Names the cluster of a request when its route is chosen, and again for a retry where the policy wants that. */
export type ClusterSpecifier = {
  /** '': none, and the request is answered as if its cluster were missing. */
  choose(headers: Headers, context: MatchContext): string;
};

export class HeaderSpecifier implements ClusterSpecifier {
  readonly #key: HeaderKey;
  constructor(key: HeaderKey) {
    this.#key = key;
  }
  choose(headers: Headers): string {
    return headers.get(this.#key) ?? '';
  }
}

/** Of a plugin that is optional and not there: its routes take no request. */
export const ABSENT_PLUGIN: ClusterSpecifier = { choose: () => '' };

/** Routes for so many clusters are kept; a client may name any. */
const MAX_KEPT = 64;

/** One route, as often as there are clusters that it may lead to. */
export class SpecifiedRoute implements RouteChoice {
  readonly #specifier: ClusterSpecifier;
  readonly #make: (cluster: string) => Route;
  readonly #routes = new Map<string, Route>();

  constructor(specifier: ClusterSpecifier, make: (cluster: string) => Route) {
    this.#specifier = specifier;
    this.#make = make;
  }

  pick(headers: Headers, context: MatchContext): Route {
    const cluster = this.#specifier.choose(headers, context);
    let route = this.#routes.get(cluster);
    if (route === undefined) {
      if (this.#routes.size >= MAX_KEPT) this.#routes.clear();
      route = this.#make(cluster);
      this.#routes.set(cluster, route);
    }
    return route;
  }
}
