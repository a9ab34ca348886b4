// The match_delegate filter (envoy.filters.http.match_delegate): a filter that is skipped for exchanges that match.
import type { Headers } from '../../../../wire/headers.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import {
  type AskedRequest,
  type BodyData,
  type DataStatus,
  defineHttpFilter,
  type FilterContext,
  type FilterStream,
  type HeadersStatus,
  type HttpFilter,
  type HttpFilterFactory,
  type PlacedFilter,
  placeFilter,
  positionsOf,
  type TrailersStatus,
} from '../../filter.ts';
import { NO_MATCH } from '../../../matcher/step.ts';
import { COMPOSITE, type CompositeConfig, CompositeHead, refuseLong } from './composite.ts';
import { decodeInner, type ExtensionPb, type InnerFilter } from './execute-action.ts';
import { decodeMatchTree, MATCH_TREE_FIELDS, type MatcherPb, type MatchTree } from './match-tree.ts';
import { SEEN, seenAtRequest, seenOf } from './seen.ts';

const PACKAGE = 'envoy.extensions.common.matching.v3';
const OLD_MATCHER = 'envoy.config.common.matcher.v3.Matcher';

type DelegatePb = { extension_config?: ExtensionPb; matcher?: MatcherPb; xds_matcher?: MatcherPb };

type DelegateConfig = { readonly inner: InnerFilter | null; readonly tree: MatchTree | null };

function decodeDelegate(message: DelegatePb, d: ConfigDecoder): DelegateConfig {
  const tree =
    message.xds_matcher !== undefined
      ? decodeMatchTree(message.xds_matcher, d.at('xds_matcher'))
      : message.matcher !== undefined
        ? decodeMatchTree(message.matcher, d.at('matcher'))
        : null;
  const inner = decodeInner(message.extension_config, d.at('extension_config'));
  if (inner === null || tree === null || inner.factory.configType !== COMPOSITE) return Object.freeze({ inner, tree });
  const config: CompositeConfig = Object.freeze({ ...(inner.config as CompositeConfig), outer: tree });
  return Object.freeze({ inner: { ...inner, config }, tree });
}

function decodeRoute(message: { xds_matcher?: MatcherPb }, d: ConfigDecoder): MatchTree {
  const tree = decodeMatchTree(message.xds_matcher ?? {}, d.at('xds_matcher'));
  refuseLong(tree, d.at('xds_matcher'));
  return tree;
}

/** Beside the bits of SEEN, in one number per exchange. */
const DECIDED = 16;
const SKIPPED = 32;

/** Evaluates the tree, again with each part of the exchange until it decides, and remembers. */
class Decider {
  readonly slot: number;
  /** Where a tree of the route is kept, once the request came by. */
  readonly treeSlot: number;
  readonly tree: MatchTree | null;
  /** Of the composite filter inside, if it is one. */
  head: CompositeHead | null = null;

  constructor(tree: MatchTree | null, slot: number, treeSlot: number) {
    this.tree = tree;
    this.slot = slot;
    this.treeSlot = treeSlot;
  }

  see(stream: FilterStream, part: number): void {
    const before = (stream.slot[this.slot] as number | undefined) ?? 0;
    if ((before & (DECIDED | SKIPPED)) !== 0) return;
    const parts = before | part;
    const tree = (stream.slot[this.treeSlot] as MatchTree | undefined) ?? this.tree;
    stream.slot[this.slot] = tree === null ? parts | SKIPPED : parts | this.#decide(stream, tree, parts);
  }

  #decide(stream: FilterStream, tree: MatchTree, parts: number): number {
    const found = tree.step(seenOf(stream, parts), null);
    if (found < NO_MATCH) return 0;
    if (found >= 0 && tree.actions[found] === null) return DECIDED | SKIPPED;
    if (found >= 0) this.head?.run(stream, tree, found);
    return DECIDED;
  }

  skips(stream: FilterStream): boolean {
    return (((stream.slot[this.slot] as number | undefined) ?? 0) & SKIPPED) !== 0;
  }

  /** Whether the filters inside, which `deny` asks, would turn the request away. */
  denies(asked: AskedRequest, deny: (asked: AskedRequest) => boolean): boolean {
    const tree = (asked.routeConfig(this.slot) as MatchTree | null) ?? this.tree;
    if (tree === null) return false;
    const found = tree.step(seenAtRequest(asked, asked.requestHeaders), null);
    if (found >= 0 && tree.actions[found] === null) return false;
    return deny(asked) || (found >= 0 && this.head?.wouldDeny(asked, tree, found) === true);
  }
}

/** Before what it may skip, on the way to the router. */
class Front implements HttpFilter {
  readonly #decider: Decider;

  constructor(decider: Decider) {
    this.#decider = decider;
  }

  decodeHeaders(stream: FilterStream): HeadersStatus {
    const own = stream.routeConfig(this.#decider.slot);
    if (own !== null) stream.slot[this.#decider.treeSlot] = own;
    this.#decider.see(stream, SEEN.requestHeaders);
    return 'continue';
  }

  decodeTrailers(stream: FilterStream): TrailersStatus {
    this.#decider.see(stream, SEEN.requestTrailers);
    return 'continue';
  }
}

/** Before it on the way back. */
class Rear implements HttpFilter {
  readonly #decider: Decider;

  constructor(decider: Decider) {
    this.#decider = decider;
  }

  encodeHeaders(stream: FilterStream): HeadersStatus {
    this.#decider.see(stream, SEEN.responseHeaders);
    return 'continue';
  }

  encodeTrailers(stream: FilterStream): TrailersStatus {
    this.#decider.see(stream, SEEN.responseTrailers);
    return 'continue';
  }
}

/** A filter with each of its methods behind the question whether it is skipped; what it has not costs nothing. */
function guard(filter: HttpFilter, decider: Decider): HttpFilter {
  const { decodeHeaders, decodeData, decodeTrailers, encode1xx, encodeHeaders, encodeData, encodeTrailers } = filter;
  const guarded: HttpFilter = {};
  if (decodeHeaders !== undefined) {
    guarded.decodeHeaders = (stream: FilterStream, headers: Headers, endStream: boolean): HeadersStatus =>
      decider.skips(stream) ? 'continue' : decodeHeaders.call(filter, stream, headers, endStream);
  }
  if (decodeData !== undefined) {
    guarded.decodeData = (stream: FilterStream, data: BodyData, endStream: boolean): DataStatus =>
      decider.skips(stream) ? 'continue' : decodeData.call(filter, stream, data, endStream);
  }
  if (decodeTrailers !== undefined) {
    guarded.decodeTrailers = (stream: FilterStream, trailers: Headers): TrailersStatus =>
      decider.skips(stream) ? 'continue' : decodeTrailers.call(filter, stream, trailers);
  }
  if (encode1xx !== undefined) {
    guarded.encode1xx = (stream: FilterStream, headers: Headers): void => {
      if (!decider.skips(stream)) encode1xx.call(filter, stream, headers);
    };
  }
  if (encodeHeaders !== undefined) {
    guarded.encodeHeaders = (stream: FilterStream, headers: Headers, endStream: boolean): HeadersStatus =>
      decider.skips(stream) ? 'continue' : encodeHeaders.call(filter, stream, headers, endStream);
  }
  if (encodeData !== undefined) {
    guarded.encodeData = (stream: FilterStream, data: BodyData, endStream: boolean): DataStatus =>
      decider.skips(stream) ? 'continue' : encodeData.call(filter, stream, data, endStream);
  }
  if (encodeTrailers !== undefined) {
    guarded.encodeTrailers = (stream: FilterStream, trailers: Headers): TrailersStatus =>
      decider.skips(stream) ? 'continue' : encodeTrailers.call(filter, stream, trailers);
  }
  // As in Envoy, hosts are told past it.
  if (filter.hostSelected !== undefined) guarded.hostSelected = (stream) => filter.hostSelected?.(stream);
  if (filter.onDestroy !== undefined) guarded.onDestroy = (stream) => filter.onDestroy?.(stream);
  if (filter.denies !== undefined) {
    const denies = (asked: AskedRequest): boolean => filter.denies?.(asked) === true;
    guarded.denies = (asked) => decider.denies(asked, denies);
  }
  return Object.freeze(guarded);
}

const OWN_TYPES: ReadonlySet<string> = new Set([`${PACKAGE}.ExtensionWithMatcherPerRoute`]);
const NONE: ReadonlySet<string> = new Set();

/** In front of the filter inside and behind it stands what decides; both ways the decision comes first. */
function createAll({ inner, tree }: DelegateConfig, context: FilterContext): PlacedFilter[] {
  if (inner === null) return [];
  const size = positionsOf(inner.factory, inner.config);
  const decider = new Decider(tree, context.slot, context.slot + 1 + size);
  const placed = placeFilter(inner.factory, inner.config, { ...context, slot: context.slot + 1 }).slice();
  const first = placed[0]?.filter;
  if (first instanceof CompositeHead) decider.head = first;
  while (placed.length < size) placed.push({ filter: Object.freeze({}), routeTypes: NONE });
  return [
    { filter: new Front(decider), routeTypes: OWN_TYPES },
    ...placed.map(({ filter, routeTypes }) => ({ filter: guard(filter, decider), routeTypes })),
    { filter: new Rear(decider), routeTypes: NONE },
  ];
}

/** The deprecated `matcher` is the same tree by another name. */
const OLD_MATCHER_FIELDS = Object.fromEntries(
  Object.entries(MATCH_TREE_FIELDS)
    .filter(([name]) => name.startsWith('xds.type.matcher.v3.Matcher'))
    .map(([name, fields]) => [name.replace('xds.type.matcher.v3.Matcher', OLD_MATCHER), fields]),
);

export const matchDelegate: HttpFilterFactory = {
  ...defineHttpFilter<DelegateConfig, MatchTree, DelegatePb, { xds_matcher?: MatcherPb }>({
    name: 'envoy.filters.http.match_delegate',
    configType: `${PACKAGE}.ExtensionWithMatcher`,
    routeConfigType: `${PACKAGE}.ExtensionWithMatcherPerRoute`,
    fields: {
      [`${PACKAGE}.ExtensionWithMatcher`]: 'matcher extension_config xds_matcher',
      [`${PACKAGE}.ExtensionWithMatcherPerRoute`]: 'xds_matcher',
      ...MATCH_TREE_FIELDS,
      ...OLD_MATCHER_FIELDS,
    },
    stands: 'anywhere',
    decode: decodeDelegate,
    decodeRoute,
    create: () => null,
  }),
  positions: ({ inner }: DelegateConfig) => (inner === null ? 0 : positionsOf(inner.factory, inner.config) + 2),
  createAll,
  standsIn: ({ inner }: DelegateConfig) => inner?.factory.standsIn?.(inner.config as never),
};
