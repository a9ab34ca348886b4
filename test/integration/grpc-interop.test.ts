// The gRPC project's own interoperability cases between its Go client and server, through one proxy and through two.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { locatePeer } from '../../scripts/peers.ts';
import { ca, server } from '../differential/cases/tls-fixtures.ts';
import { freePort } from '../support/free-ports.ts';
import { type RunningHop, startHop, startTwoHops } from '../support/http2-hops.ts';
import { runProgram, type Server, startServer } from '../support/run-program.ts';
import { scratchFolder, stat, until } from './heddle.ts';

const clientPeer = locatePeer('grpc-interop-client');
const serverPeer = locatePeer('grpc-interop-server');
const skip = 'missing' in clientPeer ? clientPeer.missing : 'missing' in serverPeer ? serverPeer.missing : false;

/**
 * All that the client knows, but for those that want credentials of a cloud, and `pick_first_unary`, which wants a
 * server that tells its name: this one does not.
 */
const CASES = [
  ...['empty_unary', 'large_unary', 'client_streaming', 'server_streaming', 'ping_pong', 'empty_stream'],
  ...['timeout_on_sleeping_server', 'cancel_after_begin', 'cancel_after_first_response'],
  ...['status_code_and_message', 'special_status_message', 'custom_metadata'],
  ...['unimplemented_method', 'unimplemented_service'],
  ...['rpc_soak', 'channel_soak', 'orca_per_rpc', 'orca_oob'],
];

/** What the cases about load reports want of the client, by the gRPC project's own script. */
const REPORTS = '{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}';

/** Clients run side by side; the slowest case waits for seconds. */
const AT_ONCE = 4;

describe('gRPC interoperability', { skip }, () => {
  const folder = scratchFolder();
  const file = (name: string): string => join(folder, name);
  let plain: Server;
  let secure: Server;

  before(async () => {
    writeFileSync(file('ca.pem'), ca.pem);
    writeFileSync(file('server.pem'), server.chainPem);
    writeFileSync(file('server.key'), server.keyPem);
    const start = async (...flags: string[]): Promise<Server> => {
      const port = await freePort();
      return startServer((serverPeer as { path: string }).path, ['-port', String(port), ...flags], port);
    };
    plain = await start();
    secure = await start('-use_tls', '-tls_cert_file', file('server.pem'), '-tls_key_file', file('server.key'));
  });
  after(async () => {
    await plain.stop();
    await secure.stop();
  });

  /** Every case through what is started here; returns those that failed with what the client said. */
  const passAll = async (start: () => Promise<RunningHop>, ...flags: string[]): Promise<void> => {
    const hop = await start();
    try {
      const failures: string[] = [];
      const waiting = [...CASES];
      const runOne = async (): Promise<void> => {
        for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
          const target = ['-server_host', '127.0.0.1', '-server_port', String(hop.port), '-test_case', name];
          if (name.startsWith('orca_')) target.push('-service_config_json', REPORTS);
          const { code, output } = await runProgram((clientPeer as { path: string }).path, [...target, ...flags]);
          if (code !== 0) failures.push(`${name}: ${output}`);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, runOne));
      assert.deepEqual(failures, []);
      assert.ok((await stat(hop.proxy, 'http.test.downstream_cx_http2_total')) >= CASES.length);
      assert.equal(await stat(hop.proxy, 'http.test.downstream_cx_http1_total'), 0);
      // Cancelled calls leave nothing behind either.
      await until('no active request', async () => (await stat(hop.proxy, 'cluster.up.upstream_rq_active')) === 0);
      assert.equal(await stat(hop.proxy, 'http.test.downstream_rq_active'), 0);
    } finally {
      await hop.stop();
    }
  };

  const tlsFlags = (): string[] => [
    ...['-use_tls', '-use_test_ca', '-ca_file', file('ca.pem'), '-server_host_override', 'test.example'],
  ];
  const two = (): readonly [string, string] => [scratchFolder(), scratchFolder()];

  it('through one hop, cleartext', () => passAll(() => startHop({ upstream: 'http2' }, plain.port, folder)));

  it('through one hop, TLS on both sides', () =>
    passAll(
      () => startHop({ upstream: 'http2', certificate: server, upstreamCa: ca.pem }, secure.port, folder),
      ...tlsFlags(),
    ));

  it('through two hops with mutual TLS between', () =>
    passAll(() => startTwoHops({}, { upstream: 'http2' }, plain.port, two())));

  it('through two hops, TLS all the way', () =>
    passAll(
      () => startTwoHops({ certificate: server }, { upstream: 'http2', upstreamCa: ca.pem }, secure.port, two()),
      ...tlsFlags(),
    ));

  it('through two hops, cleartext', async () => {
    const inner = await startHop({ upstream: 'http2' }, plain.port, scratchFolder());
    try {
      await passAll(() => startHop({ upstream: 'http2' }, inner.port, scratchFolder()));
    } finally {
      await inner.stop();
    }
  });
});
