// How a call ends: gRPC's code, a text, and messages with more about it.
import type { Any } from '../proto/any.ts';
import { encodeBinary } from '../proto/binary-encode.ts';
import { registry } from '../proto/registry.ts';
import { encodeGrpcMessage, GRPC } from '../wire/grpc/status.ts';
import { H, headerKey } from '../wire/header-names.ts';
import type { Headers } from '../wire/headers.ts';

export type GrpcStatus = {
  readonly code: number;
  readonly message: string;
  /** google.rpc.Status.details: what programs may read of it. */
  readonly details?: readonly Any[];
};

export const OK: GrpcStatus = Object.freeze({ code: GRPC.ok, message: '' });

export function grpcStatus(code: number, message: string, details?: readonly Any[]): GrpcStatus {
  return details === undefined ? { code, message } : { code, message, details };
}

const DETAILS = headerKey('grpc-status-details-bin');

/** Writes a status into trailers, or into the head of an answer that is nothing else. */
export function writeStatus(trailers: Headers, { code, message, details }: GrpcStatus): void {
  trailers.set(H['grpc-status'], String(code));
  if (message !== '') trailers.set(H['grpc-message'], encodeGrpcMessage(message));
  if (details === undefined || details.length === 0) return;
  const bytes = encodeBinary(registry.message('google.rpc.Status'), { code, message, details: [...details] });
  // Source: gRPC over HTTP/2, "Binary-Header": base64, of which the padding may be left out.
  trailers.set(DETAILS, Buffer.from(bytes).toString('base64').replaceAll('=', ''));
}
