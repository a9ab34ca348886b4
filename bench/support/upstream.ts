// The upstream of the bench: nginx on the load's core, answering 1 KiB or 100 KiB and swallowing uploads.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, type Program, startProgram, waitForPort } from './process.ts';
import { nginxServerTls, type TlsFiles } from './tls-files.ts';

export const PATHS = { small: '/1k', large: '/100k', json: '/10k.json', upload: '/upload' } as const;

/**
 * Answers come from memory or the page cache. An upload is read whole before it is answered, as an application would:
 * nginx alone answers early, so the request goes on to a second server of its own.
 */
export async function startUpstream(
  nginx: string,
  core: number,
  scratch: string,
  tls: TlsFiles,
): Promise<Program & { port: number; tlsPort: number }> {
  const directory = join(scratch, 'upstream');
  const files = join(directory, 'files');
  mkdirSync(files, { recursive: true });
  writeFileSync(join(files, '1k'), 'x'.repeat(1024));
  writeFileSync(join(files, '100k'), 'x'.repeat(100 * 1024));
  writeFileSync(join(files, '10k.json'), jsonText(10 * 1024));
  const port = await freePort();
  const tlsPort = await freePort();
  const path = join(directory, 'nginx.conf');
  const socket = join(directory, 'inner.sock');
  writeFileSync(
    path,
    `
daemon off; master_process off; worker_processes 1; pid ${join(directory, 'pid')};
events { worker_connections 16384; }
http {
  client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy; fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi; scgi_temp_path ${directory}/scgi;
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; default_type text/plain; etag off;
  client_body_buffer_size 256k; client_max_body_size 16m; sendfile on; tcp_nodelay on; tcp_nopush on;
  open_file_cache max=10; open_file_cache_valid 1h;
  upstream inner { server unix:${socket}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    listen 127.0.0.1:${tlsPort} ssl backlog=4096;
    ${nginxServerTls(tls)}
    root ${files};
    location = ${PATHS.small} { return 200 "${'x'.repeat(1024)}"; }
    location = ${PATHS.large} { }
    location = ${PATHS.json} { default_type application/json; }
    location = ${PATHS.upload} {
      proxy_pass http://inner/; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_pass_request_body off; proxy_set_header Content-Length "";
    }
  }
  server { listen unix:${socket}; location / { return 200 "stored\\n"; } }
}
`,
  );
  const command = [nginx, '-c', path, '-p', directory, '-e', join(directory, 'error.log')];
  const program = startProgram(core, command, join(directory, 'output.log'));
  await waitForPort(program, port);
  return { ...program, port, tlsPort };
}

/** As an API answers: records that are alike and not the same. */
function jsonText(bytes: number): string {
  const records = Array.from({ length: 200 }, (_, id) => {
    const key = ((id * 2_654_435_761) >>> 0).toString(16);
    return { id, key, name: `customer number ${id}`, balance: (id * 7919) % 10_007, tags: ['new', key.slice(0, 3)] };
  });
  return JSON.stringify(records).slice(0, bytes);
}
