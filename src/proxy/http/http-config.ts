// The HTTP connection manager's configuration at run time: frozen, decoded once per listener version.
import type { Spelling } from '../../wire/http1/encoder.ts';
import type { Http1Limits } from '../../wire/http1/parser.ts';
import type { Headers } from '../../wire/headers.ts';
import type { Formatter } from '../formatter/text-formatter.ts';
import type { AccessLog } from '../access-log/access-log.ts';
import type { RouteTable } from '../route/route.ts';
import type { Http2Settings } from '../codec/http2-settings.ts';
import type { AddressDetection } from './client-address.ts';
import type { ClientCertChoice } from './client-cert-header.ts';
import type { FieldMutation } from './filters/header-mutation/field-mutations.ts';
import type { FilterChain } from './filter-chain.ts';
import type { ProxyStatusConfig } from './proxy-status.ts';
import type { TracingConfig } from './tracing.ts';

/**
 * Field names follow envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager; times in ms,
 * 0 = none.
 */
export type HttpConfig = {
  readonly statPrefix: string;
  readonly serverName: string;
  readonly serverHeaderTransformation: 'OVERWRITE' | 'APPEND_IF_ABSENT' | 'PASS_THROUGH';
  /** '' = leave it; else the scheme that replaces :scheme. */
  readonly schemeOverwrite: string;
  /** The scheme becomes that of the connection to the upstream. */
  readonly schemeMatchesUpstream: boolean;
  readonly useRemoteAddress: boolean;
  readonly xffNumTrustedHops: number;
  readonly skipXffAppend: boolean;
  readonly appendXForwardedPort: boolean;
  readonly representIpv4AsMapped: boolean;
  /** This machine's address, as x-forwarded-for names a client on loopback. */
  readonly localAddress: string;
  /** What is changed of a request before all else; null for nothing. */
  readonly earlyHeaders: readonly FieldMutation[] | null;
  /** How clients are found where the peer is not the client. */
  readonly addressDetections: readonly AddressDetection[];
  /** forward_proto_config: schemes by the port that the client wanted; null where none is given. */
  readonly schemeByPort: ReadonlyMap<number, 'http' | 'https'> | null;
  readonly isInternalAddress: (address: string) => boolean;
  readonly via: string;
  readonly clientCert: ClientCertChoice;
  /** add_user_agent: the service cluster, else ''. */
  readonly userAgent: string;
  readonly nodeId: string;
  /** Whether there is such a cluster now; absent: nobody knows. */
  readonly hasCluster?: ((name: string) => boolean) | undefined;
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestIdInResponse: boolean;
  readonly tracing: TracingConfig | null;
  readonly streamIdleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly requestHeadersTimeoutMs: number;
  readonly drainTimeoutMs: number;
  /** Per cent that drainTimeoutMs and maxConnectionDurationMs are longer at most. */
  readonly drainJitterPercent: number;
  readonly durationJitterPercent: number;
  /** HTTP/1: a connection that has lasted long enough ends with its next exchange, and not while nobody asks. */
  readonly endsWithNextExchange: boolean;
  /** An answer that nobody takes is given up after so long. */
  readonly flushTimeoutMs: number;
  readonly recordsRouteResolution: boolean;
  readonly delayedCloseTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  readonly maxStreamDurationMs: number;
  /** 0 = unlimited. */
  readonly maxRequestsPerConnection: number;
  readonly headersWithUnderscores: 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';
  readonly streamErrorOnInvalidHttpMessage: boolean;
  readonly http1: Http1Limits & {
    readonly acceptHttp10: boolean;
    readonly defaultHostForHttp10: string;
    readonly allowAbsoluteUrl: boolean;
    /** At the edge nobody may ask for https over plain text. */
    readonly refusesPlainHttps: boolean;
    readonly spelling: Spelling;
  };
  /** AUTO: as ALPN or the first bytes say. */
  readonly codecType: 'AUTO' | 'HTTP1' | 'HTTP2';
  readonly http2: Http2Settings;
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly escapedSlashes: 'KEEP_UNCHANGED' | 'REJECT_REQUEST' | 'UNESCAPE_AND_REDIRECT' | 'UNESCAPE_AND_FORWARD';
  readonly stripMatchingHostPort: boolean;
  readonly stripAnyHostPort: boolean;
  readonly stripTrailingHostDot: boolean;
  readonly proxy100Continue: boolean;
  /** Upgrade type (lower case) → enabled. */
  readonly upgrades: ReadonlyMap<string, boolean>;
  readonly accessLogs: readonly AccessLog[];
  /** When they are written besides the end of an exchange. */
  readonly logStages: LogStages;
  readonly localReply: LocalReplyConfig | null;
  readonly proxyStatus: ProxyStatusConfig | null;
  /** The route configuration in force; the holder outlives updates, its value is swapped. */
  readonly routes: { readonly current: RouteTable | null };
  readonly chain: FilterChain;
  /** Bytes a stream may buffer in each direction: the listener's per_connection_buffer_limit_bytes. */
  readonly bufferLimitBytes: number;
};

export type LogStages = {
  /** When a request has its route. */
  readonly start: boolean;
  /** When an upgrade or CONNECT was agreed on. */
  readonly tunnel: boolean;
  /** Each time that so many ms have gone by; 0 = never. */
  readonly intervalMs: number;
};

export type LocalReplyConfig = {
  readonly mappers: readonly LocalReplyMapper[];
  /** Null: text/plain with the body as it is. */
  readonly body: LocalReplyBody | null;
};

export type LocalReplyBody = { readonly contentType: string; readonly format: Formatter };

export type LocalReplyMapper = {
  readonly matches: AccessLog['filter'];
  readonly status: number | undefined;
  readonly body: string | undefined;
  readonly bodyFormat: LocalReplyBody | null;
  readonly changeHeaders:
    | ((headers: Headers, format: import('../formatter/format-context.ts').FormatContext) => void)
    | null;
};
