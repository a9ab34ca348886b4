// Commands that read metadata and filter state.
import { type FilterStateObject, findFilterState, type Metadata, type StreamInfo } from '../stream-info.ts';
import { asBytes, jsonEscape, jsonText, utf8Bytes } from './byte-text.ts';
import type { FormatContext } from './format-context.ts';
import { type Command, type CommandUse, type Operator, text, truncated } from './operator.ts';

type Source = { readonly get: (info: StreamInfo) => Metadata | null; readonly isConfiguration: boolean };

const DYNAMIC: Source = { get: (info) => info.dynamicMetadata, isConfiguration: false };
const CLUSTER: Source = { get: (info) => info.clusterMetadata, isConfiguration: true };
const UPSTREAM_HOST: Source = { get: (info) => info.upstreamHostMetadata, isConfiguration: true };

/** The types of METADATA(TYPE:namespace:key…). */
const SOURCES: Readonly<Record<string, Source>> = {
  DYNAMIC,
  CLUSTER,
  UPSTREAM_HOST,
  ROUTE: { get: (info) => info.routeMetadata, isConfiguration: true },
  VIRTUAL_HOST: { get: (info) => info.virtualHostMetadata, isConfiguration: true },
  LISTENER: { get: (info) => info.connection.listenerMetadata ?? null, isConfiguration: true },
  LISTENER_FILTER_CHAIN: { get: (info) => info.connection.filterChainMetadata ?? null, isConfiguration: true },
};

/** Commands by name. */
export const METADATA_COMMANDS: Readonly<Record<string, Command>> = {
  DYNAMIC_METADATA: command(DYNAMIC),
  CLUSTER_METADATA: command(CLUSTER),
  UPSTREAM_METADATA: command(UPSTREAM_HOST),
  METADATA: {
    params: 'optional',
    length: true,
    make(use) {
      const colon = use.param.indexOf(':');
      const type = colon < 0 ? use.param : use.param.slice(0, colon);
      const source = SOURCES[type];
      if (source === undefined) {
        use.reject(`${type} is not supported type of metadata`);
        return null;
      }
      return metadataOperator(use, source, colon < 0 ? '' : use.param.slice(colon + 1));
    },
  },
  FILTER_STATE: {
    params: 'optional',
    length: true,
    make: (use) => filterState(use, (info, key) => findFilterState(info, key)),
  },
  UPSTREAM_FILTER_STATE: { params: 'optional', length: true, make: (use) => filterState(use, findShared) },
};

function command(source: Source): Command {
  return { params: 'required', length: true, make: (use) => metadataOperator(use, source, use.param) };
}

/** namespace:key:key…; without keys the whole namespace. */
function metadataOperator(use: CommandUse, source: Source, param: string): Operator {
  const [namespace = '', ...path] = param.split(':');
  const find = (ctx: FormatContext): unknown => {
    let value: unknown = source.get(ctx.info)?.get(namespace);
    for (const key of path) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
      value = (value as Record<string, unknown>)[key];
    }
    return value ?? undefined;
  };
  const { maxLength } = use;
  const encode = source.isConfiguration ? utf8Bytes : asBytes;
  const get = (ctx: FormatContext): string | null => {
    const value = find(ctx);
    if (value === undefined) return null;
    return typeof value === 'string' ? encode(value) : jsonText(value, encode);
  };
  const json = (ctx: FormatContext): string | null => {
    const value = find(ctx);
    if (value === undefined) return null;
    if (typeof value !== 'string') return jsonText(value, encode);
    const bytes = encode(value);
    return `"${jsonEscape(maxLength === null ? bytes : bytes.slice(0, maxLength))}"`;
  };
  return truncated({ type: 'json', get, json }, maxLength);
}

type FindObject = (info: StreamInfo, key: string) => FilterStateObject | undefined;

/** What the upstream connection carries: what its own filters know, and the objects that are shared with it. */
function findShared(info: StreamInfo, key: string): FilterStateObject | undefined {
  if (info.upstreamLocalAddress === null) return undefined;
  const own = info.upstreamFilterState?.get(key);
  if (own !== undefined) return own;
  const object = findFilterState(info, key);
  return object?.sharing === undefined ? undefined : object;
}

/** FILTER_STATE(key:PLAIN|TYPED|FIELD:field). */
function filterState(use: CommandUse, look: FindObject): Operator | null {
  const [key = '', given = '', field = ''] = use.param.split(':');
  if (key === '') {
    use.reject('Invalid filter state configuration, key cannot be empty.');
    return null;
  }
  const type = given === '' ? 'TYPED' : given;
  if (type !== 'PLAIN' && type !== 'TYPED' && type !== 'FIELD') {
    use.reject('Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.');
    return null;
  }
  if ((type === 'FIELD') !== (field !== '')) {
    use.reject('Invalid filter state serialize type, FIELD should be used with the field name.');
    return null;
  }
  const find = (ctx: FormatContext): FilterStateObject | undefined => look(ctx.info, key);
  if (type === 'PLAIN')
    return truncated(
      text((ctx) => {
        const object = find(ctx);
        return object === undefined || object.isOpaque === true ? null : object.value;
      }),
      use.maxLength,
    );
  if (type === 'FIELD') {
    const get = (ctx: FormatContext): string | null => {
      const object = find(ctx);
      const members = object?.fields ?? object?.typed;
      if (typeof members !== 'object' || members === null || !Object.hasOwn(members, field)) return null;
      const value = (members as Record<string, unknown>)[field];
      return typeof value === 'string' ? asBytes(value) : typeof value === 'number' ? String(value) : null;
    };
    return truncated(text(get), use.maxLength);
  }
  const json = (ctx: FormatContext): string | null => {
    const typed = find(ctx)?.typed;
    return typed === undefined || typed === null ? null : jsonText(typed);
  };
  return truncated({ type: 'json', get: json, json }, use.maxLength);
}
