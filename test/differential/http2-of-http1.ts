// Says in HTTP/2 what a text says in HTTP/1: requests of clients and replies of upstreams.
import { Http1Reader, type HeaderList, type Message } from '../support/http1-reader.ts';
import type { Case, Http2Action, Http2Field, Http2Reply, Http2Step, Reply, UpstreamScript } from './case.ts';

/** What the client speaks, and what the upstream. */
export type Way = 'h1 to h1' | 'h2 to h1' | 'h1 to h2' | 'h2 to h2';

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
