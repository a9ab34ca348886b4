// Costs of the protobuf runtime: decoding endpoints, beside @bufbuild/protobuf; memory and time of compiling types.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const SELF = fileURLToPath(import.meta.url);
const CLAS = 1000;
const ENDPOINTS = 10;
const ROUNDS = 15;

/** What each mode prints, as one JSON object; every mode runs in a process of its own. */
const MODES: { readonly [name: string]: () => Promise<object> } = {
  ours: async () => {
    const { ours, bytes } = await resources();
    const first = timed(() => bytes.map((one) => ours(one)));
    return { first_ms: first, median_ms: median(() => bytes.map((one) => ours(one))) };
  },
  'protobuf-es': async () => {
    const { createFileRegistry, fromBinary } = await import('@bufbuild/protobuf');
    const { FileDescriptorSetSchema } = await import('@bufbuild/protobuf/wkt');
    const { bytes } = await resources();
    const set = readFileSync(new URL('../../src/proto/generated/descriptors.bin', import.meta.url));
    const started = cpuMs();
    const schema = createFileRegistry(fromBinary(FileDescriptorSetSchema, set)).getMessage(CLA);
    if (schema === undefined) throw new Error(`no ${CLA}`);
    const registry_ms = cpuMs() - started;
    const first = timed(() => bytes.map((one) => fromBinary(schema, one)));
    return { registry_ms, first_ms: first, median_ms: median(() => bytes.map((one) => fromBinary(schema, one))) };
  },
  memory: async () => {
    const { registry, openRegistry } = await import('../../src/proto/registry.ts');
    const { fromJson } = await import('../../src/proto/json-decode.ts');
    const { decodeBinary } = await import('../../src/proto/binary-decode.ts');
    const { encodeBinary } = await import('../../src/proto/binary-encode.ts');
    const { Report } = await import('../../src/proto/report.ts');
    const seen = new Set<unknown>();
    globalThis.gc?.();
    const before = process.memoryUsage();
    const started = cpuMs();
    for (const name of ROOTS) touch(registry.message(name), 0, seen);
    const compile_ms = cpuMs() - started;
    const type = registry.message('google.protobuf.Any' as string);
    const any = fromJson(type, { '@type': `x/${CLA}`, cluster_name: 'a' }, new Report());
    decodeBinary(type, encodeBinary(type, any));
    globalThis.gc?.();
    const after = process.memoryUsage();
    const kb = (key: 'rss' | 'heapUsed' | 'external'): number => Math.round((after[key] - before[key]) / 1024);
    const types = openRegistry().compiledCount;
    return { types, compile_ms, rss_kb: kb('rss'), heap_kb: kb('heapUsed'), external_kb: kb('external') };
  },
};

const CLA = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
const ROOTS = [
  'envoy.config.bootstrap.v3.Bootstrap',
  'envoy.config.listener.v3.Listener',
  'envoy.config.route.v3.RouteConfiguration',
  'envoy.config.cluster.v3.Cluster',
  CLA,
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
];

type Touchable = { readonly fields: readonly { readonly kind: string; readonly message: Touchable }[] };

/** Compiles the types three levels down: about what a configuration with most features uses. */
function touch(type: Touchable, depth: number, seen: Set<unknown>): void {
  if (depth > 3 || seen.has(type)) return;
  seen.add(type);
  for (const field of type.fields) if (field.kind === 'message') touch(field.message, depth + 1, seen);
}

async function resources(): Promise<{ ours: (bytes: Uint8Array) => unknown; bytes: Uint8Array[] }> {
  const { registry } = await import('../../src/proto/registry.ts');
  const { decodeBinary } = await import('../../src/proto/binary-decode.ts');
  const { encodeBinary } = await import('../../src/proto/binary-encode.ts');
  const type = registry.message(CLA);
  const bytes = Array.from({ length: CLAS }, (_, i) => {
    const lb_endpoints = Array.from({ length: ENDPOINTS }, (_, j) => ({
      endpoint: { address: { socket_address: { address: `10.0.${i & 255}.${j}`, port_value: 8080 } } },
      metadata: { filter_metadata: { istio: { workload: `service-${i};namespace;v1;;Kubernetes` } } },
      load_balancing_weight: 1,
    }));
    const cluster_name = `outbound|80||service-${i}.namespace.svc.cluster.local`;
    return encodeBinary(type, { cluster_name, endpoints: [{ locality: { region: 'r' }, lb_endpoints }] });
  });
  return { ours: (one) => decodeBinary(type, one), bytes };
}

/** CPU milliseconds of this process: wall time says little on a busy machine. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function timed(run: () => unknown): number {
  const started = cpuMs();
  run();
  return cpuMs() - started;
}

function median(run: () => unknown): number {
  const times = Array.from({ length: ROUNDS }, () => timed(run)).sort((a, b) => a - b);
  return times[ROUNDS >> 1] as number;
}

const mode = process.argv[2];
if (mode !== undefined && MODES[mode] !== undefined) {
  process.stdout.write(`${JSON.stringify(await MODES[mode]())}\n`);
} else {
  for (const name of Object.keys(MODES)) {
    const output = execFileSync(process.execPath, ['--expose-gc', SELF, name], { encoding: 'utf8' });
    const figures = Object.entries(JSON.parse(output) as { [key: string]: number });
    const text = figures.map(([key, value]) => `${key} ${Math.round(value * 100) / 100}`).join(', ');
    process.stdout.write(`${name.padEnd(12)} ${text}\n`);
  }
}
