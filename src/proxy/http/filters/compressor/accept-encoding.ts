// What a client accepts of what the compressors of a chain offer, as Envoy chooses it.
import type { StringMatcher } from '../../../../base/matcher.ts';

/** One member of accept-encoding. */
type Accepted = { readonly encoding: string; readonly quality: number };

export type Choice = {
  readonly encoding: string;
  readonly because: 'not-valid' | 'identity' | 'wildcard' | 'compressor';
};

/** A compressor of the chain that takes this kind of content. */
export type Offer = { readonly encoding: string; readonly chooseFirst: boolean };

const IDENTITY = 'identity';
const WILDCARD = '*';
const NOT_VALID: Choice = Object.freeze({ encoding: IDENTITY, because: 'not-valid' });
const PLAIN: Choice = Object.freeze({ encoding: IDENTITY, because: 'identity' });

/** Headers repeat: so many different ones are remembered. */
const MAX_KNOWN = 256;
const known = new Map<string, readonly Accepted[]>();

/** Source: Envoy CompressorFilter::chooseEncoding. */
export function chooseEncoding(header: string, offers: readonly Offer[]): Choice {
  const accepted = parse(header);
  // Of several compressors for one encoding the first counts; the ones that are not wanted go.
  const allowed = new Map<string, boolean>();
  for (const { encoding, chooseFirst } of offers) if (!allowed.has(encoding)) allowed.set(encoding, chooseFirst);
  for (const { encoding, quality } of accepted) if (quality === 0) allowed.delete(encoding);
  if (accepted.length === 0 || allowed.size === 0) return NOT_VALID;

  let best: Accepted = { encoding: IDENTITY, quality: 0 };
  for (const one of accepted) {
    const { encoding, quality } = one;
    if (!allowed.has(encoding) && encoding !== IDENTITY && encoding !== WILDCARD) continue;
    const isBetter = quality > best.quality;
    if (isBetter || (quality === best.quality && allowed.get(encoding) === true)) best = one;
  }
  if (best.quality === 0) return NOT_VALID;
  if (best.encoding === IDENTITY) return PLAIN;
  if (best.encoding !== WILDCARD) return { encoding: best.encoding, because: 'compressor' };
  const [first] = allowed.keys();
  return { encoding: first ?? IDENTITY, because: 'wildcard' };
}

function parse(header: string): readonly Accepted[] {
  const before = known.get(header);
  if (before !== undefined) return before;
  const accepted: Accepted[] = [];
  for (const token of header.split(',')) {
    if (token === '') continue;
    const at = token.indexOf(';');
    const encoding = (at < 0 ? token : token.slice(0, at)).trim();
    const quality = at < 0 ? 1 : qualityOf(token.slice(at + 1));
    if (quality !== null) accepted.push({ encoding, quality });
  }
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(header, accepted);
  return accepted;
}

/** Null for what is no number: the whole member does not count. */
function qualityOf(parameters: string): number | null {
  const at = parameters.indexOf('=');
  if (at < 0 || parameters.slice(0, at).trim().toLowerCase() !== 'q') return 1;
  const text = parameters.slice(at + 1).trim();
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return null;
  return Math.fround(Number(text));
}

/** The types of content that are compressed unless the configuration says others. Source: Envoy's compressor filter. */
const DEFAULT_CONTENT_TYPES = [
  'text/html', 'text/plain', 'text/css', 'application/javascript', 'application/x-javascript', 'text/javascript',
  'text/x-javascript', 'text/ecmascript', 'text/js', 'text/jscript', 'text/x-js', 'application/ecmascript',
  'application/x-json', 'application/xml', 'application/json', 'image/svg+xml', 'text/xml', 'application/xhtml+xml',
  'application/grpc-web', 'application/grpc-web+proto',
] as const; // biome-ignore format: a table.

/** Which types of content take part. */
export class ContentTypes {
  readonly #names: ReadonlySet<string>;
  readonly #matchers: readonly StringMatcher[];
  readonly #known = new Map<string, boolean>();

  /** With matchers the names do not count. */
  constructor(names: readonly string[], matchers: readonly StringMatcher[]) {
    const all = names.length === 0 ? DEFAULT_CONTENT_TYPES : names;
    this.#names = new Set(matchers.length > 0 ? [] : all.map((name) => name.toLowerCase()));
    this.#matchers = matchers;
  }

  /** Of a content-type header as it came. */
  has(header: string): boolean {
    const before = this.#known.get(header);
    if (before !== undefined) return before;
    const at = header.indexOf(';');
    const type = (at < 0 ? header : header.slice(0, at)).trim();
    const isIn = this.#names.has(type.toLowerCase()) || this.#matchers.some((matcher) => matcher.matches(type));
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(header, isIn);
    return isIn;
  }
}
