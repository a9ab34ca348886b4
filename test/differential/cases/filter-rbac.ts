// Differential cases: the HTTP filter rbac, with every permission and principal that needs no TLS.
import type { Case, Group } from '../case.ts';
import type { Fields } from '../config.ts';
import { any, bootstrap, cluster, filter, http, route, textLog } from '../config.ts';
import { get, post } from '../messages.ts';

// ── rbac ──
const RBAC = 'envoy.extensions.filters.http.rbac.v3.RBAC';
const RBAC_ROUTE = 'envoy.extensions.filters.http.rbac.v3.RBACPerRoute';
const ANYONE = [{ any: true }];
function rules(action: string, policies: Readonly<Record<string, Fields>>): Fields {
  return { rules: { action, policies } };
}
function rbacRoute(prefix: string, fields: Fields): Fields {
  return route(
    prefix,
    'a',
    {},
    { typed_per_filter_config: { 'envoy.filters.http.rbac': any(RBAC_ROUTE, { rbac: fields }) } },
  );
}
function allowPermission(prefix: string, permission: Fields): Fields {
  return rbacRoute(prefix, rules('ALLOW', { p: { permissions: [permission], principals: ANYONE } }));
}
function allowPrincipal(prefix: string, principal: Fields): Fields {
  return rbacRoute(prefix, rules('ALLOW', { p: { permissions: ANYONE, principals: [principal] } }));
}
const LOOPBACK: Fields = { address_prefix: '127.0.0.0', prefix_len: 8 };
const FAR: Fields = { address_prefix: '203.0.113.0', prefix_len: 24 };
const permissions: readonly (readonly [string, Fields])[] = [
  ['any', { any: true }],
  ['header', { header: { name: 'x-role', string_match: { exact: 'admin' } } }],
  ['url-path', { url_path: { path: { prefix: '/p-url-path/ok' } } }],
  ['destination-ip', { destination_ip: LOOPBACK }],
  ['destination-far', { destination_ip: FAR }],
  ['destination-port-range', { destination_port_range: { start: 1024, end: 65535 } }],
  ['destination-port', { destination_port: 1 }],
  ['server-name', { requested_server_name: { exact: '' } }],
  ['and', { and_rules: { rules: [{ any: true }, { header: { name: 'x-role', string_match: { exact: 'admin' } } }] } }],
  [
    'or',
    {
      or_rules: {
        rules: [
          { header: { name: 'x-a', present_match: true } },
          { header: { name: 'x-role', string_match: { exact: 'admin' } } },
        ],
      },
    },
  ],
  ['not', { not_rule: { header: { name: 'x-role', string_match: { exact: 'admin' } } } }],
  ['metadata', { metadata: { filter: 'f', path: [{ key: 'k' }], value: { string_match: { exact: 'v' } } } }],
];
const principals: readonly (readonly [string, Fields])[] = [
  ['any', { any: true }],
  ['authenticated', { authenticated: {} }],
  ['direct-remote-ip', { direct_remote_ip: LOOPBACK }],
  ['direct-remote-far', { direct_remote_ip: FAR }],
  ['remote-ip', { remote_ip: FAR }],
  ['source-ip', { source_ip: LOOPBACK }],
  ['header', { header: { name: 'x-role', string_match: { exact: 'admin' } } }],
  ['url-path', { url_path: { path: { suffix: '/ok' } } }],
  [
    'and',
    {
      and_ids: {
        ids: [{ direct_remote_ip: LOOPBACK }, { header: { name: 'x-role', string_match: { exact: 'admin' } } }],
      },
    },
  ],
  [
    'or',
    { or_ids: { ids: [{ direct_remote_ip: FAR }, { header: { name: 'x-role', string_match: { exact: 'admin' } } }] } },
  ],
  ['not', { not_id: { direct_remote_ip: LOOPBACK } }],
  ['filter-state', { filter_state: { key: 'k', string_match: { exact: 'v' } } }],
];
const ADMIN_POLICY: Fields = {
  permissions: [{ header: { name: 'x-role', string_match: { exact: 'admin' } } }],
  principals: ANYONE,
};
const RBAC_LOG = textLog(
  '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% shadow=%DYNAMIC_METADATA(envoy.filters.http.rbac)%\n',
);
const rbacListener = http({
  name: 'rbac',
  log: [RBAC_LOG],
  filters: [filter('envoy.filters.http.rbac', RBAC)],
  routes: [
    ...permissions.map(([name, permission]) => allowPermission(`/p-${name}/`, permission)),
    ...principals.map(([name, principal]) => allowPrincipal(`/i-${name}/`, principal)),
    rbacRoute('/deny', rules('DENY', { 'deny admins': ADMIN_POLICY })),
    rbacRoute('/log', rules('LOG', { l: ADMIN_POLICY })),
    rbacRoute('/allow-none', rules('ALLOW', {})),
    rbacRoute('/none-denied', rules('DENY', {})),
    rbacRoute('/shadow-deny', { shadow_rules: { action: 'DENY', policies: { sd: ADMIN_POLICY } } }),
    rbacRoute('/shadow-allow', {
      shadow_rules: { action: 'ALLOW', policies: { sa: ADMIN_POLICY } },
      shadow_rules_stat_prefix: 'pre_',
    }),
    rbacRoute('/both', {
      ...rules('ALLOW', { b: ADMIN_POLICY }),
      shadow_rules: { action: 'DENY', policies: { s: ADMIN_POLICY } },
    }),
    rbacRoute('/matcher', {
      matcher: {
        matcher_list: {
          matchers: [
            {
              predicate: {
                single_predicate: {
                  input: {
                    name: 'h',
                    typed_config: any('envoy.type.matcher.v3.HttpRequestHeaderMatchInput', { header_name: 'x-role' }),
                  },
                  value_match: { exact: 'admin' },
                },
              },
              on_match: {
                action: {
                  name: 'allow',
                  typed_config: any('envoy.config.rbac.v3.Action', { name: 'allow-admin', action: 'ALLOW' }),
                },
              },
            },
          ],
        },
        on_no_match: {
          action: {
            name: 'deny',
            typed_config: any('envoy.config.rbac.v3.Action', { name: 'deny-rest', action: 'DENY' }),
          },
        },
      },
    }),
    { ...route('/off', 'a'), typed_per_filter_config: { 'envoy.filters.http.rbac': any(RBAC_ROUTE) } },
    route('/', 'a'),
  ],
});
const rbacDenyAll = http({
  name: 'rbac-deny-all',
  filters: [
    filter('envoy.filters.http.rbac', RBAC, {
      ...rules('DENY', { 'all of it': { permissions: ANYONE, principals: ANYONE } }),
      rules_stat_prefix: 'mine_',
    }),
  ],
  routes: [
    { ...route('/off', 'a'), typed_per_filter_config: { 'envoy.filters.http.rbac': any(RBAC_ROUTE) } },
    route('/', 'a'),
  ],
});
const rbacCases: readonly Case[] = [
  ...[...permissions.map(([name]) => `/p-${name}/`), ...principals.map(([name]) => `/i-${name}/`)].flatMap(
    (prefix): Case[] => [
      { name: `rbac ${prefix} plain`, to: 'rbac', send: get(`${prefix}x`) },
      {
        name: `rbac ${prefix} admin, ok`,
        to: 'rbac',
        send: get(`${prefix}ok`, 'x-role: admin', 'x-forwarded-for: 203.0.113.5'),
      },
    ],
  ),
  ...[
    '/deny',
    '/log',
    '/allow-none',
    '/none-denied',
    '/shadow-deny',
    '/shadow-allow',
    '/both',
    '/matcher',
    '/off',
    '/plain',
  ].flatMap((path): Case[] => [
    { name: `rbac ${path} plain`, to: 'rbac', send: get(path) },
    { name: `rbac ${path} admin`, to: 'rbac', send: get(path, 'x-role: admin') },
  ]),
  { name: 'rbac denied post', to: 'rbac', send: post('/allow-none', 'body') },
  { name: 'rbac denied grpc', to: 'rbac', send: post('/allow-none', '', 'content-type: application/grpc') },
  { name: 'rbac of the listener', to: 'rbac-deny-all', send: get('/x') },
  { name: 'rbac of the listener, off on the route', to: 'rbac-deny-all', send: get('/off') },
];

export const rbacGroups: readonly Group[] = [
  {
    name: 'filter rbac',
    config: bootstrap({ listeners: [rbacListener, rbacDenyAll], clusters: [cluster('a')] }),
    cases: rbacCases.map((test): Case => ({ probeMs: 5, ...test })),
  },
];
