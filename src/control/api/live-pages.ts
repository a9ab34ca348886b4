// The API of the live page: reports of traffic come in, figures, requests and changes go out.
import type { EventStream, HttpAnswer, HttpReply, HttpRequest } from '../../net/http-server.ts';
import type { LiveMesh } from '../telemetry/live.ts';
import { readReport } from '../telemetry/read-report.ts';
import { type ApiContext, json, type Page } from './context.ts';

const DEFAULT_WINDOW_S = 60;
const MIN_WINDOW_S = 2;
const MAX_WINDOW_S = 600;
const DEFAULT_REQUESTS = 200;

type LivePage = (request: HttpRequest, live: LiveMesh) => HttpAnswer;

export const LIVE_PAGES: ReadonlyMap<string, Page> = new Map<string, Page>([
  ['/api/v1/graph', onWindow((windowS, live) => json(live.graph(windowS)))],
  ['/api/v1/workloads', onWindow((windowS, live) => json({ workloads: live.workloads(windowS) }))],
  ['/api/v1/requests', whereOn(requestsPage)],
  ['/api/v1/timeline', whereOn((_request, live) => json({ changes: live.timeline.entries() }))],
  ['/api/v1/live', onWindow((windowS, live) => ({ events: (stream) => follow(stream, live, windowS) }))],
]);

/** What is written to, by POST. */
export const LIVE_POSTS: ReadonlyMap<string, Page> = new Map<string, Page>([
  ['/api/v1/telemetry', whereOn(takeReport)],
]);

/** What passes through the mesh is shown, and believed, only behind a token. */
function whereOn(page: LivePage): Page {
  return (request, { live }: ApiContext) =>
    live === null
      ? json({ error: `${request.path} needs heddle control --page-token-file FILE` }, 403)
      : page(request, live);
}

function onWindow(page: (windowS: number, live: LiveMesh) => HttpAnswer): Page {
  return whereOn(({ query }, live) => {
    const text = query.get('window') ?? String(DEFAULT_WINDOW_S);
    const windowS = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
    if (windowS >= MIN_WINDOW_S && windowS <= MAX_WINDOW_S) return page(windowS, live);
    return json({ error: `window=${text}: expected ${MIN_WINDOW_S} to ${MAX_WINDOW_S} seconds` }, 400);
  });
}

/** `?status=5xx|404|failed&workload=&flags=UF|*&path=&limit=`. */
function requestsPage({ query }: HttpRequest, { requests }: LiveMesh): HttpReply {
  const limit = Number(query.get('limit') ?? DEFAULT_REQUESTS);
  if (!(limit >= 1)) return json({ error: `limit=${query.get('limit')}: expected a number` }, 400);
  const [status, workload, flags, path] = ['status', 'workload', 'flags', 'path'].map(
    (name) => query.get(name) || null,
  );
  const filter = { status: status ?? null, workload: workload ?? null, flags: flags ?? null, path: path ?? null };
  return json({ requests: requests.find(filter, Math.floor(limit)) });
}

function takeReport({ body, headers }: HttpRequest, live: LiveMesh): HttpReply {
  // No form of a page of the web can send this type.
  if (!/^application\/json\b/.test(String(headers['content-type'] ?? ''))) {
    return json({ error: 'content-type: expected application/json' }, 415);
  }
  let raw: unknown;
  try {
    raw = JSON.parse(body);
  } catch {
    return json({ error: 'the report is no JSON' }, 400);
  }
  const report = readReport(raw);
  if (typeof report === 'string') return json({ error: report }, 400);
  live.take(report);
  return { status: 204, body: '' };
}

function follow(stream: EventStream, live: LiveMesh, windowS: number): void {
  const end = live.follow({ send: (event, data) => stream.send(event, data), windowS });
  if (end === null) {
    stream.send('refused', { error: 'too many follow already' });
    return;
  }
  stream.onClose(end);
}
