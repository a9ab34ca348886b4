// Decodes header mutations: headers to add and to remove at one level.
import { type HeaderKey, headerKey } from '../../wire/header-names.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { decodeAddition, isModifiable } from '../route/header-additions.ts';
import { type HeaderAddition, HeaderMutations } from '../route/header-mutation.ts';
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
