// Header mutations compiled: HeaderMutation (one after the other) and HeaderValueOption lists (computed, then set).
import { H, headerName } from '../../../../wire/header-names.ts';
import type { HeaderKey } from '../../../../wire/header-names.ts';
import { type Headers, isSendable } from '../../../../wire/headers.ts';
import type { StringMatcher } from '../../../../base/matcher.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { STRING_MATCHER_FIELDS, decodeStringMatcher, matchedHeaderKey } from '../../../config/matcher.ts';
import type { StringMatcherPb } from '../../../config/matcher.ts';
import { compileFormat } from '../../../formatter/text-formatter.ts';
import type { Formatter } from '../../../formatter/text-formatter.ts';
import type { FormatContext } from '../../../formatter/format-context.ts';
import { addField, isInline } from './inline-headers.ts';
import type { MessageSide } from './inline-headers.ts';

export type AppendActionPb =
  | 'APPEND_IF_EXISTS_OR_ADD'
  | 'ADD_IF_ABSENT'
  | 'OVERWRITE_IF_EXISTS_OR_ADD'
  | 'OVERWRITE_IF_EXISTS';

export type HeaderValueOptionPb = {
  header?: { key?: string; value?: string };
  append?: boolean;
  append_action?: AppendActionPb;
  keep_empty_value?: boolean;
};

export type HeaderMutationPb = {
  append?: HeaderValueOptionPb;
  remove?: string;
  remove_on_match?: { key_matcher?: StringMatcherPb };
};

/** Supported fields of these messages, for the `fields` of a filter; raw_value has no effect in Envoy: refused. */
export const HEADER_VALUE_FIELDS = {
  'envoy.config.core.v3.HeaderValueOption': 'header append append_action keep_empty_value',
  'envoy.config.core.v3.HeaderValue': 'key value',
} as const;
export const HEADER_MUTATION_FIELDS = {
  ...HEADER_VALUE_FIELDS,
  'envoy.config.common.mutation_rules.v3.HeaderMutation': 'remove append remove_on_match',
  'envoy.config.common.mutation_rules.v3.HeaderMutation.RemoveOnMatch': 'key_matcher',
  ...STRING_MATCHER_FIELDS,
} as const;

/** What a mutation does with its field. */
const ADD = 0;
const ADD_IF_ABSENT = 1;
const OVERWRITE_OR_ADD = 2;
const OVERWRITE_IF_EXISTS = 3;
const REMOVE = 4;
const REMOVE_ON_MATCH = 5;

const ACTIONS: Readonly<Record<AppendActionPb, number>> = {
  APPEND_IF_EXISTS_OR_ADD: ADD,
  ADD_IF_ABSENT,
  OVERWRITE_IF_EXISTS_OR_ADD: OVERWRITE_OR_ADD,
  OVERWRITE_IF_EXISTS,
};

/** Header values have nothing where a log has '-'. */
export const MISSING_IS_EMPTY = { omitEmptyValues: true } as const;

/** One operation; all of one shape. */
export type FieldMutation = {
  readonly action: number;
  readonly key: HeaderKey;
  /** The value when it is constant, else null. */
  readonly literal: string | null;
  readonly format: Formatter | null;
  readonly keepEmpty: boolean;
  /** The name is kept once per message of this side. */
  readonly isInline: boolean;
  readonly matcher: StringMatcher | null;
};

export function decodeValueOption(message: HeaderValueOptionPb, side: MessageSide, d: ConfigDecoder): FieldMutation {
  const name = message.header?.key ?? '';
  if (name.startsWith(':') || name.toLowerCase() === 'host') {
    d.at('header').reject('key', ':-prefixed or host headers may not be modified');
  }
  let action = ACTIONS[message.append_action ?? 'APPEND_IF_EXISTS_OR_ADD'];
  if (message.append !== undefined) {
    if (message.append_action !== undefined && message.append_action !== 'APPEND_IF_EXISTS_OR_ADD') {
      d.reject('append', 'both append and append_action are set');
    } else {
      action = message.append ? ADD : OVERWRITE_OR_ADD;
    }
  }
  const key = matchedHeaderKey(name);
  const format = compileFormat(message.header?.value ?? '', d.at('header').at('value'), MISSING_IS_EMPTY);
  return Object.freeze({
    action,
    key,
    literal: format.literal,
    format,
    keepEmpty: message.keep_empty_value ?? false,
    isInline: isInline(key, side),
    matcher: null,
  });
}

export function decodeFieldMutations(
  messages: readonly HeaderMutationPb[] | undefined,
  side: MessageSide,
  d: ConfigDecoder,
  field: string,
): readonly FieldMutation[] {
  const decoded = (messages ?? []).map((message, i) => decodeFieldMutation(message, side, d.at(field, i)));
  return Object.freeze(decoded);
}

function decodeFieldMutation(message: HeaderMutationPb, side: MessageSide, d: ConfigDecoder): FieldMutation {
  if (message.append !== undefined) return decodeValueOption(message.append, side, d.at('append'));
  const common = { literal: null, format: null, keepEmpty: false, isInline: false };
  if (message.remove_on_match !== undefined) {
    const matcher = decodeStringMatcher(
      message.remove_on_match.key_matcher ?? {},
      d.at('remove_on_match').at('key_matcher'),
    );
    return Object.freeze({ ...common, action: REMOVE_ON_MATCH, key: '', matcher });
  }
  return Object.freeze({ ...common, action: REMOVE, key: matchedHeaderKey(message.remove ?? ''), matcher: null });
}

/** Applies mutations one after the other: each sees what those before it did. */
export function applyFieldMutations(
  mutations: readonly FieldMutation[],
  headers: Headers,
  context: FormatContext,
): void {
  for (let i = 0; i < mutations.length; i++) {
    const mutation = mutations[i] as FieldMutation;
    const { action, key } = mutation;
    if (action === REMOVE) {
      headers.remove(key);
    } else if (action === REMOVE_ON_MATCH) {
      removeOnMatch(headers, mutation.matcher as StringMatcher);
    } else {
      const value = mutation.literal ?? (mutation.format as Formatter).format(context);
      if (value === '' && !mutation.keepEmpty) continue;
      if (mutation.literal === null && !isSendable(value)) {
        headers.unsendable = key;
        continue;
      }
      if (action === ADD) addField(headers, key, value, mutation.isInline);
      else if (action === OVERWRITE_OR_ADD) headers.set(key, value);
      else if (headers.has(key) === (action === OVERWRITE_IF_EXISTS)) headers.set(key, value);
    }
  }
}

/** Applies HeaderValueOptions: all values from the headers as they were, then what overwrites, then what adds. */
export function applyValueOptions(options: readonly FieldMutation[], headers: Headers, context: FormatContext): void {
  const toAdd: FieldMutation[] = [];
  const valuesToAdd: string[] = [];
  const toSet: FieldMutation[] = [];
  const valuesToSet: string[] = [];
  for (const option of options) {
    const value = option.literal ?? (option.format as Formatter).format(context);
    if (value === '' && !option.keepEmpty) continue;
    if (option.literal === null && !isSendable(value)) {
      headers.unsendable = option.key;
      continue;
    }
    if (option.action === ADD || (option.action === ADD_IF_ABSENT && !headers.has(option.key))) {
      toAdd.push(option);
      valuesToAdd.push(value);
    } else if (
      option.action === OVERWRITE_OR_ADD ||
      (option.action === OVERWRITE_IF_EXISTS && headers.has(option.key))
    ) {
      toSet.push(option);
      valuesToSet.push(value);
    }
  }
  for (let i = 0; i < toSet.length; i++) headers.set((toSet[i] as FieldMutation).key, valuesToSet[i] as string);
  for (let i = 0; i < toAdd.length; i++) {
    const option = toAdd[i] as FieldMutation;
    addField(headers, option.key, valuesToAdd[i] as string, option.isInline);
  }
}

const PSEUDO_NAMES = [':method', ':path', ':authority', ':scheme', ':status', ':protocol'] as const;

function removeOnMatch(headers: Headers, matcher: StringMatcher): void {
  for (const name of PSEUDO_NAMES) if (matcher.matches(name) && headers.has(H[name])) headers.remove(H[name]);
  headers.removeIf((key) => matcher.matches(headerName(key)));
}
