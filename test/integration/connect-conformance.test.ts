// The Connect project's conformance cases for gRPC and gRPC-Web, through the proxy.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { locatePeer } from '../../scripts/peers.ts';
import { runProgram } from '../support/run-program.ts';
import { scratchFolder } from './heddle.ts';

const runner = locatePeer('connectconformance');
const server = locatePeer('grpcserver');
const skip = 'missing' in runner ? runner.missing : 'missing' in server ? server.missing : false;

/** Every permutation takes minutes, most of them the runner's own. The proxy does not look into messages. */
const isFull = process.env['HEDDLE_FULL_CONFORMANCE'] === '1';

const WRAPPER = join(import.meta.dirname, '../support/conformance-server.ts');
const TIMEOUT_MS = isFull ? 600_000 : 300_000;

/** These the server fails without a proxy too: grpc-go answers "unknown" where "unimplemented" is wanted. */
const SERVER_FAILS = ['unary', 'server-stream'].flatMap((kind) => [
  `**/${kind}/multiple-requests`,
  `**/${kind}/no-request`,
]);

/** The server gives up at the deadline too, and its reset, which a proxy hands on as its own, may come first. */
const RACES = 'Timeouts/**';

type Features = { readonly protocol: string; readonly versions: readonly number[]; readonly tls: boolean };

function features({ protocol, versions, tls }: Features): string {
  const hasTls = tls || isFull;
  return JSON.stringify({
    features: {
      protocols: [protocol],
      versions: versions.map((version) => `HTTP_VERSION_${version}`),
      codecs: ['CODEC_PROTO'],
      compressions: ['COMPRESSION_IDENTITY', ...(isFull ? ['COMPRESSION_GZIP'] : [])],
      supports_h2c: true,
      supports_tls: hasTls,
      supports_tls_client_certs: hasTls,
      supports_trailers: true,
      supports_half_duplex_bidi_over_http1: false,
      supports_connect_get: false,
      supports_message_receive_limit: true,
    },
  });
}

describe('Connect conformance', { skip }, () => {
  const pass = async (asked: Features, mode: 'pass' | 'bridge', leastCases: number): Promise<void> => {
    const config = join(scratchFolder(), 'features.yaml');
    writeFileSync(config, features(asked));
    const known = SERVER_FAILS.flatMap((pattern) => ['--known-failing', pattern]).concat('--known-flaky', RACES);
    const wrapped = [process.execPath, WRAPPER, (server as { path: string }).path, mode];
    const args = ['--conf', config, '--mode', 'server', '--max-servers', '2', ...known, '--', ...wrapped];
    const { code, output } = await runProgram((runner as { path: string }).path, args, TIMEOUT_MS);
    assert.equal(code, 0, output.slice(-4000));
    const passed = Number(/(\d+) passed/.exec(output)?.[1] ?? 0);
    assert.ok(passed >= leastCases, output.slice(-1000));
  };

  it('gRPC, cleartext and TLS', () => pass({ protocol: 'PROTOCOL_GRPC', versions: [2], tls: true }, 'pass', 70));

  it('gRPC-Web to a server that speaks it', () =>
    pass({ protocol: 'PROTOCOL_GRPC_WEB', versions: [1, 2], tls: false }, 'pass', 70));

  it('gRPC-Web to a server that speaks only gRPC', () =>
    pass({ protocol: 'PROTOCOL_GRPC_WEB', versions: [1, 2], tls: false }, 'bridge', 70));
});
