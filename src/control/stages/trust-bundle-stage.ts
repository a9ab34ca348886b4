// The mesh's roots as a resource, for agents: what everybody is to trust, before anything is signed under it.
import type { Collection, Graph, Memo } from '../../base/collection.ts';
import { encodeBinary } from '../../proto/binary-encode.ts';
import { registry } from '../../proto/registry.ts';
import { type EncodedResource, encodedResource } from '../../xds/server/resource.ts';
import { sameResources } from './endpoint-resources-stage.ts';

const PROXY_CONFIG = 'istio.mesh.v1alpha1.ProxyConfig';
export const PROXY_CONFIG_TYPE = `type.googleapis.com/${PROXY_CONFIG}`;

/** The one resource, without a name, as istiod has it for meshes of several roots. */
export function trustBundleResource(roots: readonly string[]): EncodedResource {
  // Sorted: which of them signs is nobody's business, and a promotion is no change.
  const body = encodeBinary(registry.message(PROXY_CONFIG), { ca_certificates_pem: [...roots].sort() });
  return encodedResource(PROXY_CONFIG_TYPE, '', body);
}

/** `bundle`: PEM of the roots, under the key ''. The memo's key is '', for all proxies. */
export function trustBundleStage(
  graph: Graph,
  bundle: Collection<readonly string[]>,
): { readonly tables: Memo<readonly EncodedResource[]> } {
  const tables = graph.memo<readonly EncodedResource[]>(
    'trust bundles',
    (_key, read) => {
      const roots = read.get(bundle, '') ?? [];
      return roots.length === 0 ? [] : [trustBundleResource(roots)];
    },
    sameResources,
  );
  return { tables };
}
