// A host whose answers tell of its own load, for clusters with lrs_report_endpoint_metrics.
import type { Failure } from '../../../base/failure.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { RequestEncoder, StreamCallbacks } from '../../http/codec.ts';
import type { BodyData } from '../../http/filter.ts';
import type { Protocol } from '../../stream-info.ts';
import type { TransportWishes } from '../../transport/transport.ts';
import type { Priority, StreamRequest } from '../cluster.ts';
import { HostEntry, type LoadMetric } from '../host.ts';
import { type OrcaLoad, readLoadHeader } from './load-header.ts';

/** Names are the endpoint's where the configuration says 'named_metrics.*'. */
const MAX_METRICS = 1000;

/** Other hosts pay nothing for it. */
export class MeteredHost extends HostEntry {
  readonly #names: readonly string[];
  /** Whose answer has told already: of all tries of a request, as in Envoy. */
  readonly #told = new WeakSet<StreamCallbacks>();
  #metrics: Map<string, { count: number; total: number }> | null = null;

  /** `names`: of metrics that are reported. */
  constructor(names: readonly string[], ...host: ConstructorParameters<typeof HostEntry>) {
    super(...host);
    this.#names = names;
  }

  override newStream(
    priority: Priority,
    callbacks: StreamCallbacks,
    wishes: TransportWishes | null = null,
    downstreamProtocol: Protocol | '' = '',
  ): StreamRequest | null {
    return super.newStream(priority, new LoadListener(this, callbacks), wishes, downstreamProtocol);
  }

  /** For listeners: the head or the trailers of an answer. */
  hear(fields: Headers, of: StreamCallbacks): void {
    if (this.#told.has(of)) return;
    const load = readLoadHeader(fields);
    if (load === null) return;
    this.#told.add(of);
    for (const name of this.#names) this.#add(name, load);
  }

  #add(name: string, load: OrcaLoad): void {
    if (name.endsWith('.*')) {
      const prefix = name.slice(0, -1);
      for (const [key, value] of load) if (key.startsWith(prefix)) this.#count(key, value);
      return;
    }
    const value = load.get(name);
    if (value !== undefined) this.#count(name, value);
  }

  #count(name: string, value: number): void {
    this.#metrics ??= new Map();
    const known = this.#metrics.get(name);
    if (known !== undefined) {
      known.count++;
      known.total += value;
    } else if (this.#metrics.size < MAX_METRICS) this.#metrics.set(name, { count: 1, total: value });
  }

  override takeLoadMetrics(): readonly LoadMetric[] {
    const metrics = this.#metrics;
    if (metrics === null) return super.takeLoadMetrics();
    this.#metrics = null;
    return [...metrics].map(([name, { count, total }]) => ({ name, count, total }));
  }
}

/** Between the codec and whoever made the request. */
class LoadListener implements StreamCallbacks {
  readonly #host: MeteredHost;
  readonly #inner: StreamCallbacks;

  constructor(host: MeteredHost, inner: StreamCallbacks) {
    this.#host = host;
    this.#inner = inner;
  }

  decodeHeaders(headers: Headers, endStream: boolean): void {
    this.#host.hear(headers, this.#inner);
    this.#inner.decodeHeaders(headers, endStream);
  }

  decodeTrailers(trailers: Headers): void {
    this.#host.hear(trailers, this.#inner);
    this.#inner.decodeTrailers(trailers);
  }

  onPoolReady(encoder: RequestEncoder): void {
    this.#inner.onPoolReady(encoder);
  }
  onPoolFailure(reason: Failure): void {
    this.#inner.onPoolFailure(reason);
  }
  decode1xx(headers: Headers): void {
    this.#inner.decode1xx(headers);
  }
  decodeData(data: BodyData, endStream: boolean): void {
    this.#inner.decodeData(data, endStream);
  }
  onReset(reason: Failure): void {
    this.#inner.onReset(reason);
  }
  onAboveWatermark(): void {
    this.#inner.onAboveWatermark();
  }
  onBelowWatermark(): void {
    this.#inner.onBelowWatermark();
  }
}
