// A control plane that asks for a bearer token: the file's content goes with each new stream, and none goes without it.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { rmSync, writeFileSync } from 'node:fs';
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { registry } from '../../src/proto/registry.ts';
import { frameMessage } from '../../src/wire/grpc/framing.ts';
import { makeCa, makeCertificate } from '../support/certificates.ts';
import { startProxy } from '../support/proxy-process.ts';
import { type Json, scratchFolder, stat, until } from './heddle.ts';

const RESPONSE = registry.message('envoy.service.discovery.v3.DeltaDiscoveryResponse');
const CLUSTERS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';

const stops: (() => Promise<void> | void)[] = [];
after(async () => {
  for (const stop of stops.reverse()) await stop();
});

function bootstrap(port: number, roots: string, filename: string): Json {
  const plugin = 'envoy.grpc_credentials.file_based_metadata';
  return {
    node: { id: 'proxy', cluster: 'test' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [
          {
            google_grpc: {
              target_uri: `127.0.0.1:${port}`,
              stat_prefix: 'control',
              channel_credentials: { ssl_credentials: { root_certs: { inline_string: roots } } },
              credentials_factory_name: plugin,
              call_credentials: [
                {
                  from_plugin: {
                    name: plugin,
                    typed_config: {
                      '@type': 'type.googleapis.com/envoy.config.grpc_credential.v3.FileBasedMetadataConfig',
                      secret_data: { filename },
                      header_prefix: 'Bearer ',
                    },
                  },
                },
              ],
            },
          },
        ],
      },
      cds_config: { ads: {}, resource_api_version: 'V3' },
    },
  };
}

test('the token of a file goes with each stream, as the file is then', async () => {
  const ca = makeCa();
  const server = createSecureServer({
    ...(() => {
      const { pem: cert, keyPem: key } = makeCertificate({ issuer: ca, sans: [{ ip: '127.0.0.1' }] });
      return { cert, key };
    })(),
    ALPNProtocols: ['h2'],
  });
  const tokens: string[] = [];
  const streams = new Set<ServerHttp2Stream>();
  server.on('stream', (stream, headers) => {
    tokens.push(String(headers.authorization));
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    // An answer, so that a stream counts as a good one and the next try comes soon.
    stream.write(frameMessage(encodeBinary(RESPONSE, { type_url: CLUSTERS, nonce: '1' } as never)));
    stream.on('error', () => {});
    stream.on('close', () => streams.delete(stream));
    streams.add(stream);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const token = join(scratchFolder(), 'token');
  writeFileSync(token, 'first\n');
  const port = (server.address() as AddressInfo).port;
  const proxy = await startProxy('heddle', JSON.stringify(bootstrap(port, ca.pem, token)), scratchFolder());
  stops.push(() => proxy.stop());
  stops.push(() => {
    for (const stream of streams) stream.destroy();
    server.close();
  });

  await until('the first stream', () => tokens.length === 1);
  writeFileSync(token, 'second\n');
  for (const stream of streams) stream.close();
  await until('the second stream', () => tokens.length === 2);

  rmSync(token);
  for (const stream of streams) stream.close();
  await until('calls that are not sent', async () => {
    // There is none before the first of them.
    const count = await stat(proxy, 'grpc.control.streams_closed_16').catch(() => 0);
    return count > 0;
  });
  assert.deepEqual(tokens, ['Bearer first', 'Bearer second']);
  writeFileSync(token, 'third\n');
  await until('the third stream', () => tokens.length === 3, 30_000);
  assert.deepEqual(tokens, ['Bearer first', 'Bearer second', 'Bearer third']);
});
