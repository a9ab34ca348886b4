// The shape of the Gateway API's gateways and sets of listeners, as validation lets them through.

/** As Kubernetes has it: all of them must hold; an empty one selects everything. */
export type LabelSelector = {
  matchLabels?: Readonly<Record<string, string>>;
  matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[];
};

export type FromNamespaces = { from?: 'All' | 'Same' | 'Selector' | 'None'; selector?: LabelSelector };

export type ObjectRef = { group?: string; kind?: string; namespace?: string; name?: string };

export type ListenerTls = {
  mode?: 'Terminate' | 'Passthrough';
  certificateRefs?: readonly ObjectRef[];
  options?: Readonly<Record<string, string>>;
};

export type ListenerSpec = {
  name: string;
  hostname?: string;
  port?: number;
  protocol: string;
  tls?: ListenerTls;
  allowedRoutes?: { namespaces?: FromNamespaces; kinds?: readonly { group?: string; kind: string }[] };
};

export type ClientValidation = {
  caCertificateRefs?: readonly ObjectRef[];
  mode?: 'AllowValidOnly' | 'AllowInsecureFallback';
};

export type GatewaySpec = {
  gatewayClassName?: string;
  listeners?: readonly ListenerSpec[];
  addresses?: readonly { type?: string; value?: string }[];
  allowedListeners?: { namespaces?: FromNamespaces };
  tls?: {
    backend?: unknown;
    frontend?: {
      default?: { validation?: ClientValidation };
      perPort?: readonly { port: number; tls?: { validation?: ClientValidation } }[];
    };
  };
};

export type ListenerSetSpec = {
  parentRef?: ObjectRef;
  listeners?: readonly ListenerSpec[];
};
