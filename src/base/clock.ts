// Time, timers and randomness: the only place that asks the machine for them, so that tests can fake all three.
import { randomFillSync } from 'node:crypto';

/** A timer that can be armed again and again without allocating; owned by one object for its life. */
export class Timer {
  next: Timer | null = null;
  prev: Timer | null = null;
  /** Tick at which it fires; -1 when it is not armed. */
  dueTick = -1;
  readonly clock: Clock;
  readonly onFire: (owner: unknown) => void;
  readonly owner: unknown;

  /** `onFire` gets `owner`, so that one shared function serves all timers of a kind. */
  constructor(clock: Clock, onFire: (owner: never) => void, owner: unknown) {
    this.clock = clock;
    this.onFire = onFire as (owner: unknown) => void;
    this.owner = owner;
  }

  get isArmed(): boolean {
    return this.dueTick >= 0;
  }

  /** (Re)arms: fires once, `delayMs` ms or up to one tick more from now. Cost: a list insertion. */
  arm(delayMs: number): void {
    this.clock.armTimer(this, delayMs);
  }

  disarm(): void {
    if (this.dueTick >= 0) this.clock.disarmTimer(this);
  }
}

/** Milliseconds of one step of the timer wheel. */
const TICK_MS = 4;
/** Slots of the wheel: a power of two; a turn is 4 s. Later timers stay in their slot for further turns. */
const WHEEL_SLOTS = 1024;

/**
 * A clock with a timer wheel. `nowMs` (monotonic) and `wallMs` are read once per entry from the event loop and then
 * stay constant, which is what Envoy's dispatcher does too.
 */
export class Clock {
  /** Monotonic milliseconds with fraction, as of the last `update`. */
  nowMs = 0;
  readonly #heads: (Timer | null)[] = new Array(WHEEL_SLOTS).fill(null);
  #tick = 0;
  #armed = 0;
  #driver: NodeJS.Timeout | null = null;
  /** The tick that the driver is set for; timers that fire earlier set it again. */
  #driverTick = Number.POSITIVE_INFINITY;
  #wrap: (run: () => void) => void = (run) => run();
  readonly #manual: boolean;
  #wallOffsetMs = 0;
  #bootOffsetMs = 0;
  #onError: (error: unknown) => void = (error) => {
    throw error;
  };

  /** `manual`: time stands still until `advance` is called (tests, simulation). */
  constructor(options: { manual?: boolean; wallMs?: number } = {}) {
    this.#manual = options.manual === true;
    if (this.#manual) {
      this.#wallOffsetMs = options.wallMs ?? 1_700_000_000_000;
    } else {
      this.#wallOffsetMs = performance.timeOrigin;
      this.#bootOffsetMs = Number(process.hrtime.bigint() / 1_000_000n) - performance.now();
      this.update();
      this.#tick = Math.floor(this.nowMs / TICK_MS);
    }
  }

  /** Reads the machine's clock; call it at each entry from the event loop. Returns nowMs. */
  update(): number {
    if (!this.#manual) this.nowMs = performance.now();
    return this.nowMs;
  }

  /** Monotonic milliseconds inside an entry, for what is measured in fractions of one. */
  get preciseMs(): number {
    return this.#manual ? this.nowMs : performance.now();
  }

  /** Wall-clock milliseconds since 1970 at `nowMs`. */
  get wallMs(): number {
    return this.#wallOffsetMs + this.nowMs;
  }

  /** Milliseconds of the machine's monotonic clock at `nowMs`, which its processes share. */
  get bootMs(): number {
    return this.#bootOffsetMs + this.nowMs;
  }

  /** What a throwing timer callback is handed to; the default rethrows. */
  set onError(handler: (error: unknown) => void) {
    this.#onError = handler;
  }

  timer<T>(onFire: (owner: T) => void, owner: T): Timer {
    return new Timer(this, onFire as (owner: never) => void, owner);
  }

  /** Milliseconds until an armed timer fires. */
  remainingMs(timer: Timer): number {
    return timer.dueTick * TICK_MS - this.nowMs;
  }

  armTimer(timer: Timer, delayMs: number): void {
    if (timer.dueTick >= 0) this.#unlink(timer);
    else this.#armed++;
    const due = Math.max(Math.ceil((this.nowMs + delayMs) / TICK_MS), this.#tick + 1);
    timer.dueTick = due;
    const slot = due & (WHEEL_SLOTS - 1);
    const head = this.#heads[slot] as Timer | null;
    timer.next = head;
    timer.prev = null;
    if (head !== null) head.prev = timer;
    this.#heads[slot] = timer;
    if (due < this.#driverTick && !this.#manual) this.#drive(due);
  }

  disarmTimer(timer: Timer): void {
    this.#unlink(timer);
    timer.dueTick = -1;
    this.#armed--;
  }

  /** Runs `task` in a turn of the event loop of its own, soon: for long work that is cut into slices. */
  defer(task: () => void): void {
    setImmediate(() => {
      this.update();
      this.#wrap(() => {
        try {
          task();
        } catch (error) {
          this.#onError(error);
        }
      });
    });
  }

  /** How timers run: the socket engine puts its turn around them, so that what they write leaves at its end. */
  set wrap(wrap: (run: () => void) => void) {
    this.#wrap = wrap;
  }

  /** Moves a manual clock on and fires what is due, in order of time. */
  advance(ms: number): void {
    const target = this.nowMs + ms;
    while (this.nowMs < target) {
      this.nowMs = Math.min(target, this.#nextTick() * TICK_MS);
      this.#wrap(this.#runBound);
    }
  }

  #drive(tick: number): void {
    if (this.#driver !== null) clearTimeout(this.#driver);
    this.#driverTick = tick;
    const delayMs = Math.max(1, Math.ceil(tick * TICK_MS - performance.now()));
    this.#driver = setTimeout(this.#onDriver, delayMs);
    this.#driver.unref();
  }

  readonly #onDriver = (): void => {
    this.#driver = null;
    this.#driverTick = Number.POSITIVE_INFINITY;
    this.update();
    this.#wrap(this.#runBound);
    if (this.#armed > 0) this.#driveNext();
  };

  /** Sets the driver for the next slot with a timer. */
  #driveNext(): void {
    const tick = this.#nextTick();
    if (tick < this.#driverTick) this.#drive(tick);
  }

  /** The tick of the next slot with a timer, a turn of the wheel from now at the latest. */
  #nextTick(): number {
    let tick = this.#tick + 1;
    const last = this.#tick + WHEEL_SLOTS;
    while (tick < last && this.#heads[tick & (WHEEL_SLOTS - 1)] === null) tick++;
    return tick;
  }

  readonly #runBound = (): void => this.#run();

  #run(): void {
    const target = Math.floor(this.nowMs / TICK_MS);
    // After a long stall every slot is visited at most once.
    if (target - this.#tick > WHEEL_SLOTS) this.#tick = target - WHEEL_SLOTS;
    while (this.#tick < target) {
      this.#tick++;
      let timer = this.#heads[this.#tick & (WHEEL_SLOTS - 1)] as Timer | null;
      while (timer !== null) {
        const next: Timer | null = timer.next;
        if (timer.dueTick <= target) {
          this.disarmTimer(timer);
          try {
            timer.onFire(timer.owner);
          } catch (error) {
            this.#onError(error);
          }
          // The callback may have changed this slot: start it again.
          timer = this.#heads[this.#tick & (WHEEL_SLOTS - 1)] as Timer | null;
          while (timer !== null && timer.dueTick > target) timer = timer.next;
          continue;
        }
        timer = next;
      }
    }
  }

  #unlink(timer: Timer): void {
    if (timer.prev !== null) timer.prev.next = timer.next;
    else this.#heads[timer.dueTick & (WHEEL_SLOTS - 1)] = timer.next;
    if (timer.next !== null) timer.next.prev = timer.prev;
    timer.next = null;
    timer.prev = null;
  }
}

/** Random numbers; the default is seeded from the machine, a test passes a seed. Not for secrets. */
export class Random {
  #a: number;
  #b: number;

  constructor(seed?: number) {
    const words = new Uint32Array(2);
    if (seed === undefined) randomFillSync(words);
    else words.set([mix(seed), mix(seed + 0x9e3779b9)]);
    // All bits zero would stay so.
    this.#a = (words[0] as number) || 1;
    this.#b = words[1] as number;
  }

  /** A uniform integer in [0, 2^32). xoroshiro64*. */
  uint32(): number {
    const s0 = this.#a;
    let s1 = this.#b;
    const result = Math.imul(s0, 0x9e3779bb) >>> 0;
    s1 ^= s0;
    this.#a = ((s0 << 26) | (s0 >>> 6)) ^ s1 ^ (s1 << 9);
    this.#b = (s1 << 13) | (s1 >>> 19);
    return result;
  }

  /** A version 4 UUID (RFC 9562); from the machine's secure source, seeded or not. */
  uuid(): string {
    if (uuidPosition === uuidText.length) {
      uuidText = renderUuids();
      uuidPosition = 0;
    }
    uuidPosition += UUID_CHARS;
    return uuidText.substring(uuidPosition - UUID_CHARS, uuidPosition);
  }

  /** A time that is up to so many per cent longer. */
  lengthened(ms: number, percent: number): number {
    return percent === 0 ? ms : ms + (ms * percent * (this.uint32() / 0x1_0000_0000)) / 100;
  }

  /** A uniform integer in [0, limit), limit ≤ 2^32. */
  below(limit: number): number {
    return Math.floor((this.uint32() / 0x1_0000_0000) * limit);
  }
}

/** Spreads neighbouring seeds over all 32 bits (the finalizer of MurmurHash3). */
function mix(seed: number): number {
  let bits = Math.imul(seed ^ (seed >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}

/** UUIDs are rendered this many at once: one call for the random bytes and one for the text. */
const UUID_BATCH = 128;
const UUID_CHARS = 36;
let uuidText = '';
let uuidPosition = 0;

const uuidBytes = new Uint8Array(UUID_BATCH * 16);
/** The dashes are there before the digits. */
const uuidChars = Buffer.alloc(UUID_BATCH * UUID_CHARS, '-');

function renderUuids(): string {
  const [random, text] = [randomFillSync(uuidBytes), uuidChars];
  let to = 0;
  for (let from = 0; from < random.length; from += 16) {
    // RFC 9562 §5.4: version 4, variant 10.
    random[from + 6] = ((random[from + 6] as number) & 0x0f) | 0x40;
    random[from + 8] = ((random[from + 8] as number) & 0x3f) | 0x80;
    for (let i = 0; i < 16; i++) {
      const byte = random[from + i] as number;
      text[to] = HIGH_DIGITS[byte] as number;
      text[to + 1] = LOW_DIGITS[byte] as number;
      to += DIGIT_STEPS[i] as number;
    }
  }
  return text.latin1Slice(0, to);
}

/** Of each byte. */
const HIGH_DIGITS = Uint8Array.from({ length: 256 }, (_, byte) => '0123456789abcdef'.charCodeAt(byte >> 4));
const LOW_DIGITS = Uint8Array.from({ length: 256 }, (_, byte) => '0123456789abcdef'.charCodeAt(byte & 15));
/** From each byte's digits to the next one's: dashes stand behind the bytes 3, 5, 7 and 9. */
const DIGIT_STEPS = Uint8Array.from({ length: 16 }, (_, i) => (i === 3 || i === 5 || i === 7 || i === 9 ? 3 : 2));
