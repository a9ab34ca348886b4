// Access logs that Telemetry objects ask for: for the whole mesh, or for a namespace.
import type { Memo } from '../../base/collection.ts';
import { type AccessLogSettings, standardAccessLog } from '../generate/listener/access-log.ts';
import { byAge } from '../model/hosts.ts';
import { hasLabels } from '../model/labels.ts';
import type { ConfigObject } from '../source/object.ts';
import { namesIn, partIn, partsIn, textIn } from '../translate/fields.ts';
import type { Inputs } from './inputs.ts';
import { meshOf } from './services-stage.ts';

export type AccessLogsStage = {
  /** What replaces the mesh's own setting: a log, null for none; undefined where nothing is said. Key: namespace. */
  readonly ofNamespace: Memo<AccessLogSettings | null | undefined>;
};

type Wish = {
  readonly namespace: string;
  readonly name: string;
  readonly creationMs: number;
  readonly isDisabled: boolean;
};

export function accessLogsStage(inputs: Inputs): AccessLogsStage {
  const { graph } = inputs;
  const wishes = graph.map<ConfigObject, Wish>('access log wishes', inputs.kind('Telemetry'), (_key, object) =>
    wishOf(object),
  );
  const byNamespace = wishes.index('by namespace', (_key, wish) => [wish.namespace]);
  return {
    ofNamespace: graph.memo('access logs', (namespace, read) => {
      const mesh = meshOf(inputs, read);
      const [own] = [...read.lookup(byNamespace, namespace)].sort(byAge);
      const [ofMesh] = [...read.lookup(byNamespace, mesh.rootNamespace)].sort(byAge);
      const wish = own ?? ofMesh;
      if (wish === undefined) return undefined;
      return wish.isDisabled ? null : standardAccessLog(mesh);
    }),
  };
}

/**
 * Undefined for objects that say nothing of it, that select workloads, or that name other providers than the built-in
 * one: those have no effect yet.
 */
function wishOf(object: ConfigObject): Wish | undefined {
  const { namespace, name, creationMs, spec } = object;
  if (hasLabels(namesIn(partIn(spec, 'selector'), 'matchLabels')) || partsIn(spec, 'targetRefs').length > 0)
    return undefined;
  const [logging] = partsIn(spec, 'accessLogging');
  if (logging === undefined || Object.keys(partIn(logging, 'match')).length > 0) return undefined;
  if (Object.keys(partIn(logging, 'filter')).length > 0) return undefined;
  if (logging['disabled'] === true) return { namespace, name, creationMs, isDisabled: true };
  const providers = partsIn(logging, 'providers').map((provider) => textIn(provider, 'name'));
  return providers.includes('envoy') ? { namespace, name, creationMs, isDisabled: false } : undefined;
}
