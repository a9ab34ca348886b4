// A bootstrap as binary protobuf: compiled objects cannot cross threads, so each worker decodes the same bytes.
import { decodeBinary } from '../../proto/binary-decode.ts';
import { encodeBinary } from '../../proto/binary-encode.ts';
import type { Bootstrap } from '../../proto/generated/types.d.ts';
import { registry } from '../../proto/registry.ts';

const TYPE = 'envoy.config.bootstrap.v3.Bootstrap';

export function encodeBootstrap(bootstrap: Bootstrap): Uint8Array {
  return encodeBinary(registry.message(TYPE), bootstrap as never);
}

export function decodeBootstrapBytes(bytes: Uint8Array): Bootstrap {
  return decodeBinary(registry.message(TYPE), bytes) as Bootstrap;
}
