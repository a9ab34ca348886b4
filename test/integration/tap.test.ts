// The files that the tap filter writes, beside those of the real Envoy: the same but for ids and times.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { encodeText } from '../../src/proto/text-encode.ts';
import { arePeersRequired, findEnvoy } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import { type ProxyKind, type ProxyProcess, startProxy } from '../support/proxy-process.ts';

type Json = Readonly<Record<string, unknown>>;
const typed = (type: string, fields: Json = {}): Json => ({ '@type': `type.googleapis.com/${type}`, ...fields });

const ANSWER = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-up: yes\r\n\r\n5\r\nworld\r\n0\r\n\r\n';
const REQUEST =
  'POST /x?a=b HTTP/1.1\r\nhost: t.example\r\nx-odd: "\\\u00e9\r\ntransfer-encoding: chunked\r\n\r\n' +
  '6\r\nhe\u00001lo\r\n0\r\nx-t: yes\r\n\r\n';

type Tapped = { readonly format?: string; readonly output?: Json; readonly tap?: Json; readonly filter?: Json };

const records = {
  record_headers_received_time: true,
  record_downstream_connection: true,
  record_upstream_connection: true,
};
const TAPS: Readonly<Record<string, Tapped>> = {
  string: { format: 'JSON_BODY_AS_STRING' },
  bytes: { format: 'JSON_BODY_AS_BYTES' },
  binary: { format: 'PROTO_BINARY' },
  delimited: { format: 'PROTO_BINARY_LENGTH_DELIMITED' },
  text: { format: 'PROTO_TEXT' },
  streamed: { output: { streaming: true } },
  streamedtext: { format: 'PROTO_TEXT', output: { streaming: true } },
  streamedbinary: { format: 'PROTO_BINARY_LENGTH_DELIMITED', output: { streaming: true } },
  short: { output: { max_buffered_rx_bytes: 3, max_buffered_tx_bytes: 0 } },
  shortstreamed: { output: { max_buffered_rx_bytes: 3, max_buffered_tx_bytes: 2, streaming: true } },
  recorded: {
    filter: records,
    tap: { tap_enabled: { default_value: { numerator: 10_000, denominator: 'TEN_THOUSAND' } } },
  },
  recordedtext: { filter: records, format: 'PROTO_TEXT' },
  late: {
    tap: { match: { http_response_headers_match: { headers: [{ name: ':status', exact_match: '200' }] } } },
    output: { streaming: true },
  },
};

function listener(name: string, port: number, prefix: string, { format, output, tap, filter }: Tapped): Json {
  const sink = { format: format ?? 'JSON_BODY_AS_BYTES', file_per_tap: { path_prefix: prefix } };
  const config = { match: { any_match: true }, output_config: { sinks: [sink], ...output }, ...tap };
  const fields = { common_config: { static_config: config }, ...filter };
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

type Running = { readonly proxy: ProxyProcess; readonly ports: ReadonlyMap<string, number>; readonly files: string };

async function start(kind: ProxyKind, taps: Readonly<Record<string, Tapped>>, files: string): Promise<Running> {
  const ports = new Map<string, number>();
  for (const name of Object.keys(taps)) ports.set(name, await freePort());
  const config = {
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    static_resources: {
      listeners: Object.entries(taps).map(([name, each]) => listener(name, ports.get(name)!, join(files, name), each)),
      clusters: [
        {
          name: 'a',
          type: 'STATIC',
          load_assignment: {
            cluster_name: 'a',
            endpoints: [
              {
                lb_endpoints: [
                  { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: upstreamPort } } } },
                ],
              },
            ],
          },
        },
      ],
    },
  };
  const own = mkdtempSync(join(directory, `${kind}-`));
  return { proxy: await startProxy(kind, JSON.stringify(config), own), ports, files };
}

/** Sends the request, reads the whole answer and leaves. */
async function exchange(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
  socket.write(Buffer.from(REQUEST, 'latin1'));
  for (let i = 0; i < 300 && !answer.includes('0\r\n\r\n'); i++) await sleep(10);
  socket.destroy();
  return answer;
}

/** The one file of a tap, without what differs from run to run. */
async function fileOf(files: string, name: string): Promise<{ readonly kind: string; readonly text: string }> {
  let found: string | undefined;
  let text = '';
  for (let i = 0; i < 200; i++) {
    found = readdirSync(files).find((file) => file.startsWith(`${name}_`));
    const now = found === undefined ? '' : readFileSync(join(files, found), 'latin1');
    if (now !== '' && now === text) break;
    text = now;
    await sleep(20);
  }
  const kind = found === undefined ? 'no file' : found.slice(found.indexOf('.'));
  const stable = (kind === '.pb_length_delimited' ? piecesOf(text) : text)
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<id>')
    .replace(/(trace_id"?: )"?\d+"?/g, '$1<id>')
    .replace(/(port_value"?: )\d+/g, '$1<port>')
    .replace(/[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT/g, '<date>')
    .replace(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '<time>')
    .replace(/((?:seconds|nanos): )\d+/g, '$1<time>')
    .replace(/(service-time"?,?\s*"?value"?: )"\d+"/g, '$1<ms>')
    .replace(/(service-time\x12)[\s\S]{2}/g, '$1<ms>');
  return { kind, text: stable };
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

const envoy = findEnvoy();
const skip = envoy.path === null && !arePeersRequired() ? envoy.reason : false;

describe('tap files beside those of Envoy', { skip }, () => {
  let pair: readonly [Running, Running];
  before(async () => {
    const started = (['envoy', 'heddle'] as const).map(async (kind) => {
      const files = join(directory, `files-${kind}`);
      mkdirSync(files);
      return start(kind, TAPS, files);
    });
    pair = (await Promise.all(started)) as unknown as readonly [Running, Running];
  });
  after(async () => {
    for (const { proxy } of pair) await proxy.stop();
  });
  for (const name of Object.keys(TAPS)) {
    it(name, async () => {
      const [theirs, ours] = await Promise.all(
        pair.map(async ({ ports, files }) => {
          assert.match(await exchange(ports.get(name)!), /^HTTP\/1.1 200 /);
          return fileOf(files, name);
        }),
      );
      assert.notEqual(theirs!.text, '');
      assert.deepEqual(ours, theirs);
    });
  }
});

it('an exchange does not suffer from a tap that cannot be written', async () => {
  const { proxy, ports } = await start(
    'heddle',
    { lost: {}, lostpieces: { output: { streaming: true } } },
    '/nowhere/at/all',
  );
  try {
    for (const port of ports.values()) assert.match(await exchange(port), /^HTTP\/1.1 200 [\s\S]*world/);
    let stats = '';
    for (let i = 0; i < 100 && !/lost\.tap\.traces_lost: [1-9]/.test(stats); i++) {
      await sleep(20);
      stats = (await proxy.admin('/stats?filter=tap')).body;
    }
    assert.match(stats, /http\.lost\.tap\.traces_lost: 1\n/);
    assert.match(stats, /http\.lost\.tap\.rq_tapped: 1\n/);
    assert.match(stats, /http\.lostpieces\.tap\.traces_lost: [3-9]\n/);
  } finally {
    await proxy.stop();
  }
});
