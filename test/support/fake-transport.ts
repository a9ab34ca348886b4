// A transport socket whose handshakes end when the test says so.
import type { ByteStream } from '../../src/base/byte-stream.ts';
import { failure } from '../../src/base/failure.ts';
import type {
  PendingTransport,
  TransportCallback,
  TransportConfig,
  TransportWishes,
  UpstreamTarget,
  UpstreamTransport,
} from '../../src/proxy/transport/transport.ts';

type Shaking = { readonly stream: ByteStream; readonly target: UpstreamTarget; readonly callback: TransportCallback };

export class FakeTransport implements UpstreamTransport {
  isReady = true;
  isClosed = false;
  needsConnection = false;
  cancelled = 0;
  /** Handshakes under way, the oldest first. */
  readonly handshakes: Shaking[] = [];
  readonly #waiting: (() => void)[] = [];

  /** As a cluster is configured with it. */
  get config(): TransportConfig<UpstreamTransport> {
    const factory = { name: 'fake', configType: 'fake', fields: {}, decode: () => null, create: () => this };
    return { factory, config: null };
  }

  whenSettled(settled: () => void): void {
    if (this.isReady) settled();
    else this.#waiting.push(settled);
  }

  becomeReady(): void {
    this.isReady = true;
    for (const ready of this.#waiting.splice(0)) ready();
  }

  keyOf({ serverName, subjectAltNames, connection }: TransportWishes): string {
    return [serverName, ...(subjectAltNames ?? []), connection?.remoteAddress.address ?? ''].join('');
  }

  connect(stream: ByteStream, target: UpstreamTarget, callback: TransportCallback): PendingTransport {
    const shaking = { stream, target, callback };
    this.handshakes.push(shaking);
    return {
      cancel: () => {
        this.cancelled++;
        this.handshakes.splice(this.handshakes.indexOf(shaking), 1);
        stream.destroy();
      },
    };
  }

  /** The oldest handshake succeeds; returns for whom it was. */
  finish(): UpstreamTarget {
    const { stream, target, callback } = this.#next();
    callback(stream, null);
    return target;
  }

  fail(reason: string): void {
    const { stream, callback } = this.#next();
    stream.destroy();
    callback(null, failure('connect_failed', 'upstream', 'connection', reason));
  }

  #next(): Shaking {
    const shaking = this.handshakes.shift();
    if (shaking === undefined) throw new Error('nobody shakes hands');
    return shaking;
  }

  close(): void {
    this.isClosed = true;
  }
}
