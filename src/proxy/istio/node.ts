// Who this proxy is in Istio's eyes: its node's id and metadata, as the bootstrap gives them.

export type JsonObject = Readonly<Record<string, unknown>>;

export type LocalNode = {
  readonly id: string;
  readonly metadata: JsonObject;
  readonly region: string;
  readonly zone: string;
  readonly cluster?: string;
};

export const NO_NODE: LocalNode = Object.freeze({ id: '', metadata: Object.freeze({}), region: '', zone: '' });

type NodePb = {
  readonly id?: string | undefined;
  readonly cluster?: string | undefined;
  readonly metadata?: object | undefined;
  readonly locality?: { readonly region?: string | undefined; readonly zone?: string | undefined } | undefined;
};

/** `id`, `zone`, `cluster`: of the command line, which comes before the bootstrap's; '' for none. */
export function localNode(node: NodePb | undefined, id: string, zone: string, cluster = ''): LocalNode {
  const { metadata = {}, locality = {} } = node ?? {};
  return Object.freeze({
    id: id || (node?.id ?? ''),
    metadata: metadata as JsonObject,
    region: locality.region ?? '',
    zone: zone || (locality.zone ?? ''),
    cluster: cluster || (node?.cluster ?? ''),
  });
}

/** A member that is text; '' for any other and for none. */
export function textAt(object: JsonObject | undefined, name: string): string {
  const value = object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;
  return typeof value === 'string' ? value : '';
}

/** A member that is an object; undefined for any other and for none. */
export function objectAt(object: JsonObject | undefined, name: string): JsonObject | undefined {
  const value = object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}
