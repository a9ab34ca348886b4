// Decodes heddle.certificate_client.v1.CertificateClient: who signs the proxy's own certificate.
import { existsSync } from 'node:fs';
import type { Heddle_CertificateClient as Message } from '../../proto/generated/types.d.ts';
import type { GrpcTarget } from '../cluster/upstream-client/grpc-call.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { decodeGrpcService, GRPC_SERVICE_FIELDS } from './grpc-service.ts';

export const CERTIFICATE_CLIENT = 'heddle.certificate_client.v1.CertificateClient';

export const CERTIFICATE_CLIENT_FIELDS = {
  [CERTIFICATE_CLIENT]: 'certificate_authority token_path identity validity sds_cluster_name',
  ...GRPC_SERVICE_FIELDS,
} as const;

export type CertificateClientConfig = {
  readonly target: GrpcTarget;
  /** '': no token is sent. */
  readonly tokenPath: string;
  /** '': the authority knows it. */
  readonly identity: string;
  readonly validityS: number;
  /** Of whom the secrets are asked that the proxy answers for. */
  readonly sdsClusterName: string;
};

/** What Istio's agent asks for. */
const DEFAULT_VALIDITY_S = 86_400;
/** Longer lives are a slip: a certificate is renewed all the time. */
const MAX_VALIDITY_S = 10 * 365 * 86_400;
/** Name of the agent's cluster in Istio's configurations. */
const DEFAULT_SDS_CLUSTER = 'sds-grpc';
/** SPIFFE-ID, section 2: a trust domain and a path, without query, fragment, port, empty or dotted segments. */
const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]{1,255}(\/(?!\.\.?(\/|$))[A-Za-z0-9._-]+)+$/;
const MAX_SPIFFE_ID = 2048;

export function decodeCertificateClient(
  message: Message,
  d: ConfigDecoder,
  hasCluster: ((name: string) => boolean) | undefined,
): CertificateClientConfig | null {
  const da = d.at('certificate_authority');
  if (message.certificate_authority === undefined) da.reject('', 'is required');
  const target =
    message.certificate_authority === undefined ? null : decodeGrpcService(message.certificate_authority, da);
  if (target !== null && target.ownCluster === null && hasCluster?.(target.clusterName) === false) {
    da.at('envoy_grpc').reject('cluster_name', `unknown cluster '${target.clusterName}'`);
  }
  const { token_path: tokenPath = '', identity = '', sds_cluster_name } = message;
  if (tokenPath !== '' && !existsSync(tokenPath)) {
    d.reject('token_path', `paths must refer to an existing path in the system: '${tokenPath}' does not exist`);
  }
  if (identity !== '' && (!SPIFFE_ID.test(identity) || identity.length > MAX_SPIFFE_ID)) {
    d.reject('identity', `is no SPIFFE ID: ${JSON.stringify(identity)}`);
  }
  const validity = d.durationMs(message.validity, DEFAULT_VALIDITY_S * 1000);
  const validityS = validity / 1000;
  if (!Number.isInteger(validityS) || validityS < 1 || validityS > MAX_VALIDITY_S) {
    d.reject('validity', `must be whole seconds, from 1 to ${MAX_VALIDITY_S}`);
  }
  if (target === null) return null;
  return { target, tokenPath, identity, validityS, sdsClusterName: sds_cluster_name || DEFAULT_SDS_CLUSTER };
}
