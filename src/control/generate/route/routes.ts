// Rules of a route set → Envoy routes, for one caller's listener: what is not for it is left out.
import type { MessageTypes } from '../../../proto/generated/types.d.ts';
import type { HttpMatch, HttpRule, RouteSet } from '../../model/route.ts';
import { directAction, redirectAction } from './answers.ts';
import { parseCluster } from './cluster-names.ts';
import { filterSettings } from './filter-settings.ts';
import { forwardAction } from './forward.ts';
import { authorityOf, type HeaderFields, headerFields, joinHeaderFields } from './header-changes.ts';
import { routeMatch, takesAll } from './matches.ts';
import { concerns, type RouteContext } from './route-context.ts';

export type Route = MessageTypes['envoy.config.route.v3.Route'];

/** What of a route set its routes are made of. */
export type RoutedRules = Pick<RouteSet, 'name' | 'reference' | 'http'>;

/** In order; empty: nothing of the set is for this caller. Behind a route that takes everything nothing is asked. */
export function buildRoutes(set: RoutedRules, context: RouteContext): Route[] {
  const routes: Route[] = [];
  for (const rule of set.http) {
    if (rule.matches.length === 0) return [...routes, buildRoute(set, rule, null, context)];
    for (const match of rule.matches) {
      if (!concerns(match, context)) continue;
      const route = buildRoute(set, rule, match, context);
      routes.push(route);
      if (takesAll(route.match!)) return routes;
    }
  }
  return routes;
}

function buildRoute(set: RoutedRules, rule: HttpRule, match: HttpMatch | null, context: RouteContext): Route {
  const envoyMatch = routeMatch(match);
  const own: HeaderFields = rule.headers === null ? {} : headerFields(rule.headers);
  const action = actionOf(rule, envoyMatch, own, context);
  const settings = filterSettings(rule);
  const name = match === null || match.name === '' ? rule.name : `${rule.name}.${match.name}`;
  return {
    name,
    match: envoyMatch,
    ...action,
    metadata: { filter_metadata: { istio: { config: set.reference } } },
    decorator: { operation: operationOf(action, envoyMatch, set.name, context.port) },
    ...(settings !== undefined && { typed_per_filter_config: settings }),
    ...(match !== null && match.statPrefix !== '' && { stat_prefix: match.statPrefix }),
  };
}

/** What the route does, with the headers that it changes. */
function actionOf(rule: HttpRule, match: Route['match'], own: HeaderFields, context: RouteContext): Route {
  switch (rule.action.kind) {
    case 'redirect':
      return { ...own, redirect: redirectAction(rule.action.redirect, context) };
    case 'direct':
      return { ...own, direct_response: directAction(rule.action.response) };
    case 'forward': {
      const { backends } = rule.action;
      const authority = rule.headers === null ? '' : authorityOf(rule.headers);
      const route = forwardAction(rule, backends, match!, authority, context);
      // No share of any backend: Envoy would refuse the whole table for it.
      if (route === null) return { ...own, direct_response: { status: 500 } };
      const only = backends.length === 1 ? backends[0]!.headers : null;
      return { ...(only === null ? own : joinHeaderFields(own, headerFields(only))), route };
    }
  }
}

/** What traces call it: where it goes, if that is one place, and for which path. */
function operationOf(action: Route, match: NonNullable<Route['match']>, setName: string, port: number): string {
  const path = match.path ?? match.safe_regex?.regex ?? (match.prefix === undefined ? '/*' : `${match.prefix}*`);
  const cluster = parseCluster(action.route?.cluster ?? '');
  return cluster === null ? `${setName}:${port}${path}` : `${cluster.host}:${cluster.port}${path}`;
}
