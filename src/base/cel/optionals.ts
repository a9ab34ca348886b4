// The library of values that may not be there.
import type { Functions, Overload } from './dialect.ts';
import {
  CelError,
  isMap,
  noOverload,
  NONE,
  numberKind,
  asNumber,
  Optional,
  type Result,
  sizeOfMap,
  type Value,
} from './values.ts';

export const OPTIONAL_FUNCTIONS: Functions = {
  'optional.none': [0, 0, () => NONE],
  'optional.of': [1, 1, (value = null) => new Optional(value)],
  'optional.ofNonZeroValue': [1, 1, (value = null) => (isZero(value) ? NONE : new Optional(value))],
  '.hasValue': optional('hasValue', 1, ({ value }) => value !== undefined),
  '.value': optional('value', 1, ({ value }) =>
    value === undefined ? new CelError('optional.none() dereference') : value,
  ),
  '.orValue': optional('orValue', 2, ({ value }, other) => (value === undefined ? other : value)),
  '.or': optional('or', 2, (value, other) => (value.value === undefined ? other : value)),
};

function optional(name: string, size: number, apply: (value: Optional, arg: Value) => Result): Overload {
  return [
    size,
    size,
    (value = null, arg = null) => (value instanceof Optional ? apply(value, arg) : noOverload(name, value)),
  ];
}

function isZero(value: Value): boolean {
  if (value === null || value === false || value === '') return true;
  if (numberKind(value) !== null) return asNumber(value) === 0;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  return isMap(value) && sizeOfMap(value) === 0;
}
