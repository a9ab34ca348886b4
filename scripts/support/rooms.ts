// Who may import whom: the rooms of `src/`, and the exceptions that belong to single files.

export type Room = {
  readonly path: string;
  /** Rooms (a folder, with all below it) or single files whose values may be imported; the own room always is. */
  readonly may: readonly string[];
  /** Rooms of which only types may be imported. */
  readonly types?: readonly string[];
};

const FLOOR = ['src/base/', 'src/telemetry/'];
const HEADERS = ['src/wire/headers.ts', 'src/wire/inline-headers.ts', 'src/wire/header-names.ts'];
/** What every decoder of the proxy may use; matchers are shared by routes, filters and access logs. */
const DECODE = [
  'src/proto/',
  'src/proxy/config-decoder.ts',
  'src/proxy/config/matcher.ts',
  'src/proxy/formatter/',
  'src/proxy/stream-info.ts',
  'src/proxy/runtime-flag.ts',
];
const FILTER = [
  ...DECODE,
  'src/proxy/cel/',
  'src/proxy/dns-cache/',
  'src/proxy/filter-state/',
  'src/proxy/istio/',
  'src/proxy/rate-limit/',
  'src/wire/grpc/',
  'src/proxy/compression/',
  ...HEADERS,
  ...FLOOR,
];
const PROXY_TYPES = ['src/proxy/', 'src/wire/', 'src/net/'];

/** The first room whose path begins a file's path is that file's room. */
export const ROOMS: readonly Room[] = [
  { path: 'src/main.ts', may: ['src/cli/', ...FLOOR] },
  {
    path: 'src/cli/',
    may: [
      'src/proxy/',
      'src/control/',
      'src/up/',
      'src/proto/',
      'src/ca/',
      'src/policy/',
      'src/intercept/',
      'src/agent/',
      'src/identity/',
      'src/net/',
      ...FLOOR,
    ],
  },

  {
    path: 'src/up/',
    may: ['src/control/source/', 'src/ca/signing/', 'src/intercept/plan/', 'src/net/', ...FLOOR],
  },
  { path: 'src/base/', may: [] },
  { path: 'src/telemetry/exporters/', may: [...FLOOR, 'src/proto/'] },
  { path: 'src/telemetry/', may: ['src/base/'] },
  { path: 'src/wire/', may: ['src/base/'] },
  { path: 'src/net/resolver/', may: ['src/net/', 'src/wire/dns/', ...FLOOR] },
  { path: 'src/net/tls/', may: ['src/net/', 'src/wire/der.ts', ...FLOOR] },
  { path: 'src/net/', may: FLOOR },
  { path: 'src/proto/', may: FLOOR },
  { path: 'src/grpc/', may: ['src/proto/', 'src/wire/', 'src/net/', ...FLOOR] },
  { path: 'src/xds/server/', may: ['src/xds/', 'src/grpc/', 'src/proto/', 'src/wire/', ...FLOOR] },
  { path: 'src/xds/', may: ['src/proto/', 'src/wire/', 'src/net/', ...FLOOR] },
  { path: 'src/kube/', may: ['src/wire/', 'src/net/', ...FLOOR] },
  {
    path: 'src/ca/certificate-service.ts',
    may: ['src/ca/', 'src/grpc/', 'src/proto/', 'src/wire/', 'src/net/', ...FLOOR],
  },
  { path: 'src/ca/', may: ['src/wire/', 'src/net/', ...FLOOR], types: ['src/grpc/'] },
  {
    path: 'src/identity/',
    may: ['src/proto/', 'src/wire/', 'src/net/tls/', ...FLOOR],
    types: ['src/net/file-watch.ts'],
  },
  {
    path: 'src/agent/',
    may: [
      'src/identity/',
      'src/grpc/',
      'src/xds/',
      // The same server answers beside an Envoy.
      'src/proxy/dns/',
      'src/proto/',
      'src/wire/',
      'src/net/',
      ...FLOOR,
    ],
  },
  { path: 'src/policy/', may: ['src/proto/', 'src/wire/', 'src/net/', ...FLOOR] },
  { path: 'src/intercept/plan/', may: ['src/base/'] },
  { path: 'src/intercept/', may: ['src/net/', ...FLOOR] },

  // The composition roots of the proxy, and the one room that joins configuration with all others.
  { path: 'src/proxy/proxy.ts', may: ['src/proxy/', 'src/proto/', 'src/xds/', 'src/net/', 'src/wire/', ...FLOOR] },
  {
    path: 'src/proxy/core.ts',
    may: ['src/proxy/', 'src/identity/', 'src/proto/', 'src/xds/', 'src/net/', 'src/wire/', ...FLOOR],
  },
  { path: 'src/proxy/workers/', may: ['src/proxy/', 'src/proto/', 'src/xds/', 'src/net/', 'src/wire/', ...FLOOR] },
  { path: 'src/proxy/supervisor.ts', may: ['src/proxy/', 'src/proto/', 'src/xds/', 'src/net/', ...FLOOR] },
  { path: 'src/proxy/worker.ts', may: ['src/proxy/', 'src/proto/', 'src/xds/', 'src/net/', ...FLOOR] },
  { path: 'src/proxy/config/', may: ['src/proxy/', 'src/proto/', 'src/xds/', 'src/wire/', 'src/net/', ...FLOOR] },
  { path: 'src/proxy/dns/', may: ['src/proto/', 'src/net/', 'src/wire/dns/', ...FLOOR] },
  { path: 'src/proxy/config-decoder.ts', may: ['src/proto/', ...FLOOR], types: PROXY_TYPES },

  // Scripts in the proxy: what the filter and the cluster specifier share.
  { path: 'src/proxy/lua/', may: ['src/lua/', ...FILTER], types: PROXY_TYPES },
  // A language, which knows nothing of the proxy.
  { path: 'src/lua/', may: [] },

  // A filter knows its room's interface and nothing of the engine; only the router and tcp-proxy pick endpoints.
  {
    path: 'src/proxy/http/filters/router',
    may: ['src/proxy/http/', 'src/proxy/route/', 'src/proxy/cluster/', 'src/proxy/access-log/', 'src/wire/', ...FILTER],
    types: PROXY_TYPES,
  },
  {
    path: 'src/proxy/http/filters/custom-response',
    may: [
      'src/proxy/http/filter.ts',
      'src/proxy/matcher/',
      'src/proxy/route/header-additions.ts',
      'src/proxy/route/header-mutation.ts',
      'src/proxy/route/redirect.ts',
      'src/wire/absolute-url.ts',
      ...FILTER,
    ],
    types: PROXY_TYPES,
  },
  {
    path: 'src/proxy/http/filters/composite',
    may: ['src/proxy/http/filter.ts', 'src/proxy/matcher/', 'src/proxy/config/filter-discovery.ts', ...FILTER],
    types: PROXY_TYPES,
  },
  {
    path: 'src/proxy/http/filters/lua/',
    may: [
      'src/proxy/http/filter.ts',
      'src/proxy/http/filters/header-mutation/inline-headers.ts',
      'src/proxy/cluster/upstream-client/',
      'src/proxy/lua/',
      'src/lua/',
      ...FILTER,
    ],
    types: PROXY_TYPES,
  },
  {
    path: 'src/proxy/http/filters/',
    may: ['src/proxy/http/filter.ts', 'src/proxy/rbac/', ...FILTER],
    types: ['src/proxy/http/', 'src/proxy/cluster/cluster.ts', 'src/proxy/cluster/upstream-client.ts'],
  },
  {
    path: 'src/proxy/network/filters/tcp-proxy',
    may: [
      'src/proxy/network/',
      'src/proxy/cluster/',
      'src/proxy/access-log/',
      'src/proxy/http/filter.ts',
      'src/proxy/route/header-additions.ts',
      'src/proxy/route/xxhash64.ts',
      'src/wire/',
      ...FILTER,
    ],
    types: PROXY_TYPES,
  },
  {
    path: 'src/proxy/network/filters/',
    may: [
      'src/proxy/network/filter.ts',
      'src/proxy/rbac/',
      'src/proxy/rate-limit/',
      'src/proxy/filter-state/',
      ...FILTER,
    ],
    types: PROXY_TYPES,
  },
  {
    path: 'src/proxy/listener/filters/original-dst',
    may: ['src/proxy/listener/filter.ts', 'src/net/original-destination.ts', 'src/net/address.ts', ...FILTER],
  },
  {
    path: 'src/proxy/listener/filters/',
    may: ['src/proxy/listener/filter.ts', 'src/wire/', ...FILTER],
  },

  // Shared by filters, routes and access logs: values in, values out.
  { path: 'src/proxy/stream-info.ts', may: [...HEADERS, ...FLOOR] },
  { path: 'src/proxy/filter-state/', may: [...DECODE, ...FLOOR] },
  { path: 'src/proxy/cel/', may: [...DECODE, ...HEADERS, ...FLOOR], types: ['src/proxy/istio/'] },
  {
    path: 'src/proxy/istio/',
    may: ['src/proxy/cel/', ...DECODE, 'src/wire/grpc/', ...HEADERS, ...FLOOR],
    types: PROXY_TYPES,
  },
  { path: 'src/proxy/compression/', may: FLOOR },
  { path: 'src/proxy/rate-limit/', may: ['src/proxy/config-decoder.ts', ...FLOOR] },
  { path: 'src/proxy/formatter/', may: FILTER, types: ['src/net/file-watch.ts'] },
  {
    path: 'src/proxy/access-log/',
    may: [
      'src/proxy/config/grpc-service.ts',
      'src/proxy/config/http-service.ts',
      'src/proxy/cluster/upstream-client/',
      ...FILTER,
    ],
    types: PROXY_TYPES,
  },
  { path: 'src/proxy/matcher/', may: ['src/proxy/route/xxhash64.ts', ...FILTER], types: PROXY_TYPES },
  {
    path: 'src/proxy/rbac/',
    may: ['src/proxy/matcher/', 'src/proxy/tls/decode-validation.ts', ...FILTER],
    types: PROXY_TYPES,
  },

  {
    path: 'src/proxy/http/connection-manager',
    may: [
      'src/proxy/http/',
      'src/proxy/codec/',
      'src/proxy/route/',
      'src/proxy/network/filter.ts',
      'src/wire/',
      ...FILTER,
    ],
    types: PROXY_TYPES,
  },
  // What codecs of both sides have in common.
  { path: 'src/proxy/codec/', may: ['src/wire/', ...FLOOR], types: PROXY_TYPES },
  {
    path: 'src/proxy/http/',
    may: [
      'src/proxy/codec/',
      'src/proxy/network/filter.ts',
      'src/proxy/xds/followed-extension.ts',
      'src/proxy/stream-info.ts',
      'src/proxy/formatter/',
      'src/wire/',
      ...FLOOR,
    ],
    types: PROXY_TYPES,
  },
  {
    path: 'src/proxy/route/',
    may: ['src/base/', 'src/proxy/formatter/', 'src/proxy/stream-info.ts', ...HEADERS],
    types: [...PROXY_TYPES, 'src/telemetry/'],
  },
  {
    path: 'src/proxy/network/',
    may: ['src/proxy/xds/followed-extension.ts', 'src/proxy/stream-info.ts', ...FLOOR],
    types: PROXY_TYPES,
  },
  {
    path: 'src/proxy/listener/',
    may: [
      'src/proxy/network/',
      'src/proxy/transport/passed-on.ts',
      'src/proxy/udp/',
      'src/proxy/matcher/',
      'src/proxy/xds/followed-extension.ts',
      'src/proxy/stream-info.ts',
      'src/proxy/formatter/tcp-log-context.ts',
      'src/proxy/config-decoder.ts',
      'src/net/',
      ...FLOOR,
    ],
    types: PROXY_TYPES,
  },
  {
    path: 'src/proxy/udp/',
    may: [
      'src/proxy/cluster/',
      'src/proxy/access-log/',
      'src/proxy/matcher/',
      'src/proxy/listener/stats.ts',
      'src/proxy/route/xxhash64.ts',
      'src/net/',
      ...DECODE,
      ...FLOOR,
    ],
    types: PROXY_TYPES,
  },
  {
    path: 'src/proxy/cluster/orca/',
    may: ['src/proxy/cluster/', 'src/proto/', 'src/wire/', ...FLOOR],
    types: PROXY_TYPES,
  },
  {
    path: 'src/proxy/cluster/upstream-client/',
    may: ['src/proxy/cluster/', 'src/proxy/http/filter.ts', 'src/proto/', 'src/wire/', ...FLOOR],
    types: PROXY_TYPES,
  },
  {
    path: 'src/proxy/dns-cache/',
    may: [
      'src/proxy/config/address.ts',
      'src/proxy/cluster/circuit-breaker.ts',
      'src/net/resolver/resolver.ts',
      ...DECODE,
      ...FLOOR,
    ],
    types: PROXY_TYPES,
  },
  {
    path: 'src/proxy/cluster/',
    may: [
      'src/proxy/http/filter.ts',
      'src/proxy/codec/',
      'src/proxy/dns-cache/host-key.ts',
      'src/wire/',
      'src/net/',
      ...FLOOR,
    ],
    types: PROXY_TYPES,
  },
  {
    path: 'src/proxy/tls/',
    may: [
      'src/net/',
      'src/wire/',
      'src/proxy/route/xxhash64.ts',
      'src/proxy/xds/sources/discovery-file.ts',
      'src/proxy/xds/sources/watched-file.ts',
      ...DECODE,
      ...FLOOR,
    ],
    types: PROXY_TYPES,
  },
  { path: 'src/proxy/transport/passed-on.ts', may: ['src/net/memory-pair.ts', ...FLOOR], types: PROXY_TYPES },
  { path: 'src/proxy/transport/', may: ['src/wire/', ...DECODE, ...FLOOR], types: PROXY_TYPES },
  { path: 'src/proxy/admin/', may: ['src/proxy/', 'src/proto/', 'src/net/', 'src/wire/', ...FLOOR] },
  {
    path: 'src/proxy/xds/',
    may: ['src/proxy/', 'src/identity/', 'src/proto/', 'src/xds/', 'src/net/', 'src/wire/', ...FLOOR],
  },
  { path: 'src/proxy/', may: ['src/proxy/', 'src/xds/', 'src/net/', 'src/wire/', ...FLOOR] },

  { path: 'src/control/model/', may: ['src/base/'] },
  {
    path: 'src/control/stages/',
    may: ['src/control/', 'src/ca/', 'src/proto/', 'src/xds/', 'src/net/', ...FLOOR],
  },
  { path: 'src/control/generate/', may: ['src/control/model/', 'src/proto/', 'src/xds/', ...FLOOR] },
  {
    path: 'src/control/translate/',
    may: ['src/control/model/', 'src/kube/', ...FLOOR],
    types: ['src/control/source/'],
  },
  {
    // Objects in, messages out: what it asks of them the translators answer for proxies, too.
    path: 'src/control/analyze/',
    may: [
      ...['src/control/model/', 'src/control/translate/', 'src/control/source/', 'src/control/credentials/'],
      ...FLOOR,
    ],
  },
  { path: 'src/control/status/', may: ['src/control/model/', 'src/control/translate/', 'src/kube/', ...FLOOR] },
  { path: 'src/control/schema/', may: ['src/control/source/', 'src/proto/', ...FLOOR] },
  {
    path: 'src/control/credentials/',
    may: ['src/control/source/', 'src/net/tls/', ...FLOOR],
    types: ['src/ca/', 'src/proto/'],
  },
  {
    path: 'src/control/telemetry/',
    may: ['src/control/source/', ...FLOOR],
    types: ['src/control/push/', 'src/control/updates.ts'],
  },
  { path: 'src/control/source/', may: ['src/control/source/', 'src/control/schema/', 'src/net/', ...FLOOR] },
  // The composition root and what it joins: doors, pages, pushes.
  {
    path: 'src/control/',
    may: [
      ...['src/control/', 'src/ca/', 'src/grpc/', 'src/proto/', 'src/xds/', 'src/kube/', 'src/wire/', 'src/net/'],
      ...FLOOR,
    ],
  },
  { path: 'src/simulate/', may: ['src/control/generate/', 'src/control/model/', 'src/proxy/', 'src/proto/', ...FLOOR] },
];

/** Only these may import the room, whatever the table above says of a wider folder; the first that fits decides. */
export const GUARDED_ROOMS: ReadonlyMap<string, readonly string[]> = new Map([
  // The companion of decoders; the rest of its room is for those who put a configuration together.
  ['src/proxy/config/matcher.ts', ['src/proxy/']],
  ['src/proxy/config/address.ts', ['src/proxy/']],
  ['src/proxy/config/grpc-service.ts', ['src/proxy/']],
  ['src/proxy/config/http-service.ts', ['src/proxy/']],
  ['src/proxy/config/filter-discovery.ts', ['src/proxy/config/', 'src/proxy/http/filters/composite/']],
  // A header is changed in one way, whoever changes it.
  [
    'src/proxy/http/filters/header-mutation/field-mutations.ts',
    ['src/proxy/http/filters/', 'src/proxy/http/admission.ts', 'src/proxy/config/'],
  ],
  // Rate limits stand on routes too.
  ['src/proxy/http/filters/local-rate-limit/rate-limit-actions.ts', ['src/proxy/http/filters/', 'src/proxy/config/']],
  ['src/proxy/http/filters/', ['src/proxy/http/filters/', 'src/proxy/extensions.ts']],
  ['src/proxy/network/filters/', ['src/proxy/network/filters/', 'src/proxy/extensions.ts']],
  ['src/proxy/listener/filters/', ['src/proxy/listener/filters/', 'src/proxy/extensions.ts']],
  [
    'src/proxy/config/',
    [
      'src/proxy/config/',
      'src/proxy/worker.ts',
      'src/proxy/supervisor.ts',
      'src/proxy/proxy.ts',
      'src/proxy/core.ts',
      'src/proxy/workers/',
      'src/simulate/',
    ],
  ],
  ['src/kube/', ['src/kube/', 'src/control/']],
]);

/** Rooms of values in and values out: no sockets, files, processes or clock, so they are fuzzed without a network. */
export const PURE_ROOMS = ['src/wire/', 'src/proxy/route/', 'src/control/model/', 'src/intercept/plan/'];

/** Rooms that may read clocks, timers, randomness and the environment, and print. */
export const IMPURE_PLACES = [
  'src/base/clock.ts',
  'src/net/',
  'src/cli/',
  // Programs and what they say on a terminal, no traffic.
  'src/up/',
  'src/main.ts',
  'scripts/',
  'test/',
  'bench/',
  'bin/',
  'examples/',
  'web/',
];

export const SOCKET_MODULES = ['net', 'tls', 'dns', 'dns/promises', 'dgram', 'http', 'https', 'http2'];

export function isBelow(path: string, places: readonly string[]): boolean {
  return places.some((place) => path.startsWith(place));
}
