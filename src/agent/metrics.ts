// What an agent counts, under pilot-agent's names where it has them.
import type { Counter, Gauge, MetricRegistry } from '../telemetry/prometheus.ts';

export type AgentMetrics = {
  readonly requestsToServer: Counter;
  readonly responsesToProxy: Counter;
  readonly connectionFailures: Counter;
  readonly serverTerminations: Counter;
  readonly proxyTerminations: Counter;
  readonly outgoingRequests: Counter;
  readonly failedRequests: Counter;
  readonly certificateExpiry: Gauge;
  readonly scrapes: Counter;
  readonly scrapeFailures: Counter;
  readonly startupSeconds: Gauge;
};

/** Source: istio pkg/istio-agent/metrics and security/pkg/nodeagent/cache. */
export function agentMetrics(registry: MetricRegistry): AgentMetrics {
  const counter = (name: string, help: string, labels: readonly string[] = []): Counter =>
    registry.counter(`istio_agent_${name}`, help, labels);
  return {
    requestsToServer: counter('xds_proxy_requests', 'Requests of the proxy that were relayed.'),
    responsesToProxy: counter('xds_proxy_responses', 'Responses that were relayed to the proxy.'),
    connectionFailures: counter('istiod_connection_failures', 'Connections to the control plane that failed.'),
    serverTerminations: counter('istiod_connection_terminations', 'Streams that the control plane ended.'),
    proxyTerminations: counter('envoy_connection_terminations', 'Streams that the proxy ended.'),
    outgoingRequests: counter('num_outgoing_requests', 'Requests to the certificate authority.', ['request_type']),
    failedRequests: counter('num_failed_outgoing_requests', 'Requests to the authority that failed.', ['request_type']),
    certificateExpiry: registry.gauge(
      'istio_agent_cert_expiry_seconds',
      'How long the certificate holds; negative once it is over.',
      ['resource_name'],
    ),
    scrapes: counter('scrapes_total', 'Scrapes of all statistics.'),
    scrapeFailures: counter('scrape_failures_total', 'Sources that could not be scraped.', ['type']),
    startupSeconds: registry.gauge('istio_agent_startup_duration_seconds', 'Until the proxy was ready.'),
  };
}
