// Route configurations as istiod makes them, and what one change costs and concerns.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openCapture } from '../../../test/captures/captures.ts';
import { canonical, captureRig, classOfNode, shown, type StageRig } from '../../../test/control/stage-rig.ts';
import type { ProxyClass } from '../model/proxy.ts';
import { type RouteResources, routeKey, routeResourcesStage } from './route-resources-stage.ts';
import { routesStage } from './routes-stage.ts';
import { type ScopesStage, scopesStage, sidecarKey } from './scopes-stage.ts';
import { servicesStage } from './services-stage.ts';
import { trafficPolicyStage } from './traffic-policy-stage.ts';

const ROUTE_TYPE = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';

type Json = Record<string, unknown>;
type Stages = { readonly scopes: ScopesStage; readonly resources: RouteResources };

function stagesOf({ inputs }: StageRig): Stages {
  const services = servicesStage(inputs);
  const policies = trafficPolicyStage(inputs, services);
  const routes = routesStage(inputs, services);
  const scopes = scopesStage(inputs, { services: services.services, routeSets: routes.routeSets });
  return { scopes, resources: routeResourcesStage(inputs, { services, policies, routes, scopes }) };
}

/** The class of a node with the Sidecar that applies to it and the labels by which something selects. */
function fullClass(stages: Stages, node: Json, kind: ProxyClass['kind']): ProxyClass {
  const facts = classOfNode(node, kind);
  const all = (node['metadata'] as { LABELS?: Record<string, string> }).LABELS ?? {};
  const sidecar = stages.scopes.sidecarOf.retain(sidecarKey(facts.namespace, all));
  const scope = sidecar === '' ? facts.namespace : `${facts.namespace}|${sidecar}`;
  const names = stages.resources.selectingLabels.retain(scope).filter((name) => all[name] !== undefined);
  return { ...facts, sidecar, labels: Object.fromEntries(names.map((name) => [name, all[name]!])) };
}

/** istiod writes query parameters in the order of a map, which is another one each time. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]): [string, unknown] => [key, sorted(inner)]);
  const object = Object.fromEntries(entries);
  const params = object['query_parameters'] as { name: string }[] | undefined;
  return params === undefined
    ? object
    : { ...object, query_parameters: params.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

describe('route configurations of sidecars are those of istiod', () => {
  const captures = [
    ...['01-plain-sidecar/client', '01-plain-sidecar/server', '02-dns-capture/client', '03-vs-split-8020/client'],
    ...['04-vs-match-rewrite-redirect/client', '05-vs-fault-retry-mirror-cors/client', '07-dr-tls-modes/client'],
    ...['11-egress-gateway/client', '12-sidecar-scoping/server', '12-sidecar-scoping/other'],
    ...['24-serviceentry-external/client', '25-workloadentry-locality/client', '40-stock-envoy-flags/client'],
    ...['08-gateway-http/client', '17-peerauth-strict/client'],
  ];
  for (const name of captures) {
    test(name, () => {
      const capture = openCapture(name);
      const stages = stagesOf(captureRig(name));
      const facts = fullClass(stages, capture.node as Json, name.startsWith('40') ? 'envoy' : 'istio-proxy');
      const captured = capture.types.get(ROUTE_TYPE) ?? [];
      const scope = facts.sidecar === '' ? facts.namespace : `${facts.namespace}|${facts.sidecar}`;
      assert.deepEqual(stages.resources.routeNames.retain(scope), captured.map((resource) => resource.name).sort());
      for (const resource of captured) {
        const made = stages.resources.routeConfigurations.retain(routeKey(facts, resource.name));
        assert.deepEqual(sorted(shown(ROUTE_TYPE, made.body)), sorted(canonical(resource.json as Json)), resource.name);
      }
    });
  }
});
