// Puts route configurations in force that come by name: at once, or once the virtual hosts that they lack have come.
import type { OpenTable } from '../route/open-table.ts';
import type { RouteTable } from '../route/route.ts';
import { Holder, type Holders } from './holders.ts';
import type { HostEntries, HostFeed, VirtualHosts } from './virtual-hosts.ts';

export class RouteFeeds {
  readonly #routes: Holders<RouteTable>;
  readonly #hosts: VirtualHosts;
  readonly #feeds = new Map<Holder<RouteTable>, HostFeed>();
  /** Told of each table that serves, with the statistics' prefix. */
  onReload: (statPrefix: string) => void = () => {};

  constructor(routes: Holders<RouteTable>, hosts: VirtualHosts) {
    this.#routes = routes;
    this.#hosts = hosts;
  }

  /** From now on the name means that; says why it cannot, or null. `hosts`: those of an open table that are here. */
  set(name: string, placeKey: string, table: RouteTable, hosts: HostEntries): string | null {
    const holder = this.#routes.find(name, placeKey);
    if (holder === null) return null;
    const { open = null } = table;
    const feed = this.#feeds.get(holder);
    if (open === null) {
      this.#end(holder);
      holder.set(table);
      this.onReload(holder.statPrefix);
      return null;
    }
    if (feed === undefined || feed.place.key !== open.place.key) return this.#follow(holder, open, hosts);
    const conflict = feed.tryWith(open, hosts);
    if (conflict === null) feed.commit();
    return conflict?.reason ?? null;
  }

  #follow(holder: Holder<RouteTable>, open: OpenTable, hosts: HostEntries): string | null {
    const prefix = `${holder.statPrefix.slice(0, -holder.name.length - 1)}vhds.${holder.name}.`;
    const feed = this.#hosts.follow(open, hosts, prefix, (table) => {
      if (table !== null) holder.set(table);
      this.onReload(holder.statPrefix);
    });
    if (typeof feed === 'string') return feed;
    this.#end(holder);
    this.#feeds.set(holder, feed);
    holder.onEnd = () => this.#end(holder);
    // Who has been served does not wait. Source: Envoy RouteConfigUpdateReceiverImpl::onRdsUpdate.
    if (holder.isSettled) feed.serve();
    return null;
  }

  #end(holder: Holder<RouteTable>): void {
    holder.onEnd = null;
    this.#feeds.get(holder)?.close();
    this.#feeds.delete(holder);
  }

  /** The server has none of that name. */
  remove(name: string, placeKey: string): void {
    const holder = this.#routes.find(name, placeKey);
    if (holder === null) return;
    this.#end(holder);
    holder.set(null);
  }
}

/** A table that is written in a listener but for some of its virtual hosts. */
export function followHosts(hosts: VirtualHosts, open: OpenTable): Holder<RouteTable> {
  const statPrefix = `vhds.${open.name}.`;
  const holder = new Holder<RouteTable>(open.name, open.place, statPrefix);
  holder.users = 1;
  const entries = hosts.entriesNow(open);
  const publish = (table: RouteTable | null): void => void (table !== null && holder.set(table));
  const feed = hosts.follow(open, typeof entries === 'string' ? new Map() : entries, statPrefix, publish);
  // Its own hosts were seen to fit together when it was decoded.
  const alone = typeof feed === 'string' ? hosts.follow(open, new Map(), statPrefix, publish) : feed;
  if (typeof alone !== 'string') holder.onEnd = () => alone.close();
  return holder;
}
