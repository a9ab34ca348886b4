// A Sidecar's own server certificate on an inbound port: from files that the agent reads, or a credential.
import type { DownstreamTlsContext, TransportSocket } from '../../../../proto/generated/types.d.ts';
import { agentFile, controlSecret, HTTP_ALPN, mutualContext, tlsSocket } from '../tls-context.ts';

type Json = Readonly<Record<string, unknown>>;

/** `tls` has the shape of Istio's ServerTLSSettings; modes SIMPLE and MUTUAL are allowed here. */
export function serverSocket(tls: Json): TransportSocket {
  const isMutual = tls['mode'] === 'MUTUAL';
  const credential = text(tls, 'credentialName');
  const certificate =
    credential !== ''
      ? controlSecret(`kubernetes://${credential}`)
      : agentFile(`file-cert:${text(tls, 'serverCertificate')}~${text(tls, 'privateKey')}`);
  const roots =
    credential !== ''
      ? controlSecret(`kubernetes://${credential}-cacert`)
      : agentFile(`file-root:${text(tls, 'caCertificates')}`);
  const names = Array.isArray(tls['subjectAltNames']) ? (tls['subjectAltNames'] as string[]) : [];
  const sans = names.map((name) => ({ exact: name }));
  const context: DownstreamTlsContext = {
    common_tls_context: isMutual
      ? mutualContext(certificate, roots, sans, HTTP_ALPN)
      : { alpn_protocols: [...HTTP_ALPN], tls_certificate_sds_secret_configs: [certificate] },
    require_client_certificate: isMutual,
  };
  return tlsSocket(context);
}

function text(json: Json, field: string): string {
  const value = json[field];
  return typeof value === 'string' ? value : '';
}
