// What the mesh holds, as gauges under istiod's names (istio pilot/pkg/model/push_context.go).
import type { MetricRegistry } from '../telemetry/prometheus.ts';
import type { MeshState } from './mesh-state.ts';
import type { ObjectSource } from './source/config-source.ts';

/** Counts are taken when somebody asks. */
export function meshMetrics(
  registry: MetricRegistry,
  state: MeshState,
  source: ObjectSource,
  version: string,
): { counted(changes: ReadonlyMap<string, unknown>): void } {
  const { stages } = state;
  const gauge = (name: string, help: string, read: () => number): void => registry.gauge(name, help).cell().from(read);
  gauge('pilot_services', 'Total services known to pilot.', () => stages.services.services.size);
  gauge('pilot_virt_services', 'Total virtual services known to pilot.', () => state.kind('VirtualService').size);
  gauge(
    'pilot_total_rejected_configs',
    'Total number of configs that Pilot had to reject or ignore.',
    () => source.findings().filter(({ severity }) => severity === 'error').length,
  );
  registry.gauge('pilot_info', 'Pilot version and build information.', ['version']).cell(version).set(1);
  const events = registry.counter('pilot_k8s_cfg_events', 'Events from k8s config.', ['type', 'event']);
  const known = new Set<string>();
  return {
    counted(changes) {
      for (const [key, object] of changes) {
        const kind = key.slice(0, key.indexOf('/')).split(':').at(-1) ?? '';
        const event = object === null ? 'delete' : known.has(key) ? 'update' : 'add';
        if (object === null) known.delete(key);
        else known.add(key);
        events.cell(kind, event).add();
      }
    },
  };
}
