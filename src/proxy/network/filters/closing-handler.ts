// The last handler of a connection on which nothing is awaited: it drops what comes and ends the connection's record.
import type { ByteStreamHandler } from '../../../base/byte-stream.ts';
import type { Failure } from '../../../base/failure.ts';
import type { NetworkConnection } from '../filter.ts';

export class ClosingHandler implements ByteStreamHandler {
  readonly #connection: NetworkConnection;

  constructor(connection: NetworkConnection) {
    this.#connection = connection;
  }

  onData(): void {}
  onEnd(): void {}
  onDrain(): void {}
  onClose(failure: Failure | null): void {
    this.#connection.closed(failure);
  }
}
