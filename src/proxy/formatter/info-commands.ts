// Commands that read what is known of the exchange: codes, sizes, names, addresses.
import type { Address } from '../../base/byte-stream.ts';
import { hasIp } from '../../base/ip.ts';
import { H } from '../../wire/header-names.ts';
import { responseFlagsText, type StreamInfo, type UpstreamInfo } from '../stream-info.ts';
import { maskAddress, withoutPort, withPort } from './address-text.ts';
import { utf8Bytes } from './byte-text.ts';
import type { FormatContext } from './format-context.ts';
import { type Command, type CommandUse, number, type Operator, plain, safeText, text, truncated } from './operator.ts';

const orNull = (value: string): string | null => (value === '' ? null : value);
const named = (get: (info: StreamInfo) => string): Command => plain(text((ctx) => orNull(get(ctx.info))));
const always = (get: (info: StreamInfo) => string): Command => plain(text((ctx) => get(ctx.info)));
const counted = (get: (info: StreamInfo) => number): Command => plain(number((ctx) => get(ctx.info)));

/** Commands by name. */
export const INFO_COMMANDS: Readonly<Record<string, Command>> = {
  PROTOCOL: plain(safeText((ctx) => orNull(ctx.info.protocol))),
  UPSTREAM_PROTOCOL: named((info) => info.upstreamProtocol),
  RESPONSE_CODE: counted((info) => info.responseCode),
  RESPONSE_CODE_DETAILS: {
    params: 'optional',
    make(use) {
      if (use.param === 'ALLOW_WHITESPACES') return text((ctx) => ctx.info.responseCodeDetails);
      let last = '';
      let shown = '';
      return text((ctx) => {
        const details = ctx.info.responseCodeDetails;
        if (details === null) return null;
        if (details !== last) {
          shown = joined(details);
          last = details;
        }
        return shown;
      });
    },
  },
  CONNECTION_TERMINATION_DETAILS: named((info) => info.connection.terminationDetails),
  RESPONSE_FLAGS: plain(safeText((ctx) => responseFlagsText(ctx.info.flags, false, isTcp(ctx.info)))),
  RESPONSE_FLAGS_LONG: always((info) => responseFlagsText(info.flags, true, isTcp(info))),
  BYTES_RECEIVED: counted((info) => info.bytesReceived),
  BYTES_SENT: counted((info) => info.bytesSent),
  BYTES_RETRANSMITTED: counted(() => 0),
  PACKETS_RETRANSMITTED: counted(() => 0),
  DOWNSTREAM_CX_RTT: counted(() => 0),
  UPSTREAM_WIRE_BYTES_RECEIVED: counted((info) => info.upstreamWireBytesReceived),
  UPSTREAM_WIRE_BYTES_SENT: counted((info) => info.upstreamWireBytesSent),
  UPSTREAM_HEADER_BYTES_RECEIVED: counted((info) => info.upstreamHeaderBytesReceived),
  UPSTREAM_HEADER_BYTES_SENT: counted((info) => info.upstreamHeaderBytesSent),
  UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED: counted((info) => info.upstreamHeaderBytesReceived),
  UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT: counted((info) => info.upstreamHeaderBytesSent),
  DOWNSTREAM_WIRE_BYTES_RECEIVED: counted((info) => info.downstreamWireBytesReceived),
  DOWNSTREAM_WIRE_BYTES_SENT: counted((info) => info.downstreamWireBytesSent),
  DOWNSTREAM_HEADER_BYTES_RECEIVED: counted((info) => info.downstreamHeaderBytesReceived),
  DOWNSTREAM_HEADER_BYTES_SENT: counted((info) => info.downstreamHeaderBytesSent),
  DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED: counted((info) => info.downstreamHeaderBytesReceived),
  DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT: counted((info) => info.downstreamHeaderBytesSent),

  UPSTREAM_HOST: { params: 'none', make: () => text(shownAddress((info) => info.upstream?.address ?? null)) },
  UPSTREAM_HOST_NAME: plain(text((ctx) => hostName(ctx.info.upstream))),
  UPSTREAM_HOST_NAME_WITHOUT_PORT: plain(text((ctx) => stripPort(hostName(ctx.info.upstream)))),
  UPSTREAM_HOSTS_ATTEMPTED: attempted(addressOf),
  UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT: attempted((upstream) => upstream && withoutPort(upstream.address)),
  UPSTREAM_HOST_NAMES_ATTEMPTED: attempted(hostName),
  UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT: attempted((upstream) => stripPort(hostName(upstream))),
  UPSTREAM_CONNECTION_IDS_ATTEMPTED: plain(text((ctx) => connectionIds(ctx.info))),
  UPSTREAM_CLUSTER: named((info) => (info.clusterAltStatName === '' ? info.clusterName : info.clusterAltStatName)),
  UPSTREAM_CLUSTER_RAW: named((info) => info.clusterName),
  ...addressCommands('UPSTREAM_LOCAL', (info) => info.upstreamLocalAddress),
  ...addressCommands('UPSTREAM_REMOTE', (info) =>
    info.upstreamLocalAddress === null ? null : (info.upstreamRemoteAddress ?? info.upstream?.address ?? null),
  ),
  UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID: plain(text(({ info }) => upstreamEndpointId(info))),
  UPSTREAM_TRANSPORT_FAILURE_REASON: named((info) => info.upstreamTransportFailureReason.replaceAll(' ', '_')),
  UPSTREAM_DETECTED_CLOSE_TYPE: plain(text((ctx) => upstreamCloseType(ctx.info))),
  UPSTREAM_LOCAL_CLOSE_REASON: named((info) => joined(info.upstreamLocalCloseReason)),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: counted((info) => info.attemptCount),
  UPSTREAM_CONNECTION_ID: counted((info) => info.upstreamConnectionId),

  ...addressCommands('DOWNSTREAM_REMOTE', (info) => info.remoteAddress),
  ...addressCommands('DOWNSTREAM_DIRECT_REMOTE', (info) => info.connection.directRemoteAddress),
  ...addressCommands('DOWNSTREAM_LOCAL', (info) => info.connection.localAddress),
  ...addressCommands(
    'DOWNSTREAM_DIRECT_LOCAL',
    (info) => info.connection.directLocalAddress ?? info.connection.localAddress,
  ),
  DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID: always((info) => info.connection.localAddress.endpointId ?? ''),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID: always(
    ({ connection }) => (connection.directLocalAddress ?? connection.localAddress).endpointId ?? '',
  ),
  DOWNSTREAM_DETECTED_CLOSE_TYPE: always((info) => info.connection.detectedCloseType ?? 'Normal'),
  DOWNSTREAM_LOCAL_CLOSE_REASON: named((info) => joined(info.connection.localCloseReason ?? '')),
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: named((info) => info.downstreamTransportFailureReason.replaceAll(' ', '_')),
  TLS_JA3_FINGERPRINT: named((info) => info.connection.ja3Hash ?? ''),
  TLS_JA4_FINGERPRINT: named((info) => info.connection.ja4Hash ?? ''),
  CONNECTION_ID: counted((info) => info.connection.id),
  STREAM_ID: named((info) => info.requestId),
  TRACE_ID: named((info) => info.traceId),
  SPAN_ID: named((info) => info.spanId),
  ROUTE_NAME: named((info) => info.routeName),
  VIRTUAL_CLUSTER_NAME: named((info) => info.virtualClusterName),
  FILTER_CHAIN_NAME: named((info) => info.connection.filterChainName),
  LISTENER_NAME: named((info) => info.connection.listenerName),
  CUSTOM_FLAGS: always((info) => info.customFlags),
  REQUESTED_SERVER_NAME: { params: 'optional', make: serverName },
  HOSTNAME: {
    params: 'none',
    make(use) {
      const name = orNull(utf8Bytes(use.environment.hostname));
      return text(() => name);
    },
  },
  ENVIRONMENT: {
    params: 'required',
    length: true,
    make(use) {
      const value = utf8Bytes(use.environment.variables[use.param] ?? '-');
      return truncated(
        text(() => value),
        use.maxLength,
      );
    },
  },
};

function isTcp(info: StreamInfo): boolean {
  return info.protocol === '';
}

/** Details keep one word in the log. */
function joined(details: string): string {
  return /\s/.test(details) ? details.replace(/\s/g, '_') : details;
}

/** NAME_ADDRESS, NAME_ADDRESS_WITHOUT_PORT (with an optional prefix length) and NAME_PORT. */
/** An address that has none shows nothing, which is not the '-' of an unknown address. */
function portOf(get: (info: StreamInfo) => Address | null): Operator {
  const port = ({ info }: FormatContext): number | string | null => {
    const address = get(info);
    return address === null ? null : hasIp(address) ? address.port : '';
  };
  return { type: 'json', get: port, json: (ctx) => (port(ctx) ? String(port(ctx)) : null) };
}

/** Made anew only for another address: upstreams and listeners have few. */
function shownAddress(get: (info: StreamInfo) => Address | null): (ctx: FormatContext) => string | null {
  let last: Address | null = null;
  let shown = '';
  return ({ info }) => {
    const address = get(info);
    if (address === null) return null;
    if (address !== last) {
      shown = withPort(address);
      last = address;
    }
    return shown;
  };
}

function addressCommands(name: string, get: (info: StreamInfo) => Address | null): Record<string, Command> {
  return {
    [`${name}_ADDRESS`]: { params: 'none', make: () => text(shownAddress(get)) },
    [`${name}_ADDRESS_WITHOUT_PORT`]: {
      params: 'optional',
      make(use) {
        // What is no number masks nothing, and what is too long is as long as the address, as in Envoy.
        const bits = /^\d{1,9}$/.test(use.param) ? Number(use.param) : -1;
        return text((ctx) => {
          const address = get(ctx.info);
          if (address === null) return null;
          if (bits < 0) return withoutPort(address);
          return hasIp(address) ? maskAddress(address, Math.min(bits, address.family === 'ipv4' ? 32 : 128)) : '';
        });
      },
    },
    [`${name}_PORT`]: plain(portOf(get)),
  };
}

/** With an upstream chosen it is known; tcp_proxy says it of every connection. */
function upstreamCloseType(info: StreamInfo): string | null {
  return orNull(info.upstreamDetectedCloseType) ?? (info.upstream === null ? null : 'Normal');
}

function upstreamEndpointId({ upstream, upstreamLocalAddress, upstreamRemoteAddress }: StreamInfo): string | null {
  if (upstreamLocalAddress === null) return null;
  return (upstreamRemoteAddress ?? upstream?.address)?.endpointId ?? '';
}

function addressOf(upstream: UpstreamInfo | null): string | null {
  return upstream === null ? null : withPort(upstream.address);
}

function hostName(upstream: UpstreamInfo | null): string | null {
  if (upstream === null) return null;
  return upstream.hostname === '' ? withPort(upstream.address) : upstream.hostname;
}

function stripPort(host: string | null): string | null {
  if (host === null) return null;
  const colon = host.lastIndexOf(':');
  return colon < 0 ? host : host.slice(0, colon);
}

function attempted(show: (upstream: UpstreamInfo | null) => string | null): Command {
  return plain(
    text((ctx) => {
      const last = show(ctx.info.upstream);
      // Of an exchange only the last attempt is told, and only if it had a connection, as in Envoy.
      if (!isTcp(ctx.info)) return ctx.info.upstreamConnectionId === 0 ? null : last;
      const earlier = ctx.info.earlierUpstreams;
      if (earlier === null || earlier.length === 0) return last;
      const all = earlier.map(show);
      if (last !== null) all.push(last);
      return all.join(',');
    }),
  );
}

function connectionIds(info: StreamInfo): string | null {
  const ids = isTcp(info) ? (info.earlierUpstreamConnectionIds ?? []) : [];
  if (info.upstreamConnectionId !== 0) return [...ids, info.upstreamConnectionId].join(',');
  return ids.length === 0 ? null : ids.join(',');
}

/** REQUESTED_SERVER_NAME(SNI_ONLY|SNI_FIRST|HOST_FIRST:ORIG|HOST|ORIG_OR_HOST). */
function serverName(use: CommandUse): Operator | null {
  const [fallback = '', source = ''] = use.param.split(':');
  if (!['', 'SNI_ONLY', 'SNI_FIRST', 'HOST_FIRST'].includes(fallback)) {
    use.reject(
      `Invalid REQUESTED_SERVER_NAME option: '${fallback}', only 'SNI_ONLY'/'SNI_FIRST'/'HOST_FIRST' are allowed`,
    );
    return null;
  }
  if (!['', 'ORIG', 'HOST', 'ORIG_OR_HOST'].includes(source)) {
    use.reject(`Invalid REQUESTED_SERVER_NAME option: '${source}', only 'ORIG'/'HOST'/'ORIG_OR_HOST' are allowed`);
    return null;
  }
  const useHost = fallback === 'SNI_FIRST' || fallback === 'HOST_FIRST';
  return text((ctx) => {
    const name = ctx.info.connection.requestedServerName;
    const sni = /[^A-Za-z0-9._-]/.test(name) ? `invalid:${name.replace(/[^A-Za-z0-9._-]/g, '_')}` : name;
    if (!useHost || (fallback === 'SNI_FIRST' && sni !== '')) return orNull(sni);
    const headers = ctx.requestHeaders;
    const original = source === 'HOST' ? undefined : headers?.get(H['x-envoy-original-host']);
    const host = original ?? (source === 'ORIG' ? '' : (headers?.authority ?? ''));
    return orNull(host === '' ? sni : host);
  });
}
