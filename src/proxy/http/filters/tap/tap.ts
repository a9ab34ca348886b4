// The tap filter (envoy.filters.http.tap): records exchanges that match into files.
import type { Headers } from '../../../../wire/headers.ts';
import type { ScopeOf } from '../../../../telemetry/metrics.ts';
import {
  type BodyData,
  defineHttpFilter,
  type FilterContext,
  type FilterStream,
  type HttpFilter,
} from '../../filter.ts';
import { Recorder } from './recorder.ts';
import { decodeTap, TAP, TAP_FIELDS, type TapConfig, type TapPb } from './tap-config.ts';
import type { BodyPart, HeadPart } from './tap-match.ts';

/** `traces_lost` is Heddle's own: pieces that no file took. */
const STATS = { rq_tapped: 'counter', rq_sampled_out: 'counter', traces_lost: 'counter' } as const;

class Tap implements HttpFilter {
  readonly #config: TapConfig;
  readonly #context: FilterContext;
  readonly #stats: ScopeOf<typeof STATS>;
  readonly #onLost: () => void;

  constructor(config: TapConfig, context: FilterContext) {
    const stats = context.stats.scope(`${context.statPrefix}tap.`, STATS);
    this.#config = config;
    this.#context = context;
    this.#stats = stats;
    this.#onLost = () => stats.inc(stats.i.traces_lost);
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

  /** Null: the exchange is not sampled. */
  #recorder(stream: FilterStream): Recorder | null {
    const { slot, random } = this.#context;
    const known = stream.slot[slot] as Recorder | null | undefined;
    if (known !== undefined) return known;
    let made: Recorder | null = null;
    if (this.#isSampled()) {
      const id = (BigInt(random.uint32()) << 32n) | BigInt(random.uint32());
      made = new Recorder(this.#config, id, this.#onLost);
    } else this.#stats.inc(this.#stats.i.rq_sampled_out);
    stream.slot[slot] = made;
    return made;
  }

  #isSampled(): boolean {
    const { enabled } = this.#config;
    if (enabled === null) return true;
    const { runtime, random } = this.#context;
    return runtime.featureEnabled(enabled.key, enabled.percent, random);
  }
}

export const tap = defineHttpFilter<TapConfig | null, unknown, TapPb>({
  name: 'envoy.filters.http.tap',
  configType: TAP,
  fields: TAP_FIELDS,
  decode: decodeTap,
  create: (config, context) => (config === null ? null : new Tap(config, context)),
});
