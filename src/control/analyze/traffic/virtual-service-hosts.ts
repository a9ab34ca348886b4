// Hosts that several VirtualServices claim among sidecars: only one of them can have effect.
import { hostsMeet } from '../../model/hosts.ts';
import type { ConfigObject } from '../../source/object.ts';
import { textsIn } from '../../translate/fields.ts';
import { visibility } from '../../translate/istio/names.ts';
import type { Analyzer } from '../analyzer.ts';
import { fullName, type World } from '../world.ts';

/** 'SCOPE/HOST' → who claims it; the scope is a namespace, or '*'. */
type Claims = ReadonlyMap<string, readonly ConfigObject[]>;

const EVERYWHERE = '*/';

export const conflictingHosts: Analyzer = {
  name: 'virtualservice.ConflictingMeshGatewayHostsAnalyzer',
  description: 'Checks if multiple virtual services associated with the mesh gateway have conflicting hosts',
  codes: ['IST0109'],
  run(world, report) {
    const claims = claimsOf(world);
    const wide = [...claims].filter(([claim]) => claim.startsWith(EVERYWHERE));
    const told = new Set<ConfigObject>();
    for (const [claim, own] of claims) {
      const host = hostOf(claim);
      const others = claim.startsWith(EVERYWHERE)
        ? []
        : wide.flatMap(([other, list]) => (hostsMeet(host, hostOf(other)) ? list : []));
      const all = [...new Set([...own, ...others])];
      if (all.length < 2) continue;
      const names = all.map(fullName).join(',');
      for (const object of all) {
        if (!told.has(object)) report('IST0109', object, pathOf(world, object, host), names, claim);
        told.add(object);
      }
    }
  },
};

function claimsOf(world: World): Claims {
  const claims = new Map<string, ConfigObject[]>();
  for (const object of world.kind('VirtualService')) {
    const { spec, namespace } = object;
    const gateways = textsIn(spec, 'gateways');
    if (gateways.length > 0 && !gateways.includes('mesh')) continue;
    const scopes = visibility(textsIn(spec, 'exportTo'), world.mesh.defaultVirtualServiceExportTo, namespace);
    const hosts = new Set(textsIn(spec, 'hosts').map((host) => world.fullHost(host, namespace)));
    for (const scope of scopes.has('*') ? ['*'] : scopes) {
      for (const host of hosts) {
        const claim = `${scope}/${host}`;
        const list = claims.get(claim);
        list === undefined ? claims.set(claim, [object]) : list.push(object);
      }
    }
  }
  return claims;
}

function hostOf(claim: string): string {
  return claim.slice(claim.indexOf('/') + 1);
}

/** The host that meets the one in conflict. */
function pathOf(world: World, { spec, namespace }: ConfigObject, host: string): (string | number)[] {
  const at = textsIn(spec, 'hosts').findIndex((one) => hostsMeet(world.fullHost(one, namespace), host));
  return ['spec', 'hosts', at];
}
