// A proxy in memory with gRPC filters, an upstream that answers with trailers, and what both sides saw.
import { frameMessage } from '../../src/wire/grpc/framing.ts';
import { chunk, type MemoryClient, MemoryProxy, type MemoryProxyOptions, post } from '../simulation/memory-proxy.ts';
import type { Message } from './http1-reader.ts';

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** A filter's entry in `http_filters`: its name is the last but one part of its package. */
export function grpcFilter(message: string, fields: object = {}): Readonly<Record<string, unknown>> {
  return { name: message, typed_config: { '@type': `type.googleapis.com/${message}`, ...fields } };
}

/** Trailers pass both ways; `access log` lines are those of the rig. */
export function grpcProxy(
  filters: readonly Readonly<Record<string, unknown>>[],
  more: MemoryProxyOptions = {},
): MemoryProxy {
  return new MemoryProxy({
    httpFilters: filters,
    ...more,
    hcm: { http_protocol_options: { enable_trailers: true }, ...more.hcm },
    cluster: {
      typed_extension_protocol_options: {
        [HTTP_OPTIONS]: {
          '@type': `type.googleapis.com/${HTTP_OPTIONS}`,
          explicit_http_config: { http_protocol_options: { enable_trailers: true } },
        },
      },
    },
  });
}

/** A message with its head, latin1. */
export function message(text: string, flags = 0): string {
  return frameMessage(Buffer.from(text, 'latin1'), flags).latin1Slice();
}

export function base64(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('base64');
}

/** A response of body chunks and trailers. */
export function answer(chunks: readonly string[], trailers: readonly string[], ...headers: string[]): string {
  const head = ['HTTP/1.1 200 OK', 'content-type: application/grpc', 'transfer-encoding: chunked', ...headers];
  const end = ['0', ...trailers, '', ''].join('\r\n');
  return `${head.join('\r\n')}\r\n\r\n${chunks.map(chunk).join('')}${end}`;
}

export const PATH = '/pkg.Service/Method';

export function call(type: string, body: string, ...headers: string[]): string {
  return post(PATH, body, `content-type: ${type}`, ...headers);
}

/** Values of the headers of a message by lower-case name. */
export function fieldsOf(list: Message['headers']): Record<string, string> {
  return Object.fromEntries(list.map(([name, value]) => [name.toLowerCase(), value]));
}

/** The one response of a client. */
export function onlyResponse(client: MemoryClient): Message {
  const [first, ...rest] = client.responses;
  if (first === undefined || rest.length > 0) throw new Error(`${client.responses.length} responses`);
  return first;
}
