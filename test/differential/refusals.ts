// Finds the listeners and clusters of a group that a proxy refuses, so that the rest can still be compared.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../support/free-ports.ts';
import { runToEnd } from '../support/proxy-process.ts';
import type { ProxyKind } from '../support/proxy-process.ts';
import type { Group } from './case.ts';
import type { Fields } from './config.ts';
import { fillPlaceholders, placeholdersIn, toYaml } from './config.ts';

export type Refusals = {
  /** The group without what was refused. */
  readonly group: Group;
  /** Messages by name. */
  readonly listeners: ReadonlyMap<string, string>;
  readonly clusters: ReadonlyMap<string, string>;
};

type Bootstrap = {
  readonly static_resources: { readonly listeners: readonly Fields[]; readonly clusters: readonly Fields[] };
};

/** Validates every cluster alone and every listener with the accepted clusters. */
export async function findRefusals(group: Group, kind: ProxyKind): Promise<Refusals> {
  const config = group.config as Bootstrap;
  const { listeners, clusters } = config.static_resources;
  const directory = mkdtempSync(join(tmpdir(), 'heddle-refused-'));
  const build = (some: readonly Fields[], others: readonly Fields[]): Bootstrap => ({
    ...config,
    static_resources: { listeners: some, clusters: others },
  });
  try {
    const accepted: Fields[] = [];
    const refusedClusters = new Map<string, string>();
    for (const cluster of clusters) {
      const message = await validate(build([], [cluster]), kind, directory);
      if (message === null) accepted.push(cluster);
      else refusedClusters.set(String(cluster['name']), message);
    }
    const kept: Fields[] = [];
    const refused = new Map<string, string>();
    for (const listener of listeners) {
      const message = await validate(build([listener], accepted), kind, directory);
      if (message === null) kept.push(listener);
      else refused.set(String(listener['name']), message);
    }
    return { group: { ...group, config: build(kept, accepted) }, listeners: refused, clusters: refusedClusters };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function validate(config: Bootstrap, kind: ProxyKind, directory: string): Promise<string | null> {
  const template = toYaml(config);
  const values = new Map<string, string | number>([
    ['dir', directory],
    ['log', join(directory, 'access.log')],
  ]);
  for (const name of placeholdersIn(template)) if (!values.has(name)) values.set(name, await freePort());
  const { code, output } = await runToEnd(kind, fillPlaceholders(template, values), directory, ['--mode', 'validate']);
  return code === 0 ? null : output.trim();
}
