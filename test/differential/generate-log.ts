// Random access logs for generated configurations: formats of random operators, as text and JSON, and who is logged.
import type { Fields } from './config.ts';
import { any, fileLog } from './config.ts';
import type { Random } from './random.ts';

const OPERATORS = [
  ...['PROTOCOL', 'RESPONSE_CODE', 'RESPONSE_FLAGS', 'RESPONSE_FLAGS_LONG', 'RESPONSE_CODE_DETAILS'],
  ...['UPSTREAM_CLUSTER', 'UPSTREAM_CLUSTER_RAW', 'UPSTREAM_HOST', 'ROUTE_NAME', 'VIRTUAL_CLUSTER_NAME'],
  ...['UPSTREAM_REQUEST_ATTEMPT_COUNT', 'UPSTREAM_TRANSPORT_FAILURE_REASON', 'CONNECTION_TERMINATION_DETAILS'],
  ...[
    'UPSTREAM_HOSTS_ATTEMPTED',
    'UPSTREAM_PROTOCOL',
    'GRPC_STATUS',
    'GRPC_STATUS(SNAKE_STRING)',
    'GRPC_STATUS_NUMBER',
  ],
  ...[
    'GRPC_STATUS(NUMBER)',
    'REQ(X-ONE)',
    'REQ(X-TWO?X-ONE):2',
    'REQ(:PATH)',
    'REQ(:SCHEME)',
    'REQ(HOST)',
    'REQ(COOKIE)',
  ],
  ...['REQ(CONTENT-LENGTH)', 'REQ(X-FORWARDED-FOR)', 'REQ(X-FORWARDED-PROTO)', 'REQ(X-ENVOY-ORIGINAL-PATH?:PATH)'],
  ...[
    'REQ_WITHOUT_QUERY(:PATH)',
    'RESP(X-UP)',
    'RESP(:STATUS)',
    'RESP(CONTENT-TYPE)',
    'RESP(CONTENT-ENCODING)',
    'RESP(VARY)',
  ],
  ...[
    'RESP(LOCATION?ETAG)',
    'TRAILER(X-TRAIL)',
    'TRAILER(GRPC-STATUS)',
    'QUERY_PARAM(k)',
    'QUERY_PARAM(x):1',
    'QUERY_PARAMS',
  ],
  ...['PATH(NQ)', 'PATH(WQ:ORIG)', 'PATH(WQ:ORIG_OR_PATH)', 'DYNAMIC_METADATA(ns)', 'DYNAMIC_METADATA(ns:k)'],
  ...['DYNAMIC_METADATA(envoy.lb)', 'DYNAMIC_METADATA(other:deep:er)', 'DYNAMIC_METADATA(envoy.filters.http.rbac)'],
  ...[
    'DYNAMIC_METADATA(envoy.filters.http.fault)',
    'METADATA(ROUTE:ns:k)',
    'METADATA(DYNAMIC:ns)',
    'METADATA(VIRTUAL_HOST:ns)',
  ],
  ...[
    'FILTER_STATE(state.one:PLAIN)',
    'FILTER_STATE(state.two)',
    'FILTER_STATE(state.three:PLAIN):3',
    'ACCESS_LOG_TYPE',
  ],
  ...['DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT', 'DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT', 'FILTER_CHAIN_NAME'],
  ...['DOWNSTREAM_LOCAL_ADDRESS', 'REQUESTED_SERVER_NAME', 'CEL(request.headers["x-one"])', 'CEL(response.code)'],
  ...['CEL(request.path + "!")', 'CEL(response.code_details)', 'CEL(response.flags)', 'CEL(request.size > 3)'],
  ...[
    'CEL(request.query)',
    'CEL(request.host)',
    'CEL(request.method)',
    'CEL(response.grpc_status)',
    'CEL(xds.route_name)',
  ],
  ...[
    'CEL(metadata.filter_metadata["ns"]["k"])',
    'CEL(response.headers["x-up"])',
    'CEL(upstream.request_attempt_count)',
  ],
  ...['CEL(size(request.headers) > 5)', 'CEL(response.trailers["x-trail"])', 'CEL(filter_state["state.one"])'],
  ...[
    'TYPED_CEL(response.code)',
    'TYPED_CEL(request.headers["x-one"])',
    'TYPED_CEL(response.code >= 400)',
    'CUSTOM_FLAGS',
  ],
  ...[
    'UPSTREAM_HOST_NAME',
    'STREAM_ID',
    'REQ(X-REQUEST-ID)',
    'VIRTUAL_HOST_NAME',
    'DOWNSTREAM_TRANSPORT_FAILURE_REASON',
  ],
].filter(
  (operator) => operator !== 'VIRTUAL_HOST_NAME' && operator !== 'STREAM_ID' && operator !== 'REQ(X-REQUEST-ID)',
);
/** Not the same where bodies are packed. */
const SIZES = ['BYTES_RECEIVED', 'BYTES_SENT', 'CEL(request.size)', 'CEL(response.size)', 'RESPONSE_TRAILERS_BYTES'];

const EXPRESSIONS = [
  'response.code >= 400',
  "request.headers['x-one'] == 'v'",
  "response.headers['x-up'] != '1'",
  "request.path.startsWith('/a') || response.code == 200",
  "metadata.filter_metadata['ns']['k'] == 'set'",
];
const FILTERS: readonly ((random: Random) => Fields)[] = [
  (random) => ({
    status_code_filter: {
      comparison: {
        op: random.pick(['EQ', 'GE', 'LE', 'NE']),
        value: { default_value: random.pick([200, 400, 404]), runtime_key: 'none' },
      },
    },
  }),
  () => ({ not_health_check_filter: {} }),
  () => ({ header_filter: { header: { name: 'x-one', present_match: true } } }),
  (random) => ({ response_flag_filter: { flags: random.pick([['NR'], ['UH', 'UF', 'URX'], []]) } }),
  (random) => ({ grpc_status_filter: { statuses: ['OK', 'UNAVAILABLE'], exclude: random.chance(0.5) } }),
  () => ({
    metadata_filter: { matcher: { filter: 'ns', path: [{ key: 'k' }], value: { string_match: { exact: 'set' } } } },
  }),
  (random) => ({
    extension_filter: {
      name: 'cel',
      typed_config: any('envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter', {
        expression: random.pick(EXPRESSIONS),
      }),
    },
  }),
];

function operators(random: Random, most: number, hasSizes: boolean): string[] {
  const all = hasSizes ? [...OPERATORS, ...SIZES, ...SIZES] : OPERATORS;
  return random.many(1, most, () => `%${random.pick(all)}%`);
}

function json(random: Random, hasSizes: boolean): Fields {
  const entries = random.many(2, 8, (i): [string, unknown] => {
    const kind = random.next();
    if (kind < 0.6) return [`k${i}`, operators(random, 1, hasSizes)[0]];
    if (kind < 0.8) return [`k${i}`, `a ${operators(random, 2, hasSizes).join('-')} z`];
    if (kind < 0.9) return [`k${i}`, { deep: operators(random, 1, hasSizes)[0], fixed: 7 }];
    return [`k${i}`, operators(random, 3, hasSizes)];
  });
  return { json_format: Object.fromEntries(entries) };
}

/** One log, which always begins with the status unless it is JSON. */
export function randomLog(random: Random, hasSizes: boolean): Fields {
  const text = `%RESPONSE_CODE% ${operators(random, 8, hasSizes).join(' ')}\n`;
  const format = random.chance(0.4) ? json(random, hasSizes) : { text_format_source: { inline_string: text } };
  return {
    ...fileLog({ log_format: { ...format, ...random.maybe(0.3, () => ({ omit_empty_values: true })) } }),
    ...random.maybe(0.25, () => ({ filter: accessFilter(random) })),
  };
}

export function accessFilter(random: Random): Fields {
  if (random.chance(0.2)) {
    const filters = [random.pick(FILTERS)(random), random.pick(FILTERS)(random)];
    return random.chance(0.5) ? { and_filter: { filters } } : { or_filter: { filters } };
  }
  return random.pick(FILTERS)(random);
}
