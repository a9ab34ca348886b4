// Every configuration of Istio's own filters in the captures of a real istiod is understood, field by field.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Any, unpackAny } from '../../src/proto/any.ts';
import { fromJson } from '../../src/proto/json-decode.ts';
import type { Message, MessageType } from '../../src/proto/message-type.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { findUnsupported, mergeSupport } from '../../src/proxy/config/support.ts';
import { ConfigDecoder } from '../../src/proxy/config-decoder.ts';
import { httpFilters, networkFilters, upstreamFilters } from '../../src/proxy/extensions.ts';
import { NO_NODE } from '../../src/proxy/istio/node.ts';
import { openCaptures } from '../captures/captures.ts';

const parts = {
  ...{ clusters: { get: () => null }, onDemandClusters: null as never, dnsCaches: null as never },
  ...{ zone: '', localAddress: '', node: NO_NODE, metricExpiryMs: 0 },
};
const isOwn = ({ name }: { name: string }): boolean => name.startsWith('istio.');
const http = httpFilters(parts).filter(isOwn);
const network = networkFilters(parts).filter(isOwn);
const upstream = upstreamFilters(parts);
const factories = [...http, ...network, ...upstream];
const TYPES = new Set(factories.map(({ configType }) => configType));

/** Anys of Istio's types below `value`, as distinct texts. */
function collect(value: unknown, found: Set<string>): void {
  if (typeof value !== 'object' || value === null) return;
  const any = value as { '@type'?: string; type_url?: string };
  const url = any['@type']?.endsWith('TypedStruct') === true ? any.type_url : any['@type'];
  if (url !== undefined && TYPES.has(url.slice(url.lastIndexOf('/') + 1))) found.add(JSON.stringify(value));
  for (const inner of Object.values(value)) collect(inner, found);
}

test('every configuration of the captures decodes, with nothing left over', () => {
  const found = new Set<string>();
  for (const capture of openCaptures().captures) {
    for (const resources of capture.types.values()) for (const { json } of resources) collect(json, found);
  }
  const types = new Map<string, number>();
  const anyType = registry.message('google.protobuf.Any' as string) as unknown as MessageType<Any>;
  const support = mergeSupport(...factories.map(({ fields }) => fields));
  for (const text of found) {
    const report = new Report();
    const any = fromJson(anyType, JSON.parse(text), report) as unknown as Any;
    const unpacked = unpackAny(any, report);
    assert.ok(unpacked !== undefined && report.isEmpty, `${text}: ${report.toString()}`);
    const { type, message } = unpacked;
    types.set(type.fullName, (types.get(type.fullName) ?? 0) + 1);
    assert.deepEqual(findUnsupported(type, message as Message, support), [], text);
    for (const factory of factories) {
      if (factory.configType !== type.fullName) continue;
      const d = new ConfigDecoder({ unpack: () => null });
      factory.decode(message as never, d, { bufferLimitBytes: 0 });
      assert.deepEqual(d.reasons, [], text);
    }
  }
  assert.deepEqual([...types.keys()].sort(), [...TYPES].sort());
  assert.ok(found.size >= 9, String(found.size));
});
