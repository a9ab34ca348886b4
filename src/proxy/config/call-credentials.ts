// Decodes the call credentials of envoy.config.core.v3.GrpcService.GoogleGrpc: a token, or one that a file holds.
import { readFileSync } from 'node:fs';

import type {
  FileBasedMetadataConfig,
  GrpcService_GoogleGrpc,
  GrpcService_GoogleGrpc_CallCredentials_MetadataCredentialsFromPlugin as FromPlugin,
} from '../../proto/generated/types.d.ts';
import { H, headerKey } from '../../wire/header-names.ts';
import type { CallCredentials } from '../cluster/upstream-client/grpc-call.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { readDataSource } from '../formatter/data-source.ts';

export const CALL_CREDENTIALS_FIELDS = {
  'envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials': 'access_token from_plugin',
  'envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.MetadataCredentialsFromPlugin': 'name typed_config',
  'envoy.config.grpc_credential.v3.FileBasedMetadataConfig': 'secret_data header_key header_prefix',
} as const;

/** The only factory that has nothing to do. */
const DEFAULT_FACTORY = 'envoy.grpc_credentials.default';
const FILE_FACTORY = 'envoy.grpc_credentials.file_based_metadata';
const FILE_CONFIG = 'envoy.config.grpc_credential.v3.FileBasedMetadataConfig';
const FACTORIES: readonly string[] = ['', DEFAULT_FACTORY, FILE_FACTORY];

/** What gRPC lets a value of metadata hold. */
const METADATA_VALUE = /^[\x20-\x7e]*$/;

/** Returns null for none, and after rejecting them. */
export function decodeCallCredentials(message: GrpcService_GoogleGrpc, d: ConfigDecoder): CallCredentials | null {
  const factory = message.credentials_factory_name ?? '';
  if (!FACTORIES.includes(factory)) {
    d.reject('credentials_factory_name', `${factory} is not supported: ${DEFAULT_FACTORY} and ${FILE_FACTORY} are`);
  }
  let credentials: CallCredentials | null = null;
  for (const [i, { access_token: token, from_plugin: plugin }] of (message.call_credentials ?? []).entries()) {
    const at = d.at('call_credentials', i);
    if ((token === undefined && plugin === undefined) || credentials !== null) {
      at.reject('', 'only one access_token or one from_plugin is supported');
    } else if (message.channel_credentials?.ssl_credentials === undefined) {
      at.reject(token === undefined ? 'from_plugin' : 'access_token', 'is only sent over ssl_credentials');
    } else if (plugin === undefined) credentials = tokenCredentials(token as string);
    else if (factory === FILE_FACTORY) credentials = decodePlugin(plugin, at.at('from_plugin'));
    else at.reject('from_plugin', `takes the credentials_factory_name ${FILE_FACTORY}`);
  }
  return credentials;
}

function tokenCredentials(token: string): CallCredentials {
  return (headers) => {
    headers.set(H.authorization, `Bearer ${token}`);
    return '';
  };
}

function decodePlugin({ typed_config: any }: FromPlugin, d: ConfigDecoder): CallCredentials | null {
  if (any === undefined) {
    d.reject('typed_config', 'is required');
    return null;
  }
  const at = d.at('typed_config');
  const unpacked = d.environment.unpack(any, at);
  if (unpacked === null) return null;
  if (unpacked.type !== FILE_CONFIG) {
    at.reject('', `${unpacked.type} is not supported: ${FILE_CONFIG} is`);
    return null;
  }
  return fileCredentials(unpacked.message as FileBasedMetadataConfig, at);
}

/**
 * A file is read at each call, so that a token that is changed on disk counts from the next one on; what ends it
 * (a newline) is no part of it. Without its token no call goes.
 * Source: Envoy FileBasedMetadataAuthenticator::GetMetadata.
 */
function fileCredentials(message: FileBasedMetadataConfig, d: ConfigDecoder): CallCredentials | null {
  const { secret_data: source, header_prefix: prefix = '' } = message;
  if (source === undefined) {
    d.reject('secret_data', 'is required');
    return null;
  }
  const name = message.header_key || 'authorization';
  if (!/^[a-z0-9_.-]+$/i.test(name)) {
    d.reject('header_key', `${JSON.stringify(name)} is not a key of metadata`);
    return null;
  }
  const key = headerKey(name.toLowerCase());
  const { filename } = source;
  let fixed: string | null = null;
  if (filename === undefined) {
    const bytes = readDataSource(source, d.at('secret_data'));
    if (bytes === null) return null;
    fixed = bytes.toString('latin1').trimEnd();
  }
  return (headers) => {
    let token = fixed;
    try {
      token ??= readFileSync(filename as string, 'latin1').trimEnd();
    } catch (error) {
      return `the token of the call cannot be read: ${(error as Error).message}`;
    }
    if (token === '') return `the token of the call is empty${filename === undefined ? '' : `: ${filename}`}`;
    if (!METADATA_VALUE.test(token)) return 'the token of the call holds what a header cannot';
    headers.set(key, prefix + token);
    return '';
  };
}
