// Fields and elements: of maps, lists, and of what may not be there.
import type { Node } from './syntax.ts';
import {
  CelError,
  CelMap,
  isMap,
  memberOf,
  noOverload,
  NONE,
  numberKind,
  Optional,
  type Result,
  typeOf,
  type Value,
  wholeOf,
} from './values.ts';

const OUT_OF_BOUNDS = new CelError('index out of bounds');

/** `a.b['c']` as its names; null when it is no such path. */
export function chain(node: Node): string[] | null {
  if (node.kind === 'name') return [node.name];
  if (node.kind === 'select' && !node.isOptional) {
    const path = chain(node.of);
    path?.push(node.field);
    return path;
  }
  if (node.kind !== 'index' || node.isOptional || node.at.kind !== 'constant') return null;
  const { value } = node.at;
  if (typeof value !== 'string') return null;
  const path = chain(node.of);
  path?.push(value);
  return path;
}

export function member(of: Value, key: Value): Result {
  if (Array.isArray(of)) {
    const list = of as readonly Value[];
    if (numberKind(key) === null) return noOverload('[]', of, key);
    const at = Number(wholeOf(key) ?? -1);
    return at < 0 || at >= list.length ? OUT_OF_BOUNDS : (list[at] as Value);
  }
  if (!isMap(of)) return noOverload('[]', of, key);
  if (of instanceof CelMap && of.isMessage) return new CelError('a message has fields, not keys');
  const found = memberOf(of, key);
  return found === undefined
    ? new CelError(`no such key: ${typeof key === 'object' ? typeOf(key) : String(key)}`)
    : found;
}

/** The element, if it is there, of what is there. */
export function select(of: Value, key: Value): Result {
  const inner = of instanceof Optional ? of.value : of;
  if (inner === undefined) return NONE;
  if (Array.isArray(inner)) {
    const at = Number(wholeOf(key) ?? -1);
    return at >= 0 && at < inner.length ? new Optional(inner[at] as Value) : NONE;
  }
  if (!isMap(inner)) return noOverload('?.', inner, key);
  const found = memberOf(inner, key);
  return found === undefined ? NONE : new Optional(found);
}
