// What pages tell of.
import type { Clock } from '../../base/clock.ts';
import type { Secret } from '../../base/secret.ts';
import type { HttpAnswer, HttpReply, HttpRequest } from '../../net/http-server.ts';
import type { MetricRegistry } from '../../telemetry/prometheus.ts';
import type { XdsServer } from '../../xds/server/server.ts';
import type { Caller } from '../admission.ts';
import type { MeshIdentity } from '../identity.ts';
import type { MeshState } from '../mesh-state.ts';
import type { Receipts } from '../push/receipts.ts';
import type { ObjectSource } from '../source/config-source.ts';
import type { LiveMesh } from '../telemetry/live.ts';
import type { StatusBook } from '../status.ts';
import type { Updates } from '../updates.ts';

export type ApiContext = {
  readonly clock: Clock;
  readonly state: MeshState;
  readonly source: ObjectSource;
  readonly updates: Updates;
  readonly xds: XdsServer<Caller>;
  readonly receipts: Receipts;
  readonly status: StatusBook;
  readonly identity: MeshIdentity;
  readonly metrics: MetricRegistry;
  readonly version: string;
  /** What the API and the live page ask for; without one the live page is off. */
  readonly token: Secret | null;
  readonly live: LiveMesh | null;
};

export type Page = (request: HttpRequest, context: ApiContext) => HttpAnswer | Promise<HttpAnswer>;

export function json(value: unknown, status = 200): HttpReply {
  return { status, type: 'application/json', body: `${JSON.stringify(value, null, 2)}\n` };
}
