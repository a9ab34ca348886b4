// Header mutations of one level (route configuration, virtual host, route, weighted cluster), compiled.
import type { HeaderKey } from '../../wire/header-names.ts';
import { type Headers, isSendable } from '../../wire/headers.ts';
import { type FormatContext, withResponse } from '../formatter/format-context.ts';

export type AppendAction =
  | 'APPEND_IF_EXISTS_OR_ADD'
  | 'ADD_IF_ABSENT'
  | 'OVERWRITE_IF_EXISTS_OR_ADD'
  | 'OVERWRITE_IF_EXISTS';

export type HeaderAddition = {
  readonly key: HeaderKey;
  readonly action: AppendAction;
  /** The value when it is constant, else null. */
  readonly literal: string | null;
  readonly format: { format(ctx: FormatContext): string };
  readonly keepEmpty: boolean;
  /** Envoy keeps one value of this header: a further one is joined to it. */
  readonly isInline: boolean;
};

/**
 * Removes first; then computes all values from the headers as they are; then overwrites; then adds.
 * Source: Envoy HeaderParser::evaluateHeaders.
 */
export class HeaderMutations {
  readonly #remove: readonly HeaderKey[];
  readonly #add: readonly HeaderAddition[];
  /** All additions are constants that are appended or set whatever is there: nothing needs to be computed first. */
  readonly #isSimple: boolean;

  constructor(remove: readonly HeaderKey[], add: readonly HeaderAddition[]) {
    this.#remove = remove;
    // A constant that is empty and not kept adds nothing.
    const effective = add.filter((addition) => addition.literal !== '' || addition.keepEmpty);
    const isOverwrite = (addition: HeaderAddition): boolean => addition.action === 'OVERWRITE_IF_EXISTS_OR_ADD';
    this.#isSimple = effective.every(
      (addition) =>
        addition.literal !== null && (isOverwrite(addition) || addition.action === 'APPEND_IF_EXISTS_OR_ADD'),
    );
    // Overwriting comes before adding.
    this.#add = this.#isSimple
      ? [...effective].sort((a, b) => Number(isOverwrite(b)) - Number(isOverwrite(a)))
      : effective;
  }

  get isEmpty(): boolean {
    return this.#remove.length === 0 && this.#add.length === 0;
  }

  /** The same of a response that is not yet the stream's: formats see its headers. */
  applyToResponse(headers: Headers, ctx: FormatContext): void {
    const sees = this.#isSimple || ctx.responseHeaders !== null;
    this.apply(headers, sees ? ctx : withResponse(ctx, headers));
  }

  apply(headers: Headers, ctx: FormatContext): void {
    const remove = this.#remove;
    for (let i = 0; i < remove.length; i++) headers.remove(remove[i] as HeaderKey);
    if (!this.#isSimple) {
      this.#applyComputed(headers, ctx);
      return;
    }
    const add = this.#add;
    for (let i = 0; i < add.length; i++) {
      const addition = add[i] as HeaderAddition;
      if (addition.action === 'OVERWRITE_IF_EXISTS_OR_ADD') headers.set(addition.key, addition.literal as string);
      else append(headers, addition, addition.literal as string);
    }
  }

  #applyComputed(headers: Headers, ctx: FormatContext): void {
    const add = this.#add;
    const values: (string | null)[] = [];
    for (let i = 0; i < add.length; i++) {
      const addition = add[i] as HeaderAddition;
      const value = addition.literal ?? addition.format.format(ctx);
      const { action } = addition;
      if (addition.literal === null && !isSendable(value)) {
        headers.unsendable = addition.key;
        values.push(null);
        continue;
      }
      const applies =
        (value !== '' || addition.keepEmpty) &&
        (action === 'ADD_IF_ABSENT'
          ? !headers.has(addition.key)
          : action !== 'OVERWRITE_IF_EXISTS' || headers.has(addition.key));
      values.push(applies ? value : null);
    }
    for (let i = 0; i < add.length; i++) {
      const addition = add[i] as HeaderAddition;
      const value = values[i] as string | null;
      if (value === null || !addition.action.startsWith('OVERWRITE')) continue;
      headers.set(addition.key, value);
      values[i] = null;
    }
    for (let i = 0; i < add.length; i++) {
      const value = values[i] as string | null;
      if (value !== null) append(headers, add[i] as HeaderAddition, value);
    }
  }
}

function append(headers: Headers, addition: HeaderAddition, value: string): void {
  if (addition.isInline) headers.appendValue(addition.key, value);
  else headers.add(addition.key, value);
}
