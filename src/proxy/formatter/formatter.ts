// What a compiled format is.
import type { FormatContext } from './format-context.ts';

/** A compiled format. What it returns holds bytes, one per char code, ready for writing as latin1. */
export type Formatter = {
  format(ctx: FormatContext): string;
  /** The text when it does not depend on anything, else null. */
  readonly literal: string | null;
};
