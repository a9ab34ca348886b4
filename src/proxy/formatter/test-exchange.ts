// One finished exchange for the tests and benches of formats: the request of which Envoy's own answers were recorded.
import { headerKey } from '../../wire/header-names.ts';
import { Headers } from '../../wire/headers.ts';
import { ConfigDecoder, type DecodeEnvironment } from '../config-decoder.ts';
import { type ConnectionInfo, Flag, StreamInfo } from '../stream-info.ts';
import type { FormatContext } from './format-context.ts';
import type { FormatEnvironment } from './operator.ts';

export function exampleDecoder(): ConfigDecoder {
  const environment: DecodeEnvironment & FormatEnvironment = {
    unpack: () => null,
    clock: { nowMs: 1014, wallMs: 1_795_268_157_302.2 },
    hostname: 'vm',
    variables: { HOME: '/home/me' },
  };
  return new ConfigDecoder(environment);
}

/** What formats read of a stream, free to change. */
export type Exchange = { -readonly [key in keyof FormatContext]: FormatContext[key] };

export function exampleExchange(): Exchange {
  const address = (port: number) => ({ family: 'ipv4' as const, address: '127.0.0.1', port });
  const connection: ConnectionInfo = {
    id: 0,
    localAddress: address(19932),
    remoteAddress: address(60720),
    directRemoteAddress: address(60720),
    tls: null,
    requestedServerName: '',
    listenerName: 'l1',
    filterChainName: 'fc1',
    terminationDetails: '',
  };
  const info = new StreamInfo(connection, 1000, 1_795_268_157_288.085);
  Object.assign(info, {
    lastDownstreamRxMs: 1000.0751,
    upstreamTimes: { startMs: 1000.1, endMs: 1000.3, handshakeEndMs: 0 },
    firstUpstreamTxMs: 1000.4,
    lastUpstreamTxMs: 1000.5,
    firstDownstreamTxMs: 1013,
    lastDownstreamTxMs: 1013.2,
    endMs: 1013.5,
    protocol: 'HTTP/1.1',
    upstreamProtocol: 'HTTP/1.1',
    responseCode: 503,
    responseCodeDetails: 'upstream_reset_before_response_started{connection_termination}',
    flags: Flag.UC,
    bytesSent: 95,
    upstreamWireBytesSent: 201,
    upstreamHeaderBytesSent: 166,
    downstreamWireBytesSent: 248,
    downstreamWireBytesReceived: 104,
    downstreamHeaderBytesSent: 117,
    downstreamHeaderBytesReceived: 66,
    upstream: { address: address(19920), hostname: '' },
    clusterName: 'c1',
    upstreamLocalAddress: address(54534),
    attemptCount: 1,
    upstreamConnectionId: 1,
    requestId: '73f00da5-8f4a-4fa1-8abf-70cd37e71573',
  });
  const requestHeaders = new Headers();
  requestHeaders.method = 'GET';
  requestHeaders.path = '/up?d=15&x=a%20b&e';
  requestHeaders.authority = 'h.example:80';
  requestHeaders.scheme = 'http';
  requestHeaders.add(headerKey('user-agent'), '"quo\\te"\tt\xe9\xc3\xa9<x>');
  const responseHeaders = new Headers();
  responseHeaders.status = 503;
  responseHeaders.add(headerKey('content-type'), 'text/plain');
  return {
    info,
    requestHeaders,
    responseHeaders,
    responseTrailers: null,
    requestTrailers: null,
    localReplyBody: '',
    accessLogType: 'DownstreamEnd',
  };
}
