// How many bytes a program holds on to: a walk over everything that can be reached.
import { Box, Coroutine, LuaFunction, LuaTable, Userdata } from './values.ts';

/** Estimates of what V8 needs. */
export const TABLE_BYTES = 120;
export const ENTRY_BYTES = 40;
export const FUNCTION_BYTES = 80;
export const STRING_BYTES = 24;
const COROUTINE_BYTES = 160;
const FRAME_BYTES = 120;
const SLOT_BYTES = 8;

/** `cost`: things visited, as a measure of the time it took. */
export type Live = { readonly bytes: number; readonly cost: number };

export function measureLive(roots: Iterable<unknown>): Live {
  const seen = new Set<object>();
  const waiting: object[] = [];
  let bytes = 0;
  let cost = 0;

  const note = (value: unknown): void => {
    cost++;
    if (typeof value === 'string') {
      // One that is held in two places counts twice: nothing tells it from two strings of the same bytes.
      bytes += STRING_BYTES + value.length;
    } else if (typeof value === 'object' && value !== null && !seen.has(value)) {
      seen.add(value);
      waiting.push(value);
    }
  };

  for (const root of roots) note(root);
  for (let object = waiting.pop(); object !== undefined; object = waiting.pop()) {
    if (object instanceof LuaTable) {
      bytes += TABLE_BYTES + object.size * ENTRY_BYTES;
      for (let place = object.nextPlace(undefined); place >= 0; ) {
        const key = object.keyAt(place);
        note(key);
        note(object.valueAt(place));
        place = object.nextPlace(key);
      }
      note(object.metatable);
    } else if (object instanceof LuaFunction) {
      bytes += FUNCTION_BYTES;
      for (const box of object.upvalues) note(box);
      note(object.env);
    } else if (object instanceof Box) {
      bytes += SLOT_BYTES * 3;
      note(object.value);
    } else if (object instanceof Coroutine) {
      bytes += COROUTINE_BYTES;
      note(object.start);
      for (const frame of object.frames) {
        bytes += FRAME_BYTES + frame.registers.length * SLOT_BYTES;
        note(frame.fn);
        for (const value of frame.registers) note(value);
        for (const value of frame.varargs ?? []) note(value);
        for (const value of frame.open ?? []) note(value);
      }
    } else if (object instanceof Userdata) {
      bytes += TABLE_BYTES;
    }
  }
  return { bytes, cost };
}
