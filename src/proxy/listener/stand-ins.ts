// Which filters of a listener are not built, and what stands in for them: for logs, statistics and the admin interface.
import type { StandIn } from '../network/filter.ts';
import type { ListenerConfig } from './listener-config.ts';

/** One entry for each place in which such a filter stands. */
export function standInsOf(config: ListenerConfig): StandIn[] {
  const chains = config.chains.map(({ chain }) => chain);
  if (config.defaultChain !== null) chains.push(config.defaultChain);
  return chains.flatMap(({ filters }) =>
    filters.flatMap(({ factory, config: own }) => factory.standIns?.(own as never) ?? []),
  );
}

/** A warning for each such filter of a listener. */
export function standInWarnings(config: ListenerConfig): string[] {
  return [...new Set(standInsOf(config).map((one) => `listener ${JSON.stringify(config.name)}: ${textOf(one)}`))];
}

/** The same for a filter that came by name. */
export function extensionWarning(name: string, standIn: StandIn): string {
  return `filter ${JSON.stringify(name)}: ${textOf(standIn)}`;
}

function textOf({ name, effect }: StandIn): string {
  return `${name} ${effect === 'inert' ? 'is accepted but does nothing' : 'is not supported yet and lets nobody in'}`;
}
