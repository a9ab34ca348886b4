// A control plane that knows one thing, the name table in table.yaml; it tells of the file's changes. For docs/dns.md.
import { readFileSync, watchFile } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { Clock, Random } from '../../src/base/clock.ts';
import { GrpcServer } from '../../src/grpc/server.ts';
import type { ServerCall } from '../../src/grpc/service.ts';
import { createEngine } from '../../src/net/engine.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { fromJson } from '../../src/proto/json-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';

const PORT = 15010;
const POLL_MS = 200;
const NAME_TABLE = 'istio.networking.nds.v1.NameTable';
const TYPE_URL = `type.googleapis.com/${NAME_TABLE}`;
const FILE = join(import.meta.dirname, 'table.yaml');

type Request = { readonly type_url?: string; readonly response_nonce?: string };

/** Streams that want the table. */
const streams = new Set<ServerCall<unknown>>();
let version = 0;

function send(call: ServerCall<unknown>): void {
  const report = new Report();
  const table = fromJson(registry.message(NAME_TABLE) as never, load(readFileSync(FILE, 'utf8')), report);
  for (const { path, reason } of report.problems) process.stderr.write(`table.yaml: ${path}: ${reason}\n`);
  if (report.problems.length > 0) return;
  const value = encodeBinary(registry.message(NAME_TABLE), table as never);
  const text = String(version);
  call.send({ version_info: text, nonce: text, type_url: TYPE_URL, resources: [{ type_url: TYPE_URL, value }] });
}

const clock = new Clock();
const engine = createEngine({ clock, onBug: (error) => process.stderr.write(`${String(error)}\n`) });
clock.wrap = (run) => engine.run(run);
const server = new GrpcServer({ engine, random: new Random() }, {});
server.add({
  path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
  request: registry.message('envoy.service.discovery.v3.DiscoveryRequest'),
  response: registry.message('envoy.service.discovery.v3.DiscoveryResponse'),
  start: (call: ServerCall<unknown>) => ({
    onMessage: (message: Request) => {
      const { type_url: type, response_nonce: nonce = '' } = message;
      // What has a nonce answers a response of ours.
      if (type !== TYPE_URL || nonce !== '') return;
      streams.add(call);
      send(call);
    },
    onEnd: () => call.end(),
    onCancelled: () => void streams.delete(call),
  }),
} as never);
const listener = server.listen({ family: 'ipv4', address: '127.0.0.1', port: PORT });
if ('errno' in listener) throw new Error(listener.detail);
watchFile(FILE, { interval: POLL_MS }, () => {
  version++;
  engine.run(() => {
    for (const call of streams) send(call);
  });
});
