// One HTTP/1 request to somebody on this machine or beside it: administration, scrapes, probes. Not for the data path.
import type * as Http from 'node:http';
import type * as Https from 'node:https';
import { dialIn } from './dial-in.ts';
import { nodeHttp } from './node-http.ts';

export type HttpQuestion = {
  readonly host: string;
  readonly port: number;
  /** Path of a unix socket, instead of host and port. */
  readonly socketPath?: string;
  readonly path: string;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The descriptor of a network namespace in which host and port are; null for this process's own. */
  readonly network?: number | null;
  /** Of everything. */
  readonly timeoutMs: number;
  /** A longer body is cut off there; `isCut` says so. */
  readonly maxBytes: number;
  /** Where the connection comes from. */
  readonly localAddress?: string;
  /** TLS; whom the certificate is for is not asked, as kubelet does not. */
  readonly isTls?: boolean;
};

export type HttpOutcome = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
  readonly isCut: boolean;
};

/** Loaded with the first request: an agent that nobody asks does without. */
function client(isTls: boolean): typeof Http | typeof Https {
  return isTls ? process.getBuiltinModule('node:https') : nodeHttp();
}

/** Tells once; what it returns gives the request up. Calls back outside of any turn. */
export function askHttp(
  question: HttpQuestion,
  done: (answer: HttpOutcome | { readonly error: string }) => void,
): () => void {
  const { isTls = false, timeoutMs, maxBytes } = question;
  let isOver = false;
  const tell = (answer: HttpOutcome | { readonly error: string }): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    done(answer);
  };
  const { host, port, path, localAddress, socketPath, network = null } = question;
  const request = client(isTls).request({
    ...(socketPath === undefined ? { host, port } : { socketPath }),
    ...{ path, method: question.method ?? 'GET', headers: question.headers ?? {} },
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(isTls ? { rejectUnauthorized: false } : {}),
    // An agent would dial by itself.
    ...(network === null ? { agent: false } : { createConnection: () => dialIn(network, { address: host, port }) }),
  });
  const timer = setTimeout(() => {
    tell({ error: `no answer within ${timeoutMs} ms` });
    request.destroy();
  }, timeoutMs);
  request.on('error', (error) => tell({ error: error.message }));
  request.on('response', (response) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const finish = (isCut: boolean): void => {
      const { statusCode: status = 0, headers } = response;
      tell({ status, headers, body: Buffer.concat(chunks), isCut });
      if (isCut) request.destroy();
    };
    response.on('data', (chunk: Buffer) => {
      const part = chunk.subarray(0, maxBytes - bytes);
      chunks.push(part);
      bytes += part.length;
      if (part.length < chunk.length) finish(true);
    });
    response.on('end', () => finish(false));
    response.on('error', (error) => tell({ error: error.message }));
  });
  request.end(question.body);
  return () => {
    isOver = true;
    clearTimeout(timer);
    request.destroy();
  };
}

/** As `askHttp`. */
export function askHttpOnce(question: HttpQuestion): Promise<HttpOutcome | { readonly error: string }> {
  return new Promise((resolve) => void askHttp(question, resolve));
}
