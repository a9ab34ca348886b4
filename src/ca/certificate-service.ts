// The service istio.v1.auth.IstioCertificateService: signs requests of callers who prove who they are, for nobody else.
import { parseSpiffeId, spiffeId } from '../base/spiffe.ts';
import { type GrpcStatus, grpcStatus, OK } from '../grpc/status.ts';
import { type AnyServerMethod, type ServerCall, unaryMethod } from '../grpc/service.ts';
import type {
  Istio_IstioCertificateRequest as Request,
  Istio_IstioCertificateResponse as Response,
} from '../proto/generated/types.d.ts';
import type { MessageType } from '../proto/message-type.ts';
import { registry } from '../proto/registry.ts';
import type { Logger } from '../telemetry/log.ts';
import { GRPC } from '../wire/grpc/status.ts';
import {
  type Authenticator,
  authenticate,
  callFacts,
  type Identity,
  type Proof,
} from './authenticate/authenticator.ts';
import type { Authority } from './authority.ts';
import { readSigningRequest, type SigningRequest, verifyRequest } from './signing/request.ts';

export type CertificateServiceParts = {
  readonly authority: Authority;
  readonly authenticators: readonly Authenticator[];
  readonly log: Pick<Logger, 'write'>;
};

export const CREATE_CERTIFICATE = '/istio.v1.auth.IstioCertificateService/CreateCertificate';
/** Keys of the request's metadata. Source: Istio pkg/security. */
const IMPERSONATED = 'ImpersonatedIdentity';
const CERT_SIGNER = 'CertSigner';
/** GeneralName's number. */
const URI_NAME = 6;
const SECOND_MS = 1000;
/** What may be asked for, before it is capped. */
const MAX_ASKED_S = 10 * 365 * 86_400;

/** For src/grpc/server.ts. */
export function createCertificate(parts: CertificateServiceParts): AnyServerMethod {
  const request = registry.message('istio.v1.auth.IstioCertificateRequest') as MessageType<Request>;
  const response = registry.message('istio.v1.auth.IstioCertificateResponse') as MessageType<Response>;
  const method = unaryMethod<Request, Response>(CREATE_CERTIFICATE, request, response, (message, call, reply) => {
    answer(parts, message, call).then(
      (made) => ('code' in made ? reply(null, made) : reply(made, OK)),
      (error: Error) => {
        parts.log.write('error', `a request for a certificate failed: ${error.message}`);
        reply(null, grpcStatus(GRPC.internal, 'the CA failed; its log says why'));
      },
    );
    return undefined;
  });
  return method as AnyServerMethod;
}

async function answer(
  parts: CertificateServiceParts,
  message: Request,
  call: ServerCall<Response>,
): Promise<Response | GrpcStatus> {
  const { authority, authenticators, log } = parts;
  const { metrics } = authority.options;
  const peer = call.remoteAddress.address || call.remoteAddress.family;
  metrics.requests.add();
  const proof = await authenticate(authenticators, callFacts(call));
  if ('reasons' in proof) {
    metrics.authenticationFailures.add();
    const reasons = proof.reasons.join('; ');
    log.write('warning', `${peer} asked for a certificate and proved no identity: ${reasons}`);
    return grpcStatus(GRPC.unauthenticated, `no identity is proved: ${reasons}`);
  }
  let isGiven = false;
  try {
    const signed = await sign(authority, message, proof);
    if ('code' in signed) {
      log.write('warning', `${spiffeId(proof.identity)} at ${peer} gets no certificate: ${signed.message}`);
      return signed;
    }
    // A proof that is good for one use dies before the answer leaves; one that nobody waits for any more does not.
    if (!call.isOver) isGiven = proof.settle?.(true) ?? true;
    if (!isGiven) {
      metrics.authenticationFailures.add();
      return grpcStatus(GRPC.unauthenticated, `the ${proof.by} was used by another call`);
    }
    metrics.issued.add();
    return signed;
  } finally {
    if (!isGiven) proof.settle?.(false);
  }
}

async function sign(authority: Authority, message: Request, { identity }: Proof): Promise<Response | GrpcStatus> {
  const { metrics } = authority.options;
  const refusal = metadataProblem(message);
  if (refusal !== null) {
    metrics.authenticationFailures.add();
    return refusal;
  }
  const request = readSigningRequest(message.csr ?? '');
  if (typeof request === 'string') {
    metrics.parsingErrors.add();
    metrics.signError('CSR_ERROR');
    return grpcStatus(GRPC.invalidArgument, `CSR signing error (${request})`);
  }
  const name = foreignName(request, identity, authority);
  if (name !== null) {
    metrics.identityErrors.add();
    metrics.signError('CSR_ERROR');
    const own = spiffeId(identity);
    return grpcStatus(
      GRPC.permissionDenied,
      `the request is for ${JSON.stringify(name)}, but its credential is of ${own}`,
    );
  }
  if (!(await verifyRequest(request))) {
    metrics.parsingErrors.add();
    metrics.signError('CSR_ERROR');
    return grpcStatus(GRPC.invalidArgument, 'CSR signing error (the signature is not one of the key in the request)');
  }
  const issued = await authority.issueWorkload(identity, request.publicKeyDer, lifeMs(message));
  if (typeof issued === 'string') {
    metrics.signError('CERT_GEN_ERROR');
    return grpcStatus(GRPC.unavailable, `CSR signing error (${issued})`);
  }
  // Root last. While one root takes over from another, the last text has both.
  return { cert_chain: [...issued.chain, authority.bundle.pem] };
}

/** Whoever asks for others must be refused in words that do not depend on whether they exist. */
function metadataProblem({ metadata = {} }: Request): GrpcStatus | null {
  if (metadata[IMPERSONATED] !== undefined && metadata[IMPERSONATED] !== '') {
    return grpcStatus(GRPC.unauthenticated, 'request impersonation authentication failure: this CA allows none');
  }
  if (metadata[CERT_SIGNER] !== undefined && metadata[CERT_SIGNER] !== '') {
    return grpcStatus(GRPC.invalidArgument, `CSR signing error (this CA has no signers, and the request names one)`);
  }
  return null;
}

/** A name in the request that is not the caller's own, in the mesh's trust domain or one it had; null for none. */
function foreignName(request: SigningRequest, { namespace, account }: Identity, authority: Authority): string | null {
  for (const { kind, text } of request.names) {
    const wanted = kind === URI_NAME ? parseSpiffeId(text) : null;
    const isOwn = wanted !== null && wanted.namespace === namespace && wanted.account === account;
    if (!isOwn || !authority.isOwnDomain(wanted.trustDomain)) return text;
  }
  return null;
}

/** 0 where nothing sensible is asked for. */
function lifeMs({ validity_duration: asked = 0 }: Request): number {
  const seconds = Number(asked);
  return seconds > 0 ? Math.min(seconds, MAX_ASKED_S) * SECOND_MS : 0;
}
