// For simulations: a filter that holds up exchanges as it likes, and a watch on timers that are left.
import { type Random, Timer } from '../../src/base/clock.ts';
import type { HttpFilter } from '../../src/proxy/http/filter.ts';

/** A filter that stops at any time in any way, and goes on, answers or resets later; a patient one only goes on. */
export function whims(random: Random, isPatient = false): HttpFilter {
  type State = { decode: Timer; encode: Timer };
  const SLOT = 0;
  const stateOf = (stream: Parameters<NonNullable<HttpFilter['decodeHeaders']>>[0]): State => {
    const state: State = (stream.slot[SLOT] as State | undefined) ?? {
      decode: stream.clock.timer(() => later('decode'), null),
      encode: stream.clock.timer(() => later('encode'), null),
    };
    stream.slot[SLOT] = state;
    const later = (direction: 'decode' | 'encode'): void => {
      const whim = isPatient ? 9 : random.below(10);
      if (whim === 0) stream.sendLocalReply({ status: 403, body: 'whim', details: 'whim' });
      else if (whim === 1) stream.resetStream('whim');
      else if (direction === 'decode') stream.continueDecoding(SLOT);
      else stream.continueEncoding(SLOT);
    };
    return state;
  };
  const wait = (timer: Timer): void => {
    if (!timer.isArmed) timer.arm(1 + random.below(300));
  };
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  // Who buffers answers with an error what is larger than the buffer.
  const headers = isPatient
    ? 'stop-all-and-watermark'
    : pick(['stop', 'stop-all-and-buffer', 'stop-all-and-watermark']);
  const data = isPatient ? 'stop-and-watermark' : pick(['stop-and-buffer', 'stop-and-watermark'] as const);
  return {
    decodeHeaders: (stream) => {
      if (random.below(3) > 0) return 'continue';
      wait(stateOf(stream).decode);
      return headers as 'stop';
    },
    decodeData: (stream) => {
      if (random.below(4) > 0) return 'continue';
      wait(stateOf(stream).decode);
      return data;
    },
    encodeHeaders: (stream) => {
      if (random.below(4) > 0) return 'continue';
      wait(stateOf(stream).encode);
      return headers as 'stop';
    },
    encodeData: (stream) => {
      if (random.below(5) > 0) return 'continue';
      wait(stateOf(stream).encode);
      return data;
    },
    onDestroy: (stream) => {
      const state = stream.slot[SLOT] as State | undefined;
      state?.decode.disarm();
      state?.encode.disarm();
    },
  };
}

/** Timers that are armed from now on until `restore`, and still are. */
export function watchTimers(): { armed: () => Timer[]; restore: () => void } {
  const known = new Set<Timer>();
  const { arm } = Timer.prototype;
  Timer.prototype.arm = function (this: Timer, delayMs: number): void {
    known.add(this);
    arm.call(this, delayMs);
  };
  return {
    armed: () => [...known].filter((timer) => timer.isArmed),
    restore: () => {
      Timer.prototype.arm = arm;
    },
  };
}
