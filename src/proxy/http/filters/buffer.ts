// The buffer filter (envoy.filters.http.buffer): lets requests through as a whole, or not at all.
import { H } from '../../../wire/header-names.ts';
import type { Headers } from '../../../wire/headers.ts';
import { defineHttpFilter } from '../filter.ts';
import type { BodyData, DataStatus, FilterContext, FilterStream, HeadersStatus, HttpFilter } from '../filter.ts';

const PACKAGE = 'envoy.extensions.filters.http.buffer.v3';

type BufferPb = { max_request_bytes?: number };
type BufferRoutePb = { disabled?: boolean; buffer?: BufferPb };
/** Null: off. */
type BufferConfig = { readonly maxBytes: number | null };

class BufferFilter implements HttpFilter {
  readonly #config: BufferConfig;
  readonly #slot: number;

  constructor(config: BufferConfig, context: FilterContext) {
    this.#config = config;
    this.#slot = context.slot;
  }

  decodeHeaders(stream: FilterStream, _headers: Headers, endStream: boolean): HeadersStatus {
    if (endStream) return 'continue';
    const { maxBytes } = (stream.routeConfig(this.#slot) as BufferConfig | null) ?? this.#config;
    if (maxBytes === null) return 'continue';
    stream.limitBuffer(maxBytes);
    stream.slot[this.#slot] = 0;
    return 'stop';
  }

  decodeData(stream: FilterStream, data: BodyData, endStream: boolean): DataStatus {
    const bytes = stream.slot[this.#slot] as number | undefined;
    if (bytes === undefined) return 'continue';
    stream.slot[this.#slot] = bytes + data.length;
    if (!endStream) return 'stop-and-buffer';
    this.#tellLength(stream);
    return 'continue';
  }

  decodeTrailers(stream: FilterStream): 'continue' {
    if (stream.slot[this.#slot] !== undefined) this.#tellLength(stream);
    return 'continue';
  }

  #tellLength({ requestHeaders, slot }: FilterStream): void {
    const length = H['content-length'];
    if (!requestHeaders.has(length)) requestHeaders.add(length, String(slot[this.#slot]));
  }
}

export const buffer = defineHttpFilter<BufferConfig, BufferConfig, BufferPb, BufferRoutePb>({
  name: 'envoy.filters.http.buffer',
  configType: `${PACKAGE}.Buffer`,
  routeConfigType: `${PACKAGE}.BufferPerRoute`,
  fields: { [`${PACKAGE}.Buffer`]: 'max_request_bytes', [`${PACKAGE}.BufferPerRoute`]: 'disabled buffer' },
  stands: 'anywhere',
  decode: (message) => Object.freeze({ maxBytes: message.max_request_bytes ?? 0 }),
  decodeRoute: ({ buffer: own }) => Object.freeze({ maxBytes: own?.max_request_bytes ?? null }),
  create: (config, context) => new BufferFilter(config, context),
});
