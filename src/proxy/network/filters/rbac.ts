// The rbac filter for connections (envoy.filters.network.rbac): lets them in or closes them, by policies.
import { Headers } from '../../../wire/headers.ts';
import type { ConfigDecoder } from '../../config-decoder.ts';
import { RBAC_FIELDS } from '../../rbac/decode.ts';
import { RBAC_MATCHER_FIELDS } from '../../rbac/matcher-engine.ts';
import { findForeignRules, refusingHttpInputs } from '../../rbac/network-rules.ts';
import {
  RBAC_STATS,
  RuleSet,
  SHADOW_STATS,
  UNDECIDED_DETAILS,
  decodeEngines,
  joinPrefix,
} from '../../rbac/rule-set.ts';
import type { RbacDecision, RbacEngines, RbacEnginesPb, RbacReport } from '../../rbac/rule-set.ts';
import { defineNetworkFilter } from '../filter.ts';
import type { NetworkConnection, NetworkFilter, NetworkFilterContext, NetworkFilterStatus } from '../filter.ts';
import { CloseLater } from './close-later.ts';

const TYPE = 'envoy.extensions.filters.network.rbac.v3.RBAC';
const NAME = 'envoy.filters.network.rbac';
const CLOSE_REASON = 'rbac_deny_close';
/** A connection has no request to look at. */
const NO_HEADERS = new Headers();

type NetworkRbacPb = RbacEnginesPb & {
  stat_prefix?: string;
  shadow_rules_stat_prefix?: string;
  enforcement_type?: string;
  delay_deny?: { seconds: number; nanos: number };
};

type NetworkRbacConfig = RbacEngines & {
  readonly statPrefix: string;
  readonly shadowStatPrefix: string;
  readonly isContinuous: boolean;
  readonly delayDenyMs: number;
};

function decode(message: NetworkRbacPb, d: ConfigDecoder): NetworkRbacConfig {
  for (const { path, reason } of findForeignRules(message)) d.reject(path, reason);
  return Object.freeze({
    ...decodeEngines(message, refusingHttpInputs(d)),
    statPrefix: message.stat_prefix ?? '',
    shadowStatPrefix: message.shadow_rules_stat_prefix ?? '',
    isContinuous: message.enforcement_type === 'CONTINUOUS',
    delayDenyMs: Math.trunc(d.durationMs(message.delay_deny, 0)),
  });
}

/** What the filter keeps of a connection. */
type Slot = {
  /** Waits before it closes a denied connection. */
  later: CloseLater | null;
  decision: RbacDecision | null;
  /** The decision at the connection's begin stands for its first bytes too. */
  isFirstRead: boolean;
};

/**
 * Decides when the connection begins: the filters that follow, which dial the upstream, never hear of one that is
 * denied. (Envoy waits for the first bytes, and meanwhile lets a server that speaks first talk to the client.)
 * With CONTINUOUS every further read is judged again.
 */
class NetworkRbacFilter implements NetworkFilter {
  readonly #config: NetworkRbacConfig;
  readonly #context: NetworkFilterContext;
  readonly #rules: RuleSet;
  readonly #report: RbacReport;
  readonly onData?: NonNullable<NetworkFilter['onData']>;

  constructor(config: NetworkRbacConfig, context: NetworkFilterContext) {
    const prefix = joinPrefix('', config.statPrefix);
    this.#config = config;
    this.#context = context;
    this.#report = {
      namespace: NAME,
      prefix: null,
      shadowPrefix: config.shadowStatPrefix,
      hasPolicyStats: false,
      scope: context.stats.scope(`${prefix}rbac.`, RBAC_STATS),
      shadowScope: context.stats.scope(joinPrefix(`${prefix}rbac.`, config.shadowStatPrefix), SHADOW_STATS),
    };
    this.#rules = new RuleSet(config, this.#report);
    if (config.isContinuous) {
      this.onData = (connection, _chunk, start, end) => (start === end ? 'continue' : this.#judgeRead(connection));
    }
  }

  onNewConnection(connection: NetworkConnection): NetworkFilterStatus {
    const state: Slot = { later: null, decision: null, isFirstRead: true };
    connection.slot[this.#context.slot] = state;
    return this.#judge(connection, state);
  }

  denies(connection: NetworkConnection): boolean {
    return this.#rules.wouldDeny(connection.info, NO_HEADERS, undefined);
  }

  onDestroy(connection: NetworkConnection): void {
    (connection.slot[this.#context.slot] as Slot | undefined)?.later?.cancel();
  }

  #judgeRead(connection: NetworkConnection): NetworkFilterStatus {
    const state = connection.slot[this.#context.slot] as Slot;
    if (state.later !== null) return 'stop';
    if (state.isFirstRead) {
      state.isFirstRead = false;
      return 'continue';
    }
    return this.#judge(connection, state);
  }

  #judge(connection: NetworkConnection, state: Slot): NetworkFilterStatus {
    if (this.#rules.isEmpty) return 'continue';
    let details = UNDECIDED_DETAILS;
    try {
      const decision = this.#rules.judge(connection.info, NO_HEADERS, undefined);
      state.decision = decision;
      if (decision.isAllowed) return 'continue';
      details = decision.details;
    } catch {
      // A guard that cannot decide denies.
      const { scope } = this.#report;
      scope.inc(scope.dynamicCounter('evaluation_error'));
      scope.inc(scope.i.denied);
    }
    this.#deny(connection, state, details);
    return 'stop';
  }

  #deny(connection: NetworkConnection, state: Slot, details: string): void {
    const { delayDenyMs } = this.#config;
    if (delayDenyMs === 0) connection.close('no-flush', CLOSE_REASON, details);
    else state.later = new CloseLater(connection, this.#context.clock, delayDenyMs, CLOSE_REASON, details);
  }
}

export const networkRbac = defineNetworkFilter({
  name: NAME,
  configType: TYPE,
  fields: {
    [TYPE]:
      'rules matcher stat_prefix shadow_rules shadow_matcher shadow_rules_stat_prefix enforcement_type delay_deny',
    ...RBAC_FIELDS,
    ...RBAC_MATCHER_FIELDS,
  },
  decode,
  create: (config, context) => new NetworkRbacFilter(config, context),
});
