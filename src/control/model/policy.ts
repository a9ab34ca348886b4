// Who may call whom, and how: mTLS modes and access rules, with their targets resolved and L4 and L7 parts apart.
import type { Origin } from './origin.ts';

export type MtlsMode = 'DISABLE' | 'PERMISSIVE' | 'STRICT';

/** The mode of each port of a workload, from all PeerAuthentications that apply. */
export type MtlsPolicy = {
  readonly mode: MtlsMode;
  readonly ports: ReadonlyMap<number, MtlsMode>;
  /** Objects that took part, most specific first. */
  readonly origins: readonly string[];
};

/** What an access rule is attached to. */
export type PolicyTarget =
  | { readonly kind: 'mesh' }
  | { readonly kind: 'namespace'; readonly namespace: string }
  | { readonly kind: 'workloads'; readonly namespace: string; readonly labels: Readonly<Record<string, string>> }
  | { readonly kind: 'service' | 'gateway'; readonly namespace: string; readonly name: string };

export type ValueMatch = { readonly values: readonly string[]; readonly notValues: readonly string[] };

/** Conditions of one rule: all of them hold. A key is one of Istio's ('source.principal', 'request.headers[x]', …). */
export type AccessCondition = { readonly key: string } & ValueMatch;

export type AccessRule = {
  readonly origin: Origin;
  /** One of them holds; none: every caller. Each is a conjunction. */
  readonly from: readonly (readonly AccessCondition[])[];
  readonly to: readonly (readonly AccessCondition[])[];
  readonly when: readonly AccessCondition[];
};

export type AccessAction = 'ALLOW' | 'DENY' | 'AUDIT' | 'CUSTOM';

export type AccessPolicy = {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly creationMs: number;
  readonly action: AccessAction;
  readonly targets: readonly PolicyTarget[];
  readonly rules: readonly AccessRule[];
  readonly isDryRun: boolean;
  /** CUSTOM: the provider's name. */
  readonly provider: string;
};

/** An object that guards access and is not yet effective: the workloads it selects are closed. */
export type ClosedBy = { readonly origin: string; readonly targets: readonly PolicyTarget[]; readonly reason: string };
