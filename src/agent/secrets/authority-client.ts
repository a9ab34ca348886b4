// Has certificates signed by istio.v1.auth.IstioCertificateService, as somebody that the authority knows.
import type { GrpcChannel } from '../../grpc/client/channel.ts';
import type { Signer } from '../../identity/certificate-client.ts';
import { decodeBinary } from '../../proto/binary-decode.ts';
import { encodeBinary } from '../../proto/binary-encode.ts';
import type { Istio_IstioCertificateResponse as Response } from '../../proto/generated/types.d.ts';
import { registry } from '../../proto/registry.ts';
import { headerKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';

const PATH = '/istio.v1.auth.IstioCertificateService/CreateCertificate';
const TIMEOUT_MS = 10_000;
const AUTHORIZATION = headerKey('authorization');
const CLUSTER_ID = headerKey('clusterid');

/** What authenticates a request besides the connection's own certificate. */
export type Credentials = {
  /** The bearer token; '' without one. */
  token(): string | { readonly error: string };
};

/** `clusterId` tells the authority whose tokens they are, as istiod wants it. */
export function authoritySigner(channel: GrpcChannel, credentials: Credentials, clusterId: string): Signer {
  const request = registry.message('istio.v1.auth.IstioCertificateRequest');
  const response = registry.message('istio.v1.auth.IstioCertificateResponse');
  return (csr, validityS, done) => {
    const token = credentials.token();
    if (typeof token !== 'string') {
      done(token);
      return () => {};
    }
    const addMetadata = (head: Headers): void => addCredentials(head, token, clusterId);
    const message = encodeBinary(request, { csr, validity_duration: validityS } as never);
    return channel.unary(PATH, message, { timeoutMs: TIMEOUT_MS, addMetadata }, (result) => {
      if ('status' in result) {
        done({ error: `the authority answered with status ${result.status.code}: ${result.status.message}` });
        return;
      }
      const answer = decodeBinary(response, result.bytes) as Response | undefined;
      if (answer === undefined) done({ error: 'the answer of the authority cannot be decoded' });
      else done({ chain: answer.cert_chain ?? [] });
    });
  };
}

export function addCredentials(head: Headers, token: string, clusterId: string): void {
  if (token !== '') head.set(AUTHORIZATION, `Bearer ${token}`);
  if (clusterId !== '') head.set(CLUSTER_ID, clusterId);
}
