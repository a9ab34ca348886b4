// What compressor and decompressor libraries have in common: a name and a typed configuration.
import type { ConfigDecoder } from '../../../config-decoder.ts';

export type LibraryPb = { name?: string; typed_config?: object };

export type Library = {
  readonly name: string;
  readonly type: string;
  readonly message: object;
  /** Reports about `message`. */
  readonly d: ConfigDecoder;
};

/** `does`: 'compresses' or 'decompresses'. Null: it was reported. */
export function unpackLibrary(
  { name = '', typed_config }: LibraryPb = {},
  d: ConfigDecoder,
  does: string,
): Library | null {
  if (typed_config === undefined) {
    d.reject('typed_config', `must be set: it says which library ${does}`);
    return null;
  }
  const dt = d.at('typed_config');
  const unpacked = d.environment.unpack(typed_config, dt);
  return unpacked === null ? null : { name, type: unpacked.type, message: unpacked.message, d: dt };
}
