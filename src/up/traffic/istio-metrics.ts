// Istio's metrics of one proxy, in Prometheus' text → what was added since the last reading, by pair of workloads.
import { type EdgeDelta, LATENCY_BOUNDS_MS, type WorkloadName } from '../../telemetry/mesh-report.ts';

type Labels = Readonly<Record<string, string>>;

const WANTED = new Set([
  'istio_requests_total',
  'istio_request_duration_milliseconds_bucket',
  'istio_tcp_connections_opened_total',
  'istio_tcp_sent_bytes_total',
  'istio_tcp_received_bytes_total',
]);

export type MutableEdge = {
  readonly source: WorkloadName;
  readonly destination: WorkloadName;
  readonly protocol: EdgeDelta['protocol'];
  isMutualTls: boolean | null;
  count: number;
  errors: number;
  readonly codes: Record<string, number>;
  readonly latency: number[];
  sentBytes: number;
  receivedBytes: number;
};

/** Values of one proxy; a proxy that began anew begins at 0. */
export class IstioMetrics {
  #last = new Map<string, number>();

  /** Adds what is new to `edges`. The first text counts whole: a proxy is read from its beginning on. */
  read(text: string, edges: Map<string, MutableEdge>, externals: ReadonlyMap<string, string> = new Map()): void {
    const now = new Map<string, number>();
    const buckets = new Map<string, { readonly edge: MutableEdge; readonly counts: [number, number][] }>();
    for (const line of text.split('\n')) {
      const sample = parseSample(line);
      if (sample === null) continue;
      const { name, labels, value, key } = sample;
      now.set(key, value);
      const before = this.#last.get(key) ?? 0;
      const delta = value >= before ? value - before : value;
      if (delta === 0) continue;
      const edge = edgeOf(labels, edges, externals);
      // The called side alone knows how it was called.
      takePolicy(edge, labels);
      if (!counts(labels)) continue;
      if (name === 'istio_request_duration_milliseconds_bucket') {
        const id = key.replace(/,?le="[^"]*"/, '');
        let bucket = buckets.get(id);
        if (bucket === undefined) {
          bucket = { edge, counts: [] };
          buckets.set(id, bucket);
        }
        bucket.counts.push([labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le']), delta]);
      } else add(edge, name, labels, delta);
    }
    for (const { edge, counts: cumulative } of buckets.values()) addBuckets(edge, cumulative);
    this.#last = now;
  }
}

/** The calling side counts; what comes from outside of the mesh is counted where it is called. */
function counts({ reporter, source_workload }: Labels): boolean {
  return reporter === 'source' || (source_workload ?? 'unknown') === 'unknown';
}

function add(edge: MutableEdge, name: string, labels: Labels, delta: number): void {
  switch (name) {
    case 'istio_requests_total': {
      const code = labels['response_code'] ?? '0';
      edge.count += delta;
      edge.codes[code] = (edge.codes[code] ?? 0) + delta;
      if (isError(code, labels['grpc_response_status'] ?? '')) edge.errors += delta;
      break;
    }
    case 'istio_tcp_connections_opened_total':
      edge.count += delta;
      if (/^(?:UF|URX|UH|NR|UO|NC)/.test(labels['response_flags'] ?? '')) edge.errors += delta;
      break;
    case 'istio_tcp_received_bytes_total':
      edge.receivedBytes += delta;
      break;
    default:
      edge.sentBytes += delta;
  }
}

function takePolicy(edge: MutableEdge, labels: Labels): void {
  const policy = labels['connection_security_policy'];
  if (policy === 'mutual_tls') edge.isMutualTls = true;
  else if (policy === 'none') edge.isMutualTls = false;
}

/** 5xx, no answer, and the gRPC statuses that are a server's fault. */
export function isError(code: string, grpcStatus: string): boolean {
  if (code === '0' || code.startsWith('5')) return true;
  return ['2', '4', '13', '14', '15'].includes(grpcStatus);
}

function addBuckets(edge: MutableEdge, cumulative: [number, number][]): void {
  cumulative.sort(([a], [b]) => a - b);
  // Buckets that did not change are not there: their deltas are those of the ones below.
  const at = (bound: number): number => cumulative.findLast(([other]) => other <= bound)?.[1] ?? 0;
  let below = 0;
  for (const [index, bound] of [...LATENCY_BOUNDS_MS, Number.POSITIVE_INFINITY].entries()) {
    const upTo = at(bound);
    edge.latency[index] = (edge.latency[index] ?? 0) + Math.max(0, upTo - below);
    below = Math.max(below, upTo);
  }
}

function edgeOf(labels: Labels, edges: Map<string, MutableEdge>, externals: ReadonlyMap<string, string>): MutableEdge {
  const of = (name: string): string => labels[name] ?? 'unknown';
  const protocol =
    labels['request_protocol'] === 'grpc' ? 'grpc' : labels['request_protocol'] === 'http' ? 'http' : 'tcp';
  const service = of('destination_service_name');
  const source = {
    workload: of('source_workload'),
    namespace: of('source_workload_namespace'),
    service: '',
    version: of('source_version'),
  };
  const called = of('destination_workload');
  const destination = {
    // Nobody's pod: the host itself.
    workload: externals.get(service) ?? (called === 'unknown' ? service : called),
    namespace: of(called === 'unknown' ? 'destination_service_namespace' : 'destination_workload_namespace'),
    service,
    version: of('destination_version'),
  };
  return findEdge(edges, source, destination, protocol);
}

export function findEdge(
  edges: Map<string, MutableEdge>,
  source: WorkloadName,
  destination: WorkloadName,
  protocol: EdgeDelta['protocol'],
): MutableEdge {
  const key = [source, destination].flatMap((one) => [one.workload, one.namespace, one.service]).join('|') + protocol;
  let edge = edges.get(key);
  if (edge === undefined) {
    edge = {
      ...{ source, destination, protocol, isMutualTls: null, count: 0, errors: 0, codes: {} },
      latency: new Array<number>(LATENCY_BOUNDS_MS.length + 1).fill(0),
      ...{ sentBytes: 0, receivedBytes: 0 },
    };
    edges.set(key, edge);
  }
  return edge;
}

type Sample = { readonly name: string; readonly labels: Labels; readonly value: number; readonly key: string };

function parseSample(line: string): Sample | null {
  const open = line.indexOf('{');
  if (open < 0 || line[0] === '#' || !WANTED.has(line.slice(0, open))) return null;
  const close = line.lastIndexOf('}');
  const labels: Record<string, string> = {};
  for (const [, name = '', value = ''] of line.slice(open + 1, close).matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
    labels[name] = value.replaceAll(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
  }
  return { name: line.slice(0, open), labels, value: Number(line.slice(close + 1)), key: line.slice(0, close) };
}
