// The YAML beside heddle.yaml: what of it decides what is run and what is made.
import { Clock } from '../../base/clock.ts';
import type { ConfigObject } from '../../control/source/object.ts';
import { ConfigSource } from '../../control/source/config-source.ts';
import { MESH_CONFIG_KEY } from '../../control/source/kinds.ts';
import { FileWatch } from '../../net/file-watch.ts';
import type { Manifest, WorkloadSpec } from '../manifest/manifest.ts';
import type { Beside, Json } from './objects.ts';

export type ReadBeside = Beside & {
  /** The manifest with what Deployments of the same names say. */
  readonly manifest: Manifest;
  /** Deployments and the like that no workload stands for: 'Deployment reviews-v3'. */
  readonly notRun: readonly string[];
};

export function readBeside(manifest: Manifest, overlay: string): ReadBeside {
  const source = new ConfigSource(
    [
      { path: manifest.directory, kind: 'application' },
      { path: overlay, kind: 'overlay' },
    ],
    { clock: new Clock(), watcher: new FileWatch() },
  );
  source.start();
  const objects = [...source.objects().values()];
  source.stop();
  const names = new Set(objects.map(({ kind, namespace, name }) => `${kind}/${namespace}/${name}`));
  const deployments = objects.filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet');
  const workloads = manifest.workloads.map((workload) => withDeployment(workload, deployments, manifest));
  const run = new Set(workloads.map(({ namespace, name }) => `${namespace}/${name}`));
  return {
    manifest: { ...manifest, workloads },
    notRun: deployments
      .filter(({ namespace, name }) => !run.has(`${namespace}/${name}`))
      .map(({ kind, name }) => `${kind} ${name}`),
    has: (kind, namespace, name) => names.has(`${kind}/${namespace}/${name}`),
    services: () => objects.filter(({ kind, group }) => kind === 'Service' && group === ''),
    hasMeshConfig:
      objects.some(
        (object) => object.kind === 'MeshConfig' || isIstioConfigMap(object) || object.kind === 'IstioOperator',
      ) || source.objects().has(MESH_CONFIG_KEY),
    missingCertificates: credentialsOf(objects).filter(
      ({ namespace, name }) => !names.has(`Secret/${namespace}/${name}`),
    ),
  };
}

function isIstioConfigMap({ kind, name, namespace }: ConfigObject): boolean {
  return kind === 'ConfigMap' && name === 'istio' && namespace === 'istio-system';
}

/** A Deployment says all but how the program is run here; heddle.yaml wins where it says something. */
function withDeployment(
  workload: WorkloadSpec,
  deployments: readonly ConfigObject[],
  manifest: Manifest,
): WorkloadSpec {
  const found =
    deployments.find(({ name, namespace }) => name === workload.name && namespace === workload.namespace) ??
    deployments.find(({ name }) => name === workload.name && workload.namespace === manifest.namespace);
  if (found === undefined) return workload;
  const template = mapIn(found.spec, 'template');
  const labels = mapIn(mapIn(template, 'metadata'), 'labels') as Record<string, string>;
  const pod = mapIn(template, 'spec');
  const [container] = (pod['containers'] ?? []) as readonly Json[];
  const variables = ((container?.['env'] ?? []) as readonly Json[]).flatMap(({ name, value }) =>
    typeof value === 'string' ? [[String(name), value] as const] : [],
  );
  const account = pod['serviceAccountName'];
  return {
    ...workload,
    namespace: found.namespace,
    service: workload.service === workload.name && labels['app'] !== undefined ? labels['app'] : workload.service,
    version: workload.version || (labels['version'] ?? ''),
    account: workload.account === workload.service && typeof account === 'string' ? account : workload.account,
    replicas:
      workload.replicas === 1 && typeof found.spec['replicas'] === 'number'
        ? found.spec['replicas']
        : workload.replicas,
    labels: { ...labels, ...workload.labels },
    environment: { ...Object.fromEntries(variables), ...workload.environment },
  };
}

function mapIn(value: Json, field: string): Json {
  const inner = value[field];
  return typeof inner === 'object' && inner !== null ? (inner as Json) : {};
}

function credentialsOf(objects: readonly ConfigObject[]): { readonly namespace: string; readonly name: string }[] {
  const found = new Map<string, { readonly namespace: string; readonly name: string }>();
  for (const { kind, group, namespace, spec } of objects) {
    if (kind !== 'Gateway') continue;
    const names =
      group === 'networking.istio.io'
        ? ((spec['servers'] ?? []) as readonly Json[]).map((server) => mapIn(server, 'tls')['credentialName'])
        : ((spec['listeners'] ?? []) as readonly Json[]).flatMap((listener) =>
            ((mapIn(listener, 'tls')['certificateRefs'] ?? []) as readonly Json[]).map(
              (reference) => reference['name'],
            ),
          );
    for (const name of names) {
      if (typeof name === 'string' && name !== '' && !name.includes('://')) {
        found.set(`${namespace}/${name}`, { namespace, name });
      }
    }
  }
  return [...found.values()];
}
