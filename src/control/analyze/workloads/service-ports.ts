// Ports of Services that say no protocol.
import type { PathPart } from '../../source/finding.ts';
import { numberIn, partsIn, textIn } from '../../translate/fields.ts';
import { protocolOfPort } from '../../translate/kubernetes/protocol.ts';
import type { Analyzer } from '../analyzer.ts';
import { isControlPlane, isSystemNamespace } from './injection.ts';

export const portNames: Analyzer = {
  name: 'service.PortNameAnalyzer',
  description: 'Checks the port names associated with each service',
  codes: ['IST0118', 'IST0150'],
  run(world, report) {
    for (const object of world.kind('Service')) {
      if (isSystemNamespace(object.namespace) || isControlPlane(object)) continue;
      const isAlias = textIn(object.spec, 'type') === 'ExternalName';
      for (const [at, port] of partsIn(object.spec, 'ports').entries()) {
        const [number, name] = [numberIn(port, 'port'), textIn(port, 'name')];
        const { appProtocol, targetPort } = port;
        const said = typeof appProtocol === 'string' ? appProtocol : null;
        const protocol = protocolOfPort(number, name, textIn(port, 'protocol') || 'TCP', said);
        if (protocol !== 'UNSUPPORTED' && !(isAlias && name === 'tcp')) continue;
        const path: PathPart[] = ['spec', 'ports', at, ...(name === '' ? [] : ['name'])];
        if (isAlias) report('IST0150', object, path);
        else report('IST0118', object, path, name, number, String(targetPort ?? 0));
      }
    }
  },
};
