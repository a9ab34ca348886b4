// Chooses among the weighted clusters of a route.
import { parseInteger } from '../../base/matcher.ts';
import type { HeaderKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ForwardAction, MatchContext, Route } from './route.ts';

/** What a matching route leads to. */
export type RouteChoice = { pick(headers: Headers, context: MatchContext): Route | null };

export class SingleRoute implements RouteChoice {
  readonly route: Route;
  constructor(route: Route) {
    this.route = route;
  }
  pick(): Route {
    return this.route;
  }
}

export type WeightedRoute = { readonly choice: RouteChoice; readonly weight: number; readonly runtimeKey: string };

export class WeightedRoutes implements RouteChoice {
  readonly #routes: readonly WeightedRoute[];
  readonly #total: number;
  /** Header that brings the random number, or null. */
  readonly #header: HeaderKey | null;
  /** Whose hash of the request draws, or null. */
  readonly #hasher: Pick<ForwardAction, 'hash64'> | null;
  readonly #hasRuntimeKeys: boolean;

  constructor(
    routes: readonly WeightedRoute[],
    header: HeaderKey | null,
    hasher: Pick<ForwardAction, 'hash64'> | null,
  ) {
    this.#routes = routes;
    this.#total = routes.reduce((sum, { weight }) => sum + weight, 0);
    this.#header = header;
    this.#hasher = hasher;
    this.#hasRuntimeKeys = routes.some(({ runtimeKey }) => runtimeKey !== '');
  }

  pick(headers: Headers, context: MatchContext): Route | null {
    const routes = this.#routes;
    if (this.#hasRuntimeKeys) return this.#pickByRuntime(headers, context);
    let rest = this.#draw(headers, context, this.#total);
    for (let i = 0; i < routes.length; i++) {
      const { choice, weight } = routes[i] as WeightedRoute;
      if (rest < weight) return choice.pick(headers, context);
      rest -= weight;
    }
    return null;
  }

  #pickByRuntime(headers: Headers, context: MatchContext): Route | null {
    const weights = this.#routes.map(({ weight, runtimeKey }) => context.runtime.number(runtimeKey, weight));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    if (total <= 0) return null;
    let rest = this.#draw(headers, context, total);
    for (const [i, { choice }] of this.#routes.entries()) {
      const weight = weights[i] as number;
      if (rest < weight) return choice.pick(headers, context);
      rest -= weight;
    }
    return null;
  }

  #draw(headers: Headers, context: MatchContext, total: number): number {
    if (this.#header !== null) {
      const given = singleValue(headers, this.#header);
      const number = given === null ? null : parseUnsigned(given);
      if (number !== null) return Number(number % BigInt(total));
    } else if (this.#hasher !== null) {
      const hash = this.#hasher.hash64(headers, context);
      if (hash !== null) return Number(hash % BigInt(total));
    }
    return context.random.below(total);
  }
}

/** The value of a header that stands once; several would choose differently in different places. */
function singleValue(headers: Headers, key: HeaderKey): string | null {
  const { kv } = headers;
  let value: string | null = null;
  for (let i = 0; i < kv.length; i += 2) {
    if (kv[i] !== key) continue;
    if (value !== null) return null;
    value = kv[i + 1] as string;
  }
  return value;
}

function parseUnsigned(text: string): bigint | null {
  const number = parseInteger(text);
  return number === null || number < 0 ? null : BigInt(number);
}
