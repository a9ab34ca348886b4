// Policies that select the proxies of a Gateway of the Gateway API by labels, which has no effect there.
import { hasLabels, selects } from '../../model/labels.ts';
import { namesIn, partIn } from '../../translate/fields.ts';
import type { Analyzer } from '../analyzer.ts';

const KINDS = ['AuthorizationPolicy', 'RequestAuthentication', 'Telemetry', 'WasmPlugin', 'TrafficExtension'] as const;
const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';

export const gatewaySelectors: Analyzer = {
  name: 'k8sgateway.SelectorAnalyzer',
  description: 'Check that selectors are effective for Kubernetes gateway',
  codes: ['IST0166'],
  run(world, report) {
    const gateways = world.workloads.filter(({ labels }) => labels[GATEWAY_NAME] !== undefined);
    if (gateways.length === 0) return;
    for (const object of KINDS.flatMap((kind) => world.kind(kind))) {
      const { spec, namespace } = object;
      const labels = namesIn(partIn(spec, 'selector'), 'matchLabels');
      if (!hasLabels(labels) || spec['targetRef'] !== undefined || spec['targetRefs'] !== undefined) continue;
      for (const workload of gateways) {
        if (workload.namespace !== namespace || !selects(labels, workload.labels)) continue;
        report('IST0166', object, ['spec', 'selector'], workload.labels[GATEWAY_NAME]);
      }
    }
  },
};
