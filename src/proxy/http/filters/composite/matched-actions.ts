// Filter state that tells which actions composite filters took for an exchange.
import type { FilterStateObject, StreamInfo } from '../../../stream-info.ts';

/** Source: Envoy MatchedActionsFilterStateKey. */
const KEY = 'envoy.extensions.filters.http.composite.matched_actions';

/** By filter and action: what one action alone looks like, which is nearly always. */
const alone = new Map<string, FilterStateObject>();
const MOST_KEPT = 1000;

export function noteAction(info: StreamInfo, filter: string, action: string): void {
  info.filterState ??= new Map();
  const before = info.filterState.get(KEY);
  if (before !== undefined) {
    info.filterState.set(KEY, makeObject({ ...(before.typed as Record<string, string>), [filter]: action }));
    return;
  }
  const name = `${filter}\n${action}`;
  let object = alone.get(name);
  if (object === undefined) {
    object = makeObject({ [filter]: action });
    if (alone.size < MOST_KEPT) alone.set(name, object);
  }
  info.filterState.set(KEY, object);
}

function makeObject(actions: Readonly<Record<string, string>>): FilterStateObject {
  const sorted = Object.fromEntries(Object.entries(actions).sort(([a], [b]) => (a < b ? -1 : 1)));
  return Object.freeze({
    value: Buffer.from(JSON.stringify(sorted), 'utf8').toString('latin1'),
    typed: sorted,
    isReadOnly: false,
    lifeSpan: 'filter-chain',
  });
}
