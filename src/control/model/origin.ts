// Where a part of the model comes from: the object and the rule in it, for metadata, status and explanations.

/** `index` is the rule's place in the object's list, `name` its own name, if it has one. */
export type Origin = { readonly key: string; readonly index?: number; readonly name?: string };

/**
 * The reference that Istio writes into `metadata.filter_metadata.istio.config`.
 * '/apis/networking.istio.io/v1/namespaces/bookinfo/virtual-service/reviews'; kinds are kebab-case.
 */
export function configReference(group: string, kind: string, namespace: string, name: string): string {
  return `/apis/${group}/v1/namespaces/${namespace}/${kebabCase(kind)}/${name}`;
}

function kebabCase(kind: string): string {
  return kind.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();
}
