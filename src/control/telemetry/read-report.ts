// A report of traffic as it came over the wire → one of which everything is what its type says, and no larger than it
// may be. Texts are data of whoever sent a request: they are cut, never refused.
import type {
  EdgeDelta,
  MeshReport,
  RecentRequest,
  WorkloadHealth,
  WorkloadName,
} from '../../telemetry/mesh-report.ts';
import { LATENCY_BUCKETS } from './histogram-figures.ts';

const MAX_EDGES = 2000;
const MAX_WORKLOADS = 500;
const MAX_REQUESTS = 500;
const MAX_CODES = 100;
const MAX_TEXT = 256;
/** Of paths, and details of an answer. */
const MAX_LONG_TEXT = 1024;
const MAX_NUMBER = 1e15;
const MAX_INTERVAL_MS = 600_000;

type Json = Readonly<Record<string, unknown>>;

class Misfit extends Error {}

/** A text says what is wrong with it, and where. */
export function readReport(raw: unknown): MeshReport | string {
  try {
    const report = map(raw, 'the report');
    return {
      atMs: number(report, 'atMs', ''),
      intervalMs: Math.max(1, number(report, 'intervalMs', '', MAX_INTERVAL_MS)),
      capture: text(report, 'capture', '', MAX_LONG_TEXT),
      edges: list(report, 'edges', MAX_EDGES, readEdge),
      workloads: list(report, 'workloads', MAX_WORKLOADS, readHealth),
      requests: list(report, 'requests', MAX_REQUESTS, readRequest),
      droppedRequests: number(report, 'droppedRequests', ''),
    };
  } catch (error) {
    if (error instanceof Misfit) return error.message;
    throw error;
  }
}

function readEdge(raw: Json, at: string): EdgeDelta {
  const mutual = raw['isMutualTls'];
  if (mutual !== null && typeof mutual !== 'boolean') throw new Misfit(`${at}.isMutualTls: expected a boolean or null`);
  const count = number(raw, 'count', at);
  return {
    source: readName(raw['source'], `${at}.source`),
    destination: readName(raw['destination'], `${at}.destination`),
    protocol: oneOf(raw, 'protocol', at, ['http', 'grpc', 'tcp']),
    isMutualTls: mutual,
    count,
    errors: Math.min(count, number(raw, 'errors', at)),
    codes: readCodes(raw['codes'], `${at}.codes`),
    latency: readLatency(raw['latency'], `${at}.latency`),
    sentBytes: number(raw, 'sentBytes', at),
    receivedBytes: number(raw, 'receivedBytes', at),
  };
}

function readName(value: unknown, at: string): WorkloadName {
  const raw = map(value, at);
  return {
    workload: text(raw, 'workload', at),
    namespace: text(raw, 'namespace', at),
    service: text(raw, 'service', at),
    version: text(raw, 'version', at),
  };
}

function readCodes(value: unknown, at: string): Readonly<Record<string, number>> {
  const raw = map(value, at);
  const codes = Object.keys(raw);
  if (codes.length > MAX_CODES) throw new Misfit(`${at}: more than ${MAX_CODES}`);
  const odd = codes.find((code) => !/^\d{1,3}$/.test(code));
  if (odd !== undefined) throw new Misfit(`${at}: ${JSON.stringify(odd.slice(0, 20))} is no HTTP status`);
  return Object.fromEntries(codes.map((code) => [code, number(raw, code, at)]));
}

function readLatency(value: unknown, at: string): readonly number[] {
  if (!Array.isArray(value)) throw new Misfit(`${at}: expected a list`);
  if (value.length !== 0 && value.length !== LATENCY_BUCKETS) {
    throw new Misfit(`${at}: ${value.length} buckets, expected ${LATENCY_BUCKETS} or none`);
  }
  return value.map((one: unknown, index) => checked(one, `${at}[${index}]`));
}

function readHealth(raw: Json, at: string): WorkloadHealth {
  const isProxyReady = raw['isProxyReady'];
  if (typeof isProxyReady !== 'boolean') throw new Misfit(`${at}.isProxyReady: expected a boolean`);
  const states = ['starting', 'ready', 'not ready', 'restarting', 'failed', 'stopped'] as const;
  return {
    name: text(raw, 'name', at),
    workload: text(raw, 'workload', at),
    namespace: text(raw, 'namespace', at),
    service: text(raw, 'service', at),
    version: text(raw, 'version', at),
    kind: oneOf(raw, 'kind', at, ['workload', 'ingress', 'egress', 'external']),
    state: oneOf(raw, 'state', at, states),
    reason: text(raw, 'reason', at, MAX_LONG_TEXT),
    restarts: number(raw, 'restarts', at),
    proxy: oneOf(raw, 'proxy', at, ['heddle', 'envoy', 'none']),
    isProxyReady,
    rssMb: number(raw, 'rssMb', at),
    proxyRssMb: number(raw, 'proxyRssMb', at),
    cpuSeconds: number(raw, 'cpuSeconds', at),
    proxyCpuSeconds: number(raw, 'proxyCpuSeconds', at),
  };
}

function readRequest(raw: Json, at: string): RecentRequest {
  return {
    atMs: number(raw, 'atMs', at),
    by: text(raw, 'by', at),
    direction: oneOf(raw, 'direction', at, ['inbound', 'outbound', 'gateway']),
    source: text(raw, 'source', at),
    destination: text(raw, 'destination', at),
    method: text(raw, 'method', at),
    authority: text(raw, 'authority', at),
    path: text(raw, 'path', at, MAX_LONG_TEXT),
    protocol: text(raw, 'protocol', at),
    status: number(raw, 'status', at, 999),
    grpcStatus: text(raw, 'grpcStatus', at),
    flags: text(raw, 'flags', at),
    details: text(raw, 'details', at, MAX_LONG_TEXT),
    durationMs: number(raw, 'durationMs', at),
    requestId: text(raw, 'requestId', at),
    upstreamCluster: text(raw, 'upstreamCluster', at),
    upstreamHost: text(raw, 'upstreamHost', at),
    peer: text(raw, 'peer', at),
  };
}

function list<T>(report: Json, field: string, most: number, read: (raw: Json, at: string) => T): readonly T[] {
  const value = report[field];
  if (!Array.isArray(value)) throw new Misfit(`${field}: expected a list`);
  if (value.length > most) throw new Misfit(`${field}: ${value.length} are too many, at most ${most}`);
  return value.map((one: unknown, index) => read(map(one, `${field}[${index}]`), `${field}[${index}]`));
}

function map(value: unknown, at: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw new Misfit(`${at}: expected an object`);
}

function text(raw: Json, field: string, at: string, most = MAX_TEXT): string {
  const value = raw[field];
  if (typeof value !== 'string') throw new Misfit(`${where(at, field)}: expected a text`);
  return value.length <= most ? value : `${value.slice(0, most - 1)}…`;
}

function number(raw: Json, field: string, at: string, most = MAX_NUMBER): number {
  return checked(raw[field], where(at, field), most);
}

function checked(value: unknown, at: string, most = MAX_NUMBER): number {
  if (typeof value === 'number' && value >= 0 && value <= most) return value;
  throw new Misfit(`${at}: expected a number from 0 to ${most}`);
}

function oneOf<const T extends string>(raw: Json, field: string, at: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === raw[field]);
  if (found === undefined) throw new Misfit(`${where(at, field)}: expected one of ${allowed.join(', ')}`);
  return found;
}

const where = (at: string, field: string): string => (at === '' ? field : `${at}.${field}`);
