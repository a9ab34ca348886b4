// What the gRPC tables send and answer over HTTP/1.1: messages with their heads, responses with trailers.
import { chunk, head, lastChunk, request } from '../messages.ts';

/** A message with its head, as bytes in latin1; `flags` 1 says compressed. */
export function message(text: string, flags = 0): string {
  const { length } = text;
  return String.fromCharCode(flags, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255) + text;
}

export function base64(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('base64');
}

/** A gRPC call with its body in one piece. */
export function call(path: string, body: string, ...headers: string[]): string {
  return typed('application/grpc', path, body, ...headers);
}

export function typed(type: string, path: string, body: string, ...headers: string[]): string {
  return request('POST', path, [`content-type: ${type}`, ...headers, `content-length: ${body.length}`], body);
}

/** A response of messages and trailers. */
export function answer(messages: readonly string[], trailers: readonly string[], ...headers: string[]): string {
  return (
    head(200, 'content-type: application/grpc', ...headers, 'transfer-encoding: chunked') +
    messages.map(chunk).join('') +
    lastChunk(trailers)
  );
}

export function ok(...messages: string[]): string {
  return answer(messages, ['grpc-status: 0']);
}

/** A response that is its status alone. */
export function trailersOnly(status: number | string, ...headers: string[]): string {
  return head(200, 'content-type: application/grpc', `grpc-status: ${status}`, ...headers, 'content-length: 0');
}
