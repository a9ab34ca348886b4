// The metrics of pushing, under istiod's names. Source: istio, pilot/pkg/xds/monitoring.go, push_context.go.
import type { MetricRegistry } from '../../telemetry/prometheus.ts';
import {
  CLUSTER_URL,
  ENDPOINT_URL,
  EXTENSION_URL,
  LISTENER_URL,
  ROUTE_URL,
  SECRET_URL,
  VIRTUAL_HOST_URL,
} from '../../xds/server/order.ts';

const SHORT_NAMES: Readonly<Record<string, string>> = {
  [CLUSTER_URL]: 'cds',
  [ENDPOINT_URL]: 'eds',
  [LISTENER_URL]: 'lds',
  [ROUTE_URL]: 'rds',
  [VIRTUAL_HOST_URL]: 'vhds',
  [SECRET_URL]: 'sds',
  [EXTENSION_URL]: 'ecds',
  'type.googleapis.com/istio.networking.nds.v1.NameTable': 'nds',
  'type.googleapis.com/istio.mesh.v1alpha1.ProxyConfig': 'pcds',
};

/** 'cds' … for a type URL; a type that istiod has no name for keeps its own. */
export function shortType(typeUrl: string): string {
  return SHORT_NAMES[typeUrl] ?? typeUrl;
}

const SECONDS = [0.01, 0.1, 1, 3, 5, 10, 20, 30];
const PROXY_SECONDS = [0.1, 0.5, 1, 3, 5, 10, 20, 30];
const BYTES = [1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000];

export type PushMetrics = ReturnType<typeof pushMetrics>;

export function pushMetrics(registry: MetricRegistry) {
  const reject = (type: string) =>
    registry.counter(`pilot_xds_${type}_reject`, `Pilot rejected ${type.toUpperCase()} configs.`, ['node', 'err']);
  return {
    connected: registry.gauge('pilot_xds', 'Number of endpoints connected to this pilot using XDS.', ['version']),
    pushes: registry.counter('pilot_xds_pushes', 'Pilot build and send errors for lds, rds, cds and eds.', ['type']),
    pushSeconds: registry.histogram(
      'pilot_xds_push_time',
      'Total time in seconds Pilot takes to push lds, rds, cds and eds.',
      SECONDS,
      ['type'],
    ),
    convergenceSeconds: registry.histogram(
      'pilot_proxy_convergence_time',
      'Delay in seconds between config change and a proxy receiving all required configuration.',
      PROXY_SECONDS,
    ),
    queueSeconds: registry.histogram(
      'pilot_proxy_queue_time',
      'Time in seconds, a proxy is in the push queue before being dequeued.',
      PROXY_SECONDS,
    ),
    debounceSeconds: registry.histogram(
      'pilot_debounce_time',
      'Delay in seconds between the first config enters debouncing and the merged push request is queued.',
      SECONDS,
    ),
    totalRejects: registry.counter(
      'pilot_total_xds_rejects',
      'Total number of XDS responses from pilot rejected by proxy.',
      ['type'],
    ),
    rejects: { cds: reject('cds'), eds: reject('eds'), lds: reject('lds'), rds: reject('rds') },
    expiredNonces: registry.counter('pilot_xds_expired_nonce', 'Total number of XDS requests with an expired nonce.', [
      'type',
    ]),
    ended: registry.counter('heddle_xds_ended_streams', 'Streams that were ended, by what their clients did.', [
      'reason',
    ]),
    writeTimeouts: registry.counter('pilot_xds_write_timeout', 'Pilot XDS response write timeouts.'),
    configBytes: registry.histogram(
      'pilot_xds_config_size_bytes',
      'Distribution of configuration sizes pushed to clients',
      BYTES,
      ['type'],
    ),
    triggers: registry.counter(
      'pilot_push_triggers',
      'Total number of times a push was triggered, labeled by reason for the push.',
      ['type'],
    ),
  };
}
