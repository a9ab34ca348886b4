// Says in HTTP/2 what a text says in HTTP/1: requests of clients and replies of upstreams.
import { Http1Reader, type HeaderList, type Message } from '../support/http1-reader.ts';
import type { Case, Group, Http2Action, Http2Field, Http2Reply, Http2Step, Reply, UpstreamScript } from './case.ts';
import { any, type Fields } from './config.ts';

const PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** What makes a cluster speak HTTP/2. */
export const HTTP2: Fields = {
  typed_extension_protocol_options: {
    [PROTOCOL_OPTIONS]: any(PROTOCOL_OPTIONS, { explicit_http_config: { http2_protocol_options: {} } }),
  },
};

/** What the client speaks, and what the upstream. */
export type Way = 'h1 to h1' | 'h2 to h1' | 'h1 to h2' | 'h2 to h2';

export const WAYS: readonly Way[] = ['h1 to h1', 'h2 to h1', 'h1 to h2', 'h2 to h2'];

/** The cases of a group that can be said another way: those of one whole request, and whole or no answers. */
export function groupInWay(group: Group, way: Way): Group | null {
  const cases = group.cases.filter((test) => isPlain(test, way)).map((test) => inWay(wholeSend(test), way));
  if (cases.length === 0) return null;
  const config = way.endsWith('h2') ? withHttp2Clusters(group.config as Bootstrap) : group.config;
  return { ...group, config, cases };
}

type Bootstrap = { readonly static_resources: { readonly clusters: readonly Fields[] } };

/** Those that speak HTTP/1 without having been told. */
function withHttp2Clusters(config: Bootstrap): Bootstrap {
  const { static_resources } = config;
  const clusters = static_resources.clusters.map((cluster) => ({ ...HTTP2, ...cluster }));
  return { ...config, static_resources: { ...static_resources, clusters } };
}

function wholeSend(test: Case): Case {
  return typeof test.send === 'string' || test.send === undefined ? test : { ...test, send: String(test.send[0]) };
}

const OF_HTTP1 = /^(connection|upgrade|transfer-encoding|keep-alive|proxy-connection):/im;

function isPlain(test: Case, way: Way): boolean {
  const { send, to } = test;
  const [first, then] = typeof send === 'string' ? [send, { read: 1 }] : (send ?? []);
  if (to === 'admin' || typeof first !== 'string' || typeof then !== 'object' || !('read' in then)) return false;
  if (then.read !== 1 || (typeof send !== 'string' && send?.length !== 2)) return false;
  if (OF_HTTP1.test(first) || !/^[A-Z]+ \/\S* HTTP\/1\.1\r\n/.test(first)) return false;
  const reader = new Http1Reader('request');
  reader.feed(first);
  if (reader.messages.length !== 1 || reader.messages[0]?.complete !== true) return false;
  return way === 'h2 to h1' || repliesOf(test).every((replies) => replies.every(isPlainReply));
}

function repliesOf({ upstream = [] }: Case): (readonly Reply[])[] {
  const all = Array.isArray(upstream) ? [upstream as readonly Reply[]] : Object.values(upstream);
  return all.map((script) => (Array.isArray(script) ? script : ['']) as readonly Reply[]);
}

function isPlainReply(reply: Reply): boolean {
  if (typeof reply !== 'string')
    return Array.isArray(reply) && reply.length === 1 && /^(fin|rst)$/.test(String(reply[0]));
  return /^HTTP\/1\.1 [2-5]\d\d/.test(reply) && !/^(connection|upgrade|transfer-encoding|keep-alive):/im.test(reply);
}

/** The same case, said another way; its requests are one text, its replies texts or single words. */
export function inWay(test: Case, way: Way): Case {
  const said = typeof test.send === 'string' && way.startsWith('h2') ? spoken(test, test.send) : test;
  // In HTTP/2 a body behind the answer to HEAD is no leftover: it breaks the stream.
  const isHead = typeof test.send === 'string' && test.send.startsWith('HEAD ');
  return way.endsWith('h2') ? { ...said, upstream: answered(test.upstream, isHead) } : said;
}

function spoken(test: Case, text: string): Case {
  const { send: _, ...rest } = test;
  return { ...rest, http2: http2Request(text) };
}

function http2Request(text: string): Http2Step[] {
  const { startLine, headers, body, chunkSizes } = read('request', text);
  const [method = '', path = ''] = startLine.split(' ');
  const host = headers.find(([name]) => name.toLowerCase() === 'host')?.[1] ?? '';
  const head: Http2Field[] = [
    [':method', method],
    [':scheme', 'http'],
    [':path', path],
    [':authority', host],
  ];
  head.push(...fields(headers).filter(([name]) => name !== 'host'));
  const pieces = chunkSizes.length === 0 ? [body].filter((piece) => piece !== '') : cut(body, chunkSizes);
  return [
    { head, end: pieces.length === 0 },
    ...pieces.map((data, i): Http2Step => ({ data, end: i === pieces.length - 1 })),
    { until: 'end' },
  ];
}

function answered(upstream: Case['upstream'], isHead: boolean): Record<string, UpstreamScript> {
  const scripts = Array.isArray(upstream) ? { a: upstream as readonly Reply[] } : (upstream ?? {});
  return Object.fromEntries(
    Object.entries(scripts as Record<string, readonly Reply[]>).map(([name, replies]) => [
      name,
      { replies: [], http2: { replies: replies.map((reply) => http2Reply(reply, isHead)) } },
    ]),
  );
}

function http2Reply(reply: Reply, isHead: boolean): Http2Reply {
  if (typeof reply !== 'string') {
    const actions = 'actions' in reply ? reply.actions : reply;
    const texts = actions.filter((action) => typeof action === 'string');
    if (texts[0] === 'fin') return ['fin'];
    if (texts[0] === 'rst') return ['reset-connection'];
    return http2Reply(texts.join(''), isHead);
  }
  const { startLine, headers, body } = read('response', reply);
  const head: Http2Field[] = [[':status', startLine.split(' ')[1] ?? ''], ...fields(headers)];
  const hasBody = body !== '' && !isHead;
  const actions: Http2Action[] = [{ head, end: !hasBody }];
  if (hasBody) actions.push({ data: body, end: true });
  return actions;
}

function read(kind: 'request' | 'response', text: string): Message {
  const reader = new Http1Reader(kind);
  reader.feed(text);
  reader.end();
  const [message] = reader.messages;
  if (message === undefined) throw new Error(`no ${kind}: ${text}`);
  return message;
}

/** In lower case, without what is about the connection. */
function fields(headers: HeaderList): Http2Field[] {
  return headers
    .map(([name, value]): Http2Field => [name.toLowerCase(), value])
    .filter(([name]) => name !== 'transfer-encoding' && name !== 'connection');
}

function cut(text: string, sizes: readonly number[]): string[] {
  let at = 0;
  return sizes.filter((size) => size > 0).map((size) => text.slice(at, (at += size)));
}
