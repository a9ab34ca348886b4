// Decodes HeaderValueOption messages: headers to add, with formats as their values.
import { type HeaderKey, headerKey } from '../../wire/header-names.ts';
import { inlineRequestHeaders } from '../../wire/inline-headers.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { compileFormat } from '../formatter/text-formatter.ts';
import { type AppendAction, type HeaderAddition, HeaderMutations } from './header-mutation.ts';

export type HeaderOption = {
  readonly header?: { readonly key?: string | undefined; readonly value?: string | undefined } | undefined;
  readonly append?: boolean | undefined;
  readonly append_action?: string | number | undefined;
  readonly keep_empty_value?: boolean | undefined;
};

/** The list of request headers in the field 'headers_to_add' of the message at `d`; null when it adds none. */
export function decodeHeadersToAdd(add: readonly HeaderOption[] | undefined, d: ConfigDecoder): HeaderMutations | null {
  const additions: HeaderAddition[] = [];
  for (const [i, option] of (add ?? []).entries()) {
    const addition = decodeAddition(option, inlineRequestHeaders, d.at('headers_to_add', i));
    if (addition !== null) additions.push(addition);
  }
  return additions.length === 0 ? null : new HeaderMutations([], additions);
}

export function isModifiable(name: string): boolean {
  return !name.startsWith(':') && name.toLowerCase() !== 'host';
}

/** `inline`: headers of which a message has one. Null when it was rejected. */
export function decodeAddition(
  option: HeaderOption,
  inline: ReadonlySet<HeaderKey>,
  d: ConfigDecoder,
): HeaderAddition | null {
  const name = option.header?.key ?? '';
  if (!isModifiable(name)) {
    d.reject('header.key', ':-prefixed or host headers may not be modified');
    return null;
  }
  const hasAction = option.append_action !== undefined && option.append_action !== 'APPEND_IF_EXISTS_OR_ADD';
  if (option.append !== undefined && hasAction) {
    d.reject('', "Both append and append_action are set and it's not allowed");
    return null;
  }
  const action =
    option.append === false ? 'OVERWRITE_IF_EXISTS_OR_ADD' : (option.append_action ?? 'APPEND_IF_EXISTS_OR_ADD');
  const key = headerKey(name);
  const format = compileFormat(option.header?.value ?? '', d.at('header').at('value'), { omitEmptyValues: true });
  return {
    key,
    action: action as AppendAction,
    literal: format.literal,
    format,
    keepEmpty: option.keep_empty_value === true,
    isInline: inline.has(key),
  };
}
