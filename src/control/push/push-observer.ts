// What the xDS server tells while it pushes: counted under istiod's names, told to receipts, and to the operator.
import type { MetricRegistry } from '../../telemetry/prometheus.ts';
import { partOf, printable } from './receipts.ts';
import type { XdsStream } from '../../xds/server/stream.ts';
import type { XdsEvent, XdsObserver, XdsRefusalOf } from '../../xds/server/types.ts';
import { type PushMetrics, pushMetrics, shortType } from './metrics.ts';

export type PushObserverParts = {
  readonly registry: MetricRegistry;
  /** A proxy has taken something on, came or went: `Receipts.progressed`. */
  readonly progressed: () => void;
  /** For the operator: refusals, and clients that were ended. */
  readonly warn: (text: string) => void;
  /** The version that `pilot_xds` counts a proxy under. */
  readonly versionOf: (stream: XdsStream) => string;
};

/** What was sent since it was asked last. */
export type SentCounts = { readonly responses: number; readonly bytes: number; readonly refusals: number };

export class PushObserver implements XdsObserver {
  readonly metrics: PushMetrics;
  readonly #parts: PushObserverParts;
  readonly #connected = new Map<string, number>();
  readonly #versions = new Map<XdsStream, string>();
  #responses = 0;
  #bytes = 0;
  #refusals = 0;

  constructor(parts: PushObserverParts) {
    this.#parts = parts;
    this.metrics = pushMetrics(parts.registry);
  }

  /** A push begins: `reason` as istiod's ('config', 'endpoint', 'proxy', …); it waited so long for others. */
  pushed(reason: string, waitedMs: number): void {
    this.metrics.triggers.cell(reason).add();
    this.metrics.debounceSeconds.cell().observe(waitedMs / 1000);
  }

  /** Counts since the last call: what the push before cost. */
  takeCounts(): SentCounts {
    const counts = { responses: this.#responses, bytes: this.#bytes, refusals: this.#refusals };
    this.#responses = this.#bytes = this.#refusals = 0;
    return counts;
  }

  opened(stream: XdsStream): void {
    const version = this.#parts.versionOf(stream);
    this.#versions.set(stream, version);
    this.#count(version, 1);
    this.#parts.progressed();
  }

  closed(stream: XdsStream): void {
    const version = this.#versions.get(stream);
    this.#versions.delete(stream);
    if (version !== undefined) this.#count(version, -1);
    this.#parts.progressed();
  }

  #count(version: string, difference: number): void {
    const count = (this.#connected.get(version) ?? 0) + difference;
    if (count > 0) {
      this.#connected.set(version, count);
      this.metrics.connected.cell(version).set(count);
      return;
    }
    this.#connected.delete(version);
    this.metrics.connected.drop(version);
  }

  sent(_stream: XdsStream, typeUrl: string, _resources: number, bytes: number, durationMs: number): void {
    const { pushes, configBytes, pushSeconds, convergenceSeconds, queueSeconds } = this.metrics;
    const type = shortType(typeUrl);
    const seconds = durationMs / 1000;
    pushes.cell(type).add();
    configBytes.cell(type).observe(bytes);
    pushSeconds.cell(type).observe(seconds);
    convergenceSeconds.cell().observe(seconds);
    queueSeconds.cell().observe(seconds);
    this.#responses++;
    this.#bytes += bytes;
  }

  progressed(): void {
    this.#parts.progressed();
  }

  refused(stream: XdsStream, { typeUrl, name, message }: XdsRefusalOf): void {
    const type = shortType(typeUrl);
    this.metrics.totalRejects.cell(type).add();
    const rejects: Readonly<Record<string, PushMetrics['rejects']['cds']>> = this.metrics.rejects;
    rejects[type]?.cell(stream.label, 'Internal').add();
    this.#refusals++;
    const what = name === '' ? type : `${type} ${JSON.stringify(name)}`;
    this.#parts.warn(`${printable(stream.label)} refused ${what}: ${printable(partOf(message, name))}`);
  }

  counted(event: XdsEvent, typeUrl: string): void {
    if (event === 'expired-nonce') this.metrics.expiredNonces.cell(shortType(typeUrl)).add();
    else if (event !== 'unknown-type') this.metrics.ended.cell(event).add();
    if (event === 'stalled') this.metrics.writeTimeouts.cell().add();
  }
}
