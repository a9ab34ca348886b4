// The tls_inspector listener filter: tells TLS from plain text, and reads SNI, ALPN and fingerprints.
import type { ScopeOf } from '../../../../telemetry/metrics.ts';
import type { ClientHello } from '../../../../wire/client-hello.ts';
import { ClientHelloReader, type HelloReason } from '../../../../wire/client-hello-reader.ts';
import {
  type AcceptedSocket,
  defineListenerFilter,
  type ListenerFilter,
  type ListenerFilterContext,
  type ListenerFilterStatus,
} from '../../filter.ts';
import { addMetadata } from '../socket-metadata.ts';
import { ja3Of, ja4Of } from './fingerprint.ts';

const NAME = 'envoy.filters.listener.tls_inspector';
const CONFIG = 'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector';
/** Envoy: TLS_MAX_CLIENT_HELLO. */
const DEFAULT_MAX_HELLO_BYTES = 16_384;
/** legacy_version of a hello: TLS 1.0 to 1.3. */
const MIN_VERSION = 0x0301;
const MAX_VERSION = 0x0304;

const STATS = {
  client_hello_too_large: 'counter',
  tls_found: 'counter',
  tls_not_found: 'counter',
  alpn_found: 'counter',
  alpn_not_found: 'counter',
  sni_found: 'counter',
  sni_not_found: 'counter',
  bytes_processed: 'histogram',
} as const;

type TlsInspectorPb = {
  enable_ja3_fingerprinting?: boolean;
  enable_ja4_fingerprinting?: boolean;
  close_connection_on_client_hello_parsing_errors?: boolean;
  max_client_hello_size?: number;
};

type TlsInspectorConfig = {
  readonly hasJa3: boolean;
  readonly hasJa4: boolean;
  readonly closesOnErrors: boolean;
  readonly maxHelloBytes: number;
};

/** What the metadata of a refused hello says; the names are Envoy's. */
type FailureReason = 'ClientHelloTooLarge' | 'ClientHelloNotDetected' | 'ClientHelloInvalidTlsVersion';

function decode(message: TlsInspectorPb): TlsInspectorConfig {
  return Object.freeze({
    hasJa3: message.enable_ja3_fingerprinting ?? false,
    hasJa4: message.enable_ja4_fingerprinting ?? false,
    closesOnErrors: message.close_connection_on_client_hello_parsing_errors ?? false,
    maxHelloBytes: message.max_client_hello_size ?? DEFAULT_MAX_HELLO_BYTES,
  });
}

class TlsInspectorFilter implements ListenerFilter {
  readonly #config: TlsInspectorConfig;
  readonly #stats: ScopeOf<typeof STATS>;
  readonly #reader = new ClientHelloReader();

  constructor(config: TlsInspectorConfig, stats: ScopeOf<typeof STATS>) {
    this.#config = config;
    this.#stats = stats;
  }

  get maxReadBytes(): number {
    return this.#config.maxHelloBytes;
  }

  onAccept(): ListenerFilterStatus {
    return 'more';
  }

  onData(socket: AcceptedSocket, bytes: Buffer): ListenerFilterStatus {
    const stats = this.#stats;
    const reader = this.#reader;
    const { maxHelloBytes } = this.#config;
    const end = Math.min(bytes.length, maxHelloBytes);
    const status = reader.read(bytes, end);
    if (status === 'more' && end < maxHelloBytes) return 'more';
    stats.record(stats.i.bytes_processed, status === 'more' ? end : reader.bytesRead);
    if (status === 'found') return this.#found(socket, reader.hello as ClientHello);
    if (status === 'closed') return 'close';
    if (status === 'more') return this.#tooLarge(socket);
    socket.transportFailureReason = failureText(reader.reason);
    if (this.#config.closesOnErrors && end >= maxHelloBytes) return this.#tooLarge(socket);
    stats.inc(stats.i.tls_not_found);
    note(socket, 'ClientHelloNotDetected');
    return this.#config.closesOnErrors ? 'close' : 'continue';
  }

  #tooLarge(socket: AcceptedSocket): ListenerFilterStatus {
    this.#stats.inc(this.#stats.i.client_hello_too_large);
    note(socket, 'ClientHelloTooLarge');
    return 'close';
  }

  #found(socket: AcceptedSocket, hello: ClientHello): ListenerFilterStatus {
    const stats = this.#stats;
    const { i } = stats;
    const { hasJa3, hasJa4 } = this.#config;
    stats.inc(hello.hasServerName ? i.sni_found : i.sni_not_found);
    socket.serverName = hello.serverName;
    if (hasJa3) socket.ja3Hash = ja3Of(hello);
    if (hasJa4) socket.ja4Hash = ja4Of(hello);
    if (hello.version < MIN_VERSION || hello.version > MAX_VERSION) {
      stats.inc(i.tls_not_found);
      note(socket, 'ClientHelloInvalidTlsVersion');
      socket.transportFailureReason = failureText('CONNECTION_REJECTED');
      return 'close';
    }
    stats.inc(i.tls_found);
    stats.inc(hello.alpn.length > 0 ? i.alpn_found : i.alpn_not_found);
    if (hello.alpn.length > 0) socket.applicationProtocols = hello.alpn;
    socket.transportProtocol = 'tls';
    return 'continue';
  }
}

function note(socket: AcceptedSocket, reason: FailureReason): void {
  addMetadata(socket, NAME, 'failure_reason', reason);
}

/** BoringSSL's error numbers, as Envoy's %DOWNSTREAM_TRANSPORT_FAILURE_REASON% prints them. */
const ERROR_NUMBERS: Readonly<Record<HelloReason | 'CONNECTION_REJECTED', string>> = {
  '': '',
  CLIENTHELLO_PARSE_FAILED: '10000083',
  CONNECTION_REJECTED: '10000085',
  BAD_ALERT: '10000066',
  DATA_LENGTH_TOO_LONG: '10000088',
  ENCRYPTED_LENGTH_TOO_LONG: '10000092',
  ERROR_PARSING_EXTENSION: '10000095',
  EXCESSIVE_MESSAGE_SIZE: '10000096',
  HTTPS_PROXY_REQUEST: '1000009b',
  HTTP_REQUEST: '1000009c',
  TOO_MANY_EMPTY_FRAGMENTS: '100000db',
  TOO_MANY_WARNING_ALERTS: '100000dc',
  UNEXPECTED_MESSAGE: '100000df',
  UNEXPECTED_RECORD: '100000e1',
  UNKNOWN_ALERT_TYPE: '100000e5',
  WRONG_VERSION_NUMBER: '100000f7',
  EXCESS_HANDSHAKE_DATA: '100000ff',
  ALERT: '',
};

function failureText(reason: HelloReason | 'CONNECTION_REJECTED'): string {
  const number = ERROR_NUMBERS[reason];
  const error = number === '' ? 'unknown' : `error:${number}:SSL routines:OPENSSL_internal:${reason}`;
  return `TLS_error|${error}:TLS_error_end`;
}

export const tlsInspector = defineListenerFilter<TlsInspectorConfig, TlsInspectorPb>({
  name: NAME,
  configType: CONFIG,
  fields: {
    [CONFIG]:
      'enable_ja3_fingerprinting enable_ja4_fingerprinting close_connection_on_client_hello_parsing_errors ' +
      'max_client_hello_size',
  },
  decode,
  create(config, context: ListenerFilterContext) {
    const stats = context.stats.scope('tls_inspector.', STATS);
    return () => new TlsInspectorFilter(config, stats);
  },
});
