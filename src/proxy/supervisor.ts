// The supervisor: admin interface, statistics intervals and the life of the process around the worker.
import { writeFileSync } from 'node:fs';
import type { Timer } from '../base/clock.ts';
import type { HttpConfig } from './http/http-config.ts';
import type { HttpFilterFactory } from './http/filter.ts';
import { adminHandlers } from './admin/handlers.ts';
import { AdminFilter } from './admin/admin-filter.ts';
import { addressText } from '../net/address.ts';
import { ListenerInstance } from './listener/listener.ts';
import type { Proxy } from './proxy.ts';

export class Supervisor {
  readonly #proxy: Omit<Proxy, 'supervisor'>;
  readonly #flushTimer: Timer;
  #admin: ListenerInstance | null = null;
  #onQuit: () => void = () => undefined;
  #healthCheckFailed = false;
  readonly startMs: number;

  constructor(proxy: Omit<Proxy, 'supervisor'>) {
    this.#proxy = proxy;
    this.startMs = proxy.clock.nowMs;
    this.#flushTimer = proxy.clock.timer(flush, this);
  }

  /** What `/quitquitquit` does after it has answered. */
  set onQuit(quit: () => void) {
    this.#onQuit = quit;
  }

  quit(): void {
    this.#onQuit();
  }

  get admin(): ListenerInstance | null {
    return this.#admin;
  }

  /** LIVE, DRAINING, PRE_INITIALIZING or INITIALIZING, as /ready and /server_info name it. */
  get state(): 'LIVE' | 'DRAINING' {
    return this.#healthCheckFailed || this.#proxy.drain.healthCheckFailed ? 'DRAINING' : 'LIVE';
  }

  /** Opens the admin interface. Returns why it cannot, or null. */
  start(): string | null {
    const { config, clock, engine, random, runtime, stats, parts } = this.#proxy;
    this.updateServerStats();
    this.#flushTimer.arm(config.statsFlushIntervalMs);
    if (config.admin === null) return null;
    const handlers = adminHandlers(this.#proxy, this);
    const filter: HttpFilterFactory = {
      name: 'envoy.filters.http.admin',
      configType: '',
      fields: {},
      isTerminal: true,
      decode: () => null,
      create: (_config, context) => new AdminFilter(handlers, context.slot),
    };
    const admin = new ListenerInstance(
      {
        name: 'admin',
        address: config.admin.address,
        ipv4Compat: false,
        pipeMode: 0,
        backlog: 0,
        statPrefix: 'admin',
        ignoreGlobalConnectionLimit: true,
        chain: {
          name: '',
          http: {
            config: { ...ADMIN_HTTP, accessLogs: config.admin.accessLogs },
            filters: [{ name: 'envoy.filters.http.admin', factory: filter, config: null, disabled: false }],
          },
        },
      },
      {
        engine,
        clock,
        random,
        runtime,
        stats,
        drain: NEVER_DRAINS,
        connections: { active: 0 },
        thread: 'main_thread',
        dateText: this.#proxy.worker.dateText,
      },
    );
    const problem = admin.start();
    if (problem !== null) return `admin: ${problem}`;
    this.#admin = admin;
    const path = parts.options.adminAddressPath;
    if (path !== '') {
      try {
        writeFileSync(path, addressText(admin.address));
      } catch (error) {
        parts.logs.logger('admin').error(`cannot write --admin-address-path ${path}: ${(error as Error).message}`);
      }
    }
    return null;
  }

  stop(): void {
    this.#admin?.stopAccepting();
    this.#admin = null;
    this.#flushTimer.disarm();
  }

  onFlush(): void {
    this.updateServerStats();
    this.#proxy.stats.flush();
    this.#flushTimer.arm(this.#proxy.config.statsFlushIntervalMs);
  }

  get uptimeMs(): number {
    return this.#proxy.clock.nowMs - this.startMs;
  }

  updateServerStats(): void {
    const { worker, parts } = this.#proxy;
    const scope = this.#proxy.serverStats;
    const memory = process.memoryUsage();
    scope.set(scope.i.uptime, Math.floor(this.uptimeMs / 1000));
    scope.set(scope.i.concurrency, parts.options.concurrency);
    scope.set(scope.i.memory_allocated, memory.heapUsed + memory.external);
    scope.set(scope.i.memory_heap_size, memory.heapTotal);
    scope.set(scope.i.memory_physical_size, memory.rss);
    scope.set(scope.i.live, this.state === 'LIVE' ? 1 : 0);
    scope.set(scope.i.state, this.state === 'LIVE' ? 0 : 1);
    scope.set(scope.i.total_connections, worker.connections.active);
  }

  /** /healthcheck/fail and /healthcheck/ok. */
  failHealthCheck(failed: boolean): void {
    this.#healthCheckFailed = failed;
    this.#proxy.drain.healthCheckFailed = failed;
    this.updateServerStats();
  }
}

/** The admin interface stays up while listeners drain. */
const NEVER_DRAINS = { isDraining: false, shouldDrainClose: () => false };

function flush(supervisor: Supervisor): void {
  supervisor.onFlush();
}

/** The admin listener's connection manager: Envoy's defaults, no routes. */
const ADMIN_HTTP: Omit<HttpConfig, 'chain'> = {
  statPrefix: 'admin',
  serverName: 'envoy',
  serverHeaderTransformation: 'OVERWRITE',
  schemeOverwrite: '',
  useRemoteAddress: true,
  xffNumTrustedHops: 0,
  skipXffAppend: false,
  appendXForwardedPort: false,
  representIpv4AsMapped: false,
  localAddress: '127.0.0.1',
  isInternalAddress: () => false,
  via: '',
  userAgent: '',
  nodeId: '',
  generateRequestId: false,
  preserveExternalRequestId: false,
  alwaysSetRequestIdInResponse: false,
  streamIdleTimeoutMs: 300_000,
  requestTimeoutMs: 0,
  requestHeadersTimeoutMs: 0,
  drainTimeoutMs: 100,
  delayedCloseTimeoutMs: 1000,
  idleTimeoutMs: 3_600_000,
  maxConnectionDurationMs: 0,
  maxStreamDurationMs: 0,
  maxRequestsPerConnection: 0,
  headersWithUnderscores: 'ALLOW',
  streamErrorOnInvalidHttpMessage: false,
  http1: {
    maxHeadBytes: 60 * 1024,
    maxHeaders: 100,
    allowChunkedLength: false,
    keepSpelling: false,
    allowCustomMethods: false,
    enableTrailers: false,
    acceptHttp10: true,
    defaultHostForHttp10: '',
    allowAbsoluteUrl: true,
    spelling: 'lower',
  },
  normalizePath: false,
  mergeSlashes: false,
  escapedSlashes: 'KEEP_UNCHANGED',
  stripMatchingHostPort: false,
  stripAnyHostPort: false,
  stripTrailingHostDot: false,
  proxy100Continue: false,
  upgrades: new Map(),
  accessLogs: [],
  localReply: null,
  routes: { current: null },
  bufferLimitBytes: 1024 * 1024,
};
