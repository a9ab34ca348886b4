// The access log services of a worker: loggers of the same configuration share a buffer and a stream, as in Envoy.
import type { StatStore } from '../../../telemetry/metrics.ts';
import type { HttpClient } from '../../cluster/upstream-client/http-client.ts';
import { LOG_COUNT_STATS, LOG_SERVICE_STATS, type LogCountScope, type LogServiceScope } from './log-stream.ts';

/** Who this proxy is, for those whom it tells. */
export type LocalInfo = {
  /** envoy.config.core.v3.Node. */
  readonly node: object;
  readonly nodeName: string;
  readonly clusterName: string;
  readonly zoneName: string;
  readonly version: string;
};

export class LogServices {
  readonly http: HttpClient;
  readonly local: LocalInfo;
  readonly #stats: StatStore;
  /** By kind and configuration; they live as long as the worker. */
  readonly #loggers = new Map<string, object>();

  constructor(http: HttpClient, stats: StatStore, local: LocalInfo) {
    this.http = http;
    this.#stats = stats;
    this.local = local;
  }

  /** The logger of that configuration, made when it is first asked for. */
  share<T extends object>(key: string, make: () => T): T {
    let logger = this.#loggers.get(key) as T | undefined;
    if (logger === undefined) {
      logger = make();
      this.#loggers.set(key, logger);
    }
    return logger;
  }

  /** `prefix`: 'access_logs.grpc_access_log.'. */
  scope(prefix: string): LogServiceScope {
    return this.#stats.scope(prefix, LOG_SERVICE_STATS);
  }

  /** The same of a service that is told over HTTP. */
  httpScope(prefix: string): LogCountScope {
    return this.#stats.scope(prefix, LOG_COUNT_STATS);
  }
}
