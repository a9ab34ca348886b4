// What the proxy refuses of the captures: how many resources for each reason, and what will bring it.
export const REFUSED: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'Ambient: made for its nodes, which are no proxies of this kind': {
    'resources of type istio.workload.Address are not supported yet': 88,
    'resources of type istio.security.Authorization are not supported yet': 4,
  },
  'None: made for gRPC clients, and Envoy refuses it with the same words': {
    'validation_context_sds_secret_config: value is required': 2,
    'stat_prefix: value length must be at least 1 characters': 3,
    'name: value length must be at least 1 characters': 1,
  },
  'None: the agent fetches the module, and writes its hash, before a proxy sees it': {
    'sha256: value length must be at least 1 characters': 1,
  },
};
