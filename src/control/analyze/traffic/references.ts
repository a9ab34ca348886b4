// References of the Gateway API's routes and of policies, as the source looks for them.
import type { PathPart } from '../../source/finding.ts';
import type { ConfigObject } from '../../source/object.ts';
import { checkReferences } from '../../source/references.ts';
import { isJson } from '../../translate/fields.ts';
import type { Analyzer } from '../analyzer.ts';

/** Other analyzers look at these. */
const LOOKED_AT: ReadonlySet<string> = new Set(['VirtualService', 'DestinationRule']);

export const references: Analyzer = {
  name: 'heddle.ReferenceAnalyzer',
  description: 'Checks what routes of the Gateway API and targets of policies refer to',
  codes: ['IST0101'],
  run(world, report) {
    for (const [key, problems] of checkReferences(world.objects, world.settings.clusterDomain)) {
      const object = world.objects.get(key);
      if (object === undefined || LOOKED_AT.has(object.kind)) continue;
      if (object.kind === 'Gateway' && object.group === 'networking.istio.io') continue;
      for (const { path } of problems) {
        if (world.settings.makesSecrets && path.includes('certificateRefs')) continue;
        report('IST0101', object, path, wordOf(path), valueAt(object, path));
      }
    }
  },
};

/** Of 'spec.rules[0].backendRefs[1].port': 'backendRef port'. */
function wordOf(path: readonly PathPart[]): string {
  const last = String(path.at(-1));
  const list = path.findLast((part) => typeof part === 'string' && /Refs?$/.test(part));
  const ref = String(list ?? 'reference').replace(/s$/, '');
  if (last === 'namespace') return `ReferenceGrant for the ${ref}`;
  return last === 'name' ? ref : `${ref} ${last}`;
}

function valueAt(object: ConfigObject, path: readonly PathPart[]): string {
  const at = (parts: readonly PathPart[]): unknown =>
    parts.reduce<unknown>((value, part) => (value as Record<PathPart, unknown> | undefined)?.[part], object);
  const ref = at(path.slice(0, -1));
  const value = at(path);
  if (path.at(-1) !== 'name' || !isJson(ref)) return String(value ?? '');
  const namespace = typeof ref['namespace'] === 'string' ? ref['namespace'] : object.namespace;
  return `${namespace}/${String(value ?? '')}`;
}
