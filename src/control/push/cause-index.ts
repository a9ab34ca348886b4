// Which resources of a table came of which object: made when somebody asks, as long as the table does not change.
import type { EncodedResource, ResourceTable } from '../../xds/server/resource.ts';

type Index = { readonly resources: unknown; readonly names: ReadonlyMap<string, readonly string[]> };

export class CauseIndex {
  readonly #indexes = new WeakMap<ResourceTable, Index>();

  namesOf(table: ResourceTable, key: string): readonly string[] {
    const resources = table.all();
    if (resources.length <= MAX_SCANNED) return scan(resources, key);
    let index = this.#indexes.get(table);
    // The list is another one whenever a resource is.
    if (index === undefined || index.resources !== resources) {
      const names = new Map<string, string[]>();
      for (const { name, causes } of resources) {
        for (const cause of causes ?? []) {
          const known = names.get(cause);
          if (known === undefined) names.set(cause, [name]);
          else known.push(name);
        }
      }
      index = { resources, names };
      this.#indexes.set(table, index);
    }
    return index.names.get(key) ?? NONE;
  }
}

const NONE: readonly string[] = [];

/** Tables of single proxies are many and small: an index would cost more than it saves. */
const MAX_SCANNED = 32;

function scan(resources: readonly EncodedResource[], key: string): readonly string[] {
  let names: string[] | null = null;
  for (const { name, causes } of resources) {
    if (causes === null || !causes.includes(key)) continue;
    names ??= [];
    names.push(name);
  }
  return names ?? NONE;
}
