// What an agent tells of its proxy on its status port, whatever kind of proxy it is.
import type { Engine } from '../../net/engine.ts';
import type { HttpServer } from '../../net/http-server.ts';
import type { Resolver } from '../../net/resolver/resolver.ts';
import type { MetricRegistry } from '../../telemetry/prometheus.ts';
import { statusHost } from '../bootstrap/bootstrap.ts';
import type { AgentSettings } from '../config/settings.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { Health } from '../relay/own-types.ts';
import { readAppProbers } from '../status/app-probers.ts';
import { readScrape } from '../status/merged-stats.ts';
import type { Readiness } from '../status/readiness.ts';
import { startStatusServer } from '../status/status-server.ts';
import { readWorkloadHealth, WorkloadHealth } from '../status/workload-health.ts';

export type StatusSurroundings = {
  readonly settings: AgentSettings;
  readonly engine: Engine;
  readonly resolver: Resolver;
  readonly registry: MetricRegistry;
  readonly metrics: AgentMetrics;
  readonly readiness: Readiness;
  readonly nameTable: () => object | null;
  /** Null: nobody wants to know. */
  readonly reportHealth: ((health: Health) => void) | null;
  readonly onQuit: () => void;
  readonly onDrain: () => void;
  readonly log: (level: 'info' | 'warning' | 'error', text: string) => void;
};

export type RunningStatus = { readonly server: HttpServer | null; close(): void };

/** Starts the status server and the probe of the application; a text says why not. */
export async function startStatus(surroundings: StatusSurroundings): Promise<RunningStatus | string> {
  const { settings, engine, resolver, registry, metrics, readiness, log } = surroundings;
  const { explicit } = settings;
  const host = statusHost(settings);
  const probers = readAppProbers(settings.appProbers);
  if ('error' in probers) return `ISTIO_KUBE_APP_PROBERS: ${probers.error}`;
  const application =
    settings.role === 'sidecar' ? readScrape(settings.prometheusAnnotations, settings.ports.status) : null;
  if (application !== null && 'error' in application) return `ISTIO_PROMETHEUS_ANNOTATIONS: ${application.error}`;
  const place = explicit?.inbound[application?.port ?? ''];
  const placed =
    application === null || place === undefined
      ? application
      : { ...application, host: place.address, port: String(place.port) };
  const probe = {
    ...{ engine, resolver, host: settings.probesLocalhost ? 'localhost' : (settings.addresses[0] ?? host) },
    ...(explicit === null ? {} : { places: explicit.inbound }),
  };
  const health = startHealth(surroundings, { ...probe, host: 'localhost' });
  if (typeof health === 'string') return health;
  let server: HttpServer | null = null;
  if (settings.ports.status > 0) {
    const started = await startStatusServer({
      ...{ port: settings.ports.status, host: explicit === null ? '' : host },
      ...{ readiness, probers, probe, isMetricsLocal: settings.isMetricsLocal, log },
      stats: { ...{ registry, metrics, host, application: placed, log }, proxyPort: settings.ports.proxyPrometheus },
      ...{ nameTable: surroundings.nameTable, onQuit: surroundings.onQuit, onDrain: surroundings.onDrain },
    });
    if (typeof started === 'string') {
      health?.close();
      return started;
    }
    server = started;
  }
  return {
    server,
    close: () => {
      health?.close();
      server?.close();
    },
  };
}

function startHealth(
  { settings, readiness, reportHealth }: StatusSurroundings,
  probe: { readonly engine: Engine; readonly resolver: Resolver; readonly host: string },
): WorkloadHealth | null | string {
  const { readinessProbe } = settings.proxyConfig;
  if (readinessProbe === null || reportHealth === null) return null;
  const config = readWorkloadHealth(readinessProbe);
  if (typeof config === 'string') return config;
  const { clock } = probe.engine;
  return new WorkloadHealth(config, { ...probe, clock, proxyProblem: () => readiness.check(), report: reportHealth });
}
