// The agent's port: readiness, metrics, probes of the application, and the end on request. By pilot-agent's paths.
import type { HttpReply, HttpRequest, HttpServer } from '../../net/http-server.ts';
import { startHttpServer } from '../../net/http-server.ts';
import type { AppProber } from './app-probers.ts';
import { type MergedStatsParts, mergedStats } from './merged-stats.ts';
import { type ProbeParts, runProbe } from './probe.ts';
import type { Readiness } from './readiness.ts';

export type StatusParts = {
  readonly port: number;
  /** The only address to listen on; '' for all. */
  readonly host: string;
  readonly readiness: Readiness;
  readonly stats: MergedStatsParts;
  readonly probers: ReadonlyMap<string, AppProber>;
  readonly probe: ProbeParts;
  /** METRICS_LOCALHOST_ACCESS_ONLY. */
  readonly isMetricsLocal: boolean;
  /** The table of names as JSON; null without one. */
  readonly nameTable: () => object | null;
  readonly onQuit: () => void;
  readonly onDrain: () => void;
  readonly log: (level: 'info' | 'warning', text: string) => void;
};

const LOCAL_ONLY: HttpReply = Object.freeze({ status: 403, body: 'Only requests from localhost are allowed\n' });
const NOT_ALLOWED: HttpReply = Object.freeze({ status: 405, body: 'Method Not Allowed\n' });
const NOT_FOUND: HttpReply = Object.freeze({ status: 404, body: '404 page not found\n' });

/** A text says why it cannot serve. */
export async function startStatusServer(parts: StatusParts): Promise<HttpServer | string> {
  const pages = new StatusPages(parts);
  const answer = (request: HttpRequest): Promise<HttpReply> => pages.answer(request);
  let problem = '';
  // Both families where the machine has both.
  for (const host of parts.host === '' ? ['::', '0.0.0.0'] : [parts.host]) {
    try {
      return await startHttpServer({ host, port: parts.port }, answer);
    } catch (error) {
      problem = (error as Error).message;
    }
  }
  return `the status port ${parts.port} cannot be had: ${problem}`;
}

class StatusPages {
  readonly #parts: StatusParts;
  #wasReady = false;

  constructor(parts: StatusParts) {
    this.#parts = parts;
  }

  answer(request: HttpRequest): Promise<HttpReply> {
    switch (request.path) {
      case '/healthz/ready':
        return this.#ready();
      case '/metrics':
      case '/stats/prometheus':
        return this.#stats(request);
      case '/quitquitquit':
        return Promise.resolve(this.#command(request, 'exit', this.#parts.onQuit));
      case '/drain':
        return Promise.resolve(this.#command(request, 'drain', this.#parts.onDrain));
      case '/debug/ndsz':
        return Promise.resolve(this.#names(request));
      default:
        if (/^\/app-(?:health|lifecycle)\//.test(request.path)) return this.#probe(request);
        return Promise.resolve(NOT_FOUND);
    }
  }

  async #ready(): Promise<HttpReply> {
    const { readiness, log } = this.#parts;
    const problem = await readiness.check();
    if (problem !== null) log('warning', `Envoy proxy is NOT ready: ${problem}`);
    else if (!this.#wasReady) log('info', 'Envoy proxy is ready');
    this.#wasReady = problem === null;
    return problem === null ? { body: '' } : { status: 503, body: `${problem}\n` };
  }

  async #stats(request: HttpRequest): Promise<HttpReply> {
    const { isMetricsLocal, stats } = this.#parts;
    if (isMetricsLocal && !isLocal(request)) return LOCAL_ONLY;
    const { body, contentType } = await mergedStats(stats, request.query.toString(), request.headers);
    return { body, type: contentType };
  }

  #command(request: HttpRequest, what: string, run: () => void): HttpReply {
    if (!isLocal(request)) return LOCAL_ONLY;
    if (request.method !== 'POST') return NOT_ALLOWED;
    this.#parts.log('info', `asked to ${what} by ${request.path}`);
    run();
    return { body: 'OK' };
  }

  #names(request: HttpRequest): HttpReply {
    if (!isLocal(request)) return LOCAL_ONLY;
    const table = this.#parts.nameTable();
    if (table === null) return { status: 404, body: '{}', type: 'application/json' };
    return { body: JSON.stringify(table), type: 'application/json' };
  }

  async #probe(request: HttpRequest): Promise<HttpReply> {
    const { probers, probe: parts, log, port } = this.#parts;
    const prober = probers.get(request.path);
    if (prober === undefined) return { status: 400, body: `app prober config does not exists for ${request.path}` };
    const { probe, timeoutMs } = prober;
    const headers = probe.kind === 'http' ? probeHeaders(request, port, probe.port) : {};
    const { status, body, reason } = await runProbe(probe, parts, timeoutMs, headers);
    if (status >= 400) log('info', `the probe ${request.path} failed: ${reason}`);
    return { status, body: body.toString('utf8') };
  }
}

const HOP_BY_HOP = ['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te', 'trailer', 'content-length'];

/** Of the prober, with the application's port in place of the agent's. */
function probeHeaders(request: HttpRequest, ownPort: number, port: number): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined && !HOP_BY_HOP.includes(name)) headers[name] = String(value);
  }
  const host = headers['host'] ?? '';
  if (host.endsWith(`:${ownPort}`)) headers['host'] = `${host.slice(0, -String(ownPort).length)}${port}`;
  return headers;
}

function isLocal({ remoteAddress }: HttpRequest): boolean {
  return /^(?:::ffff:)?127\.|^::1$/.test(remoteAddress);
}
