// One object of the configuration as everybody behind the source sees it: validated, defaults applied, without a place.

export type ConfigObject<Spec = Record<string, unknown>> = {
  /** 'networking.istio.io', '' for core kinds. */
  readonly group: string;
  /** As written: 'v1', 'v1beta1'. */
  readonly version: string;
  readonly kind: string;
  /** '' for kinds that belong to the cluster; 'default' where a namespaced object says none. */
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** `metadata.creationTimestamp`, 0 without. */
  readonly creationMs: number;
  /** `metadata.generation`, 0 without. */
  readonly generation: number;
  readonly uid: string;
  /** Validated, with defaults; plain JSON with the YAML's own names. */
  readonly spec: Spec;
  /**
   * Every top-level field besides apiVersion, kind, metadata, spec and status: `data` of a ConfigMap, `endpoints`,
   * `ports` and `addressType` of an EndpointSlice, base64 text in a Secret's `data`.
   */
  readonly data: Readonly<Record<string, unknown>>;
  /** `status.podIP` of a Pod and the like. */
  readonly status: Readonly<Record<string, unknown>>;
};

/** Two groups define a Gateway; Istio's has the bare name. */
const OTHER_GATEWAYS = 'gateway.networking.k8s.io';

/** The key of a kind, a namespace and a name: 'KIND/NAMESPACE/NAME', 'gateway.networking.k8s.io:Gateway/NS/NAME'. */
export function objectKeyOf(group: string, kind: string, namespace: string, name: string): string {
  const prefix = group === OTHER_GATEWAYS && kind === 'Gateway' ? `${group}:` : '';
  return `${prefix}${kind}/${namespace}/${name}`;
}

/** What names an object everywhere behind the source; the version of the API is not part of it. */
export function objectKey(object: Pick<ConfigObject, 'group' | 'kind' | 'namespace' | 'name'>): string {
  return objectKeyOf(object.group, object.kind, object.namespace, object.name);
}
