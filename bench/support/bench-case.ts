// What a case of the bench is given and gives back, and the arithmetic that all cases share.
import type { LoadPlace } from './load.ts';
import type { PeerName, ProxyPlace } from './proxies.ts';

export type BenchContext = {
  readonly peers: readonly PeerName[];
  readonly rounds: number;
  readonly seconds: number;
  readonly proxyPlace: ProxyPlace;
  readonly loadPlace: LoadPlace;
  readonly say: (text: string) => void;
};

/**
 * A bar is a ratio to Envoy's figure (or another peer's), with an absolute surplus that also passes, or a figure of
 * Heddle's own.
 */
export type Bar = {
  readonly ratio?: number;
  readonly surplus?: number;
  readonly most?: number;
  readonly to?: PeerName;
};

export type Row = {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly bar: Bar;
  /** The figure of each round, by peer. */
  readonly rounds: Partial<Record<PeerName, readonly number[]>>;
  /** Why the row does not count, or null: the answers differ from Envoy's, or something failed. */
  readonly notCounted: string | null;
  /** Further figures, such as requests per second, by their names. */
  readonly extra?: Readonly<Record<string, unknown>>;
};

export type BenchCase = {
  readonly name: string;
  readonly title: string;
  readonly run: (context: BenchContext) => Promise<readonly Row[]>;
};

export type Verdict = { readonly medians: Partial<Record<PeerName, number>>; ratio?: number; met?: boolean };

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Takes the ratio within each round, where the machine was in one mood, and then the median of the ratios. */
export function judge({ rounds, bar, notCounted }: Row): Verdict {
  const medians = Object.fromEntries(
    Object.entries(rounds).map(([peer, values]) => [peer, median(values)]),
  ) as Verdict['medians'];
  const { heddle = [] } = rounds;
  const other = rounds[bar.to ?? 'envoy'] ?? [];
  if (heddle.length === 0) return { medians };
  if (bar.most !== undefined) return { medians, met: notCounted === null && medians.heddle! <= bar.most };
  if (other.length !== heddle.length) return { medians };
  const ratio = median(heddle.map((value, index) => value / other[index]!));
  const surplus = median(heddle.map((value, index) => value - other[index]!));
  if (bar.ratio === undefined && bar.surplus === undefined) return { medians, ratio };
  const within =
    (bar.ratio !== undefined && ratio <= bar.ratio) || (bar.surplus !== undefined && surplus <= bar.surplus);
  return { medians, ratio, met: notCounted === null && within };
}

/** Runs rounds in which every peer takes its turn, beginning with another one each time. */
export async function alternate(
  { peers, rounds }: Pick<BenchContext, 'peers' | 'rounds'>,
  measure: (peer: PeerName, round: number) => Promise<number>,
): Promise<Partial<Record<PeerName, number[]>>> {
  const figures: Partial<Record<PeerName, number[]>> = Object.fromEntries(peers.map((peer) => [peer, []]));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < peers.length; turn++) {
      const peer = peers[(round + turn) % peers.length]!;
      figures[peer]!.push(await measure(peer, round));
    }
  }
  return figures;
}
