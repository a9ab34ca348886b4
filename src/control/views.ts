// What each connected proxy sees: tables of resources, shared by all proxies whose cache keys are equal.
import type { Changes, Collection, Memo } from '../base/collection.ts';
import { type EncodedResource, ResourceTable, type ResourceView } from '../xds/server/resource.ts';

/** One part of what a proxy gets of one type: the memo that makes it, and the cache key. */
export type TableRef = { readonly memo: Memo<readonly EncodedResource[]>; readonly key: string };

/** Type URL → parts, those that others share first. */
export type ProxyPlan = Readonly<Record<string, readonly TableRef[]>>;

/** Resources that changed in one batch. */
export type TableChange = { readonly table: ResourceTable; readonly names: readonly string[] };

type Held = { readonly ref: TableRef; readonly table: ResourceTable; users: number; isDirty: boolean };

export class Views {
  readonly #plans: Collection<ProxyPlan>;
  readonly #held = new Map<string, Held>();
  readonly #followed = new Set<string>();
  readonly #proxies = new Map<string, ProxyView>();
  /** Counts tables that came and went, for those who remember what was true of all. */
  shape = 0;
  #dirty: Held[] = [];
  #replanned: string[] = [];

  constructor(plans: Collection<ProxyPlan>) {
    this.#plans = plans;
    plans.subscribe((changes) => {
      for (const key of changes.keys()) if (this.#proxies.has(key)) this.#replanned.push(key);
    });
  }

  /** Begins to hold what the proxy of that key sees, or gives the view that is held; its plan is there. */
  open(key: string): ProxyView {
    const known = this.#proxies.get(key);
    if (known !== undefined) return known;
    const view = new ProxyView();
    this.#proxies.set(key, view);
    this.#arrange(key, view);
    return view;
  }

  close(key: string): void {
    const view = this.#proxies.get(key);
    if (view === undefined) return;
    this.#proxies.delete(key);
    for (const held of view.held) this.#release(held);
  }

  /** Tables that are held now, for people. */
  *tables(): IterableIterator<ResourceTable> {
    for (const { table } of this.#held.values()) yield table;
  }

  /** To be called after each batch: brings the tables up to date, and says what changed in them and for whom. */
  settle(): { readonly changes: readonly TableChange[]; readonly replanned: readonly string[] } {
    const replanned = this.#replanned;
    this.#replanned = [];
    for (const key of replanned) {
      const view = this.#proxies.get(key);
      if (view !== undefined) this.#arrange(key, view);
    }
    const changes: TableChange[] = [];
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const held of dirty) {
      held.isDirty = false;
      if (held.users === 0) continue;
      const resources = held.ref.memo.get(held.ref.key) ?? [];
      const names = held.table.set(ofType(resources, held.table.typeUrl));
      if (names.length > 0) changes.push({ table: held.table, names });
    }
    return { changes, replanned };
  }

  /**
   * What `settle` would change, without doing it: for a question that is taken back at once. Of proxies that would see
   * other tables, everything they see counts.
   */
  peek(): readonly TableChange[] {
    const changes = this.#dirty.flatMap(({ ref, table, users }) => {
      if (users === 0) return [];
      const resources = ofType(ref.memo.get(ref.key) ?? [], table.typeUrl);
      const names = differing(table, resources);
      return names.length === 0 ? [] : [{ table, names }];
    });
    for (const key of this.#replanned) {
      for (const { table } of this.#proxies.get(key)?.held ?? []) changes.push({ table, names: [...table.names()] });
    }
    return changes;
  }

  #arrange(key: string, view: ProxyView): void {
    const plan = this.#plans.get(key) ?? {};
    const before = view.held;
    const held: Held[] = [];
    const tables = new Map<string, readonly ResourceTable[]>();
    for (const [typeUrl, refs] of Object.entries(plan)) {
      const parts = refs.map((ref) => this.#hold(typeUrl, ref));
      held.push(...parts);
      tables.set(
        typeUrl,
        parts.map((part) => part.table),
      );
    }
    view.arrange(held, tables);
    for (const part of before) this.#release(part);
  }

  #hold(typeUrl: string, ref: TableRef): Held {
    const name = tableName(typeUrl, ref);
    let held = this.#held.get(name);
    if (held === undefined) {
      this.#follow(ref.memo);
      const resources = ref.memo.retain(ref.key);
      held = { ref, table: new ResourceTable(typeUrl, `${ref.memo.name} ${ref.key}`), users: 0, isDirty: false };
      held.table.set(ofType(resources, typeUrl));
      this.#held.set(name, held);
      this.shape++;
    }
    held.users++;
    return held;
  }

  #release(held: Held): void {
    if (--held.users > 0) return;
    this.#held.delete(tableName(held.table.typeUrl, held.ref));
    held.ref.memo.release(held.ref.key);
  }

  /** One memo makes resources of one type, or of several that share a key. */
  #follow(memo: Memo<readonly EncodedResource[]>): void {
    if (this.#followed.has(memo.name)) return;
    this.#followed.add(memo.name);
    memo.subscribe((changes: Changes<readonly EncodedResource[]>) => {
      for (const held of this.#held.values()) {
        if (held.ref.memo !== memo || held.isDirty || !changes.has(held.ref.key)) continue;
        held.isDirty = true;
        this.#dirty.push(held);
      }
    });
  }
}

/** What one proxy sees. */
export class ProxyView implements ResourceView {
  held: readonly Held[] = [];
  #tables: ReadonlyMap<string, readonly ResourceTable[]> = new Map();

  tables(typeUrl: string): readonly ResourceTable[] {
    return this.#tables.get(typeUrl) ?? NONE;
  }

  arrange(held: readonly Held[], tables: ReadonlyMap<string, readonly ResourceTable[]>): void {
    this.held = held;
    this.#tables = tables;
  }

  get typeUrls(): readonly string[] {
    return [...this.#tables.keys()];
  }
}

const NONE: readonly ResourceTable[] = [];

function tableName(typeUrl: string, ref: TableRef): string {
  return `${typeUrl}\n${ref.memo.name}\n${ref.key}`;
}

function ofType(resources: readonly EncodedResource[], typeUrl: string): readonly EncodedResource[] {
  return resources.every((resource) => resource.typeUrl === typeUrl)
    ? resources
    : resources.filter((resource) => resource.typeUrl === typeUrl);
}

function differing(table: ResourceTable, resources: readonly EncodedResource[]): string[] {
  const names = new Set(table.names());
  const changed: string[] = [];
  for (const { name, version } of resources) {
    if (table.get(name)?.version !== version) changed.push(name);
    names.delete(name);
  }
  return [...changed, ...names];
}
