// The echo filter (envoy.filters.network.echo): sends back what it gets.
import type { ByteStream, ByteStreamHandler } from '../../../base/byte-stream.ts';
import type { Failure } from '../../../base/failure.ts';
import { defineNetworkFilter } from '../filter.ts';
import type { NetworkConnection, NetworkFilter } from '../filter.ts';

const TYPE = 'envoy.extensions.filters.network.echo.v3.Echo';

class EchoHandler implements ByteStreamHandler {
  readonly #connection: NetworkConnection;
  readonly #stream: ByteStream;
  #isPaused = false;

  constructor(connection: NetworkConnection) {
    this.#connection = connection;
    this.#stream = connection.stream;
  }

  onData(chunk: Buffer, start: number, end: number): void {
    const stream = this.#stream;
    stream.writeBorrowed(chunk, start, end);
    // A client that does not read its own bytes waits until it does.
    if (stream.isAboveHighWatermark && !this.#isPaused) {
      this.#isPaused = true;
      stream.pause();
    }
  }

  onDrain(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#stream.resume();
  }

  onEnd(): void {
    this.#connection.close('flush', '');
  }

  onClose(failure: Failure | null): void {
    this.#connection.closed(failure);
  }
}

const FILTER: NetworkFilter = Object.freeze({
  start(connection: NetworkConnection): void {
    connection.stream.handler = new EchoHandler(connection);
  },
});

export const echo = defineNetworkFilter({
  name: 'envoy.filters.network.echo',
  configType: TYPE,
  fields: { [TYPE]: '' },
  isTerminal: true,
  decode: () => null,
  create: () => FILTER,
});
