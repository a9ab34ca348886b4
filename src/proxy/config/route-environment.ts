// What decoding a route configuration needs from the outside, besides unpacking; the composition root provides it.
import type { ConfigDecoder } from '../config-decoder.ts';

export type RouteEnvironment = {
  /**
   * Decodes the per-route configuration of the filter with that name from an Any (never a FilterConfig wrapper), or
   * rejects it at `d` and returns null; also null, without a reason, for an optional filter that is not known.
   */
  readonly routeFilter: (
    name: string,
    any: unknown,
    isOptional: boolean,
    d: ConfigDecoder,
  ) => { config: unknown; type: string } | null;
  /** Whether the cluster exists; asked when validate_clusters is on. Absent: not checked. */
  readonly hasCluster?: (name: string) => boolean;
  /** Bytes of a file, or why it cannot be read. */
  readonly readFile?: (path: string) => Uint8Array | { readonly error: string };
  /** Environment variables of the process. */
  readonly variables?: Readonly<Record<string, string | undefined>>;
};

/** Reads what the decoder's environment has of it. */
export function routeEnvironment(d: ConfigDecoder): Partial<RouteEnvironment> {
  return d.environment as Partial<RouteEnvironment>;
}
