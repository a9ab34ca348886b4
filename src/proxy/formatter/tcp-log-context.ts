// What a log of a whole connection draws from: the connection's facts, and no messages.
import type { StreamInfo } from '../stream-info.ts';
import type { FormatContext } from './format-context.ts';

/**
 * %ACCESS_LOG_TYPE% of a connection; 'NotSet' is what a listener's own access log shows. Source: Envoy's
 * data.accesslog.v3.AccessLogType.
 */
export type TcpLogType = 'NotSet' | 'TcpConnectionStart' | 'TcpUpstreamConnected' | 'TcpPeriodic' | 'TcpConnectionEnd';

/** The same of a session of datagrams. */
export type UdpLogType = 'NotSet' | 'UdpPeriodic' | 'UdpSessionEnd';

/** Returns what `AccessLog.log` takes for a connection, or a session, that carries no HTTP. */
export function tcpLogContext(info: StreamInfo, accessLogType: TcpLogType | UdpLogType): FormatContext {
  return {
    info,
    requestHeaders: null,
    responseHeaders: null,
    responseTrailers: null,
    requestTrailers: null,
    localReplyBody: '',
    accessLogType,
  };
}
