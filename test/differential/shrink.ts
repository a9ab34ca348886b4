// Makes a configuration that shows a difference smaller while the difference stays.
import type { Case } from './case.ts';
import type { Fields } from './config.ts';
import { groupOf, type Generated } from './generate.ts';
import { runGroup } from './run-group.ts';
import type { ProxyKind } from '../support/proxy-process.ts';

type Path = readonly (string | number)[];

/** Field names whose removal only breaks the configuration. */
const NEEDED: ReadonlySet<string> = new Set([
  ...[
    'name',
    'address',
    'stat_prefix',
    'filter_chains',
    'filters',
    'typed_config',
    '@type',
    'route_config',
    'http_filters',
    'domains',
    'match',
    'key',
  ],
]);

/** Every removable element, larger parts first. */
function removable(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [];
  const children: [string | number, unknown][] = Array.isArray(value)
    ? value.map((child, index): [number, unknown] => [index, child])
    : Object.entries(value);
  const own = children.filter(([key]) => !NEEDED.has(String(key))).map(([key]) => [...path, key]);
  return [...own, ...children.flatMap(([key, child]) => removable(child, [...path, key]))].toSorted(
    (a, b) => a.length - b.length,
  );
}

function without(value: unknown, path: Path): unknown {
  const copy = structuredClone(value) as Record<string | number, unknown>;
  let parent = copy;
  for (const key of path.slice(0, -1)) parent = parent[key] as Record<string | number, unknown>;
  const last = path.at(-1)!;
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last];
  return copy;
}

/** Runs one case and says whether it differs at this path: another difference would be another story. */
async function differs(generated: Generated, test: Case, other: ProxyKind, path: string): Promise<boolean> {
  try {
    const results = await runGroup(groupOf([{ ...generated, cases: [test] }]), other);
    return results.some(({ differences }) => differences.some((difference) => difference.path === path));
  } catch {
    return false;
  }
}

/** Returns a listener with less in it, or null when the difference did not show again. */
export async function shrink(
  generated: Generated,
  test: Case,
  path: string,
  other: ProxyKind,
  mostTries: number,
): Promise<Fields | null> {
  if (!(await differs(generated, test, other, path))) return null;
  let smallest = generated.listener;
  let tries = 0;
  let position = 0;
  while (tries < mostTries) {
    const paths = removable(smallest);
    const part = paths[position];
    if (part === undefined) break;
    tries++;
    const candidate = without(smallest, part) as Fields;
    if (await differs({ ...generated, listener: candidate }, test, other, path)) smallest = candidate;
    else position++;
  }
  return smallest;
}
