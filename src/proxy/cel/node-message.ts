// This proxy's own node as expressions see it (`xds.node`).
import type { Value } from '../../base/cel/values.ts';
import { utf8Bytes } from '../formatter/byte-text.ts';
import { MessageMap, StructMap } from './maps.ts';

export type CelNode = MessageMap;

type NodeFacts = {
  readonly id: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly region: string;
  readonly zone: string;
  readonly cluster?: string;
};

export function nodeMessage({ id, metadata, region, zone, cluster = '' }: NodeFacts): CelNode {
  const fields: Record<string, Value> = {
    id: utf8Bytes(id),
    cluster: utf8Bytes(cluster),
    metadata: new StructMap(metadata, utf8Bytes),
  };
  fields['locality'] = new MessageMap({ region: utf8Bytes(region), zone: utf8Bytes(zone), sub_zone: '' });
  return new MessageMap(fields);
}
