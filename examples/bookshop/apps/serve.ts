// What the HTTP programs here have in common: listen where the environment says, answer, end on SIGTERM.
import { createServer, type IncomingHttpHeaders } from 'node:http';

export type Question = {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
};

export type Answer = {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly html?: string;
};

/** Null: there is no such page. */
export type Handler = (question: Question) => Answer | null | Promise<Answer | null>;

const MAX_BODY_BYTES = 64 * 1024;
const LAST_REQUESTS_MS = 3000;

export function serve(name: string, usualPort: number, handler: Handler): void {
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      body += chunk;
      if (body.length > MAX_BODY_BYTES) request.destroy();
    });
    request.on('error', () => response.destroy());
    request.on('end', async () => {
      const url = new URL(request.url ?? '/', 'http://here');
      const question = { method: request.method ?? 'GET', url, headers: request.headers, body };
      const answer = await answerOf(name, handler, question);
      const [type, text] = contentOf(answer);
      response.writeHead(answer.status ?? 200, { 'content-type': type, ...answer.headers });
      response.end(text);
    });
  });
  const port = Number(process.env.PORT ?? usualPort);
  server.listen(port, process.env.HOST ?? '127.0.0.1', () => console.log(`${name} listens on port ${port}`));
  endWith(() => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}

/** Runs `end` at the first SIGTERM or SIGINT; requests that never end do not hold up the process. */
export function endWith(end: () => void): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      setTimeout(() => process.exit(0), LAST_REQUESTS_MS).unref();
      end();
    });
  }
}

async function answerOf(name: string, handler: Handler, question: Question): Promise<Answer> {
  if (question.url.pathname === '/healthz') return { json: { status: 'ok' } };
  try {
    return (await handler(question)) ?? { status: 404, json: { error: `${name} has no ${question.url.pathname}` } };
  } catch (error) {
    console.error(error);
    return { status: 500, json: { error: `${name} failed` } };
  }
}

function contentOf({ html, json }: Answer): [string, string] {
  if (html !== undefined) return ['text/html; charset=utf-8', html];
  return ['application/json', `${JSON.stringify(json ?? null)}\n`];
}

/** What belongs to the request of a customer and not to one hop: who it is, and the marks that tracing goes by. */
const PASSED_ON = ['end-user', 'x-request-id', 'traceparent', 'tracestate', 'baggage'];

export function passedOn(headers: IncomingHttpHeaders): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = headers[name];
    if (typeof value === 'string') passed[name] = value;
  }
  return passed;
}
