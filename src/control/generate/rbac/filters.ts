// Access policies as RBAC filters: one for each action, the same rules once for requests and once for connections.
import type {
  ConfigRbac_RBAC,
  Filter,
  HttpFilter,
  MessageTypes,
  Permission,
  Policy,
  Principal,
} from '../../../proto/generated/types.d.ts';
import type { AccessCondition, AccessPolicy, AccessRule, ClosedBy } from '../../model/policy.ts';
import { typed } from '../listener/any.ts';
import { isKnownKey, isPermission, permissionsOf, principalsOf } from './conditions.ts';

type Action = 'ALLOW' | 'DENY' | 'LOG';

/** In the order in which they decide: what is noted, what is refused, what is let in. */
const ORDER: readonly (readonly [AccessPolicy['action'], Action])[] = [
  ['AUDIT', 'LOG'],
  ['DENY', 'DENY'],
  ['ALLOW', 'ALLOW'],
];

export type AccessInput = {
  /** All that apply to the workload, in Istio's order. */
  readonly policies: readonly AccessPolicy[];
  /** Objects that guard it and are not understood: nobody comes in. */
  readonly closedBy: readonly ClosedBy[];
  readonly trustDomains: readonly string[];
};

export function accessFilters(input: AccessInput): { readonly http: HttpFilter[]; readonly tcp: Filter[] } {
  return {
    http: sets(input, false).map((config) => ({
      name: 'envoy.filters.http.rbac',
      typed_config: typed('envoy.extensions.filters.http.rbac.v3.RBAC', config),
    })),
    tcp: sets(input, true).map((config) => ({
      name: 'envoy.filters.network.rbac',
      typed_config: typed('envoy.extensions.filters.network.rbac.v3.RBAC', { ...config, stat_prefix: 'tcp.' }),
    })),
  };
}

type Config = Pick<
  MessageTypes['envoy.extensions.filters.http.rbac.v3.RBAC'],
  'rules' | 'shadow_rules' | 'shadow_rules_stat_prefix'
>;

function sets(input: AccessInput, isTcp: boolean): Config[] {
  const configs: Config[] = [];
  if (input.closedBy.length > 0) configs.push({ rules: closedRules(input.closedBy) });
  for (const [action, envoyAction] of ORDER) {
    const policies = input.policies.filter((policy) => policy.action === action);
    if (policies.length === 0) continue;
    const rules = rulesOf(policies, false, envoyAction, isTcp, input.trustDomains);
    const shadow = rulesOf(policies, true, envoyAction, isTcp, input.trustDomains);
    const config: Config = { shadow_rules_stat_prefix: shadowPrefix(shadow) };
    if (rules !== null) config.rules = rules;
    if (shadow !== null) config.shadow_rules = shadow;
    configs.push(config);
  }
  return configs;
}

/** istiod names the prefix of ALLOW also where nothing is tried out. */
function shadowPrefix(shadow: ConfigRbac_RBAC | null): string {
  if (shadow === null || shadow.action === 'ALLOW') return 'istio_dry_run_allow_';
  return shadow.action === 'DENY' ? 'istio_dry_run_deny_' : '';
}

/** Null when no policy is of that sort; a set without rules still decides, as it lets nobody in. */
function rulesOf(
  policies: readonly AccessPolicy[],
  isDryRun: boolean,
  action: Action,
  isTcp: boolean,
  trustDomains: readonly string[],
): ConfigRbac_RBAC | null {
  const own = policies.filter((policy) => policy.isDryRun === isDryRun);
  if (own.length === 0) return null;
  const written: Record<string, Policy> = {};
  for (const policy of own) {
    const id = (index: number): string => `ns[${policy.namespace}]-policy[${policy.name}]-rule[${index}]`;
    if (policy.rules.length === 0) written[id(0)] = NEVER;
    policy.rules.forEach((rule, index) => {
      const message = ruleMessage(rule, action, isTcp, trustDomains);
      if (message !== null) written[id(rule.origin.index ?? index)] = message;
    });
  }
  return { action, policies: written };
}

const NEVER: Policy = { permissions: [{ not_rule: { any: true } }], principals: [{ not_id: { any: true } }] };

/** Each alternative of `to` and `from`, with all conditions of `when`. Null when the rule cannot be written. */
function ruleMessage(rule: AccessRule, action: Action, isTcp: boolean, trustDomains: readonly string[]): Policy | null {
  const skipsBad = action !== 'ALLOW';
  const asked = rule.when.filter(isPermission);
  const askers = rule.when.filter((condition) => !isPermission(condition));
  const conditions = [...rule.to.flat(), ...rule.from.flat(), ...rule.when];
  if (!skipsBad && !conditions.every(({ key }) => isKnownKey(key))) return null;
  const to = rule.to.length === 0 ? [[]] : rule.to;
  const from = rule.from.length === 0 ? [[]] : rule.from;
  const permissions = collect<Permission>(to, asked, (condition) => permissionsOf(condition, isTcp, skipsBad));
  const principals = collect<Principal>(from, askers, (condition) =>
    principalsOf(condition, isTcp, skipsBad, trustDomains),
  );
  if (permissions === null || principals === null) return null;
  return {
    permissions: permissions.map((rules) => ({ and_rules: { rules: rules.length > 0 ? rules : [{ any: true }] } })),
    principals: principals.map((ids) => ({ and_ids: { ids: ids.length > 0 ? ids : [{ any: true }] } })),
  };
}

function collect<T>(
  alternatives: readonly (readonly AccessCondition[])[],
  always: readonly AccessCondition[],
  write: (condition: AccessCondition) => readonly T[] | null,
): T[][] | null {
  const all: T[][] = [];
  for (const alternative of alternatives) {
    const matchers: T[] = [];
    for (const condition of [...alternative, ...always]) {
      const written = write(condition);
      if (written === null) return null;
      matchers.push(...written);
    }
    all.push(matchers);
  }
  return all;
}

/** Refuses everybody, under the name of what closed the workload. */
function closedRules(closedBy: readonly ClosedBy[]): ConfigRbac_RBAC {
  const policies: Record<string, Policy> = {};
  for (const { origin } of closedBy) {
    policies[`heddle-closed-by[${origin}]`] = { permissions: [{ any: true }], principals: [{ any: true }] };
  }
  return { action: 'DENY', policies };
}
