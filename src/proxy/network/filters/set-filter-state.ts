// The set_filter_state filter (envoy.filters.network.set_filter_state): writes objects that later filters go by.
import type { ConfigDecoder } from '../../config-decoder.ts';
import { FILTER_STATE_VALUE_FIELDS, decodeFilterStateValues, writeFilterState } from '../../filter-state/values.ts';
import type { FilterStateValue, FilterStateValuePb } from '../../filter-state/values.ts';
import { tcpLogContext } from '../../formatter/tcp-log-context.ts';
import { defineNetworkFilter } from '../filter.ts';
import type { NetworkConnection, NetworkFilter, NetworkFilterContext, NetworkFilterStatus } from '../filter.ts';

const TYPE = 'envoy.extensions.filters.network.set_filter_state.v3.Config';

type SetFilterStatePb = {
  on_new_connection?: readonly FilterStateValuePb[];
  on_downstream_tls_handshake?: readonly FilterStateValuePb[];
  on_downstream_data?: readonly FilterStateValuePb[];
};

type SetFilterStateConfig = {
  /** A connection begins when its handshake is over, so the two lists have one moment. */
  readonly atBegin: readonly FilterStateValue[];
  /** With the first bytes. */
  readonly atData: readonly FilterStateValue[];
};

function decode(message: SetFilterStatePb, d: ConfigDecoder): SetFilterStateConfig {
  const list = (field: keyof SetFilterStatePb) => decodeFilterStateValues(message[field], d, field);
  return Object.freeze({
    atBegin: Object.freeze([...list('on_new_connection'), ...list('on_downstream_tls_handshake')]),
    atData: list('on_downstream_data'),
  });
}

class SetFilterStateFilter implements NetworkFilter {
  readonly #config: SetFilterStateConfig;
  readonly #slot: number;
  readonly onData?: NonNullable<NetworkFilter['onData']>;

  constructor(config: SetFilterStateConfig, context: NetworkFilterContext) {
    this.#config = config;
    this.#slot = context.slot;
    if (config.atData.length > 0) {
      this.onData = (connection, _chunk, start, end) => (start === end ? 'continue' : this.#writeOnce(connection));
    }
  }

  onNewConnection(connection: NetworkConnection): NetworkFilterStatus {
    writeFilterState(this.#config.atBegin, tcpLogContext(connection.info, 'NotSet'), 'connection');
    return 'continue';
  }

  #writeOnce(connection: NetworkConnection): NetworkFilterStatus {
    if (connection.slot[this.#slot] !== undefined) return 'continue';
    connection.slot[this.#slot] = true;
    writeFilterState(this.#config.atData, tcpLogContext(connection.info, 'NotSet'), 'connection');
    return 'continue';
  }
}

export const setFilterState = defineNetworkFilter({
  name: 'envoy.filters.network.set_filter_state',
  configType: TYPE,
  fields: {
    [TYPE]: 'on_new_connection on_downstream_tls_handshake on_downstream_data',
    ...FILTER_STATE_VALUE_FIELDS,
  },
  decode,
  create(config, context) {
    if (config.atBegin.length === 0 && config.atData.length === 0) return null;
    return new SetFilterStateFilter(config, context);
  },
});
