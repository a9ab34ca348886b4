// For tests: a cluster whose one host hands out streams that the test answers by hand.
import { Clock, Random } from '../../../../base/clock.ts';
import type { Failure } from '../../../../base/failure.ts';
import { StatStore } from '../../../../telemetry/metrics.ts';
import { headerKey } from '../../../../wire/header-names.ts';
import { Headers } from '../../../../wire/headers.ts';
import type { RequestEncoder, StreamCallbacks } from '../../../http/codec.ts';
import { BodyData } from '../../../http/filter.ts';
import { Breaker, DEFAULT_LIMITS } from '../../circuit-breaker.ts';
import type { Cluster, Host } from '../../cluster.ts';
import { CLUSTER_STATS, ClusterCodeStats, type ClusterScope } from '../../stats.ts';
import { HttpClient } from '../http-client.ts';

const NOWHERE = { family: 'ipv4', address: '127.0.0.1', port: 1 } as const;

/** One stream as the host sees it. */
export class FakeStream implements RequestEncoder {
  readonly protocol = 'HTTP/2';
  readonly connection = { id: 1, localAddress: NOWHERE, remoteAddress: NOWHERE, tls: null };
  readonly times = { startMs: 0, endMs: 0, handshakeEndMs: 0 };
  readonly callbacks: StreamCallbacks;
  headers: Headers | null = null;
  body = Buffer.alloc(0);
  trailers: Headers | null = null;
  isEnded = false;
  isReset = false;
  isCancelled = false;
  pauses = 0;
  isAboveWatermark = false;
  readonly wireBytesSent = 0;
  readonly wireBytesReceived = 0;
  readonly headerBytesSent = 0;
  readonly headerBytesReceived = 0;

  constructor(callbacks: StreamCallbacks) {
    this.callbacks = callbacks;
  }

  encodeHeaders(headers: Headers, endStream: boolean): void {
    this.headers = headers;
    this.isEnded = endStream;
  }
  encodeData(data: BodyData, endStream: boolean): void {
    this.body = Buffer.concat([this.body, data.copy()]);
    this.isEnded = endStream;
  }
  encodeTrailers(trailers: Headers): void {
    this.trailers = trailers;
    this.isEnded = true;
  }
  resetStream(): void {
    this.isReset = true;
  }
  pauseReading(): void {
    this.pauses++;
  }
  resumeReading(): void {
    this.pauses--;
  }

  // ─── What the test does ─────────────────────────────────────────────────────────────────────────────────────────

  ready(): void {
    this.callbacks.onPoolReady(this);
  }
  head(fields: Readonly<Record<string, string>>, endStream = false): void {
    this.callbacks.decodeHeaders(makeHeaders(fields), endStream);
  }
  data(bytes: Buffer, endStream = false): void {
    this.callbacks.decodeData(new BodyData().set(bytes, 0, bytes.length, false), endStream);
  }
  end(fields: Readonly<Record<string, string>>): void {
    this.callbacks.decodeTrailers(makeHeaders(fields));
  }
  fail(reason: Failure): void {
    this.callbacks.onReset(reason);
  }
}

export function makeHeaders(fields: Readonly<Record<string, string>>): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(fields)) {
    if (name === ':status') headers.status = Number(value);
    else headers.add(headerKey(name), value);
  }
  return headers;
}

/** A client over one cluster, 'up', and what reaches its host. */
export class FakeUpstream {
  readonly clock = new Clock({ manual: true });
  readonly store = new StatStore();
  readonly scope: ClusterScope = this.store.scope('cluster.up.', CLUSTER_STATS);
  readonly streams: FakeStream[] = [];
  /** Whether streams are there at once; otherwise the test calls `ready`. */
  isReady = true;
  hasHost = true;
  readonly host: Host;
  readonly cluster: Cluster;
  readonly client: HttpClient;

  constructor(zone = '') {
    const host = {
      ...{ rqSuccess: 0, rqError: 0, rqTimeout: 0, isCanary: false, locality: { region: '', zone: 'z2', subZone: '' } },
      newStream: (_priority: string, callbacks: StreamCallbacks) => {
        const stream = new FakeStream(callbacks);
        this.streams.push(stream);
        if (this.isReady) {
          stream.ready();
          return null;
        }
        return { cancel: () => void (stream.isCancelled = true) };
      },
    };
    this.host = host as unknown as Host;
    const breaker = new Breaker(DEFAULT_LIMITS, 'DEFAULT', this.scope);
    const cluster = {
      ...{ name: 'up', scope: this.scope, codes: new ClusterCodeStats(this.scope), bufferLimitBytes: 1024 },
      runtime: { featureEnabled: () => true },
      lb: { chooseHost: () => (this.hasHost ? this.host : null) },
      circuitBreaker: () => breaker,
    };
    this.cluster = cluster as unknown as Cluster;
    const { clock, store, cluster: up } = this;
    const clusters = { get: (name: string) => (name === 'up' ? up : null) };
    const random = new Random(1);
    this.client = new HttpClient({ clusters, clock, random, stats: store, zone, localAddress: '10.0.0.9' });
  }

  get last(): FakeStream {
    return this.streams[this.streams.length - 1] as FakeStream;
  }

  /** Of the cluster. */
  stat(name: string): number {
    return this.store.find(`cluster.up.${name}`) ?? 0;
  }
}
