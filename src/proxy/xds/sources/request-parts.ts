// Requests in state-of-the-world form name everything that is wanted, each time: many names are encoded once.
import { encodeBinary } from '../../../proto/binary-encode.ts';
import type { DiscoveryRequest } from '../../../proto/generated/types.d.ts';
import type { MessageType } from '../../../proto/message-type.ts';

/** With fewer, another frame costs more than it saves. */
const MANY_NAMES = 50;

/** Encodes requests; the same list, which nobody changes, gives the same bytes. */
export function requestParts(type: MessageType<DiscoveryRequest>): (request: DiscoveryRequest) => readonly Buffer[] {
  const encode = (message: Partial<DiscoveryRequest>): Buffer => {
    const bytes = encodeBinary(type, message as DiscoveryRequest);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  };
  let known: readonly string[] = [];
  let encoded: Buffer = Buffer.alloc(0);
  return (request) => {
    const { resource_names: names = [], ...others } = request;
    if (names.length < MANY_NAMES) return [encode(request)];
    if (names !== known) {
      known = names;
      encoded = encode({ resource_names: names });
    }
    // Fields may come in any order. Source: protobuf encoding, "Field Order".
    return [encode(others), encoded];
  };
}
