// The rbac filter of connections: rules, matchers, shadows, delays.
import type { ClientStep } from '../../support/raw-client.ts';
import type { Case, Group } from '../case.ts';
import { address, any, bootstrap, cluster, type Fields, filter, http, textLog } from '../config.ts';

const TYPE = 'envoy.extensions.filters.network.rbac.v3.RBAC';
const INPUT = 'envoy.extensions.matching.common_inputs.network.v3';
const STATS = ['^rules\\.rbac\\.'];

/** Without bytes received: Envoy reads the first before it decides. */
const LOG =
  'flags=%RESPONSE_FLAGS% term=%CONNECTION_TERMINATION_DETAILS% closed=%DOWNSTREAM_LOCAL_CLOSE_REASON% ' +
  'tx=%BYTES_SENT% rbac=%DYNAMIC_METADATA(envoy.filters.network.rbac)% common=%DYNAMIC_METADATA(envoy.common)% ' +
  'details=%RESPONSE_CODE_DETAILS%\n';

const ECHO = filter('echo', 'envoy.extensions.filters.network.echo.v3.Echo');

function listener(name: string, filters: readonly Fields[], last: Fields = ECHO): Fields {
  return {
    name,
    address: address(`listen.${name}`),
    stat_prefix: name,
    filter_chains: [{ filters: [...filters, last] }],
    access_log: [textLog(LOG)],
  };
}

const ANY = [{ any: true }];
const rbac = (fields: Fields): Fields => filter('rbac', TYPE, { stat_prefix: 'rules', ...fields });
const rules = (action: string, permissions: readonly Fields[] = ANY, principals: readonly Fields[] = ANY): Fields => ({
  action,
  policies: { 'all x': { permissions, principals } },
});
const none = { action: 'ALLOW', policies: {} };
const cidr = (prefix: string, length: number): Fields => ({ address_prefix: prefix, prefix_len: length });
const text = (exact: string): Fields => ({ exact });
const metadata = (invert: boolean): Fields => ({
  filter: 'f',
  path: [{ key: 'k' }],
  value: { string_match: text('v') },
  invert,
});
const state = filter('put', 'envoy.extensions.filters.network.set_filter_state.v3.Config', {
  on_new_connection: [
    {
      object_key: 'k',
      factory_key: 'envoy.string',
      format_string: { text_format_source: { inline_string: 'v' } },
    },
  ],
});

/** Permissions and principals that are judged by an ALLOW policy. */
const RULES: readonly (readonly [name: string, permission: Fields, principal?: Fields])[] = [
  ['any', { any: true }],
  ['port', { destination_port: 1 }],
  ['port-range', { destination_port_range: { start: 1, end: 65536 } }],
  ['to-ip', { destination_ip: cidr('127.0.0.0', 8) }],
  ['to-other-ip', { destination_ip: cidr('10.0.0.0', 8) }],
  ['to-name', { requested_server_name: text('a.b') }],
  ['to-no-name', { requested_server_name: text('') }],
  ['path', { url_path: { path: text('/') } }],
  ['no-path', { not_rule: { url_path: { path: text('/') } } }],
  ['metadata', { metadata: metadata(false) }],
  ['metadata-inverted', { metadata: metadata(true) }],
  ['route-metadata', { sourced_metadata: { metadata_matcher: metadata(true), metadata_source: 'ROUTE' } }],
  ['and', { and_rules: { rules: [{ any: true }, { destination_port: 1 }] } }],
  ['or', { or_rules: { rules: [{ destination_port: 1 }, { any: true }] } }],
  ['not', { not_rule: { destination_port: 1 } }],
  ['from-ip', { any: true }, { direct_remote_ip: cidr('127.0.0.1', 32) }],
  ['from-other-ip', { any: true }, { remote_ip: cidr('10.0.0.0', 8) }],
  ['source-ip', { any: true }, { source_ip: cidr('127.0.0.0', 8) }],
  ['authenticated', { any: true }, { authenticated: {} }],
  ['not-authenticated', { any: true }, { not_id: { authenticated: {} } }],
  ['state', { any: true }, { filter_state: { key: 'k', string_match: text('v') } }],
  ['other-state', { any: true }, { filter_state: { key: 'k', string_match: text('w') } }],
  [
    'principals',
    { any: true },
    { and_ids: { ids: [{ any: true }, { or_ids: { ids: [{ not_id: { any: true } }] } }] } },
  ],
];

const act = (name: string, action: string): Fields => ({
  action: { name: 'act', typed_config: any('envoy.config.rbac.v3.Action', { name, action }) },
});
const tree = (input: string, map: Fields, otherwise?: Fields, kind = 'exact_match_map'): Fields => ({
  matcher_tree: { input: { name: 'input', typed_config: any(`${INPUT}.${input}`) }, [kind]: { map } },
  ...(otherwise === undefined ? {} : { on_no_match: otherwise }),
});
const IP = { '127.0.0.1': act('home', 'ALLOW') };

const MATCHERS: readonly (readonly [name: string, matcher: Fields])[] = [
  ['m-from', tree('SourceIPInput', IP, act('away', 'DENY'))],
  ['m-direct', tree('DirectSourceIPInput', IP, act('away', 'DENY'))],
  ['m-to', tree('DestinationIPInput', IP, act('away', 'DENY'))],
  ['m-port', tree('DestinationPortInput', { '1': act('one', 'ALLOW') }, act('other port', 'DENY'))],
  ['m-source-port', tree('SourcePortInput', { '': act('some', 'ALLOW') }, act('none', 'DENY'), 'prefix_match_map')],
  ['m-name', tree('ServerNameInput', { 'a.b': act('known', 'ALLOW') })],
  ['m-log', tree('SourceIPInput', { '127.0.0.1': act('noted', 'LOG') })],
  ['m-nothing', tree('SourceIPInput', { '10.0.0.1': act('x', 'ALLOW') })],
];

const OTHERS: readonly (readonly [name: string, filters: readonly Fields[]])[] = [
  ['deny', [rbac({ rules: rules('DENY') })]],
  ['log', [rbac({ rules: rules('LOG') })]],
  ['log-none', [rbac({ rules: { ...none, action: 'LOG' } })]],
  ['nobody', [rbac({ rules: none })]],
  ['no-rules', [rbac({})]],
  ['shadow', [rbac({ rules: rules('ALLOW'), shadow_rules: rules('DENY') })]],
  ['shadow-only', [rbac({ shadow_rules: rules('DENY'), shadow_rules_stat_prefix: 'dark' })]],
  ['shadow-allows', [rbac({ rules: rules('DENY'), shadow_rules: rules('ALLOW'), shadow_rules_stat_prefix: 'dark.' })]],
  ['shadow-matcher', [rbac({ shadow_matcher: tree('SourceIPInput', { '127.0.0.1': act('dim', 'DENY') }) })]],
  [
    'rules-and-matcher',
    [rbac({ rules: rules('ALLOW'), matcher: tree('SourceIPInput', { '127.0.0.1': act('m', 'DENY') }) })],
  ],
  ['two', [rbac({ rules: rules('ALLOW') }), rbac({ rules: rules('DENY') })]],
  ['continuous-deny', [rbac({ rules: rules('DENY'), enforcement_type: 'CONTINUOUS' })]],
];

const spoken: readonly ClientStep[] = ['hello', { readRaw: 5 }, 'close'];
const speak = (name: string): Case => ({ name, to: name, send: spoken, stats: STATS, settleMs: 20 });

/** Whom Envoy, too, denies; it has read what they say by then, so that their connections end in another way. */
const DENIED = new Set([
  ...['port', 'to-other-ip', 'to-name', 'path', 'metadata', 'route-metadata', 'and', 'from-other-ip', 'authenticated'],
  ...['other-state', 'principals', 'm-port', 'm-name', 'm-nothing', 'deny', 'nobody', 'shadow-allows'],
  ...['rules-and-matcher', 'two', 'continuous-deny'],
]);
const NAMES = [...RULES, ...MATCHERS, ...OTHERS].map(([name]) => name);

const config = bootstrap({
  listeners: [
    ...RULES.map(([name, permission, principal]) =>
      listener(name, [
        state,
        rbac({ rules: rules('ALLOW', [permission], principal === undefined ? ANY : [principal]) }),
      ]),
    ),
    ...MATCHERS.map(([name, matcher]) => listener(name, [rbac({ matcher })])),
    ...OTHERS.map(([name, filters]) => listener(name, filters)),
    listener('delay', [rbac({ rules: rules('DENY'), delay_deny: '0.1s' })]),
    listener('continuous', [rbac({ rules: rules('ALLOW'), enforcement_type: 'CONTINUOUS' })]),
    { ...http({ name: 'manager' }), ...withManager('manager', rbac({ rules: rules('DENY') })) },
    { ...http({ name: 'admitted' }), ...withManager('admitted', rbac({ rules: rules('ALLOW') })) },
  ],
  clusters: [cluster('a')],
});

const admitted: Group = {
  name: 'network rbac',
  config,
  cases: [
    ...NAMES.filter((name) => !DENIED.has(name)).map(speak),
    {
      name: 'every read is judged',
      to: 'continuous',
      send: ['a', { readRaw: 1 }, 'b', { readRaw: 2 }, 'c', { readRaw: 3 }, 'close'],
      stats: STATS,
      settleMs: 20,
    },
    { name: 'before a connection manager', to: 'admitted', send: 'GET / HTTP/1.1\r\nhost: h\r\n\r\n', stats: STATS },
    { name: 'allowed, says nothing', to: 'any', send: [{ wait: 50 }, 'close'], stats: STATS, settleMs: 20 },
  ],
};

const denied: Group = {
  name: 'network rbac denies',
  config,
  cases: [
    ...NAMES.filter((name) => DENIED.has(name)).map(speak),
    { name: 'delayed', to: 'delay', send: ['hello', 'read-close'], stats: STATS, settleMs: 20, elapsedToleranceMs: 60 },
    { name: 'before a connection manager', to: 'manager', send: 'GET / HTTP/1.1\r\nhost: h\r\n\r\n', stats: STATS },
    { name: 'says nothing', to: 'deny', send: [{ wait: 100 }, 'close'], stats: STATS, settleMs: 20 },
  ],
};

/** The filters of an HTTP listener, behind one more. */
function withManager(name: string, first: Fields): Fields {
  const made = http({ name }) as { filter_chains: { filters: Fields[] }[] };
  return {
    filter_chains: [{ filters: [first, ...(made.filter_chains[0]?.filters ?? [])] }],
    access_log: [textLog(LOG)],
  };
}

export const rbacNetworkGroups: readonly Group[] = [admitted, denied];
