// Configurations of custom_response, stateful_session and tap that are refused, and why.
import { any, bootstrap, cluster, type Fields, filter, http } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';

const CUSTOM = 'envoy.extensions.filters.http.custom_response.v3.CustomResponse';
const POLICY = 'envoy.extensions.http.custom_response';
const SESSION = 'envoy.extensions.filters.http.stateful_session.v3.StatefulSession';
const STATE = 'envoy.extensions.http.stateful_session';
const TAP = 'envoy.extensions.filters.http.tap.v3.Tap';

const withFilter = (each: Fields): Fields =>
  bootstrap({ listeners: [http({ name: 'main', filters: [each] })], clusters: [cluster('a', ['free.a'])] });
const custom = (policy: Fields): Fields =>
  withFilter(
    filter('custom', CUSTOM, {
      custom_response_matcher: {
        matcher_tree: {
          input: { name: 'i', typed_config: any('envoy.type.matcher.v3.HttpResponseStatusCodeMatchInput') },
          exact_match_map: { map: { 503: { action: { name: 'act', typed_config: policy } } } },
        },
      },
    }),
  );
const redirect = (fields: Fields): Fields => custom(any(`${POLICY}.redirect_policy.v3.RedirectPolicy`, fields));
const local = (fields: Fields): Fields => custom(any(`${POLICY}.local_response_policy.v3.LocalResponsePolicy`, fields));
const session = (type: string, fields: Fields): Fields =>
  withFilter(
    filter('sessions', SESSION, {
      session_state: { name: `envoy.http.stateful_session.${type}`, typed_config: fields },
    }),
  );
const tap = (config: Fields): Fields => withFilter(filter('tap', TAP, { common_config: config }));
const sinks = (sink: Fields): Fields => ({ sinks: [{ format: 'JSON_BODY_AS_STRING', ...sink }] });
const file = { file_per_tap: { path_prefix: '{{dir}}/t' } };

export const filterConfigCases: readonly ConfigCase[] = [
  { name: 'custom response to no URL', config: redirect({ uri: 'nowhere' }), mentions: ['uri', 'Invalid uri'] },
  {
    name: 'custom response to a fragment',
    config: redirect({ redirect_action: { path_redirect: '/x#y' } }),
    mentions: ['path_redirect', '#fragment'],
  },
  {
    name: 'custom response with a rewrite of prefixes',
    config: redirect({ redirect_action: { host_redirect: 'x', prefix_rewrite: '/x' } }),
    mentions: ['prefix_rewrite'],
  },
  { name: 'custom response with status 600', config: local({ status_code: 600 }), mentions: ['status_code'] },
  {
    name: 'custom response from a file that is not there',
    config: local({ body: { filename: '/nowhere/at/all' } }),
    mentions: ['body', 'Invalid path'],
  },
  {
    name: 'custom response by another action',
    config: custom(any('envoy.config.rbac.v3.Action', { name: 'x' })),
    mentions: ['envoy.config.rbac.v3.Action'],
  },
  {
    name: 'session cookie without a name',
    config: session('cookie', any(`${STATE}.cookie.v3.CookieBasedSessionState`, { cookie: { name: '' } })),
    mentions: ['cookie', 'name'],
  },
  {
    name: 'session cookie without a cookie',
    config: session('cookie', any(`${STATE}.cookie.v3.CookieBasedSessionState`)),
    mentions: ['cookie'],
  },
  {
    name: 'session header without a name',
    config: session('header', any(`${STATE}.header.v3.HeaderBasedSessionState`)),
    mentions: ['name'],
  },
  { name: 'tap without anything', config: withFilter(filter('tap', TAP)), mentions: ['common_config'] },
  {
    name: 'tap without a sink',
    config: tap({ static_config: { match: { any_match: true }, output_config: {} } }),
    mentions: ['sinks'],
  },
  {
    name: 'tap with two sinks',
    config: tap({
      static_config: { match: { any_match: true }, output_config: { sinks: [file, file] } },
    }),
    mentions: ['sinks'],
  },
  {
    name: 'tap without a predicate',
    config: tap({ static_config: { output_config: sinks(file) } }),
    mentions: ['Neither match nor match_config is set'],
  },
  {
    name: 'tap without a path',
    config: tap({ static_config: { match: { any_match: true }, output_config: sinks({ file_per_tap: {} }) } }),
    mentions: ['path_prefix'],
  },
];
