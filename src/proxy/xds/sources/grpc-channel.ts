// An xDS stream over the proxy's own gRPC client: opened again with back-off whenever it ends.
import { MAX_MESSAGE_BYTES } from '../../../proto/binary-decode.ts';
import type { DiscoveryRequest } from '../../../proto/generated/types.d.ts';
import type { MessageType } from '../../../proto/message-type.ts';
import { registry } from '../../../proto/registry.ts';
import { NO_CLUSTER, NO_HOST } from '../../cluster/upstream-client/call-failure.ts';
import type { GrpcMethod, GrpcTarget } from '../../cluster/upstream-client/grpc-call.ts';
import { GrpcClient } from '../../cluster/upstream-client/grpc-client.ts';
import type { HttpClient } from '../../cluster/upstream-client/http-client.ts';
import { LongLivedStream } from '../../cluster/upstream-client/long-lived-stream.ts';
import type { XdsChannel, XdsChannelHandler } from '../../../xds/client/channel.ts';
import { requestParts } from './request-parts.ts';

/** Opens nothing until it is started. `path`: '/package.Service/Method'. */
export function grpcChannel(
  http: HttpClient,
  target: GrpcTarget,
  path: string,
  isDelta: boolean,
  handler: XdsChannelHandler,
): XdsChannel {
  const form = isDelta ? 'Delta' : '';
  const request = registry.message(`envoy.service.discovery.v3.${form}DiscoveryRequest`);
  const method: GrpcMethod<unknown, unknown> = {
    path,
    request,
    ...(isDelta ? {} : { encodeParts: requestParts(request as MessageType<DiscoveryRequest>) }),
    response: registry.message(`envoy.service.discovery.v3.${form}DiscoveryResponse`),
  } as GrpcMethod<unknown, unknown>;
  // What is longer could not be decoded: it need not be held either.
  const maxMessageBytes = Math.min(target.maxMessageBytes, MAX_MESSAGE_BYTES);
  const client = new GrpcClient(http, { ...target, maxMessageBytes });
  return new LongLivedStream(client, method, {
    onOpen: () => handler.onOpen(),
    onMessage: (message) => handler.onMessage(message),
    onDrain: () => handler.onDrain(),
    onClose: (status, message, _retryMs, isRemote) => handler.onClose(status, message + detailsOf(message, isRemote)),
  });
}

/** Response-code details behind the text. Source: Envoy AsyncStreamImpl, which adds those of its own router. */
export function detailsOf(message: string, isRemote: boolean): string {
  if (isRemote) return '{via_upstream}';
  if (message === NO_HOST) return '{no_healthy_upstream}';
  return message === NO_CLUSTER ? '{cluster_not_found}' : '';
}
