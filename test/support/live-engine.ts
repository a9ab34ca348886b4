// Real sockets, clock and resolver for tests that talk over loopback; a bug in a callback fails the test.
import { Clock, Random } from '../../src/base/clock.ts';
import { createEngine, type Engine } from '../../src/net/engine.ts';
import { createResolver, DEFAULT_RESOLVER, type Resolver } from '../../src/net/resolver/resolver.ts';
import { StatStore } from '../../src/telemetry/metrics.ts';

export type LiveEngine = { readonly clock: Clock; readonly engine: Engine; readonly resolver: Resolver };

export function liveEngine(): LiveEngine {
  const clock = new Clock();
  const engine = createEngine({
    clock,
    onBug: (error) => {
      throw error;
    },
  });
  clock.wrap = (run) => engine.run(run);
  const resolver = createResolver(DEFAULT_RESOLVER, { engine, clock, random: new Random(1), stats: new StatStore() });
  return { clock, engine, resolver };
}
