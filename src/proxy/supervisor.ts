// The supervisor: admin interface, statistics intervals and the life of the process around the workers.
import { writeFileSync } from 'node:fs';
import type { Timer } from '../base/clock.ts';
import { runInSlices } from '../base/slices.ts';
import { addressText } from '../net/address.ts';
import { AdminListener } from './admin/admin-listener.ts';
import { adminHandlers } from './admin/handlers.ts';
import { type DnsParts, DnsService, dnsSettings } from './dns/start-dns.ts';
import type { SupervisedProxy } from './proxy.ts';
import { DateText } from './worker.ts';

export class Supervisor {
  readonly #proxy: SupervisedProxy;
  readonly #flushTimer: Timer;
  #admin: AdminListener | null = null;
  #dns: DnsService | null = null;
  #onQuit: () => void = () => undefined;
  #healthCheckFailed = false;
  readonly startMs: number;

  constructor(proxy: SupervisedProxy) {
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

  get admin(): AdminListener | null {
    return this.#admin;
  }

  /** Null where no DNS is served. */
  get dns(): DnsService | null {
    return this.#dns;
  }

  /** LIVE, DRAINING, PRE_INITIALIZING or INITIALIZING, as /ready and /server_info name it. */
  get state(): 'LIVE' | 'DRAINING' | 'PRE_INITIALIZING' {
    if (!this.#proxy.crew.isInitialized) return 'PRE_INITIALIZING';
    return this.#healthCheckFailed || this.#proxy.drain.healthCheckFailed ? 'DRAINING' : 'LIVE';
  }

  /** Opens DNS and the admin interface. Returns why it cannot, or null. */
  start(): string | null {
    return this.#startDns() ?? this.#startAdmin();
  }

  #startDns(): string | null {
    const { config, node, parts, clock, engine, random, stats } = this.#proxy;
    const settings = dnsSettings(parts.options, node, config.dynamic.ads !== null);
    if (settings.addresses.length === 0) return null;
    const inSlices = runInSlices.bind(null, this.#proxy) as DnsParts['inSlices'];
    const dns = new DnsService(settings, { engine, clock, random, stats, inSlices });
    const problem = dns.start();
    if (problem === null) this.#dns = dns;
    return problem;
  }

  #startAdmin(): string | null {
    const { config, clock, crew, engine, random, runtime, stats, parts } = this.#proxy;
    this.updateServerStats();
    this.#flushTimer.arm(config.statsFlushIntervalMs);
    if (config.admin === null) return null;
    const handlers = adminHandlers(this.#proxy, this);
    const context = {
      ...{ clock, random, runtime, stats, engine },
      dateText: new DateText(clock).now,
      otherConnections: () => crew.connectionCount,
    };
    const admin = new AdminListener(config.admin, handlers, context);
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
    this.#dns?.close();
    this.#dns = null;
    this.#flushTimer.disarm();
  }

  onFlush(): void {
    this.updateServerStats();
    this.#proxy.crew.flush();
    this.#flushTimer.arm(this.#proxy.config.statsFlushIntervalMs);
  }

  get uptimeMs(): number {
    return this.#proxy.clock.nowMs - this.startMs;
  }

  updateServerStats(): void {
    const { crew, parts } = this.#proxy;
    const scope = this.#proxy.serverStats;
    const memory = process.memoryUsage();
    scope.set(scope.i.uptime, Math.floor(this.uptimeMs / 1000));
    scope.set(scope.i.concurrency, parts.options.concurrency);
    scope.set(scope.i.memory_allocated, memory.heapUsed + memory.external);
    scope.set(scope.i.memory_heap_size, memory.heapTotal);
    scope.set(scope.i.memory_physical_size, memory.rss);
    const { state } = this;
    scope.set(scope.i.live, state === 'DRAINING' ? 0 : 1);
    scope.set(scope.i.state, STATE_NUMBERS[state]);
    scope.set(scope.i.total_connections, crew.connectionCount);
  }

  /** /healthcheck/fail and /healthcheck/ok. */
  failHealthCheck(failed: boolean): void {
    this.#healthCheckFailed = failed;
    this.#proxy.drain.healthCheckFailed = failed;
    this.#proxy.crew.failHealthCheck(failed);
    this.updateServerStats();
  }
}

/** Source: Envoy ServerInfo.State. */
const STATE_NUMBERS = { LIVE: 0, DRAINING: 1, PRE_INITIALIZING: 2 } as const;

function flush(supervisor: Supervisor): void {
  supervisor.onFlush();
}
