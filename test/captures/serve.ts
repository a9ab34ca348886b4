// Serves a capture as istiod and the agent beside a proxy would: its resources, secrets, and the bootstrap to ask with.
import { typeName } from '../../src/proxy/workers/resource-decoder.ts';
import { type AdsServer, resource, type ServedResource } from '../support/ads-server.ts';
import { makeCa, makeCertificate, type TestCertificate } from '../support/certificates.ts';
import type { Capture, CapturedResource } from './captures.ts';
import { resourceBytes } from './decode.ts';

type Json = Readonly<Record<string, unknown>>;

const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const SERVED = /^(envoy\.|istio\.networking\.)/;

/** The bytes of a captured resource, as they are served; logs that go to the console go to `logPath`. */
export function served({ json }: Pick<CapturedResource, 'json'>, logPath = '/dev/stdout'): ServedResource {
  const text = JSON.stringify(json).replaceAll('"/dev/stdout"', JSON.stringify(logPath));
  const bytes = resourceBytes(JSON.parse(text) as Json);
  if (!(bytes instanceof Uint8Array)) throw new Error(bytes.toString());
  return resource(typeName(String(json['@type'])), bytes);
}

/** From now on the server has what is in the capture, for whoever asks. */
export function serveCapture(ads: AdsServer, capture: Capture, logPath?: string): void {
  for (const [typeUrl, resources] of capture.types) {
    const type = typeName(typeUrl);
    if (!SERVED.test(type)) continue;
    ads.set(type, Object.fromEntries(resources.map((captured) => [captured.name, served(captured, logPath)])));
  }
}

export type Identities = {
  readonly ca: TestCertificate;
  /** Of a service account: 'ns/NAMESPACE/sa/ACCOUNT'. */
  of(...accounts: readonly string[]): TestCertificate;
};

export function makeIdentities(): Identities {
  const ca = makeCa('cluster.local');
  const uri = (account: string): { uri: string } => ({ uri: `spiffe://cluster.local/${account}` });
  return { ca, of: (...accounts) => makeCertificate({ issuer: ca, subject: [], sans: accounts.map(uri) }) };
}

/** What the agent serves: the proxy's own identity and the roots of the mesh. */
export function serveIdentity(ads: AdsServer, { ca }: Identities, own: TestCertificate): void {
  const text = (inline_string: string): Json => ({ inline_string });
  const certificate = { certificate_chain: text(own.chainPem), private_key: text(own.keyPem) };
  ads.put(SECRET, 'default', { name: 'default', tls_certificate: certificate });
  ads.put(SECRET, 'ROOTCA', { name: 'ROOTCA', validation_context: { trusted_ca: text(ca.pem) } });
}

/** As the agent writes it, for the proxy of a capture. */
export function agentBootstrap(port: number, { node }: Pick<Capture, 'node'>, form: 'GRPC' | 'DELTA_GRPC'): string {
  const { id, cluster, metadata } = node;
  const source = { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' };
  const address = { socket_address: { address: '127.0.0.1', port_value: port } };
  const control = (name: string): Json => ({
    ...{ name, type: 'STATIC', connect_timeout: '1s' },
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
    typed_extension_protocol_options: {
      [HTTP_OPTIONS]: {
        '@type': `type.googleapis.com/${HTTP_OPTIONS}`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  });
  const INTERNAL = 'envoy.extensions.bootstrap.internal_listener.v3.InternalListener';
  return JSON.stringify({
    node: { id, cluster, metadata, locality: { region: 'region1', zone: 'zone1' } },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    dynamic_resources: {
      cds_config: source,
      lds_config: source,
      ads_config: {
        ...{ api_type: form, transport_api_version: 'V3', set_node_on_first_message_only: true },
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
    },
    static_resources: { clusters: [control('xds-grpc'), control('sds-grpc')] },
    bootstrap_extensions: [
      {
        name: 'envoy.bootstrap.internal_listener',
        typed_config: { '@type': `type.googleapis.com/${INTERNAL}` },
      },
    ],
  });
}
