// Looks into compressed bodies: what they unfold to is compared, not how a compressor packed it.
import { constants, brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { ZSTD_DICTIONARY } from './zstd-dictionary.ts';
import type { Observation, SeenMessage } from './case.ts';

const dictionary = Buffer.from(ZSTD_DICTIONARY, 'base64');
/** Compressors of other makes pack otherwise: their sizes are told apart only by whether there are any. */
const PACKED_BYTES = /\.compressor\..*\.total_compressed_bytes$/;

/** The observation with bodies unfolded and the sizes of what was packed left out. */
export function unfolded(observation: Observation): unknown {
  const { clients, upstream, stats, ...rest } = observation;
  return {
    ...rest,
    clients: clients.map(({ streams, ...client }) => ({
      ...client,
      responses: client.responses.map(unfoldMessage),
      ...(streams === undefined ? {} : { streams: unfoldStreams(streams) }),
    })),
    upstream: Object.fromEntries(
      Object.entries(upstream).map(([name, requests]) => [name, requests.map(unfoldMessage)]),
    ),
    stats: Object.fromEntries(
      Object.entries(stats).map(([name, change]) => [name, PACKED_BYTES.test(name) ? change > 0 : change]),
    ),
  };
}

function unfoldStreams(streams: Readonly<Record<string, SeenMessage[]>>): Record<string, SeenMessage[]> {
  return Object.fromEntries(Object.entries(streams).map(([id, messages]) => [id, messages.map(unfoldMessage)]));
}

function unfoldMessage<Message extends SeenMessage>(message: Message): Message {
  const encoding = message.headers['content-encoding']?.[0] ?? '';
  const body = unfold(encoding, Buffer.from(message.body, 'latin1'));
  return body === null ? message : { ...message, body: `${encoding}: ${body}` };
}

/** Null for what is no such thing, or cut off before anything of it could be read. */
function unfold(encoding: string, body: Buffer): string | null {
  try {
    if (encoding === 'gzip') return gunzipSync(body, { finishFlush: constants.Z_SYNC_FLUSH }).toString('latin1');
    if (encoding === 'br') {
      return brotliDecompressSync(body, { finishFlush: constants.BROTLI_OPERATION_FLUSH }).toString('latin1');
    }
    if (encoding === 'zstd') {
      const options = { finishFlush: constants.ZSTD_e_flush };
      const isNamed = ((body[4] ?? 0) & 3) !== 0;
      return zstdDecompressSync(body, isNamed ? { ...options, dictionary } : options).toString('latin1');
    }
    return null;
  } catch {
    return null;
  }
}
