// Reads a ClientHello from a fresh socket before TLS begins, because SNI and ALPN decide what TLS begins with.
import type { ByteStream, ByteStreamHandler } from '../../base/byte-stream.ts';
import { type Failure, failure } from '../../base/failure.ts';
import type { ClientHello } from '../../wire/client-hello.ts';
import { ClientHelloReader } from '../../wire/client-hello-reader.ts';

export type HelloCallback = (hello: ClientHello | null, bytes: Buffer, why: Failure | null) => void;

/** More than any ClientHello takes, in records of whatever size. Source: BoringSSL, kMaxMessageLen. */
const MAX_HELLO_BYTES = 64 * 1024;

/**
 * Tells of the hello with all bytes that were read. What is no ClientHello is told with `hello` null and no failure:
 * OpenSSL finds the words for it. A client that leaves first is a failure.
 */
export class HelloGate implements ByteStreamHandler {
  readonly #stream: ByteStream;
  readonly #reader = new ClientHelloReader();
  #callback: HelloCallback | null;
  #bytes: Buffer;

  constructor(stream: ByteStream, unread: Buffer, callback: HelloCallback) {
    this.#stream = stream;
    this.#callback = callback;
    this.#bytes = unread;
    stream.handler = this;
  }

  /** Looks at what is there already. */
  start(): void {
    if (this.#bytes.length > 0) this.#look();
  }

  cancel(): void {
    if (this.#callback === null) return;
    this.#callback = null;
    this.#stream.destroy();
  }

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.#callback === null) return;
    const bytes = chunk.subarray(start, end);
    this.#bytes = this.#bytes.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#bytes, bytes]);
    this.#look();
  }

  #look(): void {
    const status = this.#reader.read(this.#bytes);
    if (status === 'more' && this.#bytes.length < MAX_HELLO_BYTES) return;
    this.#tell(this.#reader.hello, null);
  }

  onEnd(): void {
    this.#stream.destroy();
    this.#tell(null, failure('downstream_closed', 'downstream', 'connection', ''));
  }
  onDrain(): void {}
  onClose(why: Failure | null): void {
    this.#tell(null, why ?? failure('downstream_closed', 'downstream', 'connection', ''));
  }

  #tell(hello: ClientHello | null, why: Failure | null): void {
    const callback = this.#callback;
    this.#callback = null;
    callback?.(hello, this.#bytes, why);
  }
}
