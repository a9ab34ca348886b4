// A proxy with tap filters in front of an upstream that says the same to everybody, and traces without what varies.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { encodeText } from '../../src/proto/text-encode.ts';
import { freePort } from '../support/free-ports.ts';
import { type ProxyKind, type ProxyProcess, startProxy } from '../support/proxy-process.ts';

export type Json = Readonly<Record<string, unknown>>;
const typed = (type: string, fields: Json = {}): Json => ({ '@type': `type.googleapis.com/${type}`, ...fields });

const ANSWER = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-up: yes\r\n\r\n5\r\nworld\r\n0\r\n\r\n';
const REQUEST =
  'POST /x?a=b HTTP/1.1\r\nhost: t.example\r\nx-odd: "\\\u00e9\r\ntransfer-encoding: chunked\r\n\r\n' +
  '6\r\nhe\u00001lo\r\n0\r\nx-t: yes\r\n\r\n';

export type Running = { readonly proxy: ProxyProcess; readonly ports: ReadonlyMap<string, number> };

/** A directory and an upstream for all tests of a file. */
export function tapRig() {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-tap-'));
  let upstream: Server;
  let upstreamPort = 0;
  before(async () => {
    upstream = createServer((socket) => {
      socket.on('data', () => socket.write(ANSWER));
      socket.on('error', () => undefined);
    });
    upstream.listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    upstreamPort = (upstream.address() as { port: number }).port;
  });
  after(() => {
    upstream.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return {
    directory,
    /** `taps`: by listener, the tap filter's configuration. */
    async start(kind: ProxyKind, taps: Readonly<Record<string, Json>>, more: readonly string[] = []): Promise<Running> {
      const ports = new Map<string, number>();
      for (const name of Object.keys(taps)) ports.set(name, await freePort());
      const listeners = Object.entries(taps).map(([name, fields]) => listener(name, ports.get(name)!, fields));
      const config = {
        admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
        static_resources: { listeners, clusters: [cluster(upstreamPort)] },
      };
      const own = mkdtempSync(join(directory, `${kind}-`));
      return { proxy: await startProxy(kind, JSON.stringify(config), own, more), ports };
    },
  };
}

function listener(name: string, port: number, fields: Json): Json {
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [
      {
        filters: [
          {
            name: 'http',
            typed_config: typed('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
              stat_prefix: name,
              http_protocol_options: { enable_trailers: true },
              route_config: {
                virtual_hosts: [
                  { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'a' } }] },
                ],
              },
              http_filters: [
                { name: 'tap', typed_config: typed('envoy.extensions.filters.http.tap.v3.Tap', fields) },
                { name: 'router', typed_config: typed('envoy.extensions.filters.http.router.v3.Router') },
              ],
            }),
          },
        ],
      },
    ],
  };
}

function cluster(port: number): Json {
  const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: port } } };
  return {
    name: 'a',
    type: 'STATIC',
    load_assignment: { cluster_name: 'a', endpoints: [{ lb_endpoints: [{ endpoint }] }] },
  };
}

/** Sends the request, reads the whole answer and leaves. */
export async function exchange(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
  socket.write(Buffer.from(REQUEST, 'latin1'));
  for (let i = 0; i < 300 && !answer.includes('0\r\n\r\n'); i++) await sleep(10);
  socket.destroy();
  return answer;
}

/** A trace, or several, without what differs from run to run. `kind`: the ending of its file's name. */
export function stable(kind: string, text: string): string {
  return (kind === '.pb_length_delimited' ? piecesOf(text) : text)
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<id>')
    .replace(/(trace_id"?: )"?\d+"?/g, '$1<id>')
    .replace(/(port_value"?: )\d+/g, '$1<port>')
    .replace(/[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT/g, '<date>')
    .replace(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '<time>')
    .replace(/((?:seconds|nanos): )\d+/g, '$1<time>')
    .replace(/(service-time"?,?\s*"?value"?: )"\d+"/g, '$1<ms>')
    .replace(/(service-time\x12)[\s\S]{2}/g, '$1<ms>');
}

/** Messages behind each other, as text: ids in them have different lengths. */
function piecesOf(text: string): string {
  const type = registry.message('envoy.data.tap.v3.TraceWrapper');
  const bytes = Buffer.from(text, 'latin1');
  let pieces = '';
  for (let at = 0; at < bytes.length; ) {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    const message = decodeBinary(type, bytes.subarray(at, at + length), new Report());
    assert.ok(message !== undefined);
    pieces += encodeText(type, message);
    at += length;
  }
  return pieces;
}
