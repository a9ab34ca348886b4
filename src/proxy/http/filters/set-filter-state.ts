// The set_filter_state filter (envoy.filters.http.set_filter_state): writes objects from each request's headers.
import type { ConfigDecoder } from '../../config-decoder.ts';
import { decodeFilterStateValues, FILTER_STATE_VALUE_FIELDS, writeFilterState } from '../../filter-state/values.ts';
import type { FilterStateValue, FilterStateValuePb } from '../../filter-state/values.ts';
import { defineHttpFilter } from '../filter.ts';
import type { FilterContext, FilterStream, HeadersStatus, HttpFilter } from '../filter.ts';

const TYPE = 'envoy.extensions.filters.http.set_filter_state.v3.Config';

type SetFilterStatePb = { on_request_headers?: readonly FilterStateValuePb[]; clear_route_cache?: boolean };

type SetFilterStateConfig = {
  readonly values: readonly FilterStateValue[];
  /** The route is chosen again: it may look at what was written. */
  readonly clearsRoute: boolean;
};

function decode(message: SetFilterStatePb, d: ConfigDecoder): SetFilterStateConfig {
  return Object.freeze({
    values: decodeFilterStateValues(message.on_request_headers, d, 'on_request_headers'),
    clearsRoute: message.clear_route_cache ?? false,
  });
}

/** Source: Envoy SetFilterState::decodeHeaders: its own list, and then those of virtual host and route. */
class SetFilterState implements HttpFilter {
  readonly #config: SetFilterStateConfig;
  readonly #slot: number;

  constructor(config: SetFilterStateConfig, context: FilterContext) {
    this.#config = config;
    this.#slot = context.slot;
  }

  decodeHeaders(stream: FilterStream): HeadersStatus {
    let { clearsRoute } = this.#config;
    writeFilterState(this.#config.values, stream, 'filter-chain');
    for (const own of stream.routeConfigs(this.#slot) as readonly SetFilterStateConfig[]) {
      writeFilterState(own.values, stream, 'filter-chain');
      clearsRoute ||= own.clearsRoute;
    }
    if (clearsRoute) stream.clearRouteCache();
    return 'continue';
  }
}

export const httpSetFilterState = defineHttpFilter({
  name: 'envoy.filters.http.set_filter_state',
  configType: TYPE,
  fields: { [TYPE]: 'on_request_headers clear_route_cache', ...FILTER_STATE_VALUE_FIELDS },
  decode,
  decodeRoute: decode,
  create: (config, context) => new SetFilterState(config, context),
});
