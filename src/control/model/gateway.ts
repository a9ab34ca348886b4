// Gateways: what they listen on, for which hosts, with which certificates; and which proxies play them.

export type ServerTls = {
  readonly mode: 'PASSTHROUGH' | 'SIMPLE' | 'MUTUAL' | 'AUTO_PASSTHROUGH' | 'ISTIO_MUTUAL' | 'OPTIONAL_MUTUAL';
  /** SDS names ('kubernetes://NAME', 'kubernetes-gateway://NS/NAME'), in order; empty with files. */
  readonly credentials: readonly string[];
  readonly serverCertificate: string;
  readonly privateKey: string;
  readonly caCertificates: string;
  readonly caCredential: string;
  readonly subjectAltNames: readonly string[];
  readonly verifyCertificateSpki: readonly string[];
  readonly verifyCertificateHash: readonly string[];
  readonly minProtocolVersion: string;
  readonly maxProtocolVersion: string;
  readonly cipherSuites: readonly string[];
  readonly httpsRedirect: boolean;
};

export type GatewayServer = {
  readonly name: string;
  readonly port: { readonly number: number; readonly protocol: string; readonly name: string };
  /** Where the proxy listens; 0: as the service's target port says. */
  readonly targetPort: number;
  readonly bind: string;
  /** Hosts without namespace part, and the namespaces ('*', '.' resolved) whose routes may join, aligned. */
  readonly hosts: readonly { readonly namespace: string; readonly host: string }[];
  readonly tls: ServerTls | null;
  /** Gateway API: kinds and namespaces of routes were checked in translation, this says which sets joined. */
  readonly attached: ReadonlySet<string> | null;
};

export type Gateway = {
  /** 'NAMESPACE/NAME': what routes name as parent. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly origin: string;
  readonly creationMs: number;
  /** Proxies that play it: labels in `selectorNamespace` ('' for any), or those of a service. */
  readonly selector: Readonly<Record<string, string>>;
  readonly selectorNamespace: string;
  /** Hosts of services whose instances play it (Gateway API). */
  readonly services: readonly string[];
  readonly servers: readonly GatewayServer[];
};
