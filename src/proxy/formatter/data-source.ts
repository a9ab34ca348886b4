// What an envoy.config.core.v3.DataSource holds: written in the configuration, in a file or in a variable.
import { readFileSync } from 'node:fs';
import type { ConfigDecoder } from '../config-decoder.ts';

export const DATA_SOURCE_FIELDS = {
  'envoy.config.core.v3.DataSource': 'filename inline_bytes inline_string environment_variable',
} as const;

export type DataSourcePb = {
  readonly filename?: string | undefined;
  readonly inline_bytes?: Uint8Array | undefined;
  readonly inline_string?: string | undefined;
  readonly environment_variable?: string | undefined;
};

type SourceEnvironment = { readonly variables?: Readonly<Record<string, string | undefined>> };

/** Returns its bytes, or null after rejecting it in the words of Envoy. */
export function readDataSource(source: DataSourcePb, d: ConfigDecoder): Buffer | null {
  if (source.inline_string !== undefined) return Buffer.from(source.inline_string);
  if (source.inline_bytes !== undefined) return Buffer.from(source.inline_bytes);
  if (source.environment_variable !== undefined) {
    const value = (d.environment as SourceEnvironment).variables?.[source.environment_variable];
    if (value !== undefined) return Buffer.from(value);
    d.reject('environment_variable', `Environment variable doesn't exist: ${source.environment_variable}`);
    return null;
  }
  if (source.filename === undefined) {
    d.reject('', 'Unexpected DataSource::specifier_case(): 0');
    return null;
  }
  try {
    return readFileSync(source.filename);
  } catch {
    d.reject('filename', `Invalid path: ${source.filename}`);
    return null;
  }
}
