// Writes the type declarations of the messages reachable from ROOTS (naming scheme in the header that it prints).
import { TYPE } from '../../src/proto/message-type.ts';
import type { EnumType, Field, MessageType } from '../../src/proto/message-type.ts';
import type { Registry } from '../../src/proto/registry.ts';

/** Messages whose shapes the program wants to see typed; what they refer to follows. */
const ROOTS: readonly string[] = [
  'envoy.config.bootstrap.v3.Bootstrap',
  'envoy.config.listener.v3.Listener',
  'envoy.config.route.v3.RouteConfiguration',
  'envoy.config.route.v3.ScopedRouteConfiguration',
  'envoy.config.cluster.v3.Cluster',
  'envoy.config.endpoint.v3.ClusterLoadAssignment',
  'envoy.config.core.v3.TypedExtensionConfig',
  'envoy.config.core.v3.SubstitutionFormatString',
  'envoy.config.grpc_credential.v3.FileBasedMetadataConfig',
  'envoy.config.accesslog.v3.AccessLog',
  'envoy.config.rbac.v3.RBAC',
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
  'envoy.extensions.filters.network.rbac.v3.RBAC',
  'envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit',
  'envoy.extensions.filters.http.router.v3.Router',
  'envoy.extensions.filters.http.cors.v3.Cors',
  'envoy.extensions.filters.http.cors.v3.CorsPolicy',
  'envoy.extensions.filters.http.fault.v3.HTTPFault',
  'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation',
  'envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute',
  'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
  'envoy.extensions.filters.http.rbac.v3.RBAC',
  'envoy.extensions.filters.http.rbac.v3.RBACPerRoute',
  'envoy.extensions.filters.listener.original_dst.v3.OriginalDst',
  'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
  'envoy.extensions.filters.listener.http_inspector.v3.HttpInspector',
  'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol',
  'envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig',
  'envoy.extensions.filters.udp.udp_proxy.v3.Route',
  'envoy.extensions.access_loggers.file.v3.FileAccessLog',
  'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
  'envoy.extensions.access_loggers.stream.v3.StderrAccessLog',
  'envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig',
  'envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig',
  'envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig',
  'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
  'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
  'envoy.extensions.transport_sockets.tls.v3.Secret',
  'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer',
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
  'envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig',
  'envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin',
  'envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest',
  'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
  'envoy.type.matcher.v3.StringMatcher',
  'envoy.type.matcher.v3.RegexMatchAndSubstitute',
  'envoy.type.matcher.v3.MetadataMatcher',
  'xds.type.matcher.v3.Matcher',
  'envoy.admin.v3.ServerInfo',
  'envoy.admin.v3.Clusters',
  'envoy.admin.v3.Listeners',
  ...['ConfigDump', 'BootstrapConfigDump', 'ListenersConfigDump', 'ClustersConfigDump', 'RoutesConfigDump'].map(admin),
  ...['ScopedRoutesConfigDump', 'EndpointsConfigDump', 'EcdsConfigDump', 'SecretsConfigDump', 'Certificates'].map(
    admin,
  ),
  'envoy.service.discovery.v3.DiscoveryRequest',
  'envoy.service.discovery.v3.DiscoveryResponse',
  'envoy.service.discovery.v3.DeltaDiscoveryRequest',
  'envoy.service.discovery.v3.DeltaDiscoveryResponse',
  'envoy.service.load_stats.v3.LoadStatsRequest',
  'envoy.service.load_stats.v3.LoadStatsResponse',
  'xds.data.orca.v3.OrcaLoadReport',
  'udpa.type.v1.TypedStruct',
  'xds.type.v3.TypedStruct',
  'google.protobuf.Any',
  'google.protobuf.Struct',
  'google.protobuf.Empty',
  'google.rpc.Status',
  'grpc.health.v1.HealthCheckRequest',
  'grpc.health.v1.HealthCheckResponse',
  'heddle.certificate_client.v1.CertificateClient',
  'istio.v1.auth.IstioCertificateRequest',
  'istio.v1.auth.IstioCertificateResponse',
];

function admin(name: string): string {
  return `envoy.admin.v3.${name}`;
}

/** Packages whose messages keep the short name when others have it too; the first of them that has it wins. */
const PREFERRED: readonly string[] = [
  ...['route', 'listener', 'cluster', 'endpoint', 'core', 'bootstrap', 'accesslog'].map(
    (name) => `envoy.config.${name}.v3`,
  ),
  ...['envoy.type.matcher.v3', 'envoy.type.v3', 'envoy.admin.v3', 'envoy.service.discovery.v3', 'xds.type.matcher.v3'],
];

/** Packages that share one space of short names. */
const NAME_SPACE = /^(?:envoy|xds|udpa|google|grpc|io\.prometheus)\./;

const HEADER = `// Shapes of the protobuf messages that the program uses. Written by scripts/generate.ts; do not edit.
//
// One type per message and enum. Its name is the message's name without the package, nested names joined by '_':
// envoy.config.cluster.v3.Cluster.LbSubsetConfig is Cluster_LbSubsetConfig. Where two packages (of the whole descriptor
// set, whether written here or not) share a name, each gets as many words of its package in front as tell them apart:
// envoy.extensions.filters.http.rbac.v3.RBAC is HttpRbac_RBAC; but the packages listed as PREFERRED in
// scripts/generate/types-file.ts keep the short one: envoy.config.route.v3.Route is Route. MessageTypes maps full names
// to these types.
// Fields keep their proto names and are absent when unset; enums are the names of their values, or a number when the
// number has no name; 64-bit integers are bigints when they are not safe as numbers.
`;

const WELL_KNOWN: { readonly [name: string]: string } = {
  'google.protobuf.Any': 'Any',
  'google.protobuf.Duration': 'Duration',
  'google.protobuf.Timestamp': 'Timestamp',
  'google.protobuf.Struct': 'JsonObject',
  'google.protobuf.Value': 'JsonValue',
  'google.protobuf.ListValue': 'JsonValue[]',
  'google.protobuf.FieldMask': 'string[]',
  'google.protobuf.Empty': 'Empty',
};

const COMMON = `
/** A google.protobuf.Duration; both parts have the same sign. */
export type Duration = { seconds: number | bigint; nanos: number };
/** A google.protobuf.Timestamp: since 1970, UTC. */
export type Timestamp = { seconds: number | bigint; nanos: number };
export type Empty = { [field: string]: never };
/** A google.protobuf.Value. */
export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
/** A google.protobuf.Struct; objects have no prototype. */
export type JsonObject = { [key: string]: JsonValue };
`;

/** Writes types.d.ts for the types of \registry. */
export function writeTypes(registry: Registry): string {
  const names = shortNames(registry);
  const seen = new Map<string, string>();
  const open = [...ROOTS];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (seen.has(name)) continue;
    const type = registry.message(name) as MessageType;
    seen.set(name, declareMessage(type, names));
    for (const field of type.fields) {
      const target = field.map === null ? field : field.map.value;
      if (target.type === TYPE.message) open.push(target.typeName);
      if (target.type === TYPE.enum) seen.set(target.typeName, declareEnum(target.enum, names));
    }
  }
  const sorted = [...seen.keys()].sort();
  const messages = sorted.filter((name) => (seen.get(name) as string) !== '' || name in WELL_KNOWN);
  const map = messages
    .filter((name) => registry.find(name) !== undefined)
    .map((name) => `  '${name}': ${typeOfMessage(registry.message(name) as MessageType, names)};\n`);
  return [
    `${HEADER}import type { Any } from '../any.ts';\n\nexport type { Any };\n${COMMON}`,
    ...sorted.map((name) => seen.get(name) as string).filter((text) => text !== ''),
    `/** Message types by full name. */\nexport interface MessageTypes {\n${map.join('')}}\n`,
  ].join('\n');
}

function declareMessage(type: MessageType, names: ReadonlyMap<string, string>): string {
  if (type.wellKnown !== 'none') return '';
  const fields = type.fields.map((field) => {
    const note = field.deprecated ? '  /** @deprecated */\n' : '';
    return `${note}  ${field.name}?: ${typeOfField(field, names)} | undefined;\n`;
  });
  const body = fields.length === 0 ? '{ [field: string]: never }' : `{\n${fields.join('')}}`;
  return `/** ${type.fullName} */\nexport type ${names.get(type.fullName)} = ${body};\n`;
}

function declareEnum(type: EnumType, names: ReadonlyMap<string, string>): string {
  const values = type.names.map((name) => `  | '${name}'\n`).join('');
  return `/** ${type.fullName} */\nexport type ${names.get(type.fullName)} =\n${values}  | number;\n`;
}

function typeOfField(field: Field, names: ReadonlyMap<string, string>): string {
  if (field.map !== null) return `{ [key: string]: ${typeOfSingle(field.map.value, names)} }`;
  const single = typeOfSingle(field, names);
  if (!field.repeated) return single;
  return single.includes(' ') ? `(${single})[]` : `${single}[]`;
}

function typeOfSingle(field: Field, names: ReadonlyMap<string, string>): string {
  switch (field.type) {
    case TYPE.message:
      return typeOfMessage(field.message, names);
    case TYPE.enum:
      return names.get(field.typeName) as string;
    case TYPE.string:
      return 'string';
    case TYPE.bool:
      return 'boolean';
    case TYPE.bytes:
      return 'Uint8Array';
    case TYPE.int64:
    case TYPE.uint64:
    case TYPE.sint64:
    case TYPE.fixed64:
    case TYPE.sfixed64:
      return 'number | bigint';
    default:
      return 'number';
  }
}

function typeOfMessage(type: MessageType, names: ReadonlyMap<string, string>): string {
  if (type.wellKnown === 'wrapper') return typeOfSingle(type.fields[0] as Field, names);
  return WELL_KNOWN[type.fullName] ?? (names.get(type.fullName) as string);
}

/** Short names of all messages and enums, by the scheme of HEADER. */
function shortNames(registry: Registry): Map<string, string> {
  const names = new Map<string, string>();
  const groups = new Map<string, { full: string; words: string[] }[]>();
  for (const full of registry.allNames()) {
    const parts = full.split('.');
    const start = parts.findIndex((part) => /^[A-Z]/.test(part));
    const short = parts.slice(start).join('_');
    const words = parts.slice(0, start).filter((part) => part !== 'v3');
    const space = NAME_SPACE.test(full) ? '' : `${parts[0]} `;
    const key = space + short;
    groups.set(key, [...(groups.get(key) ?? []), { full, words }]);
  }
  for (const [key, members] of groups) {
    const short = key.slice(key.indexOf(' ') + 1);
    const prefix = key.includes(' ') ? pascal(key.slice(0, key.indexOf(' '))) : '';
    const preferred = members.length === 1 ? members[0] : preferredOf(members);
    for (const { full, words } of members) {
      let take = full === preferred?.full ? 0 : 1;
      const others = members.filter((member) => member.full !== full);
      const tail = (list: string[], count: number): string => list.slice(-count).map(pascal).join('');
      while (take > 0 && take < words.length && others.some((other) => tail(other.words, take) === tail(words, take)))
        take++;
      const qualifier = take === 0 ? prefix : tail(words, take);
      names.set(full, qualifier === '' ? short : `${qualifier}_${short}`);
    }
  }
  const taken = new Map<string, string>();
  for (const [full, name] of names) {
    if (taken.has(name)) throw new Error(`${full} and ${taken.get(name)} would both be ${name}`);
    taken.set(name, full);
  }
  return names;
}

function preferredOf<T extends { full: string }>(members: readonly T[]): T | undefined {
  for (const name of PREFERRED) {
    const found = members.find(({ full }) => full.startsWith(`${name}.`));
    if (found !== undefined) return found;
  }
  return undefined;
}

function pascal(word: string): string {
  return word.replace(/(?:^|_)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
