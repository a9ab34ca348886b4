// Objects that guard access and have no effect yet: what they select is closed, because open would be worse.
import type { ClosedBy } from '../../model/policy.ts';
import type { ConfigObject } from '../../source/object.ts';
import type { Complaint } from '../complaint.ts';
import { partsIn, textIn } from '../fields.ts';
import { translateAuthorizationPolicy } from './authorization-policy.ts';
import { describeTargets, policyTargets } from './policy-target.ts';

/** Undefined for objects that guard nothing, or whose guard is understood. */
export function closedBy(key: string, object: ConfigObject, rootNamespace: string): ClosedBy | undefined {
  const reason = reasonOf(key, object, rootNamespace);
  return reason === '' ? undefined : { origin: key, targets: policyTargets(object, rootNamespace), reason };
}

function reasonOf(key: string, object: ConfigObject, rootNamespace: string): string {
  const { kind, spec } = object;
  if (kind === 'RequestAuthentication') {
    return partsIn(spec, 'jwtRules').length > 0 ? 'tokens of requests are not yet verified' : '';
  }
  if (kind === 'AuthorizationPolicy') {
    const policy = translateAuthorizationPolicy(key, object, rootNamespace);
    if (policy.action !== 'CUSTOM' || policy.isDryRun) return '';
    return `the provider ${policy.provider || 'of a CUSTOM action'} is not yet asked`;
  }
  const phase = textIn(spec, 'phase');
  if (!guardsCallers(object)) return '';
  if (phase === 'AUTHN' || phase === 'AUTHZ') return `plugins of phase ${phase} do not yet run`;
  return textIn(spec, 'failStrategy') === 'FAIL_CLOSE' ? 'plugins do not yet run, and this one must not fail' : '';
}

/** A plugin for what the workload itself calls lets nobody in. */
function guardsCallers({ spec }: ConfigObject): boolean {
  const matches = partsIn(spec, 'match');
  return matches.length === 0 || matches.some((match) => textIn(match, 'mode') !== 'CLIENT');
}

export function closedComplaint(closed: ClosedBy): Complaint {
  return {
    objectKey: closed.origin,
    fieldPath: '',
    message: `not yet effective: closes ${describeTargets(closed.targets)}, because ${closed.reason}`,
    remedy: 'remove it to open them again, or express it as an AuthorizationPolicy with ALLOW or DENY',
    severity: 'error',
  };
}
