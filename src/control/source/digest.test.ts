// Digests of objects: of what they say, sealed or not, in whatever order.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MemorySource } from './config-source.ts';
import { objectDigest } from './digest.ts';

function digests(text: string): string[] {
  const source = new MemorySource({ 'a.yaml': text });
  source.start();
  return [...source.objects().values()].map(objectDigest);
}

const secret = (value: string): string => `apiVersion: v1
kind: Secret
metadata: {name: s, namespace: a}
data: {tls.key: ${Buffer.from(value).toString('base64')}}
`;

it('follows what an object says, not how it is written', () => {
  const one = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: a}\ndata: {x: "1", y: "2"}\n';
  const other = 'kind: ConfigMap\napiVersion: v1\nmetadata:\n  namespace: a\n  name: c\ndata:\n  y: "2"\n  x: "1"\n';
  assert.deepEqual(digests(one), digests(other));
  assert.notDeepEqual(digests(one), digests(one.replace('"2"', '"3"')));
});

it('sees a change of what is sealed', () => {
  assert.deepEqual(digests(secret('k')), digests(secret('k')));
  assert.notDeepEqual(digests(secret('k')), digests(secret('l')));
});
