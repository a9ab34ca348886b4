// Telemetries that ask for access logs and do not say where they go.
import { partsIn, textIn } from '../../translate/fields.ts';
import type { Analyzer } from '../analyzer.ts';

export const telemetryProviders: Analyzer = {
  name: 'telemetry.ProviderAnalyzer',
  description: 'Validates that providers in telemetry resource is valid',
  codes: ['IST0157'],
  run(world, report) {
    if (world.mesh.defaultProviders.accessLogging.length > 0) return;
    for (const object of world.kind('Telemetry')) {
      for (const [at, logging] of partsIn(object.spec, 'accessLogging').entries()) {
        if (logging['disabled'] === true) continue;
        const providers = partsIn(logging, 'providers').filter((provider) => textIn(provider, 'name') !== '');
        if (providers.length > 0) continue;
        report('IST0157', object, ['spec', 'accessLogging', at], object.name, object.namespace);
      }
    }
  },
};
