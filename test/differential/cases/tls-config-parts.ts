// Certificates and builders for configurations of TLS contexts.
import { makeCa, makeCertificate } from '../../support/certificates.ts';
import { makePkcs12 } from '../../support/pkcs12.ts';
import { any, bootstrap, cluster, type Fields, filter } from '../config.ts';

export const TLS = 'envoy.extensions.transport_sockets.tls.v3';
export const ca = makeCa();
export const good = makeCertificate({ issuer: ca, sans: [{ dns: 'a.example' }] });
export const other = makeCertificate({ issuer: ca });
export const p384 = makeCertificate({ issuer: ca, key: 'p384' });
export const p521 = makeCertificate({ issuer: ca, key: 'p521' });
export const ed25519 = makeCertificate({ issuer: ca, key: 'ed25519' });
export const rsa = makeCertificate({ issuer: ca, key: 'rsa2048' });
export const weak = makeCertificate({ issuer: ca, key: 'rsa1024' });
export const pkcs12 = {
  inline_bytes: makePkcs12({ password: 'hello', certificates: [good, ca], keyOf: good }).toString('base64'),
};
export const encrypted = good.key
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'secret' })
  .toString();

type Pem = { readonly pem: string; readonly keyPem: string };
export const inline = (text: string): Fields => ({ inline_string: text });
export const pair = (one: Pem): Fields => ({ certificate_chain: inline(one.pem), private_key: inline(one.keyPem) });
export const own: Fields = { tls_certificates: [pair(good)] };
export const trust: Fields = { trusted_ca: inline(ca.pem) };
export const bytes = (length: number): Fields => ({ inline_bytes: Buffer.alloc(length).toString('base64') });

type Parts = { readonly secrets?: readonly Fields[]; readonly around?: Fields };

function withSecrets(config: Fields, secrets: readonly Fields[] | undefined): Fields {
  const statics = config['static_resources'] as Fields;
  return secrets === undefined ? config : { ...config, static_resources: { ...statics, secrets } };
}

/** A listener with this context. */
export function down(context: Fields, { secrets }: Parts = {}): Fields {
  const listener = {
    name: 'main',
    address: { socket_address: { address: '127.0.0.1', port_value: '{{listen.main}}' } },
    filter_chains: [
      {
        filters: [filter('echo', 'envoy.extensions.filters.network.echo.v3.Echo')],
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: any(`${TLS}.DownstreamTlsContext`, context),
        },
      },
    ],
  };
  return withSecrets(bootstrap({ listeners: [listener], clusters: [] }), secrets);
}
export const downCommon = (common: Fields, parts?: Parts): Fields => down({ common_tls_context: common }, parts);
export const validation = (context: Fields): Fields => downCommon({ ...own, validation_context: context });
export const params = (tls_params: Fields): Fields => downCommon({ ...own, tls_params });
export const certificate = (fields: Fields): Fields => downCommon({ tls_certificates: [fields] });

/** A cluster with this context. */
export function up(context: Fields): Fields {
  const typed_config = any(`${TLS}.UpstreamTlsContext`, context);
  const a = cluster('a', ['a'], { transport_socket: { name: 'envoy.transport_sockets.tls', typed_config } });
  return bootstrap({ listeners: [], clusters: [a] });
}
export const upCommon = (common: Fields): Fields => up({ common_tls_context: common });

export const spiffe = (config: Fields, more: Fields = {}): Fields =>
  validation({
    ...more,
    custom_validator_config: {
      name: 'envoy.tls.cert_validator.spiffe',
      typed_config: any(`${TLS}.SPIFFECertValidatorConfig`, config),
    },
  });
export const domain = (name: string, bundle = ca.pem): Fields => ({ name, trust_bundle: inline(bundle) });
export const combined = (base: Fields): Fields => ({
  ...own,
  combined_validation_context: {
    default_validation_context: base,
    validation_context_sds_secret_config: { name: 'trust' },
  },
});
export const dns: Fields = { match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'a.example' } }] };
export const NO_CA = 'SAN-based verification of peer certificates without trusted CA is insecure and not allowed';
export const X5C = Buffer.from(ca.der).toString('base64');
