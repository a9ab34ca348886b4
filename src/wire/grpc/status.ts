// The status of a gRPC call: codes by name, what stands for the statuses of HTTP, and the text that goes with it.

/** Source: gRPC "Status codes and their use in gRPC". */
export const GRPC = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

/** What Envoy makes of a grpc-status that is none. Source: Envoy Grpc::Status::InvalidCode. */
export const INVALID_STATUS = -1;

const MOST_STATUS = 16;

/** grpc-status as a number; null when it is absent. */
export function parseGrpcStatus(value: string | undefined): number | null {
  if (value === undefined || value === '') return null;
  if (!/^\+?\d{1,10}$/.test(value)) return INVALID_STATUS;
  const status = Number(value);
  return status > MOST_STATUS ? INVALID_STATUS : status;
}

/** gRPC status for an HTTP status. Source: gRPC "HTTP to gRPC status code mapping", as Envoy's httpToGrpcStatus. */
export function grpcStatusOf(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
      return GRPC.internal;
    case 401:
      return GRPC.unauthenticated;
    case 403:
      return GRPC.permissionDenied;
    case 404:
      return GRPC.unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return GRPC.unavailable;
    default:
      return GRPC.unknown;
  }
}

/** HTTP status for a gRPC status, INVALID_STATUS too. Source: Envoy Grpc::Utility::grpcToHttpStatus. */
export function httpStatusOfGrpc(grpcStatus: number): number {
  return HTTP_BY_GRPC[grpcStatus] ?? 500;
}
const HTTP_BY_GRPC = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401] as const;

/** Percent-encodes the UTF-8 of a text, and '~' too, as Envoy does. Source: gRPC over HTTP/2, "Status-Message". */
export function encodeGrpcMessage(text: string): string {
  return encodeGrpcMessageBytes(Buffer.from(text, 'utf8'));
}

export function encodeGrpcMessageBytes(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) {
    const isPlain = byte >= 0x20 && byte < 0x7e && byte !== 0x25;
    out += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/** Undoes `encodeGrpcMessage`; what is no valid escape stays as it is. `value` holds bytes, one per char code. */
export function decodeGrpcMessage(value: string): string {
  const bytes = value.replaceAll(/%([0-9a-fA-F]{2})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
