// Text formats against what Envoy 1.40 wrote and said for the same formats.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { H, headerKey } from '../../wire/header-names.ts';
import { Headers } from '../../wire/headers.ts';
import { type FilterStateObject, StreamInfo } from '../stream-info.ts';
import { REQ_WITHOUT_QUERY } from './header-commands.ts';
import { tcpLogContext } from './tcp-log-context.ts';
import { compileFormat, DEFAULT_ACCESS_LOG_FORMAT } from './text-formatter.ts';
import { compileJsonFormat } from './json-formatter.ts';
import { exampleDecoder, exampleExchange } from './test-exchange.ts';

const recorded = JSON.parse(readFileSync(new URL('./testdata/operators.json', import.meta.url), 'utf8')) as (readonly [
  string,
  unknown,
])[];

function render(format: string, change: (exchange: ReturnType<typeof exampleExchange>) => void = () => {}): string {
  const d = exampleDecoder();
  const formatter = compileFormat(format, d);
  assert.deepEqual(d.reasons, []);
  const exchange = exampleExchange();
  change(exchange);
  return formatter.format(exchange);
}

function whyNot(format: string): string | undefined {
  const d = exampleDecoder();
  compileFormat(format, d);
  return d.reasons[0]?.reason;
}

test('every operator gives what Envoy gave for the same exchange', () => {
  for (const [operator, expected] of recorded) {
    const d = exampleDecoder();
    const json = compileJsonFormat({ v: `%${operator}%` }, d).format(exampleExchange());
    assert.deepEqual(d.reasons, [], operator);
    assert.deepEqual(JSON.parse(Buffer.from(json, 'latin1').toString()), { v: expected }, operator);
    const text = compileFormat(`<%${operator}%>`, d).format(exampleExchange());
    if (!operator.includes('USER-AGENT')) assert.equal(text, `<${expected ?? '-'}>`, operator);
  }
});

test('the default line', () => {
  assert.equal(
    render(DEFAULT_ACCESS_LOG_FORMAT, ({ requestHeaders }) => requestHeaders?.set(H['user-agent'], 'curl')),
    '[2026-11-21T13:35:57.288Z] "GET /up?d=15&x=a%20b&e HTTP/1.1" 503 UC 0 95 13 - "-" "curl" "-" "h.example:80" ' +
      '"127.0.0.1:19920"\n',
  );
});

test('wrong formats are refused in the words of Envoy', () => {
  const cases: Readonly<Record<string, string>> = {
    '%': "Incorrect configuration: %. Couldn't find valid command at position 0",
    '%FOO': "Incorrect configuration: %FOO. Couldn't find valid command at position 0",
    '%FOO%': 'Not supported field in StreamInfo: FOO',
    '%REQ%': 'REQ requires parameters',
    '%REQ()%': 'REQ requires parameters',
    '%REQ(X?Y?Z)%': 'More than 1 alternative header specified in token: X?Y?Z',
    '%REQ(X):a%': "Incorrect configuration: %REQ(X):a%. Couldn't find valid command at position 0",
    '%REQ(a b)%': 'Invalid header configuration. Format string contains invalid characters.',
    '%PROTOCOL(x)%': 'PROTOCOL does not take any parameters or length',
    '%PROTOCOL:3%': 'PROTOCOL does not take any parameters or length',
    '%START_TIME(%n)%': 'Invalid header configuration. Format string contains newline.',
    '%START_TIME:3%': 'START_TIME does not allow length to be specified.',
    'a %% b %': "Incorrect configuration: a %% b %. Couldn't find valid command at position 7",
    '%FILTER_STATE%': 'Invalid filter state configuration, key cannot be empty.',
    '%FILTER_STATE(a:B)%': 'Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.',
    '%GRPC_STATUS(x)%': 'GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: x',
    '%COMMON_DURATION(a)%': 'Invalid common duration configuration: a.',
    '%COMMON_DURATION(a:b:c)%': 'Invalid common duration precision: c.',
    '%METADATA(x)%': 'x is not supported type of metadata',
    '%PATH(x)%': "Invalid PATH option: 'x', only 'WQ'/'NQ' are allowed",
    '%QUERY_PARAMS(d)%': "Invalid QUERY_PARAMS option: 'd', only 'ORIG'/'DECODED' are allowed",
    '%REQ(:PATH)% %RESP(%': "Incorrect configuration: %REQ(:PATH)% %RESP(%. Couldn't find valid command at position 13",
    '%REQ_WITHOUT_QUERY(:PATH)%': 'Not supported field in StreamInfo: REQ_WITHOUT_QUERY',
  };
  for (const [format, reason] of Object.entries(cases)) assert.equal(whyNot(format), reason, format);
});

test('metadata, filter state and gRPC status', () => {
  const change = ({ info, requestHeaders, responseHeaders }: ReturnType<typeof exampleExchange>): void => {
    info.setMetadata('ns', { s: 'x"y', n: 3, o: { b: 1, a: [true, null] } });
    info.filterState = new Map([
      ['k', { value: 'plain', typed: { f: 'field' }, isReadOnly: true, lifeSpan: 'request' as const }],
    ]);
    requestHeaders?.add(H['content-type'], 'application/grpc+proto');
    responseHeaders?.add(H['grpc-status'], '14');
  };
  const format =
    '%DYNAMIC_METADATA(ns:s)% %DYNAMIC_METADATA(ns:s):2% %DYNAMIC_METADATA(ns:n)% %DYNAMIC_METADATA(ns:o)% ' +
    '%METADATA(DYNAMIC:ns:o:a)% %DYNAMIC_METADATA(ns:s:t)% %FILTER_STATE(k:PLAIN)% %FILTER_STATE(k)% ' +
    '%FILTER_STATE(k:FIELD:f)% %GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER%';
  assert.equal(
    render(format, change),
    'x"y x" 3 {"a":[true,null],"b":1} [true,null] - plain {"f":"field"} field Unavailable UNAVAILABLE 14',
  );
});

test('trailers, alternatives, retries and addresses of version 6', () => {
  const format =
    '%TRAILER(t)% %REQ(none?:authority)% %UPSTREAM_HOSTS_ATTEMPTED% %UPSTREAM_CONNECTION_IDS_ATTEMPTED% ' +
    '%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(24)%';
  const text = render(format, (exchange) => {
    exchange.responseTrailers = new Headers();
    exchange.responseTrailers.add(headerKey('t'), 'v');
    const { info } = exchange;
    info.earlierUpstreams = [{ address: { family: 'ipv4', address: '10.0.0.1', port: 80 }, hostname: '' }];
    info.earlierUpstreamConnectionIds = [7];
    info.remoteAddress = { family: 'ipv6', address: '2001:db8::1', port: 5 };
  });
  assert.equal(text, 'v h.example:80 127.0.0.1:19920 1 [2001:db8::1]:5 2001:db8::1 2001:d00::/24');
});

test('a connection without HTTP', () => {
  const address = (port: number) => ({ family: 'ipv4' as const, address: '10.0.0.1', port });
  const object = { value: 'v', typed: 'v', isReadOnly: false, lifeSpan: 'connection' as const };
  const connection = {
    ...exampleExchange().info.connection,
    localAddress: address(80),
    directLocalAddress: address(8080),
    localCloseReason: 'rbac deny',
    detectedCloseType: 'RemoteReset' as const,
    ja3Hash: 'j3',
    ja4Hash: '',
    filterChainMetadata: new Map([['m', { k: 'here' }]]),
    filterState: new Map<string, FilterStateObject>([
      ['own', object],
      ['shared', { ...object, sharing: 'once' as const }],
      ['opaque', { ...object, typed: null, isOpaque: true }],
      ['address', { ...object, value: '10.0.0.1:80', typed: null, fields: { ip: '10.0.0.1', port: 80 } }],
    ]),
  };
  const info = new StreamInfo(connection, 0, 0);
  const show = (format: string): string => {
    return compileFormat(format, exampleDecoder()).format(tcpLogContext(info, 'TcpConnectionEnd'));
  };
  assert.equal(
    show('%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_LOCAL_PORT%'),
    '10.0.0.1:80 10.0.0.1:8080 8080',
  );
  assert.equal(show('%DOWNSTREAM_LOCAL_CLOSE_REASON% %DOWNSTREAM_DETECTED_CLOSE_TYPE%'), 'rbac_deny RemoteReset');
  assert.equal(show('%TLS_JA3_FINGERPRINT% %TLS_JA4_FINGERPRINT% %METADATA(LISTENER_FILTER_CHAIN:m:k)%'), 'j3 - here');
  assert.equal(show('%ACCESS_LOG_TYPE% %PROTOCOL% %REQ(:METHOD)% %RESPONSE_CODE%'), 'TcpConnectionEnd - - 0');
  assert.equal(show('%FILTER_STATE(own:PLAIN)% %FILTER_STATE(opaque:PLAIN)% %FILTER_STATE(opaque)%'), 'v - -');
  assert.equal(show('%FILTER_STATE(address:FIELD:ip)% %FILTER_STATE(address:FIELD:port)%'), '10.0.0.1 80');
  const shared = '%UPSTREAM_FILTER_STATE(own:PLAIN)% %UPSTREAM_FILTER_STATE(shared:PLAIN)%';
  assert.equal(`${show(shared)} ${show('%UPSTREAM_DETECTED_CLOSE_TYPE%')}`, '- - -');
  info.upstreamLocalAddress = address(5);
  info.upstreamDetectedCloseType = 'Normal';
  info.upstreamLocalCloseReason = 'tcp_session_idle_timeout';
  assert.equal(show(shared), '- v');
  assert.equal(show('%UPSTREAM_DETECTED_CLOSE_TYPE% %UPSTREAM_LOCAL_CLOSE_REASON%'), 'Normal tcp_session_idle_timeout');
});

test('REQ_WITHOUT_QUERY comes with its extension', () => {
  const d = exampleDecoder();
  const commands = new Map([['REQ_WITHOUT_QUERY', REQ_WITHOUT_QUERY]]);
  const formatter = compileFormat('%REQ_WITHOUT_QUERY(X?:PATH)%', d, { commands });
  assert.deepEqual(d.reasons, []);
  assert.equal(formatter.format(exampleExchange()), '/up');
});

test('COALESCE takes the first value', () => {
  const param = '{"operators":[{"command":"REQ","param":"x-none"},"ROUTE_NAME",{"command":"REQ","param":":path"}]}';
  assert.equal(render(`%COALESCE(${param}):3%`), '/up');
});

test('literals of configuration become UTF-8 bytes', () => {
  assert.equal(Buffer.from(render('é %PROTOCOL%'), 'latin1').toString(), 'é HTTP/1.1');
  assert.equal(compileFormat('100%%', exampleDecoder()).literal, '100%');
});
