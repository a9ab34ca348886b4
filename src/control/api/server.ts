// The control plane's pages: readiness, metrics, istiod's debug pages, and the JSON API of status.
import { type HttpServer, startHttpServer } from '../../net/http-server.ts';
import type { MetricRegistry } from '../../telemetry/prometheus.ts';
import type { Caller } from '../admission.ts';
import type { MeshIdentity } from '../identity.ts';
import type { MeshState } from '../mesh-state.ts';
import type { HostPort } from '../options.ts';
import type { Clock } from '../../base/clock.ts';
import type { XdsServer } from '../../xds/server/server.ts';
import type { Receipts } from '../push/receipts.ts';
import type { Updates } from '../updates.ts';
import type { ObjectSource } from '../source/config-source.ts';

/** What pages tell of. */
export type ApiContext = {
  readonly state: MeshState;
  readonly source: ObjectSource;
  readonly clock: Clock;
  readonly updates: Updates;
  readonly xds: XdsServer<Caller>;
  readonly receipts: Receipts;
  readonly identity: MeshIdentity;
  readonly metrics: MetricRegistry;
  readonly version: string;
};

export function startApi(at: HostPort, context: ApiContext): Promise<HttpServer> {
  return startHttpServer(at, ({ path }) => {
    if (path === '/ready') return { body: 'ok\n' };
    if (path === '/metrics') return { type: 'text/plain; version=0.0.4; charset=utf-8', body: context.metrics.text() };
    if (path === '/version') return { body: `${context.version}\n` };
    return { status: 404, body: `no page ${path}\n` };
  });
}
