// Chooses a host: first a priority by its load, then within it by the policy (round robin, least request, random).
import type { Clock, Random } from '../../../base/clock.ts';
import type { Runtime } from '../../http/filter.ts';
import type { Host, LoadBalancer, LoadBalancerContext } from '../cluster.ts';
import type { ClusterConfig } from '../cluster-config.ts';
import type { HostEntry } from '../host.ts';
import {
  computeAvailability,
  computePriorityLoad,
  type LocalityHosts,
  type PriorityAvailability,
  type PriorityHosts,
  type PriorityLoad,
} from '../priority-set.ts';
import type { ClusterScope } from '../stats.ts';
import { EdfScheduler } from './edf.ts';
import type { PreviousPriorities } from './previous-priorities.ts';
import { SlowStart } from './slow-start.ts';

/** Runtime key, per cent of healthy hosts. */
const PANIC_THRESHOLD = 'upstream.healthy_panic_threshold';

/** Picks among hosts that are equally allowed; one object per list of hosts, thrown away with it. */
type Picker = { pick(random: Random): HostEntry | null };

/** What the configuration says of it. */
export type LoadBalancerOptions = Pick<
  ClusterConfig,
  'lb' | 'panicThreshold' | 'failTrafficOnPanic' | 'localityWeighted'
>;

export class PriorityLoadBalancer implements LoadBalancer {
  readonly #options: LoadBalancerOptions;
  readonly #runtime: Runtime;
  readonly #stats: ClusterScope;
  readonly #random: Random;
  readonly #slowStart: SlowStart | null;
  #load: PriorityLoad = { healthy: [], degraded: [], isPanicking: [] };
  #availability: PriorityAvailability = { healthy: [], degraded: [] };
  #healthy: Picker[] = [];
  #degraded: Picker[] = [];
  #all: Picker[] = [];
  /** The one picker to ask when everything is well: one priority, no panic. */
  #only: Picker | null = null;
  #isOnePriority = true;

  constructor(
    options: LoadBalancerOptions,
    runtime: Runtime,
    stats: ClusterScope,
    random: Random,
    clock: Pick<Clock, 'nowMs'>,
  ) {
    this.#options = options;
    this.#runtime = runtime;
    this.#stats = stats;
    this.#random = random;
    const slow = 'slowStart' in options.lb ? options.lb.slowStart : undefined;
    this.#slowStart = slow === undefined ? null : new SlowStart(slow, clock, runtime);
  }

  /** Takes new hosts on. */
  update(priorities: readonly PriorityHosts[], overprovisioning: number): void {
    // Read whenever hosts change, as in Envoy.
    const panicThreshold = Math.min(100, this.#runtime.number(PANIC_THRESHOLD, this.#options.panicThreshold));
    this.#load = computePriorityLoad(priorities, overprovisioning, panicThreshold);
    this.#availability = computeAvailability(priorities, overprovisioning);
    for (const { hosts } of priorities) this.#slowStart?.see(hosts);
    this.#healthy = priorities.map((p) => this.#picker(p, 'healthy'));
    this.#degraded = priorities.map((p) => this.#picker(p, 'degraded'));
    this.#all = priorities.map((p) => this.#picker(p, 'hosts'));
    this.#isOnePriority = this.#load.healthy[0] === 100;
    this.#only = this.#isOnePriority && this.#load.isPanicking[0] !== true ? (this.#healthy[0] as Picker) : null;
  }

  /** Share of each priority in per cent, for tests and `/clusters`. */
  get load(): PriorityLoad {
    return this.#load;
  }

  chooseHost(context: LoadBalancerContext): Host | null {
    const attempts = context.hostSelectionMaxAttempts;
    let host = this.#choose(context);
    for (let i = 0; i < attempts && host !== null && context.shouldSelectAnother(host); i++) {
      host = this.#choose(context);
    }
    return host;
  }

  #choose(context: LoadBalancerContext): HostEntry | null {
    const only = this.#only;
    const retry = context.retryPriority ?? null;
    return only !== null && retry === null ? only.pick(context.random) : this.#chooseByLoad(context, retry);
  }

  #chooseByLoad(context: LoadBalancerContext, retry: PreviousPriorities | null): HostEntry | null {
    const { isPanicking } = this.#load;
    const { healthy, degraded } = retry === null ? this.#load : retry.adjust(this.#availability, this.#load);
    let priority = 0;
    let isDegraded = false;
    if (!this.#isOnePriority || retry !== null) {
      let draw = (context.hash === null ? context.random.uint32() : context.hash) % 100;
      priority = healthy.findIndex((share) => (draw -= share) < 0);
      if (priority < 0) {
        isDegraded = true;
        priority = degraded.findIndex((share) => (draw -= share) < 0);
        if (priority < 0) return null;
      }
    }
    if (isPanicking[priority] === true) {
      this.#stats.inc(this.#stats.i.lb_healthy_panic);
      if (this.#options.failTrafficOnPanic) return null;
      return this.#all[priority]?.pick(context.random) ?? null;
    }
    return (isDegraded ? this.#degraded : this.#healthy)[priority]?.pick(context.random) ?? null;
  }

  #picker(hosts: PriorityHosts, source: 'healthy' | 'degraded' | 'hosts'): Picker {
    if (this.#options.localityWeighted && source !== 'hosts') {
      const weighted = hosts.localities.filter((locality) => locality.weight > 0 && locality[source].length > 0);
      if (weighted.length > 0) return this.#localityPicker(weighted, source);
    }
    return this.#hostPicker(hosts[source]);
  }

  /** Localities in proportion to weight times the share of hosts that can serve. Source: Envoy locality_weighted. */
  #localityPicker(localities: readonly LocalityHosts[], source: 'healthy' | 'degraded'): Picker {
    const edf = new EdfScheduler<{ picker: Picker; weight: number }>();
    for (const locality of localities) {
      const availability = Math.min(1, (1.4 * locality[source].length) / locality.hosts.length);
      const weight = locality.weight * availability;
      edf.add(weight, { picker: this.#hostPicker(locality[source]), weight });
    }
    return { pick: (random) => edf.pick((entry) => entry.weight)?.picker.pick(random) ?? null };
  }

  #hostPicker(hosts: readonly HostEntry[]): Picker {
    const policy = this.#options.lb;
    if (hosts.length === 0) return NOBODY;
    if (policy.kind === 'random') return new RandomPicker(hosts);
    const slow = this.#slowStart?.isOn === true ? this.#slowStart : null;
    const isWeighted = slow !== null || hosts.some((host) => host.weight !== hosts[0]?.weight);
    const seed = this.#random.uint32();
    if (policy.kind === 'round-robin') {
      if (hosts.length === 1 || !isWeighted) return new RoundRobinPicker(hosts, seed % hosts.length);
      return new WeightedPicker(hosts, seed, slowed(weightOf, slow));
    }
    if (policy.kind === 'cluster-provided') return NOBODY;
    if (!isWeighted) {
      return policy.isFullScan ? new FullScanPicker(hosts) : new LeastRequestPicker(hosts, policy.choiceCount);
    }
    // Read whenever hosts change, as in Envoy.
    const bias = this.#runtime.double(policy.biasRuntimeKey, policy.activeRequestBias);
    const weight = bias === 0 ? weightOf : (host: HostEntry) => host.weight / (host.rqActive + 1) ** bias;
    return new WeightedPicker(hosts, seed, slowed(weight, slow));
  }
}

const NOBODY: Picker = { pick: () => null };

function weightOf(host: HostEntry): number {
  return host.weight;
}

function slowed(weight: (host: HostEntry) => number, slow: SlowStart | null): (host: HostEntry) => number {
  return slow === null ? weight : (host) => weight(host) * slow.factorOf(host);
}

/** Starts anywhere, so that many proxies do not all begin with the same host. */
class RoundRobinPicker implements Picker {
  readonly #hosts: readonly HostEntry[];
  #next: number;

  constructor(hosts: readonly HostEntry[], start: number) {
    this.#hosts = hosts;
    this.#next = start;
  }

  pick(): HostEntry | null {
    const at = this.#next;
    this.#next = at + 1 === this.#hosts.length ? 0 : at + 1;
    return this.#hosts[at] as HostEntry;
  }
}

class WeightedPicker implements Picker {
  readonly #edf = new EdfScheduler<HostEntry>();
  readonly #weight: (host: HostEntry) => number;

  constructor(hosts: readonly HostEntry[], seed: number, weight: (host: HostEntry) => number) {
    this.#weight = weight;
    for (const host of hosts) this.#edf.add(weight(host), host);
    for (let i = seed % hosts.length; i > 0; i--) this.#edf.pick(weight);
  }

  pick(): HostEntry | null {
    return this.#edf.pick(this.#weight);
  }
}

class RandomPicker implements Picker {
  readonly #hosts: readonly HostEntry[];

  constructor(hosts: readonly HostEntry[]) {
    this.#hosts = hosts;
  }

  pick(random: Random): HostEntry | null {
    return this.#hosts[random.below(this.#hosts.length)] as HostEntry;
  }
}

/** The least busy of a few drawn hosts ("power of two choices"). */
class LeastRequestPicker implements Picker {
  readonly #hosts: readonly HostEntry[];
  readonly #choices: number;

  constructor(hosts: readonly HostEntry[], choices: number) {
    this.#hosts = hosts;
    this.#choices = choices;
  }

  pick(random: Random): HostEntry | null {
    const hosts = this.#hosts;
    let best = hosts[random.below(hosts.length)] as HostEntry;
    for (let i = 1; i < this.#choices; i++) {
      const other = hosts[random.below(hosts.length)] as HostEntry;
      if (other.rqActive < best.rqActive) best = other;
    }
    return best;
  }
}

/** The least busy of all hosts; among equals each is as likely. */
class FullScanPicker implements Picker {
  readonly #hosts: readonly HostEntry[];

  constructor(hosts: readonly HostEntry[]) {
    this.#hosts = hosts;
  }

  pick(random: Random): HostEntry | null {
    let best: HostEntry | null = null;
    let equals = 0;
    for (const host of this.#hosts) {
      if (best === null || host.rqActive < best.rqActive) {
        best = host;
        equals = 1;
      } else if (host.rqActive === best.rqActive && random.below(++equals) === 0) best = host;
    }
    return best;
  }
}
