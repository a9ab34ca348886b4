// Decodes clusters from proto-JSON as the bootstrap does, for tests: the configuration, or all reasons why not.
import assert from 'node:assert/strict';
import { type Any, unpackAny } from '../../src/proto/any.ts';
import type { Cluster } from '../../src/proto/generated/types.d.ts';
import { fromJson } from '../../src/proto/json-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import type { ClusterConfig } from '../../src/proxy/cluster/cluster-config.ts';
import { ADDRESS_FIELDS } from '../../src/proxy/config/address.ts';
import { CLUSTER_FIELDS, decodeCluster } from '../../src/proxy/config/cluster.ts';
import { findUnsupported, mergeSupport } from '../../src/proxy/config/support.ts';
import { ConfigDecoder, type DecodeEnvironment } from '../../src/proxy/config-decoder.ts';

const TYPE = registry.message('envoy.config.cluster.v3.Cluster');
/** The last ones belong to another table of the bootstrap. */
const SUPPORT = mergeSupport(CLUSTER_FIELDS, ADDRESS_FIELDS, {
  'envoy.config.core.v3.Http1ProtocolOptions': 'header_key_format enable_trailers allow_chunked_length',
  'envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat': 'proper_case_words stateful_formatter',
  'envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords': '',
});

const ENVIRONMENT = {
  unpack(any: unknown) {
    const unpacked = unpackAny(any as Any, new Report());
    return unpacked === undefined ? null : { type: unpacked.type.fullName, message: unpacked.message };
  },
} as unknown as DecodeEnvironment;

/** Reasons are 'path: reason'. */
export function tryDecodeCluster(json: object): { config: ClusterConfig | null; reasons: string[] } {
  const report = new Report();
  const message = fromJson(TYPE, { name: 'up', ...json }, report) as Cluster;
  assert.ok(report.isEmpty, report.toString());
  const d = new ConfigDecoder(ENVIRONMENT);
  const config = decodeCluster(message, d);
  const unsupported = findUnsupported(TYPE as never, message, SUPPORT);
  return { config, reasons: [...unsupported, ...d.reasons].map((r) => `${r.path}: ${r.reason}`) };
}

export function decodedCluster(json: object): ClusterConfig {
  const { config, reasons } = tryDecodeCluster(json);
  assert.deepEqual(reasons, []);
  assert.ok(config);
  return config;
}

export function assertRefused(json: object, pattern: RegExp): void {
  const { reasons } = tryDecodeCluster(json);
  assert.ok(
    reasons.some((reason) => pattern.test(reason)),
    `${JSON.stringify(json)} → ${JSON.stringify(reasons)}`,
  );
}
