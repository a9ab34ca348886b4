// Judges exchanges by one set of rules and says what came of it: statistics, metadata, details; for all rbac filters.
import { bytesOf } from '../../base/matcher-text.ts';
import type { ScopeOf } from '../../telemetry/metrics.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { Metadata } from '../config/matcher.ts';
import type { StreamInfo } from '../stream-info.ts';
import { decodeRbac } from './decode.ts';
import type { RbacPb } from './decode.ts';
import { NO_POLICY } from './engine.ts';
import type { RbacEngine } from './engine.ts';
import { decodeMatcherEngine } from './matcher-engine.ts';
import type { MatcherPb } from './matcher-engine.ts';

const COMMON_NAMESPACE = 'envoy.common';

export const RBAC_STATS = { allowed: 'counter', denied: 'counter' } as const;
export const SHADOW_STATS = { shadow_allowed: 'counter', shadow_denied: 'counter' } as const;

/** What a guard says that cannot decide. */
export const UNDECIDED_DETAILS = 'rbac_access_denied_matched_policy[none]';

/** Decisions that one rule set keeps ready; with more policies than that they are made per exchange. */
const MAX_KEPT_DECISIONS = 4096;

export type RbacEnginesPb = {
  rules?: RbacPb;
  shadow_rules?: RbacPb;
  matcher?: MatcherPb;
  shadow_matcher?: MatcherPb;
};

/** What decides, and what only counts what it would have decided. */
export type RbacEngines = { readonly engine: RbacEngine | null; readonly shadow: RbacEngine | null };

export function decodeEngines(message: RbacEnginesPb, d: ConfigDecoder): RbacEngines {
  return {
    engine: decodeEngine(message.rules, message.matcher, d, ''),
    shadow: decodeEngine(message.shadow_rules, message.shadow_matcher, d, 'shadow_'),
  };
}

/** A matcher goes before rules, as in Envoy. */
function decodeEngine(
  rules: RbacPb | undefined,
  matcher: MatcherPb | undefined,
  d: ConfigDecoder,
  prefix: string,
): RbacEngine | null {
  if (matcher !== undefined) return decodeMatcherEngine(matcher, d.at(`${prefix}matcher`));
  return rules === undefined ? null : decodeRbac(rules, d.at(`${prefix}rules`));
}

/** Where a rule set writes down what it decided. */
export type RbacReport = {
  /** Namespace of the dynamic metadata. */
  readonly namespace: string;
  /** Before the metadata's keys; null writes none (Envoy's network filter, of what is enforced). */
  readonly prefix: string | null;
  readonly shadowPrefix: string;
  readonly hasPolicyStats: boolean;
  readonly scope: ScopeOf<typeof RBAC_STATS>;
  readonly shadowScope: ScopeOf<typeof SHADOW_STATS>;
};

/** What came of an exchange, for whoever explains it: indices into the engines' policies. */
export type RbacDecision = {
  readonly isAllowed: boolean;
  readonly policyIndex: number;
  readonly shadowPolicyIndex: number;
  readonly details: string;
  /** Goes into dynamic metadata as it is; null when there is none. */
  readonly metadata: Readonly<Record<string, unknown>> | null;
  /** Cells of per-policy counters; -1 for none. */
  readonly policyCell: number;
  readonly shadowPolicyCell: number;
};

/** One configuration's engines: their possible decisions, each made once. */
export class RuleSet {
  readonly #engines: RbacEngines;
  readonly #report: RbacReport;
  readonly #decisions: (RbacDecision | undefined)[] = [];
  readonly #width: number;
  readonly #isKept: boolean;

  constructor(engines: RbacEngines, report: RbacReport) {
    this.#engines = engines;
    this.#report = report;
    this.#width = (engines.engine?.size ?? 0) + 1;
    this.#isKept = this.#width * ((engines.shadow?.size ?? 0) + 1) <= MAX_KEPT_DECISIONS;
  }

  /** Nothing judges: everything is let in, and nothing is counted. */
  get isEmpty(): boolean {
    return this.#engines.engine === null && this.#engines.shadow === null;
  }

  /** Counts and notes what it decides. May throw where a rule cannot be evaluated: the caller denies then. */
  judge(info: StreamInfo, headers: Headers, route: Metadata | null | undefined): RbacDecision {
    const { engine, shadow } = this.#engines;
    const { scope, shadowScope, namespace } = this.#report;
    let shadowIndex = NO_POLICY;
    if (shadow !== null) {
      shadowIndex = shadow.match(info, headers, route);
      const cells = shadowScope.i;
      shadowScope.inc(shadow.isAllowed(shadowIndex) ? cells.shadow_allowed : cells.shadow_denied);
    }
    let index = NO_POLICY;
    if (engine !== null) {
      index = engine.match(info, headers, route);
      scope.inc(engine.isAllowed(index) ? scope.i.allowed : scope.i.denied);
      const hint = engine.logHint(index);
      if (hint !== null) info.setMetadata(COMMON_NAMESPACE, { access_log_hint: hint });
    }
    const decision = this.#decision(index, shadowIndex);
    if (decision.shadowPolicyCell >= 0) shadowScope.inc(decision.shadowPolicyCell);
    if (decision.policyCell >= 0) scope.inc(decision.policyCell);
    if (decision.metadata !== null) noteMetadata(info, namespace, decision.metadata);
    return decision;
  }

  /** Of what was let in before these rules held: notes nothing, and counts it as denied only if it is. */
  wouldDeny(info: StreamInfo, headers: Headers, route: Metadata | null | undefined): boolean {
    const { engine } = this.#engines;
    if (engine === null) return false;
    const { scope } = this.#report;
    try {
      if (engine.isAllowed(engine.match(info, headers, route))) return false;
    } catch {
      scope.inc(scope.dynamicCounter('evaluation_error'));
    }
    scope.inc(scope.i.denied);
    return true;
  }

  #decision(policyIndex: number, shadowPolicyIndex: number): RbacDecision {
    if (!this.#isKept) return this.#decide(policyIndex, shadowPolicyIndex);
    const at = (shadowPolicyIndex + 1) * this.#width + policyIndex + 1;
    let decision = this.#decisions[at];
    if (decision === undefined) {
      decision = this.#decide(policyIndex, shadowPolicyIndex);
      this.#decisions[at] = decision;
    }
    return decision;
  }

  #decide(policyIndex: number, shadowPolicyIndex: number): RbacDecision {
    const { engine, shadow } = this.#engines;
    const { hasPolicyStats, prefix, shadowPrefix, scope, shadowScope } = this.#report;
    const metadata: Record<string, unknown> = {};
    let shadowPolicyCell = -1;
    if (shadow !== null) {
      const verdict = shadow.isAllowed(shadowPolicyIndex) ? 'allowed' : 'denied';
      const name = shadow.nameOf(shadowPolicyIndex);
      if (shadowPolicyIndex !== NO_POLICY) {
        metadata[`${shadowPrefix}shadow_effective_policy_id`] = name;
        if (hasPolicyStats) shadowPolicyCell = shadowScope.dynamicCounter(`policy.${bytesOf(name)}.shadow_${verdict}`);
      }
      metadata[`${shadowPrefix}shadow_engine_result`] = verdict;
    }
    let policyCell = -1;
    const isAllowed = engine === null || engine.isAllowed(policyIndex);
    const name = engine === null || policyIndex === NO_POLICY ? 'none' : engine.nameOf(policyIndex);
    if (engine !== null) {
      const verdict = isAllowed ? 'allowed' : 'denied';
      if (policyIndex !== NO_POLICY) {
        if (prefix !== null) metadata[`${prefix}enforced_effective_policy_id`] = name;
        if (hasPolicyStats) policyCell = scope.dynamicCounter(`policy.${bytesOf(name)}.${verdict}`);
      }
      if (prefix !== null) metadata[`${prefix}enforced_engine_result`] = verdict;
    }
    // Blanks would break the columns of an access log.
    const details = isAllowed
      ? ''
      : `rbac_access_denied_matched_policy[${bytesOf(name).replace(/[ \t\n\v\f\r]/g, '_')}]`;
    const common = { isAllowed, policyIndex, shadowPolicyIndex, details, policyCell, shadowPolicyCell };
    return Object.freeze({ ...common, metadata: Object.keys(metadata).length === 0 ? null : Object.freeze(metadata) });
  }
}

/** As setMetadata, but the first writer's object is shared: it is frozen, and nobody changes a namespace in place. */
function noteMetadata(info: StreamInfo, namespace: string, values: Readonly<Record<string, unknown>>): void {
  info.dynamicMetadata ??= new Map();
  const old = info.dynamicMetadata.get(namespace);
  info.dynamicMetadata.set(namespace, old === undefined ? values : { ...old, ...values });
}

/** Envoy's statPrefixJoin: one dot between, one behind. */
export function joinPrefix(prefix: string, name: string): string {
  return name === '' || name.endsWith('.') ? prefix + name : `${prefix}${name}.`;
}
