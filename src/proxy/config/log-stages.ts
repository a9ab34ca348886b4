// Decodes when a connection manager writes its access logs besides the end of an exchange.
import type { HttpConnectionManager } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { LogStages } from '../http/http-config.ts';

export const LOG_STAGE_FIELDS = {
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.HcmAccessLogOptions':
    'access_log_flush_interval flush_access_log_on_new_request flush_log_on_tunnel_successfully_established',
} as const;

/** Of the options, or else of the fields that came before them. Texts are Envoy's. */
export function decodeLogStages(message: HttpConnectionManager, d: ConfigDecoder): LogStages {
  const { access_log_options: options, flush_access_log_on_new_request: start, access_log_flush_interval } = message;
  if (options === undefined) {
    return Object.freeze({
      start: start ?? false,
      tunnel: false,
      intervalMs: d.durationMs(access_log_flush_interval, 0),
    });
  }
  if (start === true) d.reject('flush_access_log_on_new_request', onlyOneOf('flush_access_log_on_new_request'));
  if (access_log_flush_interval !== undefined) {
    d.reject('access_log_flush_interval', onlyOneOf('access_log_flush_interval'));
  }
  return Object.freeze({
    start: options.flush_access_log_on_new_request ?? false,
    tunnel: options.flush_log_on_tunnel_successfully_established ?? false,
    intervalMs: d.durationMs(options.access_log_flush_interval, 0),
  });
}

function onlyOneOf(field: string): string {
  return `Only one of ${field} or access_log_options can be specified.`;
}
