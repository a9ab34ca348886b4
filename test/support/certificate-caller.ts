// Asks a CA for certificates as Istio's agents do: gRPC over TLS by node:http2, with a token or a certificate.
import http2 from 'node:http2';
import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import type { Istio_IstioCertificateResponse as Response } from '../../src/proto/generated/types.d.ts';
import { registry } from '../../src/proto/registry.ts';
import { frameMessage } from '../../src/wire/grpc/framing.ts';

const REQUEST = registry.message('istio.v1.auth.IstioCertificateRequest');
const RESPONSE = registry.message('istio.v1.auth.IstioCertificateResponse');
const PATH = '/istio.v1.auth.IstioCertificateService/CreateCertificate';

export type CallOptions = {
  readonly csr: string;
  readonly token?: string;
  /** PEM of a client's certificate with its chain, and its key. */
  readonly certificate?: { readonly chain: string; readonly key: string };
  readonly metadata?: Readonly<Record<string, string>>;
  readonly validityS?: number;
  /** The name that is dialled, and must be among the server's. */
  readonly serverName?: string;
};

export type CallResult = { readonly status: number; readonly message: string; readonly chain: readonly string[] };

/** `roots`: PEM; null: plain text. Rejects where no connection comes about. */
export async function askForCertificate(port: number, roots: string | null, options: CallOptions): Promise<CallResult> {
  const { csr, token, certificate, metadata, validityS = 0, serverName = 'istiod.istio-system.svc' } = options;
  const session = http2.connect(`${roots === null ? 'http' : 'https'}://127.0.0.1:${port}`, {
    ...(roots === null ? {} : { ca: roots, servername: serverName, minVersion: 'TLSv1.2' }),
    ...(certificate === undefined ? {} : { cert: certificate.chain, key: certificate.key }),
  });
  try {
    return await new Promise<CallResult>((resolve, reject) => {
      session.on('error', reject);
      const stream = session.request({
        ...{ ':method': 'POST', ':path': PATH, 'content-type': 'application/grpc', te: 'trailers' },
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      });
      let head: http2.IncomingHttpHeaders = {};
      let trailers: http2.IncomingHttpHeaders = {};
      const chunks: Buffer[] = [];
      stream.on('response', (headers) => {
        head = headers;
      });
      stream.on('trailers', (headers) => {
        trailers = headers;
      });
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('close', () => resolve(result({ ...head, ...trailers }, Buffer.concat(chunks))));
      const request = { csr, validity_duration: validityS, ...(metadata === undefined ? {} : { metadata }) };
      stream.end(frameMessage(encodeBinary(REQUEST, request)));
    });
  } finally {
    session.destroy();
  }
}

function result(headers: http2.IncomingHttpHeaders, body: Buffer): CallResult {
  const message = body.length > 5 ? (decodeBinary(RESPONSE, body.subarray(5)) as Response) : {};
  return {
    status: Number(headers['grpc-status'] ?? -1),
    message: decodeURIComponent(String(headers['grpc-message'] ?? '')),
    chain: message.cert_chain ?? [],
  };
}
