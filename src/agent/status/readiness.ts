// Whether the proxy is ready: it has its configuration, it is live, and its workers have started.
import type { HttpOutcome } from '../../net/http-request.ts';

export type AskProxy = (method: 'GET' | 'POST', path: string) => Promise<HttpOutcome | { readonly error: string }>;

/** Source: istio pilot-agent status/util/stats.go. */
const UPDATES =
  '/stats?usedonly&filter=^(cluster_manager\\.cds|listener_manager\\.lds)\\.(update_success|update_rejected)$';
const STATE = '/stats?usedonly&filter=^(server\\.state|listener_manager\\.workers_started)';
/** Source: envoy.admin.v3.ServerInfo.State, which `server.state` counts. */
const STATES = ['LIVE', 'DRAINING', 'PRE_INITIALIZING', 'INITIALIZING'];

export class Readiness {
  readonly #ask: AskProxy;
  /** Neither goes away again while the proxy lives, and who asks comes through the proxy itself. */
  #hasConfiguration = false;
  #wasLive = false;
  isDraining = false;

  constructor(ask: AskProxy) {
    this.#ask = ask;
  }

  /** Null: it is; else why not, in pilot-agent's words. */
  async check(): Promise<string | null> {
    if (this.isDraining) return 'server is not live, current state is: DRAINING';
    return (await this.#configured()) ?? (await this.#live());
  }

  async #configured(): Promise<string | null> {
    if (this.#hasConfiguration) return null;
    const stats = await this.#stats(UPDATES);
    if (typeof stats === 'string') return `config not received from XDS server (is Istiod running?): ${stats}`;
    const [cds, cdsRejected, lds, ldsRejected] = [
      'cluster_manager.cds.update_success',
      'cluster_manager.cds.update_rejected',
      'listener_manager.lds.update_success',
      'listener_manager.lds.update_rejected',
    ].map((name) => stats.get(name) ?? 0) as [number, number, number, number];
    this.#hasConfiguration = cds + cdsRejected > 0 && lds + ldsRejected > 0;
    if (this.#hasConfiguration) return null;
    const counts = [
      `cds updates: ${cds} successful, ${cdsRejected} rejected`,
      `lds updates: ${lds} successful, ${ldsRejected} rejected`,
    ].join('; ');
    return `config not received from XDS server (is Istiod running?): ${counts}`;
  }

  async #live(): Promise<string | null> {
    if (this.#wasLive) return null;
    const stats = await this.#stats(STATE);
    if (typeof stats === 'string') return `failed to get readiness stats: ${stats}`;
    const state = stats.get('server.state');
    if (state === undefined) return 'failed to get readiness stats: server.state is not yet updated';
    if (state !== 0) return `server is not live, current state is: ${STATES[state] ?? state}`;
    if (stats.get('listener_manager.workers_started') !== 1) return 'workers have not yet started';
    this.#wasLive = true;
    return null;
  }

  /** Counters and gauges by name. */
  async #stats(path: string): Promise<ReadonlyMap<string, number> | string> {
    const answer = await this.#ask('GET', path);
    if ('error' in answer) return answer.error;
    if (answer.status !== 200) return `status ${answer.status}`;
    const lines = answer.body.toString('latin1').matchAll(/^([^:\n]+): (\d+)$/gm);
    return new Map([...lines].map(([, name = '', value]) => [name, Number(value)]));
  }
}
