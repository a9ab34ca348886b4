// Decodes envoy.config.core.v3.GrpcService: how the proxy itself calls a gRPC service.
import type { Core_RetryPolicy, GrpcService, HeaderValue } from '../../proto/generated/types.d.ts';
import { MAX_MESSAGE_BYTES } from '../../proto/binary-decode.ts';
import { headerKey, type HeaderKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import type { BackOffConfig } from '../../base/back-off.ts';
import { CALL_RETRY_ON, type CallRetryPolicy } from '../cluster/upstream-client/call-retry.ts';
import type { GrpcTarget } from '../cluster/upstream-client/grpc-call.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { Formatter } from '../formatter/formatter.ts';
import { tcpLogContext } from '../formatter/tcp-log-context.ts';
import { compileFormat } from '../formatter/text-formatter.ts';
import type { StreamInfo } from '../stream-info.ts';
import { decodeGoogleGrpc, GOOGLE_GRPC_FIELDS } from './google-grpc.ts';

/** Fields that take effect, per message. */
export const GRPC_SERVICE_FIELDS = {
  'envoy.config.core.v3.GrpcService': 'envoy_grpc google_grpc timeout initial_metadata retry_policy',
  'envoy.config.core.v3.GrpcService.EnvoyGrpc':
    'cluster_name authority retry_policy max_receive_message_length skip_envoy_headers',
  'envoy.config.core.v3.HeaderValue': 'key value',
  'envoy.config.core.v3.RetryPolicy': 'retry_back_off num_retries retry_on',
  'envoy.config.core.v3.BackoffStrategy': 'base_interval max_interval',
  ...GOOGLE_GRPC_FIELDS,
} as const;

/** Source: Envoy Http::Utility::convertCoreToRouteRetryPolicy. */
const DEFAULT_BASE_MS = 1000;
const DEFAULT_NUM_RETRIES = 1;
/** The longest interval is ten times the base when only that is given. */
const MAX_FACTOR = 10;

/** Returns null when nothing can be made of the message; reasons are in `d`, which is at it. */
export function decodeGrpcService(message: GrpcService, d: ConfigDecoder): GrpcTarget | null {
  const retry = message.retry_policy;
  const common = {
    timeoutMs: d.durationMs(message.timeout, 0),
    addMetadata: decodeMetadata(message.initial_metadata ?? [], d),
    retry: retry === undefined ? null : decodeCallRetry(retry, '', d.at('retry_policy')),
  };
  const google = message.google_grpc;
  if (google !== undefined) return decodeGoogleGrpc(google, common, d.at('google_grpc'));
  const envoy = message.envoy_grpc;
  if (envoy === undefined) {
    d.reject('', 'target_specifier is required');
    return null;
  }
  const clusterName = envoy.cluster_name ?? '';
  const backOff = envoy.retry_policy;
  return Object.freeze({
    ...common,
    callCredentials: null,
    clusterName,
    authority: envoy.authority || clusterName,
    // Unlimited in Envoy; longer ones could not be decoded.
    maxMessageBytes: envoy.max_receive_message_length || MAX_MESSAGE_BYTES,
    skipsEnvoyHeaders: envoy.skip_envoy_headers === true,
    streamBackOff: backOff === undefined ? null : decodeBackOff(backOff, d.at('envoy_grpc').at('retry_policy')),
    ownCluster: null,
    counts: null,
  });
}

/** `defaultOn` counts where the policy does not say what it is for. */
export function decodeCallRetry(message: Core_RetryPolicy, defaultOn: string, d: ConfigDecoder): CallRetryPolicy {
  const on = new Set<string>();
  for (const name of (message.retry_on || defaultOn).split(',').map((one) => one.trim())) {
    // Names that mean nothing are passed over, as in Envoy.
    if ((CALL_RETRY_ON as readonly string[]).includes(name)) on.add(name);
    else if (name === 'envoy-ratelimited') d.reject('retry_on', `${name} is not supported yet`);
  }
  return { on, numRetries: message.num_retries ?? DEFAULT_NUM_RETRIES, backOff: decodeBackOff(message, d) };
}

function decodeBackOff(message: Core_RetryPolicy, d: ConfigDecoder): BackOffConfig {
  const given = message.retry_back_off;
  const baseMs = d.durationMs(given?.base_interval, DEFAULT_BASE_MS);
  const maxMs = d.durationMs(given?.max_interval, baseMs * MAX_FACTOR);
  if (maxMs < baseMs)
    d.at('retry_back_off').reject('', 'max_interval must be greater than or equal to the base_interval');
  return { baseMs, maxMs };
}

type Metadatum = { readonly key: HeaderKey; readonly text: string; readonly format: Formatter };

/** Values are formats where a call is made for an exchange, and plain text elsewhere. Source: Envoy HeaderParser. */
function decodeMetadata(values: readonly HeaderValue[], d: ConfigDecoder): GrpcTarget['addMetadata'] {
  if (values.length === 0) return null;
  const metadata: Metadatum[] = [];
  for (const [i, { key = '', value = '' }] of values.entries()) {
    const at = d.at('initial_metadata', i);
    if (key === '' || key.startsWith(':') || key.toLowerCase() === 'host') {
      at.reject('key', ':-prefixed or host headers may not be modified');
      continue;
    }
    const format = compileFormat(value, at.at('value'), { omitEmptyValues: true });
    metadata.push({ key: headerKey(key), text: Buffer.from(value, 'utf8').toString('latin1'), format });
  }
  return (headers, info) => addMetadata(metadata, headers, info);
}

function addMetadata(metadata: readonly Metadatum[], headers: Headers, info: StreamInfo | null): void {
  const context = info === null ? null : tcpLogContext(info, 'NotSet');
  for (const { key, text, format } of metadata) {
    const value = context === null ? text : format.format(context);
    if (value !== '') headers.set(key, value);
  }
}
