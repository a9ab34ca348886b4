// Runs the cases of a group on two proxies at once and says where they differ; also used by the bench.
import type { Case, Group } from './case.ts';
import { compare } from './compare.ts';
import type { Difference } from './compare.ts';
import { INTENDED_DIFFERENCES } from './intended.ts';
import type { IntendedDifference } from './intended.ts';
import { findRefusals } from './refusals.ts';
import { Side } from './side.ts';
import type { ProxyKind } from '../support/proxy-process.ts';

export type CaseResult = {
  readonly group: string;
  readonly name: string;
  readonly ok: boolean;
  readonly differences: readonly Difference[];
  readonly intended: readonly { readonly path: string; readonly reason: string }[];
  readonly durationMs: number;
  /** What the real Envoy did. */
  readonly envoy: unknown;
};

/** The entries of the table of intended differences that matched in this process. */
export const usedIntentions = new Set<IntendedDifference>();

/** Both proxies of one group. */
export class Pair {
  readonly #group: Group;
  readonly #sides: readonly [Side, Side];
  /** Listeners that the other proxy refused, with its message. */
  readonly #refused: ReadonlyMap<string, string>;

  private constructor(group: Group, sides: readonly [Side, Side], refused: ReadonlyMap<string, string>) {
    this.#group = group;
    this.#sides = sides;
    this.#refused = refused;
  }

  static async start(group: Group, other: ProxyKind): Promise<Pair> {
    const [envoy, heddle] = await Promise.allSettled([Side.start('envoy', group), Side.start(other, group)]);
    if (envoy.status === 'fulfilled' && heddle.status === 'fulfilled') {
      return new Pair(group, [envoy.value, heddle.value], new Map());
    }
    if (heddle.status === 'fulfilled') await heddle.value.stop();
    if (envoy.status === 'rejected') throw new Error(`group ${group.name} did not start: ${String(envoy.reason)}`);
    if (heddle.status === 'fulfilled') throw new Error('unreachable');
    if (other === 'envoy') throw new Error(`group ${group.name} did not start: ${String(heddle.reason)}`);
    const refusals = await findRefusals(group, other);
    try {
      const rest = await Side.start(other, refusals.group);
      return new Pair(group, [envoy.value, rest], refusals.listeners);
    } catch (error) {
      await envoy.value.stop();
      throw new Error(
        `group ${group.name} did not start: ${String(heddle.reason)}\nwithout what is refused: ${String(error)}`,
      );
    }
  }

  async run(test: Case): Promise<CaseResult> {
    const startedAt = performance.now();
    const refused = this.#refused.get(test.to ?? 'main');
    if (refused !== undefined)
      return this.#judge(test, [{ path: 'refused', envoy: 'accepted', heddle: refused }], null, 0);
    const [envoy, heddle] = await Promise.all([this.#sides[0].run(test), observe(this.#sides[1], test)]);
    alignElapsed(envoy, heddle, test.elapsedToleranceMs ?? 0);
    return this.#judge(test, compare(envoy, heddle), envoy, Math.round(performance.now() - startedAt));
  }

  #judge(test: Case, found: readonly Difference[], envoy: unknown, durationMs: number): CaseResult {
    const group = this.#group.name;
    const name = `${group} / ${test.name}`;
    const differences: Difference[] = [];
    const intended: { path: string; reason: string }[] = [];
    for (const difference of found) {
      const entry = INTENDED_DIFFERENCES.find(({ cases, path }) => cases.test(name) && path.test(difference.path));
      if (entry === undefined) differences.push(difference);
      else {
        usedIntentions.add(entry);
        intended.push({ path: difference.path, reason: entry.reason });
      }
    }
    return { group, name: test.name, ok: differences.length === 0, differences, intended, durationMs, envoy };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#sides.map((side) => side.stop()));
  }
}

/** Runs all cases of a group and stops both proxies. */
export async function runGroup(group: Group, other: ProxyKind): Promise<CaseResult[]> {
  const pair = await Pair.start(group, other);
  try {
    const results: CaseResult[] = [];
    for (const test of group.cases) results.push(await pair.run(test));
    return results;
  } finally {
    await pair.stop();
  }
}

/** What cannot even be looked at (an answer that is no JSON, say) is an observation too. */
async function observe(side: Side, test: Case): Promise<unknown> {
  try {
    return await side.run(test);
  } catch (error) {
    return { error: String(error) };
  }
}

type Timed = { clients?: { elapsedMs?: number }[] };

/** Makes times equal that differ by no more than the tolerance. */
function alignElapsed(envoy: unknown, heddle: unknown, toleranceMs: number): void {
  if (toleranceMs === 0) return;
  const others = (heddle as Timed).clients ?? [];
  for (const [i, client] of ((envoy as Timed).clients ?? []).entries()) {
    const other = others[i];
    if (client.elapsedMs === undefined || other?.elapsedMs === undefined) continue;
    if (Math.abs(client.elapsedMs - other.elapsedMs) <= toleranceMs) other.elapsedMs = client.elapsedMs;
  }
}
