// A method whose messages are not decoded: for those who pass them on.
import { registry } from '../proto/registry.ts';
import type { AnyServerMethod, ServerCall, ServerCallHandler } from './service.ts';

/** Messages of the client come as buffers that the handler may keep; `sendBytes` answers. */
export function rawMethod(
  path: string,
  start: (call: ServerCall<unknown>) => ServerCallHandler<Buffer>,
): AnyServerMethod {
  const none = registry.message('google.protobuf.Empty');
  return {
    path,
    request: none,
    response: none,
    isRaw: true,
    start: (call) => start(call) as ServerCallHandler<unknown>,
  };
}
