// ReferenceGrants: a namespace's consent to being named by objects of another one.
import type { ConfigObject } from '../../source/object.ts';

export const GATEWAY_API = 'gateway.networking.k8s.io';

export type Referrer = { readonly group: string; readonly kind: string; readonly namespace: string };
export type Referent = {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
};

type GrantSpec = {
  from?: readonly { group?: string; kind?: string; namespace?: string }[];
  to?: readonly { group?: string; kind?: string; name?: string }[];
};

/** `grants`: those of the namespace that is named. Its own objects need none. */
export function isGranted(grants: readonly ConfigObject[], from: Referrer, to: Referent): boolean {
  if (from.namespace === to.namespace) return true;
  return grants.some(({ namespace, spec }) => {
    if (namespace !== to.namespace) return false;
    const { from: froms = [], to: tos = [] } = spec as GrantSpec;
    return (
      froms.some(
        (one) => (one.group ?? '') === from.group && one.kind === from.kind && one.namespace === from.namespace,
      ) &&
      tos.some((one) => (one.group ?? '') === to.group && one.kind === to.kind && (one.name ?? to.name) === to.name)
    );
  });
}
