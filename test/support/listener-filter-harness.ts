// Drives one listener filter in a test: gives it bytes in pieces and tells what became of the socket.
import type { Address, ByteStream } from '../../src/base/byte-stream.ts';
import { Clock, Random } from '../../src/base/clock.ts';
import type { ListenerFilterFactory, ListenerFilterStatus } from '../../src/proxy/listener/filter.ts';
import { SocketFacts } from '../../src/proxy/listener/socket-facts.ts';
import { StatStore } from '../../src/telemetry/metrics.ts';
import { decodeOrThrow, FakeRuntime } from './filter-harness.ts';

const LOCAL: Address = { family: 'ipv4', address: '10.0.0.1', port: 8080 };
const REMOTE: Address = { family: 'ipv4', address: '10.0.0.2', port: 40_000 };

export type Outcome = {
  readonly status: ListenerFilterStatus;
  /** Bytes that the filter took off. */
  readonly consumed: number;
  /** Bytes that were there when it decided. */
  readonly seen: number;
  readonly socket: SocketFacts;
};

export class ListenerFilterHarness {
  readonly stats = new StatStore();
  readonly clock = new Clock({ manual: true });
  readonly runtime = new FakeRuntime();
  readonly #make;

  constructor(factory: ListenerFilterFactory, message: object = {}) {
    const config = decodeOrThrow((d) => factory.decode(message as never, d));
    this.#make = factory.create(config as never, {
      stats: this.stats,
      listenerPrefix: 'listener.test.',
      clock: this.clock,
      random: new Random(1),
      runtime: this.runtime,
    });
  }

  /** One connection whose bytes come in these pieces. */
  run(pieces: readonly (Buffer | string)[], socket = makeSocket()): Outcome {
    const filter = this.#make();
    const done = (status: ListenerFilterStatus, consumed: number, seen: number): Outcome => {
      return { status, consumed, seen, socket };
    };
    let status = filter.onAccept(socket, () => {});
    if (status !== 'more') return done(status, 0, 0);
    let bytes = Buffer.alloc(0);
    for (const piece of pieces) {
      bytes = Buffer.concat([bytes, typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece]);
      const result = filter.onData?.(socket, bytes) ?? 'continue';
      if (typeof result !== 'string') return done('continue', result.consumed, bytes.length);
      status = result;
      if (status !== 'more') return done(status, 0, bytes.length);
    }
    return done('more', 0, bytes.length);
  }

  /** The counters that are not 0, in the order of their names. */
  get counts(): Record<string, number> {
    const counts: [string, number][] = [];
    for (const scope of this.stats.scopes()) {
      for (const stat of scope.stats()) {
        if (stat.kind === 'counter' && stat.value !== 0) counts.push([stat.name, stat.value]);
      }
    }
    return Object.fromEntries(counts.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

export function makeSocket(remote: Address = REMOTE, local: Address = LOCAL): SocketFacts {
  return new SocketFacts({ localAddress: local, remoteAddress: remote } as ByteStream, '');
}

export function singleBytes(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
}
