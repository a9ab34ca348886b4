// The API of the live page over real HTTP: reports in, figures and events out, and what is refused.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { edgeOf, healthOf, reportOf, requestOf } from '../../../test/support/mesh-reports.ts';
import { Clock } from '../../base/clock.ts';
import { Secret } from '../../base/secret.ts';
import type { HttpServer } from '../../net/http-server.ts';
import { MemorySource } from '../source/config-source.ts';
import { LiveMesh } from '../telemetry/live.ts';
import type { Graph, HelloEvent, NumberedRequest, TrafficEvent } from '../telemetry/page-types.ts';
import type { ApiContext } from './context.ts';
import { startApi } from './server.ts';

const TOKEN = 'a-token-of-some-length';
const servers: HttpServer[] = [];
after(() => {
  for (const server of servers) server.close();
});

async function serve(token: Secret | null): Promise<string> {
  const clock = new Clock();
  const source = new MemorySource();
  const parts = {
    clock,
    source,
    version: '1',
    receipts: { subscribe: () => () => {} },
    updates: { generationOf: () => 0 },
  };
  const live = token === null ? null : new LiveMesh(parts);
  const server = await startApi({ host: '127.0.0.1', port: 0 }, { ...parts, token, live } as unknown as ApiContext);
  servers.push(server);
  return `http://127.0.0.1:${server.port}`;
}

let base = '';
before(async () => {
  base = await serve(new Secret(TOKEN));
});

const HEADERS = { authorization: `Bearer ${TOKEN}` };

async function get<T>(path: string): Promise<T> {
  const response = await fetch(base + path, { headers: HEADERS });
  assert.equal(response.status, 200, path);
  return (await response.json()) as T;
}

function post(body: string, type = 'application/json'): Promise<Response> {
  const headers = { ...HEADERS, 'content-type': type };
  return fetch(`${base}/api/v1/telemetry`, { method: 'POST', headers, body });
}

/** Reads events of a stream one after the other. */
async function* eventsOf(path: string, signal: AbortSignal): AsyncGenerator<{ event: string; data: unknown }> {
  const response = await fetch(base + path, { headers: HEADERS, signal });
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const [, event = '', data = ''] = /^event: (.*)\ndata: (.*)$/.exec(text.slice(0, end)) ?? [];
      text = text.slice(end + 2);
      yield { event, data: JSON.parse(data) };
    }
  }
}

test('a report is taken, shown, and pushed', async () => {
  const stop = new AbortController();
  const events = eventsOf('/api/v1/live?window=30', stop.signal);
  const hello = (await events.next()).value as { event: string; data: HelloEvent };
  assert.equal(hello.event, 'hello');
  const requests = [requestOf({ path: '/<script>alert(1)</script>', status: 503, flags: 'UF' }), requestOf()];
  const report = reportOf({ edges: [edgeOf('a', 'b')], workloads: [healthOf('a')], requests, droppedRequests: 7 });
  assert.equal((await post(JSON.stringify(report))).status, 204);
  const traffic = (await events.next()).value as { event: string; data: TrafficEvent };
  assert.equal(traffic.event, 'traffic');
  assert.deepEqual([traffic.data.requests.length, traffic.data.droppedRequests], [2, 7]);
  stop.abort();
  const graph = await get<Graph>('/api/v1/graph?window=60');
  assert.deepEqual([graph.edges.length, graph.nodes.length, graph.edges[0]?.perSecond], [1, 2, 5]);
  const { requests: failed } = await get<{ requests: NumberedRequest[] }>('/api/v1/requests?status=failed&flags=UF');
  assert.deepEqual(
    failed.map(({ path }) => path),
    ['/<script>alert(1)</script>'],
  );
  const { workloads } = await get<{ workloads: { workload: string }[] }>('/api/v1/workloads');
  assert.equal(workloads[0]?.workload, 'a');
  assert.deepEqual(await get('/api/v1/timeline'), { changes: [] });
});

test('what is no report is refused, and the server goes on', async () => {
  const bad: [string, string, number][] = [
    ['{', 'application/json', 400],
    ['[]', 'application/json', 400],
    ['{"edges":1}', 'application/json', 400],
    [JSON.stringify(reportOf()), 'text/plain', 415],
    [`"${'x'.repeat(2 << 20)}"`, 'application/json', 413],
    [`${'['.repeat(500_000)}`, 'application/json', 400],
  ];
  for (const [body, type, status] of bad) {
    assert.equal((await post(body, type)).status, status, body.slice(0, 20));
  }
  for (const path of ['/api/v1/graph?window=0', '/api/v1/graph?window=1e9', '/api/v1/requests?limit=none']) {
    assert.equal((await fetch(base + path, { headers: HEADERS })).status, 400, path);
  }
  assert.equal((await fetch(`${base}/api/v1/telemetry`, { headers: HEADERS })).status, 405);
  assert.equal((await fetch(`${base}/api/v1/graph`, { method: 'POST', headers: HEADERS })).status, 405);
  assert.equal((await post(JSON.stringify(reportOf()))).status, 204);
});

test('without the token nothing is told; without the flag nothing is taken', async () => {
  for (const path of ['/api/v1/graph', '/api/v1/live', '/debug/']) assert.equal((await fetch(base + path)).status, 401);
  assert.equal((await fetch(`${base}/ready`)).status, 200);
  const open = await serve(null);
  const answer = await fetch(`${open}/api/v1/graph`);
  assert.equal(answer.status, 403);
  assert.match(await answer.text(), /--page-token-file FILE/);
  const page = await fetch(open);
  assert.match(await page.text(), /started without --page-token-file/);
});

test('the page may run nothing but its own script, and be framed by nobody', async () => {
  const page = await fetch(base);
  const policy = page.headers.get('content-security-policy') ?? '';
  for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"]) {
    assert.ok(policy.includes(rule), rule);
  }
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal(page.headers.get('x-content-type-options'), 'nosniff');
  assert.equal(page.headers.get('referrer-policy'), 'no-referrer');
  for (const path of ['/assets/..%2f..%2fpackage.json', '/assets/.js', '/assets/none.js']) {
    assert.equal((await fetch(base + path)).status, 404, path);
  }
});

test('streams are bounded', async () => {
  const stop = new AbortController();
  const answers: string[] = [];
  for (let at = 0; at < 33; at++) answers.push((await eventsOf('/api/v1/live', stop.signal).next()).value?.event ?? '');
  assert.deepEqual([answers.filter((event) => event === 'hello').length, answers.at(-1)], [32, 'refused']);
  stop.abort();
});
