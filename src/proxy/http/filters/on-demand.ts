// The on_demand filter (envoy.filters.http.on_demand): a request without a route waits while one is asked for.
import { defineHttpFilter, type FilterStream, type HttpFilter } from '../filter.ts';

const TYPE = 'envoy.extensions.filters.http.on_demand.v3';

/** What a request that waits gives up when it ends. */
type Waiting = { readonly cancel: () => void };

function makeFilter(slot: number): HttpFilter {
  const goOn = (stream: FilterStream, isThere: boolean): void => {
    stream.slot[slot] = undefined;
    if (stream.isDestroyed) return;
    // From the first filter on, if it can: those before this one have seen no route.
    if (isThere && stream.recreateStream()) return;
    stream.clearRouteCache();
    stream.continueDecoding(slot);
  };
  return {
    decodeHeaders(stream) {
      if (stream.route !== null) return 'continue';
      const cancel = stream.askForRoute((isThere) => goOn(stream, isThere));
      if (cancel === null) {
        // The question alone may have found one.
        stream.clearRouteCache();
        return 'continue';
      }
      stream.slot[slot] = { cancel } satisfies Waiting;
      return 'stop-all-and-watermark';
    },
    onDestroy(stream) {
      (stream.slot[slot] as Waiting | undefined)?.cancel();
    },
  };
}

export const onDemand = defineHttpFilter<null>({
  name: 'envoy.filters.http.on_demand',
  configType: `${TYPE}.OnDemand`,
  routeConfigType: `${TYPE}.PerRouteConfig`,
  fields: { [`${TYPE}.OnDemand`]: '', [`${TYPE}.PerRouteConfig`]: '' },
  decode: () => null,
  create: (_, { slot }) => Object.freeze(makeFilter(slot)),
});
