// The other form of access control: a tree of matchers (xds.type.matcher.v3.Matcher) whose leaves allow, deny or log.
import { bytesOf } from '../../base/matcher-text.ts';
import type { StringMatcher } from '../../base/matcher.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { decodeStringMatcher, matchedHeaderKey } from '../config/matcher.ts';
import type { StringMatcherPb } from '../config/matcher.ts';
import type { StreamInfo } from '../stream-info.ts';
import { NO_POLICY } from './engine.ts';
import type { RbacAction, RbacEngine } from './engine.ts';

type ExtensionPb = { name?: string; typed_config?: unknown };
type OnMatchPb = { matcher?: MatcherPb; action?: ExtensionPb; keep_matching?: boolean };
type SinglePredicatePb = { input?: ExtensionPb; value_match?: StringMatcherPb; custom_match?: object };
type PredicatePb = {
  single_predicate?: SinglePredicatePb;
  or_matcher?: { predicate?: readonly PredicatePb[] };
  and_matcher?: { predicate?: readonly PredicatePb[] };
  not_matcher?: PredicatePb;
};
type MatchMapPb = { map?: Readonly<Record<string, OnMatchPb>> };
export type MatcherPb = {
  matcher_list?: { matchers?: readonly { predicate?: PredicatePb; on_match?: OnMatchPb }[] };
  matcher_tree?: {
    input?: ExtensionPb;
    exact_match_map?: MatchMapPb;
    prefix_match_map?: MatchMapPb;
    custom_match?: object;
  };
  on_no_match?: OnMatchPb;
};

const XDS = 'xds.type.matcher.v3';
const NETWORK_INPUT = 'envoy.extensions.matching.common_inputs.network.v3';
const HEADER_INPUT = 'envoy.type.matcher.v3.HttpRequestHeaderMatchInput';
const ACTION = 'envoy.config.rbac.v3.Action';

/** Supported fields. Left out, and so refused: custom matchers, CEL, inputs from certificates, keep_matching. */
export const RBAC_MATCHER_FIELDS = {
  [`${XDS}.Matcher`]: 'matcher_list matcher_tree on_no_match',
  [`${XDS}.Matcher.MatcherList`]: 'matchers',
  [`${XDS}.Matcher.MatcherList.FieldMatcher`]: 'predicate on_match',
  [`${XDS}.Matcher.MatcherList.Predicate`]: 'single_predicate or_matcher and_matcher not_matcher',
  [`${XDS}.Matcher.MatcherList.Predicate.SinglePredicate`]: 'input value_match',
  [`${XDS}.Matcher.MatcherList.Predicate.PredicateList`]: 'predicate',
  [`${XDS}.Matcher.MatcherTree`]: 'input exact_match_map prefix_match_map',
  [`${XDS}.Matcher.MatcherTree.MatchMap`]: 'map',
  [`${XDS}.Matcher.OnMatch`]: 'matcher action',
  [`${XDS}.StringMatcher`]: 'exact prefix suffix safe_regex contains ignore_case',
  [`${XDS}.RegexMatcher`]: 'google_re2 regex',
  [`${XDS}.RegexMatcher.GoogleRE2`]: '',
  'xds.core.v3.TypedExtensionConfig': 'name typed_config',
  [HEADER_INPUT]: 'header_name',
  [`${NETWORK_INPUT}.DestinationIPInput`]: '',
  [`${NETWORK_INPUT}.DestinationPortInput`]: '',
  [`${NETWORK_INPUT}.SourceIPInput`]: '',
  [`${NETWORK_INPUT}.SourcePortInput`]: '',
  [`${NETWORK_INPUT}.DirectSourceIPInput`]: '',
  [`${NETWORK_INPUT}.ServerNameInput`]: '',
  [ACTION]: 'name action',
} as const;

/** Bytes of an exchange, or undefined when it has none of that kind. */
type Input = (info: StreamInfo, headers: Headers) => string | undefined;
type Predicate = (info: StreamInfo, headers: Headers) => boolean;
/** The index of an action, or NO_POLICY. */
type Step = (info: StreamInfo, headers: Headers) => number;
type LeafAction = { readonly name: string; readonly action: RbacAction };

const NOTHING: Step = () => NO_POLICY;

export class MatcherEngine implements RbacEngine {
  readonly #root: Step;
  readonly #actions: readonly LeafAction[];
  readonly #hasLog: boolean;

  constructor(root: Step, actions: readonly LeafAction[]) {
    this.#root = root;
    this.#actions = actions;
    this.#hasLog = actions.some(({ action }) => action === 'LOG');
  }

  get size(): number {
    return this.#actions.length;
  }

  match(info: StreamInfo, headers: Headers): number {
    return this.#root(info, headers);
  }

  /** What no matcher takes is denied. */
  isAllowed(index: number): boolean {
    const leaf = this.#actions[index];
    return leaf !== undefined && leaf.action !== 'DENY';
  }

  nameOf(index: number): string {
    return this.#actions[index]?.name ?? '';
  }

  /** With a LOG leaf anywhere every match says whether it is one. */
  logHint(index: number): boolean | null {
    const leaf = this.#actions[index];
    return this.#hasLog && leaf !== undefined ? leaf.action === 'LOG' : null;
  }
}

export function decodeMatcherEngine(message: MatcherPb, d: ConfigDecoder): MatcherEngine {
  const actions: LeafAction[] = [];
  const root = decodeMatcher(message, actions, d);
  return new MatcherEngine(root, Object.freeze(actions));
}

function decodeMatcher(message: MatcherPb, actions: LeafAction[], d: ConfigDecoder): Step {
  const step =
    message.matcher_tree === undefined
      ? decodeList(message, actions, d.at('matcher_list'))
      : decodeTree(message.matcher_tree, actions, d.at('matcher_tree'));
  if (message.on_no_match === undefined) return step;
  const otherwise = decodeOnMatch(message.on_no_match, actions, d.at('on_no_match'));
  return (info, headers) => {
    const found = step(info, headers);
    return found === NO_POLICY ? otherwise(info, headers) : found;
  };
}

function decodeList(message: MatcherPb, actions: LeafAction[], d: ConfigDecoder): Step {
  const entries = (message.matcher_list?.matchers ?? []).map((matcher, i) => {
    const at = d.at('matchers', i);
    return {
      predicate: decodePredicate(matcher.predicate ?? {}, at.at('predicate')),
      onMatch: decodeOnMatch(matcher.on_match ?? {}, actions, at.at('on_match')),
    };
  });
  return (info, headers) => {
    for (const { predicate, onMatch } of entries) {
      if (!predicate(info, headers)) continue;
      const found = onMatch(info, headers);
      if (found !== NO_POLICY) return found;
    }
    return NO_POLICY;
  };
}

function decodeTree(message: NonNullable<MatcherPb['matcher_tree']>, actions: LeafAction[], d: ConfigDecoder): Step {
  const input = decodeInput(message.input, d.at('input'));
  const isPrefix = message.prefix_match_map !== undefined;
  const field = isPrefix ? 'prefix_match_map' : 'exact_match_map';
  if (message.custom_match !== undefined) d.reject('custom_match', 'not supported');
  const entries = new Map<string, Step>();
  for (const [value, onMatch] of Object.entries(message[field]?.map ?? {})) {
    entries.set(bytesOf(value), decodeOnMatch(onMatch, actions, d.at(field).at('map', value)));
  }
  if (!isPrefix) {
    return (info, headers) => {
      const value = input(info, headers);
      return value === undefined ? NO_POLICY : (entries.get(value) ?? NOTHING)(info, headers);
    };
  }
  const longestFirst = [...entries].sort((a, b) => b[0].length - a[0].length);
  return (info, headers) => {
    const value = input(info, headers);
    if (value === undefined) return NO_POLICY;
    for (const [prefix, onMatch] of longestFirst) {
      const found = value.startsWith(prefix) ? onMatch(info, headers) : NO_POLICY;
      if (found !== NO_POLICY) return found;
    }
    return NO_POLICY;
  };
}

function decodeOnMatch(message: OnMatchPb, actions: LeafAction[], d: ConfigDecoder): Step {
  if (message.keep_matching === true) d.reject('keep_matching', 'not supported');
  if (message.matcher !== undefined) return decodeMatcher(message.matcher, actions, d.at('matcher'));
  const at = d.at('action').at('typed_config');
  const unpacked = d.environment.unpack(message.action?.typed_config, at);
  if (unpacked === null) return NOTHING;
  if (unpacked.type !== ACTION) {
    at.reject('', `${unpacked.type} is not supported: only ${ACTION} is`);
    return NOTHING;
  }
  const { name = '', action = 'ALLOW' } = unpacked.message as Partial<LeafAction>;
  const index = actions.push(Object.freeze({ name, action })) - 1;
  return () => index;
}

function decodePredicate(message: PredicatePb, d: ConfigDecoder): Predicate {
  const list = (each: readonly PredicatePb[] | undefined, field: string): Predicate[] =>
    (each ?? []).map((predicate, i) => decodePredicate(predicate, d.at(field).at('predicate', i)));
  if (message.and_matcher !== undefined) {
    const all = list(message.and_matcher.predicate, 'and_matcher');
    return (info, headers) => all.every((predicate) => predicate(info, headers));
  }
  if (message.or_matcher !== undefined) {
    const any = list(message.or_matcher.predicate, 'or_matcher');
    return (info, headers) => any.some((predicate) => predicate(info, headers));
  }
  if (message.not_matcher !== undefined) {
    const inner = decodePredicate(message.not_matcher, d.at('not_matcher'));
    return (info, headers) => !inner(info, headers);
  }
  return decodeSingle(message.single_predicate ?? {}, d.at('single_predicate'));
}

function decodeSingle(message: SinglePredicatePb, d: ConfigDecoder): Predicate {
  const input = decodeInput(message.input, d.at('input'));
  if (message.custom_match !== undefined) {
    d.reject('custom_match', 'not supported');
    return () => false;
  }
  const matcher: StringMatcher = decodeStringMatcher(message.value_match, d.at('value_match'));
  return (info, headers) => {
    const value = input(info, headers);
    return value !== undefined && matcher.matches(value);
  };
}

const INPUTS: Readonly<Record<string, Input>> = {
  [`${NETWORK_INPUT}.DestinationIPInput`]: (info) => ipOf(info.connection.localAddress),
  [`${NETWORK_INPUT}.DestinationPortInput`]: (info) => portOf(info.connection.localAddress),
  [`${NETWORK_INPUT}.SourceIPInput`]: (info) => ipOf(info.remoteAddress),
  [`${NETWORK_INPUT}.SourcePortInput`]: (info) => portOf(info.remoteAddress),
  [`${NETWORK_INPUT}.DirectSourceIPInput`]: (info) => ipOf(info.connection.directRemoteAddress),
  [`${NETWORK_INPUT}.ServerNameInput`]: (info) => info.connection.requestedServerName || undefined,
};

function ipOf(address: { family: string; address: string }): string | undefined {
  return address.family === 'unix' ? undefined : address.address;
}

function portOf(address: { family: string; port: number }): string | undefined {
  return address.family === 'unix' ? undefined : String(address.port);
}

function decodeInput(message: ExtensionPb | undefined, d: ConfigDecoder): Input {
  const at = d.at('typed_config');
  const unpacked = d.environment.unpack(message?.typed_config, at);
  if (unpacked === null) return () => undefined;
  if (unpacked.type === HEADER_INPUT) {
    const key = matchedHeaderKey((unpacked.message as { header_name?: string }).header_name ?? '');
    return (_info, headers) => headers.getAll(key);
  }
  const input = INPUTS[unpacked.type];
  if (input === undefined) at.reject('', `${unpacked.type} is not supported as an input here`);
  return input ?? (() => undefined);
}
