// Lines as proxies print them (taken from real runs), and as anybody else does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAccessLine, serviceOf } from './access-line.ts';

const INBOUND =
  '{"authority":"httpbin:8000","bytes_received":0,"bytes_sent":9850,"connection_termination_details":null,' +
  '"downstream_peer_uri_san":"spiffe://cluster.local/ns/third-party/sa/client",' +
  '"downstream_remote_address":"127.0.0.1:33614","downstream_tls_version":"TLSv1.3","duration":2,"grpc_status":null,' +
  '"method":"GET","path":"/stream/20","protocol":"HTTP/1.1","request_id":"3a67766f-42cb","response_code":200,' +
  '"requested_server_name":"outbound_.8000_._.httpbin.third-party.svc.cluster.local","route_name":"default",' +
  '"response_code_details":"via_upstream","response_flags":"-","start_time":"2026-11-22T05:53:11.372Z",' +
  '"upstream_cluster":"inbound|8000||","upstream_host":"127.0.0.1:46331","upstream_tls_version":null,' +
  '"upstream_transport_failure_reason":null,"user_agent":"curl/7.88.1"}';

const OUTBOUND: Readonly<Record<string, unknown>> = {
  start_time: '2026-11-22T05:53:11.372Z',
  ...{ method: 'POST', path: '/r', authority: 'reviews:9080', protocol: 'HTTP/2', response_code: 503 },
  ...{ response_flags: 'UF,URX', response_code_details: 'upstream_reset', duration: 12, grpc_status: '-' },
  ...{ upstream_cluster: 'outbound|9080|v2|reviews.shop.svc.cluster.local', upstream_host: '10.244.0.14:9080' },
  ...{ upstream_tls_version: 'TLSv1.3', upstream_transport_failure_reason: 'TLS_error', bytes_sent: '7' },
};

const SHOP = { name: 'shop-1', workload: 'shop' };
const nobody = (): string => '';

test('of the called side: who called is the account of its certificate', () => {
  const line = readAccessLine(INBOUND, { name: 'httpbin-1', workload: 'httpbin' }, nobody);
  assert.ok(line !== null);
  const { direction, source, destination, by, status, path, details, durationMs, flags, sentBytes } = line;
  assert.deepEqual(
    [direction, source, destination, by, status, path, details, durationMs, flags, sentBytes],
    ['inbound', 'client', 'httpbin', 'httpbin-1', 200, '/stream/20', 'via_upstream', 2, '-', 9850],
  );
  assert.equal(line.atMs, Date.parse('2026-11-22T05:53:11.372Z'));
});

test('of the calling side: who was called is whose address it is, else the service, else the host', () => {
  const read = (more: object, names = nobody as (address: string) => string): ReturnType<typeof readAccessLine> =>
    readAccessLine(JSON.stringify({ ...OUTBOUND, ...more }), SHOP, names);
  const line = read({}, (address) => (address === '10.244.0.14:9080' ? 'reviews-v2' : ''));
  assert.deepEqual([line?.direction, line?.source, line?.destination], ['outbound', 'shop', 'reviews-v2']);
  assert.equal(line?.details, 'upstream_reset; TLS_error');
  assert.equal(line?.grpcStatus, '');
  assert.equal(line?.sentBytes, 7);
  assert.equal(read({ upstream_host: '-' })?.destination, 'reviews');
  assert.equal(read({ upstream_host: null, upstream_cluster: 'BlackHoleCluster' })?.destination, 'reviews:9080');
  assert.equal(read({ upstream_cluster: 'outbound|443||api.example' })?.destination, 'api.example');
});

test('whether it went by mutual TLS: told only where the line tells', () => {
  const mutual = (more: object): boolean | null | undefined =>
    readAccessLine(JSON.stringify({ ...OUTBOUND, ...more }), SHOP, nobody)?.isMutualTls;
  assert.equal(mutual({}), null);
  assert.equal(mutual({ upstream_peer_uri_san: 'spiffe://cluster.local/ns/a/sa/b' }), true);
  assert.equal(mutual({ upstream_peer_uri_san: null }), false);
  assert.equal(mutual({ upstream_tls_version: '-' }), false);
  assert.equal(mutual({ upstream_host: '-' }), null);
});

test('connections are lines too, and what is no line is none', () => {
  const tcp = {
    start_time: 'never',
    upstream_cluster: 'outbound|5432||db.shop.svc.cluster.local',
    response_flags: '-',
  };
  const line = readAccessLine(JSON.stringify(tcp), SHOP, nobody);
  assert.deepEqual([line?.protocol, line?.method, line?.status, line?.destination], ['TCP', '', 0, 'db']);
  assert.ok(Math.abs((line?.atMs ?? 0) - Date.now()) < 60_000);
  for (const text of ['', 'hello', '{', '{}', '{"msg":"ready"}', '[1]', `${INBOUND.slice(0, -9)}`, '{"a":1} x']) {
    assert.equal(readAccessLine(text, SHOP, nobody), null, text);
  }
});

test('names of services', () => {
  assert.equal(serviceOf('reviews.shop.svc.cluster.local'), 'reviews');
  assert.equal(serviceOf('api.example'), 'api.example');
});
