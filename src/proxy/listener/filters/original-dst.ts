// The original_dst listener filter: restores the destination that a connection had before the kernel redirected it.
import { originalDestinationOf } from '../../../net/original-destination.ts';
import { type AcceptedSocket, defineListenerFilter, type ListenerFilter } from '../filter.ts';

const CONFIG = 'envoy.extensions.filters.listener.original_dst.v3.OriginalDst';

const filter: ListenerFilter = {
  maxReadBytes: 0,
  onAccept(socket: AcceptedSocket) {
    const address = originalDestinationOf(socket.stream);
    if (address !== null) {
      socket.localAddress = address;
      socket.isLocalAddressRestored = true;
    }
    return 'continue';
  },
};

export const originalDst = defineListenerFilter<null, object>({
  name: 'envoy.filters.listener.original_dst',
  configType: CONFIG,
  fields: { [CONFIG]: '' },
  decode: () => null,
  create: () => () => filter,
});
