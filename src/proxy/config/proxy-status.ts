// Decodes proxy_status_config.
import type { HttpConnectionManager } from '../../proto/generated/types.d.ts';
import { isSendable } from '../../wire/headers.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { ProxyStatusConfig } from '../http/proxy-status.ts';

export const PROXY_STATUS_FIELDS = {
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ProxyStatusConfig': `
    remove_details remove_connection_termination_details remove_response_flags set_recommended_response_code
    use_node_id literal_proxy_name`,
} as const;

/** Null: nothing is said. */
export function decodeProxyStatus(
  message: HttpConnectionManager,
  { nodeId }: { readonly nodeId: string },
  d: ConfigDecoder,
): ProxyStatusConfig | null {
  const config = message.proxy_status_config;
  if (config === undefined) return null;
  const { literal_proxy_name: literal, use_node_id: usesNode } = config;
  // Envoy looks which of the two is set, not whether use_node_id is true.
  const name = literal ?? (usesNode === undefined ? message.server_name || 'envoy' : nodeId);
  if (!isSendable(name))
    d.at('proxy_status_config').reject('', 'the name of the proxy cannot be the value of a header');
  return Object.freeze({
    name,
    hasDetails: config.remove_details !== true,
    hasTerminationDetails: config.remove_connection_termination_details !== true,
    hasFlags: config.remove_response_flags !== true,
    setsStatus: config.set_recommended_response_code ?? false,
  });
}
