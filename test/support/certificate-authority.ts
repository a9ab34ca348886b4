// A certificate authority for tests: istio.v1.auth.IstioCertificateService over gRPC, which notes who asked.
import { execFileSync } from 'node:child_process';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { Clock, Random } from '../../src/base/clock.ts';
import type { GrpcServerOptions } from '../../src/grpc/options.ts';
import { GrpcServer } from '../../src/grpc/server.ts';
import { type AnyServerMethod, unaryMethod } from '../../src/grpc/service.ts';
import { createEngine } from '../../src/net/engine.ts';
import type {
  Istio_IstioCertificateRequest as Request,
  Istio_IstioCertificateResponse as Response,
} from '../../src/proto/generated/types.d.ts';
import { registry } from '../../src/proto/registry.ts';
import { headerKey } from '../../src/wire/header-names.ts';
import { makeCa, makeCertificate, type TestCertificate } from './certificates.ts';

const PATH = '/istio.v1.auth.IstioCertificateService/CreateCertificate';
const PERMISSION_DENIED = 7;

/** The key that a request (PEM) is for; OpenSSL verifies the request. */
export function requestKey(request: string): KeyObject {
  const out = execFileSync('openssl', ['req', '-pubkey', '-noout', '-verify'], { input: request, stdio: 'pipe' });
  return createPublicKey(out);
}

/** The names that a request asks for: 'URI:spiffe://…'. */
export function requestNames(request: string): string {
  const text = execFileSync('openssl', ['req', '-text', '-noout'], { input: request, stdio: 'pipe' }).toString();
  return /Alternative Name:.*\n\s*(.*)/.exec(text)?.[1] ?? '';
}

export type Signed = { readonly token: string; readonly names: string; readonly validityS: number };

export class CertificateAuthority {
  readonly port: number;
  root: TestCertificate = makeCa('root');
  /** Of what it signs. */
  lifeMs = 3_600_000;
  subject = 'workload';
  sans: readonly { readonly uri: string }[] = [{ uri: 'spiffe://test/ns/a/sa/b' }];
  /** How many of the next requests are refused. */
  refusals = 0;
  readonly signed: Signed[] = [];
  /** The URI of who asks, by what proves it; null refuses. Absent: whoever asks gets `sans`. */
  identify: ((token: string, peerUri: string) => string | null) | null = null;
  readonly #server: GrpcServer;

  constructor(options: Partial<GrpcServerOptions> = {}) {
    const clock = new Clock();
    const onBug = (error: unknown): never => {
      throw error;
    };
    const engine = createEngine({ clock, onBug });
    clock.wrap = (run) => engine.run(run);
    this.#server = new GrpcServer({ engine, random: new Random() }, options);
    const method = unaryMethod<Request, Response>(
      PATH,
      registry.message('istio.v1.auth.IstioCertificateRequest') as never,
      registry.message('istio.v1.auth.IstioCertificateResponse') as never,
      (request, call, reply) => {
        const token = call.headers.get(headerKey('authorization')) ?? '';
        const uri = this.identify?.(token, call.tls?.peerCertificate?.uriSans[0] ?? '') ?? null;
        if (this.identify !== null && uri === null) reply(null, { code: PERMISSION_DENIED, message: 'who are you' });
        else if (this.refusals-- > 0) reply(null, { code: PERMISSION_DENIED, message: 'not today' });
        else reply({ cert_chain: [...this.#sign(request, token, uri === null ? this.sans : [{ uri }])] });
        return undefined;
      },
    );
    this.#server.add(method as AnyServerMethod);
    const listener = this.#server.listen({ family: 'ipv4', address: '127.0.0.1', port: 0 });
    if ('errno' in listener) throw new Error(listener.detail);
    this.port = listener.address.port;
  }

  #sign(
    { csr = '', validity_duration: validity = 0 }: Request,
    token: string,
    sans: readonly { readonly uri: string }[],
  ): readonly string[] {
    const notAfter = new Date(Date.now() + this.lifeMs);
    // Dated back, as istiod does.
    const notBefore = new Date(Date.now() - 120_000);
    const { subject, root } = this;
    const key = requestKey(csr);
    this.signed.push({ token, names: requestNames(csr), validityS: Number(validity) });
    return [makeCertificate({ issuer: root, key, subject, sans, notBefore, notAfter }).pem, root.pem];
  }

  stop(): void {
    this.#server.stop();
  }
}
