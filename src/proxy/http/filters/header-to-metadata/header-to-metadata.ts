// The header_to_metadata filter (envoy.filters.http.header_to_metadata): header and cookie values as dynamic metadata.
import { decodeBinary } from '../../../../proto/binary-decode.ts';
import { registry } from '../../../../proto/registry.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { parseCookies } from '../../../config/matcher.ts';
import { defineHttpFilter } from '../../filter.ts';
import type { FilterContext, FilterStream, HttpFilter } from '../../filter.ts';
import { decodeRules, type KeyValue, type Rule, type RulePb } from './rules.ts';

const PACKAGE = 'envoy.extensions.filters.http.header_to_metadata.v3';
const TYPE = `${PACKAGE}.Config`;
const VALUE_TYPE = 'google.protobuf.Value';
/** Longer values are left out. Source: Envoy MAX_HEADER_VALUE_LEN. */
const MAX_VALUE_BYTES = 8 * 1024;

const STATS = {
  request_rules_processed: 'counter',
  request_metadata_added: 'counter',
  request_header_not_found: 'counter',
  response_rules_processed: 'counter',
  response_metadata_added: 'counter',
  response_header_not_found: 'counter',
  base64_decode_failed: 'counter',
  header_value_too_long: 'counter',
  regex_substitution_failed: 'counter',
} as const;
type Failure = 'base64_decode_failed' | 'header_value_too_long' | 'regex_substitution_failed';

type ConfigPb = {
  request_rules?: readonly RulePb[];
  response_rules?: readonly RulePb[];
  stat_prefix?: string;
};
type Config = {
  readonly requestRules: readonly Rule[];
  readonly responseRules: readonly Rule[];
  /** '': nothing is counted. */
  readonly statPrefix: string;
};

function decode(message: ConfigPb, d: ConfigDecoder): Config {
  return Object.freeze({
    requestRules: decodeRules(message.request_rules, d, 'request_rules'),
    responseRules: decodeRules(message.response_rules, d, 'response_rules'),
    statPrefix: message.stat_prefix ?? '',
  });
}

function decodeRoute(message: ConfigPb, d: ConfigDecoder): Config {
  const config = decode(message, d);
  if (config.requestRules.length === 0 && config.responseRules.length === 0) {
    const reason = 'Per filter configs must at least specify either request or response rules';
    d.reject('', `header_to_metadata_filter: ${reason}`);
  }
  return config;
}

class HeaderToMetadataFilter implements HttpFilter {
  readonly #config: Config;
  readonly #context: FilterContext;
  readonly #counts = new Map<string, ReturnType<typeof countsOf>>();

  constructor(config: Config, context: FilterContext) {
    this.#config = config;
    this.#context = context;
    this.#countsOf(config);
  }

  decodeHeaders(stream: FilterStream, headers: Headers): 'continue' {
    const config = this.#effective(stream);
    if (config.requestRules.length > 0) this.#apply(config.requestRules, headers, stream, config, 'request');
    return 'continue';
  }

  encodeHeaders(stream: FilterStream, headers: Headers): 'continue' {
    const config = this.#effective(stream);
    if (config.responseRules.length > 0) this.#apply(config.responseRules, headers, stream, config, 'response');
    return 'continue';
  }

  /** The same for both directions, whatever becomes of the route. */
  #effective(stream: FilterStream): Config {
    const { slot } = this.#context;
    const known = stream.slot[slot] as Config | undefined;
    if (known !== undefined) return known;
    const config = (stream.routeConfig(slot) as Config | null) ?? this.#config;
    stream.slot[slot] = config;
    return config;
  }

  #apply(
    rules: readonly Rule[],
    headers: Headers,
    stream: FilterStream,
    config: Config,
    direction: 'request' | 'response',
  ): void {
    const counts = this.#countsOf(config);
    const isRequest = direction === 'request';
    let namespace = '';
    let values: Record<string, unknown> | null = null;
    for (const rule of rules) {
      counts?.inc(isRequest ? counts.i.request_rules_processed : counts.i.response_rules_processed);
      const value = find(rule, headers);
      const target = value === null ? rule.onMissing : rule.onPresent;
      if (target === null) continue;
      if (value === null) {
        counts?.inc(isRequest ? counts.i.request_header_not_found : counts.i.response_header_not_found);
      }
      const made = make(value ?? '', target);
      if (typeof made === 'object' && made !== null && 'failed' in made) {
        if (made.failed !== null) counts?.inc(counts.i[made.failed]);
        continue;
      }
      if (namespace !== target.namespace) {
        if (values !== null) stream.info.setMetadata(namespace, values);
        ({ namespace } = target);
        values = {};
      }
      (values as Record<string, unknown>)[target.key] = made.value;
      counts?.inc(isRequest ? counts.i.request_metadata_added : counts.i.response_metadata_added);
    }
    if (values !== null) stream.info.setMetadata(namespace, values);
  }

  #countsOf({ statPrefix }: Config): ReturnType<typeof countsOf> | null {
    if (statPrefix === '') return null;
    let counts = this.#counts.get(statPrefix);
    if (counts === undefined) {
      counts = countsOf(this.#context, statPrefix);
      this.#counts.set(statPrefix, counts);
    }
    return counts;
  }
}

/** What its first part is in Envoy. */
function countsOf({ stats }: FilterContext, own: string) {
  return stats.scope(`http_filter_name.${own}.`, STATS);
}

/** Null: not there. */
function find({ header, cookie, removes }: Rule, headers: Headers): string | null {
  if (header === null) return parseCookies(headers).get(cookie) || null;
  const value = headers.getAll(header);
  if (value !== undefined && removes) headers.remove(header);
  return value ?? null;
}

type Made = { readonly value: unknown } | { readonly failed: Failure | null };
const ASCII = /^[\x00-\x7f]*$/;
const NOTHING: Made = Object.freeze({ failed: null });

/** The value that is written, or what went wrong; all texts are bytes. */
function make(found: string, target: KeyValue): Made {
  let value = found;
  if (target.value !== '') value = target.value;
  else if (target.rewrite !== null) {
    value = target.rewrite.regex.replaceAll(found, target.rewrite.substitution);
    if (value === '' && found !== '') return { failed: 'regex_substitution_failed' };
  }
  if (value === '') return NOTHING;
  if (value.length >= MAX_VALUE_BYTES) return { failed: 'header_value_too_long' };
  if (target.type === 'STRING' && !target.isBase64) {
    return { value: ASCII.test(value) ? value : Buffer.from(value, 'latin1').toString('utf8') };
  }
  const bytes = target.isBase64 ? fromBase64(value) : Buffer.from(value, 'latin1');
  if (bytes === null) return { failed: 'base64_decode_failed' };
  if (target.type === 'STRING') return { value: bytes.toString('utf8') };
  if (target.type === 'NUMBER') return number(bytes.toString('latin1').trim());
  const type = registry.find(VALUE_TYPE);
  const decoded = type === undefined ? undefined : decodeBinary(type, bytes);
  return decoded === undefined ? NOTHING : { value: decoded };
}

/** What absl::SimpleAtod takes. */
function number(text: string): Made {
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$|^0x[\da-f]+$/i.test(text)) return { value: Number(text) };
  return NOTHING;
}

/** With or without padding; null for what is none, or empty. Source: Envoy Base64::decodeWithoutPadding. */
function fromBase64(text: string): Buffer | null {
  const bare = text.replace(/={1,2}$/, '');
  if (bare.length % 4 === 1 || !/^[A-Za-z0-9+/]+$/.test(bare)) return null;
  const bytes = Buffer.from(bare, 'base64');
  // The bits that are left over of the last digit must be none.
  return bytes.toString('base64').replace(/=+$/, '') === bare ? bytes : null;
}

export const headerToMetadata = defineHttpFilter<Config, Config, ConfigPb, ConfigPb>({
  name: 'envoy.filters.http.header_to_metadata',
  configType: TYPE,
  fields: {
    [TYPE]: 'request_rules response_rules stat_prefix',
    [`${TYPE}.Rule`]: 'header on_header_present on_header_missing remove cookie',
    [`${TYPE}.KeyValuePair`]: 'metadata_namespace key value type encode regex_value_rewrite',
    'envoy.type.matcher.v3.RegexMatchAndSubstitute': 'pattern substitution',
    'envoy.type.matcher.v3.RegexMatcher': 'google_re2 regex',
    'envoy.type.matcher.v3.RegexMatcher.GoogleRE2': 'max_program_size',
  },
  decode,
  decodeRoute,
  create: (config, context) => new HeaderToMetadataFilter(config, context),
});
