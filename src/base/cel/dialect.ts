// What an expression may use where it stands: functions, macros, the form of text, limits, and where names come from.
import type { Result, Value } from './values.ts';

/** What a function does. Errors never reach it; what it throws as an EvaluationError becomes one. */
export type Apply = (...args: Value[]) => Result;

/** A function with how many arguments it takes; a method counts what it is called on. */
export type Overload = readonly [min: number, max: number, apply: Apply];

/** Methods have a dot before their name and get what they are called on first. */
export type Functions = Readonly<Record<string, Overload>>;

/** How text is held: as JavaScript has it, or as the bytes of its UTF-8, one per char code, as messages have it. */
export type TextForm = {
  readonly literal: (text: string) => string;
  readonly points: (text: string) => readonly string[];
  readonly toBytes: (text: string) => Uint8Array;
  /** Null: the bytes are no UTF-8. */
  readonly fromBytes: (bytes: Uint8Array) => string | null;
  /** As matchers of regular expressions want it: bytes, one per char code. */
  readonly searched: (text: string) => string;
  /** What those found, as text again. */
  readonly found: (bytes: string) => string;
};

export type Macro = 'all' | 'exists' | 'exists_one' | 'map' | 'filter' | 'bind' | 'optMap' | 'optFlatMap';

export type Dialect<S> = {
  readonly functions: ReadonlyMap<string, Overload>;
  readonly macros: ReadonlySet<Macro>;
  readonly text: TextForm;
  /** Why a macro that is not among them is refused. */
  readonly macroRefusal: string;
  readonly hasOptionals: boolean;
  /** `has` takes a null for nothing, as the API server does. */
  readonly isNullNothing: boolean;
  /** The largest program that a regular expression may be; null for none. */
  readonly maxProgramSize: number | null;
  /** Steps that one evaluation may take. */
  readonly maxSteps: number;
  /** How a field is written where the language cannot have its name. */
  readonly fieldName?: (field: string) => string;
  /**
   * What reads the value of this very path of names, which begins with no variable; undefined from it: it is not there.
   * Null: nothing is known of the path; when that is a single name, to evaluate it is an error. Absent: such a name is
   * refused.
   */
  readonly attribute?: (path: readonly string[]) => ((source: S) => Value | undefined) | null;
};
