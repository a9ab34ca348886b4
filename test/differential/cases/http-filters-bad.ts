// Configurations of the HTTP filters compressor, decompressor, buffer, csrf, header_to_metadata, set_metadata and
// health_check that are refused, and why; beside them what stands just inside the bounds.
import { any, bootstrap, cluster, type Fields, filter, http, route } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';

const PACKAGE = 'envoy.extensions.filters.http';
const COMPRESSION = 'envoy.extensions.compression';

const listener = (filters: readonly Fields[], routes?: readonly Fields[]): Fields =>
  bootstrap({
    listeners: [http({ name: 'main', filters, ...(routes === undefined ? {} : { routes }) })],
    clusters: [cluster('a', ['free.a'])],
  });

type Row = Pick<ConfigCase, 'mentions' | 'isGood' | 'stricter'>;
const bad = (...mentions: string[]): Row => ({ mentions });
const GOOD: Row = { isGood: true };

const whole = (type: string, name: string, fields: Fields, row: Row): ConfigCase => {
  const [kind = ''] = type.split('.');
  return {
    name: `${kind}: ${name}`,
    config: listener([filter(`envoy.filters.http.${kind}`, `${PACKAGE}.${type}`, fields)]),
    ...row,
  };
};

/** The chain's filter is good, the route's is not. */
const routed = (type: string, routeType: string, name: string, main: Fields, fields: Fields, row: Row): ConfigCase => {
  const [kind = ''] = type.split('.');
  const filterName = `envoy.filters.http.${kind}`;
  return {
    name: `${kind}: on a route, ${name}`,
    config: listener(
      [filter(filterName, `${PACKAGE}.${type}`, main)],
      [route('/', 'a', {}, { typed_per_filter_config: { [filterName]: any(`${PACKAGE}.${routeType}`, fields) } })],
    ),
    ...row,
  };
};

// ── compressor ──
const COMPRESSOR = 'compressor.v3.Compressor';
const library = (type: string, fields: Fields = {}, name = 'library'): Fields => ({
  name,
  typed_config: any(`${COMPRESSION}.${type}`, fields),
});
const compressor = (name: string, fields: Fields, row: Row): ConfigCase =>
  whole(COMPRESSOR, name, { compressor_library: library('gzip.compressor.v3.Gzip'), ...fields }, row);
const compressing = (name: string, type: string, fields: Fields, row: Row): ConfigCase =>
  whole(COMPRESSOR, `${type.split('.')[0]}, ${name}`, { compressor_library: library(type, fields) }, row);
const GZIP = 'gzip.compressor.v3.Gzip';
const BROTLI = 'brotli.compressor.v3.Brotli';
const ZSTD = 'zstd.compressor.v3.Zstd';
const perRoute = (name: string, fields: Fields, row: Row): ConfigCase =>
  routed(COMPRESSOR, 'compressor.v3.CompressorPerRoute', name, { compressor_library: library(GZIP) }, fields, row);

const compressors: readonly ConfigCase[] = [
  whole(COMPRESSOR, 'no library', {}, bad('compressor_library')),
  compressor('a library without configuration', { compressor_library: { name: 'x' } }, bad('compressor_library')),
  compressor('a library without a name', { compressor_library: library(GZIP, {}, '') }, bad('compressor_library.name')),
  compressor(
    'a library of the other direction',
    { compressor_library: library('gzip.decompressor.v3.Gzip') },
    bad('compressor_library', 'gzip.decompressor.v3.Gzip'),
  ),
  compressor(
    'a code that is none',
    { response_direction_config: { uncompressible_response_codes: [199] } },
    bad('uncompressible_response_codes'),
  ),
  compressor(
    'a code of 600',
    { response_direction_config: { uncompressible_response_codes: [600] } },
    bad('uncompressible_response_codes'),
  ),
  compressor(
    'a code twice',
    { response_direction_config: { uncompressible_response_codes: [200, 200] } },
    bad('uncompressible_response_codes'),
  ),
  compressor('codes at the bounds', { response_direction_config: { uncompressible_response_codes: [200, 599] } }, GOOD),
  compressor(
    'enabled without a key',
    { response_direction_config: { common_config: { enabled: { default_value: true } } } },
    GOOD,
  ),
  compressor('enabled without a default', { runtime_enabled: { runtime_key: 'x' } }, bad('default_value')),
  compressor(
    'a matcher of nothing',
    { response_direction_config: { common_config: { content_type_matcher: [{}] } } },
    bad('content_type_matcher'),
  ),
  compressor(
    'a matcher of a bad regex',
    { response_direction_config: { common_config: { content_type_matcher: [{ safe_regex: { regex: '(' } }] } } },
    bad('content_type_matcher', 'regex'),
  ),
  compressor('an unknown field', { content_lengths: 5 }, bad('content_lengths')),
  compressing('memory of 10', GZIP, { memory_level: 10 }, bad('memory_level')),
  compressing('memory of 0', GZIP, { memory_level: 0 }, bad('memory_level')),
  compressing('a window of 16', GZIP, { window_bits: 16 }, bad('window_bits')),
  compressing('a window of 8', GZIP, { window_bits: 8 }, bad('window_bits')),
  compressing('a chunk of 100', GZIP, { chunk_size: 100 }, bad('chunk_size')),
  compressing('a chunk of 70000', GZIP, { chunk_size: 70_000 }, bad('chunk_size')),
  compressing('a level of 10', GZIP, { compression_level: 'COMPRESSION_LEVEL_10' }, bad('compression_level')),
  compressing('a level by number', GZIP, { compression_level: 11 }, bad('compression_level')),
  compressing('all at the bounds', GZIP, { memory_level: 9, window_bits: 15, chunk_size: 65_536 }, GOOD),
  compressing('quality of 12', BROTLI, { quality: 12 }, bad('quality')),
  compressing('a window of 25', BROTLI, { window_bits: 25 }, bad('window_bits')),
  compressing('a window of 9', BROTLI, { window_bits: 9 }, bad('window_bits')),
  compressing('blocks of 15 bits', BROTLI, { input_block_bits: 15 }, bad('input_block_bits')),
  compressing('a chunk of 1', BROTLI, { chunk_size: 1 }, bad('chunk_size')),
  compressing('a mode that is none', BROTLI, { encoder_mode: 'SOUND' }, bad('encoder_mode')),
  compressing('all at the bounds', BROTLI, { quality: 11, window_bits: 24, input_block_bits: 16 }, GOOD),
  compressing('a strategy that is none', ZSTD, { strategy: 'SLOW' }, bad('strategy')),
  compressing('a strategy by number', ZSTD, { strategy: 99 }, bad('strategy')),
  compressing('a chunk of 1', ZSTD, { chunk_size: 1 }, bad('chunk_size')),
  compressing('a dictionary that is not there', ZSTD, { dictionary: { filename: '{{dir}}/none' } }, bad('dictionary')),
  compressing('a dictionary of nothing', ZSTD, { dictionary: {} }, bad('dictionary')),
  compressing('a dictionary of no bytes', ZSTD, { dictionary: { inline_string: '' } }, bad('dictionary')),
  compressing('a dictionary that is none', ZSTD, { dictionary: { inline_string: 'words' } }, bad('dictionary')),
  compressing('a level beyond all', ZSTD, { compression_level: 1000 }, GOOD),
  perRoute('nothing', {}, bad('override')),
  perRoute('disabled: false', { disabled: false }, bad('disabled')),
  perRoute('disabled', { disabled: true }, GOOD),
  perRoute('overrides of nothing', { overrides: {} }, GOOD),
  perRoute(
    'a library that is none',
    { overrides: { compressor_library: { name: 'x' } } },
    bad('overrides', 'compressor_library'),
  ),
  routed(
    COMPRESSOR,
    COMPRESSOR,
    'the type of the chain',
    { compressor_library: library(GZIP) },
    {
      compressor_library: library(GZIP),
    },
    bad('Compressor'),
  ),
];

// ── decompressor ──
const DECOMPRESSOR = 'decompressor.v3.Decompressor';
const decompressing = (name: string, type: string, fields: Fields, row: Row): ConfigCase =>
  whole(DECOMPRESSOR, `${type.split('.')[0]}, ${name}`, { decompressor_library: library(type, fields) }, row);
const GUNZIP = 'gzip.decompressor.v3.Gzip';
const UNBROTLI = 'brotli.decompressor.v3.Brotli';
const UNZSTD = 'zstd.decompressor.v3.Zstd';

const decompressors: readonly ConfigCase[] = [
  whole(DECOMPRESSOR, 'no library', {}, bad('decompressor_library')),
  whole(DECOMPRESSOR, 'no configuration', { decompressor_library: { name: 'x' } }, bad('decompressor_library')),
  decompressing('of the other direction', GZIP, {}, bad('gzip.compressor.v3.Gzip')),
  whole(
    DECOMPRESSOR,
    'enabled without a key',
    {
      decompressor_library: library(GUNZIP),
      request_direction_config: { common_config: { enabled: { default_value: true } } },
    },
    GOOD,
  ),
  decompressing('a window of 8', GUNZIP, { window_bits: 8 }, bad('window_bits')),
  decompressing('a window of 16', GUNZIP, { window_bits: 16 }, bad('window_bits')),
  decompressing('a chunk of 4095', GUNZIP, { chunk_size: 4095 }, bad('chunk_size')),
  decompressing('a ratio of 0', GUNZIP, { max_inflate_ratio: 0 }, bad('max_inflate_ratio')),
  decompressing('a ratio of 1033', GUNZIP, { max_inflate_ratio: 1033 }, bad('max_inflate_ratio')),
  decompressing('all at the bounds', GUNZIP, { window_bits: 9, chunk_size: 4096, max_inflate_ratio: 1032 }, GOOD),
  decompressing('a chunk of 65537', UNBROTLI, { chunk_size: 65_537 }, bad('chunk_size')),
  decompressing('a chunk of 1', UNZSTD, { chunk_size: 1 }, bad('chunk_size')),
  decompressing(
    'a file that is not there',
    UNZSTD,
    { dictionaries: [{ filename: '{{dir}}/none' }] },
    bad('dictionaries[0]'),
  ),
  decompressing('a dictionary of nothing', UNZSTD, { dictionaries: [{}] }, bad('dictionaries[0]')),
  decompressing('no dictionary', UNZSTD, { dictionaries: [{ inline_string: 'words' }] }, bad('dictionaries[0]')),
];

// ── buffer, csrf ──
const BUFFER = 'buffer.v3.Buffer';
const buffered = (name: string, fields: Fields, row: Row): ConfigCase =>
  routed(BUFFER, 'buffer.v3.BufferPerRoute', name, { max_request_bytes: 1 }, fields, row);
const CSRF = 'csrf.v3.CsrfPolicy';
const ON: Fields = { default_value: { numerator: 100 } };

const small: readonly ConfigCase[] = [
  whole(BUFFER, 'no limit', {}, bad('max_request_bytes')),
  whole(BUFFER, 'a limit of 0', { max_request_bytes: 0 }, bad('max_request_bytes')),
  whole(BUFFER, 'a limit below 0', { max_request_bytes: -1 }, bad('max_request_bytes')),
  whole(BUFFER, 'a limit beyond 32 bits', { max_request_bytes: 4_294_967_296 }, bad('max_request_bytes')),
  whole(BUFFER, 'the largest limit', { max_request_bytes: 4_294_967_295 }, GOOD),
  buffered('nothing', {}, bad('override')),
  buffered('disabled: false', { disabled: false }, bad('disabled')),
  buffered('no limit', { buffer: {} }, bad('buffer.max_request_bytes')),
  buffered('a limit of 0', { buffer: { max_request_bytes: 0 } }, bad('buffer.max_request_bytes')),
  whole(CSRF, 'nothing said', {}, bad('filter_enabled')),
  whole(CSRF, 'enabled by nothing', { filter_enabled: {} }, bad('default_value')),
  whole(
    CSRF,
    'a denominator that is none',
    { filter_enabled: { default_value: { numerator: 1, denominator: 'DOZEN' } } },
    bad('denominator'),
  ),
  whole(CSRF, 'shadow by nothing', { filter_enabled: ON, shadow_enabled: {} }, bad('shadow_enabled.default_value')),
  whole(CSRF, 'an origin of nothing', { filter_enabled: ON, additional_origins: [{}] }, bad('additional_origins[0]')),
  whole(
    CSRF,
    'an origin of a bad regex',
    { filter_enabled: ON, additional_origins: [{ exact: 'a' }, { safe_regex: { regex: '[' } }] },
    bad('additional_origins[1]', 'regex'),
  ),
  whole(CSRF, 'an empty prefix', { filter_enabled: ON, additional_origins: [{ prefix: '' }] }, bad('prefix')),
  whole(CSRF, 'more than all', { filter_enabled: { default_value: { numerator: 101 } } }, GOOD),
  routed(CSRF, CSRF, 'nothing said', { filter_enabled: ON }, {}, bad('filter_enabled')),
  routed(
    CSRF,
    CSRF,
    'an origin of nothing',
    { filter_enabled: ON },
    {
      filter_enabled: ON,
      additional_origins: [{}],
    },
    bad('additional_origins[0]'),
  ),
];

// ── header_to_metadata, set_metadata ──
const TO_METADATA = 'header_to_metadata.v3.Config';
const PRESENT: Fields = { on_header_present: { key: 'k' } };
const rule = (name: string, fields: Fields, row: Row): ConfigCase =>
  whole(TO_METADATA, name, { request_rules: [fields] }, row);
const SET = 'set_metadata.v3.Config';

const metadata: readonly ConfigCase[] = [
  whole(TO_METADATA, 'nothing', {}, GOOD),
  rule('no source', PRESENT, bad('request_rules[0]', 'Cookie or Header')),
  rule('two sources', { header: 'x', cookie: 'y', ...PRESENT }, bad('request_rules[0]', 'both header and cookie')),
  rule('no target', { header: 'x' }, bad('request_rules[0]', 'header: x')),
  rule('no target of a cookie', { cookie: 'c' }, bad('request_rules[0]', 'cookie: c')),
  rule('no key', { header: 'x', on_header_present: {} }, bad('request_rules[0].on_header_present.key')),
  rule('no value for what is missing', { header: 'x', on_header_missing: { key: 'k' } }, bad('on_header_missing')),
  rule('a cookie is removed', { cookie: 'c', remove: true, ...PRESENT }, bad('remove')),
  rule('a header is kept', { header: 'x', remove: false, ...PRESENT }, GOOD),
  rule('a header that is none', { header: 'a b', ...PRESENT }, GOOD),
  rule('a header with a line break', { header: 'a\nb', ...PRESENT }, bad('request_rules[0].header')),
  rule('a cookie with a line break', { cookie: 'a\nb', ...PRESENT }, bad('request_rules[0].cookie')),
  rule('a type that is none', { header: 'x', on_header_present: { key: 'k', type: 'BOOL' } }, bad('type')),
  rule('an encoding that is none', { header: 'x', on_header_present: { key: 'k', encode: 'HEX' } }, bad('encode')),
  rule('an encoding by number', { header: 'x', on_header_present: { key: 'k', encode: 7 } }, GOOD),
  rule(
    'a value and a rewrite',
    {
      header: 'x',
      on_header_present: { key: 'k', value: 'v', regex_value_rewrite: { pattern: { regex: 'a' }, substitution: 'b' } },
    },
    bad('on_header_present', 'regex_value_rewrite'),
  ),
  rule(
    'a bad regex',
    { header: 'x', on_header_present: { key: 'k', regex_value_rewrite: { pattern: { regex: '(' } } } },
    bad('regex_value_rewrite', 'regex'),
  ),
  rule(
    'a rewrite without a pattern',
    { header: 'x', on_header_present: { key: 'k', regex_value_rewrite: { substitution: 'b' } } },
    bad('regex_value_rewrite.pattern'),
  ),
  rule(
    'a group that there is not',
    {
      header: 'x',
      on_header_present: { key: 'k', regex_value_rewrite: { pattern: { regex: 'a' }, substitution: '\\3' } },
    },
    { ...bad('regex_value_rewrite.substitution'), stricter: 'it would rewrite nothing' },
  ),
  whole(
    TO_METADATA,
    'a response rule without a key',
    {
      response_rules: [
        { header: 'x', ...PRESENT },
        { header: 'y', on_header_missing: { value: 'v' } },
      ],
    },
    bad('response_rules[1].on_header_missing.key'),
  ),
  routed(TO_METADATA, TO_METADATA, 'no rules', {}, {}, bad('either request or response rules')),
  routed(TO_METADATA, TO_METADATA, 'no source', {}, { request_rules: [PRESENT] }, bad('request_rules[0]')),
  whole(SET, 'nothing', {}, GOOD),
  whole(SET, 'no namespace', { metadata: [{ value: { a: 1 } }] }, bad('metadata[0].metadata_namespace')),
  whole(SET, 'no value', { metadata: [{ metadata_namespace: 'n' }] }, GOOD),
  whole(
    SET,
    'two values',
    {
      metadata: [
        { metadata_namespace: 'n', value: {}, typed_value: any('google.protobuf.StringValue', { value: 'x' }) },
      ],
    },
    { ...bad('metadata[0]'), stricter: 'one of them would not be used' },
  ),
  whole(SET, 'a value that is no struct', { metadata: [{ metadata_namespace: 'n', value: 'x' }] }, bad('value')),
  whole(SET, 'an older value without a namespace', { value: { a: 1 } }, GOOD),
  whole(SET, 'an unknown field', { metadata: [{ metadata_namespace: 'n', overwrite: true }] }, bad('overwrite')),
];

// ── health_check ──
const HEALTH = 'health_check.v3.HealthCheck';
const checks: readonly ConfigCase[] = [
  whole(HEALTH, 'no mode', {}, bad('pass_through_mode')),
  whole(HEALTH, 'a cache that nothing fills', { pass_through_mode: false, cache_time: '1s' }, bad('cache_time')),
  whole(HEALTH, 'a cache of no time', { pass_through_mode: false, cache_time: '0s' }, GOOD),
  whole(HEALTH, 'a cache of less than a millisecond', { pass_through_mode: false, cache_time: '0.0001s' }, GOOD),
  whole(HEALTH, 'a cache of negative time', { pass_through_mode: true, cache_time: '-1s' }, bad('cache_time')),
  whole(HEALTH, 'a time that is none', { pass_through_mode: true, cache_time: 'soon' }, bad('cache_time')),
  whole(
    HEALTH,
    'more than 100 %',
    { pass_through_mode: false, cluster_min_healthy_percentages: { a: { value: 101 } } },
    bad('cluster_min_healthy_percentages'),
  ),
  whole(
    HEALTH,
    'less than 0 %',
    { pass_through_mode: false, cluster_min_healthy_percentages: { a: { value: -1 } } },
    bad('cluster_min_healthy_percentages'),
  ),
  whole(
    HEALTH,
    'a percentage that is no number',
    { pass_through_mode: false, cluster_min_healthy_percentages: { a: { value: 'NaN' } } },
    bad('cluster_min_healthy_percentages'),
  ),
  whole(
    HEALTH,
    'percentages beside passing through',
    { pass_through_mode: true, cluster_min_healthy_percentages: { a: { value: 50 } } },
    GOOD,
  ),
  whole(
    HEALTH,
    'a cluster that there is not',
    { pass_through_mode: false, cluster_min_healthy_percentages: { none: { value: 50 } } },
    GOOD,
  ),
  whole(HEALTH, 'a header without a name', { pass_through_mode: false, headers: [{}] }, bad('headers[0].name')),
  whole(
    HEALTH,
    'a header of a bad regex',
    { pass_through_mode: false, headers: [{ name: ':path', safe_regex_match: { regex: '*' } }] },
    bad('headers[0]', 'regex'),
  ),
  whole(
    HEALTH,
    'a header of a bad range',
    { pass_through_mode: false, headers: [{ name: 'x', range_match: { start: 5, end: 5 } }] },
    GOOD,
  ),
];

// ── routes that configure a filter with a message that is not the route's ──
/** Filters without a configuration per route, and what stands in it. */
const CHAIN_ONLY: readonly (readonly [string, Fields])[] = [
  ['health_check.v3.HealthCheck', { pass_through_mode: false }],
  [DECOMPRESSOR, { decompressor_library: library(GUNZIP) }],
  ['grpc_stats.v3.FilterConfig', {}],
  ['grpc_web.v3.GrpcWeb', {}],
  ['grpc_http1_bridge.v3.Config', {}],
  ['router.v3.Router', {}],
];
/** Filters with another message per route. */
const OTHER_PER_ROUTE: readonly (readonly [string, Fields])[] = [
  [COMPRESSOR, { compressor_library: library(GZIP) }],
  [BUFFER, { max_request_bytes: 5 }],
  ['rbac.v3.RBAC', { rules_stat_prefix: 'x' }],
  ['header_mutation.v3.HeaderMutation', { mutations: { request_mutations: [{ remove: 'x' }] } }],
];
const routeAlone = (name: string, filterName: string, config: Fields, row: Row): ConfigCase => ({
  name: `on a route: ${name}`,
  config: listener([], [route('/', 'a', {}, { typed_per_filter_config: { [filterName]: config } })]),
  ...row,
});
const optional = (config: Fields): Fields => any('envoy.config.route.v3.FilterConfig', { is_optional: true, config });
const onRoutes: readonly ConfigCase[] = [
  routeAlone('an empty message of the chain', 'own', any(`${PACKAGE}.cors.v3.Cors`), GOOD),
  ...CHAIN_ONLY.flatMap(([type, fields]) => {
    const config = any(`${PACKAGE}.${type}`, fields);
    return [
      routeAlone(`${type}, which has none`, 'own', config, bad('typed_per_filter_config', 'per-route', type)),
      routeAlone(`${type}, which has none, if it can`, 'own', optional(config), GOOD),
    ];
  }),
  ...OTHER_PER_ROUTE.flatMap(([type, fields]) => {
    const config = any(`${PACKAGE}.${type}`, fields);
    return [
      routeAlone(`${type}, of the chain`, 'own', config, bad('typed_per_filter_config', type)),
      routeAlone(`${type}, of the chain, if it can`, 'own', optional(config), bad('typed_per_filter_config', type)),
    ];
  }),
];

export const httpFilterConfigCases: readonly ConfigCase[] = [
  ...compressors,
  ...decompressors,
  ...small,
  ...metadata,
  ...checks,
  ...onRoutes,
];
