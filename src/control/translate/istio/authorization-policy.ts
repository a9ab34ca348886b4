// AuthorizationPolicy → access rules: who may ask for what, as conjunctions of conditions in Istio's order.
import type { AccessAction, AccessCondition, AccessPolicy, AccessRule } from '../../model/policy.ts';
import type { ConfigObject } from '../../source/object.ts';
import { type Json, partIn, partsIn, textIn, textsIn } from '../fields.ts';
import { policyTargets } from './policy-target.ts';

/** Key of the condition, and the fields of its values and the values that must not be. */
type Field = readonly [key: string, values: string, notValues: string];

const SOURCE: readonly Field[] = [
  ['source.principal', 'principals', 'notPrincipals'],
  ['request.auth.principal', 'requestPrincipals', 'notRequestPrincipals'],
  ['source.serviceAccount', 'serviceAccounts', 'notServiceAccounts'],
  ['source.namespace', 'namespaces', 'notNamespaces'],
  ['source.trustDomain', 'trustDomains', 'notTrustDomains'],
  ['remote.ip', 'remoteIpBlocks', 'notRemoteIpBlocks'],
  ['source.ip', 'ipBlocks', 'notIpBlocks'],
];

const OPERATION: readonly Field[] = [
  ['request.host', 'hosts', 'notHosts'],
  ['request.method', 'methods', 'notMethods'],
  ['request.path', 'paths', 'notPaths'],
  ['destination.port', 'ports', 'notPorts'],
];

const DRY_RUN = 'istio.io/dry-run';
/** What counts as true in annotations, as Go reads booleans. */
const TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);

export function translateAuthorizationPolicy(key: string, object: ConfigObject, rootNamespace: string): AccessPolicy {
  const { namespace, name, creationMs, spec } = object;
  return {
    ...{ key, namespace, name, creationMs },
    action: actionOf(textIn(spec, 'action')),
    targets: policyTargets(object, rootNamespace),
    rules: partsIn(spec, 'rules').map((rule, index) => accessRule(rule, key, index, namespace)),
    isDryRun: TRUE.has(object.annotations[DRY_RUN] ?? ''),
    provider: textIn(partIn(spec, 'provider'), 'name'),
  };
}

function actionOf(action: string): AccessAction {
  return action === 'DENY' || action === 'AUDIT' || action === 'CUSTOM' ? action : 'ALLOW';
}

function accessRule(rule: Json, key: string, index: number, namespace: string): AccessRule {
  return {
    origin: { key, index },
    from: partsIn(rule, 'from').map((from) =>
      conditions(partIn(from, 'source'), SOURCE).map((condition) => withNamespace(condition, namespace)),
    ),
    to: partsIn(rule, 'to').map((to) => conditions(partIn(to, 'operation'), OPERATION)),
    when: partsIn(rule, 'when').flatMap((when) => {
      const [key, values, notValues] = [textIn(when, 'key'), textsIn(when, 'values'), textsIn(when, 'notValues')];
      return nonEmpty({ key, values, notValues }).map((condition) => withNamespace(condition, namespace));
    }),
  };
}

function conditions(part: Json, fields: readonly Field[]): AccessCondition[] {
  return fields.flatMap(([key, values, notValues]) =>
    nonEmpty({ key, values: textsIn(part, values), notValues: textsIn(part, notValues) }),
  );
}

function nonEmpty(condition: AccessCondition): AccessCondition[] {
  return condition.values.length === 0 && condition.notValues.length === 0 ? [] : [condition];
}

/** An account without namespace is one of the policy's. */
function withNamespace(condition: AccessCondition, namespace: string): AccessCondition {
  if (condition.key !== 'source.serviceAccount') return condition;
  const full = (account: string): string => (account.includes('/') ? account : `${namespace}/${account}`);
  return { key: condition.key, values: condition.values.map(full), notValues: condition.notValues.map(full) };
}
