// The grpc-timeout header. Source: gRPC over HTTP/2, "Timeout".
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** grpc-timeout in ms, rounded up; null when absent or malformed. */
export function readGrpcTimeout(value: string | undefined): number | null {
  if (value === undefined) return null;
  const match = /^(\d{1,8})([HMSmun])$/.exec(value);
  return match === null ? null : Math.ceil(Number(match[1]) * (UNIT_MS[match[2] as string] as number));
}

/** The same for whom no timeout and none at all are one: 0. */
export function parseGrpcTimeout(value: string | undefined): number {
  return readGrpcTimeout(value) ?? 0;
}

/** Source: gRPC over HTTP/2, "TimeoutValue": at most eight digits. */
const MOST_TIMEOUT = 99_999_999;

/** The header's value for a timeout in ms; rounds down. Source: Envoy Grpc::Common::toGrpcTimeout. */
export function grpcTimeout(timeoutMs: number): string {
  let value = Math.floor(timeoutMs);
  if (value <= MOST_TIMEOUT) return `${value}m`;
  value = Math.floor(value / 1000);
  if (value <= MOST_TIMEOUT) return `${value}S`;
  value = Math.floor(value / 60);
  if (value <= MOST_TIMEOUT) return `${value}M`;
  return `${Math.min(Math.floor(value / 60), MOST_TIMEOUT)}H`;
}
