// Waits until what was written is in effect in the proxies, as the control plane has it from them.
import { objectDigest } from '../../control/source/digest.ts';
import { objectKeyOf } from '../../control/source/object.ts';
import { askHttpOnce } from '../../net/http-request.ts';
import type { Json } from './objects.ts';

/** Everything that was read is in effect sooner; a proxy that refuses it is told of elsewhere. */
const LONGEST_MS = 3000;
const MAX_ANSWER_BYTES = 64 * 1024;

/** `slices`: EndpointSlices as they were written. */
export async function endpointsAreLive(slices: readonly Json[], controlPort: number, token: string): Promise<void> {
  await Promise.all(
    slices.map((slice) => {
      const { key, digest } = nameOf(slice);
      const query = new URLSearchParams({ object: key, digest, for: 'live', timeout: String(LONGEST_MS) });
      return askHttpOnce({
        ...{ host: '127.0.0.1', port: controlPort, path: `/api/v1/wait?${query}` },
        ...{ headers: { authorization: `Bearer ${token}` }, timeoutMs: LONGEST_MS, maxBytes: MAX_ANSWER_BYTES },
      });
    }),
  );
}

function nameOf({ kind, metadata, apiVersion: _version, ...data }: Json): { key: string; digest: string } {
  const { namespace, name, labels } = metadata as {
    readonly namespace: string;
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  const key = objectKeyOf('discovery.k8s.io', String(kind), namespace, name);
  const nothing = { annotations: {}, spec: {}, status: {}, creationMs: 0, generation: 0, uid: '' };
  const names = { group: 'discovery.k8s.io', version: 'v1', kind: String(kind), namespace, name };
  return { key, digest: objectDigest({ ...names, ...nothing, labels, data }) };
}
