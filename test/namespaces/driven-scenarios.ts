// What the two halves of the mesh are told, one scenario after the other, and the calls with which they are compared.
import { gatewayApi, ingress, secured } from './driven-gateways.ts';
import {
  bytes,
  destinationRule,
  direct,
  peers,
  policy,
  type Scenario,
  SUBSETS,
  to,
  virtualService,
  web,
} from './driven-scenario.ts';

const plain: Scenario = {
  objects: '',
  calls: {
    'a page': web('/'),
    'a query': web('/a/b?c=d&e=%20'),
    'a body': web('/', { method: 'POST', body: 'x'.repeat(20_000) }),
    HEAD: web('/', { method: 'HEAD' }),
    'the whole name': web('/', { headers: { host: 'web.$NS.svc.cluster.local' } }),
    'a name with a port': web('/', { headers: { host: 'web.$NS:80' } }),
    'HTTP/2': web('/', { isHttp2: true }),
    'a host that nobody has': {
      ...{ to: '10.60.$N.5:8080', path: '/nobody', is: 200 },
      headers: { host: 'nobody.example' },
    },
    'a server that fails': web('/?status=500', { is: 500, countsHits: true }),
    'a server that is not there': web('/?status=503', { is: 503, countsHits: true }),
    'headers of the mesh from a client': web('/', {
      headers: { 'x-forwarded-client-cert': 'By=me', 'x-envoy-decorator-operation': 'mine', 'x-b3-sampled': '1' },
    }),
    'a pod by its address': { to: '10.60.$N.2:8080', headers: { host: 'any' }, is: 200 },
    'a server without proxy': { to: '10.96.$N.4:80', headers: { host: 'plain.$NS' }, is: 200 },
    'a server without proxy, by its address': { to: '10.60.$N.5:8080', headers: { host: 'x' }, is: 200 },
    bytes: bytes(),
    'bytes by address': { to: '10.60.$N.5:9000', bytes: 'hello' },
    'plain text from outside': direct('/', { is: 200 }),
  },
};

const split: Scenario = {
  objects: `${SUBSETS}
---
${virtualService(
  'web',
  `hosts: [web.$NS.svc.cluster.local]
http:
- name: even
  match: [{uri: {prefix: /even}}]
  route: [{destination: ${to('v1')}, weight: 1}, {destination: ${to('v2')}, weight: 1}]
- route: [{destination: ${to('v1')}, weight: 80}, {destination: ${to('v2')}, weight: 20}]`,
)}`,
  calls: {
    '80 to 20': web('/', { repeat: 120, share: { 'web-v1': [0.65, 0.94], 'web-v2': [0.06, 0.35] } }),
    even: web('/even', { repeat: 60, share: { 'web-v1': [0.28, 0.72], 'web-v2': [0.28, 0.72] } }),
  },
};

const match: Scenario = {
  objects: `${SUBSETS}
---
${virtualService(
  'web',
  `hosts: [web.$NS.svc.cluster.local]
http:
- match:
  - {uri: {exact: /exact}, method: {exact: GET}}
  - headers: {end-user: {exact: jason}}
  route: [{destination: ${to('v2')}}]
- match: [{uri: {prefix: /old/}}]
  rewrite: {uri: /new/, authority: other.example}
  route: [{destination: ${to('v1')}}]
- match: [{uri: {regex: "/r[0-9]+/.*"}, queryParams: {v: {regex: "[12]"}}}]
  rewrite: {uriRegexRewrite: {match: "^/r([0-9]+)/(.*)$", rewrite: '/\\2/\\1'}}
  route: [{destination: ${to('v2')}}]
- match: [{uri: {prefix: /moved}}]
  redirect: {uri: /there, authority: elsewhere.example, redirectCode: 308}
- match: [{uri: {prefix: /port}}]
  redirect: {scheme: https, port: 8443}
- match: [{uri: {prefix: /direct}}]
  directResponse: {status: 418, body: {string: "I am a teapot"}}
  headers: {response: {set: {x-kind: direct}}}
- match: [{uri: {prefix: /headers}}]
  headers:
    request: {set: {x-set: "a", x-client: "of the mesh"}, add: {x-add: "b"}, remove: [x-gone]}
    response: {set: {x-answer: "c"}, add: {x-added: "d"}, remove: [x-pod]}
  route:
  - destination: ${to('v1')}
    headers: {request: {add: {x-weighted: "e"}}, response: {add: {x-weighted-answer: "f"}}}
- match: [{uri: {prefix: /without}, withoutHeaders: {x-no: {}}}]
  route: [{destination: ${to('v2')}}]
- match: [{uri: {prefix: /CASE}, ignoreUriCase: true}]
  route: [{destination: ${to('v2')}}]
- match: [{sourceLabels: {app: client}, uri: {prefix: /labels}}]
  route: [{destination: ${to('v2')}}]
- match: [{sourceLabels: {app: other}}]
  directResponse: {status: 500}
- route: [{destination: ${to('v1')}}]`,
)}`,
  calls: {
    exact: web('/exact', { isExact: true }),
    'exact, another method': web('/exact', { isExact: true, method: 'PUT' }),
    'by header': web('/', { isExact: true, headers: { 'end-user': 'jason' } }),
    'by another header': web('/', { isExact: true, headers: { 'end-user': 'jasons' } }),
    rewritten: web('/old/a?b=c', { isExact: true }),
    'rewritten by regex': web('/r12/path?v=2', { isExact: true }),
    'not rewritten by regex': web('/r12/path?v=3', { isExact: true }),
    moved: web('/moved/a', { is: 308 }),
    port: web('/port/a?b', { is: 301 }),
    'a direct answer': web('/direct', { is: 418 }),
    headers: web('/headers', { isExact: true, headers: { 'x-gone': '1', 'x-set': '2', 'x-add': '3' } }),
    'a header is missing': web('/without', { isExact: true }),
    'a header is there': web('/without', { isExact: true, headers: { 'x-no': '1' } }),
    'in any case': web('/cAsE/a', { isExact: true }),
    'by label': web('/labels', { isExact: true }),
    'the rest': web('/rest', { isExact: true }),
  },
};

const failures: Scenario = {
  objects: `${SUBSETS}
---
${virtualService(
  'web',
  `hosts: [web.$NS.svc.cluster.local]
http:
- match: [{uri: {prefix: /abort}}]
  fault: {abort: {percentage: {value: 100}, httpStatus: 421}}
  route: [{destination: ${to('v1')}}]
- match: [{uri: {prefix: /grpc-abort}}]
  fault: {abort: {percentage: {value: 100}, grpcStatus: UNAVAILABLE}}
  route: [{destination: ${to('v1')}}]
- match: [{uri: {prefix: /delay}}]
  fault: {delay: {percentage: {value: 100}, fixedDelay: 100ms}}
  route: [{destination: ${to('v1')}}]
- match: [{uri: {prefix: /never}}]
  fault: {abort: {percentage: {value: 0}, httpStatus: 500}}
  route: [{destination: ${to('v1')}}]
- match: [{uri: {prefix: /retry}}]
  retries: {attempts: 3, perTryTimeout: 2s, retryOn: "5xx,reset"}
  route: [{destination: ${to('v1')}}]
- match: [{uri: {prefix: /none}}]
  retries: {attempts: 0}
  route: [{destination: ${to('v1')}}]
- match: [{uri: {prefix: /timeout}}]
  timeout: 150ms
  route: [{destination: ${to('v1')}}]
- match: [{uri: {prefix: /try-timeout}}]
  retries: {attempts: 1, perTryTimeout: 100ms, retryOn: "5xx"}
  route: [{destination: ${to('v1')}}]
- match: [{uri: {prefix: /mirror}}]
  mirror: ${to('v2')}
  mirrorPercentage: {value: 100}
  route: [{destination: ${to('v1')}}]
- match: [{uri: {prefix: /empty}}]
  route: [{destination: {host: nobody.$NS.svc.cluster.local}}]
- corsPolicy: {allowOrigins: [{exact: "https://a.example"}], allowMethods: [GET], maxAge: 1h, allowHeaders: [x-a]}
  route: [{destination: ${to('v1')}}]`,
)}`,
  calls: {
    abort: web('/abort', { is: 421 }),
    'abort of gRPC': web('/grpc-abort', { headers: { 'content-type': 'application/grpc' }, method: 'POST', is: 200 }),
    delay: web('/delay'),
    'a fault that never comes': web('/never'),
    'retried twice': web('/retry?status=503&times=2', { countsHits: true }),
    'retried in vain': web('/retry?status=503', { is: 503, countsHits: true }),
    'no retries': web('/none?status=503', { is: 503, countsHits: true }),
    'in time': web('/timeout?delay=1'),
    'too late': web('/timeout?delay=600', { is: 504 }),
    'too late twice': web('/try-timeout?delay=400', { is: 504, countsHits: true }),
    mirrored: web('/mirror', { countsHits: true, method: 'POST', body: 'to both' }),
    'a cluster that does not exist': web('/empty', { is: 503 }),
    'CORS, preflight': web('/cors', {
      method: 'OPTIONS',
      headers: { origin: 'https://a.example', 'access-control-request-method': 'GET' },
    }),
    CORS: web('/cors', { headers: { origin: 'https://a.example' } }),
    'CORS, elsewhere': web('/cors', { headers: { origin: 'https://b.example' } }),
  },
};

const rules: Scenario = {
  objects: `${destinationRule(
    'web',
    `host: web.$NS.svc.cluster.local
trafficPolicy:
  loadBalancer: {simple: LEAST_REQUEST}
  connectionPool: {http: {maxRequestsPerConnection: 2}, tcp: {connectTimeout: 2s}}
subsets:
- {name: bare, trafficPolicy: {tls: {mode: DISABLE}}}
- {name: mutual, labels: {version: v2}, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
- {name: simple, trafficPolicy: {tls: {mode: SIMPLE, insecureSkipVerify: true}}}
- {name: random, trafficPolicy: {loadBalancer: {simple: RANDOM}}}
- {name: none, labels: {version: v9}}`,
  )}
---
${virtualService(
  'web',
  `hosts: [web.$NS.svc.cluster.local]
http:
${['bare', 'mutual', 'simple', 'random', 'none']
  .map((name) => `- match: [{uri: {prefix: /${name}}}]\n  route: [{destination: ${to(name)}}]`)
  .join('\n')}
- route: [{destination: {host: web.$NS.svc.cluster.local}}]`,
)}
---
${destinationRule('tcp', 'host: tcp.$NS.svc.cluster.local\ntrafficPolicy: {tls: {mode: DISABLE}}')}`,
  calls: {
    'the least busy one': web('/', { repeat: 20 }),
    'the least busy one, posted': web('/', { method: 'POST', body: 'a' }),
    'the least busy one, HTTP/2': web('/', { isHttp2: true }),
    'without TLS': web('/bare'),
    'mutual TLS': web('/mutual', { isExact: true }),
    'TLS that the server does not speak': web('/simple', { is: 503 }),
    random: web('/random', { repeat: 40, share: { 'web-v1': [0.15, 0.85] } }),
    'a subset without anybody': web('/none', { is: 503 }),
    'bytes without TLS': bytes(),
  },
};

const strict: Scenario = {
  objects: peers('default', 'mtls: {mode: STRICT}'),
  calls: {
    'the mesh': web('/'),
    'the mesh, HTTP/2': web('/', { isHttp2: true }),
    'the mesh, a body': web('/', { method: 'POST', body: 'abc' }),
    'the mesh, bytes': bytes(),
    'a pod by its address': { to: '10.60.$N.2:8080', headers: { host: 'any' } },
    'from outside': direct('/', { is: 0 }),
    'from outside, bytes': { to: '10.60.$N.3:9000', from: 'outside', bytes: 'hello' },
    'from outside, TLS without certificate': direct('/', { as: null }),
    'from outside, TLS as the mesh has it': direct('/', { as: null, alpn: ['istio', 'h2'] }),
  },
};

const ports: Scenario = {
  objects: `${peers(
    'web',
    `selector: {matchLabels: {app: web}}
mtls: {mode: STRICT}
portLevelMtls: {9000: {mode: DISABLE}}`,
  )}
---
${peers('client', 'selector: {matchLabels: {app: client}}\nmtls: {mode: DISABLE}')}`,
  calls: {
    'the mesh': web('/'),
    'the mesh, a body': web('/b', { method: 'POST', body: 'abc' }),
    'the mesh, HTTP/2': web('/c', { isHttp2: true }),
    'the mesh, bytes': bytes(),
    'the mesh, more bytes': bytes({ bytes: 'x'.repeat(3000) }),
    'a pod by its address, bytes': { to: '10.60.$N.3:9000', bytes: 'hello' },
    'from outside': direct('/', { is: 0 }),
    'from outside, bytes where plain text is meant': { to: '10.60.$N.3:9000', from: 'outside', bytes: 'hello' },
    'from outside, TLS where plain text is meant': { to: '10.60.$N.3:9000', from: 'outside', as: null, bytes: 'hello' },
  },
};

const access: Scenario = {
  objects: `${policy(
    'allow',
    `selector: {matchLabels: {app: web}}
action: ALLOW
rules:
- from: [{source: {principals: ["*/sa/client"]}}]
  to: [{operation: {methods: [GET, POST], paths: ["/open/*", "/exact", "*.suffix"], ports: ["8080"]}}]
- from: [{source: {namespaces: ["mesh-*"], notPrincipals: ["cluster.local/ns/nobody/sa/nobody"]}}]
  to: [{operation: {paths: ["/header"]}}]
  when: [{key: "request.headers[x-token]", values: ["yes", "prefix-*"]}]
- from: [{source: {ipBlocks: ["10.60.0.1"]}}]
  to: [{operation: {paths: ["/outside"]}}]
- to: [{operation: {paths: ["/host"], hosts: ["special.example"]}}]
- to: [{operation: {ports: ["9000"]}}]`,
  )}
---
${policy(
  'deny',
  `selector: {matchLabels: {app: web}}
action: DENY
rules:
- to: [{operation: {paths: ["/open/secret*"]}}]
- from: [{source: {notNamespaces: ["mesh-e", "mesh-h"]}}]
  to: [{operation: {ports: ["9000"]}}]`,
)}
---
${policy('audit', 'action: AUDIT\nrules: [{to: [{operation: {methods: [GET]}}]}]')}`,
  calls: {
    open: web('/open/a'),
    'open, posted': web('/open/a', { method: 'POST', body: 'a' }),
    'open, another method': web('/open/a', { method: 'PUT', is: 403 }),
    'open, denied': web('/open/secret-x', { is: 403 }),
    'open, denied after normalising': web('/open/./secret', { is: 403 }),
    exact: web('/exact'),
    'more than exact': web('/exact/', { is: 403 }),
    suffix: web('/a.suffix?q'),
    closed: web('/closed', { is: 403 }),
    'a header': web('/header', { headers: { 'x-token': 'yes' } }),
    'a header by its beginning': web('/header', { headers: { 'x-token': 'prefix-1' } }),
    'no header': web('/header', { is: 403 }),
    'HTTP/2, denied': web('/closed', { isHttp2: true, is: 403 }),
    'gRPC, denied': web('/closed', {
      ...{ isHttp2: true, method: 'POST', body: '\0\0\0\0\0', is: 200 },
      headers: { 'content-type': 'application/grpc', te: 'trailers' },
    }),
    bytes: bytes(),
    'from outside, open': direct('/open/a', { is: 403 }),
    'from outside, its own': direct('/outside', { is: 200 }),
    'from outside, by host': direct('/host', { is: 200, headers: { host: 'special.example' } }),
    'from outside, bytes': { to: '10.60.$N.3:9000', from: 'outside', bytes: 'hello' },
  },
};

const nothing: Scenario = {
  objects: policy('nothing', '{}'),
  calls: {
    denied: web('/', { is: 403 }),
    'denied, posted': web('/', { is: 403, method: 'POST', body: 'a' }),
    'denied, HTTP/2': web('/', { is: 403, isHttp2: true }),
    'denied, bytes': bytes(),
    'denied, bytes by address': { to: '10.60.$N.3:9000', bytes: 'hello' },
    'denied, another page': web('/other', { is: 403 }),
    'a server without proxy': { to: '10.96.$N.4:80', headers: { host: 'plain.$NS' }, is: 200 },
    'denied from outside': direct('/', { is: 403 }),
  },
};

const entries: Scenario = {
  objects: `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: static, namespace: $NS}
spec:
  hosts: [static.$NS.example]
  addresses: [10.97.$N.1]
  ports:
  - {number: 80, name: http, protocol: HTTP, targetPort: 8080}
  - {number: 9100, name: tcp, protocol: TCP, targetPort: 9000}
  location: MESH_EXTERNAL
  resolution: STATIC
  endpoints: [{address: 10.60.$N.5}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: dns, namespace: $NS}
spec:
  hosts: [dns.$NS.example]
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8090}]
  location: MESH_EXTERNAL
  resolution: DNS
  endpoints: [{address: localhost}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: none, namespace: $NS}
spec:
  hosts: [none.$NS.example]
  addresses: [10.60.$N.5]
  ports: [{number: 9000, name: tcp, protocol: TCP}]
  location: MESH_EXTERNAL
  resolution: NONE
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: selected, namespace: $NS}
spec:
  hosts: [selected.$NS.example]
  addresses: [10.97.$N.2]
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
  location: MESH_INTERNAL
  resolution: STATIC
  workloadSelector: {labels: {app: web, version: v2}}
---
${virtualService(
  'dns',
  `hosts: [dns.$NS.example]
http:
- timeout: 150ms
  route: [{destination: {host: dns.$NS.example}}]`,
)}`,
  calls: {
    static: { to: '10.97.$N.1:80', headers: { host: 'static.$NS.example' }, is: 200 },
    'static, posted': {
      to: '10.97.$N.1:80',
      headers: { host: 'static.$NS.example' },
      is: 200,
      method: 'POST',
      body: 'a',
    },
    'static, HTTP/2': { to: '10.97.$N.1:80', headers: { host: 'static.$NS.example' }, is: 200, isHttp2: true },
    'static, bytes': { to: '10.97.$N.1:9100', bytes: 'hello' },
    DNS: { to: '10.97.9.9:80', headers: { host: 'dns.$NS.example' }, is: 200 },
    'DNS, a path': { to: '10.97.9.9:80', path: '/a?b', headers: { host: 'dns.$NS.example' }, is: 200 },
    'DNS, too late': { to: '10.97.9.9:80', path: '/?delay=600', headers: { host: 'dns.$NS.example' }, is: 504 },
    'as it is': { to: '10.60.$N.5:9000', bytes: 'hello' },
    'by labels': { to: '10.97.$N.2:80', headers: { host: 'selected.$NS.example' }, is: 200 },
    'by labels, HEAD': { to: '10.97.$N.2:80', headers: { host: 'selected.$NS.example' }, is: 200, method: 'HEAD' },
  },
};

const scoped: Scenario = {
  objects: `apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: client, namespace: $NS}
spec:
  workloadSelector: {labels: {app: client}}
  outboundTrafficPolicy: {mode: REGISTRY_ONLY}
  egress:
  - hosts: ["./web.$NS.svc.cluster.local", "*/tcp.mesh-e.svc.cluster.local", "*/tcp.mesh-h.svc.cluster.local"]`,
  calls: {
    'the server of the own half': web('/', { is: undefined }),
    'the server, posted': web('/', { is: undefined, method: 'POST', body: 'a' }),
    'the server, HTTP/2': web('/', { is: undefined, isHttp2: true }),
    'the server, a query': web('/?a=b', { is: undefined }),
    bytes: bytes(),
    'a server that is out of scope': { to: '10.96.$N.4:80', headers: { host: 'plain.$NS' } },
    'a host that nobody has': { to: '10.60.$N.5:80', headers: { host: 'x.example' } },
    'an address that nobody has': { to: '10.60.$N.5:9000', bytes: 'hello' },
    'an address that nobody has, HTTP': { to: '10.60.$N.5:8080', headers: { host: 'x' } },
    'from outside': direct('/', { is: 200 }),
  },
};

/** In the order in which they are applied; `secret`: a document that holds the gateways' credential. */
export function scenarios(secret: string): Readonly<Record<string, Scenario>> {
  return {
    'no configuration': plain,
    'weights and subsets': split,
    'matches, rewrites, redirects, headers': match,
    'faults, retries, timeouts, mirrors': failures,
    'DestinationRule: balancing and TLS': rules,
    'PeerAuthentication: STRICT': strict,
    'PeerAuthentication: ports': ports,
    'AuthorizationPolicy: allow and deny': access,
    'AuthorizationPolicy: nothing': nothing,
    ServiceEntry: entries,
    'Sidecar and REGISTRY_ONLY': scoped,
    'Gateway: HTTP and TCP': ingress,
    'Gateway: HTTPS': secured(secret),
    'Gateway API': gatewayApi,
  };
}
