// Decodes bootstrap_extensions: what a process has beside its listeners and clusters.
import { INTERNAL_BUFFER_BYTES } from '../../net/internal-network.ts';
import type { Bootstrap } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import {
  CERTIFICATE_CLIENT,
  CERTIFICATE_CLIENT_FIELDS,
  type CertificateClientConfig,
  decodeCertificateClient,
} from './certificate-client.ts';
import { routeEnvironment } from './route-environment.ts';

const INTERNAL_LISTENER = 'envoy.extensions.bootstrap.internal_listener.v3.InternalListener';

export const BOOTSTRAP_EXTENSION_FIELDS = {
  'envoy.config.core.v3.TypedExtensionConfig': 'name typed_config',
  [INTERNAL_LISTENER]: 'buffer_size_kb',
  ...CERTIFICATE_CLIENT_FIELDS,
} as const;

export type BootstrapExtensions = {
  /** Bytes that wait in either direction of an internal connection; null: there are no internal listeners. */
  readonly internalBufferBytes: number | null;
  /** Null: the proxy's certificate comes from elsewhere, if it has one. */
  readonly certificateClient: CertificateClientConfig | null;
};

/** `d` is at the bootstrap. Of several extensions of one type the last one counts, as in Envoy. */
export function decodeBootstrapExtensions(message: Bootstrap, d: ConfigDecoder): BootstrapExtensions {
  let internalBufferBytes: number | null = null;
  let certificateClient: CertificateClientConfig | null = null;
  for (const [i, { typed_config: config }] of (message.bootstrap_extensions ?? []).entries()) {
    const dc = d.at('bootstrap_extensions', i).at('typed_config');
    if (config === undefined) {
      dc.reject('', 'is required');
      continue;
    }
    const unpacked = d.environment.unpack(config, dc);
    if (unpacked === null) continue;
    if (unpacked.type === CERTIFICATE_CLIENT) {
      certificateClient = decodeCertificateClient(unpacked.message, dc, routeEnvironment(d).hasCluster);
      continue;
    }
    if (unpacked.type !== INTERNAL_LISTENER) {
      dc.reject('', `no bootstrap extension of type ${unpacked.type}`);
      continue;
    }
    const { buffer_size_kb: kilobytes } = unpacked.message as { buffer_size_kb?: number };
    internalBufferBytes = kilobytes === undefined ? INTERNAL_BUFFER_BYTES : kilobytes * 1024;
  }
  return { internalBufferBytes, certificateClient };
}
