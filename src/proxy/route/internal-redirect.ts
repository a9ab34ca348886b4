// Redirects that the proxy follows itself: what a route says of them.
import type { HeaderKey } from '../../wire/header-names.ts';
import type { FilterStateObject, StreamInfo } from '../stream-info.ts';

export type InternalRedirectPolicy = {
  /** Statuses that are followed. */
  readonly statuses: readonly number[];
  /** How many a request may follow in all. */
  readonly maxRedirects: number;
  readonly allowsCrossScheme: boolean;
  /** Fields of the answer that the request takes with it. */
  readonly headersToCopy: readonly HeaderKey[];
  readonly predicates: readonly RedirectPredicate[];
};

export type RedirectTarget = {
  readonly info: StreamInfo;
  readonly routeName: string;
  readonly isFromHttps: boolean;
  readonly isToHttps: boolean;
};

/** Whether a redirect to another route may be followed. */
export type RedirectPredicate = { accepts(target: RedirectTarget): boolean };

export function allowListedRoutes(names: readonly string[]): RedirectPredicate {
  const allowed = new Set(names);
  return { accepts: ({ routeName }) => allowed.has(routeName) };
}

export const SAFE_CROSS_SCHEME: RedirectPredicate = {
  accepts: ({ isFromHttps, isToHttps }) => isFromHttps || !isToHttps,
};

/** Each route that this route's redirects led to may be taken once by a request. */
export function previousRoutes(currentRoute: string): RedirectPredicate {
  const key = `envoy.internal_redirect.previous_routes_predicate_state.${currentRoute}`;
  return {
    accepts({ info, routeName }) {
      const taken = info.filterState?.get(key)?.typed as ReadonlySet<string> | undefined;
      if (taken?.has(routeName) === true) return false;
      setRequestState(info, key, { value: '', typed: new Set([...(taken ?? []), routeName]), isOpaque: true });
      return true;
    },
  };
}

/** By a boolean in the filter state. */
export function redirectEnabledBy(key: string, ifAbsent: boolean): RedirectPredicate {
  return {
    accepts({ info }) {
      const object = info.filterState?.get(key) ?? info.connection.filterState?.get(key);
      return object === undefined ? ifAbsent : object.typed === true;
    },
  };
}

/** Envoy's name: formats may show it. */
const COUNT_KEY = 'num_internal_redirects';

/** How many redirects the request has followed; from the first question on the filter state tells it. */
export function redirectCount(info: StreamInfo): number {
  const object = info.filterState?.get(COUNT_KEY);
  if (object !== undefined) return Number(object.value);
  setRedirectCount(info, 0);
  return 0;
}

export function setRedirectCount(info: StreamInfo, count: number): void {
  setRequestState(info, COUNT_KEY, { value: String(count), typed: count });
}

function setRequestState(
  info: StreamInfo,
  key: string,
  object: Pick<FilterStateObject, 'value' | 'typed' | 'isOpaque'>,
) {
  info.filterState ??= new Map();
  info.filterState.set(key, { ...object, isReadOnly: false, lifeSpan: 'request' });
}
