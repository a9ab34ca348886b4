// Role-based access control (envoy.config.rbac.v3.RBAC): policies in order of their names, and what a match means.
import type { Headers } from '../../wire/headers.ts';
import type { Metadata } from '../config/matcher.ts';
import type { StreamInfo } from '../stream-info.ts';
import type { Rule } from './rules.ts';

export type RbacAction = 'ALLOW' | 'DENY' | 'LOG';

export type RbacPolicy = {
  readonly name: string;
  readonly permission: Rule;
  readonly principal: Rule;
};

/** No policy matched. */
export const NO_POLICY = -1;

export class RbacEngine {
  readonly action: RbacAction;
  /** Sorted by the bytes of their names, the order in which Envoy tries them. */
  readonly policies: readonly RbacPolicy[];

  constructor(action: RbacAction, policies: readonly RbacPolicy[]) {
    this.action = action;
    this.policies = Object.freeze(
      [...policies].sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name))),
    );
  }

  /** The index of the first policy that matches, or NO_POLICY. */
  match(info: StreamInfo, headers: Headers, route: Metadata | null | undefined): number {
    const policies = this.policies;
    for (let i = 0; i < policies.length; i++) {
      const policy = policies[i] as RbacPolicy;
      if (policy.permission.matches(info, headers, route) && policy.principal.matches(info, headers, route)) return i;
    }
    return NO_POLICY;
  }

  /** What `match` gave as a verdict. */
  isAllowed(index: number): boolean {
    if (this.action === 'ALLOW') return index !== NO_POLICY;
    return this.action === 'LOG' || index === NO_POLICY;
  }

  /** The name of a policy, '' for none. */
  nameOf(index: number): string {
    return this.policies[index]?.name ?? '';
  }
}
