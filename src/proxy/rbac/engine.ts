// Role-based access control: what decides, and the engine of envoy.config.rbac.v3.RBAC with its policies by name.
import type { Headers } from '../../wire/headers.ts';
import type { Metadata } from '../config/matcher.ts';
import type { StreamInfo } from '../stream-info.ts';
import type { Rule } from './rules.ts';

export type RbacAction = 'ALLOW' | 'DENY' | 'LOG';

/** No policy matched. */
export const NO_POLICY = -1;

/** Decides on one exchange. What matched is an index, for statistics, logs and explanations. */
export type RbacEngine = {
  /** Number of policies: indices are below it. */
  readonly size: number;
  /** The index of the first policy that matches, or NO_POLICY. */
  match(info: StreamInfo, headers: Headers, route: Metadata | null | undefined): number;
  /** What `match` gave as a verdict. */
  isAllowed(index: number): boolean;
  /** The name of a policy, '' for none. */
  nameOf(index: number): string;
  /** The `access_log_hint` that a match entails; null for none. */
  logHint(index: number): boolean | null;
};

export type RbacPolicy = {
  readonly name: string;
  readonly permission: Rule;
  readonly principal: Rule;
  /** Asked last, of what the other two take; null for none. */
  readonly condition: Rule | null;
};

export class PolicyEngine implements RbacEngine {
  readonly action: RbacAction;
  /** Sorted by the bytes of their names, the order in which Envoy tries them. */
  readonly policies: readonly RbacPolicy[];

  constructor(action: RbacAction, policies: readonly RbacPolicy[]) {
    this.action = action;
    const byBytes = (a: RbacPolicy, b: RbacPolicy) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
    this.policies = Object.freeze([...policies].sort(byBytes));
  }

  get size(): number {
    return this.policies.length;
  }

  match(info: StreamInfo, headers: Headers, route: Metadata | null | undefined): number {
    const policies = this.policies;
    for (let i = 0; i < policies.length; i++) {
      const policy = policies[i] as RbacPolicy;
      if (!policy.permission.matches(info, headers, route) || !policy.principal.matches(info, headers, route)) continue;
      if (policy.condition === null || policy.condition.matches(info, headers, route)) return i;
    }
    return NO_POLICY;
  }

  isAllowed(index: number): boolean {
    if (this.action === 'ALLOW') return index !== NO_POLICY;
    return this.action === 'LOG' || index === NO_POLICY;
  }

  nameOf(index: number): string {
    return this.policies[index]?.name ?? '';
  }

  logHint(index: number): boolean | null {
    return this.action === 'LOG' ? index !== NO_POLICY : null;
  }
}
