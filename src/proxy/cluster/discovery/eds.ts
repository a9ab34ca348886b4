// Hosts from a control plane: the cluster follows the assignment of its service name.
import type { Holder, Holders } from '../../xds/holders.ts';
import type { EdsConfig, EndpointsConfig } from '../cluster-config.ts';
import type { ClusterScope } from '../stats.ts';

export type EdsContext = {
  readonly holders: Holders<EndpointsConfig>;
  readonly stats: ClusterScope;
  readonly onEndpoints: (endpoints: EndpointsConfig) => void;
};

const NOBODY: EndpointsConfig = Object.freeze({ endpoints: Object.freeze([]), overprovisioningFactor: 140 });

export class EdsDiscovery {
  readonly #config: EdsConfig;
  readonly #context: EdsContext;
  #holder: Holder<EndpointsConfig> | null = null;
  readonly #changed = (): void => this.#context.onEndpoints(this.#holder?.current ?? NOBODY);

  constructor(config: EdsConfig, context: EdsContext) {
    this.#config = config;
    this.#context = context;
  }

  /** `settled` is called once, perhaps now: the first assignment is there, or does not come. */
  start(settled: () => void): void {
    const { holders, stats } = this.#context;
    const { serviceName, place } = this.#config;
    const known = holders.find(serviceName, place.key);
    const holder = holders.use(serviceName, place, stats.prefix);
    this.#holder = holder;
    holder.listen(this.#changed);
    if (known !== null) {
      if (holder.current !== null) this.#changed();
      // The cluster was sent anew, and its server may count on being asked.
      holders.ask(holder);
    }
    holder.whenSettled(settled);
  }

  close(): void {
    const holder = this.#holder;
    if (holder === null) return;
    this.#holder = null;
    holder.unlisten(this.#changed);
    this.#context.holders.release(holder);
  }
}
