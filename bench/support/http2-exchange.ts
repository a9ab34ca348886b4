// One exchange over HTTP/2 cleartext, in the form in which answers are compared; trailers count as headers.
import { createHash } from 'node:crypto';
import { connect } from 'node:http2';
import type { Answer } from './exchange.ts';

const TIMEOUT_MS = 5_000;

export type Http2Exchange = {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Makes it a POST. */
  readonly body?: Buffer;
};

export function http2Exchange(port: number, { path, headers = {}, body }: Http2Exchange): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${port}`);
    const timer = setTimeout(() => session.destroy(new Error('no answer over HTTP/2')), TIMEOUT_MS);
    session.on('error', reject);
    session.on('close', () => clearTimeout(timer));
    const method = body === undefined ? 'GET' : 'POST';
    const stream = session.request({ ':method': method, ':path': path, ':authority': 'bench.example', ...headers });
    const hash = createHash('sha256');
    let received: Record<string, unknown> = {};
    stream.on('response', (head) => {
      received = { ...head };
    });
    stream.on('trailers', (trailers) => {
      for (const [name, value] of Object.entries(trailers)) received[`trailer ${name}`] = value;
    });
    stream.on('data', (chunk) => hash.update(chunk));
    stream.on('error', reject);
    stream.on('end', () => {
      session.close();
      const { ':status': status, ...rest } = received;
      resolve({ status: Number(status), headers: rest, body: hash.digest('hex') });
    });
    stream.end(body);
  });
}
