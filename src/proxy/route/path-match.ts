// How a route matches the path of a request.
import { asciiLower } from '../../base/matcher-text.ts';
import { startsWithIgnoreCase } from '../../base/matcher.ts';
import type { PathTemplate } from '../../base/path-template.ts';
import type { Regex } from '../../base/regex.ts';
import type { MatchView } from './match-view.ts';

export type PathKind = 'prefix' | 'path' | 'separated' | 'regex' | 'connect';

/** One object for all kinds, so that the loop over routes meets one shape. */
export class PathMatch {
  readonly kind: PathKind;
  /** The prefix or path; of a regex the literal text that every match begins with. */
  readonly literal: string;
  readonly caseSensitive: boolean;
  readonly #lower: string;
  /** Of kind 'regex', else null. */
  readonly regex: Regex | null;
  /** What the regex was made of, if that was a template. */
  readonly template: PathTemplate | null;

  constructor(
    kind: PathKind,
    literal: string,
    caseSensitive = true,
    regex: Regex | null = null,
    template: PathTemplate | null = null,
  ) {
    this.kind = kind;
    this.literal = literal;
    this.caseSensitive = caseSensitive || regex !== null;
    this.#lower = asciiLower(literal);
    this.regex = regex;
    this.template = template;
  }

  matches(view: MatchView): boolean {
    const { path } = view;
    const { length } = this.literal;
    if (this.kind === 'connect') return view.headers.method === 'CONNECT';
    if (length > view.end || path === '') return false;
    if (!(this.caseSensitive ? path.startsWith(this.literal) : startsWithIgnoreCase(path, this.#lower))) return false;
    switch (this.kind) {
      case 'prefix':
        return true;
      case 'path':
        return length === view.end;
      case 'separated':
        return length === view.end || path.charCodeAt(length) === 47;
      default:
        return (this.regex as Regex).matches(view.bare);
    }
  }

  /** How much of a path (without query: `end`) a prefix_rewrite replaces. */
  rewrittenLength(end: number): number {
    return this.kind === 'regex' || this.kind === 'connect' ? end : Math.min(this.literal.length, end);
  }
}
