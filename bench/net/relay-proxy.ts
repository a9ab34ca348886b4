// A TCP relay of nothing but the socket room: accept, dial, pass bytes on with back pressure. For measuring that room.
import type { ByteStream, ByteStreamHandler } from '../../src/base/byte-stream.ts';
import { Clock } from '../../src/base/clock.ts';
import { createEngine, isListenError } from '../../src/net/engine.ts';

const [port = '0', upstreamPort = '0', settings = '{}'] = process.argv.slice(2);
const engine = createEngine({
  clock: new Clock(),
  onBug: (error) => {
    throw error;
  },
  ...(JSON.parse(settings) as object),
});

class Half implements ByteStreamHandler {
  readonly stream: ByteStream;
  peer: Half | null = null;
  isWaiting = false;
  constructor(stream: ByteStream) {
    this.stream = stream;
  }
  onData(chunk: Buffer, start: number, end: number): void {
    const to = (this.peer as Half).stream;
    to.writeBorrowed(chunk, start, end);
    if (!this.isWaiting && to.isAboveHighWatermark) {
      this.isWaiting = true;
      this.stream.pause();
    }
  }
  onEnd(): void {
    this.peer?.stream.end();
  }
  onDrain(): void {
    const from = this.peer as Half;
    if (!from.isWaiting) return;
    from.isWaiting = false;
    from.stream.resume();
  }
  onClose(failure: unknown): void {
    if (failure === null) this.peer?.stream.close();
    else this.peer?.stream.destroy(true);
  }
}

const listener = engine.listen({ family: 'ipv4', address: '127.0.0.1', port: Number(port) }, {}, (stream) => {
  const down = new Half(stream);
  stream.handler = down;
  stream.pause();
  engine.connect({ family: 'ipv4', address: '127.0.0.1', port: Number(upstreamPort) }, {}, (upstream) => {
    if (upstream === null) {
      stream.destroy(true);
      return;
    }
    const up = new Half(upstream);
    upstream.handler = up;
    up.peer = down;
    down.peer = up;
    stream.resume();
  });
});
if (isListenError(listener)) throw new Error(listener.detail);
