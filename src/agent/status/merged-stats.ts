// One page for Prometheus: the agent's metrics, the proxy's, and the application's where its annotations say so.
import { askHttpOnce } from '../../net/http-request.ts';
import type { MetricRegistry } from '../../telemetry/prometheus.ts';
import type { AgentMetrics } from '../metrics.ts';

export type Scrape = {
  readonly port: string;
  readonly path: string;
  /** Where the application is; absent: where the proxy is. */
  readonly host?: string;
};

export type MergedStatsParts = {
  readonly registry: MetricRegistry;
  readonly metrics: AgentMetrics;
  readonly host: string;
  readonly proxyPort: number;
  /** Null: there is nothing to scrape. */
  readonly application: Scrape | null;
  readonly log: (level: 'warning', text: string) => void;
};

export type MergedStats = { readonly body: string; readonly contentType: string };

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 64 * 1024 * 1024;
const TEXT = 'text/plain; version=0.0.4; charset=utf-8';
const OPEN_METRICS = 'application/openmetrics-text';
const PASSED_ON = ['accept', 'user-agent', 'x-prometheus-scrape-timeout-seconds'];

/** Source: istio pilot-agent status/server.go; the text is ISTIO_PROMETHEUS_ANNOTATIONS. */
export function readScrape(text: string, statusPort: number): Scrape | null | { readonly error: string } {
  if (text === '') return null;
  let parsed: { readonly scrape?: string; readonly path?: string; readonly port?: string };
  try {
    parsed = JSON.parse(text) as typeof parsed;
  } catch {
    return { error: 'it is no JSON' };
  }
  if (parsed.scrape === 'false') return null;
  const port = parsed.port || '80';
  if (!/^\d{1,5}$/.test(port)) return { error: `the port ${port} is none` };
  if (Number(port) === statusPort) return { error: 'the port is the agent’s own, which would scrape itself' };
  return { port, path: parsed.path || '/metrics' };
}

/** What cannot be had is left out and counted. The application comes last: OpenMetrics ends with a mark. */
export async function mergedStats(
  parts: MergedStatsParts,
  query: string,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): Promise<MergedStats> {
  const { application, metrics, registry, proxyPort } = parts;
  metrics.scrapes.cell().add();
  const path = query === '' ? '/stats/prometheus' : `/stats/prometheus?${query}`;
  const [proxy, app] = await Promise.all([
    scrape(parts, 'envoy', { host: parts.host, port: proxyPort, path }, headers),
    application === null
      ? null
      : scrape(
          parts,
          'application',
          { host: application.host ?? parts.host, port: Number(application.port), path: application.path },
          headers,
        ),
  ]);
  const body = [registry.text(), proxy?.body ?? '', app?.body ?? ''].join('');
  return { body, contentType: contentTypeOf(app?.contentType ?? '') };
}

function contentTypeOf(type: string): string {
  const [media = '', ...parameters] = type.split(';').map((one) => one.trim());
  if (media !== OPEN_METRICS) return TEXT;
  const version = parameters.includes('version=1.0.0') ? '1.0.0' : '0.0.1';
  return `${OPEN_METRICS}; version=${version}; charset=utf-8`;
}

async function scrape(
  { metrics, log }: MergedStatsParts,
  type: 'envoy' | 'application',
  { host, port, path }: { readonly host: string; readonly port: number; readonly path: string },
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): Promise<MergedStats | null> {
  const passed = PASSED_ON.flatMap((name) => (typeof headers[name] === 'string' ? [[name, headers[name]]] : []));
  const seconds = Number(headers['x-prometheus-scrape-timeout-seconds'] ?? 0);
  const timeoutMs = seconds > 0 ? Math.min(seconds * 1000, TIMEOUT_MS) : TIMEOUT_MS;
  const question = { host, port, path, timeoutMs, maxBytes: MAX_BYTES, headers: Object.fromEntries(passed) };
  const answer = await askHttpOnce(question as Parameters<typeof askHttpOnce>[0]);
  if (!('error' in answer) && answer.status === 200 && !answer.isCut) {
    return { body: answer.body.toString('utf8'), contentType: String(answer.headers['content-type'] ?? '') };
  }
  metrics.scrapeFailures.cell(type).add();
  log('warning', `metrics of ${type}: ${'error' in answer ? answer.error : `status ${answer.status}`}`);
  return null;
}
