// TLS of a gateway's server: certificates by name over SDS or from files, and who must show one.
import type { DownstreamTlsContext, SdsSecretConfig, TlsParameters } from '../../../../proto/generated/types.d.ts';
import type { ServerTls } from '../../../model/gateway.ts';
import type { TlsDefaults } from '../settings.ts';
import { agentFile, controlSecret, EXCHANGE_ALPN, HTTP_ALPN, MESH_ROOTS, OWN_IDENTITY } from '../tls-context.ts';

/** The proxy's own certificate of the mesh. */
const BUILT_IN = 'builtin://';

/** Null for modes that leave TLS to what is behind the gateway. */
export function serverTlsContext(
  tls: ServerTls,
  carries: 'http' | 'bytes',
  settings: { readonly hasIstioFilters: boolean; readonly tlsDefaults: TlsDefaults },
): DownstreamTlsContext | null {
  if (tls.mode === 'PASSTHROUGH' || tls.mode === 'AUTO_PASSTHROUGH') return null;
  const isMesh = tls.mode === 'ISTIO_MUTUAL';
  const isExchanged = isMesh && carries === 'bytes' && settings.hasIstioFilters;
  const isChecked = isMesh || tls.mode === 'MUTUAL' || tls.mode === 'OPTIONAL_MUTUAL';
  const context: NonNullable<DownstreamTlsContext['common_tls_context']> = {
    alpn_protocols: [...(isExchanged ? EXCHANGE_ALPN : HTTP_ALPN)],
    tls_certificate_sds_secret_configs: isMesh ? [OWN_IDENTITY] : certificates(tls),
  };
  if (isChecked) {
    context.combined_validation_context = {
      default_validation_context: validation(tls),
      validation_context_sds_secret_config: isMesh ? MESH_ROOTS : roots(tls),
    };
  }
  const params = isMesh ? null : parameters(tls, settings.tlsDefaults);
  if (params !== null) context.tls_params = params;
  return { common_tls_context: context, require_client_certificate: isChecked && tls.mode !== 'OPTIONAL_MUTUAL' };
}

function certificates(tls: ServerTls): SdsSecretConfig[] {
  if (tls.credentials.length > 0) return tls.credentials.map((n) => (n === BUILT_IN ? OWN_IDENTITY : controlSecret(n)));
  return [agentFile(`file-cert:${tls.serverCertificate}~${tls.privateKey}`)];
}

/** The authorities of callers stand beside the first certificate, unless they have a name or file of their own. */
function roots(tls: ServerTls): SdsSecretConfig {
  const [first] = tls.credentials;
  if (tls.caCredential !== '') return controlSecret(withScheme(tls.caCredential));
  if (first === BUILT_IN) return MESH_ROOTS;
  if (first !== undefined) return controlSecret(`${first}-cacert`);
  return agentFile(`file-root:${tls.caCertificates}`);
}

function withScheme(name: string): string {
  return name.includes('://') ? name : `kubernetes://${name}`;
}

type Validation = NonNullable<
  NonNullable<
    NonNullable<DownstreamTlsContext['common_tls_context']>['combined_validation_context']
  >['default_validation_context']
>;

function validation(tls: ServerTls): Validation {
  const context: Validation = {};
  const { subjectAltNames, verifyCertificateSpki, verifyCertificateHash } = tls;
  if (subjectAltNames.length > 0) context.match_subject_alt_names = subjectAltNames.map((exact) => ({ exact }));
  if (verifyCertificateSpki.length > 0) context.verify_certificate_spki = [...verifyCertificateSpki];
  if (verifyCertificateHash.length > 0) context.verify_certificate_hash = [...verifyCertificateHash];
  return context;
}

/** What the server says, over what the mesh says for all. Null: Envoy's own. */
function parameters(tls: ServerTls, defaults: TlsDefaults): TlsParameters | null {
  const params: TlsParameters = {};
  if (defaults.ecdhCurves.length > 0) params.ecdh_curves = [...defaults.ecdhCurves];
  const ciphers = tls.cipherSuites.length > 0 ? tls.cipherSuites : defaults.cipherSuites;
  if (ciphers.length > 0) params.cipher_suites = [...ciphers];
  const minimum = protocolOf(tls.minProtocolVersion) ?? protocolOf(defaults.minProtocolVersion);
  if (minimum !== null) params.tls_minimum_protocol_version = minimum;
  const maximum = protocolOf(tls.maxProtocolVersion);
  if (maximum !== null) params.tls_maximum_protocol_version = maximum;
  return Object.keys(params).length === 0 ? null : params;
}

type TlsVersion = 'TLSv1_0' | 'TLSv1_1' | 'TLSv1_2' | 'TLSv1_3';

function protocolOf(version: string): TlsVersion | null {
  return /^TLSV1_[0-3]$/.test(version) ? (`TLSv1_${version.slice(-1)}` as TlsVersion) : null;
}
