// What clusters and endpoints need to know of the rules on mTLS.
import type { Reader } from '../../base/collection.ts';
import type { Labels } from '../model/labels.ts';
import type { MtlsMode } from '../model/policy.ts';

export type MtlsLookup = {
  /** Of a namespace, or else of the mesh; null: nothing is said. */
  ofNamespace(read: Reader, namespace: string): MtlsMode | null;
  /** Of one port of a workload. */
  ofPort(read: Reader, namespace: string, labels: Labels, port: number): MtlsMode;
};
