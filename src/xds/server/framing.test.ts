// Tests that framed responses are what the protobuf runtime reads as discovery responses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBinary } from '../../proto/binary-decode.ts';
import { encodeBinary } from '../../proto/binary-encode.ts';
import { registry } from '../../proto/registry.ts';
import { deltaChunk, deltaEnd, sotwChunk, sotwEnd } from './framing.ts';
import { encodedResource } from './resource.ts';

const TYPE = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const CLUSTER = registry.message('envoy.config.cluster.v3.Cluster');

function cluster(name: string, aliases: string[] = []) {
  return encodedResource(TYPE, name, encodeBinary(CLUSTER, { name, alt_stat_name: 'x'.repeat(200) }), aliases);
}

const end = {
  typeUrl: TYPE,
  nonce: '17',
  version: 'v1',
  controlPlane: 'heddle',
  removed: ['gone-é'],
  absent: ['route/none'],
};

test('a delta response is read back as it was meant', () => {
  const resources = [cluster('a'), cluster('ä', ['other', 'names'])];
  const bytes = Buffer.concat([deltaChunk(resources).bytes, deltaEnd(end)]);
  const message = decodeBinary(registry.message('envoy.service.discovery.v3.DeltaDiscoveryResponse'), bytes);
  assert.deepEqual(message, {
    system_version_info: 'v1',
    resources: [
      ...resources.map(({ name, version, body, aliases }) => ({
        name,
        aliases,
        version,
        resource: { type_url: TYPE, value: new Uint8Array(body) },
      })),
      { name: 'route/none', aliases: ['route/none'] },
    ].map((one) => normal(one)),
    type_url: TYPE,
    removed_resources: ['gone-é'],
    nonce: '17',
    control_plane: { identifier: 'heddle' },
  });
});

/** Without empty lists, which the decoder leaves out. */
function normal<T extends object>(one: T): T {
  return Object.fromEntries(Object.entries(one).filter(([, value]) => !Array.isArray(value) || value.length > 0)) as T;
}

test('a response of the state of the world is read back as it was meant', () => {
  const resources = [cluster('a'), cluster('b')];
  const bytes = Buffer.concat([sotwChunk(resources).bytes, sotwEnd(end)]);
  const message = decodeBinary(registry.message('envoy.service.discovery.v3.DiscoveryResponse'), bytes);
  assert.deepEqual(message, {
    version_info: 'v1',
    resources: resources.map(({ body }) => ({ type_url: TYPE, value: new Uint8Array(body) })),
    type_url: TYPE,
    nonce: '17',
    control_plane: { identifier: 'heddle' },
  });
});
