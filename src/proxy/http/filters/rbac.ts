// The rbac filter (envoy.filters.http.rbac): lets requests in, or answers 403, by policies; shadow rules only count.
import type { Headers } from '../../../wire/headers.ts';
import type { ConfigDecoder } from '../../config-decoder.ts';
import { RBAC_FIELDS } from '../../rbac/decode.ts';
import { RBAC_MATCHER_FIELDS } from '../../rbac/matcher-engine.ts';
import {
  RBAC_STATS,
  RuleSet,
  SHADOW_STATS,
  UNDECIDED_DETAILS,
  decodeEngines,
  joinPrefix,
} from '../../rbac/rule-set.ts';
import type { RbacDecision, RbacEngines, RbacEnginesPb, RbacReport } from '../../rbac/rule-set.ts';
import { defineHttpFilter } from '../filter.ts';
import type { AskedRequest, FilterContext, FilterStream, HeadersStatus, HttpFilter, RouteView } from '../filter.ts';

const PACKAGE = 'envoy.extensions.filters.http.rbac.v3';
const NAME = 'envoy.filters.http.rbac';

type RbacFilterPb = RbacEnginesPb & {
  rules_stat_prefix?: string;
  shadow_rules_stat_prefix?: string;
  track_per_rule_stats?: boolean;
};

type RbacConfig = RbacEngines & {
  readonly statPrefix: string;
  readonly shadowStatPrefix: string;
  readonly hasPolicyStats: boolean;
};

function decode(message: RbacFilterPb, d: ConfigDecoder): RbacConfig {
  return Object.freeze({
    ...decodeEngines(message, d),
    statPrefix: message.rules_stat_prefix ?? '',
    shadowStatPrefix: message.shadow_rules_stat_prefix ?? '',
    hasPolicyStats: message.track_per_rule_stats ?? false,
  });
}

class RbacFilter implements HttpFilter {
  readonly #report: RbacReport;
  protected readonly slot: number;
  readonly #own: RuleSet;
  readonly #routeRules = new WeakMap<RbacConfig, RuleSet>();

  constructor(config: RbacConfig, context: FilterContext) {
    const prefix = `${context.statPrefix}rbac.`;
    this.#report = {
      namespace: NAME,
      prefix: config.statPrefix,
      shadowPrefix: config.shadowStatPrefix,
      hasPolicyStats: config.hasPolicyStats,
      scope: context.stats.scope(joinPrefix(prefix, config.statPrefix), RBAC_STATS),
      shadowScope: context.stats.scope(joinPrefix(prefix, config.shadowStatPrefix), SHADOW_STATS),
    };
    this.slot = context.slot;
    this.#own = new RuleSet(config, this.#report);
  }

  decodeHeaders(stream: FilterStream, headers: Headers): HeadersStatus {
    let decision: RbacDecision | null;
    try {
      decision = this.#judge(stream, headers);
    } catch {
      // A guard that cannot decide denies.
      const { scope } = this.#report;
      scope.inc(scope.dynamicCounter('evaluation_error'));
      scope.inc(scope.i.denied);
      deny(stream, UNDECIDED_DETAILS);
      return 'stop';
    }
    if (decision === null || decision.isAllowed) return 'continue';
    deny(stream, decision.details);
    return 'stop';
  }

  denies(asked: AskedRequest): boolean {
    return this.#rulesFor(asked).wouldDeny(asked.info, asked.requestHeaders, metadataOf(asked.route));
  }

  #rulesFor(stream: Pick<FilterStream, 'routeConfig'>): RuleSet {
    const local = stream.routeConfig(this.slot) as RbacConfig | null;
    return local === null ? this.#own : this.#rulesOf(local);
  }

  /** Null when there is nothing to judge. */
  #judge(stream: FilterStream, headers: Headers): RbacDecision | null {
    const rules = this.#rulesFor(stream);
    if (rules.isEmpty) return null;
    const decision = rules.judge(stream.info, headers, metadataOf(stream.route));
    // For whoever explains the request.
    stream.slot[this.slot] = decision;
    return decision;
  }

  /** A route's rules count where the filter does; prefixes of its own only name its metadata. */
  #rulesOf(config: RbacConfig): RuleSet {
    let rules = this.#routeRules.get(config);
    if (rules === undefined) {
      rules = new RuleSet(config, {
        ...this.#report,
        prefix: config.statPrefix || this.#report.prefix,
        shadowPrefix: config.shadowStatPrefix || this.#report.shadowPrefix,
        hasPolicyStats: config.hasPolicyStats,
      });
      this.#routeRules.set(config, rules);
    }
    return rules;
  }
}

/** Behind the router it decides as soon as there is a host, before anything is asked of that. */
class UpstreamRbacFilter extends RbacFilter {
  hostSelected(stream: FilterStream): void {
    super.decodeHeaders(stream, stream.requestHeaders);
  }

  /** One that comes into the chain later than the host decides now. */
  override decodeHeaders(stream: FilterStream, headers: Headers): HeadersStatus {
    return stream.slot[this.slot] === undefined ? super.decodeHeaders(stream, headers) : 'continue';
  }
}

function metadataOf(route: RouteView | null): RouteView['metadata'] {
  return route === null ? undefined : (route.metadata ?? null);
}

function deny(stream: FilterStream, details: string): void {
  stream.sendLocalReply({ status: 403, body: 'RBAC: access denied', details });
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
  stands: 'anywhere',
  decode,
  // Without `rbac` the route has no rules at all: everything is let in.
  decodeRoute: (message: { rbac?: RbacFilterPb }, d): RbacConfig => decode(message.rbac ?? {}, d.at('rbac')),
  create: (config, context) =>
    context.isUpstream === true ? new UpstreamRbacFilter(config, context) : new RbacFilter(config, context),
});
