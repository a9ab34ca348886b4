// The routes of a virtual host as a tree of matchers that leads to lists of routes.
import type { Headers } from '../../wire/headers.ts';
import type { StreamInfo } from '../stream-info.ts';
import type { MatchView } from './match-view.ts';
import type { Route } from './route.ts';
import { type RouteEntry, RouteList } from './route-list.ts';

export type RouteTreeSettings = {
  /** The index of a list; below 0: there is no route. */
  readonly choose: (info: StreamInfo, headers: Headers) => number;
  readonly lists: readonly (readonly RouteEntry[])[];
};

export class RouteTree {
  readonly #choose: RouteTreeSettings['choose'];
  readonly #lists: readonly RouteList[];

  constructor({ choose, lists }: RouteTreeSettings) {
    this.#choose = choose;
    this.#lists = lists.map((entries) => new RouteList(entries));
  }

  match(view: MatchView): Route | null {
    const at = this.#choose(view.context.format.info, view.headers);
    return at < 0 ? null : (this.#lists[at] as RouteList).match(view);
  }
}
