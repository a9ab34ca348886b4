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
/** There is no message of that name: a request with it tells how the application is. */
const HEALTH_TYPE_URL = 'type.googleapis.com/istio.v1.HealthInformation';

/** Takes what came of its type, encoded; `done` is called once, perhaps later, with why it is refused, or null. */
export type OwnType = {
  readonly type: string;
  take(bytes: Buffer, done: (refusal: string | null) => void): void;
};

/** How the application is; null: not known yet, or not asked. */
export type Health = { readonly isHealthy: boolean; readonly message: string };

/** What was taken on of a type, of any stream before: it need not be sent again. */
export type Had = { readonly name: string; readonly version: string };

export function subscription(type: string, isDelta: boolean, had: Had | undefined): Uint8Array {
  const known = isDelta && had !== undefined ? { initial_resource_versions: { [had.name]: had.version } } : {};
  return encodeRequest({ type_url: typeUrlOf(type), ...known }, isDelta);
}

export function healthRequest({ isHealthy, message }: Health, isDelta: boolean): Uint8Array {
  const error = isHealthy ? {} : { error_detail: { code: GRPC.internal, message } };
  return encodeRequest({ type_url: HEALTH_TYPE_URL, ...error }, isDelta);
}

/**
 * Gives a response of an own type to who takes it, and the answer to `reply`, with what is had from then on (null: what
 * was had); a broken one has none.
 */
export function takeResponse(
  own: OwnType,
  bytes: Buffer,
  isDelta: boolean,
  reply: (request: Uint8Array, had: Had | null) => void,
): void {
  const response = decodeBinary(registry.message(`${DISCOVERY}${isDelta ? 'Delta' : ''}DiscoveryResponse`), bytes) as
    | (DiscoveryResponse & DeltaDiscoveryResponse)
    | undefined;
  if (response === undefined) return;
  const { nonce = '', version_info: version = '' } = response;
  const answer = (refusal: string | null): void => {
    const request = {
      type_url: typeUrlOf(own.type),
      response_nonce: nonce,
      ...(isDelta ? {} : { version_info: version }),
      ...(refusal === null ? {} : { error_detail: { code: GRPC.invalidArgument, message: refusal } }),
    };
    const has = refusal === null && isDelta && last !== undefined;
    reply(encodeRequest(request, isDelta), has ? { name: last.name ?? '', version: last.version ?? '' } : null);
  };
  const last = (response.resources ?? []).at(-1) as (Any & Partial<Had> & { readonly resource?: Any }) | undefined;
  const value = isDelta ? last?.resource?.value : last?.value;
  if (value === undefined) answer(null);
  else own.take(Buffer.from(value), answer);
}

type Any = { readonly value?: Uint8Array };

function encodeRequest(request: DiscoveryRequest & DeltaDiscoveryRequest, isDelta: boolean): Uint8Array {
  return encodeBinary(registry.message(`${DISCOVERY}${isDelta ? 'Delta' : ''}DiscoveryRequest`), request as never);
}
