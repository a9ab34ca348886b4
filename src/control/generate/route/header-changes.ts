// Headers that rules set, add and remove; what they say of the authority is a rewrite of the host.
import type { MessageTypes } from '../../../proto/generated/types.d.ts';
import type { HeaderRules } from '../../model/route.ts';

type HeaderValueOption = MessageTypes['envoy.config.core.v3.HeaderValueOption'];

export type HeaderFields = {
  request_headers_to_add?: HeaderValueOption[];
  request_headers_to_remove?: string[];
  response_headers_to_add?: HeaderValueOption[];
  response_headers_to_remove?: string[];
};

/** Only the fields that say something. */
export function headerFields(rules: HeaderRules): HeaderFields {
  const { request, response } = rules;
  return nonEmpty({
    request_headers_to_add: [...options(request.set, true), ...options(request.add, false)],
    request_headers_to_remove: request.remove.filter((name) => !isInternal(name)),
    response_headers_to_add: [...options(response.set, true), ...options(response.add, false)],
    response_headers_to_remove: response.remove.filter((name) => !isInternal(name)),
  });
}

/** One after the other. */
export function joinHeaderFields(first: HeaderFields, second: HeaderFields): HeaderFields {
  return nonEmpty({
    request_headers_to_add: [...(first.request_headers_to_add ?? []), ...(second.request_headers_to_add ?? [])],
    request_headers_to_remove: [
      ...(first.request_headers_to_remove ?? []),
      ...(second.request_headers_to_remove ?? []),
    ],
    response_headers_to_add: [...(first.response_headers_to_add ?? []), ...(second.response_headers_to_add ?? [])],
    response_headers_to_remove: [
      ...(first.response_headers_to_remove ?? []),
      ...(second.response_headers_to_remove ?? []),
    ],
  });
}

/** The authority that the rules set ('' for none); one that is set goes before one that is added. */
export function authorityOf({ request }: HeaderRules): string {
  const find = (pairs: HeaderRules['request']['set']): string =>
    pairs.findLast(([name]) => /^(:authority|host)$/i.test(name))?.[1] ?? '';
  return find(request.set) || find(request.add);
}

function options(pairs: HeaderRules['request']['set'], isSet: boolean): HeaderValueOption[] {
  return pairs
    .filter(([name]) => !isInternal(name))
    .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, value]) => ({
      header: { key, value },
      append_action: isSet ? 'OVERWRITE_IF_EXISTS_OR_ADD' : 'APPEND_IF_EXISTS_OR_ADD',
    }));
}

/** Envoy changes these by no header rule. */
function isInternal(name: string): boolean {
  return name.startsWith(':') || name.toLowerCase() === 'host';
}

function nonEmpty(fields: Required<HeaderFields>): HeaderFields {
  return Object.fromEntries(Object.entries(fields).filter(([, list]) => list.length > 0));
}
