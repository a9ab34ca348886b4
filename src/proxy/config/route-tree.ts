// Decodes the matcher of a virtual host, whose actions are routes.
import type { Headers } from '../../wire/headers.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { exchangeInput, EXCHANGE_INPUT_FIELDS } from '../matcher/exchange-inputs.ts';
import { decodeMatcher, MATCHER_TREE_FIELDS, type MatcherPb } from '../matcher/matcher.ts';
import { NO_MATCH } from '../matcher/step.ts';
import type { RouteEntry } from '../route/route-list.ts';
import type { RouteTreeSettings } from '../route/route-tree.ts';
import type { StreamInfo } from '../stream-info.ts';
import type { RoutePb } from './route-messages.ts';

const ROUTE = 'envoy.config.route.v3.Route';
const ROUTE_LIST = 'envoy.config.route.v3.RouteList';

export const ROUTE_TREE_FIELDS = {
  ...MATCHER_TREE_FIELDS,
  ...EXCHANGE_INPUT_FIELDS,
  [ROUTE_LIST]: 'routes',
} as const;

/** Envoy: a route table can only match on these, for there is nothing else yet when it is asked first. */
const INPUTS: ReadonlySet<string> = new Set([
  'envoy.type.matcher.v3.HttpRequestHeaderMatchInput',
  'envoy.extensions.matching.common_inputs.network.v3.FilterStateInput',
]);

/** `decodeRoute` returns null after rejecting the route. */
export function decodeRouteTree(
  message: object,
  decodeRoute: (route: RoutePb, d: ConfigDecoder) => RouteEntry | null,
  d: ConfigDecoder,
): RouteTreeSettings {
  const lists: RouteEntry[][] = [];
  const choose = decodeMatcher<StreamInfo, Headers>(
    message as MatcherPb,
    {
      input(type, input, at) {
        if (INPUTS.has(type)) return exchangeInput(type, input);
        at.reject('', `route table can only match on request headers and filter state, saw ${type}`);
        return () => undefined;
      },
      action(type, action, at) {
        if (type !== ROUTE && type !== ROUTE_LIST) {
          at.reject('', `${type} is no action of a route table: Route and RouteList are`);
          return NO_MATCH;
        }
        const routes = type === ROUTE ? [action as RoutePb] : ((action as { routes?: RoutePb[] }).routes ?? []);
        const place = (i: number): ConfigDecoder => (type === ROUTE ? at : at.at('routes', i));
        return lists.push(routes.flatMap((route, i) => decodeRoute(route, place(i)) ?? [])) - 1;
      },
    },
    d,
  );
  return { choose, lists };
}
