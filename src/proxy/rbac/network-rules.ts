// What rules of a connection may not ask for: there is no request, and a rule that never matches would deceive.
import { ConfigDecoder } from '../config-decoder.ts';
import type { Reason } from '../config-decoder.ts';
import type { PermissionPb, PrincipalPb, RbacPb } from './decode.ts';
import type { RbacEnginesPb } from './rule-set.ts';

const HEADER_RULE = 'Found header rule, not supported by RBAC network filter';
const HTTP_INPUTS = new Set([
  'envoy.type.matcher.v3.HttpRequestHeaderMatchInput',
  'envoy.type.matcher.v3.HttpRequestTrailerMatchInput',
  'envoy.type.matcher.v3.HttpRequestQueryParamMatchInput',
  'envoy.type.matcher.v3.HttpResponseHeaderMatchInput',
  'envoy.type.matcher.v3.HttpResponseTrailerMatchInput',
]);

/** Filters that write what they saw into metadata of this name, and are inert here. */
const UNSEEN = new Set([
  'envoy.filters.network.mongo_proxy',
  'envoy.filters.network.mysql_proxy',
  'envoy.filters.network.zookeeper_proxy',
]);

type RulePb = PermissionPb & PrincipalPb;

/**
 * Rules anywhere in `message` that cannot be judged. Of headers: Envoy refuses those, while a url_path merely never
 * matches. Of what inert filters would have seen: a denial by it would let everything pass.
 */
export function findForeignRules(message: RbacEnginesPb): Reason[] {
  const reasons: Reason[] = [];
  const inRule = (rule: RulePb, path: string): void => {
    if (rule.header !== undefined) reasons.push({ path: `${path}.header`, reason: HEADER_RULE });
    const namespace = rule.metadata?.filter ?? rule.sourced_metadata?.metadata_matcher?.filter ?? '';
    if (UNSEEN.has(namespace)) {
      reasons.push({ path, reason: `reads metadata of ${namespace}, a filter that is not built yet` });
    }
    for (const field of ['and_rules', 'or_rules'] as const) inList(rule[field]?.rules, `${path}.${field}.rules`);
    for (const field of ['and_ids', 'or_ids'] as const) inList(rule[field]?.ids, `${path}.${field}.ids`);
    for (const field of ['not_rule', 'not_id'] as const) {
      const inner = rule[field];
      if (inner !== undefined) inRule(inner as RulePb, `${path}.${field}`);
    }
  };
  const inList = (rules: readonly RulePb[] | undefined, path: string): void => {
    for (const [i, rule] of (rules ?? []).entries()) inRule(rule, `${path}[${i}]`);
  };
  const inRules = (rules: RbacPb | undefined, field: string): void => {
    for (const [name, policy] of Object.entries(rules?.policies ?? {})) {
      const path = `${field}.policies["${name}"]`;
      inList(policy.permissions, `${path}.permissions`);
      inList(policy.principals, `${path}.principals`);
    }
  };
  inRules(message.rules, 'rules');
  inRules(message.shadow_rules, 'shadow_rules');
  return reasons;
}

/** The same decoder, but one that refuses inputs of matchers that read a request. */
export function refusingHttpInputs(d: ConfigDecoder): ConfigDecoder {
  const { environment } = d;
  const unpack: typeof environment.unpack = (any, at) => {
    const unpacked = environment.unpack(any, at);
    if (unpacked === null || !HTTP_INPUTS.has(unpacked.type)) return unpacked;
    at.reject('', `RBAC network filter cannot match 'type.googleapis.com/${unpacked.type}'`);
    return null;
  };
  return new ConfigDecoder({ ...environment, unpack }, d.path, d.reasons);
}
