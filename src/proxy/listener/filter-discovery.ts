// Listener filters whose configuration is only named and comes from elsewhere: new sockets get the present one.
import { type Discovery, type Extension, FollowedExtension } from '../xds/followed-extension.ts';
import type { Holders } from '../xds/holders.ts';
import type { ListenerFilter, ListenerFilterContext, ListenerFilterFactory } from './filter.ts';

/** A filter's configuration that came by name. */
export type ListenerExtension = Extension<ListenerFilterFactory>;
export type ListenerDiscovery = Discovery<ListenerFilterFactory>;

/** Makes the filters of one listener that are only named. */
export type FollowListenerFilter = (
  discovery: ListenerDiscovery,
  context: ListenerFilterContext,
) => FollowedListenerFilter;

export function followListenerFilters(extensions: Holders<ListenerExtension>): FollowListenerFilter {
  return (discovery, context) => new FollowedListenerFilter(discovery, context, extensions);
}

export class FollowedListenerFilter {
  readonly #context: ListenerFilterContext;
  readonly #followed: FollowedExtension<ListenerFilterFactory>;
  /** Null: there is no configuration. */
  #make: (() => ListenerFilter) | null = null;

  constructor(discovery: ListenerDiscovery, context: ListenerFilterContext, extensions: Holders<ListenerExtension>) {
    this.#context = context;
    this.#followed = new FollowedExtension(discovery, extensions, {
      kind: 'tcp_listener_filter',
      stats: context.stats,
      changed: () => this.#take(),
    });
    this.#take();
  }

  #take(): void {
    const { current } = this.#followed;
    this.#make = current === null ? null : current.factory.create(current.config as never, this.#context);
  }

  /** No socket may be served. */
  get isMissing(): boolean {
    return this.#make === null;
  }

  /** For one socket; null: the configuration is gone since it was accepted. */
  make(): ListenerFilter | null {
    return this.#make?.() ?? null;
  }

  whenSettled(settled: () => void): void {
    this.#followed.whenSettled(settled);
  }

  close(): void {
    this.#followed.close();
  }
}
