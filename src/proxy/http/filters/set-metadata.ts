// The set_metadata filter (envoy.filters.http.set_metadata): writes what the configuration says as dynamic metadata.
import type { ScopeOf } from '../../../telemetry/metrics.ts';
import type { ConfigDecoder } from '../../config-decoder.ts';
import type { StreamInfo } from '../../stream-info.ts';
import { defineHttpFilter } from '../filter.ts';
import type { FilterContext, FilterStream, HttpFilter } from '../filter.ts';

const PACKAGE = 'envoy.extensions.filters.http.set_metadata.v3';
const STATS = { overwrite_denied: 'counter' } as const;

type Struct = Readonly<Record<string, unknown>>;
type EntryPb = { metadata_namespace?: string; allow_overwrite?: boolean; value?: Struct; typed_value?: unknown };
type ConfigPb = { metadata_namespace?: string; value?: Struct; metadata?: readonly EntryPb[] };
type Counts = ScopeOf<typeof STATS>;
type Entry = { readonly namespace: string; readonly value: Struct; readonly allowsOverwrite: boolean };

function decode(message: ConfigPb, d: ConfigDecoder): readonly Entry[] {
  const entries: Entry[] = [];
  const { metadata_namespace: namespace = '', value } = message;
  if (value !== undefined && namespace !== '') entries.push({ namespace, value, allowsOverwrite: true });
  for (const [i, entry] of (message.metadata ?? []).entries()) {
    if (entry.value !== undefined && entry.typed_value !== undefined) {
      d.at('metadata', i).reject('', 'only one of value and typed_value can be set');
    }
    if (entry.value === undefined) continue;
    entries.push({
      namespace: entry.metadata_namespace ?? '',
      value: entry.value,
      allowsOverwrite: entry.allow_overwrite ?? false,
    });
  }
  return Object.freeze(entries);
}

/** What the chain says is written first, and then what the most specific route says. */
class SetMetadataFilter implements HttpFilter {
  readonly #entries: readonly Entry[];
  readonly #context: FilterContext;
  readonly #counts: Counts;
  /** Those of routes, which belong to no connection manager. */
  #routeCounts: Counts | null = null;

  constructor(entries: readonly Entry[], context: FilterContext) {
    this.#entries = entries;
    this.#context = context;
    this.#counts = context.stats.scope(`${context.statPrefix}set_metadata.`, STATS);
  }

  decodeHeaders(stream: FilterStream): 'continue' {
    const { slot, stats } = this.#context;
    write(stream.info, this.#entries, this.#counts);
    const own = stream.routeConfig(slot) as readonly Entry[] | null;
    if (own === null) return 'continue';
    this.#routeCounts ??= stats.scope('set_metadata.', STATS);
    write(stream.info, own, this.#routeCounts);
    return 'continue';
  }
}

function write(info: StreamInfo, entries: readonly Entry[], counts: Counts): void {
  for (const { namespace, value, allowsOverwrite } of entries) {
    const old = info.dynamicMetadata?.get(namespace);
    if (old === undefined) info.setMetadata(namespace, value);
    else if (allowsOverwrite) info.setMetadata(namespace, merged(old, value));
    else counts.inc(counts.i.overwrite_denied);
  }
}

/** The later wins, but structs are merged and lists get longer. Source: Envoy StructUtil::update. */
function merged(old: Struct, value: Struct): Record<string, unknown> {
  const result: Record<string, unknown> = { ...old };
  for (const [key, one] of Object.entries(value)) {
    const before = result[key];
    if (Array.isArray(one) && Array.isArray(before)) result[key] = [...before, ...one];
    else if (isStruct(one) && isStruct(before)) result[key] = merged(before, one);
    else result[key] = one;
  }
  return result;
}

function isStruct(value: unknown): value is Struct {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const setMetadata = defineHttpFilter<readonly Entry[], readonly Entry[], ConfigPb, ConfigPb>({
  name: 'envoy.filters.http.set_metadata',
  configType: `${PACKAGE}.Config`,
  fields: {
    [`${PACKAGE}.Config`]: 'metadata_namespace value metadata',
    [`${PACKAGE}.Metadata`]: 'metadata_namespace allow_overwrite value',
  },
  decode,
  decodeRoute: decode,
  create: (entries, context) => new SetMetadataFilter(entries, context),
});
