// Log records for OpenTelemetry: kept for a moment, then exported together, each time by a call of its own.
import type { Timer } from '../../../base/clock.ts';
import { decodeBinary } from '../../../proto/binary-decode.ts';
import { encodeBinary } from '../../../proto/binary-encode.ts';
import type { Opentelemetry_KeyValue as KeyValue } from '../../../proto/generated/types.d.ts';
import type { MessageType } from '../../../proto/message-type.ts';
import { registry } from '../../../proto/registry.ts';
import { H } from '../../../wire/header-names.ts';
import { Headers } from '../../../wire/headers.ts';
import { sendRequest } from '../../cluster/upstream-client/buffered-request.ts';
import type { CallRetryPolicy } from '../../cluster/upstream-client/call-retry.ts';
import type { GrpcMethod } from '../../cluster/upstream-client/grpc-call.ts';
import type { GrpcClient } from '../../cluster/upstream-client/grpc-client.ts';
import type { HttpClient } from '../../cluster/upstream-client/http-client.ts';
import type { HttpServiceTarget } from '../../config/http-service.ts';
import type { LogCountScope } from './log-stream.ts';
import { joinParts, repeated } from './wire-parts.ts';

/** Tells how many records were not taken: all of them where the call failed. */
export type OtelSender = (request: Buffer, onEnd: (rejected: number | 'all') => void) => void;

type Response = { partial_success?: { rejected_log_records?: number | bigint } };

const EXPORT: GrpcMethod<unknown, Response> = {
  path: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  get request() {
    return registry.message('opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest') as MessageType<unknown>;
  },
  get response() {
    return registry.message('opentelemetry.proto.collector.logs.v1.ExportLogsServiceResponse') as MessageType<Response>;
  },
};

/** Fields of ExportLogsServiceRequest, ResourceLogs and ScopeLogs. */
const RESOURCE_LOGS = 1;
const RESOURCE = 1;
const SCOPE_LOGS = 2;
const LOG_RECORDS = 2;

export class OtelExport {
  readonly #send: OtelSender;
  readonly #resource: Uint8Array;
  readonly #flushMs: number;
  readonly #bufferBytes: number;
  readonly #scope: LogCountScope;
  readonly #timer: Timer;
  #records: Uint8Array[] = [];
  #bytes = 0;

  constructor(
    client: HttpClient,
    send: OtelSender,
    settings: { readonly flushMs: number; readonly bufferBytes: number; readonly resource: readonly KeyValue[] },
    scope: LogCountScope,
  ) {
    this.#send = send;
    this.#flushMs = settings.flushMs;
    this.#bufferBytes = settings.bufferBytes;
    this.#scope = scope;
    const type = registry.message('opentelemetry.proto.resource.v1.Resource') as MessageType<unknown>;
    this.#resource = encodeBinary(type, { attributes: settings.resource });
    this.#timer = client.clock.timer(flushRecords, this);
  }

  /** An encoded LogRecord. */
  log(record: Uint8Array): void {
    this.#records.push(record);
    this.#bytes += record.length;
    if (this.#bytes >= this.#bufferBytes) this.flush();
    else if (!this.#timer.isArmed) this.#timer.arm(this.#flushMs);
  }

  flush(): void {
    const records = this.#records;
    if (records.length === 0) return;
    this.#records = [];
    this.#bytes = 0;
    this.#timer.disarm();
    const scopeLogs = joinParts([{ number: SCOPE_LOGS, bytes: repeated(LOG_RECORDS, records) }]);
    const resourceLogs = [joinParts([{ number: RESOURCE, bytes: [this.#resource] }]), scopeLogs];
    const request = joinParts([{ number: RESOURCE_LOGS, bytes: resourceLogs }]);
    const scope = this.#scope;
    // How many calls run at once is the cluster's to limit (max_requests): those beyond it fail, and are counted.
    this.#send(request, (rejected) => {
      const dropped = rejected === 'all' ? records.length : Math.min(rejected, records.length);
      scope.add(scope.i.logs_dropped, dropped);
      if (rejected !== 'all') scope.add(scope.i.logs_written, records.length - dropped);
    });
  }
}

function flushRecords(service: OtelExport): void {
  service.flush();
}

export function grpcSender(client: GrpcClient, retry: CallRetryPolicy | null): OtelSender {
  return (request, onEnd) => {
    client.unaryBytes(EXPORT, request, ({ response }) => onEnd(response === null ? 'all' : rejectedOf(response)), {
      retry,
    });
  };
}

function rejectedOf(response: Response): number {
  return Number(response.partial_success?.rejected_log_records ?? 0);
}

export function httpSender(client: HttpClient, target: HttpServiceTarget, userAgent: string): OtelSender {
  const { clusterName, authority, path, timeoutMs, addHeaders } = target;
  return (request, onEnd) => {
    const headers = new Headers();
    headers.method = 'POST';
    headers.path = path;
    headers.authority = authority;
    headers.hasAuthority = true;
    headers.scheme = 'http';
    headers.add(H['content-type'], 'application/x-protobuf');
    headers.add(H['user-agent'], userAgent);
    addHeaders(headers);
    sendRequest(client, clusterName, headers, request, { timeoutMs }, (response) => {
      if (response === null || response.headers.status !== 200) onEnd('all');
      else onEnd(rejectedOf(decodeBinary(EXPORT.response, response.body) ?? {}));
    });
  };
}
