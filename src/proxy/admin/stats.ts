// Admin endpoints of statistics: /stats in its formats and /stats/prometheus.
import { dumpPrometheus } from '../../telemetry/stats-prometheus.ts';
import { dumpStats } from '../../telemetry/stats-text.ts';
import { parseStatsParams, type StatsParams } from '../../telemetry/stats-params.ts';
import type { AdminHandler, AdminRequest, AdminResponse, LaterAdminResponse } from './admin-handler.ts';
import { PROMETHEUS_PARAMS, STATS_PARAMS } from './help-texts.ts';
import { activeStatsPage, statsPage } from './stats-page.ts';
import type { AdminContext } from './handlers.ts';

/** How long no server could change the configuration (0 while all are there), and when one last did. */
const AGE_STATS = {
  without_control_plane_ms: 'gauge',
  last_response_age_ms: 'gauge',
  configuration_age_ms: 'gauge',
} as const;

export function statsHandlers(context: AdminContext): AdminHandler[] {
  return [
    {
      path: '/stats',
      help: 'print server stats',
      mutates: false,
      params: STATS_PARAMS,
      handle: (request) => stats(context, request, false),
    },
    {
      path: '/stats/prometheus',
      help: 'print server stats in prometheus format',
      mutates: false,
      params: PROMETHEUS_PARAMS,
      handle: (request) => stats(context, request, true),
    },
  ];
}

function stats(
  { proxy, supervisor }: AdminContext,
  request: AdminRequest,
  isPrometheusPath: boolean,
): AdminResponse | LaterAdminResponse {
  const params = parseStatsParams(request.query, isPrometheusPath);
  if (typeof params === 'string')
    return { status: 400, body: params.startsWith('Invalid re2') ? params.trimEnd() : params };
  const { crew } = proxy;
  return {
    later: (answer) =>
      crew.refresh(() => {
        supervisor.updateServerStats();
        updateAges(proxy);
        answer(dump(proxy, params, request));
      }),
  };
}

/** Of proxies that a control plane told anything. */
function updateAges({ stats, record, clock }: AdminContext['proxy']): void {
  const { lastHeardWallMs, lastGoodWallMs } = record;
  if (lastHeardWallMs === 0) return;
  const scope = stats.scope('heddle.xds.', AGE_STATS);
  scope.set(scope.i.without_control_plane_ms, record.orphanedMs);
  scope.set(scope.i.last_response_age_ms, Math.max(0, clock.wallMs - lastHeardWallMs));
  if (lastGoodWallMs > 0) scope.set(scope.i.configuration_age_ms, Math.max(0, clock.wallMs - lastGoodWallMs));
}

function dump(
  { crew, statsSettings }: AdminContext['proxy'],
  params: StatsParams,
  request: AdminRequest,
): AdminResponse {
  const { format } = params;
  if (format === 'prometheus') return { status: 200, body: dumpPrometheus(crew.stats, statsSettings, params) };
  if (format === 'active-html') return activeStatsPage(request.query);
  const body = dumpStats(crew.stats, statsSettings, params);
  if (format === 'html') return statsPage(request.query, body);
  return format === 'json' ? { status: 200, contentType: 'application/json', body } : { status: 200, body };
}
