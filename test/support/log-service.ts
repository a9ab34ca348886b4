// A gRPC server that takes access logs, of Envoy's own service and of OpenTelemetry's, and keeps them for a test.
import { Clock, Random } from '../../src/base/clock.ts';
import { GrpcServer } from '../../src/grpc/server.ts';
import { type AnyServerMethod, type ServerCall, unaryMethod } from '../../src/grpc/service.ts';
import { grpcStatus } from '../../src/grpc/status.ts';
import { createEngine } from '../../src/net/engine.ts';
import { registry } from '../../src/proto/registry.ts';

const STREAM_LOGS = '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs';
const EXPORT_LOGS = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';

/** One message of a stream of logs. */
export type LogMessage = { readonly stream: number; readonly message: Readonly<Record<string, unknown>> };

export class LogService {
  readonly port: number;
  /** Messages as they came; `stream` numbers the streams from 0. */
  readonly messages: LogMessage[] = [];
  /** Metadata of each call: 'name: value'. */
  readonly heads: string[][] = [];
  /** ExportLogsServiceRequests. */
  readonly exports: Readonly<Record<string, unknown>>[] = [];
  /** Of the next Exports. */
  exportStatus = 0;
  rejected = 0;
  /** Streams that are open. */
  readonly calls = new Set<ServerCall<unknown>>();
  /** Messages are not read. */
  isSlow = false;
  readonly #server: GrpcServer;

  constructor(port = 0) {
    const clock = new Clock();
    const onBug = (error: unknown): never => {
      throw error;
    };
    const engine = createEngine({ clock, onBug });
    clock.wrap = (run) => engine.run(run);
    this.#server = new GrpcServer({ engine, random: new Random() });
    this.#server.add(this.#streamMethod(), this.#exportMethod());
    const listener = this.#server.listen({ family: 'ipv4', address: '127.0.0.1', port });
    if ('errno' in listener) throw new Error(listener.detail);
    this.port = listener.address.port;
  }

  #note(call: ServerCall<unknown>): void {
    const head: string[] = [];
    call.headers.forEach((name, value) => head.push(`${name}: ${value}`));
    this.heads.push(head);
  }

  #streamMethod(): AnyServerMethod {
    let streams = 0;
    return {
      path: STREAM_LOGS,
      request: registry.message('envoy.service.accesslog.v3.StreamAccessLogsMessage'),
      response: registry.message('envoy.service.accesslog.v3.StreamAccessLogsResponse'),
      start: (call) => {
        const stream = streams++;
        this.#note(call);
        this.calls.add(call);
        if (this.isSlow) call.pauseReading();
        return {
          onMessage: (message) => {
            this.messages.push({ stream, message: message as Record<string, unknown> });
          },
          onEnd: () => call.end(),
          onCancelled: () => void this.calls.delete(call),
        };
      },
    };
  }

  #exportMethod(): AnyServerMethod {
    return unaryMethod(
      EXPORT_LOGS,
      registry.message('opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest'),
      registry.message('opentelemetry.proto.collector.logs.v1.ExportLogsServiceResponse'),
      (request, call, reply) => {
        this.#note(call);
        this.exports.push(request);
        if (this.exportStatus !== 0) reply(null, grpcStatus(this.exportStatus, 'as the test wants'));
        else reply(this.rejected > 0 ? { partial_success: { rejected_log_records: this.rejected } } : {});
        return undefined;
      },
    ) as AnyServerMethod;
  }

  /** Entries of all messages, of one kind. */
  entries(kind: 'http_logs' | 'tcp_logs'): Record<string, unknown>[] {
    return this.messages.flatMap(({ message }) => {
      const logs = message[kind] as { log_entry?: Record<string, unknown>[] } | undefined;
      return logs?.log_entry ?? [];
    });
  }

  stop(): void {
    this.#server.stop();
  }
}
