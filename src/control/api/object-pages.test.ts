// Objects as they are listed, with their place and status; Secrets without their content.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpReply, HttpRequest } from '../../net/http-server.ts';
import { MemorySource } from '../source/config-source.ts';
import type { ApiContext } from './context.ts';
import { OBJECT_PAGES } from './object-pages.ts';

const FILES = {
  'routes.yaml': `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
  namespace: shop
spec:
  hosts: [reviews]
  http:
  - route:
    - destination: {host: reviews}
---
apiVersion: v1
kind: Namespace
metadata:
  name: shop
`,
  'secret.yaml': `apiVersion: v1
kind: Secret
metadata:
  name: key
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{"stringData":{"password":"hunter2"}}'
stringData:
  password: hunter2
`,
};

async function ask(path: string): Promise<{ status: number; body: Record<string, unknown>; text: string }> {
  const source = new MemorySource(FILES);
  source.start();
  const report = (key: string) => ({ key, concerned: 2, accepted: 2, live: 1 });
  const status = { of: report, all: () => [...source.objects().keys()].map(report), tryAll: async () => {} };
  const url = new URL(path, 'http://localhost');
  const page = OBJECT_PAGES.get(url.pathname);
  assert.ok(page !== undefined);
  const request = { method: 'GET', path: url.pathname, query: url.searchParams } as HttpRequest;
  const reply = (await page(request, { source, status } as unknown as ApiContext)) as HttpReply;
  return { status: reply.status ?? 200, body: JSON.parse(reply.body), text: reply.body };
}

async function namesOf(path: string): Promise<string[]> {
  const objects = (await ask(path)).body['objects'] as { kind: string; name: string }[];
  return objects.map(({ kind, name }) => `${kind}/${name}`);
}

test('lists what was asked for', async () => {
  assert.deepEqual(await namesOf('/api/v1/objects'), ['VirtualService/reviews', 'Namespace/shop', 'Secret/key']);
  assert.deepEqual(await namesOf('/api/v1/objects?kind=virtualservice,namespace'), [
    'VirtualService/reviews',
    'Namespace/shop',
  ]);
  assert.deepEqual(await namesOf('/api/v1/objects?namespace=default'), ['Secret/key']);
  assert.deepEqual(await namesOf('/api/v1/objects?namespace='), ['Namespace/shop']);
  assert.deepEqual(await namesOf('/api/v1/objects?name=reviews&group=networking.istio.io'), ['VirtualService/reviews']);
  assert.deepEqual(await namesOf('/api/v1/objects?name=nobody'), []);
});

test('says where an object stands and how far it came; what it says only on demand', async () => {
  const [only] = (await ask('/api/v1/objects?kind=VirtualService')).body['objects'] as Record<string, unknown>[];
  assert.equal(only?.['apiVersion'], 'networking.istio.io/v1');
  assert.deepEqual([only?.['file'], only?.['line'], only?.['namespace']], ['routes.yaml', 1, 'shop']);
  assert.deepEqual(only?.['status'], { key: 'VirtualService/shop/reviews', concerned: 2, accepted: 2, live: 1 });
  assert.equal(only?.['object'], undefined);
  type Whole = { object: { metadata: unknown; spec: { hosts: string[] } } };
  const [whole] = (await ask('/api/v1/objects?kind=VirtualService&full=1')).body['objects'] as [Whole];
  const { metadata, spec } = whole.object;
  assert.deepEqual(metadata, { name: 'reviews', namespace: 'shop' });
  assert.deepEqual(spec.hosts, ['reviews']);
});

test('one object as YAML', async () => {
  const { body } = await ask('/api/v1/object?key=VirtualService/shop/reviews');
  assert.match(String(body['yaml']), /^apiVersion: networking.istio.io\/v1\nkind: VirtualService\n/);
  assert.equal((await ask('/api/v1/object?key=VirtualService/shop/none')).status, 404);
});

test('the content of a Secret is never shown', async () => {
  for (const path of ['/api/v1/objects?full=1', '/api/v1/object?key=Secret/default/key']) {
    const { text } = await ask(path);
    assert.doesNotMatch(text, /hunter2|aHVudGVyMg/);
    assert.match(text, /"password": "\[secret\]"/);
  }
});
