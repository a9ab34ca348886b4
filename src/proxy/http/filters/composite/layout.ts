// Which positions behind a composite filter its filters stand at, once for each chain.
import { positionsOf } from '../../filter.ts';
import type { InnerFilter } from './execute-action.ts';

/** What routes may put in its place at most: their filters get positions before they are known. */
export const MOST_OF_ROUTE = 4;

/** The positions of one filter, counted from the first behind the head. */
export type Place = { readonly at: number; readonly size: number };

/** Of what routes bring: any filter may stand there. */
const ANY = '';

/** Positions, each for filters that take the same kind of configuration per route. */
export class Layout {
  readonly #types: string[] = new Array(MOST_OF_ROUTE).fill(ANY);

  get size(): number {
    return this.#types.length;
  }

  /** The places of filters that run one after another. */
  placesOf(filters: readonly InnerFilter[]): Place[] {
    let from = MOST_OF_ROUTE;
    return filters.map(({ factory, config }) => {
      const place = this.place(factory.configType, positionsOf(factory, config), from);
      from = place.at + place.size;
      return place;
    });
  }

  /** A place at `from` or behind it, where only filters of this type stand. */
  place(type: string, size = 1, from = MOST_OF_ROUTE): Place {
    let at = from;
    while (at < this.#types.length && !this.#isFree(type, size, at)) at++;
    while (this.#types.length < at + size) this.#types.push(type);
    return { at, size };
  }

  #isFree(type: string, size: number, at: number): boolean {
    for (let i = at; i < Math.min(at + size, this.#types.length); i++) if (this.#types[i] !== type) return false;
    return true;
  }
}

/** The places of filters that a route brings. */
export function routePlaces(filters: readonly InnerFilter[]): Place[] {
  let at = 0;
  return filters.map(({ factory, config }) => {
    const place = { at, size: positionsOf(factory, config) };
    at += place.size;
    return place;
  });
}
