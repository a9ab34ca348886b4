// Exchanges told once and said in either version of HTTP, and the configuration that the tables of HTTP/2 share.
import type {
  Case,
  ClientStep,
  Http2Action,
  Http2Field,
  Http2Reply,
  Http2Step,
  Reply,
  UpstreamScript,
} from '../case.ts';
import { any, cluster, type Fields, type HttpListener, http, STANDARD_LOG, textLog } from '../config.ts';
import { chunk, lastChunk } from '../messages.ts';
import { bytesOf } from '../../support/http2-client.ts';

export type Version = 'h1' | 'h2';

/** A body in pieces; a number is so many bytes of a pattern. Absent: none at all. */
export type Pieces = readonly (string | number)[];

export type Request = {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: readonly Http2Field[];
  readonly body?: Pieces;
  /** With a content-length, instead of chunks or nothing that tells. */
  readonly isMeasured?: boolean;
  readonly trailers?: readonly Http2Field[];
  /** HTTP/2: END_STREAM comes with a DATA frame of its own. */
  readonly endsEmpty?: boolean;
};

export type Response = Omit<Request, 'method' | 'path'> & {
  readonly status?: number;
  readonly interims?: readonly { readonly status: number; readonly headers?: readonly Http2Field[] }[];
};

export const AUTHORITY = 'test.example';

export function h2Head(method: string, path: string, headers: readonly Http2Field[] = []): Http2Field[] {
  return [[':method', method], [':scheme', 'http'], [':path', path], [':authority', AUTHORITY], ...headers];
}

/** One stream from its head to its end. */
export function h2Request(request: Request, on = 1): Http2Step[] {
  const { method = 'GET', path = '/', headers = [], body, trailers, isMeasured, endsEmpty = false } = request;
  const length: Http2Field[] = isMeasured === true ? [['content-length', String(lengthOf(body))]] : [];
  const steps: Http2Step[] = [];
  const isOver = trailers === undefined && !endsEmpty;
  steps.push({ head: h2Head(method, path, [...headers, ...length]), on, end: body === undefined && isOver });
  for (const [i, data] of (body ?? []).entries()) steps.push({ data, on, end: isOver && i === body!.length - 1 });
  if (endsEmpty) steps.push({ data: '', on, end: trailers === undefined });
  if (trailers !== undefined) steps.push({ trailers, on });
  return steps;
}

export function h1Request(request: Request): string {
  const { method = 'GET', path = '/', headers = [], body, trailers } = request;
  const lines = [`${method} ${path} HTTP/1.1`, `host: ${AUTHORITY}`, ...headers.map(line)];
  return lines.join('\r\n') + h1Body(request, body, trailers);
}

export function h1Response(response: Response): string {
  const { status = 200, headers = [], body, trailers, interims = [] } = response;
  const early = interims.map((one) =>
    [`HTTP/1.1 ${one.status} Whatever`, ...(one.headers ?? []).map(line), '', ''].join('\r\n'),
  );
  const framing = body === undefined && trailers === undefined && ![204, 304].includes(status) ? { body: [] } : {};
  const lines = [`HTTP/1.1 ${status} Whatever`, ...headers.map(line)];
  const isMeasured = response.isMeasured === true || 'body' in framing;
  return early.join('') + lines.join('\r\n') + h1Body({ isMeasured }, body ?? framing.body, trailers);
}

function h1Body(how: Request, body: Pieces | undefined, trailers: readonly Http2Field[] | undefined): string {
  if (body === undefined && trailers === undefined) return '\r\n\r\n';
  const pieces = (body ?? []).map((piece) => bytesOf(piece).toString('latin1'));
  if (how.isMeasured === true) return `\r\ncontent-length: ${lengthOf(body)}\r\n\r\n${pieces.join('')}`;
  const chunks = pieces.filter((piece) => piece !== '').map(chunk);
  return `\r\ntransfer-encoding: chunked\r\n\r\n${chunks.join('')}${lastChunk((trailers ?? []).map(line))}`;
}

export function h2Response(response: Response): Http2Action[] {
  const { status = 200, headers = [], body, trailers, interims = [], isMeasured, endsEmpty = false } = response;
  const length: Http2Field[] = isMeasured === true ? [['content-length', String(lengthOf(body))]] : [];
  const isOver = trailers === undefined && !endsEmpty;
  return [
    ...interims.map((one) => ({ head: [[':status', String(one.status)] as const, ...(one.headers ?? [])] })),
    { head: [[':status', String(status)], ...headers, ...length], end: body === undefined && isOver },
    ...(body ?? []).map((data, i) => ({ data, end: isOver && i === body!.length - 1 })),
    ...(endsEmpty ? [{ data: '', end: trailers === undefined }] : []),
    ...(trailers === undefined ? [] : [{ trailers }]),
  ];
}

/** Answers in whatever version it is asked. */
export function answers(...responses: readonly Response[]): Readonly<Record<string, UpstreamScript>> {
  return { a: { replies: responses.map(h1Response), http2: { replies: responses.map(h2Response) } } };
}

/** Answers of each version told apart. */
export function scripted(
  http2: readonly Http2Reply[],
  replies: readonly Reply[] = [],
): Readonly<Record<string, UpstreamScript>> {
  return { a: { replies, http2: { replies: http2 } } };
}

/** The client's part of a case: one request, and what follows until it is over. */
export function asks(version: Version, request: Request, until: 'end' | 'head' = 'end'): Partial<Case> {
  if (version === 'h2') return { http2: [...h2Request(request), { until }] };
  const rest: ClientStep = until === 'end' ? { read: 1 } : { readHead: 1 };
  return { send: [h1Request(request), rest] };
}

function line([name, value]: Http2Field): string {
  return `${name}: ${value}`;
}

function lengthOf(body: Pieces = []): number {
  return body.reduce((sum: number, piece) => sum + bytesOf(piece).length, 0);
}

/** What the tables log of a request. */
export const HTTP2_LOG = `${STANDARD_LOG.trimEnd()} up=%UPSTREAM_PROTOCOL%\n`;

/** A listener whose clients choose the version. */
export function anyVersion(options: HttpListener): Fields {
  const { hcm = {}, ...rest } = options;
  const log = options.log === undefined ? { log: [textLog(HTTP2_LOG)] } : {};
  return http({
    ...rest,
    ...log,
    hcm: { codec_type: 'AUTO', http_protocol_options: { enable_trailers: true }, ...hcm },
  });
}

const PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** `typed_extension_protocol_options` of a cluster. */
export function protocolOptions(options: Fields): Fields {
  return { typed_extension_protocol_options: { [PROTOCOL_OPTIONS]: any(PROTOCOL_OPTIONS, options) } };
}

export function http2Cluster(name: string, http2: Fields = {}, around: Fields = {}, cluster_: Fields = {}): Fields {
  const explicit = { explicit_http_config: { http2_protocol_options: http2 } };
  return cluster(name, ['a'], { ...protocolOptions({ ...explicit, ...around }), ...cluster_ });
}

export function http1Cluster(name: string, http1: Fields = {}, around: Fields = {}): Fields {
  const explicit = { explicit_http_config: { http_protocol_options: { enable_trailers: true, ...http1 } } };
  return cluster(name, ['a'], protocolOptions({ ...explicit, ...around }));
}
