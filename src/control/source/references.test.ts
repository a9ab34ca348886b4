// References that lead nowhere are told where they stand, with what was probably meant.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemorySource } from './config-source.ts';

const SERVICES = `
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec: {ports: [{name: http, port: 9080}]}
---
apiVersion: v1
kind: Service
metadata: {name: ratings, namespace: other}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ext, namespace: shop}
spec: {hosts: ['*.example.com'], ports: [{number: 443, name: tls}], resolution: NONE}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec: {host: reviews, subsets: [{name: v1}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: g, namespace: shop}
spec: {gatewayClassName: c, listeners: [{name: http, port: 80, protocol: HTTP}]}
`;

function warningsOf(document: string): string[] {
  const source = new MemorySource({ 'a.yaml': SERVICES, 'b.yaml': document.trimStart() });
  source.start();
  const own = source.findings().filter(({ file }) => file === 'b.yaml');
  return own.map(({ severity, line, path, message, remedy }) => `${severity} ${line} ${path}: ${message} → ${remedy}`);
}

test('of a VirtualService', () => {
  const warnings = warningsOf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v, namespace: shop}
spec:
  hosts: [reviews]
  gateways: [mesh, none]
  http:
  - route:
    - destination: {host: reviews, subset: v1, port: {number: 9080}}
    - destination: {host: reviews, subset: v2}
    - destination: {host: review}
    - destination: {host: ratings.other}
    - destination: {host: a.example.com, port: {number: 80}}
`);
  assert.deepEqual(warnings, [
    'warning 6 spec.gateways[1]: there is no Gateway shop/none → create it, or name one of those that there will be',
    'warning 10 spec.http[0].route[1].destination.subset: no DestinationRule defines subset v2 of ' +
      'reviews.shop.svc.cluster.local → define it in a DestinationRule of reviews.shop.svc.cluster.local, or use one ' +
      'of v1',
    'warning 11 spec.http[0].route[2].destination.host: nothing is known as review.shop.svc.cluster.local: requests ' +
      'to it are answered with 503 → write reviews.shop.svc.cluster.local',
    'warning 12 spec.http[0].route[3].destination.host: nothing is known as ratings.other: requests to it are ' +
      'answered with 503 → write ratings.other.svc.cluster.local',
    'warning 13 spec.http[0].route[4].destination.port.number: a.example.com has no port 80 → use 443',
  ]);
});

test('of a route, with what must be granted', () => {
  const route = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: shop}
spec:
  parentRefs:
  - {name: g, sectionName: https}
  - {name: h}
  rules:
  - backendRefs:
    - {name: reviews, port: 80}
    - {name: none, port: 80}
    - {name: ratings, port: 80, namespace: other}
`;
  const grant = `---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: g, namespace: other}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}]
  to: [{group: '', kind: Service}]
`;
  const expected = [
    'warning 6 spec.parentRefs[0].sectionName: Gateway shop/g has no listener https → use http',
    'warning 7 spec.parentRefs[1].name: there is no Gateway shop/h → create it, or name one of shop/g',
    'warning 10 spec.rules[0].backendRefs[0].port: Service shop/reviews has no port 80 → use 9080',
    'warning 11 spec.rules[0].backendRefs[1].name: there is no Service shop/none: its share of requests is answered ' +
      'with 500 → create it, or name one of reviews',
  ];
  const ungranted =
    'warning 12 spec.rules[0].backendRefs[2].namespace: no ReferenceGrant of namespace other allows HTTPRoute of ' +
    'shop to use it → create one in other, from HTTPRoute of shop to Service ratings';
  assert.deepEqual(warningsOf(route), [...expected, ungranted]);
  assert.deepEqual(warningsOf(`${route}${grant}`), expected);
});

test('of policies, certificates and hosts', () => {
  const warnings = warningsOf(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: a, namespace: shop}
spec:
  targetRefs: [{kind: Service, group: '', name: reviews}, {kind: Gateway, group: gateway.networking.k8s.io, name: x}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g, namespace: shop}
spec:
  servers:
  - {port: {number: 443, name: s, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: cert}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: d, namespace: shop}
spec: {host: reviewz}
`);
  assert.deepEqual(
    warnings.map((text) => text.replace(/ →.*/, '')),
    [
      'warning 5 spec.targetRefs[1].name: there is no Gateway shop/x: the policy is for nothing',
      'warning 12 spec.servers[0].tls.credentialName: there is no Secret cert: the listener does not start',
      'warning 17 spec.host: nothing is known as reviewz.shop.svc.cluster.local',
    ],
  );
});

test('thousands of unknown hosts among thousands of known ones are soon through', () => {
  const entry = (i: number): string => `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: e${i}, namespace: shop}
spec: {hosts: [known-${i}.example], resolution: DNS, ports: [{number: 80, name: http}]}
`;
  const routes = Array.from({ length: 3000 }, (_, i) => `  - route: [{destination: {host: unknown-${i}.example}}]\n`);
  const rules = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: big, namespace: shop}
spec:
  hosts: [known-1.example]
  http:
${routes.join('')}`;
  const entries = Array.from({ length: 3000 }, (_, i) => entry(i));
  const source = new MemorySource({ 'a.yaml': [...entries, rules].join('---\n') });
  source.start();
  const before = process.threadCpuUsage();
  const findings = source.findings();
  const { user, system } = process.threadCpuUsage(before);
  // Each with each it would be half a minute.
  assert.ok(user + system < 10_000_000, `${user + system} µs of CPU`);
  assert.equal(findings.length, 100);
  assert.match(findings[0]?.remedy ?? '', /^write known-/);
});
