// Typed configurations inside listeners: made per use, or encoded once where they never differ.
import { packAny, packAnyBytes } from '../../../proto/any.ts';
import type { Any, Duration, JsonObject, MessageTypes } from '../../../proto/generated/types.d.ts';
import type { Message } from '../../../proto/message-type.ts';
import { registry } from '../../../proto/registry.ts';

/** Istio's own filters and a few rare ones are known by name only. */
type MessageOf<K extends string> = K extends keyof MessageTypes ? MessageTypes[K] : Message;

/** A configuration that is encoded together with what holds it. */
export function typed<K extends string>(type: K, message: MessageOf<K>): Any {
  return packAny(registry.message(type), message as Message);
}

/** A configuration that never differs: encoded when it is first needed, then shared. */
export function fixed<K extends string>(type: K, message: MessageOf<K>): () => Any {
  let any: Any | undefined;
  return () => {
    any ??= packAnyBytes(registry.message(type), message as Message);
    return any;
  };
}

/** Istio's filters travel as TypedStruct, so that a proxy without them can still read the listener. */
export function fixedStruct(typeName: string, value: JsonObject): () => Any {
  return fixed('udpa.type.v1.TypedStruct', { type_url: `type.googleapis.com/${typeName}`, value });
}

/** Set and zero: no limit, where absence would mean Envoy's default. */
export const NO_TIMEOUT: Duration = { seconds: 0, nanos: 0 };
