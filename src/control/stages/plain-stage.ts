// Which workloads take no mTLS: of the rules on it, all that their callers need to know.
import type { Memo, Reader } from '../../base/collection.ts';
import { labelPairs } from '../model/labels.ts';
import type { Endpoint } from '../model/service.ts';
import type { Inputs } from './inputs.ts';
import type { MtlsLookup } from './mtls-lookup.ts';

/** From permissive to strict is no change here, so callers' resources are not made again. */
export type PlainStage = {
  /** By namespace. */
  readonly namespaces: Memo<boolean>;
  readonly ports: Memo<boolean>;
};

export function plainStage(inputs: Inputs, mtls: MtlsLookup): PlainStage {
  const { graph } = inputs;
  return {
    namespaces: graph.memo<boolean>(
      'plain namespaces',
      (namespace, read) => mtls.ofNamespace(read, namespace) === 'DISABLE',
    ),
    ports: graph.memo<boolean>('plain ports', (key, read) => {
      const [namespace, port, pairs] = JSON.parse(key) as PortKey;
      return mtls.ofPort(read, namespace, Object.fromEntries(pairs), port) === 'DISABLE';
    }),
  };
}

type PortKey = [namespace: string, port: number, labels: [string, string][]];

/** Whether the rules let nobody speak mTLS with the endpoint. */
export function isPlain(stage: PlainStage, read: Reader, { namespace, port, labels }: Endpoint): boolean {
  return read.get(stage.ports, JSON.stringify([namespace, port, labelPairs(labels)] satisfies PortKey));
}
