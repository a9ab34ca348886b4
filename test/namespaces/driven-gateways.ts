// Scenarios of gateways, by Istio's objects and by the Gateway API's.
import {
  type DrivenCall,
  edge,
  type Fields,
  gateway,
  type Scenario,
  SUBSETS,
  to,
  virtualService,
  web,
} from './driven-scenario.ts';

export const ingress: Scenario = {
  objects: `${SUBSETS}
---
${gateway(
  'shop',
  `- port: {number: 8080, name: http, protocol: HTTP}
  hosts: ["shop.$NS.example", "*.wild.$NS.example"]
- port: {number: 9100, name: tcp, protocol: TCP}
  hosts: ["*"]`,
)}
---
${virtualService(
  'shop',
  `hosts: ["shop.$NS.example", "a.wild.$NS.example"]
gateways: [shop]
http:
- match: [{uri: {prefix: /v2}}]
  rewrite: {uri: /}
  route: [{destination: ${to('v2')}}]
- match: [{uri: {prefix: /gone}}]
  directResponse: {status: 410}
- match: [{uri: {prefix: /secure}}]
  redirect: {scheme: https}
- match: [{uri: {prefix: /split}}]
  route: [{destination: ${to('v1')}, weight: 80}, {destination: ${to('v2')}, weight: 20}]
- match: [{uri: {prefix: /}}]
  headers: {request: {set: {x-edge: "1"}}}
  route: [{destination: ${to('v1')}}]`,
)}
---
${virtualService(
  'bytes',
  `hosts: ["*"]
gateways: [shop]
tcp:
- match: [{port: 9100}]
  route: [{destination: {host: tcp.$NS.svc.cluster.local, port: {number: 9000}}}]`,
)}`,
  calls: {
    'a page': edge('/', { is: 200, isExact: true }),
    'a page, posted': edge('/p', { is: 200, method: 'POST', body: 'a' }),
    'a page, HTTP/2': edge('/', { is: 200, isHttp2: true }),
    'a rewritten page': edge('/v2/a', { is: 200, isExact: true }),
    gone: edge('/gone', { is: 410 }),
    secure: edge('/secure', { is: 301 }),
    split: edge('/split', { is: 200, repeat: 120, share: { 'web-v1': [0.65, 0.94] } }),
    'a host with a port': edge('/', { is: 200, headers: { host: 'shop.$NS.example:8080' } }),
    'a wild host': edge('/', { is: 200, headers: { host: 'a.wild.$NS.example' } }),
    'a wild host without routes': edge('/', { is: 404, headers: { host: 'b.wild.$NS.example' } }),
    'another host': edge('/', { is: 404, headers: { host: 'other.example' } }),
    'a client behind a proxy': edge('/', { is: 200, headers: { 'x-forwarded-for': '192.0.2.1' } }),
    'headers of the mesh': edge('/', {
      is: 200,
      headers: { 'x-envoy-retry-on': '5xx', 'x-forwarded-client-cert': 'By=a', 'x-envoy-peer-metadata': 'a' },
    }),
    'a server that fails': edge('/?status=500', { is: 500 }),
    bytes: { to: '10.60.$N.4:9100', from: 'outside', bytes: 'hello' },
  },
};

/** `secret`: a Secret's lines with the credential. */
export function secured(secret: string): Scenario {
  const https = (path: string, more: Fields = {}): DrivenCall =>
    edge(path, { to: '10.60.$N.4:8443', as: null, sni: 'shop.$NS.example', ...more });
  return {
    objects: `${secret}
---
${gateway(
  'secured',
  `- port: {number: 8443, name: https, protocol: HTTPS}
  hosts: ["shop.$NS.example"]
  tls: {mode: SIMPLE, credentialName: shop-cert}
- port: {number: 8080, name: http, protocol: HTTP}
  hosts: ["shop.$NS.example"]
  tls: {httpsRedirect: true}
- port: {number: 9443, name: tls, protocol: TLS}
  hosts: ["through.$NS.example"]
  tls: {mode: PASSTHROUGH}`,
)}
---
${virtualService(
  'secured',
  `hosts: ["shop.$NS.example"]
gateways: [secured]
http:
- route: [{destination: {host: web.$NS.svc.cluster.local}}]`,
)}
---
${virtualService(
  'through',
  `hosts: ["through.$NS.example"]
gateways: [secured]
tls:
- match: [{port: 9443, sniHosts: ["through.$NS.example"]}]
  route: [{destination: {host: plain.$NS.svc.cluster.local, port: {number: 80}}}]`,
)}`,
    calls: {
      'a page': https('/', { is: 200 }),
      'a page, HTTP/2': https('/', { is: 200, isHttp2: true, alpn: ['h2'] }),
      'a page, posted': https('/', { is: 200, method: 'POST', body: 'abc' }),
      'another path': https('/a?b=c', { is: 200, method: 'HEAD' }),
      'another name': https('/', { sni: 'other.example' }),
      'another host': https('/', { headers: { host: 'other.example' } }),
      'another protocol': https('/', { alpn: ['nonsense'] }),
      'plain text where TLS is meant': edge('/', { to: '10.60.$N.4:8443' }),
      'plain text is sent to TLS': edge('/a?b', { is: 301 }),
      'passed through': edge('/', { to: '10.60.$N.4:9443', as: null, sni: 'through.$NS.example' }),
      'passed through, another name': edge('/', { to: '10.60.$N.4:9443', as: null, sni: 'x.example' }),
      'a page from another host': https('/', { is: 200, headers: { 'x-forwarded-for': '192.0.2.1' } }),
      'a page with cookies': https('/c', { is: 200, headers: { cookie: 'a=b; c=d' } }),
    },
  };
}

export const gatewayApi: Scenario = {
  objects: `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front, namespace: $NS}
spec:
  gatewayClassName: istio
  addresses: [{type: Hostname, value: edge.$NS.svc.cluster.local}]
  listeners:
  - {name: http, port: 80, protocol: HTTP, hostname: "*.api.$NS.example", allowedRoutes: {namespaces: {from: Same}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: front, namespace: $NS}
spec:
  parentRefs: [{name: front}]
  hostnames: ["a.api.$NS.example"]
  rules:
  - matches: [{path: {type: Exact, value: /exact}}]
    backendRefs: [{name: web, port: 80}]
  - matches: [{path: {type: PathPrefix, value: /pre}, headers: [{name: x-a, value: "1"}], method: POST}]
    filters:
    - type: URLRewrite
      urlRewrite: {hostname: other.example, path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}
    - type: RequestHeaderModifier
      requestHeaderModifier: {set: [{name: x-set, value: b}], add: [{name: x-add, value: c}], remove: [x-gone]}
    backendRefs: [{name: web, port: 80}]
  - matches: [{path: {value: /moved}}]
    filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 302, hostname: b.example}}]
  - matches: [{path: {value: /missing}}]
    backendRefs: [{name: nobody, port: 80}]
  - matches: [{path: {value: /split}}]
    backendRefs: [{name: web, port: 80, weight: 80}, {name: plain, port: 80, weight: 20}]
  - matches: [{queryParams: [{name: q, value: "1"}]}]
    filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: x-answer, value: d}]}}]
    backendRefs: [{name: plain, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: $NS}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules:
  - matches: [{path: {value: /mesh}}]
    filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-mesh, value: e}]}}]
    backendRefs: [{name: web, port: 80}]
  - matches: [{path: {value: /mesh-moved}}]
    filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: /x}}}]`,
  calls: {
    ...Object.fromEntries(
      (
        [
          ['exact', '/exact', 200, {}],
          ['more than exact', '/exact/x', 404, {}],
          ['rewritten', '/pre/x?y', 200, { method: 'POST', body: 'a', headers: { 'x-a': '1', 'x-gone': '1' } }],
          ['not rewritten', '/pre/x', 404, { headers: { 'x-a': '1' } }],
          ['moved', '/moved/x?y', 302, {}],
          ['missing', '/missing', 500, {}],
          ['by query', '/any?q=1', 200, {}],
          ['another query', '/any?q=2', 404, {}],
          ['HTTP/2', '/exact', 200, { isHttp2: true }],
        ] as const
      ).map(([name, path, is, more]) => {
        const headers = { host: 'a.api.$NS.example', ...('headers' in more ? more.headers : {}) };
        return [name, edge(path, { to: '10.60.$N.4:8080', is, ...more, headers })];
      }),
    ),
    split: edge('/split', {
      ...{ is: 200, repeat: 120, share: { plain: [0.06, 0.35] } },
      headers: { host: 'a.api.$NS.example' },
    }),
    'another host': edge('/exact', { is: 404, headers: { host: 'b.api.$NS.example' } }),
    'in the mesh': web('/mesh'),
    'in the mesh, moved': web('/mesh-moved/a', { is: 302 }),
    'in the mesh, no rule': web('/other', { is: 404 }),
  },
};
