// Decodes header mutations: headers to add and to remove at one level.
import { type HeaderKey, headerKey } from '../../wire/header-names.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { compileFormat } from '../formatter/text-formatter.ts';
import { type AppendAction, type HeaderAddition, HeaderMutations } from '../route/header-mutation.ts';
import { inlineRequestHeaders, inlineResponseHeaders } from '../../wire/inline-headers.ts';
import type { HeaderValueOptionPb, MutationsPb } from './route-messages.ts';

/** Mutations of one level; null where it has none. */
export type LevelMutations = { readonly request: HeaderMutations | null; readonly response: HeaderMutations | null };

export function decodeLevelMutations(message: MutationsPb, d: ConfigDecoder): LevelMutations {
  return {
    request: decodeMutations(message.request_headers_to_add, message.request_headers_to_remove, 'request', d),
    response: decodeMutations(message.response_headers_to_add, message.response_headers_to_remove, 'response', d),
  };
}

function decodeMutations(
  add: readonly HeaderValueOptionPb[] | undefined,
  remove: readonly string[] | undefined,
  direction: 'request' | 'response',
  d: ConfigDecoder,
): HeaderMutations | null {
  if (add === undefined && remove === undefined) return null;
  const inline = direction === 'request' ? inlineRequestHeaders : inlineResponseHeaders;
  const removed: HeaderKey[] = [];
  for (const [i, name] of (remove ?? []).entries()) {
    if (isModifiable(name)) removed.push(headerKey(name));
    else d.at(`${direction}_headers_to_remove`, i).reject('', ':-prefixed or host headers may not be removed');
  }
  const additions: HeaderAddition[] = [];
  for (const [i, option] of (add ?? []).entries()) {
    const addition = decodeAddition(option, inline, d.at(`${direction}_headers_to_add`, i));
    if (addition !== null) additions.push(addition);
  }
  const mutations = new HeaderMutations(removed, additions);
  return mutations.isEmpty ? null : mutations;
}

/** A list of request headers to add, in the field 'headers_to_add'; null when it adds none. */
export function decodeHeadersToAdd(
  add: readonly HeaderValueOptionPb[] | undefined,
  d: ConfigDecoder,
): HeaderMutations | null {
  const additions = (add ?? [])
    .map((option, i) => decodeAddition(option, inlineRequestHeaders, d.at('headers_to_add', i)))
    .filter((addition) => addition !== null);
  return additions.length === 0 ? null : new HeaderMutations([], additions);
}

function isModifiable(name: string): boolean {
  return !name.startsWith(':') && name.toLowerCase() !== 'host';
}

function decodeAddition(
  option: HeaderValueOptionPb,
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
