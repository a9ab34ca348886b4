// Lists of envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue: objects that filters write.
import type { SubstitutionFormatString } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { FormatContext } from '../formatter/format-context.ts';
import type { Formatter } from '../formatter/formatter.ts';
import { SUBSTITUTION_FORMAT_FIELDS, decodeSubstitutionFormat } from '../formatter/substitution-format.ts';
import type { FilterStateObject } from '../stream-info.ts';
import { OBJECT_KINDS, type ObjectKind } from './object-kinds.ts';

export const FILTER_STATE_VALUE_FIELDS = {
  'envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue':
    'object_key factory_key format_string read_only shared_with_upstream skip_if_empty',
  ...SUBSTITUTION_FORMAT_FIELDS,
} as const;

export type FilterStateValuePb = {
  object_key?: string;
  factory_key?: string;
  format_string?: SubstitutionFormatString;
  read_only?: boolean;
  shared_with_upstream?: string;
  skip_if_empty?: boolean;
};

/** One object to be written. */
export type FilterStateValue = {
  readonly key: string;
  readonly kind: ObjectKind;
  readonly format: Formatter;
  readonly isReadOnly: boolean;
  readonly sharing: 'once' | 'transitive' | null;
  readonly skipsEmpty: boolean;
};

/** `d` is at the message with the list, `field` is the list's name. */
export function decodeFilterStateValues(
  messages: readonly FilterStateValuePb[] | undefined,
  d: ConfigDecoder,
  field: string,
): readonly FilterStateValue[] {
  const values: FilterStateValue[] = [];
  for (const [i, message] of (messages ?? []).entries()) {
    const value = decodeValue(message, d.at(field, i));
    if (value !== null) values.push(value);
  }
  return Object.freeze(values);
}

function decodeValue(message: FilterStateValuePb, d: ConfigDecoder): FilterStateValue | null {
  const { object_key: key = '', shared_with_upstream: sharing } = message;
  const kind = OBJECT_KINDS.get(message.factory_key || key);
  if (kind === undefined) d.reject('', `'${key}' does not have an object factory`);
  const format = decodeSubstitutionFormat(message.format_string ?? {}, d.at('format_string'));
  if (kind === undefined || format === null) return null;
  return Object.freeze({
    key,
    kind,
    format,
    isReadOnly: message.read_only ?? false,
    sharing: sharing === 'ONCE' ? 'once' : sharing === 'TRANSITIVE' ? 'transitive' : null,
    skipsEmpty: message.skip_if_empty ?? false,
  });
}

/**
 * Writes the objects in their order, so that a later one may read an earlier one. Text that is no object of its kind
 * changes nothing. A read-only object is overwritten all the same: in Envoy 1.40 the mark has no effect here.
 */
export function writeFilterState(
  values: readonly FilterStateValue[],
  ctx: FormatContext,
  lifeSpan: FilterStateObject['lifeSpan'],
): void {
  const { info } = ctx;
  for (const { key, kind, format, isReadOnly, sharing, skipsEmpty } of values) {
    const bytes = format.format(ctx);
    if (skipsEmpty && bytes === '') continue;
    const made = kind(bytes);
    if (made === null) continue;
    info.filterState ??= new Map();
    info.filterState.set(key, { ...made, isReadOnly, lifeSpan, ...(sharing === null ? undefined : { sharing }) });
  }
}
