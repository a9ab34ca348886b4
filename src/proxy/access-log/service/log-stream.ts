// Entries of one access log service: kept for a moment, then sent together on a stream that stays open.
import type { Timer } from '../../../base/clock.ts';
import { encodeBinary } from '../../../proto/binary-encode.ts';
import type { MessageType } from '../../../proto/message-type.ts';
import { registry } from '../../../proto/registry.ts';
import type { ScopeOf } from '../../../telemetry/metrics.ts';
import type { CallRetryPolicy } from '../../cluster/upstream-client/call-retry.ts';
import type { GrpcCall, GrpcMethod } from '../../cluster/upstream-client/grpc-call.ts';
import type { GrpcClient } from '../../cluster/upstream-client/grpc-client.ts';
import { joinParts, type Part, repeated } from './wire-parts.ts';

/** Under 'access_logs.grpc_access_log.' and 'access_logs.open_telemetry_access_log.'. */
export const LOG_COUNT_STATS = { logs_dropped: 'counter', logs_written: 'counter' } as const;
export const LOG_SERVICE_STATS = {
  ...LOG_COUNT_STATS,
  grpc_entries_flush_failed: 'counter',
  grpc_entries_flushed: 'counter',
} as const;

export type LogCountScope = ScopeOf<typeof LOG_COUNT_STATS>;
export type LogServiceScope = ScopeOf<typeof LOG_SERVICE_STATS>;

export type LogStreamSettings = {
  readonly flushMs: number;
  /** Entries are sent once there are so many bytes of them; 0: each at once. */
  readonly bufferBytes: number;
  readonly retry: CallRetryPolicy | null;
  /** Encoded StreamAccessLogsMessage.Identifier, which is the first thing on each stream. */
  readonly identifier: Uint8Array;
};

const METHOD: GrpcMethod<unknown, unknown> = {
  path: '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs',
  get request() {
    return registry.message('envoy.service.accesslog.v3.StreamAccessLogsMessage') as MessageType<unknown>;
  },
  get response() {
    return registry.message('envoy.service.accesslog.v3.StreamAccessLogsResponse') as MessageType<unknown>;
  },
};

/** Fields of StreamAccessLogsMessage, and of HTTPAccessLogEntries and TCPAccessLogEntries. */
const IDENTIFIER = 1;
const HTTP_LOGS = 2;
const TCP_LOGS = 3;
const LOG_ENTRY = 1;

/** Without a limit of the configuration this much waits for a service that does not read; Envoy has no such limit. */
const MOST_UNSENT_BYTES = 1024 * 1024;

export class LogStream {
  readonly #client: GrpcClient;
  readonly #settings: LogStreamSettings;
  readonly #kind: typeof HTTP_LOGS | typeof TCP_LOGS;
  readonly #scope: LogServiceScope;
  readonly #timer: Timer;
  #entries: Uint8Array[] = [];
  #bytes = 0;
  #call: GrpcCall<unknown, unknown> | null = null;

  constructor(client: GrpcClient, kind: 'http' | 'tcp', settings: LogStreamSettings, scope: LogServiceScope) {
    this.#client = client;
    this.#kind = kind === 'http' ? HTTP_LOGS : TCP_LOGS;
    this.#settings = settings;
    this.#scope = scope;
    this.#timer = client.http.clock.timer(flushEntries, this);
  }

  /** Takes an encoded entry, or drops it when the service has not taken the ones before. */
  log(entry: Uint8Array): void {
    if (!this.#hasRoom()) {
      this.#scope.inc(this.#scope.i.logs_dropped);
      return;
    }
    // Source: Envoy GrpcAccessLogger::log: only entries of HTTP are counted here.
    if (this.#kind === HTTP_LOGS) this.#scope.inc(this.#scope.i.logs_written);
    this.#entries.push(entry);
    this.#bytes += entry.length;
    if (this.#bytes >= this.#settings.bufferBytes) this.flush();
    if (this.#entries.length > 0 && !this.#timer.isArmed) this.#timer.arm(this.#settings.flushMs);
  }

  #hasRoom(): boolean {
    const most = this.#settings.bufferBytes || MOST_UNSENT_BYTES;
    if (this.#bytes < most) return true;
    this.flush();
    return this.#bytes < most;
  }

  /** Sends what there is; it stays while the service takes nothing. */
  flush(): void {
    const scope = this.#scope;
    const entries = this.#entries;
    if (entries.length === 0) return;
    if (!this.#send(entries)) {
      scope.add(scope.i.grpc_entries_flush_failed, entries.length);
      return;
    }
    scope.add(scope.i.grpc_entries_flushed, entries.length);
    this.#entries = [];
    this.#bytes = 0;
    this.#timer.disarm();
  }

  #send(entries: readonly Uint8Array[]): boolean {
    const isNew = this.#call === null;
    if (isNew) this.#open();
    const call = this.#call;
    if (call === null || call.isAboveWatermark) return false;
    const parts: Part[] = isNew ? [{ number: IDENTIFIER, bytes: [this.#settings.identifier] }] : [];
    parts.push({ number: this.#kind, bytes: repeated(LOG_ENTRY, entries) });
    call.sendBytes(joinParts(parts));
    return true;
  }

  #open(): void {
    const call = this.#client.stream(
      METHOD,
      {
        onMessage() {},
        // What was sent and not read is lost; the next entries begin another stream.
        onClose: () => {
          this.#call = null;
        },
      },
      { retry: this.#settings.retry },
    );
    this.#call = call.isOver ? null : call;
  }

  /** For the timer. */
  onTimer(): void {
    this.flush();
    if (this.#entries.length > 0) this.#timer.arm(this.#settings.flushMs);
  }
}

function flushEntries(stream: LogStream): void {
  stream.onTimer();
}

/** An Identifier, encoded. */
export function encodeIdentifier(node: object, logName: string): Uint8Array {
  const type = registry.message('envoy.service.accesslog.v3.StreamAccessLogsMessage.Identifier');
  return encodeBinary(type as MessageType<unknown>, { node, log_name: logName });
}
