// The tap filter (envoy.filters.http.tap): records exchanges that match, into files or to the admin interface.
import type { Headers } from '../../../../wire/headers.ts';
import type { ScopeOf } from '../../../../telemetry/metrics.ts';
import {
  type BodyData,
  defineHttpFilter,
  type FilterContext,
  type FilterStream,
  type HttpFilter,
} from '../../filter.ts';
import { ConfigDecoder } from '../../../config-decoder.ts';
import type { TapTarget, TraceSink } from '../../admin-taps.ts';
import { Recorder } from './recorder.ts';
import { decodeTap, TAP, TAP_FIELDS, type TapConfig, type TapPb } from './tap-config.ts';
import type { BodyPart, HeadPart } from './tap-match.ts';
import { decodeTapPlan, type TapPlan } from './tap-plan.ts';

/** `traces_lost` is Heddle's own: pieces that no file took, or that a client was too slow for. */
const STATS = { rq_tapped: 'counter', rq_sampled_out: 'counter', traces_lost: 'counter' } as const;

class Tap implements HttpFilter, TapTarget {
  readonly #config: TapConfig;
  /** Null: nothing is recorded. */
  #plan: TapPlan | null;
  readonly #context: FilterContext;
  readonly #stats: ScopeOf<typeof STATS>;
  readonly #onLost: () => void;

  constructor(config: TapConfig, context: FilterContext) {
    const stats = context.stats.scope(`${context.statPrefix}tap.`, STATS);
    this.#config = config;
    this.#plan = config.plan;
    this.#context = context;
    this.#stats = stats;
    this.#onLost = () => stats.inc(stats.i.traces_lost);
  }

  attach(message: object, sink: TraceSink): string | null {
    const d = new ConfigDecoder(this.#config.environment, 'tap_config');
    const plan = decodeTapPlan(message, d, sink);
    const [reason] = d.reasons;
    if (reason !== undefined) return `${reason.path}: ${reason.reason}`;
    this.#plan = plan;
    return null;
  }

  detach(): void {
    this.#plan = null;
  }

  decodeHeaders(stream: FilterStream, headers: Headers): 'continue' {
    return this.#head(stream, 'requestHeaders', headers);
  }

  decodeData(stream: FilterStream, data: BodyData): 'continue' {
    return this.#body(stream, 'requestBody', data);
  }

  decodeTrailers(stream: FilterStream, trailers: Headers): 'continue' {
    return this.#head(stream, 'requestTrailers', trailers);
  }

  encodeHeaders(stream: FilterStream, headers: Headers): 'continue' {
    return this.#head(stream, 'responseHeaders', headers);
  }

  encodeData(stream: FilterStream, data: BodyData): 'continue' {
    return this.#body(stream, 'responseBody', data);
  }

  encodeTrailers(stream: FilterStream, trailers: Headers): 'continue' {
    return this.#head(stream, 'responseTrailers', trailers);
  }

  onDestroy(stream: FilterStream): void {
    const recorder = stream.slot[this.#context.slot] as Recorder | null | undefined;
    if (recorder?.end(stream) === true) this.#stats.inc(this.#stats.i.rq_tapped);
  }

  #head(stream: FilterStream, part: HeadPart, headers: Headers): 'continue' {
    this.#recorder(stream)?.onHead(part, headers, stream.clock.wallMs);
    return 'continue';
  }

  #body(stream: FilterStream, part: BodyPart, data: BodyData): 'continue' {
    this.#recorder(stream)?.onBody(part, data);
    return 'continue';
  }

  /** Null: the exchange is not recorded. What is attached later does not see it. */
  #recorder(stream: FilterStream): Recorder | null {
    const { slot } = this.#context;
    const known = stream.slot[slot] as Recorder | null | undefined;
    if (known !== undefined) return known;
    const made = this.#plan === null ? null : this.#sample(this.#plan);
    stream.slot[slot] = made;
    return made;
  }

  #sample(plan: TapPlan): Recorder | null {
    const { runtime, random } = this.#context;
    const { enabled } = plan;
    if (enabled !== null && !runtime.featureEnabled(enabled.key, enabled.percent, random)) {
      this.#stats.inc(this.#stats.i.rq_sampled_out);
      return null;
    }
    const id = (BigInt(random.uint32()) << 32n) | BigInt(random.uint32());
    return new Recorder(plan, this.#config, id, this.#onLost);
  }
}

export const tap = defineHttpFilter<TapConfig | null, unknown, TapPb>({
  name: 'envoy.filters.http.tap',
  configType: TAP,
  fields: TAP_FIELDS,
  decode: decodeTap,
  create: (config, context) => {
    if (config === null) return null;
    const made = new Tap(config, context);
    const { configId, environment } = config;
    if (configId !== null) {
      const leave = environment.taps?.register(configId, made);
      if (leave !== undefined) context.atEnd?.(leave);
    }
    return made;
  },
});
