// The HTTP connection managers of a listener, as they stand in its message.
import { unpackAny } from '../../proto/any.ts';
import type { HttpConnectionManager, Listener } from '../../proto/generated/types.d.ts';

const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

export function managersOf({ filter_chains = [], default_filter_chain }: Listener): HttpConnectionManager[] {
  const chains = default_filter_chain === undefined ? filter_chains : [...filter_chains, default_filter_chain];
  return chains.flatMap(({ filters = [] }) =>
    filters.flatMap<HttpConnectionManager>(({ typed_config }) => {
      const unpacked = typed_config === undefined ? undefined : unpackAny(typed_config);
      return unpacked?.type.fullName === MANAGER ? [unpacked.message as HttpConnectionManager] : [];
    }),
  );
}
