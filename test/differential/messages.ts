// Builders of raw HTTP/1 messages for the tables.

/** Header lines, each `name: value`. */
export function request(method: string, target: string, headers: readonly string[] = [], body = ''): string {
  const host = headers.some((line) => /^host:/i.test(line)) ? [] : ['host: test.example'];
  return `${[`${method} ${target} HTTP/1.1`, ...host, ...headers].join('\r\n')}\r\n\r\n${body}`;
}

export function get(target: string, ...headers: string[]): string {
  return request('GET', target, headers);
}

export function post(target: string, body: string, ...headers: string[]): string {
  return request('POST', target, [...headers, `content-length: ${body.length}`], body);
}

export function chunked(
  target: string,
  chunks: readonly string[],
  headers: readonly string[] = [],
  trailers: readonly string[] = [],
): string {
  return request(
    'POST',
    target,
    [...headers, 'transfer-encoding: chunked'],
    chunks.map(chunk).join('') + lastChunk(trailers),
  );
}

export function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

export function lastChunk(trailers: readonly string[] = []): string {
  return `0\r\n${trailers.map((line) => `${line}\r\n`).join('')}\r\n`;
}

/** A response with a length. */
export function response(status: number | string, body = '', ...headers: string[]): string {
  const line = typeof status === 'number' ? `${status} Whatever` : status;
  return `${[`HTTP/1.1 ${line}`, ...headers, `content-length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`;
}

/** A response whose head stands alone: no length is added. */
export function head(status: number | string, ...headers: string[]): string {
  const line = typeof status === 'number' ? `${status} Whatever` : status;
  return `${[`HTTP/1.1 ${line}`, ...headers].join('\r\n')}\r\n\r\n`;
}
