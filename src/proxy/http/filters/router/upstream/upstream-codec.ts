// The last filter of every chain behind the router (envoy.filters.http.upstream_codec): writes to the upstream.
import type { Headers } from '../../../../../wire/headers.ts';
import { type BodyData, defineHttpFilter, type FilterStream, type HttpFilter } from '../../../filter.ts';
import type { UpstreamStream } from './upstream-stream.ts';

const TYPE = 'envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec';

const CODEC: HttpFilter = Object.freeze({
  decodeHeaders(stream: FilterStream, _headers: Headers, endStream: boolean): 'stop' {
    (stream as UpstreamStream).writeHeaders(endStream);
    return 'stop';
  },
  decodeData(stream: FilterStream, data: BodyData, endStream: boolean): 'stop-no-buffer' {
    (stream as UpstreamStream).writeData(data, endStream);
    return 'stop-no-buffer';
  },
  decodeTrailers(stream: FilterStream, trailers: Headers): 'stop' {
    (stream as UpstreamStream).writeTrailers(trailers);
    return 'stop';
  },
});

export const upstreamCodec = defineHttpFilter<null>({
  name: 'envoy.filters.http.upstream_codec',
  configType: TYPE,
  fields: { [TYPE]: '' },
  isTerminal: true,
  stands: 'upstream',
  decode: () => null,
  create: () => CODEC,
});
