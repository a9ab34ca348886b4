// The sni_cluster filter (envoy.filters.network.sni_cluster): the server name that the client asks for is the cluster.
import { defineNetworkFilter } from '../filter.ts';
import type { NetworkConnection, NetworkFilter, NetworkFilterStatus } from '../filter.ts';

const TYPE = 'envoy.extensions.filters.network.sni_cluster.v3.SniCluster';
/** What tcp_proxy goes by before its own configuration. */
const CLUSTER_KEY = 'envoy.tcp_proxy.cluster';

const FILTER: NetworkFilter = Object.freeze({
  onNewConnection(connection: NetworkConnection): NetworkFilterStatus {
    const name = connection.connection.requestedServerName;
    if (name === '') return 'continue';
    const { info } = connection;
    info.filterState ??= new Map();
    info.filterState.set(CLUSTER_KEY, { value: name, typed: null, isReadOnly: false, lifeSpan: 'connection' });
    return 'continue';
  },
});

export const sniCluster = defineNetworkFilter({
  name: 'envoy.filters.network.sni_cluster',
  configType: TYPE,
  fields: { [TYPE]: '' },
  decode: () => null,
  create: () => FILTER,
});
