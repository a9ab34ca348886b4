// A load reporting server for tests: keeps what it is told of each stream, and says what it wants to hear.
import { Clock, Random } from '../../src/base/clock.ts';
import { GrpcServer } from '../../src/grpc/server.ts';
import type { AnyServerMethod, ServerCall } from '../../src/grpc/service.ts';
import { createEngine } from '../../src/net/engine.ts';
import { registry } from '../../src/proto/registry.ts';

const PATH = '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats';

/** A LoadStatsRequest as it came. */
export type LoadRequest = Readonly<{ node?: object; cluster_stats?: ClusterLoadMessage[] }>;
export type ClusterLoadMessage = Readonly<Record<string, unknown>>;
/** A LoadStatsResponse. */
export type LoadWishes = Readonly<{
  clusters?: readonly string[];
  send_all_clusters?: boolean;
  report_endpoint_granularity?: boolean;
  load_reporting_interval?: { readonly seconds: number; readonly nanos: number };
}>;

export type LoadStream = { readonly call: ServerCall<unknown>; readonly requests: LoadRequest[] };

export class LoadReportServer {
  readonly port: number;
  /** Streams so far, the open ones and those that ended. */
  readonly streams: LoadStream[] = [];
  readonly #server: GrpcServer;

  /** `more`: methods that the same server has. */
  constructor(port = 0, more: readonly AnyServerMethod[] = []) {
    const clock = new Clock();
    const onBug = (error: unknown): never => {
      throw error;
    };
    const engine = createEngine({ clock, onBug });
    clock.wrap = (run) => engine.run(run);
    this.#server = new GrpcServer({ engine, random: new Random() });
    this.#server.add({
      path: PATH,
      request: registry.message('envoy.service.load_stats.v3.LoadStatsRequest'),
      response: registry.message('envoy.service.load_stats.v3.LoadStatsResponse'),
      start: (call) => {
        const requests: LoadRequest[] = [];
        this.streams.push({ call, requests });
        return {
          onMessage: (message) => void requests.push(message as LoadRequest),
          onEnd: () => call.end(),
        };
      },
    });
    this.#server.add(...more);
    const listener = this.#server.listen({ family: 'ipv4', address: '127.0.0.1', port });
    if ('errno' in listener) throw new Error(listener.detail);
    this.port = listener.address.port;
  }

  /** The last stream. */
  get stream(): LoadStream | null {
    return this.streams.at(-1) ?? null;
  }

  /** Requests of the last stream. */
  get requests(): readonly LoadRequest[] {
    return this.stream?.requests ?? [];
  }

  /** Tells the last stream what to report. */
  wish(wishes: LoadWishes): void {
    this.stream?.call.send(wishes);
  }

  stop(): void {
    this.#server.stop();
  }
}
