// Types that the agent asks for on a relayed stream, for itself: their responses do not reach the proxy.
import { decodeBinary } from '../../proto/binary-decode.ts';
import { encodeBinary } from '../../proto/binary-encode.ts';
import type {
  DeltaDiscoveryResponse,
  DiscoveryResponse,
  DeltaDiscoveryRequest,
  DiscoveryRequest,
} from '../../proto/generated/types.d.ts';
import { registry } from '../../proto/registry.ts';
import { typeUrlOf } from '../../proto/type-url.ts';
import { GRPC } from '../../wire/grpc/status.ts';

const DISCOVERY = 'envoy.service.discovery.v3.';
export const NAME_TABLE_TYPE = 'istio.networking.nds.v1.NameTable';
export const PROXY_CONFIG_TYPE = 'istio.mesh.v1alpha1.ProxyConfig';
/** There is no message of that name: a request with it tells how the application is. */
const HEALTH_TYPE_URL = 'type.googleapis.com/istio.v1.HealthInformation';

/** Takes what came of its type, decoded; a text refuses it. `null`: there is nothing of it. */
export type OwnType = {
  readonly type: string;
  take(message: unknown): string | null;
};

/** How the application is; null: not known yet, or not asked. */
export type Health = { readonly isHealthy: boolean; readonly message: string };

export function subscription(type: string, isDelta: boolean): Uint8Array {
  return encodeRequest({ type_url: typeUrlOf(type) }, isDelta);
}

export function healthRequest({ isHealthy, message }: Health, isDelta: boolean): Uint8Array {
  const error = isHealthy ? {} : { error_detail: { code: GRPC.internal, message } };
  return encodeRequest({ type_url: HEALTH_TYPE_URL, ...error }, isDelta);
}

/** Gives a response of an own type to who takes it; returns the answer to it. */
export function takeResponse(own: OwnType, bytes: Buffer, isDelta: boolean): Uint8Array | null {
  const response = decodeBinary(registry.message(`${DISCOVERY}${isDelta ? 'Delta' : ''}DiscoveryResponse`), bytes) as
    | (DiscoveryResponse & DeltaDiscoveryResponse)
    | undefined;
  if (response === undefined) return null;
  const { nonce = '', version_info: version = '' } = response;
  const resources = response.resources ?? [];
  const last = resources.at(-1) as { readonly value?: Uint8Array; readonly resource?: { readonly value?: Uint8Array } };
  const value = isDelta ? last?.resource?.value : last?.value;
  const refusal = value === undefined ? null : takeValue(own, value);
  const answer = {
    type_url: typeUrlOf(own.type),
    response_nonce: nonce,
    ...(isDelta ? {} : { version_info: version }),
    ...(refusal === null ? {} : { error_detail: { code: GRPC.invalidArgument, message: refusal } }),
  };
  return encodeRequest(answer, isDelta);
}

function takeValue(own: OwnType, value: Uint8Array): string | null {
  const message = decodeBinary(registry.message(own.type), value);
  return message === undefined ? `it is no ${own.type}` : own.take(message);
}

function encodeRequest(request: DiscoveryRequest & DeltaDiscoveryRequest, isDelta: boolean): Uint8Array {
  return encodeBinary(registry.message(`${DISCOVERY}${isDelta ? 'Delta' : ''}DiscoveryRequest`), request as never);
}
