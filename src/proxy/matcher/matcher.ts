// Trees of matchers (xds.type.matcher.v3.Matcher), compiled: from what is looked at to the index of an action.
import { bytesOf } from '../../base/matcher-text.ts';
import type { StringMatcher } from '../../base/matcher.ts';
import type { AttributeSource } from '../cel/attributes.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { decodeStringMatcher, FRACTION_FIELDS, METADATA_MATCHER_FIELDS, metadataValue } from '../config/matcher.ts';
import type { Metadata, MetadataMatcherPb, StringMatcherPb } from '../config/matcher.ts';
import { CEL_INPUT, decodeCelPredicate } from './cel-predicate.ts';
import { decodeMetadataPredicate, decodeTextMatcher } from './input-matchers.ts';
import { INPUT_MATCHER_FIELDS, METADATA_MATCHER } from './input-matchers.ts';
import { IP_MATCHER, decodeIpTree } from './ip-tree.ts';
import type { IpMatcherPb } from './ip-tree.ts';
import { METADATA_INPUT } from './metadata-input.ts';
import { SERVER_NAME_MATCHER, decodeServerNameTree } from './server-name-tree.ts';
import type { ServerNameMatcherPb } from './server-name-tree.ts';
import { NO_MATCH, UNDECIDED } from './step.ts';
import type { Input, Step } from './step.ts';

type ExtensionPb = { name?: string; typed_config?: unknown };
export type OnMatchPb = { matcher?: MatcherPb; action?: ExtensionPb; keep_matching?: boolean };
type SinglePredicatePb = { input?: ExtensionPb; value_match?: StringMatcherPb; custom_match?: ExtensionPb };
type PredicatePb = {
  single_predicate?: SinglePredicatePb;
  or_matcher?: { predicate?: readonly PredicatePb[] };
  and_matcher?: { predicate?: readonly PredicatePb[] };
  not_matcher?: PredicatePb;
};
type MatchMapPb = { map?: Readonly<Record<string, OnMatchPb>> };
type MatcherTreePb = {
  input?: ExtensionPb;
  exact_match_map?: MatchMapPb;
  prefix_match_map?: MatchMapPb;
  custom_match?: ExtensionPb;
};
export type MatcherPb = {
  matcher_list?: { matchers?: readonly { predicate?: PredicatePb; on_match?: OnMatchPb }[] };
  matcher_tree?: MatcherTreePb;
  on_no_match?: OnMatchPb;
};

const XDS = 'xds.type.matcher.v3';
/** Anywhere: what the process was started with. */
const VARIABLE_INPUT = 'envoy.extensions.matching.common_inputs.environment_variable.v3.Config';

/**
 * Supported fields, inputs and actions aside. Refused whatever it says: keep_matching, which Envoy 1.40 takes for
 * custom responses alone, where it goes on to nothing, and for filter chains and clusters, where it crashes on it.
 */
export const MATCHER_TREE_FIELDS = {
  [`${XDS}.Matcher`]: 'matcher_list matcher_tree on_no_match',
  [`${XDS}.Matcher.MatcherList`]: 'matchers',
  [`${XDS}.Matcher.MatcherList.FieldMatcher`]: 'predicate on_match',
  [`${XDS}.Matcher.MatcherList.Predicate`]: 'single_predicate or_matcher and_matcher not_matcher',
  [`${XDS}.Matcher.MatcherList.Predicate.SinglePredicate`]: 'input value_match custom_match',
  [`${XDS}.Matcher.MatcherList.Predicate.PredicateList`]: 'predicate',
  [`${XDS}.Matcher.MatcherTree`]: 'input exact_match_map prefix_match_map custom_match',
  [`${XDS}.Matcher.MatcherTree.MatchMap`]: 'map',
  [`${XDS}.Matcher.OnMatch`]: 'matcher action keep_matching',
  [`${XDS}.StringMatcher`]: 'exact prefix suffix safe_regex contains ignore_case',
  [`${XDS}.RegexMatcher`]: 'google_re2 regex',
  [`${XDS}.RegexMatcher.GoogleRE2`]: '',
  [IP_MATCHER]: 'range_matchers',
  [`${IP_MATCHER}.IPRangeMatcher`]: 'ranges on_match exclusive',
  [SERVER_NAME_MATCHER]: 'domain_matchers',
  [`${SERVER_NAME_MATCHER}.DomainMatcher`]: 'domains on_match',
  'xds.core.v3.CidrRange': 'address_prefix prefix_len',
  'xds.core.v3.TypedExtensionConfig': 'name typed_config',
  [VARIABLE_INPUT]: 'name',
  ...INPUT_MATCHER_FIELDS,
  ...METADATA_MATCHER_FIELDS,
  'envoy.config.core.v3.CidrRange': 'address_prefix prefix_len',
  ...FRACTION_FIELDS,
} as const;

/** Null: it cannot be told yet. */
type Predicate<S, E> = (subject: S, beside: E) => boolean | null;

/** What a tree can look at, and what it can lead to, where it is used. */
export type MatcherContext<S, E> = {
  /** The input of this type; undefined when there is none here. */
  input(type: string, message: object, d: ConfigDecoder): Input<S, E> | undefined;
  /** Keeps an action and returns its index; NO_MATCH after rejecting it. */
  action(type: string, message: unknown, d: ConfigDecoder): number;
  /** What expressions see of it; absent: there is no exchange that they could be about. */
  seen?(subject: S, beside: E): AttributeSource;
  /** Dynamic metadata; absent: there is none, and no input that looks at it. */
  metadata?(subject: S, beside: E): Metadata | null;
};

export function decodeMatcher<S, E>(message: MatcherPb, context: MatcherContext<S, E>, d: ConfigDecoder): Step<S, E> {
  const step =
    message.matcher_tree === undefined
      ? decodeList(message, context, d.at('matcher_list'))
      : decodeTree(message.matcher_tree, context, d.at('matcher_tree'));
  if (message.on_no_match === undefined) return step;
  const otherwise = decodeOnMatch(message.on_no_match, context, d.at('on_no_match'));
  return (subject, beside) => {
    const found = step(subject, beside);
    return found === NO_MATCH ? otherwise(subject, beside) : found;
  };
}

function decodeList<S, E>(message: MatcherPb, context: MatcherContext<S, E>, d: ConfigDecoder): Step<S, E> {
  const entries = (message.matcher_list?.matchers ?? []).map((matcher, i) => {
    const at = d.at('matchers', i);
    return {
      predicate: decodePredicate(matcher.predicate ?? {}, context, at.at('predicate')),
      onMatch: decodeOnMatch(matcher.on_match, context, at.at('on_match')),
    };
  });
  return (subject, beside) => {
    for (const { predicate, onMatch } of entries) {
      const holds = predicate(subject, beside);
      if (holds === null) return UNDECIDED;
      if (!holds) continue;
      const found = onMatch(subject, beside);
      if (found !== NO_MATCH) return found;
    }
    return NO_MATCH;
  };
}

function decodeTree<S, E>(message: MatcherTreePb, context: MatcherContext<S, E>, d: ConfigDecoder): Step<S, E> {
  const input = decodeInput(message.input, context, d.at('input'));
  if (message.custom_match !== undefined) {
    return decodeCustomTree(message.custom_match, input, context, d.at('custom_match').at('typed_config'));
  }
  const isPrefix = message.prefix_match_map !== undefined;
  const field = isPrefix ? 'prefix_match_map' : 'exact_match_map';
  const entries = new Map<string, Step<S, E>>();
  for (const [value, onMatch] of Object.entries(message[field]?.map ?? {})) {
    entries.set(bytesOf(value), decodeOnMatch(onMatch, context, d.at(field).at('map', value)));
  }
  return isPrefix ? prefixStep(input, entries) : exactStep(input, entries);
}

function exactStep<S, E>(input: Input<S, E>, entries: ReadonlyMap<string, Step<S, E>>): Step<S, E> {
  return (subject, beside) => {
    const value = input(subject, beside);
    if (value === null) return UNDECIDED;
    const step = value === undefined ? undefined : entries.get(value);
    return step === undefined ? NO_MATCH : step(subject, beside);
  };
}

/** A prefix that leads nowhere gives way to the next shorter one. */
function prefixStep<S, E>(input: Input<S, E>, entries: ReadonlyMap<string, Step<S, E>>): Step<S, E> {
  const longestFirst = [...entries].sort((a, b) => b[0].length - a[0].length);
  return (subject, beside) => {
    const value = input(subject, beside);
    if (value === undefined) return NO_MATCH;
    if (value === null) return UNDECIDED;
    for (const [prefix, onMatch] of longestFirst) {
      const found = value.startsWith(prefix) ? onMatch(subject, beside) : NO_MATCH;
      if (found !== NO_MATCH) return found;
    }
    return NO_MATCH;
  };
}

function decodeCustomTree<S, E>(
  message: ExtensionPb,
  input: Input<S, E>,
  context: MatcherContext<S, E>,
  d: ConfigDecoder,
): Step<S, E> {
  const unpacked = d.environment.unpack(message.typed_config, d);
  if (unpacked === null) return () => NO_MATCH;
  const onMatch = (each: OnMatchPb | undefined, at: ConfigDecoder): Step<S, E> => decodeOnMatch(each, context, at);
  if (unpacked.type === IP_MATCHER) return decodeIpTree(unpacked.message as IpMatcherPb, input, onMatch, d);
  if (unpacked.type === SERVER_NAME_MATCHER) {
    return decodeServerNameTree(unpacked.message as ServerNameMatcherPb, input, onMatch, d);
  }
  d.reject('', `${unpacked.type} is not supported as a matcher here`);
  return () => NO_MATCH;
}

function decodeOnMatch<S, E>(
  message: OnMatchPb | undefined,
  context: MatcherContext<S, E>,
  d: ConfigDecoder,
): Step<S, E> {
  if (message?.keep_matching === true) d.reject('keep_matching', 'is not supported: remove it');
  if (message?.matcher !== undefined) return decodeMatcher(message.matcher, context, d.at('matcher'));
  if (message?.action === undefined) {
    d.reject('', 'is required: matcher or action');
    return () => NO_MATCH;
  }
  const at = d.at('action').at('typed_config');
  const unpacked = d.environment.unpack(message.action.typed_config, at);
  const index = unpacked === null ? NO_MATCH : context.action(unpacked.type, unpacked.message, at);
  return () => index;
}

function decodePredicate<S, E>(message: PredicatePb, context: MatcherContext<S, E>, d: ConfigDecoder): Predicate<S, E> {
  const list = (each: readonly PredicatePb[] | undefined, field: string): Predicate<S, E>[] =>
    (each ?? []).map((predicate, i) => decodePredicate(predicate, context, d.at(field).at('predicate', i)));
  if (message.and_matcher !== undefined) {
    const all = list(message.and_matcher.predicate, 'and_matcher');
    return (subject, beside) => {
      for (const predicate of all) {
        const holds = predicate(subject, beside);
        if (holds !== true) return holds;
      }
      return true;
    };
  }
  if (message.or_matcher !== undefined) {
    const any = list(message.or_matcher.predicate, 'or_matcher');
    return (subject, beside) => {
      let found: boolean | null = false;
      for (const predicate of any) {
        const holds = predicate(subject, beside);
        if (holds === true) return true;
        if (holds === null) found = null;
      }
      return found;
    };
  }
  if (message.not_matcher !== undefined) {
    const inner = decodePredicate(message.not_matcher, context, d.at('not_matcher'));
    return (subject, beside) => {
      const holds = inner(subject, beside);
      return holds === null ? null : !holds;
    };
  }
  return decodeSingle(message.single_predicate ?? {}, context, d.at('single_predicate'));
}

function decodeSingle<S, E>(
  message: SinglePredicatePb,
  context: MatcherContext<S, E>,
  d: ConfigDecoder,
): Predicate<S, E> {
  if (message.custom_match !== undefined && context.seen !== undefined) {
    const at = d.at('input').at('typed_config');
    if (d.environment.unpack(message.input?.typed_config, at)?.type === CEL_INPUT) {
      return decodeExpression(message.custom_match, context.seen, d.at('custom_match').at('typed_config'));
    }
  }
  const input = decodeInput(message.input, context, d.at('input'));
  if (message.custom_match !== undefined) return decodeCustomMatch(message, input, context, d);
  const matcher: StringMatcher = decodeStringMatcher(message.value_match, d.at('value_match'));
  return (subject, beside) => {
    const value = input(subject, beside);
    if (value === null) return null;
    return value !== undefined && matcher.matches(value);
  };
}

/** A matcher that is given what it does not take is no match, as in Envoy. */
function decodeCustomMatch<S, E>(
  message: SinglePredicatePb,
  input: Input<S, E>,
  context: MatcherContext<S, E>,
  d: ConfigDecoder,
): Predicate<S, E> {
  const at = d.at('custom_match').at('typed_config');
  const unpacked = d.environment.unpack(message.custom_match?.typed_config, at);
  if (unpacked === null) return () => false;
  if (unpacked.type === METADATA_MATCHER) {
    const predicate = decodeMetadataPredicate(unpacked.message, at);
    const value = decodeMetadataInput(message.input, context, d.at('input'));
    return value === null ? () => false : (subject, beside) => predicate(value(subject, beside));
  }
  const matches = decodeTextMatcher(unpacked.type, unpacked.message, at);
  if (matches === undefined) {
    at.reject('', `${unpacked.type} is not supported as a matcher of what this input gives`);
    return () => false;
  }
  return (subject, beside) => {
    const text = input(subject, beside);
    return text === null ? null : text !== undefined && matches(text);
  };
}

/** Null where the input is another one. */
function decodeMetadataInput<S, E>(
  message: ExtensionPb | undefined,
  context: MatcherContext<S, E>,
  d: ConfigDecoder,
): ((subject: S, beside: E) => unknown) | null {
  const unpacked = d.environment.unpack(message?.typed_config, d.at('typed_config'));
  const { metadata } = context;
  if (metadata === undefined || unpacked?.type !== METADATA_INPUT) return null;
  const { filter, path } = unpacked.message as MetadataMatcherPb;
  const keys = (path ?? []).map(({ key }) => key ?? '');
  return (subject, beside) => metadataValue(metadata(subject, beside), filter ?? '', keys);
}

function decodeExpression<S, E>(
  message: ExtensionPb,
  seen: (subject: S, beside: E) => AttributeSource,
  d: ConfigDecoder,
): Predicate<S, E> {
  const unpacked = d.environment.unpack(message.typed_config, d);
  const holds = unpacked === null ? null : decodeCelPredicate(unpacked.type, unpacked.message, d);
  return holds === null ? () => false : (subject, beside) => holds(seen(subject, beside));
}

function decodeInput<S, E>(
  message: ExtensionPb | undefined,
  context: MatcherContext<S, E>,
  d: ConfigDecoder,
): Input<S, E> {
  const at = d.at('typed_config');
  const unpacked = d.environment.unpack(message?.typed_config, at);
  if (unpacked === null) return () => undefined;
  if (unpacked.type === VARIABLE_INPUT) {
    const value = d.environment.variables?.[(unpacked.message as { name?: string }).name ?? ''];
    const bytes = value === undefined ? undefined : bytesOf(value);
    return () => bytes;
  }
  // It gives no text.
  if (unpacked.type === METADATA_INPUT && context.metadata !== undefined) return () => undefined;
  const input = context.input(unpacked.type, unpacked.message, at);
  if (input === undefined) at.reject('', `${unpacked.type} is not supported as an input here`);
  return input ?? (() => undefined);
}
