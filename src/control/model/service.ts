// Services as the mesh knows them, whatever declared them: hosts, ports, addresses, and where they are visible.

/** Istio's protocol names; UNSUPPORTED is "to be detected" (no name, no appProtocol). */
export type Protocol =
  | 'HTTP'
  | 'HTTP2'
  | 'GRPC'
  | 'GRPC-Web'
  | 'HTTP_PROXY'
  | 'HTTPS'
  | 'TLS'
  | 'TCP'
  | 'MONGO'
  | 'REDIS'
  | 'MYSQL'
  | 'HBONE'
  | 'UDP'
  | 'UNSUPPORTED';

export type ServicePort = {
  readonly name: string;
  readonly number: number;
  readonly protocol: Protocol;
  /** Number or name of the workload's port, as declared; 0 if nothing is said. */
  readonly targetPort: number | string;
};

/** How a client finds the endpoints; Istio's `Resolution`. */
export type Resolution = 'ClientSideLB' | 'DNSLB' | 'DNSRoundRobinLB' | 'Passthrough' | 'Alias' | 'DynamicDNS';

/** `*` everyone, `.` its own namespace, '~' nobody, or names of namespaces; '.' is replaced by the namespace's name. */
export type Visibility = ReadonlySet<string>;

export type Service = {
  /** 'NAMESPACE/HOSTNAME'. */
  readonly key: string;
  readonly hostname: string;
  readonly namespace: string;
  /** The object's short name: 'reviews'; for a ServiceEntry its host. */
  readonly name: string;
  readonly registry: 'Kubernetes' | 'External';
  readonly ports: readonly ServicePort[];
  readonly resolution: Resolution;
  /** Addresses or CIDRs by which applications call it; empty for headless ones. */
  readonly addresses: readonly string[];
  /** An address made up for a host that has none (ServiceEntry), by family; '' if none. */
  readonly autoAddresses: { readonly v4: string; readonly v6: string };
  readonly isMeshExternal: boolean;
  readonly isHeadless: boolean;
  readonly exportTo: Visibility;
  /** SPIFFE or other names that its certificates carry, as declared (ServiceEntry.subjectAltNames). */
  readonly subjectAltNames: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly selector: Readonly<Record<string, string>>;
  /** ExternalName services: what the name stands for; and, at the target, the names that stand for it. */
  readonly externalName: string;
  readonly aliases: readonly string[];
  readonly publishNotReadyAddresses: boolean;
  readonly trafficDistribution: '' | 'PreferClose' | 'PreferSameZone' | 'PreferSameNode' | 'PreferSameRegion' | 'Any';
  readonly creationMs: number;
  /** The object that declared it. */
  readonly origin: string;
};

export type Locality = { readonly region: string; readonly zone: string; readonly subZone: string };

/** One address that serves one port of a service. */
export type Endpoint = {
  /** IP address, host name (DNS resolutions), or path of a unix socket. */
  readonly address: string;
  readonly isUnixSocket: boolean;
  readonly port: number;
  /** Name of the service port that it serves. */
  readonly portName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly namespace: string;
  readonly workloadName: string;
  /** Service account: its short name, '' when unknown; and the SPIFFE identity, '' when unknown. */
  readonly account: string;
  readonly identity: string;
  readonly network: string;
  readonly cluster: string;
  readonly locality: Locality;
  readonly nodeName: string;
  readonly weight: number;
  /** 'istio' if a proxy in front of it takes mTLS, 'disabled' otherwise. */
  readonly tlsMode: 'istio' | 'disabled';
  /** 'unknown': nobody tells (entries of services). */
  readonly health: 'healthy' | 'unhealthy' | 'draining' | 'unknown';
  readonly hostname: string;
  readonly subdomain: string;
  /** HBONE, where a node proxy or the workload's own proxy takes it. */
  readonly tunnel: 'none' | 'hbone';
};

/** Key of a service. */
export function serviceKey(namespace: string, hostname: string): string {
  return `${namespace}/${hostname}`;
}

/** Whether HTTP rules apply to it; UNSUPPORTED is looked at by the proxy. */
export function isHttp(protocol: Protocol): boolean {
  return HTTP.has(protocol);
}
/** Whether it is HTTP/2 without asking. */
export function isHttp2(protocol: Protocol): boolean {
  return protocol === 'HTTP2' || protocol === 'GRPC' || protocol === 'GRPC-Web';
}
export function isTls(protocol: Protocol): boolean {
  return protocol === 'HTTPS' || protocol === 'TLS';
}
export function isTcp(protocol: Protocol): boolean {
  return protocol === 'TCP' || protocol === 'MONGO' || protocol === 'REDIS' || protocol === 'MYSQL' || isTls(protocol);
}

const HTTP: ReadonlySet<Protocol> = new Set(['HTTP', 'HTTP2', 'GRPC', 'GRPC-Web', 'HTTP_PROXY']);
