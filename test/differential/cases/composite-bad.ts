// Configurations of match_delegate and composite that are refused, and why.
import { any, bootstrap, cluster, type Fields, filter, http } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';

const COMPOSITE = 'envoy.extensions.filters.http.composite.v3';
const DELEGATE = 'envoy.extensions.common.matching.v3.ExtensionWithMatcher';
const INPUT = 'envoy.type.matcher.v3.HttpRequestHeaderMatchInput';

const withFilter = (each: Fields): Fields =>
  bootstrap({ listeners: [http({ name: 'main', filters: [each] })], clusters: [cluster('a', ['free.a'])] });
const when = (action: Fields, input: Fields = any(INPUT, { header_name: 'x' })): Fields => ({
  matcher_list: {
    matchers: [
      {
        predicate: {
          single_predicate: { input: { name: 'input', typed_config: input }, value_match: { exact: 'yes' } },
        },
        on_match: { action: { name: 'act', typed_config: action } },
      },
    ],
  },
});
const execute = (fields: Fields): Fields => any(`${COMPOSITE}.ExecuteFilterAction`, fields);
const cors: Fields = { name: 'cors', typed_config: any('envoy.extensions.filters.http.cors.v3.Cors') };
const router: Fields = { name: 'router', typed_config: any('envoy.extensions.filters.http.router.v3.Router') };
const composite = (fields: Fields): Fields => filter('composite', `${COMPOSITE}.Composite`, fields);
const nested = (depth: number): Fields =>
  depth === 0
    ? cors
    : {
        name: 'composite',
        typed_config: any(`${COMPOSITE}.Composite`, { matcher: when(execute({ typed_config: nested(depth - 1) })) }),
      };

export const compositeConfigCases: readonly ConfigCase[] = [
  {
    name: 'composite: an empty chain',
    config: withFilter(composite({ matcher: when(execute({ filter_chain: {} })) })),
    mentions: ['filter_chain', 'at least one'],
  },
  {
    name: 'composite: an empty named chain',
    config: withFilter(composite({ named_filter_chains: { none: {} } })),
    mentions: ['named_filter_chains', 'at least one'],
  },
  {
    name: 'composite: nothing to execute',
    config: withFilter(composite({ matcher: when(execute({})) })),
    mentions: ['typed_config'],
  },
  {
    name: 'composite: an action of another kind',
    config: withFilter(composite({ matcher: when(any('envoy.config.rbac.v3.Action', { name: 'x' })) })),
    mentions: ['envoy.config.rbac.v3.Action'],
  },
  {
    name: 'composite: a filter that is none',
    config: withFilter(
      composite({
        matcher: when(
          execute({
            typed_config: { name: 'x', typed_config: any('envoy.extensions.filters.http.cors.v3.CorsPolicy') },
          }),
        ),
      }),
    ),
    mentions: ['CorsPolicy'],
    stricter: 'it is the configuration of a route, and no filter',
  },
  {
    name: 'composite: the router',
    config: withFilter(composite({ matcher: when(execute({ typed_config: router })) })),
    mentions: ['terminal filter envoy.filters.http.router'],
    stricter: 'what stands behind it would never run',
  },
  {
    name: 'composite: a field that is not supported inside',
    config: withFilter(
      composite({
        matcher: when(
          execute({
            typed_config: {
              name: 'x',
              typed_config: any('envoy.extensions.filters.http.alternate_protocols_cache.v3.FilterConfig'),
            },
          }),
        ),
      }),
    ),
    mentions: ['alternate_protocols_cache'],
    stricter: 'it is not built',
  },
  {
    name: 'composite: nested without an end',
    config: withFilter(composite({ matcher: when(execute({ typed_config: nested(9) })) })),
    mentions: ['nest'],
  },
  {
    name: 'composite: nested',
    config: withFilter(composite({ matcher: when(execute({ typed_config: nested(6) })) })),
    isGood: true,
  },
  {
    name: 'match_delegate without a filter',
    config: withFilter(filter('delegate', DELEGATE, {})),
    mentions: ['extension_config'],
  },
  {
    name: 'match_delegate by an input that there is not',
    config: withFilter(
      filter('delegate', DELEGATE, {
        extension_config: cors,
        xds_matcher: when(execute({ typed_config: cors }), any('envoy.config.rbac.v3.Action', { name: 'x' })),
      }),
    ),
    mentions: ['xds_matcher', 'envoy.config.rbac.v3.Action'],
  },
];
