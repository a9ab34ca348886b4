// Tests that requests in parts say the same as whole ones, and that names are encoded once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBinary } from '../../../proto/binary-decode.ts';
import type { DiscoveryRequest } from '../../../proto/generated/types.d.ts';
import { registry } from '../../../proto/registry.ts';
import { requestParts } from './request-parts.ts';

const TYPE = registry.message('envoy.service.discovery.v3.DiscoveryRequest');
const request = (names: string[], version: string): DiscoveryRequest => ({
  ...{ version_info: version, type_url: 'type.googleapis.com/a.B', response_nonce: 'n' },
  resource_names: names,
});

test('the parts of a request are the request', () => {
  const parts = requestParts(TYPE);
  const names = Array.from({ length: 1000 }, (_, i) => `name-${i}`);
  for (const one of [request(['a', 'b'], '1'), request(names, '2'), request([...names, 'more'], '3')]) {
    assert.deepEqual(decodeBinary(TYPE, Buffer.concat(parts(one))), one);
  }
  const { resource_names: _, ...unnamed } = request([], '4');
  assert.deepEqual(decodeBinary(TYPE, Buffer.concat(parts(unnamed))), unnamed);
});

test('the same list gives the same bytes', () => {
  const parts = requestParts(TYPE);
  const names = Array.from({ length: 1000 }, (_, i) => `name-${i}`);
  const [, first] = parts(request(names, '1'));
  const [, second] = parts(request(names, '2'));
  assert.ok(first !== undefined && first === second);
  assert.notEqual(parts(request([...names], '3'))[1], first);
});
