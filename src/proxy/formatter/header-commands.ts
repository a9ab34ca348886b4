// Commands that read the messages themselves: headers, trailers, path, query, gRPC status.
import { H, type HeaderKey, headerKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import type { FormatContext } from './format-context.ts';
import { type Command, type CommandUse, number, type Operator, plain, text, truncated } from './operator.ts';

type Part = 'requestHeaders' | 'responseHeaders' | 'responseTrailers';

const PATH_SOURCES = ['ORIG', 'PATH', 'ORIG_OR_PATH'];
const GRPC_NAMES: readonly (readonly [string, string])[] = [
  ['OK', 'OK'], ['Canceled', 'CANCELLED'], ['Unknown', 'UNKNOWN'], ['InvalidArgument', 'INVALID_ARGUMENT'],
  ['DeadlineExceeded', 'DEADLINE_EXCEEDED'], ['NotFound', 'NOT_FOUND'], ['AlreadyExists', 'ALREADY_EXISTS'],
  ['PermissionDenied', 'PERMISSION_DENIED'], ['ResourceExhausted', 'RESOURCE_EXHAUSTED'],
  ['FailedPrecondition', 'FAILED_PRECONDITION'], ['Aborted', 'ABORTED'], ['OutOfRange', 'OUT_OF_RANGE'],
  ['Unimplemented', 'UNIMPLEMENTED'], ['Internal', 'INTERNAL'], ['Unavailable', 'UNAVAILABLE'],
  ['DataLoss', 'DATA_LOSS'], ['Unauthenticated', 'UNAUTHENTICATED'],
]; // biome-ignore format: a table.
const GRPC_OF_HTTP: Readonly<Record<number, number>> = {
  400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14,
}; // biome-ignore format: a table.

/** Commands by name. */
export const HEADER_COMMANDS: Readonly<Record<string, Command>> = {
  REQ: headerCommand('requestHeaders'),
  RESP: headerCommand('responseHeaders'),
  TRAILER: headerCommand('responseTrailers'),
  PATH: { params: 'optional', length: true, make: pathOperator },
  QUERY_PARAM: {
    params: 'required',
    length: true,
    make(use) {
      const key = use.param;
      return truncated(
        text((ctx) => queryParam(ctx.requestHeaders, key)),
        use.maxLength,
      );
    },
  },
  QUERY_PARAMS: { params: 'optional', length: true, make: queryOperator },
  GRPC_STATUS: { params: 'optional', make: (use) => grpcOperator(use, use.param) },
  GRPC_STATUS_NUMBER: { params: 'none', make: (use) => grpcOperator(use, 'NUMBER') },
  LOCAL_REPLY_BODY: plain(text((ctx) => ctx.localReplyBody)),
  ACCESS_LOG_TYPE: plain(text((ctx) => ctx.accessLogType)),
  REQUEST_HEADERS_BYTES: plain(number((ctx) => ctx.requestHeaders?.byteSize() ?? 0)),
  RESPONSE_HEADERS_BYTES: plain(number((ctx) => ctx.responseHeaders?.byteSize() ?? 0)),
  RESPONSE_TRAILERS_BYTES: plain(number((ctx) => ctx.responseTrailers?.byteSize() ?? 0)),
};

/** What an extension brings. */
export const REQ_WITHOUT_QUERY: Command = {
  params: 'required',
  length: true,
  make(use) {
    const found = headerOperator(use, 'requestHeaders');
    if (found === null) return null;
    const get = (ctx: FormatContext): string | null => withoutQuery(found.get(ctx) as string | null);
    return truncated(text(get), use.maxLength);
  },
};

function headerCommand(part: Part): Command {
  return {
    params: 'required',
    length: true,
    make(use) {
      const operator = headerOperator(use, part);
      return operator === null ? null : truncated(operator, use.maxLength);
    },
  };
}

/** X?Y: the first value of X, or else of Y. */
function headerOperator(use: CommandUse, part: Part): Operator | null {
  const names = use.param.split('?');
  if (names.length > 2) {
    use.reject(`More than 1 alternative header specified in token: ${use.param}`);
    return null;
  }
  for (const name of names) {
    if (!/^:?[!#$%&'*+.^_`|~0-9A-Za-z-]*$/.test(name)) {
      use.reject('Invalid header configuration. Format string contains invalid characters.');
      return null;
    }
  }
  const first = lookUpKey(part, names[0] as string);
  const second = names[1] === undefined || names[1] === '' ? null : lookUpKey(part, names[1]);
  return text(headerGetter(part, first, second));
}

/** In requests `host` is the authority, as in Envoy's header map. */
function lookUpKey(part: Part, name: string): HeaderKey {
  const key = headerKey(name);
  return part === 'requestHeaders' && key === H.host ? H[':authority'] : key;
}

/** One closure shape per part, so that each stays monomorphic in what it reads. */
function headerGetter(part: Part, first: HeaderKey, second: HeaderKey | null): (ctx: FormatContext) => string | null {
  if (part === 'requestHeaders') {
    if (second === null) return (ctx) => (ctx.requestHeaders === null ? null : (ctx.requestHeaders.get(first) ?? null));
    return (ctx) =>
      ctx.requestHeaders === null ? null : (ctx.requestHeaders.get(first) ?? ctx.requestHeaders.get(second) ?? null);
  }
  if (part === 'responseHeaders') {
    return (ctx) => lookUp(ctx.responseHeaders, first, second);
  }
  return (ctx) => lookUp(ctx.responseTrailers, first, second);
}

function lookUp(headers: Headers | null, first: HeaderKey, second: HeaderKey | null): string | null {
  if (headers === null) return null;
  return headers.get(first) ?? (second === null ? null : (headers.get(second) ?? null));
}

function withoutQuery(path: string | null): string | null {
  if (path === null) return null;
  const mark = path.indexOf('?');
  return mark < 0 ? path : path.slice(0, mark);
}

/** PATH(WQ|NQ:ORIG|PATH|ORIG_OR_PATH). */
function pathOperator(use: CommandUse): Operator | null {
  const [query = '', source = ''] = use.param.split(':');
  if (query !== '' && query !== 'WQ' && query !== 'NQ') {
    use.reject(`Invalid PATH option: '${query}', only 'WQ'/'NQ' are allowed`);
    return null;
  }
  if (source !== '' && !PATH_SOURCES.includes(source)) {
    use.reject(`Invalid PATH option: '${source}', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed`);
    return null;
  }
  const original = H['x-envoy-original-path'];
  const get = (ctx: FormatContext): string | null => {
    const headers = ctx.requestHeaders;
    if (headers === null) return null;
    const found = source === 'PATH' ? undefined : headers.get(original);
    const path = found ?? (source === 'ORIG' || headers.path === '' ? null : headers.path);
    return query === 'NQ' ? withoutQuery(path) : path;
  };
  return truncated(text(get), use.maxLength);
}

function queryOf(headers: Headers | null): string | null {
  if (headers === null) return null;
  const mark = headers.path.indexOf('?');
  if (mark < 0) return null;
  const hash = headers.path.indexOf('#', mark);
  return hash < 0 ? headers.path.slice(mark + 1) : headers.path.slice(mark + 1, hash);
}

function queryParam(headers: Headers | null, key: string): string | null {
  const query = queryOf(headers);
  if (query === null) return null;
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=');
    const name = equals < 0 ? pair : pair.slice(0, equals);
    if (percentDecode(name) === key) return equals < 0 ? '' : percentDecode(pair.slice(equals + 1));
  }
  return null;
}

function queryOperator(use: CommandUse): Operator | null {
  if (use.param !== '' && use.param !== 'ORIG' && use.param !== 'DECODED') {
    use.reject(`Invalid QUERY_PARAMS option: '${use.param}', only 'ORIG'/'DECODED' are allowed`);
    return null;
  }
  if (use.param !== 'DECODED')
    return truncated(
      text((ctx) => queryOf(ctx.requestHeaders)),
      use.maxLength,
    );
  const get = (ctx: FormatContext): string | null => {
    const query = queryOf(ctx.requestHeaders);
    if (query === null) return null;
    return query.split('&').map(normalizePair).join('&');
  };
  return truncated(text(get), use.maxLength);
}

/** Decodes a pair and encodes it again, so that one spelling remains. */
function normalizePair(pair: string): string {
  const equals = pair.indexOf('=');
  if (equals < 0) return percentEncode(percentDecode(pair));
  const recode = (part: string): string => percentEncode(percentDecode(part));
  return `${recode(pair.slice(0, equals))}=${recode(pair.slice(equals + 1))}`;
}

function percentDecode(textOrBytes: string): string {
  if (!textOrBytes.includes('%')) return textOrBytes;
  return textOrBytes.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** A '%' that begins no escape is dropped, as Envoy does. */
function percentEncode(bytes: string): string {
  return bytes.replace(/[^!$'()*+,\-./0-9:;=?@A-Z_a-z~]/g, (char) =>
    char === '%' ? '' : `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}

function grpcOperator(use: CommandUse, format: string): Operator | null {
  if (format === 'NUMBER') return number((ctx) => grpcStatus(ctx) ?? Number.NaN);
  if (format !== '' && format !== 'CAMEL_STRING' && format !== 'SNAKE_STRING') {
    use.reject(`GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: ${format}`);
    return null;
  }
  const column = format === 'SNAKE_STRING' ? 1 : 0;
  return text((ctx) => {
    const status = grpcStatus(ctx);
    return status === null ? null : (GRPC_NAMES[status]?.[column] ?? String(status));
  });
}

type GrpcFacts = Pick<FormatContext, 'info' | 'requestHeaders' | 'responseHeaders' | 'responseTrailers'>;

/**
 * The gRPC status of a gRPC request (or of `any`): from trailers, headers, or else the HTTP status; -1 when it is no
 * number.
 */
export function grpcStatus(ctx: GrpcFacts, any = false): number | null {
  if (!any) {
    const type = ctx.requestHeaders?.get(H['content-type']);
    if (type === undefined || !type.startsWith('application/grpc')) return null;
    if (type.length > 16 && type[16] !== '+') return null;
  }
  const key = H['grpc-status'];
  // An empty one counts as none.
  const status = ctx.responseTrailers?.get(key) || ctx.responseHeaders?.get(key);
  if (status !== undefined && status !== '') return /^\+?\d{1,10}$/.test(status) ? Number(status) : -1;
  const code = ctx.info.responseCode;
  return code === 0 ? null : (GRPC_OF_HTTP[code] ?? 2);
}
