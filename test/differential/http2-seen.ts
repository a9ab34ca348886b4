// What is compared of an HTTP/2 connection: its messages by stream, and what was said about the connection itself.
import type { Message } from '../support/http1-reader.ts';
import type { Http2ConnectionRecord, Http2StreamRecord } from '../support/http2-peer.ts';
import { toMessage } from '../support/http2-upstream.ts';
import type { SeenHttp2, SeenMessage } from './case.ts';

/** By number of the stream: 1xx, then the response. */
export function seenStreams(
  streams: readonly Http2StreamRecord[],
  seen: (message: Message) => SeenMessage,
): Record<string, SeenMessage[]> {
  return Object.fromEntries(
    streams.map((stream) => {
      const interims = stream.interims.map((head) =>
        toMessage({ ...stream, head, body: '', trailers: [], isEnded: true, reset: '', errors: [] }),
      );
      return [stream.id, [...interims, toMessage(stream)].map(seen)];
    }),
  );
}

/** Only what there is, so that most cases show little; settings and first credit where a case asks for them. */
export function seenConnection(record: Http2ConnectionRecord, isAsked = false): SeenHttp2 {
  const { settings, laterSettings, goaways, pongs, errors, firstCredit } = record;
  return {
    ...(isAsked ? { settings: saying(settings), firstCredit } : {}),
    ...(laterSettings.length === 0 ? {} : { laterSettings }),
    ...(goaways.length === 0 ? {} : { goaways }),
    ...(pongs.length === 0 ? {} : { pongs }),
    ...(errors.length === 0 ? {} : { errors }),
  };
}

/** Without what is so anyway. */
function saying(settings: Record<string, number> | null): Record<string, number> | null {
  const entries = Object.entries(settings ?? {}).filter(
    ([name, value]) => name !== 'ENABLE_CONNECT_PROTOCOL' || value !== 0,
  );
  return settings === null ? null : Object.fromEntries(entries);
}
