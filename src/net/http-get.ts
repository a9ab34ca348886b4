// One question over HTTP to a small server on this machine: a unix socket, or host and port.
import { nodeHttp } from './node-http.ts';

export type HttpPlace = { readonly socketPath: string } | { readonly host: string; readonly port: number };
export type HttpText = { readonly status: number; readonly text: string };

const TIMEOUT_MS = 10_000;
/** The dump of a proxy with thousands of services has some 100 MB. */
const MAX_BYTES = 1 << 30;

/** Rejected with the system's error, and when nothing comes for 10 seconds. */
export function httpGet(place: HttpPlace, path: string): Promise<HttpText> {
  return new Promise((resolve, reject) => {
    const { request } = nodeHttp();
    const asked = request({ ...place, path, headers: { host: 'localhost' }, timeout: TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_BYTES) asked.destroy(new Error(`the answer has more than ${MAX_BYTES} bytes`));
        else chunks.push(chunk);
      });
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') });
      });
      response.on('error', reject);
    });
    asked.on('timeout', () => asked.destroy(new Error(`nothing came for ${TIMEOUT_MS / 1000} seconds`)));
    asked.on('error', reject);
    asked.end();
  });
}
