// What makes a message of HTTP one of gRPC, and which method a path names.
import { H } from '../header-names.ts';
import type { Headers } from '../headers.ts';

export const GRPC_CONTENT_TYPE = 'application/grpc';

/** Whether the content type is gRPC's: 'application/grpc' alone or with a format ('application/grpc+proto'). */
export function hasGrpcContentType(headers: Headers): boolean {
  const type = headers.get(H['content-type']);
  return type !== undefined && isGrpcContentType(type);
}

export function isGrpcContentType(type: string): boolean {
  if (!type.startsWith(GRPC_CONTENT_TYPE)) return false;
  const next = type[GRPC_CONTENT_TYPE.length];
  return next === undefined || next === '+';
}

/** Whether a response is gRPC's: by its content type, or by its status alone when it is all there is. */
export function isGrpcResponse(headers: Headers, endStream: boolean): boolean {
  if (endStream) return headers.has(H['grpc-status']);
  return headers.status === 200 && hasGrpcContentType(headers);
}

export type MethodName = { readonly service: string; readonly method: string };

/** '/package.Service/Method' and nothing more; empty segments and the query do not count. */
export function methodOfPath(path: string): MethodName | null {
  const query = path.indexOf('?');
  const end = query < 0 ? path.length : query;
  let service = '';
  let method = '';
  for (let at = 0; at < end; ) {
    const slash = path.indexOf('/', at);
    const stop = slash < 0 || slash > end ? end : slash;
    if (stop > at) {
      if (method !== '') return null;
      if (service === '') service = path.slice(at, stop);
      else method = path.slice(at, stop);
    }
    at = stop + 1;
  }
  return method === '' ? null : { service, method };
}
