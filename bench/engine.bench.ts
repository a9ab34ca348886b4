// The engine without sockets: codecs, edge rules, route, filters, router, pool; CPU per request.
import type { Address, ByteStream, ByteStreamHandler } from '../src/base/byte-stream.ts';
import type { ConnectCallback, Engine, EngineOptions } from '../src/net/engine.ts';
import { DEFAULT_PROXY_OPTIONS } from '../src/proxy/options.ts';
import { startProxy } from '../src/proxy/proxy.ts';
import { LogRegistry } from '../src/telemetry/log.ts';

const LOCAL: Address = { family: 'ipv4', address: '127.0.0.1', port: 10000 };
const REMOTE: Address = { family: 'ipv4', address: '127.0.0.1', port: 40000 };

/** Takes whatever is written and gives what the bench feeds. */
class BenchStream implements ByteStream {
  handler!: ByteStreamHandler;
  readonly id = 1;
  readonly localAddress = LOCAL;
  readonly remoteAddress = REMOTE;
  readonly tls = null;
  bytesRead = 0;
  bytesWritten = 0;
  readonly bufferedBytes = 0;
  readonly isAboveHighWatermark = false;
  isClosed = false;
  writes = 0;
  last = '';

  writeLatin1(text: string): void {
    this.writes++;
    this.bytesWritten += text.length;
    this.last = text;
  }
  write(chunk: Uint8Array): void {
    this.bytesWritten += chunk.length;
  }
  writeBorrowed(_chunk: Buffer, start: number, end: number): void {
    this.bytesWritten += end - start;
  }
  flush(): void {}
  announceTurnEnd(): void {}
  pause(): void {}
  resume(): void {}
  unread(): void {}
  end(): void {}
  close(): void {}
  destroy(): void {}
  setWatermarks(): void {}
}

const REQUEST = Buffer.from('GET / HTTP/1.1\r\nHost: 127.0.0.1:10000\r\n\r\n', 'latin1');
const BODY = 'x'.repeat(1024);
const RESPONSE = Buffer.from(
  'HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain\r\n' +
    'Content-Length: 1024\r\nLast-Modified: Sat, 21 Nov 2026 11:00:00 GMT\r\nConnection: keep-alive\r\n' +
    `ETag: "6560a2b0-400"\r\nAccept-Ranges: bytes\r\n\r\n${BODY}`,
  'latin1',
);

const CONFIG = `
static_resources:
  listeners:
  - name: bench
    address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          route_config:
            name: local
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /}
                route: {cluster: upstream}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - name: upstream
    connect_timeout: 1s
    load_assignment:
      cluster_name: upstream
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 10080}}}
`;

/** Microseconds of CPU per request, the best of several rounds. */
export function benchEngine(rounds: number, requests: number): number {
  const logs = LogRegistry.open({ level: 'off' });
  if (typeof logs === 'string') throw new Error(logs);
  let accept: ((stream: ByteStream) => void) | undefined;
  let dialled: BenchStream | null = null;
  let dialling: ConnectCallback | null = null;
  const makeEngine = (options: EngineOptions): Engine => ({
    kind: 'memory',
    clock: options.clock,
    openStreams: 0,
    run: (fn) => fn(),
    flush: () => undefined,
    listen: (address, _options, onStream) => {
      accept = onStream;
      const nothing = (): void => undefined;
      return {
        address,
        fd: -1,
        acceptErrors: 0,
        heldOverflows: 0,
        isPaused: false,
        close: nothing,
        pause: nothing,
        resume: nothing,
      };
    },
    connect: (_address, _options, callback) => {
      dialling = callback;
      return { cancel: () => undefined };
    },
    adopt: () => null,
    bindUdp: (address) => ({ errno: 'ENOTSUP', detail: `no datagrams at '${address.address}'` }),
  });
  const proxy = startProxy({
    options: { ...DEFAULT_PROXY_OPTIONS, configYaml: CONFIG },
    logs,
    variables: {},
    version: 'bench',
    makeEngine,
  });
  if ('error' in proxy) throw new Error(proxy.error);
  const downstream = new BenchStream();
  accept?.(downstream);
  const exchange = (): void => {
    proxy.clock.update();
    downstream.handler.onData(REQUEST, 0, REQUEST.length);
    if (dialling !== null) {
      dialled = new BenchStream();
      const callback = dialling;
      dialling = null;
      callback(dialled, null);
    }
    proxy.clock.update();
    dialled?.handler.onData(RESPONSE, 0, RESPONSE.length);
  };
  for (let i = 0; i < requests; i++) exchange();
  const sent = downstream.writes;
  if (sent < requests) throw new Error(`only ${sent} answers to ${requests} requests`);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    for (let i = 0; i < requests; i++) exchange();
    const used = process.cpuUsage(before);
    best = Math.min(best, (used.user + used.system) / requests);
  }
  return best;
}

if (import.meta.main) {
  const micros = benchEngine(Number(process.argv[2] ?? 7), Number(process.argv[3] ?? 100_000));
  process.stdout.write(`${JSON.stringify({ engineMicrosPerRequest: Number(micros.toFixed(3)) })}\n`);
}
