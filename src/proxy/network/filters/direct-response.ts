// The direct_response filter (envoy.filters.network.direct_response): says one thing to everybody and closes.
import type { ConfigDecoder } from '../../config-decoder.ts';
import { DATA_SOURCE_FIELDS, readDataSource } from '../../formatter/data-source.ts';
import type { DataSourcePb } from '../../formatter/data-source.ts';
import { defineNetworkFilter } from '../filter.ts';
import type { NetworkConnection, NetworkFilter } from '../filter.ts';
import { ClosingHandler } from './closing-handler.ts';

const TYPE = 'envoy.extensions.filters.network.direct_response.v3.Config';
const DETAILS = 'direct_response';

class DirectResponseFilter implements NetworkFilter {
  readonly #response: Buffer;

  constructor(response: Buffer) {
    this.#response = response;
  }

  start(connection: NetworkConnection): void {
    const { stream } = connection;
    stream.handler = new ClosingHandler(connection);
    // Of the exchange, not of the connection: Envoy gives no reason for closing it.
    connection.info.responseCodeDetails = DETAILS;
    if (this.#response.length > 0) stream.write(this.#response);
    connection.close('flush', '');
  }
}

export const directResponse = defineNetworkFilter({
  name: 'envoy.filters.network.direct_response',
  configType: TYPE,
  fields: { [TYPE]: 'response', ...DATA_SOURCE_FIELDS },
  isTerminal: true,
  decode(message: { response?: DataSourcePb }, d: ConfigDecoder): Buffer {
    const nothing = Buffer.alloc(0);
    return message.response === undefined ? nothing : (readDataSource(message.response, d.at('response')) ?? nothing);
  },
  create: (response) => new DirectResponseFilter(response),
});
