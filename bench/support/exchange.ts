// One exchange through two proxies, compared: a figure counts only when the answers are the same.
import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { createGunzip } from 'node:zlib';

export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
};

/** Headers whose values are of the moment. */
const VOLATILE = new Set(['date', 'x-envoy-upstream-service-time', 'x-request-id', 'last-modified']);
const TIMEOUT_MS = 5_000;

export type Exchange = { readonly path: string; readonly headers?: readonly string[]; readonly uploadBytes?: number };

export function exchange(port: number, { path, headers = [], uploadBytes }: Exchange): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fields = headers.map((header) => header.split(/:\s*/, 2) as [string, string]);
    const outgoing = request({
      host: '127.0.0.1',
      port,
      path,
      method: uploadBytes === undefined ? 'GET' : 'POST',
      timeout: TIMEOUT_MS,
      agent: false,
      headers: {
        host: 'bench.example',
        ...Object.fromEntries(fields),
        ...(uploadBytes === undefined ? {} : { 'content-length': uploadBytes }),
      },
    });
    outgoing.on('response', (response) => {
      const hash = createHash('sha256');
      // Two compressors pack the same body otherwise.
      const isPacked = response.headers['content-encoding'] === 'gzip';
      const body = isPacked ? response.pipe(createGunzip()) : response;
      body.on('data', (chunk: Buffer) => hash.update(chunk));
      body.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: hash.digest('hex') }),
      );
      body.on('error', reject);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer')));
    outgoing.on('error', reject);
    outgoing.end(uploadBytes === undefined ? undefined : 'x'.repeat(uploadBytes));
  });
}

/** Returns how two answers differ, or null. */
export function compareAnswers(envoy: Answer, heddle: Answer): string | null {
  if (envoy.status !== heddle.status) return `status ${heddle.status}, Envoy ${envoy.status}`;
  if (envoy.body !== heddle.body) return 'another body than Envoy';
  const names = new Set([...Object.keys(envoy.headers), ...Object.keys(heddle.headers)]);
  const differing = [...names].filter((name) =>
    VOLATILE.has(name)
      ? name in envoy.headers !== name in heddle.headers
      : String(envoy.headers[name]) !== String(heddle.headers[name]),
  );
  if (differing.length === 0) return null;
  const shown = (answer: Answer, name: string): string => String(answer.headers[name] ?? 'absent');
  return differing.map((name) => `${name}: ${shown(heddle, name)}, Envoy ${shown(envoy, name)}`).join('; ');
}
