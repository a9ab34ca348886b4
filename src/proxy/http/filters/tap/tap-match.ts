// Which exchanges are tapped: a predicate over the parts of an exchange, decided again with each part that comes.
import type { Headers } from '../../../../wire/headers.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { decodeHeaderMatchers, type HeaderMatcherPb } from '../../../config/matcher.ts';

type HeadersMatchPb = { headers?: readonly HeaderMatcherPb[] };
type BodyMatchPb = {
  bytes_limit?: number;
  patterns?: readonly { string_match?: string; binary_match?: Uint8Array }[];
};
export type MatchPredicatePb = {
  or_match?: { rules?: readonly MatchPredicatePb[] };
  and_match?: { rules?: readonly MatchPredicatePb[] };
  not_match?: MatchPredicatePb;
  any_match?: boolean;
  http_request_headers_match?: HeadersMatchPb;
  http_request_trailers_match?: HeadersMatchPb;
  http_response_headers_match?: HeadersMatchPb;
  http_response_trailers_match?: HeadersMatchPb;
  http_request_generic_body_match?: BodyMatchPb;
  http_response_generic_body_match?: BodyMatchPb;
};

const PREDICATE =
  'or_match and_match not_match any_match http_request_headers_match http_request_trailers_match ' +
  'http_response_headers_match http_response_trailers_match http_request_generic_body_match ' +
  'http_response_generic_body_match';

/** The message and its deprecated twin. */
export const TAP_MATCH_FIELDS = Object.fromEntries(
  ['envoy.config.common.matcher.v3', 'envoy.config.tap.v3'].flatMap((name) => [
    [`${name}.MatchPredicate`, PREDICATE],
    [`${name}.MatchPredicate.MatchSet`, 'rules'],
    [`${name}.HttpHeadersMatch`, 'headers'],
    [`${name}.HttpGenericBodyMatch`, 'bytes_limit patterns'],
    [`${name}.HttpGenericBodyMatch.GenericTextMatch`, 'string_match binary_match'],
  ]),
) as Readonly<Record<string, string>>;

export type HeadPart = 'requestHeaders' | 'requestTrailers' | 'responseHeaders' | 'responseTrailers';
export type BodyPart = 'requestBody' | 'responseBody';

type HeadLeaf = { readonly part: HeadPart; readonly matchers: readonly { matches(headers: Headers): boolean }[] };
type BodyLeaf = { readonly part: BodyPart; readonly patterns: readonly Buffer[]; readonly limit: number };

/** Leaves are numbered; a predicate asks for those that have come true. */
type Node = (holds: readonly boolean[]) => boolean;

export type TapMatch = {
  readonly root: Node;
  readonly leaves: readonly (HeadLeaf | BodyLeaf)[];
};

export function decodeTapMatch(message: MatchPredicatePb, d: ConfigDecoder): TapMatch {
  const leaves: (HeadLeaf | BodyLeaf)[] = [];
  const root = decodeNode(message, d, leaves);
  return Object.freeze({ root, leaves: Object.freeze(leaves) });
}

const HEADS = [
  ['http_request_headers_match', 'requestHeaders'],
  ['http_request_trailers_match', 'requestTrailers'],
  ['http_response_headers_match', 'responseHeaders'],
  ['http_response_trailers_match', 'responseTrailers'],
] as const;
const BODIES = [
  ['http_request_generic_body_match', 'requestBody'],
  ['http_response_generic_body_match', 'responseBody'],
] as const;

function decodeNode(message: MatchPredicatePb, d: ConfigDecoder, leaves: (HeadLeaf | BodyLeaf)[]): Node {
  const rules = (field: 'or_match' | 'and_match'): Node[] =>
    (message[field]?.rules ?? []).map((rule, i) => decodeNode(rule, d.at(field).at('rules', i), leaves));
  if (message.or_match !== undefined) {
    const nodes = rules('or_match');
    return (holds) => nodes.some((node) => node(holds));
  }
  if (message.and_match !== undefined) {
    const nodes = rules('and_match');
    return (holds) => nodes.every((node) => node(holds));
  }
  if (message.not_match !== undefined) {
    const node = decodeNode(message.not_match, d.at('not_match'), leaves);
    return (holds) => !node(holds);
  }
  for (const [field, part] of HEADS) {
    const match = message[field];
    if (match === undefined) continue;
    const index = leaves.push({ part, matchers: decodeHeaderMatchers(match.headers, d.at(field), 'headers') }) - 1;
    return (holds) => holds[index] === true;
  }
  for (const [field, part] of BODIES) {
    const match = message[field];
    if (match === undefined) continue;
    const patterns = (match.patterns ?? []).map(({ string_match, binary_match }) =>
      Buffer.from(binary_match ?? string_match ?? ''),
    );
    const index = leaves.push({ part, patterns, limit: match.bytes_limit ?? 0 }) - 1;
    return (holds) => holds[index] === true;
  }
  if (message.any_match !== true) d.reject('', 'a rule is required');
  return () => true;
}

/** How far one exchange has come. */
export class MatchProgress {
  readonly #match: TapMatch;
  readonly #holds: boolean[];
  /** By leaf: which patterns are still to be found, and the end of what was searched. */
  #searches: (Search | undefined)[] | null = null;
  isMatch: boolean;

  constructor(match: TapMatch) {
    this.#match = match;
    this.#holds = match.leaves.map(() => false);
    this.isMatch = match.root(this.#holds);
  }

  onHead(part: HeadPart, headers: Headers): void {
    for (const [i, leaf] of this.#match.leaves.entries()) {
      if (leaf.part === part) this.#holds[i] = (leaf as HeadLeaf).matchers.every((matcher) => matcher.matches(headers));
    }
    this.isMatch = this.#match.root(this.#holds);
  }

  onBody(part: BodyPart, bytes: Buffer): void {
    const { leaves } = this.#match;
    for (const [i, leaf] of leaves.entries()) {
      if (leaf.part !== part || this.#holds[i] === true) continue;
      this.#searches ??= [];
      const search = (this.#searches[i] ??= new Search(leaf as BodyLeaf));
      this.#holds[i] = search.take(bytes);
    }
    this.isMatch = this.#match.root(this.#holds);
  }
}

/** Looks for all patterns in a body that comes in pieces; keeps no more of it than a pattern is long. */
class Search {
  #missing: Buffer[];
  #left: number;
  readonly #overlap: number;
  #tail: Buffer = Buffer.alloc(0);

  constructor({ patterns, limit }: BodyLeaf) {
    this.#missing = [...patterns];
    this.#left = limit === 0 ? Number.POSITIVE_INFINITY : limit;
    this.#overlap = Math.max(0, ...patterns.map((pattern) => pattern.length - 1));
  }

  take(bytes: Buffer): boolean {
    if (this.#missing.length === 0) return true;
    const piece = bytes.subarray(0, Math.min(bytes.length, this.#left));
    if (piece.length === 0) return false;
    this.#left -= piece.length;
    const text = this.#tail.length === 0 ? piece : Buffer.concat([this.#tail, piece]);
    this.#missing = this.#missing.filter((pattern) => !text.includes(pattern));
    this.#tail = Buffer.from(text.subarray(Math.max(0, text.length - this.#overlap)));
    return this.#missing.length === 0;
  }
}
