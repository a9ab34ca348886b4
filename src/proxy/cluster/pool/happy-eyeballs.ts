// Dials a host: its address, or the several addresses of one endpoint one after the other until one answers (RFC 8305).
import type { Address } from '../../../base/byte-stream.ts';
import type { Timer } from '../../../base/clock.ts';
import type { Failure } from '../../../base/failure.ts';
import type { DialConfig } from '../cluster-config.ts';
import type { HostCounts } from '../host.ts';
import type { Cancel, DialCallback, DialOptions, PoolContext } from './dialing.ts';

/** How long an address has before the next one is tried beside it. Source: Envoy HappyEyeballsConnectionImpl. */
const NEXT_ATTEMPT_MS = 300;

/** `source` overrides how the cluster's sockets leave. The callback never runs inside the call. */
export function dialHost(
  context: PoolContext,
  address: Address,
  host: HostCounts,
  source: DialOptions | null,
  callback: DialCallback,
): Cancel {
  const further = host.furtherAddresses;
  const first = host.movedTo ?? address;
  if (further === undefined || further.length === 0) {
    return context.dialer.connect(first, optionsOf(context, first, source), callback);
  }
  const race = new Race(context, sortAddresses([first, ...further], context.config.dial), host, source, callback);
  race.next();
  return race;
}

function optionsOf({ config }: PoolContext, address: Address, source: DialOptions | null): DialOptions {
  const options = config.dial[address.family];
  if (source === null) return options;
  const socketOptions = [...(options.socketOptions ?? []), ...(source.socketOptions ?? [])];
  return { ...options, ...source, ...(socketOptions.length === 0 ? {} : { socketOptions }) };
}

/** Families take turns: some of the first one, one of the other, and so on. */
export function sortAddresses(addresses: readonly Address[], config: DialConfig): readonly Address[] {
  const preferred = config.firstFamily === 'V4' ? 'ipv4' : config.firstFamily === 'V6' ? 'ipv6' : addresses[0]?.family;
  const first = addresses.filter(({ family }) => family === preferred);
  const others = addresses.filter(({ family }) => family !== preferred);
  const sorted: Address[] = [];
  while (first.length > 0 || others.length > 0) {
    sorted.push(...first.splice(0, config.firstFamilyCount));
    sorted.push(...others.splice(0, 1));
  }
  return sorted;
}

/** Attempts to several addresses; the first that connects wins, the last failure is what is told. */
class Race implements Cancel {
  readonly #context: PoolContext;
  readonly #addresses: readonly Address[];
  readonly #host: HostCounts;
  readonly #source: DialOptions | null;
  readonly #callback: DialCallback;
  readonly #attempts = new Set<{ handle: Cancel | null }>();
  readonly #timer: Timer;
  #at = 0;

  constructor(
    context: PoolContext,
    addresses: readonly Address[],
    host: HostCounts,
    source: DialOptions | null,
    callback: DialCallback,
  ) {
    this.#context = context;
    this.#addresses = addresses;
    this.#host = host;
    this.#source = source;
    this.#callback = callback;
    this.#timer = context.clock.timer(tryNext, this);
  }

  next(): void {
    const address = this.#addresses[this.#at++];
    if (address === undefined) return;
    // The pool counted the first one. Source: Envoy HappyEyeballsConnectionProvider.
    if (this.#at > 1) {
      const { stats } = this.#context;
      stats.inc(stats.i.upstream_cx_total);
      this.#host.cxTotal++;
    }
    const attempt: { handle: Cancel | null } = { handle: null };
    this.#attempts.add(attempt);
    const options = optionsOf(this.#context, address, this.#source);
    attempt.handle = this.#context.dialer.connect(address, options, (stream, failure, socketMs) => {
      this.#attempts.delete(attempt);
      if (stream !== null) {
        this.cancel();
        this.#callback(stream, null, socketMs);
      } else this.#attemptFailed(failure);
    });
    if (this.#at < this.#addresses.length) this.#timer.arm(NEXT_ATTEMPT_MS);
    else this.#timer.disarm();
  }

  #attemptFailed(failure: Failure | null): void {
    if (this.#at < this.#addresses.length) this.next();
    else if (this.#attempts.size === 0) this.#callback(null, failure);
  }

  cancel(): void {
    this.#timer.disarm();
    for (const attempt of this.#attempts) attempt.handle?.cancel();
    this.#attempts.clear();
  }
}

function tryNext(race: Race): void {
  race.next();
}
