// Stages of the control plane over the input of a capture, for tests of single stages.
import { Graph, type InputCollection } from '../../src/base/collection.ts';
import type { Mesh } from '../../src/control/model/mesh.ts';
import { familiesOf, type ProxyClass, type ProxyKind } from '../../src/control/model/proxy.ts';
import { MemorySource } from '../../src/control/source/config-source.ts';
import { MESH_CONFIG_KEY } from '../../src/control/source/kinds.ts';
import { type ConfigObject, objectKey } from '../../src/control/source/object.ts';
import type { Inputs } from '../../src/control/stages/inputs.ts';
import { translateMeshConfig } from '../../src/control/translate/istio/mesh-config.ts';
import { registry } from '../../src/proto/registry.ts';
import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { toJson } from '../../src/proto/json-encode.ts';
import { fromJson } from '../../src/proto/json-decode.ts';
import { Report } from '../../src/proto/report.ts';
import { captureInput } from './capture-inputs.ts';

export type StageRig = {
  readonly inputs: Inputs;
  /** Null removes the file. */
  write(files: Record<string, string | null>): void;
};

const PLACE = { clusterDomain: 'cluster.local', cluster: 'Kubernetes', network: '' };

/** All objects are there before any stage is made; stages follow what is written later. */
export function stageRig(files: Record<string, string>): StageRig {
  const graph = new Graph();
  const kinds = new Map<string, InputCollection<ConfigObject>>();
  const mesh = graph.input<Mesh>('mesh');
  const kind = (name: string): InputCollection<ConfigObject> => {
    const known = kinds.get(name) ?? graph.input<ConfigObject>(`objects: ${name}`);
    kinds.set(name, known);
    return known;
  };
  const source = new MemorySource(files);
  source.onChange((changes) => {
    for (const key of changes.keys()) kind(kindOf(key));
    graph.batch(() => {
      for (const [key, object] of changes) {
        if (object === null) kind(kindOf(key)).delete(key);
        else kind(kindOf(key)).set(objectKey(object), object);
      }
      mesh.set('', translateMeshConfig(source.objects().get(MESH_CONFIG_KEY)?.spec ?? null, PLACE));
    });
  });
  source.start();
  return { inputs: { graph, kind, mesh }, write: (changed) => source.write(changed) };
}

function kindOf(key: string): string {
  return key.slice(0, key.indexOf('/'));
}

export function captureRig(scenario: string): StageRig {
  return stageRig(captureInput(scenario).files);
}

/** The class of the proxy of a capture's node. */
export function classOfNode(node: Readonly<Record<string, unknown>>, kind: ProxyKind): ProxyClass {
  const [role = '', address = '', , dnsDomain = ''] = String(node['id']).split('~');
  const metadata = node['metadata'] as Record<string, unknown>;
  const text = (field: string): string => String(metadata[field] ?? '');
  return {
    role: role as ProxyClass['role'],
    kind,
    namespace: text('NAMESPACE'),
    dnsDomain,
    sidecar: '',
    labels: {},
    families: familiesOf((text('INSTANCE_IPS') || address).split(',')),
    interception: 'REDIRECT',
    explicit: false,
    locality: { region: '', zone: '', subZone: '' },
    network: text('NETWORK'),
    cluster: text('CLUSTER_ID'),
    dnsCapture: metadata['DNS_CAPTURE'] === true || metadata['DNS_CAPTURE'] === 'true',
    http10: false,
  };
}

/** An encoded message as proto-JSON, to be compared with `canonical` of a captured one. */
export function shown(typeUrl: string, bytes: Uint8Array): unknown {
  const type = registry.message(typeUrl.slice(typeUrl.indexOf('/') + 1));
  return toJson(type, decodeBinary(type, bytes, new Report()), { preserveProtoFieldNames: true });
}

/** A captured Any as this code prints its message. */
export function canonical(any: Readonly<Record<string, unknown>>): unknown {
  const { '@type': typeUrl, ...message } = any;
  const type = registry.message(String(typeUrl).slice(String(typeUrl).indexOf('/') + 1));
  return toJson(type, fromJson(type, message, new Report()), { preserveProtoFieldNames: true });
}
