// SdsSecretConfig and ConfigSource: where a secret comes from that is not written where it is used.
import { existsSync } from 'node:fs';
import type { ConfigSource, SdsSecretConfig } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { SecretKind, SecretValues } from './decode-secret.ts';
import type { SecretRef, SecretSource } from './tls-config.ts';

const UNKNOWN_STATIC: Readonly<Record<SecretKind, string>> = {
  certificate: 'Unknown static secret: ',
  validation: 'Unknown static certificate validation context: ',
  ticketKeys: 'Unknown tls session ticket keys: ',
  generic: 'Unknown generic secret: ',
};

/** The reference, or null after rejecting it. */
export function decodeSecretRef<K extends SecretKind>(
  message: SdsSecretConfig,
  kind: K,
  d: ConfigDecoder,
  check?: (value: SecretValues[K]) => string | null,
): SecretRef<SecretValues[K]> | null {
  const name = message.name ?? '';
  const more = check === undefined ? {} : { check };
  if (message.sds_config !== undefined) {
    const source = decodeSource(message.sds_config, d.at('sds_config'));
    return source === null ? null : { kind: 'sds', name, source, ...more };
  }
  const statics = d.environment.staticSecrets;
  if (statics?.has(kind, name) !== true) {
    d.reject('name', `${UNKNOWN_STATIC[kind]}${name}`);
    return null;
  }
  const value = statics.get(kind, name);
  const error = value === null ? null : (check?.(value) ?? null);
  if (error !== null) d.reject('', error);
  return value === null || error !== null ? null : { kind: 'sds', name, source: { kind: 'static' }, ...more };
}

function decodeSource(message: ConfigSource, d: ConfigDecoder): SecretSource | null {
  if (message.path_config_source !== undefined) {
    const { path = '', watched_directory } = message.path_config_source;
    return fileSource(path, watched_directory?.path ?? '', d.at('path_config_source'));
  }
  if (message.path !== undefined) return fileSource(message.path, '', d);
  const place = d.environment.configPlace?.(message, d) ?? null;
  return place === null ? null : { kind: 'server', place };
}

function fileSource(path: string, watchedDirectory: string, d: ConfigDecoder): SecretSource | null {
  if (!existsSync(path)) {
    d.reject('path', `paths must refer to an existing path in the system: '${path}' does not exist`);
  }
  if (watchedDirectory !== '' && !existsSync(watchedDirectory)) {
    const reason = `unable to add filesystem watch for file ${watchedDirectory}/: No such file or directory`;
    d.reject('watched_directory.path', reason);
  }
  return { kind: 'file', path, watchedDirectory };
}
