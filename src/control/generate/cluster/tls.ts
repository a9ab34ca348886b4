// TLS towards endpoints: what a rule wants, or mutual TLS wherever both sides have a proxy.
import type { CommonTlsContext, TransportSocket, UpstreamTlsContext } from '../../../proto/generated/types.d.ts';
import type { Mesh } from '../../model/mesh.ts';
import type { Service } from '../../model/service.ts';
import type { TrafficPolicy } from '../../model/traffic-policy.ts';
import { modeOf } from '../effective-policy.ts';
import { typed } from '../listener/any.ts';
import { agentFile, controlSecret, MESH_ROOTS, OWN_IDENTITY } from '../listener/tls-context.ts';
import { type ClusterShape, type Draft, hasIstioFilters, httpOptions, isHttp2, rawBuffer } from './draft.ts';

export type TlsFacts = {
  readonly shape: ClusterShape;
  readonly mesh: Mesh;
  readonly service: Service;
  /** Identities that the service's certificates may show. */
  readonly accounts: readonly string[];
  /** Where the rule names no SNI; '' takes the cluster's name. */
  readonly sni: string;
  /** Whether mTLS is tried without a rule. */
  readonly isAutomatic: boolean;
  /** Whether the rule selects workloads: only then may a sidecar ask for a credential. */
  readonly selectsWorkloads: boolean;
};

const UPSTREAM_TLS = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
/** SIMPLE and MUTUAL speak TLS with somebody outside the mesh, who knows nothing of Istio's ALPN. */
const FOREIGN_MODES: ReadonlySet<string> = new Set(['SIMPLE', 'MUTUAL']);
const CONFIG_MAP = 'configmap://';

export function isForeignTls(tls: TrafficPolicy['tls']): boolean {
  return tls != null && FOREIGN_MODES.has(modeOf(tls));
}

export function applyTls(draft: Draft, tls: TrafficPolicy['tls'], facts: TlsFacts): void {
  if (tls == null) {
    if (facts.isAutomatic) applyAutomatic(draft, facts);
    return;
  }
  const context = contextOf(draft, tls, facts);
  if (context !== null) draft.cluster.transport_socket = tlsSocket(context);
}

/** Endpoints whose proxy takes mTLS are marked; the others are spoken to in plain text. */
function applyAutomatic(draft: Draft, facts: TlsFacts): void {
  const socket = tlsSocket(meshContext(draft, facts, facts.accounts, facts.sni));
  if (draft.cluster.type === 'ORIGINAL_DST') {
    draft.cluster.transport_socket = socket;
    return;
  }
  draft.cluster.transport_socket_matches = [
    { name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transport_socket: socket },
    { name: 'tlsMode-disabled', match: {}, transport_socket: plainSocket() },
  ];
}

function contextOf(draft: Draft, tls: NonNullable<TrafficPolicy['tls']>, facts: TlsFacts): UpstreamTlsContext | null {
  const names = (tls['subjectAltNames'] as readonly string[] | null | undefined) ?? null;
  const sni = text(tls['sni']);
  switch (modeOf(tls)) {
    case 'ISTIO_MUTUAL':
      return meshContext(draft, facts, names ?? facts.accounts, sni || facts.sni);
    case 'SIMPLE':
    case 'MUTUAL':
      return foreignContext(draft, tls, names ?? [], sni, facts);
    default:
      return null;
  }
}

function meshContext(draft: Draft, { shape }: TlsFacts, names: readonly string[], sni: string): UpstreamTlsContext {
  const protocols = hasIstioFilters(shape.kind) ? ['istio-peer-exchange', 'istio'] : ['istio'];
  if (isHttp2(draft)) protocols.push('h2');
  return {
    common_tls_context: {
      tls_params: VERSIONS,
      tls_certificate_sds_secret_configs: [OWN_IDENTITY],
      combined_validation_context: {
        default_validation_context: exactNames(names),
        validation_context_sds_secret_config: MESH_ROOTS,
      },
      alpn_protocols: protocols,
    },
    sni: sni || draft.cluster.name,
  };
}

function foreignContext(
  draft: Draft,
  tls: NonNullable<TrafficPolicy['tls']>,
  names: readonly string[],
  sni: string,
  facts: TlsFacts,
): UpstreamTlsContext | null {
  const credential = text(tls['credentialName']);
  const isSecret = credential !== '' && !credential.startsWith(CONFIG_MAP);
  if (isSecret && facts.shape.role === 'sidecar' && !facts.selectsWorkloads) return null;
  const isUnchecked = tls['insecureSkipVerify'] === true;
  applyAutomaticNames(draft, sni, names, isUnchecked);
  const known = names.length === 0 && facts.service.registry === 'External' ? facts.accounts : names;
  const isMutual = modeOf(tls) === 'MUTUAL';
  const common: CommonTlsContext = { tls_params: versionsOf(facts.mesh) };
  if (credential === '') {
    if (!addFiles(common, tls, known, isMutual, isUnchecked)) return null;
  } else addCredential(common, credential, known, isMutual, isUnchecked);
  if (isHttp2(draft)) common.alpn_protocols = ['h2'];
  return { common_tls_context: common, ...(sni === '' ? {} : { sni }) };
}

/** Without a name to ask for, the request's own is asked for, and looked for in the certificate. */
function applyAutomaticNames(draft: Draft, sni: string, names: readonly string[], isUnchecked: boolean): void {
  if (sni !== '') return;
  httpOptions(draft).upstream_http_protocol_options = {
    auto_sni: true,
    ...(names.length === 0 && !isUnchecked ? { auto_san_validation: true } : {}),
  };
}

/** False when the rule asks for a certificate and names no files. */
function addFiles(
  common: CommonTlsContext,
  tls: NonNullable<TrafficPolicy['tls']>,
  names: readonly string[],
  isMutual: boolean,
  isUnchecked: boolean,
): boolean {
  if (isMutual) {
    const [certificate, key] = [text(tls['clientCertificate']), text(tls['privateKey'])];
    if (certificate === '' || key === '') return false;
    common.tls_certificate_sds_secret_configs = [agentFile(`file-cert:${certificate}~${key}`)];
  }
  if (isUnchecked) {
    common.validation_context = {};
    return true;
  }
  const revoked = text(tls['caCrl']);
  common.combined_validation_context = {
    default_validation_context: { ...exactNames(names), ...(revoked === '' ? {} : { crl: { filename: revoked } }) },
    validation_context_sds_secret_config: agentFile(`file-root:${text(tls['caCertificates']) || 'system'}`),
  };
  return true;
}

function addCredential(
  common: CommonTlsContext,
  credential: string,
  names: readonly string[],
  isMutual: boolean,
  isUnchecked: boolean,
): void {
  const name = credential.includes('://') ? credential : `kubernetes://${credential}`;
  if (isMutual) common.tls_certificate_sds_secret_configs = [controlSecret(name)];
  if (isUnchecked) common.validation_context = {};
  else {
    const roots = name.startsWith(CONFIG_MAP) ? name : `${name}-cacert`;
    common.combined_validation_context = {
      default_validation_context: exactNames(names),
      validation_context_sds_secret_config: controlSecret(roots),
    };
  }
}

const VERSIONS = { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' } as const;

function versionsOf(mesh: Mesh): NonNullable<CommonTlsContext['tls_params']> {
  const defaults = mesh.raw['tlsDefaults'] as Readonly<Record<string, unknown>> | null | undefined;
  const curves = (defaults?.['ecdhCurves'] as string[] | undefined) ?? [];
  const suites = (defaults?.['cipherSuites'] as string[] | undefined) ?? [];
  return {
    ...VERSIONS,
    ...(curves.length === 0 ? {} : { ecdh_curves: curves }),
    ...(suites.length === 0 ? {} : { cipher_suites: suites }),
  };
}

function exactNames(names: readonly string[]): { match_subject_alt_names?: { exact: string }[] } {
  return names.length === 0 ? {} : { match_subject_alt_names: names.map((exact) => ({ exact })) };
}

function tlsSocket(context: UpstreamTlsContext): TransportSocket {
  return { name: 'envoy.transport_sockets.tls', typed_config: typed(UPSTREAM_TLS, context) };
}

export function plainSocket(): TransportSocket {
  return { name: 'envoy.transport_sockets.raw_buffer', typed_config: rawBuffer() };
}

const PROXY_PROTOCOL = 'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport';

/** A header in front of whatever the connection speaks. */
export function applyProxyProtocol({ cluster }: Draft, settings: TrafficPolicy['proxyProtocol']): void {
  if (settings == null) return;
  const version = settings['version'] === 'V2' ? 'V2' : 'V1';
  const wrap = (inner: TransportSocket): TransportSocket => ({
    name: 'envoy.transport_sockets.upstream_proxy_protocol',
    typed_config: typed(PROXY_PROTOCOL, { config: { version }, transport_socket: inner }),
  });
  const matches = cluster.transport_socket_matches;
  if (matches === undefined) {
    cluster.transport_socket = wrap(cluster.transport_socket ?? plainSocket());
    return;
  }
  for (const match of matches) match.transport_socket = wrap(match.transport_socket ?? plainSocket());
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
