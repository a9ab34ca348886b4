// The control plane's pages: readiness, metrics, istiod's debug pages, and the JSON API of status.
import { type HttpAnswer, type HttpRequest, type HttpServer, startHttpServer } from '../../net/http-server.ts';
import type { HostPort } from '../options.ts';
import type { ApiContext } from './context.ts';
import { DEBUG_PAGES } from './debug-pages.ts';
import { OBJECT_PAGES } from './object-pages.ts';
import { STATUS_PAGES } from './status-pages.ts';

/** Starts it; the promise is rejected when the address cannot be had. */
export function startApi(at: HostPort, context: ApiContext): Promise<HttpServer> {
  const isLocal = isLoopback(at.host);
  return startHttpServer(at, (request) => {
    // A page of the web must not read this one under a name of its own that leads here.
    if (isLocal && !isLoopback(hostOf(request)))
      return { status: 403, body: 'this is served under its own name only\n' };
    return answer(request, context);
  });
}

function answer(request: HttpRequest, context: ApiContext): HttpAnswer | Promise<HttpAnswer> {
  const { path, method } = request;
  const page = STATUS_PAGES.get(path) ?? OBJECT_PAGES.get(path) ?? DEBUG_PAGES.get(path)?.answer;
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
      return { status: 404, body: `there is no ${path}; /debug lists pages\n` };
  }
}

function hostOf({ headers }: HttpRequest): string {
  const host = String(headers['host'] ?? '');
  return host.startsWith('[') ? host.slice(1, host.indexOf(']')) : (host.split(':')[0] ?? '');
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
