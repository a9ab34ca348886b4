// The tracing block of HTTP connection managers: sampling, and who the proxy is as literal tags.
import type { CustomTag, HttpConnectionManager_Tracing } from '../../../proto/generated/types.d.ts';
import type { ListenerSettings, TraceIdentity } from './settings.ts';

/** Tag, and the key under which the RBAC filter notes it in its dynamic metadata. */
const DRY_RUN_TAGS: readonly (readonly [string, string])[] = [
  ['allow_policy.name', 'istio_dry_run_allow_shadow_effective_policy_id'],
  ['allow_policy.result', 'istio_dry_run_allow_shadow_engine_result'],
  ['deny_policy.name', 'istio_dry_run_deny_shadow_effective_policy_id'],
  ['deny_policy.result', 'istio_dry_run_deny_shadow_engine_result'],
];

const SHADOW_TAGS: readonly CustomTag[] = DRY_RUN_TAGS.map(([tag, key]) => ({
  tag: `istio.authorization.dry_run.${tag}`,
  metadata: { kind: { request: {} }, metadata_key: { key: 'envoy.filters.http.rbac', path: [{ key }] } },
}));

/** Undefined where the mesh does not trace. Tags stand in the order of their names, as istiod's do. */
export function tracingOf(
  settings: ListenerSettings,
  identity: TraceIdentity,
): HttpConnectionManager_Tracing | undefined {
  if (!settings.isTracingEnabled) return undefined;
  return {
    client_sampling: { value: 100 },
    random_sampling: { value: settings.traceSampling },
    overall_sampling: { value: 100 },
    custom_tags: [
      ...SHADOW_TAGS,
      literal('istio.canonical_revision', identity.canonicalRevision),
      literal('istio.canonical_service', identity.canonicalService),
      literal('istio.cluster_id', identity.cluster),
      literal('istio.mesh_id', identity.meshId),
      literal('istio.namespace', identity.namespace),
    ],
  };
}

function literal(tag: string, value: string): CustomTag {
  return { tag, literal: { value } };
}
