// What the proxies count and log, gathered every two seconds and told to the control plane, which shows it.
import { askHttpOnce } from '../../net/http-request.ts';
import { LATENCY_BOUNDS_MS, type MeshReport, type RecentRequest } from '../../telemetry/mesh-report.ts';
import type { Mesh } from '../mesh/mesh.ts';
import { askSocket } from '../mesh/probe.ts';
import type { Unit, UnitFacts } from '../mesh/unit.ts';
import { type AccessLine, readAccessLine } from './access-line.ts';
import { findEdge, IstioMetrics, isError, type MutableEdge } from './istio-metrics.ts';

const INTERVAL_MS = 2000;
/** Lines of an interval that are shown; the rest is counted. */
const MAX_REQUESTS = 200;
/** Names of hosts come from whoever calls. */
const MAX_PAIRS = 1000;
/** Not the histograms of sizes, which nobody is shown and which are most of it. */
const FILTER = 'istio_(requests_total|request_duration_milliseconds|tcp_)';
const METRICS_PATH = `/stats/prometheus?usedonly&filter=${encodeURIComponent(FILTER)}`;

export class Traffic {
  readonly #mesh: Mesh;
  readonly #metrics = new Map<string, IstioMetrics>();
  readonly #byAddress = new Map<string, UnitFacts>();
  /** Programs that stand for hosts. */
  readonly #externals = new Map<string, string>();
  /** By 'CALLER CALLED', where the called side counts nothing: gateways, and hosts outside. */
  readonly #mutual = new Map<string, boolean | null>();
  #requests: RecentRequest[] = [];
  #dropped = 0;
  #edges = new Map<string, MutableEdge>();
  #timer: NodeJS.Timeout | null = null;
  #sinceMs = Date.now();
  #isOver = false;

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
    this.refresh();
  }

  /** Whose address is whose. */
  refresh(): void {
    const { placement, units } = this.#mesh;
    this.#byAddress.clear();
    this.#externals.clear();
    const facts = new Map(units.map((unit) => [unit.facts.name, unit.facts]));
    const set = (address: string, name: string): void => {
      const found = facts.get(name);
      if (found !== undefined) this.#byAddress.set(address, found);
    };
    for (const { name, address, ports } of placement.workloads) {
      for (const { target } of ports) set(`${address}:${target}`, name);
    }
    for (const { name, address, ports } of placement.gateways) {
      for (const { target } of ports) set(`${address}:${target}`, name);
    }
    for (const { name, app, spec } of placement.externals) {
      set(`${app.address}:${app.port}`, name);
      this.#externals.set(spec.host, name);
    }
  }

  start(): void {
    this.#timer = setTimeout(() => void this.#gather(), INTERVAL_MS);
  }

  stop(): void {
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** A line that a proxy printed. */
  proxyLine(facts: UnitFacts, text: string): void {
    if (text[0] !== '{') return;
    // Envoy counts no istio_*: its edges are made of its lines, all of them.
    const isCounted = facts.proxy === 'envoy';
    if (!isCounted && this.#requests.length >= MAX_REQUESTS) {
      this.#dropped++;
      return;
    }
    const line = readAccessLine(text, facts, (address) => this.#byAddress.get(address)?.workload ?? '');
    if (line === null) return;
    if (isCounted) this.#count(facts, line);
    if (this.#requests.length >= MAX_REQUESTS) {
      this.#dropped++;
      return;
    }
    const { isMutualTls, sentBytes: _sent, receivedBytes: _received, ...request } = line;
    if (this.#mutual.size > MAX_PAIRS) this.#mutual.clear();
    if (line.direction === 'outbound') this.#mutual.set(`${facts.workload} ${line.destination}`, isMutualTls);
    this.#requests.push(facts.kind === 'workload' ? request : { ...request, direction: 'gateway' });
  }

  #count(facts: UnitFacts, line: AccessLine): void {
    if (line.direction === 'inbound') return;
    const callee = this.#byAddress.get(line.upstreamHost);
    const isGrpc = line.grpcStatus !== '';
    const protocol = line.method === '' ? 'tcp' : isGrpc ? 'grpc' : 'http';
    const source = { workload: facts.workload, namespace: facts.namespace, service: '', version: facts.version };
    // What led nowhere is called whatever its caller likes.
    const host = line.upstreamCluster === '' ? 'unknown' : line.destination;
    const destination =
      callee === undefined
        ? { workload: host, namespace: 'unknown', service: host, version: '' }
        : { workload: callee.workload, namespace: callee.namespace, service: callee.service, version: callee.version };
    const edge = findEdge(this.#edges, source, destination, protocol);
    const code = protocol === 'tcp' ? '' : String(line.status);
    edge.count++;
    if (code !== '') edge.codes[code] = (edge.codes[code] ?? 0) + 1;
    if (protocol === 'tcp' ? line.flags !== '-' : isError(code, line.grpcStatus)) edge.errors++;
    if (protocol !== 'tcp') {
      const index = LATENCY_BOUNDS_MS.findIndex((bound) => line.durationMs <= bound);
      const at = index < 0 ? LATENCY_BOUNDS_MS.length : index;
      edge.latency[at] = (edge.latency[at] ?? 0) + 1;
    }
    edge.isMutualTls = line.isMutualTls;
    edge.sentBytes += line.sentBytes;
    edge.receivedBytes += line.receivedBytes;
  }

  async #gather(): Promise<void> {
    const { units } = this.#mesh;
    await Promise.all(units.map((unit) => this.#readMetrics(unit)));
    for (const edge of this.#edges.values()) {
      edge.isMutualTls ??= this.#mutual.get(`${edge.source.workload} ${edge.destination.workload}`) ?? null;
    }
    const usage = this.#mesh.spawner.usage();
    const atMs = Date.now();
    const report: MeshReport = {
      atMs,
      intervalMs: atMs - this.#sinceMs,
      capture: this.#mesh.options.captureText,
      edges: [...this.#edges.values()].filter(
        ({ count, sentBytes, receivedBytes }) => count + sentBytes + receivedBytes > 0,
      ),
      workloads: units.map((unit) => unit.health(usage)),
      requests: this.#requests,
      droppedRequests: this.#dropped,
    };
    this.#sinceMs = atMs;
    this.#requests = [];
    this.#dropped = 0;
    this.#edges = new Map();
    if (this.#isOver) return;
    this.#mesh.narrator.report(report);
    this.#send(report);
    this.#timer = setTimeout(() => void this.#gather(), INTERVAL_MS);
  }

  async #readMetrics({ facts, adminSocket, isProxyReady }: Unit): Promise<void> {
    if (facts.proxy !== 'heddle' || !isProxyReady) return;
    const { status, body } = await askSocket(adminSocket, METRICS_PATH);
    if (status !== 200) return;
    let metrics = this.#metrics.get(facts.name);
    if (metrics === undefined) {
      metrics = new IstioMetrics();
      this.#metrics.set(facts.name, metrics);
    }
    metrics.read(body, this.#edges, this.#externals);
  }

  #send(report: MeshReport): void {
    const headers = { authorization: `Bearer ${this.#mesh.options.token}`, 'content-type': 'application/json' };
    // A control plane that is being started again misses one.
    void askHttpOnce({
      ...{ host: '127.0.0.1', port: this.#mesh.controlPort, method: 'POST', path: '/api/v1/telemetry', headers },
      ...{ body: JSON.stringify(report), timeoutMs: INTERVAL_MS, maxBytes: 1024 },
    });
  }
}
