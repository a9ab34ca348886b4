// Routes by claims of tokens at gateways whose proxies read no tokens.
import type { PathPart } from '../../source/finding.ts';
import type { ConfigObject } from '../../source/object.ts';
import { partIn, partsIn, textsIn } from '../../translate/fields.ts';
import { fullGateway } from '../../translate/istio/names.ts';
import { isTargeted, policyTargets } from '../../translate/istio/policy-target.ts';
import type { Analyzer } from '../analyzer.ts';

const CLAIMS = '@request.auth.claims';

export const claimRoutes: Analyzer = {
  name: 'virtualservice.JWTClaimRouteAnalyzer',
  description: 'Checks the VirtualService using JWT claim based routing has corresponding RequestAuthentication',
  codes: ['IST0149'],
  run(world, report) {
    const { rootNamespace } = world.mesh;
    const targets = world.kind('RequestAuthentication').flatMap((object) => policyTargets(object, rootNamespace));
    for (const object of world.kind('VirtualService')) {
      const claim = claimOf(object);
      if (claim === null) continue;
      for (const name of textsIn(object.spec, 'gateways')) {
        const full = fullGateway(name, object.namespace);
        const gateway = world.gateways.get(`Gateway/${full}`);
        if (gateway === undefined) continue;
        for (const workload of world.workloadsOf(gateway)) {
          if (targets.some((target) => isTargeted(target, workload))) continue;
          report('IST0149', object, claim.path, claim.key, full, workload.name);
        }
      }
    }
  },
};

/** The first header that is a claim, and where it is. */
function claimOf({ spec }: ConfigObject): { readonly key: string; readonly path: readonly PathPart[] } | null {
  for (const [at, rule] of partsIn(spec, 'http').entries()) {
    for (const [i, match] of partsIn(rule, 'match').entries()) {
      for (const field of ['headers', 'withoutHeaders'] as const) {
        const key = Object.keys(partIn(match, field)).find((name) => name.startsWith(CLAIMS));
        if (key !== undefined) return { key, path: ['spec', 'http', at, 'match', i, field, key] };
      }
    }
  }
  return null;
}
