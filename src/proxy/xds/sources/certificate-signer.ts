// Has the proxy's certificate signed by an Istio certificate authority, over one of the proxy's clusters.
import type {
  Istio_IstioCertificateRequest as Request,
  Istio_IstioCertificateResponse as Response,
} from '../../../proto/generated/types.d.ts';
import { registry } from '../../../proto/registry.ts';
import { headerKey } from '../../../wire/header-names.ts';
import { JitteredBackOff } from '../../../base/back-off.ts';
import type { GrpcMethod } from '../../cluster/upstream-client/grpc-call.ts';
import { GrpcClient } from '../../cluster/upstream-client/grpc-client.ts';
import type { HttpClient } from '../../cluster/upstream-client/http-client.ts';
import type { CertificateClientConfig } from '../../config/certificate-client.ts';
import { readToken } from '../../../identity/bearer-token.ts';
import { CertificateClient, type CertificateClientParts, type Signer } from '../../../identity/certificate-client.ts';

/** Of a request where its service has no timeout of its own. */
const TIMEOUT_MS = 10_000;
const BACK_OFF = Object.freeze({ baseMs: 500, maxMs: 30_000 });
const AUTHORIZATION = headerKey('authorization');

export function certificateClient(
  parts: Pick<CertificateClientParts, 'clock' | 'random' | 'stats' | 'log'>,
  http: HttpClient,
  config: CertificateClientConfig,
): CertificateClient {
  const backOff = new JitteredBackOff(config.target.streamBackOff ?? BACK_OFF, parts.random);
  const sign = istioSigner(http, config);
  return new CertificateClient({ ...parts, sign, backOff }, config.identity, config.validityS);
}

function istioSigner(http: HttpClient, { target, tokenPath }: CertificateClientConfig): Signer {
  const method = {
    path: '/istio.v1.auth.IstioCertificateService/CreateCertificate',
    request: registry.message('istio.v1.auth.IstioCertificateRequest'),
    response: registry.message('istio.v1.auth.IstioCertificateResponse'),
  } as unknown as GrpcMethod<Request, Response>;
  const client = new GrpcClient(http, { ...target, timeoutMs: target.timeoutMs || TIMEOUT_MS });
  return (csr, validityS, done) => {
    const token = readToken(tokenPath);
    if (typeof token !== 'string') {
      done(token);
      return () => {};
    }
    const call = client.unary(
      method,
      { csr, validity_duration: validityS },
      ({ status, message, response }) => {
        if (response !== null) done({ chain: response.cert_chain ?? [] });
        else done({ error: `${target.clusterName} answered with status ${status}: ${message}` });
      },
      {
        changeHeaders: (headers) => {
          if (token !== '') headers.set(AUTHORIZATION, `Bearer ${token}`);
        },
      },
    );
    return () => call.cancel();
  };
}
