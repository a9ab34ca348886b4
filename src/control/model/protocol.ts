// Istio's names of protocols, as they stand in ports of all objects.
import type { Protocol } from './service.ts';

const NAMES: ReadonlyMap<string, Protocol> = new Map(
  Object.entries({
    ...{ grpc: 'GRPC', 'grpc-web': 'GRPC-Web', http: 'HTTP', http2: 'HTTP2', http_proxy: 'HTTP_PROXY' },
    ...{ https: 'HTTPS', tls: 'TLS', tcp: 'TCP', udp: 'UDP', hbone: 'HBONE' },
    ...{ mongo: 'MONGO', redis: 'REDIS', mysql: 'MYSQL' },
  }),
) as ReadonlyMap<string, Protocol>;

/** In any case; what is no name is looked at by the proxy. */
export function parseProtocol(name: string): Protocol {
  return NAMES.get(name.toLowerCase()) ?? 'UNSUPPORTED';
}
