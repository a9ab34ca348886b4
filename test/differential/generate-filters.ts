// Random chains of HTTP filters for generated configurations, and what routes say to them.
import type { Fields } from './config.ts';
import { any, filter } from './config.ts';
import { FORMATS, HEADER_NAMES, headerMatcher, stringMatch } from './generate.ts';
import { localRateLimit } from './generate-routes.ts';
import { luaScript } from './generate-scripts.ts';
import type { Random } from './random.ts';

const FILTERS = 'envoy.extensions.filters.http';
const INPUT = 'envoy.type.matcher.v3';

/** One kind of filter: the configuration in the chain, and for routes where there is one. */
type Kind = {
  readonly type: string;
  readonly make: (random: Random) => Fields;
  readonly routeType?: string;
  readonly makeRoute?: (random: Random) => Fields;
};

export type ChainFilter = { readonly name: string; readonly kind: Kind | null };

const percent = (random: Random): Fields => ({ default_value: { numerator: random.pick([0, 100, 100]) } });
const mutation = (random: Random, key: string): Fields =>
  random.chance(0.25)
    ? { remove: random.pick([...HEADER_NAMES, 'x-up', 'content-type']) }
    : {
        append: {
          header: { key, value: random.pick(FORMATS) },
          ...random.maybe(0.6, () => ({
            append_action: random.pick(['ADD_IF_ABSENT', 'OVERWRITE_IF_EXISTS_OR_ADD', 'OVERWRITE_IF_EXISTS']),
          })),
          ...random.maybe(0.2, () => ({ keep_empty_value: true })),
        },
      };
const mutations = (random: Random): Fields => ({
  ...random.maybe(0.6, () => ({ request_mutations: random.many(1, 3, () => mutation(random, 'x-mut')) })),
  ...random.maybe(0.6, () => ({ response_mutations: random.many(1, 3, () => mutation(random, 'x-rmut')) })),
  ...random.maybe(0.2, () => ({ request_trailers_mutations: [mutation(random, 'x-tmut')] })),
  ...random.maybe(0.2, () => ({ response_trailers_mutations: [mutation(random, 'x-rtmut')] })),
  ...random.maybe(0.15, () => ({
    query_parameter_mutations: [
      random.pick<Fields>([
        { append: { record: { key: 'q', value: 'new' } } },
        { append: { record: { key: 'k', value: '%REQ(x-one)%' }, action: 'OVERWRITE_IF_EXISTS' } },
        { remove: 'k' },
      ]),
    ],
  })),
});

const buffer = (random: Random): Fields => ({ max_request_bytes: random.pick([3, 10, 1000, 16384, 65536, 200_000]) });
const csrf = (random: Random): Fields => ({
  filter_enabled: percent(random),
  ...random.maybe(0.3, () => ({ shadow_enabled: percent(random) })),
  ...random.maybe(0.4, () => ({ additional_origins: [random.pick([{ prefix: 'good' }, stringMatch(random)])] })),
});
const cors = (random: Random): Fields => ({
  allow_origin_string_match: [random.pick<Fields>([{ prefix: 'https://good' }, { safe_regex: { regex: '.*' } }])],
  ...random.maybe(0.6, () => ({ allow_methods: 'GET,POST' })),
  ...random.maybe(0.4, () => ({ allow_headers: 'x-one' })),
  ...random.maybe(0.4, () => ({ expose_headers: 'x-up' })),
  ...random.maybe(0.4, () => ({ allow_credentials: true })),
  ...random.maybe(0.4, () => ({ max_age: '5' })),
  ...random.maybe(0.2, () => ({ forward_not_matching_preflights: random.chance(0.5) })),
  ...random.maybe(0.2, () => ({ filter_enabled: percent(random), shadow_enabled: percent(random) })),
});

const library = (kind: string, side: string): Fields => ({
  name: kind,
  typed_config: any(`envoy.extensions.compression.${kind}.${side}.v3.${kind[0]!.toUpperCase()}${kind.slice(1)}`),
});
const LIBRARIES = ['gzip', 'gzip', 'brotli', 'zstd'];
const packs = (random: Random): Fields => ({
  ...random.maybe(0.3, () => ({ enabled: { default_value: random.chance(0.7), runtime_key: 'packs' } })),
  ...random.maybe(0.5, () => ({ min_content_length: random.pick([1, 30, 500]) })),
  ...random.maybe(0.3, () => ({ content_type: ['text/plain', 'application/json'] })),
});
const compressor = (random: Random): Fields => ({
  compressor_library: library(random.pick(LIBRARIES), 'compressor'),
  ...random.maybe(0.3, () => ({ request_direction_config: { common_config: packs(random) } })),
  ...random.maybe(0.8, () => ({
    response_direction_config: {
      common_config: packs(random),
      ...random.maybe(0.3, () => ({ disable_on_etag_header: true })),
      ...random.maybe(0.3, () => ({ remove_accept_encoding_header: true })),
      ...random.maybe(0.3, () => ({ uncompressible_response_codes: [404, 503] })),
      ...random.maybe(0.4, () => ({ status_header_enabled: true })),
    },
  })),
  ...random.maybe(0.2, () => ({ choose_first: true })),
});
const unpacks = (random: Random): Fields => ({
  common_config: {
    ...random.maybe(0.3, () => ({ enabled: { default_value: random.chance(0.6), runtime_key: 'unpacks' } })),
    ...random.maybe(0.3, () => ({ ignore_no_transform_header: true })),
  },
});
const decompressor = (random: Random): Fields => ({
  decompressor_library: library(random.pick(LIBRARIES), 'decompressor'),
  ...random.maybe(0.5, () => ({
    request_direction_config: {
      ...unpacks(random),
      ...random.maybe(0.5, () => ({ advertise_accept_encoding: random.chance(0.5) })),
    },
  })),
  ...random.maybe(0.5, () => ({ response_direction_config: unpacks(random) })),
});

const keyValue = (random: Random, isMissing: boolean): Fields => ({
  ...random.maybe(0.6, () => ({ metadata_namespace: random.pick(['ns', 'envoy.lb', 'other']) })),
  key: random.pick(['k', 'one', 'deep']),
  ...(isMissing || random.chance(0.3) ? { value: random.pick(['missing', '7', 'v']) } : {}),
  ...random.maybe(0.3, () => ({ type: random.pick(['STRING', 'NUMBER']) })),
});
const rule = (random: Random): Fields => ({
  ...(random.chance(0.2) ? { cookie: 'a' } : { header: random.pick([...HEADER_NAMES, ':path', 'x-up']) }),
  ...random.pick([
    (): Fields => ({ on_header_present: keyValue(random, false), ...random.maybe(0.2, () => ({ remove: true })) }),
    (): Fields => ({ on_header_missing: keyValue(random, true) }),
    (): Fields => ({ on_header_present: keyValue(random, false), on_header_missing: keyValue(random, true) }),
  ])(),
});
const headerToMetadata = (random: Random): Fields => ({
  request_rules: random.many(1, 2, () => withoutCookieRemoval(rule(random))),
  ...random.maybe(0.5, () => ({ response_rules: random.many(1, 2, () => withoutCookieRemoval(rule(random), 'x-up')) })),
});

/** Cookies cannot be removed, and answers have none. */
function withoutCookieRemoval(rule: Fields, header?: string): Fields {
  if (!('cookie' in rule)) return rule;
  const { remove: _, cookie, ...rest } = rule;
  return header === undefined ? { cookie, ...rest } : { header, ...rest };
}

const setMetadata = (random: Random): Fields => ({
  metadata: random.many(1, 2, () => ({
    metadata_namespace: random.pick(['ns', 'envoy.lb', 'other']),
    value: random.pick<Fields>([{ k: 'set' }, { one: 5, deep: { er: [1, 'two'] } }, { list: ['a'] }]),
    ...random.maybe(0.5, () => ({ allow_overwrite: true })),
  })),
});
const setFilterState = (random: Random): Fields => ({
  on_request_headers: random.many(1, 2, () => ({
    object_key: random.pick(['state.one', 'state.two', 'state.three']),
    factory_key: 'envoy.string',
    format_string: { text_format_source: { inline_string: random.pick(FORMATS) } },
    ...random.maybe(0.4, () => ({ skip_if_empty: true })),
    ...random.maybe(0.3, () => ({ shared_with_upstream: 'ONCE' })),
  })),
});

const permission = (random: Random): Fields =>
  random.pick<() => Fields>([
    () => ({ any: true }),
    () => ({ header: headerMatcher(random) }),
    () => ({ not_rule: { header: headerMatcher(random) } }),
    () => ({ url_path: { path: { prefix: random.pick(['/a', '/api']) } } }),
    () => ({ and_rules: { rules: [{ header: headerMatcher(random) }, { any: true }] } }),
    () => ({
      sourced_metadata: {
        metadata_matcher: { filter: 'ns', path: [{ key: 'k' }], value: { string_match: { prefix: 's' } } },
      },
    }),
  ])();
const principal = (random: Random): Fields =>
  random.pick<() => Fields>([
    () => ({ any: true }),
    () => ({ header: headerMatcher(random) }),
    () => ({ direct_remote_ip: { address_prefix: '127.0.0.0', prefix_len: 8 } }),
    () => ({ remote_ip: { address_prefix: '10.0.0.0', prefix_len: 8 } }),
    () => ({ not_id: { header: headerMatcher(random) } }),
  ])();
const rules = (random: Random): Fields => ({
  action: random.pick(['ALLOW', 'DENY', 'DENY', 'LOG']),
  policies: Object.fromEntries(
    random.many(1, 2, (i) => [`p ${i}`, { permissions: [permission(random)], principals: [principal(random)] }]),
  ),
});
const rbac = (random: Random): Fields => ({
  ...random.maybe(0.4, () => ({ rules: rules(random) })),
  ...random.maybe(0.3, () => ({ shadow_rules: rules(random) })),
  ...random.maybe(0.2, () => ({ rules_stat_prefix: 'own_', shadow_rules_stat_prefix: 'shadow_' })),
  ...random.maybe(0.2, () => ({ track_per_rule_stats: true })),
});

const fault = (random: Random): Fields => ({
  abort: {
    ...random.pick<Fields>([{ http_status: random.pick([400, 503, 418]) }, { grpc_status: 7 }, { header_abort: {} }]),
    percentage: { numerator: random.pick([0, 100]) },
  },
  ...random.maybe(0.7, () => ({ headers: [headerMatcher(random)] })),
  ...random.maybe(0.2, () => ({ upstream_cluster: random.pick(['a', 'b']) })),
  ...random.maybe(0.2, () => ({ filter_metadata: { who: 'fault' } })),
});
const healthCheck = (random: Random): Fields => ({
  pass_through_mode: random.chance(0.4),
  headers: [random.pick<Fields>([{ name: ':path', string_match: { exact: '/a' } }, headerMatcher(random)])],
  ...random.maybe(0.3, () => ({
    pass_through_mode: false,
    cluster_min_healthy_percentages: { [random.pick(['a', 'empty', 'gone'])]: { value: random.pick([0, 50, 100]) } },
  })),
});
const lua = (random: Random): Fields => ({ default_source_code: { inline_string: luaScript(random) } });
const luaRoute = (random: Random): Fields =>
  random.chance(0.3) ? { disabled: true } : { source_code: { inline_string: luaScript(random) } };

const format = (random: Random): Fields =>
  random.chance(0.4)
    ? { json_format: { body: '%LOCAL_REPLY_BODY%', code: '%RESPONSE_CODE%', one: '%REQ(X-ONE)%' } }
    : { text_format_source: { inline_string: '%LOCAL_REPLY_BODY% %RESPONSE_CODE% %RESP(X-UP)%' } };
const policy = (random: Random): Fields => {
  const types = 'envoy.extensions.http.custom_response';
  const around = {
    ...random.maybe(0.4, () => ({ status_code: random.pick([200, 404, 503]) })),
    ...random.maybe(0.3, () => ({
      response_headers_to_add: [{ header: { key: 'x-custom', value: '%RESPONSE_CODE%' } }],
    })),
  };
  if (random.chance(0.6)) {
    const fields = {
      ...around,
      ...random.maybe(0.7, () => ({ body: { inline_string: 'custom body' } })),
      ...random.maybe(0.4, () => ({ body_format: format(random) })),
    };
    return { name: 'local', typed_config: any(`${types}.local_response_policy.v3.LocalResponsePolicy`, fields) };
  }
  const fields = {
    ...around,
    ...random.pick<Fields>([
      { uri: 'http://one.example/a' },
      { uri: 'http://two.example/api/v1/users?x=1' },
      { redirect_action: { path_redirect: '/deep/er' } },
      { redirect_action: { host_redirect: 'two.example' } },
    ]),
    ...random.maybe(0.3, () => ({ request_headers_to_add: [{ header: { key: 'x-again', value: '%REQ(:PATH)%' } }] })),
  };
  return { name: 'redirect', typed_config: any(`${types}.redirect_policy.v3.RedirectPolicy`, fields) };
};
const customResponse = (random: Random): Fields => {
  const [type, keys, fields] = random.pick<[string, string[], Fields?]>([
    ['ResponseStatusCode', ['503', '404', '200']],
    ['ResponseStatusCodeClass', ['5xx', '4xx']],
    ['ResponseLocalReply', ['true', 'false']],
    ['ResponseHeader', ['1', '4'], { header_name: 'x-up' }],
  ]);
  const map = Object.fromEntries(random.many(1, 2, () => [random.pick(keys), { action: policy(random) }]));
  const input = { name: 'input', typed_config: any(`${INPUT}.Http${type}MatchInput`, fields) };
  return { custom_response_matcher: { matcher_tree: { input, exact_match_map: { map } } } };
};

const state = (random: Random): Fields => {
  const types = 'envoy.extensions.http.stateful_session';
  const named = (kind: string, type: string, fields: Fields): Fields => ({
    session_state: {
      name: `envoy.http.stateful_session.${kind}`,
      typed_config: any(`${types}.${kind}.v3.${type}`, fields),
    },
  });
  return random.pick<Fields>([
    named('cookie', 'CookieBasedSessionState', { cookie: { name: 'sid' } }),
    named('cookie', 'CookieBasedSessionState', { cookie: { name: 'sid', path: '/a' } }),
    named('header', 'HeaderBasedSessionState', { name: 'x-session' }),
  ]);
};
const session = (random: Random): Fields => ({
  ...state(random),
  ...random.maybe(0.3, () => ({ strict: true })),
  ...random.maybe(0.3, () => ({ stat_prefix: 'sticky' })),
});

const KINDS: Readonly<Record<string, Kind>> = {
  buffer: {
    type: `${FILTERS}.buffer.v3.Buffer`,
    make: buffer,
    routeType: `${FILTERS}.buffer.v3.BufferPerRoute`,
    makeRoute: (random) => (random.chance(0.3) ? { disabled: true } : { buffer: buffer(random) }),
  },
  csrf: { type: `${FILTERS}.csrf.v3.CsrfPolicy`, make: csrf, makeRoute: csrf },
  cors: {
    type: `${FILTERS}.cors.v3.Cors`,
    make: () => ({}),
    routeType: `${FILTERS}.cors.v3.CorsPolicy`,
    makeRoute: cors,
  },
  compressor: {
    type: `${FILTERS}.compressor.v3.Compressor`,
    make: compressor,
    routeType: `${FILTERS}.compressor.v3.CompressorPerRoute`,
    makeRoute: (random) =>
      random.chance(0.4)
        ? { disabled: true }
        : {
            overrides: {
              response_direction_config: random.maybe(0.5, () => ({ remove_accept_encoding_header: true })),
            },
          },
  },
  decompressor: { type: `${FILTERS}.decompressor.v3.Decompressor`, make: decompressor },
  header_mutation: {
    type: `${FILTERS}.header_mutation.v3.HeaderMutation`,
    make: (random) => ({
      mutations: mutations(random),
      ...random.maybe(0.3, () => ({ most_specific_header_mutations_wins: true })),
    }),
    routeType: `${FILTERS}.header_mutation.v3.HeaderMutationPerRoute`,
    makeRoute: (random) => ({ mutations: mutations(random) }),
  },
  header_to_metadata: {
    type: `${FILTERS}.header_to_metadata.v3.Config`,
    make: headerToMetadata,
    makeRoute: headerToMetadata,
  },
  set_metadata: { type: `${FILTERS}.set_metadata.v3.Config`, make: setMetadata },
  set_filter_state: { type: `${FILTERS}.set_filter_state.v3.Config`, make: setFilterState, makeRoute: setFilterState },
  rbac: {
    type: `${FILTERS}.rbac.v3.RBAC`,
    make: rbac,
    routeType: `${FILTERS}.rbac.v3.RBACPerRoute`,
    makeRoute: (random) => (random.chance(0.3) ? {} : { rbac: rbac(random) }),
  },
  fault: { type: `${FILTERS}.fault.v3.HTTPFault`, make: fault, makeRoute: fault },
  local_ratelimit: {
    type: `${FILTERS}.local_ratelimit.v3.LocalRateLimit`,
    make: (random) => withoutType(localRateLimit(random)),
    makeRoute: (random) => withoutType(localRateLimit(random)),
  },
  health_check: { type: `${FILTERS}.health_check.v3.HealthCheck`, make: healthCheck },
  lua: { type: `${FILTERS}.lua.v3.Lua`, make: lua, routeType: `${FILTERS}.lua.v3.LuaPerRoute`, makeRoute: luaRoute },
  custom_response: {
    type: `${FILTERS}.custom_response.v3.CustomResponse`,
    make: customResponse,
    makeRoute: customResponse,
  },
  stateful_session: {
    type: `${FILTERS}.stateful_session.v3.StatefulSession`,
    make: session,
    routeType: `${FILTERS}.stateful_session.v3.StatefulSessionPerRoute`,
    makeRoute: (random) => (random.chance(0.3) ? { disabled: true } : { stateful_session: session(random) }),
  },
  grpc_stats: {
    type: `${FILTERS}.grpc_stats.v3.FilterConfig`,
    make: (random) => ({
      ...random.maybe(0.6, () => ({ stats_for_all_methods: true })),
      ...random.maybe(0.4, () => ({ emit_filter_state: true })),
    }),
  },
  grpc_web: { type: `${FILTERS}.grpc_web.v3.GrpcWeb`, make: () => ({}) },
};

function withoutType({ '@type': _, ...fields }: Fields): Fields {
  return fields;
}

const input = (random: Random): Fields =>
  random.pick<Fields>([
    {
      name: 'i',
      typed_config: any(`${INPUT}.HttpRequestHeaderMatchInput`, { header_name: random.pick(HEADER_NAMES) }),
    },
    { name: 'i', typed_config: any(`${INPUT}.HttpRequestHeaderMatchInput`, { header_name: ':path' }) },
    { name: 'i', typed_config: any(`${INPUT}.HttpResponseHeaderMatchInput`, { header_name: 'x-up' }) },
    { name: 'i', typed_config: any(`${INPUT}.HttpResponseStatusCodeClassMatchInput`) },
  ]);
const choice = (random: Random, action: () => Fields): Fields => ({
  matcher_list: {
    matchers: random.many(1, 2, () => ({
      predicate: {
        single_predicate: {
          input: input(random),
          value_match: random.pick<Fields>([{ prefix: 'v' }, { prefix: '/a' }, { exact: '4' }, { exact: '2xx' }]),
        },
      },
      on_match: { action: action() },
    })),
  },
  ...random.maybe(0.3, () => ({ on_no_match: { action: action() } })),
});
const DELEGATE = 'envoy.extensions.common.matching.v3.ExtensionWithMatcher';
const skip: Fields = {
  name: 'skip',
  typed_config: any('envoy.extensions.filters.common.matcher.action.v3.SkipFilter'),
};

function plain(random: Random): Fields {
  const [name, kind] = random.pick(Object.entries(KINDS));
  return { name, typed_config: any(kind.type, kind.make(random)) };
}

function delegate(random: Random): Fields {
  if (random.chance(0.5)) return { extension_config: plain(random), xds_matcher: choice(random, () => skip) };
  const execute = (): Fields => ({
    name: 'composite-action',
    typed_config: any(`${FILTERS}.composite.v3.ExecuteFilterAction`, { typed_config: plain(random) }),
  });
  return {
    extension_config: { name: 'composite', typed_config: any(`${FILTERS}.composite.v3.Composite`) },
    xds_matcher: choice(random, execute),
  };
}

export type Chain = { readonly filters: readonly Fields[]; readonly named: readonly ChainFilter[] };

/** Up to eight filters; names are those of kinds, with a number behind a second one. */
export function filterChain(random: Random, only?: readonly string[]): Chain {
  const kinds = Object.entries(KINDS).filter(([name]) => only === undefined || only.includes(name));
  const named: ChainFilter[] = [];
  const filters = random.many(1, 8, (index) => {
    const around = random.maybe(0.07, () => ({ disabled: true }));
    if (random.chance(0.12)) {
      const name = `matched-${index}`;
      named.push({ name, kind: null });
      return filter(name, DELEGATE, delegate(random), around);
    }
    const [kindName, kind] = random.pick(kinds);
    const name = named.some((one) => one.name === kindName) ? `${kindName}-${index}` : kindName;
    named.push({ name, kind });
    return filter(name, kind.type, kind.make(random), around);
  });
  return { filters, named };
}

/** What a route, a virtual host or a weighted cluster says to the filters of its chain. */
export function overrides(random: Random, chain: Chain, probability: number): Fields {
  const configs: Record<string, Fields> = {};
  for (const { name, kind } of chain.named) {
    if (!random.chance(probability)) continue;
    if (kind?.makeRoute === undefined || random.chance(0.15)) {
      configs[name] = any('envoy.config.route.v3.FilterConfig', { disabled: true });
      continue;
    }
    configs[name] = any(kind.routeType ?? kind.type, kind.makeRoute(random));
  }
  return Object.keys(configs).length === 0 ? {} : { typed_per_filter_config: configs };
}
