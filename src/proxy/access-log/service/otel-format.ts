// Bodies and attributes of OpenTelemetry log records: values whose texts are formats, compiled.
import type {
  Opentelemetry_AnyValue as AnyValue,
  Opentelemetry_KeyValue as KeyValue,
  Opentelemetry_KeyValueList as KeyValueList,
} from '../../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../../config-decoder.ts';
import type { FormatContext } from '../../formatter/format-context.ts';
import type { FormatOptions } from '../../formatter/parse-format.ts';
import { compileFormat } from '../../formatter/text-formatter.ts';
import { textOf } from './utf8.ts';

export type OtelFormat<T> = (ctx: FormatContext) => T;

/** Source: Envoy OpenTelemetryFormatter. */
const UNSUPPORTED =
  'Only string values, nested key value lists and array values are supported in OpenTelemetry access log format.';
/** Lists inside each other. */
const MAX_DEPTH = 32;

export function compileOtelList(
  { values = [] }: KeyValueList,
  d: ConfigDecoder,
  options: FormatOptions,
  depth = 0,
): OtelFormat<KeyValue[]> {
  const members = values.map(({ key = '', value = {} }, i) => {
    return { key, format: compileOtelValue(value, d.at('values', i).at('value'), options, depth + 1) };
  });
  return (ctx) => members.map(({ key, format }) => ({ key, value: format(ctx) }));
}

export function compileOtelValue(
  value: AnyValue,
  d: ConfigDecoder,
  options: FormatOptions,
  depth = 0,
): OtelFormat<AnyValue> {
  if (depth > MAX_DEPTH) d.reject('', `more than ${MAX_DEPTH} lists inside each other`);
  else if (value.string_value !== undefined) {
    const format = compileFormat(value.string_value, d.at('string_value'), options);
    const { literal } = format;
    if (literal !== null) {
      const constant = { string_value: textOf(literal) };
      return () => constant;
    }
    return (ctx) => ({ string_value: textOf(format.format(ctx)) });
  } else if (value.kvlist_value !== undefined) {
    const list = compileOtelList(value.kvlist_value, d.at('kvlist_value'), options, depth);
    return (ctx) => ({ kvlist_value: { values: list(ctx) } });
  } else if (value.array_value !== undefined) {
    const at = d.at('array_value');
    const items = (value.array_value.values ?? []).map((item, i) =>
      compileOtelValue(item, at.at('values', i), options, depth + 1),
    );
    return (ctx) => ({ array_value: { values: items.map((item) => item(ctx)) } });
  } else d.reject('', UNSUPPORTED);
  return () => ({});
}
