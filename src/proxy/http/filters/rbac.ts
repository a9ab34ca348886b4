// The rbac filter (envoy.filters.http.rbac): lets requests in, or answers 403, by policies; shadow rules only count.
import { bytesOf } from '../../../base/matcher-text.ts';
import type { Scope } from '../../../telemetry/metrics.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { ConfigDecoder } from '../../config-decoder.ts';
import type { Metadata } from '../../config/matcher.ts';
import { RBAC_FIELDS, decodeRbac } from '../../rbac/decode.ts';
import type { RbacPb } from '../../rbac/decode.ts';
import { NO_POLICY } from '../../rbac/engine.ts';
import type { RbacEngine } from '../../rbac/engine.ts';
import { RBAC_MATCHER_FIELDS, decodeMatcherEngine } from '../../rbac/matcher-engine.ts';
import type { MatcherPb } from '../../rbac/matcher-engine.ts';
import type { StreamInfo } from '../../stream-info.ts';
import { defineHttpFilter } from '../filter.ts';
import type { FilterContext, FilterStream, HeadersStatus, HttpFilter } from '../filter.ts';

const PACKAGE = 'envoy.extensions.filters.http.rbac.v3';
const NAME = 'envoy.filters.http.rbac';
const COMMON_NAMESPACE = 'envoy.common';

/** Below `http.<stat_prefix>.rbac.<rules_stat_prefix>.` and `…<shadow_rules_stat_prefix>.` */
const STATS = { allowed: 'counter', denied: 'counter' } as const;
const SHADOW_STATS = { shadow_allowed: 'counter', shadow_denied: 'counter' } as const;

/** Decisions that one rule set keeps ready; with more policies than that they are made per request. */
const MAX_KEPT_DECISIONS = 4096;

type RbacFilterPb = {
  rules?: RbacPb;
  shadow_rules?: RbacPb;
  rules_stat_prefix?: string;
  shadow_rules_stat_prefix?: string;
  track_per_rule_stats?: boolean;
  matcher?: MatcherPb;
  shadow_matcher?: MatcherPb;
};

type RbacConfig = {
  readonly engine: RbacEngine | null;
  readonly shadow: RbacEngine | null;
  readonly statPrefix: string;
  readonly shadowStatPrefix: string;
  readonly hasPolicyStats: boolean;
};

/** What came of a request, for whoever explains it: indices into the engines' policies. In the filter's slot. */
export type RbacDecision = {
  readonly isAllowed: boolean;
  readonly policyIndex: number;
  readonly shadowPolicyIndex: number;
  readonly details: string;
  /** Goes into dynamic metadata as it is. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Cells of per-policy counters; -1 for none. */
  readonly policyCell: number;
  readonly shadowPolicyCell: number;
};

function decode(message: RbacFilterPb, d: ConfigDecoder): RbacConfig {
  return Object.freeze({
    engine: decodeEngine(message.rules, message.matcher, d, ''),
    shadow: decodeEngine(message.shadow_rules, message.shadow_matcher, d, 'shadow_'),
    statPrefix: message.rules_stat_prefix ?? '',
    shadowStatPrefix: message.shadow_rules_stat_prefix ?? '',
    hasPolicyStats: message.track_per_rule_stats ?? false,
  });
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

/** One configuration inside one filter: its possible decisions, each made once. */
class RuleSet {
  readonly engine: RbacEngine | null;
  readonly shadow: RbacEngine | null;
  readonly #config: RbacConfig;
  readonly #filter: RbacFilter;
  readonly #decisions: (RbacDecision | undefined)[] = [];
  readonly #width: number;
  readonly #isKept: boolean;

  constructor(config: RbacConfig, filter: RbacFilter) {
    this.engine = config.engine;
    this.shadow = config.shadow;
    this.#config = config;
    this.#filter = filter;
    this.#width = (config.engine?.size ?? 0) + 1;
    this.#isKept = this.#width * ((config.shadow?.size ?? 0) + 1) <= MAX_KEPT_DECISIONS;
  }

  decision(policyIndex: number, shadowPolicyIndex: number): RbacDecision {
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
    const { engine, shadow, hasPolicyStats, statPrefix, shadowStatPrefix } = this.#config;
    const { config: own, scope, shadowScope } = this.#filter;
    const metadata: Record<string, unknown> = {};
    let shadowPolicyCell = -1;
    if (shadow !== null) {
      const verdict = shadow.isAllowed(shadowPolicyIndex) ? 'allowed' : 'denied';
      const name = shadow.nameOf(shadowPolicyIndex);
      const prefix = shadowStatPrefix || own.shadowStatPrefix;
      if (shadowPolicyIndex !== NO_POLICY) {
        metadata[`${prefix}shadow_effective_policy_id`] = name;
        if (hasPolicyStats) shadowPolicyCell = shadowScope.dynamicCounter(`policy.${bytesOf(name)}.shadow_${verdict}`);
      }
      metadata[`${prefix}shadow_engine_result`] = verdict;
    }
    let policyCell = -1;
    const isAllowed = engine === null || engine.isAllowed(policyIndex);
    const name = engine === null || policyIndex === NO_POLICY ? 'none' : engine.nameOf(policyIndex);
    if (engine !== null) {
      const verdict = isAllowed ? 'allowed' : 'denied';
      const prefix = statPrefix || own.statPrefix;
      if (policyIndex !== NO_POLICY) {
        metadata[`${prefix}enforced_effective_policy_id`] = name;
        if (hasPolicyStats) policyCell = scope.dynamicCounter(`policy.${bytesOf(name)}.${verdict}`);
      }
      metadata[`${prefix}enforced_engine_result`] = verdict;
    }
    // Blanks would break the columns of an access log.
    const details = isAllowed
      ? ''
      : `rbac_access_denied_matched_policy[${bytesOf(name).replace(/[ \t\n\v\f\r]/g, '_')}]`;
    const common = { isAllowed, policyIndex, shadowPolicyIndex, details, policyCell, shadowPolicyCell };
    return Object.freeze({ ...common, metadata: Object.freeze(metadata) });
  }
}

class RbacFilter implements HttpFilter {
  readonly config: RbacConfig;
  readonly scope: Scope;
  readonly shadowScope: Scope;
  readonly #slot: number;
  readonly #own: RuleSet;
  readonly #routeRules = new WeakMap<RbacConfig, RuleSet>();
  readonly #cells;
  readonly #shadowCells;

  constructor(config: RbacConfig, context: FilterContext) {
    this.config = config;
    const prefix = `${context.statPrefix}rbac.`;
    const scope = context.stats.scope(joined(prefix, config.statPrefix), STATS);
    const shadowScope = context.stats.scope(joined(prefix, config.shadowStatPrefix), SHADOW_STATS);
    this.scope = scope;
    this.shadowScope = shadowScope;
    this.#cells = scope.i;
    this.#shadowCells = shadowScope.i;
    this.#slot = context.slot;
    this.#own = new RuleSet(config, this);
  }

  decodeHeaders(stream: FilterStream, headers: Headers): HeadersStatus {
    let decision: RbacDecision | null;
    try {
      decision = this.#judge(stream, headers);
    } catch {
      // A guard that cannot decide denies.
      this.scope.inc(this.scope.dynamicCounter('evaluation_error'));
      this.scope.inc(this.#cells.denied);
      deny(stream, 'rbac_access_denied_matched_policy[none]');
      return 'stop';
    }
    if (decision === null || decision.isAllowed) return 'continue';
    deny(stream, decision.details);
    return 'stop';
  }

  /** Null when there is nothing to judge. */
  #judge(stream: FilterStream, headers: Headers): RbacDecision | null {
    const local = stream.routeConfig(this.#slot) as RbacConfig | null;
    const rules = local === null ? this.#own : this.#rulesOf(local);
    const { engine, shadow } = rules;
    if (engine === null && shadow === null) return null;

    const { info, route } = stream;
    const routeMetadata: Metadata | null | undefined = route === null ? undefined : (route.metadata ?? null);
    let shadowIndex = NO_POLICY;
    if (shadow !== null) {
      shadowIndex = shadow.match(info, headers, routeMetadata);
      const cells = this.#shadowCells;
      this.shadowScope.inc(shadow.isAllowed(shadowIndex) ? cells.shadow_allowed : cells.shadow_denied);
    }
    let index = NO_POLICY;
    if (engine !== null) {
      index = engine.match(info, headers, routeMetadata);
      this.scope.inc(engine.isAllowed(index) ? this.#cells.allowed : this.#cells.denied);
      const hint = engine.logHint(index);
      if (hint !== null) info.setMetadata(COMMON_NAMESPACE, { access_log_hint: hint });
    }
    const decision = rules.decision(index, shadowIndex);
    if (decision.shadowPolicyCell >= 0) this.shadowScope.inc(decision.shadowPolicyCell);
    if (decision.policyCell >= 0) this.scope.inc(decision.policyCell);
    noteMetadata(info, decision.metadata);
    stream.slot[this.#slot] = decision;
    return decision;
  }

  #rulesOf(config: RbacConfig): RuleSet {
    let rules = this.#routeRules.get(config);
    if (rules === undefined) {
      rules = new RuleSet(config, this);
      this.#routeRules.set(config, rules);
    }
    return rules;
  }
}

/** As setMetadata, but the first writer's object is shared: it is frozen, and nobody changes a namespace in place. */
function noteMetadata(info: StreamInfo, values: Readonly<Record<string, unknown>>): void {
  info.dynamicMetadata ??= new Map();
  const old = info.dynamicMetadata.get(NAME);
  info.dynamicMetadata.set(NAME, old === undefined ? values : { ...old, ...values });
}

function deny(stream: FilterStream, details: string): void {
  stream.sendLocalReply({ status: 403, body: 'RBAC: access denied', details });
}

/** Envoy's statPrefixJoin: one dot between, one behind. */
function joined(prefix: string, name: string): string {
  return name === '' || name.endsWith('.') ? prefix + name : `${prefix}${name}.`;
}

export const rbac = defineHttpFilter({
  name: NAME,
  configType: `${PACKAGE}.RBAC`,
  routeConfigType: `${PACKAGE}.RBACPerRoute`,
  fields: {
    [`${PACKAGE}.RBAC`]:
      'rules matcher rules_stat_prefix shadow_rules shadow_matcher shadow_rules_stat_prefix track_per_rule_stats',
    [`${PACKAGE}.RBACPerRoute`]: 'rbac',
    ...RBAC_FIELDS,
    ...RBAC_MATCHER_FIELDS,
  },
  decode,
  // Without `rbac` the route has no rules at all: everything is let in.
  decodeRoute: (message: { rbac?: RbacFilterPb }, d): RbacConfig => decode(message.rbac ?? {}, d.at('rbac')),
  create: (config, context) => new RbacFilter(config, context),
});
