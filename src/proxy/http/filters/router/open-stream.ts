// Where an attempt gets its upstream stream: from the host's HTTP pools, or as a raw connection behind a tunnel's end.
import type { Headers } from '../../../../wire/headers.ts';
import type { Cluster, Host, StreamRequest } from '../../../cluster/cluster.ts';
import type { ForwardAction } from '../../../route/route.ts';
import type { StreamInfo } from '../../../stream-info.ts';
import type { StreamCallbacks } from '../../codec.ts';
import { requestWishes } from './auto-names.ts';
import { endsTunnel, newTcpStream } from './tcp-upstream.ts';

/** The request that asks, which hears what comes of it. */
export type Asking = StreamCallbacks & {
  readonly cluster: Cluster;
  readonly forward: ForwardAction;
  readonly headers: Headers;
  readonly info: StreamInfo;
};

/** As `Host.newStream`. */
export function openStream(request: Asking, host: Host): StreamRequest | null {
  const { cluster, forward, headers, info } = request;
  const { connect: config, priority } = forward;
  const wishes = requestWishes(cluster, info, headers);
  if (config === null || !endsTunnel(config, headers.method)) {
    return host.newStream(priority, request, wishes, info.protocol);
  }
  return newTcpStream(host, { config, cluster, priority, wishes, downstream: info.connection }, request);
}
