// The control plane's pages: readiness, metrics, istiod's debug pages, the JSON API, and the live page.
import { type HttpAnswer, type HttpRequest, type HttpServer, startHttpServer } from '../../net/http-server.ts';
import type { HostPort } from '../options.ts';
import { isLoopback, refusal } from './access.ts';
import type { ApiContext } from './context.ts';
import { DEBUG_PAGES } from './debug-pages.ts';
import { LIVE_PAGES, LIVE_POSTS } from './live-pages.ts';
import { OBJECT_PAGES } from './object-pages.ts';
import { STATUS_PAGES } from './status-pages.ts';
import { webFile } from './web-files.ts';

/** Starts it; the promise is rejected when the address cannot be had. */
export function startApi(at: HostPort, context: ApiContext): Promise<HttpServer> {
  const access = { isLocal: isLoopback(at.host), token: context.token };
  return startHttpServer(at, (request) => refusal(request, access) ?? answer(request, context));
}

function answer(request: HttpRequest, context: ApiContext): HttpAnswer | Promise<HttpAnswer> {
  const { path, method } = request;
  const post = LIVE_POSTS.get(path);
  if (post !== undefined) {
    return method === 'POST' ? post(request, context) : { status: 405, body: `${path} is only written, by POST\n` };
  }
  const page =
    STATUS_PAGES.get(path) ?? OBJECT_PAGES.get(path) ?? LIVE_PAGES.get(path) ?? DEBUG_PAGES.get(path)?.answer;
  if (page !== undefined) {
    return method === 'GET' ? page(request, context) : { status: 405, body: `${path} is only read\n` };
  }
  switch (path) {
    case '/ready':
      return { body: 'ok\n' };
    case '/metrics':
      return { type: 'text/plain; version=0.0.4; charset=utf-8', body: context.metrics.text() };
    case '/version':
      return { body: `${context.version}\n` };
    case '/debug':
    case '/debug/':
    case '/debug/list':
      return { body: [...DEBUG_PAGES].map(([name, { help }]) => `${name.padEnd(26)} ${help}\n`).join('') };
    default:
      return (
        webFile(path, context.token !== null) ?? { status: 404, body: `there is no ${path}; /debug lists pages\n` }
      );
  }
}
