// `heddle agent` without an Envoy: the agent's work inside Heddle's own proxy, in one process.
import { resolve } from 'node:path';
import { makeBootstrap } from '../agent/bootstrap/bootstrap.ts';
import type { AgentSettings } from '../agent/config/settings.ts';
import { SYSTEM_ROOTS, WorkloadIdentity } from '../agent/identity/workload-identity.ts';
import { agentMetrics } from '../agent/metrics.ts';
import { drainProxy } from '../agent/process/drain.ts';
import { askAdmin } from '../agent/run/beside-envoy.ts';
import { startStatus } from '../agent/run/status.ts';
import { Readiness } from '../agent/status/readiness.ts';
import { SecretStore } from '../identity/secret-store.ts';
import { FileWatch } from '../net/file-watch.ts';
import { createResolver, DEFAULT_RESOLVER } from '../net/resolver/resolver.ts';
import { dropPagesOnceStarted, giveBackWhenQuiet } from '../net/spare-memory.ts';
import type { Core } from '../proxy/core.ts';
import { DEFAULT_PROXY_OPTIONS } from '../proxy/options.ts';
import { type RunningProxy, startProxy, startThreadedProxy } from '../proxy/proxy.ts';
import type { LogRegistry } from '../telemetry/log.ts';
import { StatStore } from '../telemetry/metrics.ts';
import { MetricRegistry } from '../telemetry/prometheus.ts';
import { packageVersion } from './version.ts';

/** A text says why not. */
export async function startWithin(settings: AgentSettings, logs: LogRegistry): Promise<{ end(): void } | string> {
  const logger = logs.logger('agent');
  const log = (level: 'info' | 'warning' | 'error', text: string): void => logger.write(level, text);
  const registry = new MetricRegistry();
  const metrics = agentMetrics(registry);
  const version = packageVersion();
  const bootstrap = makeBootstrap(settings, {
    ...{ proxy: { kind: 'heddle', version }, xdsSocket: null },
    sdsSocket: resolve(settings.udsDirectory, 'socket'),
  });
  const { proxyConfig, concurrency } = settings;
  const options = {
    ...DEFAULT_PROXY_OPTIONS,
    configYaml: JSON.stringify(bootstrap),
    concurrency: concurrency ?? 1,
    drainTimeMs: proxyConfig.drainDurationS * 1000,
    drainStrategy: 'immediate' as const,
    fileFlushIntervalMs: proxyConfig.fileFlushIntervalMs,
    ...(proxyConfig.fileFlushMinSizeKb === null ? {} : { fileFlushMinSizeKb: proxyConfig.fileFlushMinSizeKb }),
  };
  const identity = (core: Core) => {
    const { engine, clock, random } = core;
    const resolver = createResolver(DEFAULT_RESOLVER, { engine, clock, random, stats: new StatStore() });
    const workload = new WorkloadIdentity(settings, { engine, clock, random, resolver, metrics, log });
    workload.start();
    const files = { clock, watcher: new FileWatch(), log, systemRootsPath: SYSTEM_ROOTS, mounted: null };
    return new SecretStore({ client: workload.client, files });
  };
  const variables = Object.assign(Object.create(null), process.env) as NodeJS.ProcessEnv;
  const parts = { options, logs, variables, version, identity };
  const proxy = options.concurrency === 1 ? startProxy(parts) : await startThreadedProxy(parts);
  if ('error' in proxy) return proxy.error;
  return tellOf(proxy, settings, registry, metrics, log);
}

async function tellOf(
  proxy: RunningProxy,
  settings: AgentSettings,
  registry: MetricRegistry,
  metrics: ReturnType<typeof agentMetrics>,
  log: (level: 'info' | 'warning' | 'error', text: string) => void,
): Promise<{ end(): void } | string> {
  const { engine, clock, random } = proxy;
  const ask = askAdmin(settings);
  const readiness = new Readiness(ask);
  let isEnding = false;
  const drain = (): Promise<void> => {
    readiness.isDraining = true;
    const { proxyPrometheus, proxyStatus } = settings.ports;
    const parts = { clock, ask, log, ownPorts: [proxyPrometheus, proxyStatus], isOver: () => false };
    return drainProxy(parts, settings.drain, settings.role === 'sidecar');
  };
  const leave = (): void => proxy.crew.end(() => process.exit(0));
  const end = (): void => {
    if (isEnding) {
      leave();
      return;
    }
    isEnding = true;
    void drain().then(leave);
  };
  proxy.supervisor.onQuit = leave;
  const resolver = createResolver(DEFAULT_RESOLVER, { engine, clock, random, stats: new StatStore() });
  const status = await startStatus({
    ...{ settings, engine, resolver, registry, metrics, readiness, log },
    ...{ nameTable: () => null, reportHealth: null, onQuit: end, onDrain: () => void drain() },
  });
  if (typeof status === 'string') return status;
  const isLive = (): boolean => proxy.supervisor.state === 'LIVE';
  dropPagesOnceStarted(isLive);
  giveBackWhenQuiet(isLive);
  return { end };
}
