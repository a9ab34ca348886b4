// The header_mutation filter (envoy.filters.http.header_mutation): changes headers, trailers and query parameters.
import type { Headers } from '../../../../wire/headers.ts';
import { bytesOf } from '../../../../base/matcher-text.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import type { TypedExtensionConfig } from '../../../../proto/generated/types.d.ts';
import { FORMATTER_EXTENSION_FIELDS, withFormatters } from '../../../formatter/substitution-format.ts';
import { compileFormat } from '../../../formatter/text-formatter.ts';
import type { Formatter } from '../../../formatter/text-formatter.ts';
import { defineHttpFilter } from '../../filter.ts';
import type { FilterContext, FilterStream, HeadersStatus, HttpFilter, TrailersStatus } from '../../filter.ts';
import {
  HEADER_MUTATION_FIELDS,
  MISSING_IS_EMPTY,
  applyFieldMutations,
  decodeFieldMutations,
} from './field-mutations.ts';
import type { FieldMutation, HeaderMutationPb } from './field-mutations.ts';
import { addParameter, parseQuery, percentEncode, withQuery } from './query-mutations.ts';
import type { QueryParameters } from './query-mutations.ts';

const PACKAGE = 'envoy.extensions.filters.http.header_mutation.v3';

type KeyValueMutationPb = {
  append?: {
    record?: { key?: string; value?: unknown };
    action?: 'APPEND_IF_EXISTS_OR_ADD' | 'ADD_IF_ABSENT' | 'OVERWRITE_IF_EXISTS_OR_ADD' | 'OVERWRITE_IF_EXISTS';
  };
  remove?: string;
};

type MutationsPb = {
  request_mutations?: readonly HeaderMutationPb[];
  query_parameter_mutations?: readonly KeyValueMutationPb[];
  response_mutations?: readonly HeaderMutationPb[];
  response_trailers_mutations?: readonly HeaderMutationPb[];
  request_trailers_mutations?: readonly HeaderMutationPb[];
  formatters?: readonly TypedExtensionConfig[];
};

type HeaderMutationConfigPb = { mutations?: MutationsPb; most_specific_header_mutations_wins?: boolean };

type QueryMutation = {
  readonly name: string;
  /** Null: removes. */
  readonly format: Formatter | null;
  readonly action: string;
};

type Mutations = {
  readonly request: readonly FieldMutation[];
  readonly query: readonly QueryMutation[];
  readonly response: readonly FieldMutation[];
  readonly responseTrailers: readonly FieldMutation[];
  readonly requestTrailers: readonly FieldMutation[];
};

type HeaderMutationConfig = { readonly mutations: Mutations; readonly mostSpecificWins: boolean };

function decodeMutations(message: MutationsPb | undefined, above: ConfigDecoder): Mutations {
  const d = withFormatters(message?.formatters, above);
  const query = (message?.query_parameter_mutations ?? []).map((mutation, i) =>
    decodeQueryMutation(mutation, d.at('query_parameter_mutations', i)),
  );
  return Object.freeze({
    request: decodeFieldMutations(message?.request_mutations, 'request', d, 'request_mutations'),
    query: Object.freeze(query),
    response: decodeFieldMutations(message?.response_mutations, 'response', d, 'response_mutations'),
    responseTrailers: decodeFieldMutations(
      message?.response_trailers_mutations,
      'response-trailers',
      d,
      'response_trailers_mutations',
    ),
    requestTrailers: decodeFieldMutations(
      message?.request_trailers_mutations,
      'request-trailers',
      d,
      'request_trailers_mutations',
    ),
  });
}

function decodeQueryMutation(message: KeyValueMutationPb, d: ConfigDecoder): QueryMutation {
  const { append, remove = '' } = message;
  if (append !== undefined && remove !== '') d.reject('', 'only one of append and remove can be set');
  if (append === undefined) {
    if (remove === '') d.reject('', 'append or remove must be set');
    return Object.freeze({ name: bytesOf(remove), format: null, action: '' });
  }
  const value = append.record?.value;
  if (append.record === undefined) d.at('append').reject('record', 'must be set');
  else if (typeof value !== 'string') d.at('append').at('record').reject('value', 'only a string is allowed');
  const at = d.at('append').at('record').at('value');
  const format = compileFormat(typeof value === 'string' ? value : '', at, MISSING_IS_EMPTY);
  return Object.freeze({
    name: bytesOf(append.record?.key ?? ''),
    format,
    action: append.action ?? 'APPEND_IF_EXISTS_OR_ADD',
  });
}

function mutateRequest(mutations: Mutations, headers: Headers, stream: FilterStream): void {
  applyFieldMutations(mutations.request, headers, stream);
  if (mutations.query.length > 0 && headers.path !== '') mutateQuery(mutations.query, headers, stream);
}

function mutateQuery(mutations: readonly QueryMutation[], headers: Headers, stream: FilterStream): void {
  const parameters: QueryParameters = parseQuery(headers.path);
  for (const { name, format, action } of mutations) {
    if (format === null) {
      parameters.delete(name);
      continue;
    }
    const value = percentEncode(format.format(stream));
    if (action === 'APPEND_IF_EXISTS_OR_ADD') addParameter(parameters, name, value);
    else if (action === 'OVERWRITE_IF_EXISTS_OR_ADD') parameters.set(name, [value]);
    else if (parameters.has(name) === (action === 'OVERWRITE_IF_EXISTS')) parameters.set(name, [value]);
  }
  headers.path = withQuery(headers.path, parameters);
}

/** The levels' part of one phase, in the order in which they apply: the chain's own mutations come before them. */
class HeaderMutationFilter implements HttpFilter {
  readonly #mutations: Mutations;
  readonly #mostSpecificWins: boolean;
  readonly #slot: number;

  constructor(config: HeaderMutationConfig, context: FilterContext) {
    this.#mutations = config.mutations;
    this.#mostSpecificWins = config.mostSpecificWins;
    this.#slot = context.slot;
  }

  decodeHeaders(stream: FilterStream, headers: Headers): HeadersStatus {
    // The levels are fixed before anything changes: a mutation must not choose another route's mutations.
    const levels = this.#levels(stream);
    mutateRequest(this.#mutations, headers, stream);
    for (let i = 0; i < levels.length; i++) mutateRequest(this.#at(levels, i), headers, stream);
    return 'continue';
  }

  encodeHeaders(stream: FilterStream, headers: Headers): HeadersStatus {
    applyFieldMutations(this.#mutations.response, headers, stream);
    const levels = this.#levels(stream);
    for (let i = 0; i < levels.length; i++) applyFieldMutations(this.#at(levels, i).response, headers, stream);
    return 'continue';
  }

  decodeTrailers(stream: FilterStream, trailers: Headers): TrailersStatus {
    applyFieldMutations(this.#mutations.requestTrailers, trailers, stream);
    const levels = this.#levels(stream);
    for (let i = 0; i < levels.length; i++) applyFieldMutations(this.#at(levels, i).requestTrailers, trailers, stream);
    return 'continue';
  }

  encodeTrailers(stream: FilterStream, trailers: Headers): TrailersStatus {
    applyFieldMutations(this.#mutations.responseTrailers, trailers, stream);
    const levels = this.#levels(stream);
    for (let i = 0; i < levels.length; i++) applyFieldMutations(this.#at(levels, i).responseTrailers, trailers, stream);
    return 'continue';
  }

  /** The routes' levels, the least specific first; the same ones for all phases of a stream. */
  #levels(stream: FilterStream): readonly Mutations[] {
    const known = stream.slot[this.#slot] as readonly Mutations[] | undefined;
    if (known !== undefined) return known;
    const levels = stream.routeConfigs(this.#slot) as readonly Mutations[];
    stream.slot[this.#slot] = levels;
    return levels;
  }

  #at(levels: readonly Mutations[], i: number): Mutations {
    return levels[this.#mostSpecificWins ? i : levels.length - 1 - i] as Mutations;
  }
}

export const headerMutation = defineHttpFilter({
  name: 'envoy.filters.http.header_mutation',
  configType: `${PACKAGE}.HeaderMutation`,
  routeConfigType: `${PACKAGE}.HeaderMutationPerRoute`,
  fields: {
    [`${PACKAGE}.HeaderMutation`]: 'mutations most_specific_header_mutations_wins',
    [`${PACKAGE}.HeaderMutationPerRoute`]: 'mutations',
    [`${PACKAGE}.Mutations`]:
      'request_mutations query_parameter_mutations response_mutations response_trailers_mutations ' +
      'request_trailers_mutations formatters',
    'envoy.config.core.v3.KeyValueMutation': 'append remove',
    'envoy.config.core.v3.KeyValueAppend': 'record action',
    'envoy.config.core.v3.KeyValuePair': 'key value',
    ...HEADER_MUTATION_FIELDS,
    ...FORMATTER_EXTENSION_FIELDS,
  },
  stands: 'anywhere',
  decode: (message: HeaderMutationConfigPb, d): HeaderMutationConfig =>
    Object.freeze({
      mutations: decodeMutations(message.mutations, d.at('mutations')),
      mostSpecificWins: message.most_specific_header_mutations_wins ?? false,
    }),
  decodeRoute: (message: { mutations?: MutationsPb }, d): Mutations =>
    decodeMutations(message.mutations, d.at('mutations')),
  create: (config, context) => new HeaderMutationFilter(config, context),
});
