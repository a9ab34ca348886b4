// The message of the gRPC cases, with its frame.
const MESSAGE_BYTES = 100;
const PREFIX_BYTES = 5;

/** One uncompressed gRPC message of 100 bytes. */
export const SMALL_MESSAGE = Buffer.alloc(PREFIX_BYTES + MESSAGE_BYTES, 'm');
SMALL_MESSAGE[0] = 0;
SMALL_MESSAGE.writeUInt32BE(MESSAGE_BYTES, 1);
