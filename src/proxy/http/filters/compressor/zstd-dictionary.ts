// Dictionaries of zstd, for both directions.
import { dictionaryId } from '../../../compression/zstd-decompressor.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { type DataSourcePb, readDataSource } from '../../../formatter/data-source.ts';

/** Null after rejecting it: a dictionary has a number, by which frames name it. */
export function readZstdDictionary(source: DataSourcePb, d: ConfigDecoder): Buffer | null {
  const dictionary = readDataSource(source, d);
  if (dictionary === null || dictionaryId(dictionary) !== 0) return dictionary;
  d.reject('', 'is no dictionary of zstd: make one with zstd --train');
  return null;
}
