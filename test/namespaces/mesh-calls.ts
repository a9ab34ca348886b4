// What clients ask of the captured mesh, by the proxy that they meet: a sidecar of a client, of a server, a gateway.
import type { Identities } from '../captures/serve.ts';
import { makeCa, makeCertificate } from '../support/certificates.ts';
import type { Call } from './mesh-client.ts';

export type Calls = Readonly<Record<string, Call>>;

const PRODUCTPAGE = '10.0.1.1';
const REVIEWS = '10.0.1.11';
const GATEWAY = '10.0.3.1';
/** Of no service: there is a server on the first one. */
export const ELSEWHERE = '10.200.0.1';
export const NOBODY = '10.200.0.2';
/** Ports of a workload that belong to no service. */
export const ODD_PORT = 8888;

const ID = 'x-request-id';
const GRPC = {
  method: 'POST',
  path: '/echo.EchoTestService/Echo',
  isHttp2: true,
  headers: { host: 'grpc-echo:7070', 'content-type': 'application/grpc', te: 'trailers' },
  body: '\0\0\0\0\0',
};
const WEBSOCKET = { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' };

/** HTTP through the shared port of the bookshop. */
const bookinfo = (service: string, vip: number, call: Partial<Call> = {}): Call => ({
  to: `10.96.0.${vip}:9080`,
  path: '/x?y=z',
  ...call,
  headers: { host: `${service}:9080`, ...call.headers },
});

const http: Calls = {
  'a service by its name': bookinfo('details', 2),
  'a service by its name without port': bookinfo('details', 2, { headers: { host: 'details' } }),
  'a service by namespace': bookinfo('details.bookinfo', 2),
  'a service by all of its name': bookinfo('details.bookinfo.svc.cluster.local', 2),
  'a service by all of its name and a dot': bookinfo('details.bookinfo.svc.cluster.local.', 2),
  'a service by its address': bookinfo('10.96.0.2', 2),
  'a service in capital letters': bookinfo('DETAILS', 2),
  'another service': bookinfo('productpage', 1),
  'a service at the address of another': bookinfo('ratings', 2),
  'two endpoints': bookinfo('ratings', 4),
  'a header chooses the version': bookinfo('reviews', 3, { headers: { 'end-user': 'jason' } }),
  'a header that does not': bookinfo('reviews', 3, { headers: { 'end-user': 'jasons' } }),
  'weights choose the version': bookinfo('reviews', 3),
  POST: bookinfo('details', 2, { method: 'POST', body: 'some body' }),
  PUT: bookinfo('details', 2, { method: 'PUT', body: 'x'.repeat(20_000) }),
  HEAD: bookinfo('details', 2, { method: 'HEAD' }),
  OPTIONS: bookinfo('details', 2, {
    method: 'OPTIONS',
    headers: { origin: 'http://a.example', 'access-control-request-method': 'GET' },
  }),
  404: bookinfo('details', 2, { path: '/?status=404' }),
  503: bookinfo('details', 2, { path: '/?status=503' }),
  500: bookinfo('details', 2, { path: '/?status=500' }),
  'a path to normalise': bookinfo('details', 2, { path: '/a/../b//c/%2e%2e/d%2Fe' }),
  'a request id, not sampled': bookinfo('details', 2, { headers: { [ID]: '00002222-2222-4222-8222-222222222222' } }),
  'a request id, sampled': bookinfo('details', 2, { headers: { [ID]: '00000001-2222-4222-8222-222222222222' } }),
  'a request id, sampled before': bookinfo('details', 2, { headers: { [ID]: '0000ffff-2222-9222-8222-222222222222' } }),
  'a client that asks for a trace': bookinfo('details', 2, {
    headers: { [ID]: '00002222-2222-4222-8222-222222222222', 'x-client-trace-id': 'a' },
  }),
  'an operation of the client': bookinfo('details', 2, { headers: { 'x-envoy-decorator-operation': 'mine' } }),
  'forwarded for': bookinfo('details', 2, { headers: { 'x-forwarded-for': '192.0.2.1, 192.0.2.2' } }),
  'forwarded by another protocol': bookinfo('details', 2, { headers: { 'x-forwarded-proto': 'https' } }),
  'headers of Envoy': bookinfo('details', 2, {
    headers: { 'x-envoy-retry-on': '5xx', 'x-envoy-upstream-rq-timeout-ms': '100', 'x-envoy-max-retries': '5' },
  }),
  'certificate of the client': bookinfo('details', 2, { headers: { 'x-forwarded-client-cert': 'By=a;URI=b' } }),
  'a WebSocket': bookinfo('details', 2, { headers: WEBSOCKET }),
  'another upgrade': bookinfo('details', 2, { headers: { connection: 'upgrade', upgrade: 'other' } }),
  'HTTP/2': bookinfo('details', 2, { isHttp2: true }),
  'HTTP/2 with a body': bookinfo('reviews', 3, {
    ...{ isHttp2: true, method: 'POST', body: 'abc' },
    headers: { 'end-user': 'jason' },
  }),
  'an unknown host': { to: `${ELSEWHERE}:9080`, headers: { host: 'unknown.example' } },
  'an unknown host, where nobody is': { to: `${NOBODY}:9080`, headers: { host: 'unknown.example' } },
  'an unknown host, HTTP/2': { to: `${ELSEWHERE}:9080`, headers: { host: 'unknown.example' }, isHttp2: true },
  'TLS on a port for HTTP': { to: `${ELSEWHERE}:9080`, as: null, sni: 'unknown.example' },
  'bytes on a port for HTTP': { to: `${ELSEWHERE}:9080`, bytes: '\x01\x02\x03' },
  'half a request line on a port for HTTP': { to: `${ELSEWHERE}:9080`, bytes: 'GE' },
};

const others: Calls = {
  gRPC: { to: '10.96.0.8:7070', ...GRPC },
  'gRPC on another port': { to: '10.96.0.8:8082', ...GRPC, headers: { ...GRPC.headers, host: 'grpc-echo:8082' } },
  'HTTP/1 where gRPC is meant': { to: '10.96.0.8:7070', headers: { host: 'grpc-echo' } },
  'a port for anything, HTTP': { to: '10.96.0.9:8000', headers: { host: 'whatever' } },
  'a port for anything, HTTP/2': { to: '10.96.0.9:8000', isHttp2: true },
  'a port for anything, bytes': { to: '10.96.0.9:8000', bytes: '\0hello' },
  'a port for anything, TLS': { to: '10.96.0.9:8000', as: null },
  'a shared port for anything': { to: '10.96.0.9:8500', headers: { host: 'auto-echo:8500' } },
  'a port for TLS': { to: '10.96.0.9:8443', bytes: 'no TLS' },
  'a service without sidecar': { to: '10.96.0.12:80', headers: { host: 'plain.legacy' } },
  'a service without sidecar, all of its name': {
    to: '10.96.0.12:80',
    headers: { host: 'plain.legacy.svc.cluster.local' },
  },
  'a gateway': { to: '10.96.0.14:80', headers: { host: 'istio-egressgateway.istio-system' } },
  'a cluster that does not exist': {
    to: '10.96.0.12:80',
    headers: { host: 'reviews.bookinfo.svc.cluster.local', 'end-user': 'jason' },
  },
  'a headless service': { to: '10.0.1.41:7000', headers: { host: 'stateful:7000' } },
  'a headless service, one of its hosts': {
    to: '10.0.1.42:7000',
    headers: { host: 'stateful-1.stateful.bookinfo.svc.cluster.local:7000' },
  },
  'a headless service, bytes': { to: '10.0.1.42:7001', bytes: 'hello' },
  'Mongo’s port': { to: '10.96.0.5:27017', bytes: '\0\0\0\0 not Mongo at all' },
  'MySQL’s port': { to: '10.96.0.6:3306', bytes: 'hello' },
  'Redis’ port': { to: '10.96.0.11:6379', bytes: 'PING\r\n' },
  bytes: { to: '10.96.0.7:9000', bytes: 'hello' },
  'bytes on another port': { to: '10.96.0.7:9001', bytes: 'x'.repeat(5000) },
  'the control plane': { to: '10.96.0.15:15010', headers: { host: 'istiod.istio-system:15010' }, isHttp2: true },
  'the control plane’s statistics': { to: '10.96.0.15:15014', headers: { host: 'istiod.istio-system' } },
  'the control plane, bytes': { to: '10.96.0.15:15012', bytes: 'hello' },
  'the gateway’s readiness': { to: '10.96.0.13:15021', headers: { host: 'any' } },
  'the gateway’s bytes': { to: '10.96.0.13:31400', bytes: 'hello' },
  'an unknown port': { to: `${ELSEWHERE}:1234`, bytes: 'hello' },
  'an unknown port, HTTP': { to: `${ELSEWHERE}:${ODD_PORT}`, headers: { host: 'unknown.example' } },
  'an unknown port, where nobody is': { to: `${NOBODY}:1234`, bytes: 'hello' },
  'the proxy’s own port': { to: '10.99.0.1:15001', bytes: 'hello' },
};

/** Those that the proxy of a client makes, and some that come in there, where nothing is allowed. */
export function clientCalls(identities: Identities): Calls {
  const as = identities.of('ns/bookinfo/sa/bookinfo-reviews');
  return {
    ...http,
    ...others,
    'in: a request that no rule allows': { to: `${PRODUCTPAGE}:9080`, as, headers: { host: 'productpage' } },
    'in: plain text where TLS is asked for': { to: `${PRODUCTPAGE}:9080`, headers: { host: 'productpage' } },
    'in: bytes that no rule allows': { to: `${PRODUCTPAGE}:${ODD_PORT}`, as, bytes: 'hello' },
  };
}

/** Those that come to the proxy of a server, which lets one account read. */
export function serverCalls(identities: Identities): Calls {
  const page = identities.of('ns/bookinfo/sa/bookinfo-productpage');
  const ratings = identities.of('ns/bookinfo/sa/bookinfo-ratings');
  const uri = (text: string): { readonly sans: readonly { uri: string }[] } => ({ sans: [{ uri: text }] });
  const own = 'spiffe://cluster.local/ns/bookinfo/sa/bookinfo-productpage';
  const stranger = makeCertificate({ issuer: makeCa('other'), ...uri(own) });
  const foreign = makeCertificate({
    issuer: identities.ca,
    ...uri('spiffe://other/ns/bookinfo/sa/bookinfo-productpage'),
  });
  const nameless = makeCertificate({ issuer: identities.ca });
  const at = (call: Partial<Call> = {}): Call => ({
    to: `${REVIEWS}:9080`,
    path: '/reviews/0',
    as: page,
    ...call,
    headers: { host: 'reviews:9080', ...call.headers },
  });
  const odd = (call: Partial<Call>): Call => at({ to: `${REVIEWS}:${ODD_PORT}`, ...call });
  return {
    'an account that may read': at(),
    'an account that may read, as the mesh has it': at({ alpn: ['istio-http/1.1', 'istio', 'http/1.1'] }),
    'an account that may read, HTTP/2': at({ alpn: ['istio-h2', 'istio', 'h2'], isHttp2: true }),
    'an account that may read, by sni': at({ sni: 'outbound_.9080_.v1_.reviews.bookinfo.svc.cluster.local' }),
    'an account that may not write': at({ method: 'POST', body: 'x' }),
    'an account that may not write, gRPC': at({
      ...{ method: 'POST', alpn: ['h2'], isHttp2: true, body: '\0\0\0\0\0' },
      headers: { 'content-type': 'application/grpc', te: 'trailers' },
    }),
    'an account that may not read': at({ as: ratings }),
    'a WebSocket': at({ headers: WEBSOCKET }),
    'HEAD is not GET': at({ method: 'HEAD' }),
    'who the client says it is': at({ headers: { 'x-forwarded-client-cert': `By=a;URI=${own}` } }),
    'who the client says it is, without the right': at({
      as: ratings,
      headers: { 'x-forwarded-client-cert': `By=a;URI=${own}` },
    }),
    'an operation of the client': at({ headers: { 'x-envoy-decorator-operation': 'theirs' } }),
    'a server that fails': at({ path: '/?status=503' }),
    'a path to normalise': at({ path: '/a/../b' }),
    'no certificate': at({ as: null }),
    'a certificate of somebody else': at({ as: stranger }),
    'another trust domain': at({ as: foreign }),
    'a certificate without a name': at({ as: nameless }),
    'plain text': { to: `${REVIEWS}:9080`, headers: { host: 'reviews' } },
    'an unknown port, bytes': odd({ bytes: 'hello' }),
    'an unknown port, bytes as the mesh has it': odd({ bytes: 'hello', alpn: ['istio'] }),
    'an unknown port, HTTP as the mesh has it': odd({ alpn: ['istio-http/1.1'] }),
    'an unknown port, HTTP/2 as the mesh has it': odd({ alpn: ['istio-h2', 'h2'], isHttp2: true }),
    'an unknown port, plain text': { to: `${REVIEWS}:${ODD_PORT}`, headers: { host: 'reviews' } },
    'the proxy’s own port': { to: `${REVIEWS}:15006`, as: page, bytes: 'hello' },
    'out: a service by its name': bookinfo('ratings', 4),
  };
}

/** Those that come to a gateway. */
export function gatewayCalls(): Calls {
  const at = (path: string, call: Partial<Call> = {}): Call => ({
    to: `${GATEWAY}:8080`,
    path,
    ...call,
    headers: { host: 'shop.example', ...call.headers },
  });
  return {
    'a page': at('/productpage'),
    'a page with a query': at('/productpage?u=normal'),
    'below a page': at('/productpage/x'),
    'static files': at('/static/jquery.min.js'),
    'a prefix is not a folder': at('/staticfiles'),
    login: at('/login', { method: 'POST', body: 'user=a' }),
    'the interface for programs': at('/api/v1/products/0/reviews'),
    'nothing there': at('/'),
    'nothing there in capital letters': at('/PRODUCTPAGE'),
    'a path to normalise': at('/static/../productpage'),
    'HTTP/2': at('/productpage', { isHttp2: true }),
    'HTTP/2, nothing there': at('/nothing', { isHttp2: true }),
    HEAD: at('/productpage', { method: 'HEAD' }),
    'a WebSocket': at('/static/ws', { headers: WEBSOCKET }),
    'a client behind a proxy': at('/productpage', { headers: { 'x-forwarded-for': '192.0.2.1' } }),
    'headers that only the mesh may set': at('/productpage', {
      headers: {
        'x-envoy-force-trace': '1',
        'x-envoy-decorator-operation': 'theirs',
        'x-envoy-internal': 'true',
        'x-envoy-retry-on': '5xx',
        'x-envoy-peer-metadata': 'a',
        'x-forwarded-client-cert': 'By=a',
        [ID]: '00000001-2222-4222-8222-222222222222',
      },
    }),
    'a host with a port': at('/productpage', { headers: { host: 'shop.example:8080' } }),
    'a server that fails': at('/productpage?status=503'),
    bytes: { to: `${GATEWAY}:8080`, bytes: 'no HTTP\r\n\r\n' },
  };
}
