// Inbound listeners of a sidecar: the one that capture leads to, and those that a Sidecar object binds itself.
import type { Filter, FilterChain, HttpFilter, Listener } from '../../../../proto/generated/types.d.ts';
import type { MtlsMode, MtlsPolicy } from '../../../model/policy.ts';
import { type Interception, wildcardAddresses, type Families } from '../../../model/proxy.ts';
import { isHttp, type Protocol, type Service } from '../../../model/service.ts';
import { inboundRouteConfiguration } from '../../route/inbound-route.ts';
import { listenerAccessLogs } from '../access-log.ts';
import { addressesOf } from '../address.ts';
import { metadataExchangeTcp, originalDst, originalSrc } from '../filters.ts';
import { httpManager, inboundBase } from '../http-manager.ts';
import { statName } from '../outbound/stat-name.ts';
import type { ListenerSettings, TraceIdentity } from '../settings.ts';
import { blackholeFilters, plainTarget, tcpFilters } from '../tcp-proxy.ts';
import { EXCHANGE_ALPN, HTTP_ALPN, inboundMutualTls } from '../tls-context.ts';
import { type ChainOption, chainOptions, type Reading, serverOptions } from './chain-options.ts';
import { inspectors } from './inspectors.ts';
import { serverSocket } from './server-socket.ts';

/** A port of the workload, as a service or a Sidecar declares it. */
export type InboundPort = {
  readonly port: number;
  readonly name: string;
  readonly protocol: Protocol;
  /** Where the workload listens. */
  readonly targetPort: number;
  /** Who is called here, for telemetry: the service's host. */
  readonly hostname: string;
  readonly service: Pick<Service, 'name' | 'namespace' | 'registry'> | null;
  /** Addresses of the chain's name and, if it binds, of its listener; empty for the wildcard. */
  readonly binds: readonly string[];
  readonly bindToPort: boolean;
  /** The Sidecar that declares it, as metadata shows it. */
  readonly reference: string;
  /** ServerTLSSettings of a Sidecar's listener. */
  readonly tls: Readonly<Record<string, unknown>> | null;
};

export type AccessFilters = { readonly http: readonly HttpFilter[]; readonly tcp: readonly Filter[] };

export type InboundInput = {
  readonly families: Families;
  readonly interception: Interception;
  /** Each target port once, whoever may have it first. */
  readonly ports: readonly InboundPort[];
  readonly mtls: MtlsPolicy;
  readonly access: AccessFilters;
  readonly settings: ListenerSettings;
  readonly identity: TraceIdentity;
};

export function inboundListeners(input: InboundInput): Listener[] {
  const ports = [...input.ports].sort((a, b) => a.targetPort - b.targetPort);
  const captured: FilterChain[] = [];
  const bound: Listener[] = [];
  for (const port of ports) {
    const chains = portChains(port, input);
    if (!port.bindToPort) captured.push(...chains);
    else bound.push(boundListener(port, chains, input));
  }
  return input.interception === 'NONE' ? bound : [virtualInbound(captured, input), ...bound];
}

/** The listener that inbound connections are redirected to. */
function virtualInbound(chains: readonly FilterChain[], input: InboundInput): Listener {
  const { settings, families, interception } = input;
  const isTransparent = interception === 'TPROXY';
  const blackhole: FilterChain = {
    name: 'virtualInbound-blackhole',
    filter_chain_match: { destination_port: settings.inboundListenPort },
    filters: blackholeFilters('inbound', settings),
  };
  const all = [blackhole, ...passthroughChains(input), ...chains];
  return {
    name: 'virtualInbound',
    ...addressesOf(wildcardAddresses(families), settings.inboundListenPort),
    ...common(settings),
    ...(isTransparent ? { transparent: true } : {}),
    listener_filters: [originalDst(), ...(isTransparent ? [originalSrc()] : []), ...inspectors(all)],
    filter_chains: all,
  };
}

function boundListener(port: InboundPort, chains: FilterChain[], { settings, families }: InboundInput): Listener {
  const binds = port.binds.length > 0 ? port.binds : wildcardAddresses(families);
  return {
    name: `${binds[0]}_${port.targetPort}`,
    ...addressesOf(binds, port.targetPort),
    ...common(settings),
    listener_filters: inspectors(chains),
    filter_chains: chains,
  };
}

function common(settings: ListenerSettings): Listener {
  const seconds = Math.trunc(settings.detectionTimeoutMs / 1000);
  return {
    traffic_direction: 'INBOUND',
    continue_on_listener_filters_timeout: true,
    max_connections_to_accept_per_socket_event: 1,
    listener_filters_timeout: { seconds, nanos: (settings.detectionTimeoutMs % 1000) * 1e6 },
    access_log: listenerAccessLogs(settings.accessLog),
  };
}

/** For ports that nothing declares; and for those of them that have an mTLS mode of their own. */
function passthroughChains(input: InboundInput): FilterChain[] {
  const { mtls, ports, settings } = input;
  const declared = new Set(ports.map(({ targetPort }) => targetPort));
  const own = [...mtls.ports].filter(([port]) => !declared.has(port)).sort(([a], [b]) => a - b);
  const modes: (readonly [number, MtlsMode])[] = [[0, mtls.mode], ...own];
  return modes.flatMap(([targetPort, mode]) => {
    const chain = { ...PASSTHROUGH, targetPort };
    return chainOptions(mode, 'auto', settings.http10).map((option) => chainOf(chain, option, input, null));
  });
}

type Chain = {
  readonly cluster: string;
  readonly tcpName: string;
  readonly httpName: string;
  readonly tcpStatPrefix: string;
  readonly httpStatPrefix: string;
  readonly hostname: string;
  readonly port: number;
  readonly targetPort: number;
  readonly protocol: Protocol;
  readonly reference: string;
};

const PASSTHROUGH: Chain = {
  cluster: 'InboundPassthroughCluster',
  tcpName: 'virtualInbound',
  httpName: 'virtualInbound-catchall-http',
  tcpStatPrefix: 'InboundPassthroughCluster',
  httpStatPrefix: 'InboundPassthroughCluster',
  hostname: '',
  port: 0,
  targetPort: 0,
  protocol: 'UNSUPPORTED',
  reference: '',
};

function portChains(port: InboundPort, input: InboundInput): FilterChain[] {
  const { mtls, settings } = input;
  const mode = mtls.ports.get(port.targetPort) ?? mtls.mode;
  // A certificate of its own and the mesh's on one port would contradict each other: the mesh's comes first.
  const tls = mode === 'DISABLE' ? port.tls : null;
  const protocol = tls === null ? port.protocol : endedProtocol(port.protocol);
  const chain = chainOfPort({ ...port, protocol }, input);
  const options =
    tls === null ? chainOptions(mode, readingOf(protocol), settings.http10) : serverOptions(isHttp(protocol));
  return options.map((option) => chainOf(chain, option, input, tls));
}

function readingOf(protocol: Protocol): Reading {
  if (isHttp(protocol)) return 'http';
  return protocol === 'UNSUPPORTED' ? 'auto' : 'tcp';
}

/** What is inside, once TLS is off. */
function endedProtocol(protocol: Protocol): Protocol {
  return protocol === 'HTTPS' ? 'HTTP' : protocol === 'TLS' ? 'TCP' : protocol;
}

function chainOfPort(port: InboundPort, { families, settings }: InboundInput): Chain {
  const [bind = wildcardAddresses(families)[0] as string] = port.binds;
  const name = `${bind}_${port.targetPort}`;
  const cluster = `inbound|${port.targetPort}||`;
  const { hostname: host, name: portName, service } = port;
  const pattern = settings.inboundStatName;
  return {
    cluster,
    tcpName: name,
    httpName: name,
    tcpStatPrefix:
      pattern === '' ? cluster : statName(pattern, { host, subset: '', port: port.port, portName, service }),
    httpStatPrefix: `inbound_${name}`,
    hostname: port.hostname,
    port: port.port,
    targetPort: port.targetPort,
    protocol: port.protocol,
    reference: port.reference,
  };
}

function chainOf(
  chain: Chain,
  option: ChainOption,
  input: InboundInput,
  tls: Readonly<Record<string, unknown>> | null,
): FilterChain {
  const message: FilterChain = {
    name: option.isHttp ? chain.httpName : chain.tcpName,
    filter_chain_match: {
      ...(option.applicationProtocols.length > 0 ? { application_protocols: [...option.applicationProtocols] } : {}),
      transport_protocol: option.transportProtocol,
      ...(chain.targetPort > 0 ? { destination_port: chain.targetPort } : {}),
    },
    filters: option.isHttp ? httpFilters(chain, input) : tcpFiltersOf(chain, input),
  };
  if (option.endsTls) {
    const { settings } = input;
    const alpn = option.isHttp || !settings.hasIstioFilters ? HTTP_ALPN : EXCHANGE_ALPN;
    message.transport_socket = tls === null ? inboundMutualTls(settings, alpn) : serverSocket(tls);
  }
  if (chain.reference !== '') message.metadata = { filter_metadata: { istio: { config: chain.reference } } };
  return message;
}

function tcpFiltersOf(chain: Chain, { settings, access }: InboundInput): Filter[] {
  const target = {
    ...plainTarget(chain.cluster),
    statPrefix: chain.tcpStatPrefix,
    isMongo: chain.protocol === 'MONGO',
  };
  return tcpFilters(target, 'inbound', settings, access.tcp);
}

function httpFilters(chain: Chain, { settings, identity, access }: InboundInput): Filter[] {
  const config = inboundRouteConfiguration(chain.cluster, chain.hostname, chain.port);
  const manager = {
    direction: 'inbound',
    statPrefix: chain.httpStatPrefix,
    route: { config },
    protocol: chain.protocol,
    access: access.http,
    base: inboundBase(settings, chain.protocol),
  } as const;
  return [...exchange(settings), httpManager(manager, settings, identity)];
}

function exchange(settings: ListenerSettings): Filter[] {
  return settings.hasIstioFilters ? [metadataExchangeTcp()] : [];
}
