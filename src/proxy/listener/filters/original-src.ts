// The original_src listener filter: upstream connections leave with the client's address.
import type { ConfigDecoder } from '../../config-decoder.ts';
import { hasIp } from '../../../base/ip.ts';
import { type AcceptedSocket, defineListenerFilter, type ListenerFilter } from '../filter.ts';

const CONFIG = 'envoy.extensions.filters.listener.original_src.v3.OriginalSrc';

type OriginalSrcPb = { bind_port?: boolean; mark?: number };
type OriginalSrcConfig = {
  /** SO_MARK of the upstream socket; 0 for none. */
  readonly mark: number;
};

function decode(message: OriginalSrcPb, d: ConfigDecoder): OriginalSrcConfig {
  if (message.bind_port === true) d.reject('bind_port', 'is not supported: the port is always chosen by the system');
  return Object.freeze({ mark: message.mark ?? 0 });
}

function makeFilter({ mark }: OriginalSrcConfig): ListenerFilter {
  return {
    maxReadBytes: 0,
    onAccept(socket: AcceptedSocket) {
      const { remoteAddress } = socket;
      if (hasIp(remoteAddress)) {
        socket.upstreamSource = { address: { ...remoteAddress, port: 0 }, mark, isTransparent: true };
      }
      return 'continue';
    },
  };
}

export const originalSrc = defineListenerFilter<OriginalSrcConfig, OriginalSrcPb>({
  name: 'envoy.filters.listener.original_src',
  configType: CONFIG,
  fields: { [CONFIG]: 'bind_port mark' },
  decode,
  create(config) {
    const filter = makeFilter(config);
    return () => filter;
  },
});
