// Custom tags (envoy.type.tracing.v3.CustomTag): named values that a log entry carries besides its own.
import type { CustomTag } from '../../../proto/generated/types.d.ts';
import { headerKey } from '../../../wire/header-names.ts';
import type { ConfigDecoder } from '../../config-decoder.ts';
import type { FormatContext } from '../../formatter/format-context.ts';
import { formatEnvironment } from '../../formatter/operator.ts';
import { compileFormat } from '../../formatter/text-formatter.ts';
import type { Metadata, StreamInfo } from '../../stream-info.ts';
import { textOf } from './utf8.ts';

export const CUSTOM_TAG_FIELDS = {
  'envoy.type.tracing.v3.CustomTag': 'tag literal environment request_header metadata value',
  'envoy.type.tracing.v3.CustomTag.Literal': 'value',
  'envoy.type.tracing.v3.CustomTag.Environment': 'name default_value',
  'envoy.type.tracing.v3.CustomTag.Header': 'name default_value',
  'envoy.type.tracing.v3.CustomTag.Metadata': 'kind metadata_key default_value',
  'envoy.type.metadata.v3.MetadataKind': 'request route cluster host',
  'envoy.type.metadata.v3.MetadataKind.Request': '',
  'envoy.type.metadata.v3.MetadataKind.Route': '',
  'envoy.type.metadata.v3.MetadataKind.Cluster': '',
  'envoy.type.metadata.v3.MetadataKind.Host': '',
  'envoy.type.metadata.v3.MetadataKey': 'key path',
  'envoy.type.metadata.v3.MetadataKey.PathSegment': 'key',
} as const;

/** '' stands for no value: then there is no tag. */
export type CustomTagValue = { readonly tag: string; readonly value: (ctx: FormatContext) => string };

export function decodeCustomTags(messages: readonly CustomTag[], d: ConfigDecoder, field: string): CustomTagValue[] {
  const tags: CustomTagValue[] = [];
  for (const [i, message] of messages.entries()) {
    const at = d.at(field, i);
    const value = decodeValue(message, at);
    if (value === null) at.reject('', 'has no value');
    else tags.push({ tag: message.tag ?? '', value });
  }
  return tags;
}

function decodeValue(message: CustomTag, d: ConfigDecoder): CustomTagValue['value'] | null {
  const { literal, environment, request_header: header, metadata, value } = message;
  if (literal !== undefined) return () => literal.value ?? '';
  if (environment !== undefined) {
    const text = formatEnvironment(d).variables[environment.name ?? ''] ?? environment.default_value ?? '';
    return () => text;
  }
  if (header !== undefined) {
    const key = headerKey(header.name ?? '');
    const fallback = header.default_value ?? '';
    return ({ requestHeaders }) => {
      const found = requestHeaders?.get(key);
      return found === undefined ? fallback : textOf(found);
    };
  }
  if (metadata !== undefined) return metadataValue(metadata);
  if (value === undefined) return null;
  const format = compileFormat(value, d.at('value'), { omitEmptyValues: true });
  return (ctx) => textOf(format.format(ctx));
}

/** Source: Envoy MetadataCustomTag. */
function metadataValue({ kind, metadata_key: at, default_value: fallback = '' }: NonNullable<CustomTag['metadata']>) {
  const path = (at?.path ?? []).map(({ key }) => key ?? '');
  const namespace = at?.key ?? '';
  const find = sourceOf(kind);
  return ({ info }: FormatContext): string => {
    let value: unknown = find(info)?.get(namespace);
    for (const key of path) {
      value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
    }
    if (typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    if (typeof value === 'object' && value !== null) return JSON.stringify(value);
    return fallback;
  };
}

function sourceOf(kind: NonNullable<CustomTag['metadata']>['kind']): (info: StreamInfo) => Metadata | null {
  if (kind?.route !== undefined) return (info) => info.routeMetadata;
  if (kind?.cluster !== undefined) return (info) => info.clusterMetadata;
  if (kind?.host !== undefined) return (info) => info.upstreamHostMetadata;
  return (info) => info.dynamicMetadata;
}
