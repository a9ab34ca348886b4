// The original_dst listener filter: restores the destination that a connection had before the kernel redirected it.
import { parseAddress } from '../../../net/address.ts';
import { originalDestinationOf } from '../../../net/original-destination.ts';
import { type AcceptedSocket, defineListenerFilter, type ListenerFilter } from '../filter.ts';

const CONFIG = 'envoy.extensions.filters.listener.original_dst.v3.OriginalDst';

const filter: ListenerFilter = {
  maxReadBytes: 0,
  onAccept(socket: AcceptedSocket) {
    if (socket.directLocalAddress.family === 'internal') {
      restorePassedOn(socket);
      return 'continue';
    }
    const address = originalDestinationOf(socket.stream);
    if (address !== null) {
      socket.localAddress = address;
      socket.isLocalAddressRestored = true;
    }
    return 'continue';
  },
};

const LOCAL_STATE = 'envoy.filters.listener.original_dst.local_ip';
const REMOTE_STATE = 'envoy.filters.listener.original_dst.remote_ip';
const NAMESPACE = 'envoy.filters.listener.original_dst';

/** On an internal connection the dialling side tells. Source: Envoy OriginalDstFilter::onAccept. */
function restorePassedOn(socket: AcceptedSocket): void {
  const { filterState, dynamicMetadata } = socket;
  const text = dynamicMetadata?.get(NAMESPACE)?.['local'];
  const told = typeof text === 'string' ? parseAddress(text) : (filterState?.get(LOCAL_STATE)?.address ?? null);
  if (told !== null) {
    socket.localAddress = told;
    socket.isLocalAddressRestored = true;
  }
  socket.remoteAddress = filterState?.get(REMOTE_STATE)?.address ?? socket.remoteAddress;
}

export const originalDst = defineListenerFilter<null, object>({
  name: 'envoy.filters.listener.original_dst',
  configType: CONFIG,
  fields: { [CONFIG]: '' },
  decode: () => null,
  create: () => () => filter,
});
