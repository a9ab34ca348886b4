// Backends of routes: services by name, in their namespace's consent; what cannot be used keeps its share.
import type { Destination } from '../../model/route.ts';
import type { BackendRef } from './route-spec.ts';

/** What routes of one kind and namespace may name; `unusable` says why it is not, null if it is. */
export type BackendContext = {
  readonly kind: string;
  readonly namespace: string;
  readonly clusterDomain: string;
  readonly isGranted: (ref: {
    readonly group: string;
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
  }) => boolean;
  readonly unusable: (host: string, port: number) => string | null;
};

const NOWHERE: Destination = { host: '', subset: '', port: 0, unresolved: null };
/** No cluster has this name: connections end. */
export const NO_SHARE: Destination = {
  ...{ host: 'internal.cluster.local', subset: 'zero-weight', port: 65535 },
  unresolved: 'no backend has a weight',
};

export function backendDestination(ref: BackendRef, context: BackendContext): Destination {
  const { group = '', kind = 'Service', name = '', port = 0 } = ref;
  const namespace = ref.namespace === undefined || ref.namespace === '' ? context.namespace : ref.namespace;
  const nowhere = (reason: string): Destination => ({ ...NOWHERE, unresolved: reason });
  if (!context.isGranted({ group, kind, namespace, name })) {
    return nowhere(`${kind} ${namespace}/${name} may not be named by a ${context.kind} of ${context.namespace}`);
  }
  const host = hostOf({ group, kind, name, namespace }, context.clusterDomain);
  if (host === null) return nowhere(`a ${kind}${group === '' ? '' : ` of ${group}`} is no backend`);
  if (port === 0) return nowhere(`backend ${name} says no port`);
  return { host, subset: '', port, unresolved: context.unusable(host, port) };
}

function hostOf(
  { group, kind, name, namespace }: { group: string; kind: string; name: string; namespace: string },
  clusterDomain: string,
): string | null {
  if (group === 'networking.istio.io' && kind === 'Hostname') return name;
  const isService =
    (group === '' && kind === 'Service') || (group === 'multicluster.x-k8s.io' && kind === 'ServiceImport');
  return isService && !name.includes('.') ? `${name}.${namespace}.svc.${clusterDomain}` : null;
}

/** Without those that have no share; a missing weight is 1. */
export function weighted<R extends BackendRef>(
  refs: readonly R[] | undefined,
): { readonly ref: R; readonly weight: number }[] {
  return (refs ?? []).map((ref) => ({ ref, weight: ref.weight ?? 1 })).filter(({ weight }) => weight > 0);
}
