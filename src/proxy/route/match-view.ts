// One request as route matchers see it: the path without query, and what is parsed only when a matcher asks for it.
import type { Headers } from '../../wire/headers.ts';
import type { MatchContext } from './route.ts';

/** Reused for every match: holds no reference for longer than one. */
export class MatchView {
  headers!: Headers;
  context!: MatchContext;
  path = '';
  /** Length of the path without query and fragment (and without parameters, where they are ignored). */
  end = 0;
  #bare: string | null = null;
  #query: ReadonlyMap<string, string> | null = null;
  #cookies: ReadonlyMap<string, string> | null = null;

  reset(headers: Headers, context: MatchContext, ignoreParameters: boolean): void {
    this.headers = headers;
    this.context = context;
    const path = headers.path;
    this.path = path;
    let end = pathLength(path);
    if (ignoreParameters) {
      const semicolon = path.indexOf(';');
      if (semicolon >= 0 && semicolon < end) end = semicolon;
    }
    this.end = end;
    this.#bare = null;
    this.#query = null;
    this.#cookies = null;
  }

  /** The path without query. */
  get bare(): string {
    if (this.#bare === null) this.#bare = this.end === this.path.length ? this.path : this.path.slice(0, this.end);
    return this.#bare;
  }

  query(parse: (path: string) => ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    this.#query ??= parse(this.path);
    return this.#query;
  }

  cookies(parse: (headers: Headers) => ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    this.#cookies ??= parse(this.headers);
    return this.#cookies;
  }
}

/** Length of a path without query and fragment. */
export function pathLength(path: string): number {
  const query = path.indexOf('?');
  const end = query < 0 ? path.length : query;
  const fragment = path.indexOf('#');
  return fragment >= 0 && fragment < end ? fragment : end;
}

/** A requirement besides the path. */
export type Condition = { holds(view: MatchView): boolean };
