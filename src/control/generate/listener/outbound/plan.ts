// Which listeners a sidecar has for what its workload calls, and how services that want the same one share it.
import type { EgressListener, Scope } from '../../../model/scope.ts';
import { loopbackAddresses, type ProxyClass, wildcardAddresses } from '../../../model/proxy.ts';
import { isHttp, isTcp, isTls, type Protocol, type Service } from '../../../model/service.ts';
import type { ServicePolicy } from '../../../model/traffic-policy.ts';
import { isUnspecified, listenAddresses, shortNames } from './addresses.ts';
import { isHttpTarget, isSameMatch, type HttpTarget, type OutboundChain, type OutboundEntry } from './chain.ts';
import { type L4Routes, l4Chains } from './l4-chains.ts';
import { dynamicCache, type TargetLookup } from './l4-target.ts';

/** What of a class of proxies decides its outbound listeners, before they are encoded for a kind of proxy. */
export type OutboundFacts = Pick<
  ProxyClass,
  'namespace' | 'dnsDomain' | 'labels' | 'families' | 'interception' | 'dnsCapture' | 'http10'
>;

export type OutboundInput = {
  readonly facts: OutboundFacts;
  readonly scope: Scope;
  /** Ports that the proxy itself has on the wildcard address: 15001, 15006, 15021, 15090. */
  readonly reservedPorts: ReadonlySet<number>;
  readonly service: (key: string) => Service | undefined;
  /** Rules for connections of a route set; undefined for sets that have HTTP rules only. */
  readonly routes: (key: string) => L4Routes | undefined;
  readonly policyOf: (service: Service) => ServicePolicy | null;
  /** Addresses of the pods that serve a port of a headless service. */
  readonly podAddresses: (service: Service, port: number) => readonly string[];
  /** MeshConfig.outboundClusterStatName. */
  readonly statPattern: string;
};

type Draft = { -readonly [K in keyof OutboundEntry]: OutboundEntry[K] } & { isLocked: boolean };

type Port = { readonly number: number; readonly name: string; readonly protocol: Protocol };

type Binding = { readonly binds: readonly string[]; readonly bindToPort: boolean; readonly podAddress: string };

/** By name of the listener, in the order in which services ask for them. */
export function outboundPlan(input: OutboundInput): ReadonlyMap<string, OutboundEntry> {
  const plan = new Plan(input);
  for (const listener of input.scope.egress) plan.add(listener);
  return plan.entries();
}

class Plan {
  readonly #input: OutboundInput;
  readonly #drafts = new Map<string, Draft>();
  readonly #wildcards: readonly string[];
  readonly #httpProtocols: readonly string[];
  readonly #lookup: TargetLookup;

  constructor(input: OutboundInput) {
    this.#input = input;
    this.#wildcards = wildcardAddresses(input.facts.families);
    this.#httpProtocols = input.facts.http10 ? ['http/1.0', 'http/1.1', 'h2c'] : ['http/1.1', 'h2c'];
    const { policyOf, statPattern } = input;
    this.#lookup = { serviceOf: this.#serviceByHost, policyOf, statPattern };
  }

  entries(): ReadonlyMap<string, OutboundEntry> {
    const entries = new Map<string, OutboundEntry>();
    for (const [name, { isLocked: _, ...entry }] of this.#drafts) entries.set(name, entry);
    return entries;
  }

  add(egress: EgressListener): void {
    const { interception, families } = this.#input.facts;
    const bindToPort = interception === 'NONE' || egress.captureMode === 'NONE' || egress.bind.startsWith('unix://');
    const binds = egress.bind !== '' ? [egress.bind] : bindToPort ? loopbackAddresses(families) : [];
    const binding = { binds, bindToPort, podAddress: '' };
    const routes = egress.routes.flatMap((key) => this.#meshRoutes(key));
    // What a Sidecar names a port for is complete: services of the general listener behind it add nothing there.
    if (egress.port === null) for (const draft of this.#drafts.values()) draft.isLocked = true;
    for (const key of egress.services) {
      const service = this.#input.service(key);
      if (service === undefined || service.resolution === 'Alias') continue;
      for (const port of egress.port === null ? service.ports : [egress.port]) {
        if (this.#isReserved(binding, port)) continue;
        if (egress.port === null && this.#isPerPod(service, port, binding)) this.#addPods(service, port, routes);
        else this.#addService(service, port, binding, routes);
      }
    }
  }

  #meshRoutes(key: string): readonly L4Routes[] {
    const set = this.#input.routes(key);
    return set?.parents.includes('mesh') === true ? [set] : [];
  }

  #isReserved({ binds }: Binding, { number, protocol }: Port): boolean {
    const [bind] = binds;
    const isWildcard = bind === undefined ? isHttp(protocol) : bind === this.#wildcards[0];
    return isWildcard && this.#input.reservedPorts.has(number);
  }

  /** Headless services over TCP have a listener per pod: on the wildcard, two of them would be one. */
  #isPerPod(service: Service, { number, protocol }: Port, { binds }: Binding): boolean {
    if (binds.length > 0 || service.resolution !== 'Passthrough') return false;
    if (!isTcp(protocol) && protocol !== 'UNSUPPORTED') return false;
    const [[address = ''] = []] = listenAddresses(service, this.#input.facts);
    if (!isUnspecified(address)) return false;
    if (service.registry === 'Kubernetes' || Object.keys(service.selector).length > 0) return true;
    return this.#input.podAddresses(service, number).length > 0;
  }

  #addPods(service: Service, port: Port, routes: readonly L4Routes[]): void {
    for (const address of this.#input.podAddresses(service, port.number)) {
      this.#addService(service, port, { binds: [address], bindToPort: false, podAddress: address }, routes);
    }
  }

  #addService(service: Service, port: Port, binding: Binding, routes: readonly L4Routes[]): void {
    if (isHttp(port.protocol)) {
      const binds = binding.binds.length > 0 ? binding.binds : this.#wildcards;
      this.#addHttp(service, port, { ...binding, binds });
    } else if (isTcp(port.protocol) || port.protocol === 'UNSUPPORTED') {
      if (binding.binds.length > 0) return this.#addConnections(service, port, binding, '', routes);
      for (const addresses of listenAddresses(service, this.#input.facts)) {
        const [first = ''] = addresses;
        const cidr = first.includes('/') ? first : '';
        const binds = cidr === '' ? addresses : this.#wildcards;
        this.#addConnections(service, port, { ...binding, binds }, cidr, routes);
      }
    }
  }

  /** All HTTP services of a port share a listener: the request's host tells them apart. */
  #addHttp(service: Service, port: Port, binding: Binding): void {
    const name = nameOf(binding, port);
    const draft = this.#drafts.get(name);
    if (draft?.isLocked) return;
    const cache = service.resolution === 'DynamicDNS' ? dynamicCache(service.hostname) : '';
    if (draft !== undefined && !isPlainTcp(draft.protocol)) {
      if (cache !== '') draft.chains = draft.chains.map((chain) => withCache(chain, cache));
      return;
    }
    const isShared = binding.binds[0] === this.#wildcards[0] && port.protocol !== 'HTTP_PROXY';
    const rds = port.number === 0 ? (binding.binds[0] as string) : String(port.number);
    const chain = this.#httpChain(rds, port.protocol, isShared, cache);
    if (draft === undefined) this.#create(name, binding, port, isShared ? 'UNSUPPORTED' : port.protocol, [chain]);
    else this.#merge(draft, port, [chain], 'UNSUPPORTED');
  }

  #addConnections(service: Service, port: Port, binding: Binding, cidr: string, routes: readonly L4Routes[]): void {
    const name = nameOf(binding, port);
    const draft = this.#drafts.get(name);
    if (draft?.isLocked) return;
    const isAuto = port.protocol === 'UNSUPPORTED';
    if (isAuto && draft?.protocol === 'UNSUPPORTED') return;
    const chains = this.#connectionChains(service, port, binding, cidr, routes);
    if (isAuto) {
      const isWildcard = binding.binds[0] === this.#wildcards[0];
      const rds = isWildcard ? String(port.number) : `${service.hostname}:${port.number}`;
      const cache = service.resolution === 'DynamicDNS' ? dynamicCache(service.hostname) : '';
      chains.push(this.#httpChain(rds, port.protocol, true, cache));
    }
    if (draft === undefined || (isAuto && isHttp(draft.protocol))) {
      this.#create(name, binding, port, port.protocol, chains);
    } else {
      this.#merge(draft, port, chains, isAuto || isHttp(draft.protocol) ? 'UNSUPPORTED' : draft.protocol);
    }
  }

  #connectionChains(
    service: Service,
    port: Port,
    { binds }: Binding,
    cidr: string,
    routes: readonly L4Routes[],
  ): OutboundChain[] {
    const { facts } = this.#input;
    const [[address = ''] = []] = listenAddresses(service, facts);
    const isAnywhere = isUnspecified(address) && binds[0] === this.#wildcards[0];
    const aliases = isTls(port.protocol)
      ? service.aliases.flatMap((alias) => [alias, ...shortNames(alias, facts.dnsDomain)])
      : [];
    const { namespace, labels } = facts;
    return l4Chains({
      ...{ service, port, cidr, aliases, routes, namespace, labels, lookup: this.#lookup },
      needsSni: isAnywhere,
    });
  }

  #httpChain(rds: string, protocol: Protocol, isDetected: boolean, cache: string): OutboundChain {
    const target: HttpTarget = { rds, protocol, dynamicCaches: cache === '' ? [] : [cache] };
    return {
      sniHosts: [],
      cidrs: [],
      applicationProtocols: isDetected ? this.#httpProtocols : [],
      transportProtocol: isDetected ? 'raw_buffer' : '',
      reference: '',
      target,
    };
  }

  #create(name: string, binding: Binding, port: Port, protocol: Protocol, chains: readonly OutboundChain[]): void {
    this.#drafts.set(name, { name, ...binding, port: port.number, protocol, chains, isLocked: false });
  }

  /** Chains that the proxy could not tell from those before are left out: who came first stays. */
  #merge(draft: Draft, port: Port, chains: readonly OutboundChain[], protocol: Protocol): void {
    if (isServerFirstClash(port.protocol, draft.protocol)) return;
    const merged = [...draft.chains];
    for (const chain of chains) if (!merged.some((existing) => isSameMatch(existing, chain))) merged.push(chain);
    draft.chains = merged;
    draft.protocol = protocol;
  }

  #byHost: Map<string, Service> | null = null;

  readonly #serviceByHost = (host: string): Service | undefined => {
    if (this.#byHost === null) {
      this.#byHost = new Map();
      for (const key of this.#input.scope.egress.flatMap(({ services }) => services)) {
        const service = this.#input.service(key);
        if (service !== undefined && !this.#byHost.has(service.hostname)) this.#byHost.set(service.hostname, service);
      }
    }
    return this.#byHost.get(host);
  };
}

function nameOf({ binds }: Binding, { number }: Port): string {
  return `${binds[0]}_${number}`;
}

function isPlainTcp(protocol: Protocol): boolean {
  return isTcp(protocol);
}

/** Looking into a connection would stop protocols in which the server speaks first. */
function isServerFirstClash(incoming: Protocol, existing: Protocol): boolean {
  const serverFirst = (protocol: Protocol): boolean => protocol === 'MONGO' || protocol === 'MYSQL';
  return incoming !== existing && (serverFirst(incoming) || serverFirst(existing));
}

function withCache(chain: OutboundChain, cache: string): OutboundChain {
  const { target } = chain;
  if (!isHttpTarget(target) || target.dynamicCaches.includes(cache)) return chain;
  return { ...chain, target: { ...target, dynamicCaches: [...target.dynamicCaches, cache] } };
}
